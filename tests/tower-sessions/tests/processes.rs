//! Guarantees within a process also hold between two processes that share a server.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "../../../stores/redis/tests/common/mod.rs"]
mod servers;

use level_session_postgres::PostgresStore;
use level_session_servers::postgres::Postgres;
use level_session_store::Store;
use level_session_tower_sessions::BridgeStore;
use serde_json::json;
use std::sync::Arc;
use tower_sessions_0_15::{Session, SessionStore as _};

fn process(store: impl Store) -> Arc<BridgeStore> {
    let store = BridgeStore::builder(store).with_index("login", "/user");
    Arc::new(store.build().unwrap())
}

/// Prevents: changes that are lost, or sessions that are revived, because two processes are involved.
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
