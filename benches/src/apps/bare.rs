//! axum alone: what the others are measured above.

use crate::workload::Workload;
use axum::{Router, routing::get};

pub(super) fn router() -> Router {
    Workload::ALL
        .into_iter()
        .fold(Router::new(), |router, workload| {
            router.route(workload.path(), get(async || "ok"))
        })
}
