//! The conformance application on Rocket.

use futures_util::StreamExt as _;
use level_session_adapter_conformance::app::{self, Fixture, Other, Reply, Visit};
use level_session_rocket::{Result, Session, SessionFairing};
use rocket::{
    Request, Response,
    http::Status,
    response::{Responder, stream::ByteStream},
};
use std::io::Cursor;

#[rocket::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fixture = Fixture::from_env()?;
    let config = rocket::Config {
        address: fixture.address.ip(),
        port: fixture.address.port(),
        ..rocket::Config::release_default()
    };
    rocket::custom(config)
        .attach(SessionFairing::from(fixture.sessions.clone()))
        .attach(SessionFairing::from(fixture.sessions.clone()))
        .attach(SessionFairing::from(fixture.other.clone()))
        .mount("/", rocket::routes![act, nested, two, late])
        .launch()
        .await?;
    Ok(fixture.close().await?)
}

#[rocket::get("/act/<action>")]
async fn act(session: Session<Visit>, action: &str) -> Result<Answer> {
    Ok(Answer(app::act(session.into_inner(), action).await?))
}

#[rocket::get("/nested/<action>")]
async fn nested(session: Session<Visit>, action: &str) -> Result<Answer> {
    Ok(Answer(app::act(session.into_inner(), action).await?))
}

#[rocket::get("/two")]
async fn two(visit: Session<Visit>, other: Session<Other>) -> Result<Answer> {
    let reply = app::two(visit.into_inner(), other.into_inner()).await?;
    Ok(Answer(reply))
}

#[rocket::get("/late")]
fn late(session: Session<Visit>) -> ByteStream![Vec<u8>] {
    ByteStream(app::late(session.into_inner()).map(|bytes| bytes.expect("the stream never fails")))
}

struct Answer(Reply);

impl<'r> Responder<'r, 'static> for Answer {
    fn respond_to(self, _: &'r Request<'_>) -> rocket::response::Result<'static> {
        let Reply {
            status,
            headers,
            body,
        } = self.0;
        let mut response = Response::build();
        response.status(Status::new(status));
        for (name, value) in headers {
            response.raw_header_adjoin(name, value);
        }
        response.sized_body(body.len(), Cursor::new(body)).ok()
    }
}
