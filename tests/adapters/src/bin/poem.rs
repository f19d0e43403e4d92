//! The conformance application on poem.

use level_session::Session;
use level_session_adapter_conformance::app::{self, Fixture, Other, Reply, Visit};
use poem::{
    Body, EndpointExt as _, Response, Result, Route, Server, handler, http::StatusCode,
    listener::TcpListener, web::Path,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fixture = Fixture::from_env()?;
    let (sessions, other) = (fixture.sessions.clone(), fixture.other.clone());
    let inside = Route::new()
        .at("/act/:action", act)
        .at("/nested/:action", act.with(sessions.clone()))
        .at("/two", two.with(other))
        .at("/late", late)
        .with(sessions);
    let app = Route::new()
        .at("/outside/:action", act)
        .at("/optional", optional)
        .nest("/", inside);
    Server::new(TcpListener::bind(fixture.address))
        .run_with_graceful_shutdown(app, app::terminated(), None)
        .await?;
    Ok(fixture.close().await?)
}

#[handler]
async fn act(session: Session<Visit>, Path(action): Path<String>) -> Result<Response> {
    Ok(respond(app::act(session, &action).await?))
}

#[handler]
async fn two(visit: Session<Visit>, other: Session<Other>) -> Result<Response> {
    Ok(respond(app::two(visit, other).await?))
}

#[handler]
async fn late(session: Session<Visit>) -> Body {
    Body::from_bytes_stream(app::late(session))
}

#[handler]
async fn optional(session: Option<Session<Visit>>) -> Response {
    respond(app::optional(session))
}

fn respond(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).expect("a status");
    let mut response = Response::builder().status(status).body(reply.body);
    for (name, value) in reply.headers {
        let value = value.parse().expect("a header");
        response.headers_mut().append(name, value);
    }
    response
}
