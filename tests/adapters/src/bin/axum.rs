//! The conformance application on axum.

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::any,
};
use level_session::{Result, Session, SessionLayer};
use level_session_adapter_conformance::app::{self, Fixture, Other, Reply, Visit};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fixture = Fixture::from_env()?;
    let sessions = SessionLayer::from(fixture.sessions.clone());
    let other = SessionLayer::from(fixture.other.clone());
    let app = Router::new()
        .route("/act/{action}", any(act))
        .route("/nested/{action}", any(act).layer(sessions.clone()))
        .route("/two", any(two).layer(other))
        .route("/late", any(late))
        .layer(sessions)
        .route("/outside/{action}", any(act))
        .route("/optional", any(optional));
    let listener = tokio::net::TcpListener::bind(fixture.address).await?;
    axum::serve(listener, app)
        .with_graceful_shutdown(app::terminated())
        .await?;
    Ok(fixture.close().await?)
}

async fn act(session: Session<Visit>, Path(action): Path<String>) -> Result<Response> {
    Ok(respond(app::act(session, &action).await?))
}

async fn two(visit: Session<Visit>, other: Session<Other>) -> Result<Response> {
    Ok(respond(app::two(visit, other).await?))
}

async fn late(session: Session<Visit>) -> Body {
    Body::from_stream(app::late(session))
}

async fn optional(session: Option<Session<Visit>>) -> Response {
    respond(app::optional(session))
}

fn respond(reply: Reply) -> Response {
    let mut response = reply.body.into_response();
    *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status");
    for (name, value) in reply.headers {
        let value = value.parse().expect("a header");
        response.headers_mut().append(name, value);
    }
    response
}
