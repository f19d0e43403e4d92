use axum::Router;
use dioxus::{fullstack::commit_initial_chunk, prelude::*};
use level_session::{Session, SessionData, SessionLayer, Sessions};

#[derive(SessionData)]
pub struct Shop {
    #[session(default)]
    pub cart: Vec<String>,
}

/// The status and the one line that the browser gets; the reason goes to the log. `?` would send the text of the error to the
/// browser.
fn opaque(error: level_session::Error) -> HttpError {
    let response = error.to_response();
    HttpError::new(response.status(), response.body().trim_end())
}

#[post("/api/add", session: Session<Shop>)]
pub async fn add(item: String) -> Result<usize, HttpError> {
    let added = session.cart().update(move |cart| cart.push(item.clone()));
    added.await.map_err(opaque)?;
    Ok(session.cart().await.map_err(opaque)?.len())
}

/// The page below calls it on the server as an ordinary function, and it may run after the response's head has been sent: it
/// can read the session then, but a change fails with `Closed`.
#[get("/api/items", session: Session<Shop>)]
pub async fn items() -> Result<Vec<String>, HttpError> {
    stock().await;
    session.cart().await.map_err(opaque)
}

#[post("/api/sign-out", session: Session<Shop>)]
pub async fn sign_out() -> Result<(), HttpError> {
    session.destroy().map_err(opaque)
}

#[component]
fn Cart() -> Element {
    let items = use_loader(items)?;
    let items = items.read().join(", ");
    rsx! { "{items}" }
}

#[component]
pub fn App() -> Element {
    use_hook(commit_initial_chunk); // the router of Dioxus does it as well
    rsx! {
        p {
            "In the cart: "
            SuspenseBoundary { fallback: |_| rsx! { "loading" }, Cart {} }
        }
    }
}

/// The layer wraps the pages and the server functions.
pub fn app(sessions: Sessions) -> Router {
    let config = ServeConfig::new().enable_out_of_order_streaming();
    Router::new()
        .serve_dioxus_application(config, App)
        .layer(SessionLayer::from(sessions))
}

pub fn serve(sessions: Sessions) -> ! {
    dioxus::serve(move || {
        let app = app(sessions.clone());
        async move { Ok(app) }
    })
}
