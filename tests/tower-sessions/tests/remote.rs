//! The route tests that tower-sessions 0.15 publishes, and two processes, over real servers.
#![allow(
    warnings,
    clippy::all,
    clippy::disallowed_methods,
    clippy::redundant_clone,
    clippy::semicolon_if_nothing_returned,
    clippy::unwrap_used,
    reason = "the tests are those of another project"
)]

// Their code says `tower_sessions`, of whichever version.
extern crate tower_sessions_0_15 as tower_sessions;

#[macro_use]
mod common {
    include!(concat!(env!("OUT_DIR"), "/routes-0.15.rs"));
}

#[path = "../../../stores/redis/tests/common/mod.rs"]
mod servers;

use level_session_postgres::PostgresStore;
use level_session_servers::postgres::Postgres;
use level_session_store::Store;
use level_session_tower_sessions::BridgeStore;
use serde_json::json;
use std::sync::Arc;
use tower_sessions::{Session, SessionStore};

async fn on_redis() -> BridgeStore {
    let url = servers::server("redis").unwrap().url();
    BridgeStore::new(servers::builder().connect(&url).await.unwrap())
}

async fn on_a_cluster() -> BridgeStore {
    let url = servers::cluster("redis").unwrap().url();
    BridgeStore::new(servers::builder().connect(&url).await.unwrap())
}

/// An application of theirs on a store of ours.
macro_rules! routes {
    ($name:ident, $store:ident) => {
        mod $name {
            use axum::Router;
            use tower_sessions::SessionManagerLayer;

            async fn app(max_age: Option<Duration>, domain: Option<String>) -> Router {
                let layer = SessionManagerLayer::new(crate::$store().await).with_secure(true);
                crate::common::build_app(layer, max_age, domain)
            }

            route_tests!(app);
        }
    };
}

routes!(redis, on_redis);
routes!(cluster, on_a_cluster);

fn process(store: impl Store) -> Arc<BridgeStore> {
    let store = BridgeStore::builder(store).with_index("login", "/user");
    Arc::new(store.build().unwrap())
}

/// Prevents: what holds within a process, and not between two: changes that are lost, and sessions that come back.
async fn two_processes_are_one(one: Arc<BridgeStore>, two: Arc<BridgeStore>) {
    let begins = Session::new(None, one.clone(), None);
    begins.insert("theme", "light").await.unwrap();
    begins.insert("login", json!({"user": 7})).await.unwrap();
    begins.save().await.unwrap();
    let id = begins.id().unwrap();
    let request = async |store: &Arc<BridgeStore>, id| {
        let session = Session::new(Some(id), store.clone(), None);
        session.load().await.unwrap();
        session
    };
    let (here, there) = (request(&one, id).await, request(&two, id).await);
    let (cycles, late) = (request(&two, id).await, request(&one, id).await);
    here.insert("cart", json!(["tea"])).await.unwrap();
    there.insert("language", "de").await.unwrap();
    there.remove_value("theme").await.unwrap();
    there.save().await.unwrap();
    here.save().await.unwrap();
    cycles.cycle_id().await.unwrap();
    cycles.save().await.unwrap();
    late.insert("late", true).await.unwrap();
    assert!(late.save().await.is_err());
    assert!(one.load(&id).await.unwrap().is_none());

    let id = cycles.id().unwrap();
    let data = one.load(&id).await.unwrap().unwrap().data;
    assert_eq!(
        (&data["cart"], &data["language"]),
        (&json!(["tea"]), &json!("de"))
    );
    assert!(!data.contains_key("theme") && !data.contains_key("late"));
    assert_eq!(one.find("login", &7).await.unwrap().len(), 1);

    let (cycles, ends) = (request(&one, id).await, request(&two, id).await);
    ends.flush().await.unwrap();
    cycles.cycle_id().await.unwrap();
    assert!(cycles.save().await.is_err());
    assert!(two.load(&id).await.unwrap().is_none());
    assert_eq!(two.find("login", &7).await.unwrap(), []);
}

#[tokio::test]
async fn two_processes_are_one_over_redis() {
    let url = servers::server("redis").unwrap().url();
    let settings = servers::builder();
    let one = process(settings.clone().connect(&url).await.unwrap());
    let two = process(settings.connect(&url).await.unwrap());
    two_processes_are_one(one, two).await;
}

#[tokio::test]
async fn two_processes_are_one_over_a_cluster() {
    let url = servers::cluster("redis").unwrap().url();
    let settings = servers::builder();
    let one = process(settings.clone().connect(&url).await.unwrap());
    let two = process(settings.connect(&url).await.unwrap());
    two_processes_are_one(one, two).await;
}

#[tokio::test]
async fn two_processes_are_one_over_postgres() {
    let server = Postgres::start(&[]).unwrap();
    let settings = PostgresStore::builder(server.url());
    settings.migrate().await.unwrap();
    let one = process(settings.open().await.unwrap());
    let two = process(settings.open().await.unwrap());
    two_processes_are_one(one, two).await;
}
