//! A shop that migrates its sessions from the embedded store to a server while it is open.

use super::shop::{in_cart, signed_in};
use hyper::StatusCode;
use level_session_servers::redis;
use level_session_tests::{
    http::Client,
    postgres,
    process::{Server, example_command},
};
use std::{
    fs::{self, File},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;

/// The number of sessions, enough for several pages of the migration.
const VISITORS: usize = 600;
/// The number of visitors who click during the migration, in two tabs each.
const BUSY: usize = 8;

fn visits(page: &str) -> u64 {
    match page.split_once("<strong id=\"visits\">") {
        Some((_, rest)) => rest.split_once('<').unwrap().0.parse().unwrap(),
        None if page.contains("the first time") => 1,
        None => panic!("{page}"),
    }
}

/// Prevents: a migration that signs visitors out, loses their clicks, or revives ended sessions.
async fn the_shop_moves(to: &str) {
    let data = tempfile::tempdir().unwrap();
    let shop = Server::example("shop", data.path(), &[]);
    let address = shop.address();
    let mut ada = signed_in(&shop).await;
    ada.post("/cart/add", "sku=assam").await;
    let mut gone = signed_in(&shop).await;
    let signed_out = gone.clone();
    gone.post("/sign-out", "").await;
    let mut visitors = JoinSet::new();
    for _ in 0..4 {
        visitors.spawn(async move {
            let mut visitors = Vec::new();
            for _ in 0..VISITORS / 4 {
                let mut visitor = Client::new(address);
                assert_eq!(visits(&visitor.get("/").await.body), 1);
                visitors.push(visitor);
            }
            visitors
        });
    }
    let mut visitors = visitors.join_all().await.concat();
    assert!(shop.stop().success());

    // The shop restarts, and migrates while visitors use it.
    let log = data.path().join("said");
    let mut command = example_command("shop", data.path(), &[("MOVE_TO", to)]);
    command.stderr(File::create(&log).unwrap());
    let shop = Server::of_example(&mut command);
    let address = shop.address();
    let over = Arc::new(AtomicBool::new(false));
    let mut clicks = JoinSet::new();
    // Each session is moved by a click or by the migration, whichever comes first.
    for (number, visitor) in visitors.iter().take(BUSY).enumerate() {
        for _tab in 0..2 {
            let (mut visitor, over) = (visitor.clone(), over.clone());
            visitor.address = address;
            clicks.spawn(async move {
                let mut count = 0;
                while count < 20 || !over.load(Ordering::SeqCst) {
                    let page = visitor.get("/").await;
                    assert_eq!(page.status, StatusCode::OK, "{page:?}");
                    assert!(visits(&page.body) > count, "a click is lost");
                    count += 1;
                }
                (number, count)
            });
        }
    }
    ada.address = address;
    let mut dead = signed_out.clone();
    dead.address = address;
    let mut steps = 0;
    while !fs::read_to_string(&log).unwrap().contains("moving: done") {
        ada.post("/cart/add", "sku=assam").await;
        steps += 1;
        let page = ada.get("/cart").await.body;
        assert!(page.contains("Good day, Ada"), "{page}");
        assert!(!dead.get("/cart").await.body.contains("Ada"), "it is back");
        assert!(steps < 3_000, "{}", fs::read_to_string(&log).unwrap());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    over.store(true, Ordering::SeqCst);
    let mut expected = [1; BUSY];
    for (number, count) in clicks.join_all().await {
        expected[number] += count;
    }
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains("sessions so far"), "{said}");
    assert!(!said.contains("://"), "an address: {said}");
    assert!(shop.stop().success());

    // With the new store only: no visitor was signed out, nothing was lost, and ended sessions stay ended.
    let shop = Server::example("shop", data.path(), &[("STORE", to)]);
    let in_all = |steps: u32| (1 + steps).min(99).to_string(); // the cart's maximum is 99 of one product
    ada.address = shop.address();
    let page = ada.get("/cart").await.body;
    assert!(page.contains("Good day, Ada"), "{page}");
    assert_eq!(in_cart(&page), in_all(steps));
    let page = ada.get("/devices").await.body;
    assert_eq!(page.matches("<th scope=\"row\">").count(), 1, "{page}");
    for (number, visitor) in visitors.iter_mut().enumerate() {
        visitor.address = shop.address();
        let before = expected.get(number).copied().unwrap_or(1);
        assert_eq!(visits(&visitor.get("/").await.body), before + 1, "{number}");
    }
    dead.address = shop.address();
    let page = dead.get("/cart").await.body;
    assert!(!page.contains("Ada"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_moves_to_redis() {
    let Some(program) = redis::program("redis") else {
        eprintln!("skipped: there is no `redis-server` on this machine");
        return;
    };
    let server = redis::Server::start(&program, &["--appendonly", "yes"]).unwrap();
    the_shop_moves(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_moves_to_postgres() {
    let Some(server) = postgres() else {
        return;
    };
    // A separate database, because other tests use the tables of the first one.
    server.psql("create database moved").unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/moved", server.port());
    the_shop_moves(&url).await;
}
