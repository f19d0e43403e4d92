//! The conformance application on actix-web.

use actix_web::{
    App, HttpResponse, HttpServer, Result,
    http::StatusCode,
    web::{self, Bytes, Path},
};
use futures_util::TryStreamExt as _;
use level_session::Session;
use level_session_adapter_conformance::app::{self, Fixture, Other, Reply, Visit};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fixture = Fixture::from_env()?;
    let (sessions, other) = (fixture.sessions.clone(), fixture.other.clone());
    let app = move || {
        let inside = web::scope("")
            .wrap(sessions.clone())
            .route("/act/{action}", web::route().to(act))
            .service(
                web::scope("/nested")
                    .wrap(sessions.clone())
                    .route("/{action}", web::route().to(act)),
            )
            .service(
                web::resource("/two")
                    .wrap(other.clone())
                    .route(web::route().to(two)),
            )
            .route("/late", web::route().to(late));
        App::new()
            .route("/outside/{action}", web::route().to(act))
            .route("/optional", web::route().to(optional))
            .service(inside)
    };
    HttpServer::new(app)
        .workers(2)
        .bind(fixture.address)?
        .run()
        .await?;
    Ok(fixture.close().await?)
}

async fn act(session: Session<Visit>, action: Path<String>) -> Result<HttpResponse> {
    Ok(respond(app::act(session, &action).await?))
}

async fn two(visit: Session<Visit>, other: Session<Other>) -> Result<HttpResponse> {
    Ok(respond(app::two(visit, other).await?))
}

async fn late(session: Session<Visit>) -> HttpResponse {
    HttpResponse::Ok().streaming(app::late(session).map_ok(Bytes::from))
}

async fn optional(session: Option<Session<Visit>>) -> HttpResponse {
    respond(app::optional(session))
}

fn respond(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).expect("a status");
    let mut response = HttpResponse::build(status);
    for header in reply.headers {
        response.append_header(header);
    }
    response.body(reply.body)
}
