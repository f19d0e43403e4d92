//! The shop on warp: the tower layer around its service.

use frameworks::Shop;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use level_session::{Error, RequestSessions, Result, Session, SessionLayer};
use std::convert::Infallible;
use tower::Layer as _;
use warp::{Filter, Reply, http::Uri, reply::Response};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = frameworks::sessions()?;
    let page = warp::path::end().and(warp::get()).and(session()).then(page);
    let sign_in = warp::path!("sign-in").and(session()).then(sign_in);
    let add = warp::path!("add").and(session()).then(add);
    let sign_out = warp::path!("sign-out").and(session()).then(sign_out);
    let app = page.or(warp::post().and(sign_in.or(add).or(sign_out)));
    let layer = SessionLayer::from(sessions.clone()).any_body();
    let service = TowerToHyperService::new(layer.layer(warp::service(app)));

    let listener = tokio::net::TcpListener::bind(frameworks::address()?).await?;
    frameworks::announce(listener.local_addr()?);
    let mut end = std::pin::pin!(frameworks::end());
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = &mut end => break,
        };
        let service = service.clone();
        tokio::spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            server.serve_connection(TokioIo::new(stream), service).await
        });
    }
    Ok(sessions.close().await?)
}

/// The session of a request, or the error.
fn session() -> impl Filter<Extract = (Result<Session<Shop>>,), Error = Infallible> + Copy {
    warp::ext::optional().map(|present: Option<RequestSessions>| {
        let present = present.ok_or_else(Error::no_middleware)?;
        present.session()
    })
}

async fn page(session: Result<Session<Shop>>) -> Response {
    let page = async { frameworks::page(session?).await };
    answer(page.await.map(warp::reply::html))
}

async fn sign_in(session: Result<Session<Shop>>) -> Response {
    let done = async { frameworks::sign_in(session?).await };
    answer(done.await.map(home))
}

async fn add(session: Result<Session<Shop>>) -> Response {
    let done = async { frameworks::add(session?).await };
    answer(done.await.map(home))
}

async fn sign_out(session: Result<Session<Shop>>) -> Response {
    let done = async { frameworks::sign_out(session?).await };
    answer(done.await.map(home))
}

fn home((): ()) -> impl Reply {
    warp::redirect::see_other(Uri::from_static("/"))
}

fn answer(reply: Result<impl Reply>) -> Response {
    match reply {
        Ok(reply) => reply.into_response(),
        Err(error) => error.to_response().into_response(),
    }
}
