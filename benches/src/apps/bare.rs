//! axum alone: the baseline of the others.

use crate::workload::Workload;
use axum::{Router, routing::get};
use http::Request;
use std::{
    hint::black_box,
    sync::Arc,
    task::{Context, Poll},
};
use tower_layer::layer_fn;
use tower_service::Service;

pub(super) fn router() -> Router {
    Workload::ALL
        .into_iter()
        .fold(Router::new(), |router, workload| {
            router.route(workload.path(), get(async || "ok"))
        })
}

/// The same behind a layer that does the minimum of a session layer for axum: it adds a value to the request's
/// extensions.
pub(super) fn layered() -> Router {
    router().layer(layer_fn(Least))
}

#[derive(Clone)]
struct Least<S>(S);

/// The value in the extensions: it belongs to the request, and is shared with its handler.
#[derive(Clone)]
struct Own(#[expect(dead_code, reason = "it is there to be made and dropped")] Arc<u64>);

impl<S: Service<Request<B>>, B> Service<Request<B>> for Least<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        request.extensions_mut().insert(Own(Arc::new(black_box(1))));
        self.0.call(request)
    }
}
