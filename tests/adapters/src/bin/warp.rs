//! The conformance application on warp: the tower layer around the whole service.

use futures_util::{Stream, StreamExt as _, stream};
use level_session::{Error, RequestSessions, Result, Session, SessionData, SessionLayer};
use level_session_adapter_conformance::app::{self, Fixture, Other, Reply, Visit};
use std::{convert::Infallible, sync::Mutex};
use tower::ServiceBuilder;
use warp::{Filter, http::Response};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fixture = Fixture::from_env()?;
    let sessions = SessionLayer::from(fixture.sessions.clone());
    let act = warp::path!("act" / String)
        .or(warp::path!("nested" / String))
        .unify()
        .and(session())
        .then(act);
    let two = warp::path!("two").and(session()).and(session()).then(two);
    let late = warp::path!("late").and(session()).map(late);
    let service = ServiceBuilder::new()
        .layer(SessionLayer::from(fixture.other.clone()).any_body())
        .layer(sessions.clone().any_body())
        .layer(sessions.any_body())
        .service(warp::service(act.or(two).or(late)));
    level_session_adapter_tests::serve(fixture.address, service).await?;
    Ok(fixture.close().await?)
}

/// The session of a request.
fn session<T: SessionData>()
-> impl Filter<Extract = (Result<Session<T>>,), Error = Infallible> + Copy {
    warp::ext::optional().map(|present: Option<RequestSessions>| {
        let present = present.ok_or_else(Error::no_middleware)?;
        present.session()
    })
}

async fn act(action: String, session: Result<Session<Visit>>) -> warp::reply::Response {
    let reply = async { app::act(session?, &action).await };
    respond(reply.await)
}

async fn two(
    visit: Result<Session<Visit>>,
    other: Result<Session<Other>>,
) -> warp::reply::Response {
    let reply = async { app::two(visit?, other?).await };
    respond(reply.await)
}

fn late(session: Result<Session<Visit>>) -> impl warp::Reply {
    warp::reply::stream(sync(app::late(session.expect("a layer"))))
}

/// warp requires bodies to be `Sync`.
fn sync<S: Stream + Send + Unpin>(stream: S) -> impl Stream<Item = S::Item> + Send + Sync {
    let mut stream = Mutex::new(stream);
    stream::poll_fn(move |cx| {
        let stream = stream.get_mut().expect("the lock is never taken");
        stream.poll_next_unpin(cx)
    })
}

fn respond(reply: Result<Reply>) -> warp::reply::Response {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => return warp::reply::Reply::into_response(error.to_response()),
    };
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(reply.body.into()).expect("a head")
}
