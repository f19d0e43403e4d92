//! axum_session, in memory.

use crate::workload::{FIELDS, SHOW, Workload, value};
use ::axum_session::{Session, SessionConfig, SessionLayer, SessionNullPool, SessionStore};
use axum::{Router, routing::get};
use std::hint::black_box;

type Memory = Session<SessionNullPool>;

pub(super) async fn memory() -> Router {
    let store = SessionStore::<SessionNullPool>::new(None, SessionConfig::default())
        .await
        .expect("a store without a database");
    Router::new()
        .route(Workload::Ignored.path(), get(async || "ok"))
        .route(Workload::ReadOne.path(), get(read_one))
        .route(Workload::ReadEight.path(), get(read_eight))
        .route(Workload::WriteOne.path(), get(write_one))
        .route(Workload::New.path(), get(new))
        .route(SHOW, get(show))
        .layer(SessionLayer::new(store))
}

async fn read_one(session: Memory) -> &'static str {
    assert!(black_box(session.get::<String>(FIELDS[3])).is_some());
    "ok"
}

async fn read_eight(session: Memory) -> &'static str {
    for field in FIELDS {
        assert!(black_box(session.get::<String>(field)).is_some());
    }
    "ok"
}

async fn write_one(session: Memory) -> &'static str {
    session.set(FIELDS[3], value());
    "ok"
}

async fn new(session: Memory) -> &'static str {
    for field in FIELDS {
        session.set(field, value());
    }
    "ok"
}

async fn show(session: Memory) -> String {
    FIELDS
        .map(|field| session.get::<String>(field).unwrap_or_default())
        .join("\n")
}
