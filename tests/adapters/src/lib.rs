//! Code that several of the servers share.

pub mod grpc;

use http::Response;
use hyper::body::{Body, Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use level_session_adapter_conformance::app;
use std::{convert::Infallible, error::Error, io, net::SocketAddr};
use tokio::net::TcpListener;
use tower::Service;

/// Serves a tower service with hyper alone, until the process is asked to terminate.
///
/// # Errors
/// If the address cannot be bound.
pub async fn serve<S, B>(address: SocketAddr, service: S) -> io::Result<()>
where
    S: Service<http::Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let listener = TcpListener::bind(address).await?;
    let server = Builder::new(TokioExecutor::new());
    let graceful = GracefulShutdown::new();
    let mut end = std::pin::pin!(app::terminated());
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = &mut end => break,
        };
        let service = TowerToHyperService::new(service.clone());
        let connection = server.serve_connection(TokioIo::new(stream), service);
        tokio::spawn(graceful.watch(connection.into_owned()));
    }
    drop(listener);
    graceful.shutdown().await;
    Ok(())
}
