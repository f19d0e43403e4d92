//! The shop on hyper alone: the tower layer around one function.

use frameworks::Shop;
use http::{
    Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use level_session::{Result, Session, SessionLayer};
use std::convert::Infallible;
use tower::{Layer as _, service_fn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = frameworks::sessions()?;
    let layer = SessionLayer::from(sessions.clone());
    let service = TowerToHyperService::new(layer.layer(service_fn(answer)));
    let listener = tokio::net::TcpListener::bind(frameworks::address()?).await?;
    frameworks::announce(listener.local_addr()?);
    let mut end = std::pin::pin!(frameworks::end());
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = &mut end => break,
        };
        let server = http1::Builder::new();
        tokio::spawn(server.serve_connection(TokioIo::new(stream), service.clone()));
    }
    Ok(sessions.close().await?)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let response = match route(request).await {
        Ok(response) => response.map(Full::from),
        Err(error) => error.to_response().map(Full::from),
    };
    Ok(response)
}

async fn route(request: Request<Incoming>) -> Result<Response<String>> {
    let session = Session::<Shop>::from_extensions(request.extensions())?;
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => {
            let mut response = Response::new(frameworks::page(session).await?);
            let html = "text/html; charset=utf-8".parse().expect("a header");
            response.headers_mut().insert(CONTENT_TYPE, html);
            return Ok(response);
        }
        (&Method::POST, "/sign-in") => frameworks::sign_in(session).await?,
        (&Method::POST, "/add") => frameworks::add(session).await?,
        (&Method::POST, "/sign-out") => frameworks::sign_out(session).await?,
        _ => {
            let mut response = Response::new("not found".to_owned());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    }
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response
        .headers_mut()
        .insert(LOCATION, "/".parse().expect("a header"));
    Ok(response)
}
