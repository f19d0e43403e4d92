//! The shop on axum.

use axum::{
    Router,
    response::{Html, Redirect},
    routing::{get, post},
};
use frameworks::Shop;
use level_session::{Result, Session, SessionLayer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = frameworks::sessions()?;
    let app = Router::new()
        .route("/", get(page))
        .route("/sign-in", post(sign_in))
        .route("/add", post(add))
        .route("/sign-out", post(sign_out))
        .layer(SessionLayer::from(sessions.clone()));
    let listener = tokio::net::TcpListener::bind(frameworks::address()?).await?;
    frameworks::announce(listener.local_addr()?);
    axum::serve(listener, app)
        .with_graceful_shutdown(frameworks::end())
        .await?;
    Ok(sessions.close().await?)
}

async fn page(session: Session<Shop>) -> Result<Html<String>> {
    Ok(Html(frameworks::page(session).await?))
}

async fn sign_in(session: Session<Shop>) -> Result<Redirect> {
    frameworks::sign_in(session).await?;
    Ok(Redirect::to("/"))
}

async fn add(session: Session<Shop>) -> Result<Redirect> {
    frameworks::add(session).await?;
    Ok(Redirect::to("/"))
}

async fn sign_out(session: Session<Shop>) -> Result<Redirect> {
    frameworks::sign_out(session).await?;
    Ok(Redirect::to("/"))
}
