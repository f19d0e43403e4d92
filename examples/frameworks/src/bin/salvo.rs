//! The shop on salvo.

use frameworks::Shop;
use level_session_salvo::{Result, Session, SessionHoop};
use salvo_core::{
    Router, Server,
    conn::{Listener as _, TcpListener},
    handler,
    writing::{Redirect, Text, Writer as _},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = frameworks::sessions()?;
    let app = Router::new()
        .hoop(SessionHoop::from(sessions.clone()))
        .get(page)
        .push(Router::with_path("sign-in").post(sign_in))
        .push(Router::with_path("add").post(add))
        .push(Router::with_path("sign-out").post(sign_out));
    let acceptor = TcpListener::new(frameworks::address()?).bind().await;
    frameworks::announce(acceptor.local_addr()?);
    let server = Server::new(acceptor);
    let handle = server.handle();
    tokio::spawn(async move {
        frameworks::end().await;
        handle.stop_graceful(None);
    });
    server.try_serve(app).await?;
    Ok(sessions.close().await?)
}

#[handler]
async fn page(session: Session<Shop>) -> Result<Text<String>> {
    Ok(Text::Html(frameworks::page(session.into_inner()).await?))
}

#[handler]
async fn sign_in(session: Session<Shop>) -> Result<Redirect> {
    frameworks::sign_in(session.into_inner()).await?;
    Ok(Redirect::other("/"))
}

#[handler]
async fn add(session: Session<Shop>) -> Result<Redirect> {
    frameworks::add(session.into_inner()).await?;
    Ok(Redirect::other("/"))
}

#[handler]
async fn sign_out(session: Session<Shop>) -> Result<Redirect> {
    frameworks::sign_out(session.into_inner()).await?;
    Ok(Redirect::other("/"))
}
