//! tower-sessions: one map of JSON values a session, loaded and saved whole; cookies unsigned, as by default.

use crate::workload::{FIELDS, SHOW, Workload, value};
use axum::{Router, http::StatusCode, routing::get};
use std::hint::black_box;

/// The same handlers for each version of it that is needed.
macro_rules! router {
    ($version:ident) => {{
        use $version::Session;

        async fn read_one(session: Session) -> Result<&'static str, StatusCode> {
            let value = session.get::<String>(FIELDS[3]).await.map_err(failed)?;
            assert!(black_box(value).is_some());
            Ok("ok")
        }

        async fn read_eight(session: Session) -> Result<&'static str, StatusCode> {
            for field in FIELDS {
                let value = session.get::<String>(field).await.map_err(failed)?;
                assert!(black_box(value).is_some());
            }
            Ok("ok")
        }

        async fn write_one(session: Session) -> Result<&'static str, StatusCode> {
            session.insert(FIELDS[3], value()).await.map_err(failed)?;
            Ok("ok")
        }

        async fn new(session: Session) -> Result<&'static str, StatusCode> {
            for field in FIELDS {
                session.insert(field, value()).await.map_err(failed)?;
            }
            Ok("ok")
        }

        async fn show(session: Session) -> Result<String, StatusCode> {
            let mut shown = Vec::new();
            for field in FIELDS {
                let value = session.get::<String>(field).await.map_err(failed)?;
                shown.push(value.unwrap_or_default());
            }
            Ok(shown.join("\n"))
        }

        Router::new()
            .route(Workload::Ignored.path(), get(async || "ok"))
            .route(Workload::ReadOne.path(), get(read_one))
            .route(Workload::ReadEight.path(), get(read_eight))
            .route(Workload::WriteOne.path(), get(write_one))
            .route(Workload::New.path(), get(new))
            .route(SHOW, get(show))
    }};
}

fn failed<E: std::fmt::Debug>(error: E) -> StatusCode {
    eprintln!("{error:?}");
    StatusCode::INTERNAL_SERVER_ERROR
}

pub(super) fn memory() -> Router {
    use ::tower_sessions::{MemoryStore, SessionManagerLayer};
    router!(tower_sessions).layer(SessionManagerLayer::new(MemoryStore::default()))
}

/// Our stores under the same session: the first step of the way over.
pub(super) fn bridge(store: impl level_session::store::Store) -> Router {
    use ::tower_sessions::SessionManagerLayer;
    let store = level_session_tower_sessions::BridgeStore::new(store);
    router!(tower_sessions).layer(SessionManagerLayer::new(store))
}

/// tower-sessions' store on SQLite, with moka in front.
#[cfg(feature = "sqlite")]
pub type MokaSqlite = tower_sessions_14::CachingSessionStore<
    tower_sessions_moka_store::MokaStore,
    tower_sessions_sqlx_store::SqliteStore,
>;

/// The store in a new database in this directory.
#[cfg(feature = "sqlite")]
pub async fn moka_sqlite(directory: &std::path::Path) -> MokaSqlite {
    use tower_sessions_moka_store::MokaStore;
    MokaSqlite::new(MokaStore::new(Some(10_000)), sqlite_store(directory).await)
}

/// SQLite in WAL mode with `synchronous=NORMAL`, which survives what our `Buffer` does.
#[cfg(feature = "sqlite")]
async fn sqlite_store(directory: &std::path::Path) -> tower_sessions_sqlx_store::SqliteStore {
    use tower_sessions_sqlx_store::{
        SqliteStore,
        sqlx::sqlite::{
            SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
        },
    };

    let options = SqliteConnectOptions::new()
        .filename(directory.join("sessions.sqlite"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    let pool = SqlitePoolOptions::new()
        .connect_with(options)
        .await
        .expect("a new database");
    let store = SqliteStore::new(pool);
    store.migrate().await.expect("a new database");
    store
}

/// Sessions in SQLite, with moka in front if `cached`.
#[cfg(feature = "sqlite")]
pub(super) async fn sqlite(directory: &std::path::Path, cached: bool) -> Router {
    use tower_sessions_14::SessionManagerLayer;
    let router = router!(tower_sessions_14);
    match cached {
        true => router.layer(SessionManagerLayer::new(moka_sqlite(directory).await)),
        false => router.layer(SessionManagerLayer::new(sqlite_store(directory).await)),
    }
}

/// One connection for all requests, as that of actix-session is by default.
#[cfg(feature = "redis")]
pub(super) async fn redis(port: u16) -> Router {
    use tower_sessions_14::SessionManagerLayer;
    use tower_sessions_redis_store::{
        RedisStore,
        fred::prelude::{ClientLike as _, Config, Pool, ServerConfig},
    };

    let config = Config {
        server: ServerConfig::new_centralized("127.0.0.1", port),
        ..Config::default()
    };
    use crate::workload::{LARGE, NEW_LARGE, large};
    use tower_sessions_14::Session;

    async fn read_write(session: Session) -> Result<&'static str, StatusCode> {
        let before = session.get::<String>(FIELDS[3]).await.map_err(failed)?;
        assert!(black_box(before).is_some());
        session.insert(FIELDS[3], value()).await.map_err(failed)?;
        Ok("ok")
    }

    async fn sign_in(session: Session) -> Result<&'static str, StatusCode> {
        session.cycle_id().await.map_err(failed)?;
        session.insert(FIELDS[0], value()).await.map_err(failed)?;
        Ok("ok")
    }

    async fn new_large(session: Session) -> Result<&'static str, StatusCode> {
        session.insert(FIELDS[3], value()).await.map_err(failed)?;
        session.insert(LARGE, large()).await.map_err(failed)?;
        Ok("ok")
    }

    let pool = Pool::new(config, None, None, None, 1).expect("one connection");
    pool.init().await.expect("redis-server runs");
    router!(tower_sessions_14)
        .route(Workload::ReadWrite.path(), get(read_write))
        .route(Workload::SignIn.path(), get(sign_in))
        .route(NEW_LARGE, get(new_large))
        .layer(SessionManagerLayer::new(RedisStore::new(pool)))
}
