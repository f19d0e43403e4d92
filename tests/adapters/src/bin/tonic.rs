//! A gRPC service over tonic: the tower layer around the server, and the session among a request's extensions.

use level_session::{Error, ErrorKind, Session, SessionLayer};
use level_session_adapter_conformance::app::{self, Fixture, Visit};
use level_session_adapter_tests::grpc::{NAME, Text};
use std::{
    convert::Infallible,
    task::{Context, Poll},
};
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{BoxFuture, Service, http},
    server::{Grpc, NamedService},
    transport::Server,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fixture = Fixture::from_env()?;
    let sessions = SessionLayer::from(fixture.sessions.clone());
    Server::builder()
        .layer(sessions.any_body())
        .add_service(Visits)
        .serve_with_shutdown(fixture.address, app::terminated())
        .await?;
    Ok(fixture.close().await?)
}

async fn act(request: Request<String>) -> Result<Response<String>, Status> {
    let session = Session::<Visit>::from_extensions(request.extensions()).map_err(status)?;
    let reply = app::act(session, request.get_ref()).await.map_err(status)?;
    match reply.status {
        200 => Ok(Response::new(reply.body)),
        404 => Err(Status::not_found("there is none")),
        _ => Err(Status::internal("it failed")),
    }
}

/// What a client is told of an error: not why.
fn status(error: Error) -> Status {
    match error.kind() {
        ErrorKind::Gone | ErrorKind::Contended => Status::aborted("please try again"),
        _ => Status::internal("something went wrong"),
    }
}

/// What tonic-build generates of a service.
#[derive(Clone)]
struct Visits;

impl NamedService for Visits {
    const NAME: &'static str = NAME;
}

impl Service<http::Request<Body>> for Visits {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let act = tower::service_fn(act);
            Ok(Grpc::new(Text).unary(act, request).await)
        })
    }
}
