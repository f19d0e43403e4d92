//! The conformance application on salvo.

use level_session_adapter_conformance::app::{self, Fixture, Other, Reply, Visit};
use level_session_salvo::{Result, Session, SessionHoop};
use salvo_core::{
    Response, Router, Server,
    conn::{Listener as _, TcpListener},
    handler,
    http::StatusCode,
    writing::{Scribe, Writer as _},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fixture = Fixture::from_env()?;
    let sessions = SessionHoop::from(fixture.sessions.clone());
    let other = SessionHoop::from(fixture.other.clone());
    let inside = Router::new()
        .hoop(sessions.clone())
        .push(Router::with_path("act/{action}").goal(act))
        .push(
            Router::with_path("nested/{action}")
                .hoop(sessions)
                .goal(act),
        )
        .push(Router::with_path("two").hoop(other).goal(two))
        .push(Router::with_path("late").goal(late));
    let app = Router::new()
        .push(Router::with_path("outside/{action}").goal(act))
        .push(Router::with_path("optional").goal(optional))
        .push(inside);
    let listener = TcpListener::new(fixture.address).bind().await;
    let server = Server::new(listener);
    let handle = server.handle();
    tokio::spawn(async move {
        app::terminated().await;
        handle.stop_graceful(None);
    });
    server.try_serve(app).await?;
    Ok(fixture.close().await?)
}

#[handler]
async fn act(session: Session<Visit>, request: &mut salvo_core::Request) -> Result<Answer> {
    let action: String = request.param("action").unwrap_or_default();
    Ok(Answer(app::act(session.into_inner(), &action).await?))
}

#[handler]
async fn two(visit: Session<Visit>, other: Session<Other>) -> Result<Answer> {
    let reply = app::two(visit.into_inner(), other.into_inner()).await?;
    Ok(Answer(reply))
}

#[handler]
async fn late(session: Session<Visit>, response: &mut Response) {
    response.stream(app::late(session.into_inner()));
}

#[handler]
async fn optional(request: &mut salvo_core::Request) -> Answer {
    let session = Session::of(request).ok();
    Answer(app::optional(session.map(Session::into_inner)))
}

struct Answer(Reply);

impl Scribe for Answer {
    fn render(self, response: &mut Response) {
        let status = StatusCode::from_u16(self.0.status).expect("a status");
        response.status_code(status);
        for (name, value) in self.0.headers {
            let value = value.parse().expect("a header");
            response.headers_mut().append(name, value);
        }
        response.body(self.0.body);
    }
}
