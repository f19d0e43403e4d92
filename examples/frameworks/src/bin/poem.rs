//! The shop on poem.

use frameworks::Shop;
use level_session::Session;
use poem::{
    EndpointExt as _, Result, Route, Server, get, handler,
    listener::{Acceptor as _, Listener as _, TcpListener},
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
    let acceptor = TcpListener::bind(frameworks::address()?)
        .into_acceptor()
        .await?;
    for address in acceptor.local_addr() {
        frameworks::announce(*address.as_socket_addr().expect("TCP"));
    }
    Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(app, frameworks::end(), None)
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
