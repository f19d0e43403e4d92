//! level-session over Redis, as a layer of axum and as middleware of actix-web, for [`Workload::OVER_REDIS`].

use super::ours;
use crate::workload::{NEW_LARGE, SHOW, Workload, large, value};
use actix_web::{App, HttpServer, web};
use axum::{Router, routing::get};
use level_session::{Keyring, RedisStore, Result, Safety, Session, SessionData, Sessions};
use std::{hint::black_box, io, net::TcpListener};

/// The additional field of a large session.
#[derive(Debug, SessionData)]
struct Large {
    large: Option<String>,
}

/// The default settings, without the check of the server's safety: the benchmark configures the server.
async fn store(port: u16) -> RedisStore {
    RedisStore::builder()
        .safety(Safety::Ignore)
        .connect(&format!("redis://127.0.0.1:{port}"))
        .await
        .expect("redis-server runs")
}

pub(super) async fn axum(port: u16) -> Router {
    ours::routes()
        .route(Workload::ReadWrite.path(), get(read_write))
        .route(Workload::SignIn.path(), get(sign_in))
        .route(NEW_LARGE, get(new_large))
        .layer(ours::layer(store(port).await))
}

pub(super) async fn actix(listener: TcpListener, port: u16) -> io::Result<()> {
    let keyring = Keyring::new([[7; 32]]).expect("32 bytes");
    let sessions = Sessions::new(store(port).await, keyring);
    HttpServer::new(move || {
        App::new()
            .wrap(sessions.clone())
            .route(Workload::Ignored.path(), web::get().to(async || "ok"))
            .route(Workload::ReadOne.path(), web::get().to(ours::read_one))
            .route(Workload::ReadEight.path(), web::get().to(ours::read_eight))
            .route(Workload::WriteOne.path(), web::get().to(ours::write_one))
            .route(Workload::New.path(), web::get().to(ours::new))
            .route(SHOW, web::get().to(ours::show))
            .route(Workload::ReadWrite.path(), web::get().to(read_write))
            .route(Workload::SignIn.path(), web::get().to(sign_in))
            .route(NEW_LARGE, web::get().to(new_large))
    })
    .listen(listener)?
    .run()
    .await
}

async fn read_write(session: Session<ours::Eight>) -> Result<&'static str> {
    let before = session.f3().await?;
    assert!(black_box(before).is_some());
    session.f3().set(value().to_owned())?;
    Ok("ok")
}

async fn sign_in(session: Session<ours::Eight>) -> Result<&'static str> {
    session.renew()?;
    session.f0().set(value().to_owned())?;
    Ok("ok")
}

async fn new_large(session: Session<ours::Eight>, besides: Session<Large>) -> Result<&'static str> {
    session.f3().set(value().to_owned())?;
    besides.large().set(large().to_owned())?;
    Ok("ok")
}
