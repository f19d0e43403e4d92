//! The shop over poem.

use frameworks::{ADDRESS, Shop};
use level_session::Session;
use poem::{
    EndpointExt as _, Result, Route, Server, get, handler,
    listener::TcpListener,
    post,
    web::{Html, Redirect},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = frameworks::sessions()?;
    let app = Route::new()
        .at("/", get(page))
        .at("/sign-in", post(sign_in))
        .at("/add", post(add))
        .at("/sign-out", post(sign_out))
        .with(sessions.clone());
    let end = async || tokio::signal::ctrl_c().await.unwrap_or_default();
    Server::new(TcpListener::bind(ADDRESS))
        .run_with_graceful_shutdown(app, end(), None)
        .await?;
    Ok(sessions.close().await?)
}

#[handler]
async fn page(session: Session<Shop>) -> Result<Html<String>> {
    Ok(Html(frameworks::page(session).await?))
}

#[handler]
async fn sign_in(session: Session<Shop>) -> Result<Redirect> {
    frameworks::sign_in(session).await?;
    Ok(Redirect::see_other("/"))
}

#[handler]
async fn add(session: Session<Shop>) -> Result<Redirect> {
    frameworks::add(session).await?;
    Ok(Redirect::see_other("/"))
}

#[handler]
async fn sign_out(session: Session<Shop>) -> Result<Redirect> {
    frameworks::sign_out(session).await?;
    Ok(Redirect::see_other("/"))
}
