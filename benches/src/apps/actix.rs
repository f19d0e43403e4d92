//! actix-web, alone and with actix-session over Redis: one map of JSON texts a session, loaded by every request that has
//! a cookie, and saved whole. Cookies are encrypted, as by default.

use crate::workload::{FIELDS, LARGE, NEW_LARGE, SHOW, Workload, large, value};
use actix_session::{Session, SessionMiddleware, storage::RedisSessionStore};
use actix_web::{
    App, HttpServer,
    cookie::Key,
    error::Result,
    web::{self, ServiceConfig},
};
use std::{hint::black_box, io, net::TcpListener};

/// Serves on this listener, over the redis-server at this port if there is one, until the process ends.
pub(super) async fn serve(listener: TcpListener, redis: Option<u16>) -> io::Result<()> {
    let Some(port) = redis else {
        return HttpServer::new(|| App::new().configure(bare))
            .listen(listener)?
            .run()
            .await;
    };
    let store = RedisSessionStore::new(format!("redis://127.0.0.1:{port}"))
        .await
        .map_err(io::Error::other)?;
    HttpServer::new(move || {
        let key = Key::from(&[7; 64]);
        App::new()
            .wrap(SessionMiddleware::new(store.clone(), key))
            .configure(sessions)
    })
    .listen(listener)?
    .run()
    .await
}

fn bare(config: &mut ServiceConfig) {
    for workload in Workload::ALL {
        config.route(workload.path(), web::get().to(async || "ok"));
    }
}

fn sessions(config: &mut ServiceConfig) {
    config
        .route(Workload::Ignored.path(), web::get().to(async || "ok"))
        .route(Workload::ReadOne.path(), web::get().to(read_one))
        .route(Workload::ReadEight.path(), web::get().to(read_eight))
        .route(Workload::WriteOne.path(), web::get().to(write_one))
        .route(Workload::New.path(), web::get().to(new))
        .route(SHOW, web::get().to(show))
        .route(Workload::ReadWrite.path(), web::get().to(read_write))
        .route(Workload::SignIn.path(), web::get().to(sign_in))
        .route(NEW_LARGE, web::get().to(new_large));
}

async fn read_one(session: Session) -> Result<&'static str> {
    let value = session.get::<String>(FIELDS[3])?;
    assert!(black_box(value).is_some());
    Ok("ok")
}

async fn read_eight(session: Session) -> Result<&'static str> {
    for field in FIELDS {
        let value = session.get::<String>(field)?;
        assert!(black_box(value).is_some());
    }
    Ok("ok")
}

async fn write_one(session: Session) -> Result<&'static str> {
    session.insert(FIELDS[3], value())?;
    Ok("ok")
}

async fn new(session: Session) -> Result<&'static str> {
    for field in FIELDS {
        session.insert(field, value())?;
    }
    Ok("ok")
}

async fn show(session: Session) -> Result<String> {
    let mut shown = Vec::new();
    for field in FIELDS {
        shown.push(session.get::<String>(field)?.unwrap_or_default());
    }
    Ok(shown.join("\n"))
}

async fn read_write(session: Session) -> Result<&'static str> {
    let before = session.get::<String>(FIELDS[3])?;
    assert!(black_box(before).is_some());
    session.insert(FIELDS[3], value())?;
    Ok("ok")
}

async fn sign_in(session: Session) -> Result<&'static str> {
    session.renew();
    session.insert(FIELDS[0], value())?;
    Ok("ok")
}

async fn new_large(session: Session) -> Result<&'static str> {
    session.insert(FIELDS[3], value())?;
    session.insert(LARGE, large())?;
    Ok("ok")
}
