//! The conformance application on hyper alone: the tower layer around one function.

use futures_util::TryStreamExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use level_session::{Result, Session, SessionLayer};
use level_session_adapter_conformance::app::{self, Fixture, Reply};
use std::{convert::Infallible, io};
use tower::ServiceBuilder;

type Body = UnsyncBoxBody<Bytes, io::Error>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fixture = Fixture::from_env()?;
    let sessions = SessionLayer::from(fixture.sessions.clone());
    let service = ServiceBuilder::new()
        .layer(SessionLayer::from(fixture.other.clone()).any_body())
        .layer(sessions.clone().any_body())
        .layer(sessions.any_body())
        .service_fn(answer);
    level_session_adapter_tests::serve(fixture.address, service).await?;
    Ok(fixture.close().await?)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let response = route(request).await;
    Ok(response.unwrap_or_else(|error| error.to_response().map(full)))
}

async fn route(request: Request<Incoming>) -> Result<Response<Body>> {
    let extensions = request.extensions();
    let visit = Session::from_extensions(extensions)?;
    match *request.uri().path().split('/').collect::<Vec<_>>() {
        ["", "act" | "nested", action] => app::act(visit, action).await.map(respond),
        ["", "two"] => {
            let other = Session::from_extensions(extensions)?;
            app::two(visit, other).await.map(respond)
        }
        ["", "late"] => {
            let frames = app::late(visit).map_ok(|bytes| Frame::data(bytes.into()));
            Ok(Response::new(StreamBody::new(frames).boxed_unsync()))
        }
        _ => {
            let mut response = Response::new(full("not found"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok(response)
        }
    }
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn respond(reply: Reply) -> Response<Body> {
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(full(reply.body)).expect("a head")
}
