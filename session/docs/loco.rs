use axum::Router;
use level_session::{Session, SessionData, SessionLayer, Sessions};
use loco_rs::{
    app::Hooks,
    boot::{BootResult, StartMode, create_app},
    config::Config,
    controller::{AppRoutes, ErrorDetail},
    environment::Environment,
    prelude::*,
    task::Tasks,
};

#[derive(SessionData)]
pub struct Shop {
    #[session(index)]
    pub user: Option<u64>,
    #[session(default)]
    pub cart: Vec<String>,
}

/// Loco's error with the status and the one line that the browser gets; the reason goes to the log.
fn opaque(error: level_session::Error) -> Error {
    let response = error.to_response();
    let line = response.body().trim_end();
    Error::CustomError(response.status(), ErrorDetail::with_reason(line))
}

async fn sign_in(session: Session<Shop>) -> level_session::Result<()> {
    session.renew()?; // after the password was checked
    session.user().set(7)
}

/// If `reserve` panics, or its error becomes a response with a status of 500 or above, the cart stays as it was.
async fn add(session: Session<Shop>, Json(item): Json<String>) -> Result<Response> {
    let added = item.clone();
    let update = session.cart().update(move |cart| cart.push(added.clone()));
    update.await.map_err(opaque)?;
    reserve(&item).await?;
    format::json(session.cart().await.map_err(opaque)?)
}

/// Ends all sessions of the user.
async fn sign_out_everywhere(
    session: Session<Shop>,
    SharedStore(sessions): SharedStore<Sessions>,
) -> level_session::Result<()> {
    if let Some(user) = session.user().await? {
        sessions.end_all(Shop::USER, &user).await?;
    }
    Ok(())
}

pub struct App;

#[async_trait]
impl Hooks for App {
    fn app_name() -> &'static str {
        env!("CARGO_CRATE_NAME")
    }

    async fn boot(
        mode: StartMode,
        environment: &Environment,
        config: Config,
    ) -> Result<BootResult> {
        create_app::<Self>(mode, environment, config).await
    }

    fn routes(_: &AppContext) -> AppRoutes {
        let shop = Routes::new()
            .add("/sign-in", post(sign_in))
            .add("/cart", post(add))
            .add("/sign-out-everywhere", post(sign_out_everywhere));
        AppRoutes::with_default_routes().add_route(shop)
    }

    /// `open` opens the store and reads the keys.
    async fn after_routes(router: Router, ctx: &AppContext) -> Result<Router> {
        let sessions = open().map_err(Error::wrap)?;
        ctx.shared_store.insert(sessions.clone());
        Ok(router.layer(SessionLayer::from(sessions)))
    }

    /// Loco calls it when the shutdown begins: requests in flight still need the store.
    async fn on_shutdown(ctx: &AppContext) {
        if let Some(sessions) = ctx.shared_store.get::<Sessions>() {
            sessions.end_connections();
        }
    }

    async fn connect_workers(_: &AppContext, _: &Queue) -> Result<()> {
        Ok(())
    }

    fn register_tasks(_: &mut Tasks) {}
}
