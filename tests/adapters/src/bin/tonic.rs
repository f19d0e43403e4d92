//! The conformance application as a gRPC service on tonic: the tower layer around the server, and the session in the
//! request's extensions.

use futures_util::{Stream, StreamExt as _};
use level_session::{Error, ErrorKind, Session, SessionLayer};
use level_session_adapter_conformance::app::{self, Fixture, Reply, Visit};
use level_session_adapter_tests::grpc::{ACT, LATE, NAME, TWO, Text};
use std::{
    convert::Infallible,
    task::{Context, Poll},
};
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{BoxFuture, Service, http},
    metadata::MetadataValue,
    server::{Grpc, NamedService},
    transport::Server,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fixture = Fixture::from_env()?;
    let sessions = SessionLayer::from(fixture.sessions.clone());
    Server::builder()
        .layer(SessionLayer::from(fixture.other.clone()).any_body())
        .layer(sessions.clone().any_body())
        .layer(sessions.any_body())
        .add_service(Visits)
        .serve_with_shutdown(fixture.address, app::terminated())
        .await?;
    Ok(fixture.close().await?)
}

fn visit<T>(request: &Request<T>) -> Result<Session<Visit>, Status> {
    Session::from_extensions(request.extensions()).map_err(status)
}

async fn act(request: Request<String>) -> Result<Response<String>, Status> {
    let reply = app::act(visit(&request)?, request.get_ref()).await;
    respond(reply)
}

async fn two(request: Request<String>) -> Result<Response<String>, Status> {
    let other = Session::from_extensions(request.extensions()).map_err(status)?;
    respond(app::two(visit(&request)?, other).await)
}

async fn late(
    request: Request<String>,
) -> Result<Response<impl Stream<Item = Result<String, Status>>>, Status> {
    let messages = app::late(visit(&request)?).map(|bytes| {
        let text = bytes.map(String::from_utf8);
        let text = text.map_err(|error| Status::internal(error.to_string()))?;
        text.map_err(|error| Status::internal(error.to_string()))
    });
    Ok(Response::new(messages))
}

fn respond(reply: level_session::Result<Reply>) -> Result<Response<String>, Status> {
    let reply = reply.map_err(status)?;
    match reply.status {
        200 => {
            let mut response = Response::new(reply.body);
            for (name, value) in reply.headers {
                let metadata = response.metadata_mut();
                metadata.append(name, MetadataValue::from_static(value));
            }
            Ok(response)
        }
        404 => Err(Status::not_found("not found")),
        _ => Err(Status::internal("it failed")),
    }
}

/// The status that a client gets for an error: it does not contain the reason.
fn status(error: Error) -> Status {
    match error.kind() {
        ErrorKind::Gone | ErrorKind::Contended => Status::aborted("please try again"),
        _ => Status::internal("something went wrong"),
    }
}

/// The code that tonic-build would generate for a service.
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
            let mut grpc = Grpc::new(Text);
            Ok(match request.uri().path() {
                ACT => grpc.unary(tower::service_fn(act), request).await,
                TWO => grpc.unary(tower::service_fn(two), request).await,
                LATE => {
                    let late = tower::service_fn(late);
                    grpc.server_streaming(late, request).await
                }
                _ => Status::unimplemented("unknown method").into_http(),
            })
        })
    }
}
