//! level-session, over its stores.

use crate::workload::{SHOW, Workload, value};
use axum::{Router, routing::get};
use level_session::{
    FjallStore, Keyring, MemoryStore, Result, Session, SessionData, SessionLayer, store::Store,
};
use std::{hint::black_box, path::Path};

/// Eight fields without any attribute.
#[derive(Debug, SessionData)]
pub struct Eight {
    pub f0: Option<String>,
    pub f1: Option<String>,
    pub f2: Option<String>,
    pub f3: Option<String>,
    pub f4: Option<String>,
    pub f5: Option<String>,
    pub f6: Option<String>,
    pub f7: Option<String>,
}

/// The default: fjall, `Buffer`, with the cache and the sweeper as they come.
pub fn fjall(path: &Path) -> FjallStore {
    FjallStore::open(path).expect("a new directory")
}

pub(super) fn memory() -> MemoryStore {
    MemoryStore::new()
}

/// The default settings, with a key that was made up.
pub fn layer(store: impl Store) -> SessionLayer {
    SessionLayer::new(store, Keyring::new([[7; 32]]).expect("32 bytes"))
}

pub(super) fn router(store: impl Store) -> Router {
    routes().layer(layer(store))
}

pub(super) fn routes() -> Router {
    Router::new()
        .route(Workload::Ignored.path(), get(async || "ok"))
        .route(Workload::ReadOne.path(), get(read_one))
        .route(Workload::ReadEight.path(), get(read_eight))
        .route(Workload::WriteOne.path(), get(write_one))
        .route(Workload::New.path(), get(new))
        .route(SHOW, get(show))
}

pub(super) async fn read_one(session: Session<Eight>) -> Result<&'static str> {
    let value = session.f3().await?;
    assert!(black_box(value).is_some());
    Ok("ok")
}

pub(super) async fn read_eight(session: Session<Eight>) -> Result<&'static str> {
    let values = [
        session.f0().await?,
        session.f1().await?,
        session.f2().await?,
        session.f3().await?,
        session.f4().await?,
        session.f5().await?,
        session.f6().await?,
        session.f7().await?,
    ];
    assert!(black_box(values).iter().all(Option::is_some));
    Ok("ok")
}

pub(super) async fn write_one(session: Session<Eight>) -> Result<&'static str> {
    session.f3().set(value().to_owned())?;
    Ok("ok")
}

pub(super) async fn new(session: Session<Eight>) -> Result<&'static str> {
    session.f0().set(value().to_owned())?;
    session.f1().set(value().to_owned())?;
    session.f2().set(value().to_owned())?;
    session.f3().set(value().to_owned())?;
    session.f4().set(value().to_owned())?;
    session.f5().set(value().to_owned())?;
    session.f6().set(value().to_owned())?;
    session.f7().set(value().to_owned())?;
    Ok("ok")
}

pub(super) async fn show(session: Session<Eight>) -> Result<String> {
    let values = [
        session.f0().await?,
        session.f1().await?,
        session.f2().await?,
        session.f3().await?,
        session.f4().await?,
        session.f5().await?,
        session.f6().await?,
        session.f7().await?,
    ];
    Ok(values.map(Option::unwrap_or_default).join("\n"))
}
