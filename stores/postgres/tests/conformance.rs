//! The PostgreSQL store keeps every promise of the store contract on a real server, with one handle and with two.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod kit;

use kit::{Kit, fresh_schema};
use level_session_postgres::{PostgresStore, PostgresStoreBuilder, SynchronousCommit};
use level_session_store::conformance::model;
use proptest::{prelude::*, test_runner::TestRunner};
use std::time::Duration;

/// For a store in its own schema, whose statements may take long because all tests run at once.
fn settings(url: String) -> PostgresStoreBuilder {
    let builder = PostgresStore::builder(url).schema(fresh_schema());
    let builder = builder.timeout(Duration::from_secs(60));
    builder.sweep_every(None).pool_size(8)
}

async fn open(builder: PostgresStoreBuilder) -> PostgresStore {
    builder.migrate().await.unwrap();
    builder.open().await.unwrap()
}

async fn twice(builder: PostgresStoreBuilder) -> (PostgresStore, PostgresStore) {
    builder.migrate().await.unwrap();
    (builder.open().await.unwrap(), builder.open().await.unwrap())
}

fn direct() -> PostgresStoreBuilder {
    settings(Kit::get().url())
}

/// Through PgBouncer in transaction mode, with a direct connection to listen for ends.
fn pooled() -> PostgresStoreBuilder {
    let builder = settings(Kit::get().pooled()).pgbouncer(true);
    builder.listen_at(Kit::get().url())
}

/// On an application's pool whose transactions have this isolation level.
fn isolated(level: &str) -> PostgresStoreBuilder {
    let mut config: tokio_postgres::Config = Kit::get().url().parse().unwrap();
    config.options(format!("-c default_transaction_isolation={level}"));
    let manager = deadpool_postgres::Manager::new(config, tokio_postgres::NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).max_size(8);
    let builder = PostgresStore::on_pool(pool.build().unwrap()).schema(fresh_schema());
    builder.timeout(Duration::from_secs(60)).sweep_every(None)
}

level_session_store::conformance_tests!(
    alone,
    open(direct()).await,
    pair: twice(direct().tell_ended(true)).await
);
level_session_store::conformance_tests!(
    behind_pgbouncer,
    open(pooled()).await,
    pair: twice(pooled().tell_ended(true)).await
);
level_session_store::conformance_tests!(repeatable_read, open(isolated("repeatable\\ read")).await);
level_session_store::conformance_tests!(serializable, open(isolated("serializable")).await);
level_session_store::conformance_tests!(
    answered_early,
    open(direct().synchronous_commit(SynchronousCommit::Off)).await
);

/// Random commits, for cases that the suite does not list.
#[test]
fn it_agrees_with_the_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let builder = direct();
    let store = std::cell::RefCell::new(runtime.block_on(open(builder.clone())));
    let config = ProptestConfig {
        cases: 8,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&prop::collection::vec(any::<u64>(), 1..80), |words| {
            let mut store = store.borrow_mut();
            let restart = async |store: &mut PostgresStore| {
                store.close().await.unwrap();
                *store = builder.open().await.unwrap();
            };
            let sweeps = model::Sweeps::AsItSeesFit;
            runtime.block_on(model::run(&mut *store, &words, sweeps, restart));
            Ok(())
        })
        .unwrap();
}
