//! The stores on which the route tests run, shared by both versions of tower-sessions.

#[path = "../../../../stores/redis/tests/common/mod.rs"]
mod servers;

use level_session_postgres::PostgresStore;
use level_session_servers::postgres::Postgres;
use level_session_tests_tower_sessions as stores;
use level_session_tower_sessions::BridgeStore;
use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

async fn on_memory() -> BridgeStore {
    stores::on_memory()
}

async fn on_fjall() -> BridgeStore {
    stores::on_fjall()
}

async fn on_redis() -> BridgeStore {
    let url = servers::server("redis").unwrap().url();
    BridgeStore::new(servers::builder().connect(&url).await.unwrap())
}

async fn on_a_cluster() -> BridgeStore {
    let url = servers::cluster("redis").unwrap().url();
    BridgeStore::new(servers::builder().connect(&url).await.unwrap())
}

async fn on_postgres() -> BridgeStore {
    static SERVER: LazyLock<Postgres> =
        LazyLock::new(|| Postgres::start(&["fsync=off"]).unwrap_or_else(|error| panic!("{error}")));
    static SCHEMAS: AtomicU32 = AtomicU32::new(0);
    let schema = format!("s{}", SCHEMAS.fetch_add(1, Ordering::Relaxed));
    let settings = PostgresStore::builder(SERVER.url())
        .schema(schema)
        .pool_size(2)
        // Generous, since the machine may be busy.
        .timeout(Duration::from_secs(60))
        .sweep_every(None);
    settings.migrate().await.unwrap();
    BridgeStore::new(settings.open().await.unwrap())
}

/// An application of tower-sessions on one of our stores.
macro_rules! on {
    ($name:ident, $store:ident) => {
        #[allow(
            warnings,
            clippy::all,
            clippy::unwrap_used,
            reason = "the tests belong to another project"
        )]
        mod $name {
            use axum::Router;
            use tower_sessions::SessionManagerLayer;

            async fn app(max_age: Option<Duration>, domain: Option<String>) -> Router {
                let store = super::$store().await;
                let layer = SessionManagerLayer::new(store).with_secure(true);
                crate::common::build_app(layer, max_age, domain)
            }

            route_tests!(app);
        }
    };
}

on!(memory, on_memory);
on!(fjall, on_fjall);
on!(redis, on_redis);
on!(cluster, on_a_cluster);
on!(postgres, on_postgres);
