use axum::Router;
use leptos::prelude::*;
use leptos_axum::{LeptosRoutes as _, ResponseOptions, extract, generate_route_list};
use leptos_router::{
    components::{Route, Router as Pages, Routes},
    path,
};
use level_session::{Session, SessionData, SessionLayer, Sessions};

#[derive(SessionData)]
pub struct Shop {
    #[session(default)]
    pub cart: Vec<String>,
}

/// The session of the current request, in server functions and in resources.
async fn session() -> Result<Session<Shop>, ServerFnError> {
    Ok(extract().await?)
}

/// Sets the status of the response, and sends the browser one line; the reason goes to the log. `?` would send the text of the
/// error to the browser.
fn opaque(error: level_session::Error) -> ServerFnError {
    let response = error.to_response();
    if let Some(options) = use_context::<ResponseOptions>() {
        options.set_status(response.status());
    }
    ServerFnError::new(response.body().trim_end())
}

#[server(endpoint = "add")]
pub async fn add(item: String) -> Result<usize, ServerFnError> {
    let session = session().await?;
    let added = session.cart().update(move |cart| cart.push(item.clone()));
    added.await.map_err(opaque)?;
    Ok(session.cart().await.map_err(opaque)?.len())
}

/// The page below calls it on the server as an ordinary function, and it may run after the response's head has been sent: it
/// can read the session then, but a change fails with `Closed`.
#[server(endpoint = "items")]
pub async fn items() -> Result<Vec<String>, ServerFnError> {
    let session = session().await?;
    stock().await;
    session.cart().await.map_err(opaque)
}

#[component]
fn Cart() -> impl IntoView {
    let items = Resource::new(|| (), |()| items());
    view! {
        <p>"In the cart: "
            <Suspense fallback=|| "loading">
                {move || Suspend::new(async move { items.await.map(|items| items.join(", ")) })}
            </Suspense>
        </p>
    }
}

#[component]
pub fn App() -> impl IntoView {
    view! {
        <Pages>
            <Routes fallback=|| "Page not found">
                <Route path=path!("/") view=Cart/>
            </Routes>
        </Pages>
    }
}

/// The layer wraps the pages and the server functions.
pub fn app(options: LeptosOptions, sessions: Sessions) -> Router {
    Router::new()
        .leptos_routes(&options, generate_route_list(App), App)
        .layer(SessionLayer::from(sessions))
        .with_state(options)
}
