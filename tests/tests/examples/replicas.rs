//! Two shops with one server for the sessions, used alternately, as behind a load balancer.

use super::shop::{in_cart, signed_in};
use hyper::StatusCode;
use level_session_servers::redis;
use level_session_tests::{
    http::Client,
    postgres,
    process::{Server, example_command},
};
use std::{process::Stdio, time::Duration};
use tokio::time::timeout;

/// Prevents: a second replica that does not recognize the visitors of the first, loses their clicks, or keeps them
/// signed in.
async fn two_shops_are_one(store: &str) {
    let data = tempfile::tempdir().unwrap();
    let shops = [(); 2].map(|()| Server::example("shop", data.path(), &[("STORE", store)]));
    let [one, two] = [shops[0].address(), shops[1].address()];
    let mut laptop = signed_in(&shops[0]).await;

    laptop.address = two;
    laptop.post("/cart/add", "sku=assam").await;
    let page = laptop.get("/").await.body;
    assert!(page.contains("Good day, Ada"), "{page}");
    let clicks: Vec<_> = (0..16)
        .map(|click| {
            let mut tab = laptop.clone();
            tab.address = [one, two][click % 2];
            tokio::spawn(async move {
                let added = tab.post("/cart/add", "sku=rooibos").await;
                assert_eq!(added.status, StatusCode::SEE_OTHER);
                assert_eq!(tab.get("/").await.status, StatusCode::OK);
            })
        })
        .collect();
    for click in clicks {
        click.await.unwrap();
    }
    for shop in [one, two] {
        laptop.address = shop;
        assert_eq!(in_cart(&laptop.get("/cart").await.body), "17");
    }
    let page = laptop.get("/").await.body;
    assert!(page.contains("<strong id=\"visits\">18</strong>"), "{page}");

    // A device with an open page at the first shop is signed out at the second.
    let phone = signed_in(&shops[0]).await;
    let events = phone.open("/devices/events").await;
    laptop.address = two;
    laptop.post("/devices/end-others", "").await;
    let told = timeout(Duration::from_secs(20), events.rest()).await;
    let told = told.expect("within seconds, not within the minute of a look");
    assert!(told.body.contains("event: ended"), "{told:?}");

    // A sign-out at one shop applies to both, and so does the next session.
    let before = laptop.clone();
    laptop.post("/sign-out", "").await;
    for shop in [one, two] {
        let mut dead = Client {
            address: shop,
            ..before.clone()
        };
        let mut page = dead.get("/cart").await;
        if page.status == StatusCode::CONFLICT {
            // By this shop's clock the session ended during the request. The next request is a new visitor's.
            page = dead.get("/cart").await;
        }
        assert_eq!(page.status, StatusCode::OK);
        assert!(!page.body.contains("Ada"), "{page:?}");
        assert_eq!(in_cart(&page.body), "0");
    }
    laptop.address = one;
    let page = laptop.get("/session").await.body;
    assert!(page.contains("You are signed out"), "{page}");
}

#[tokio::test]
async fn two_shops_are_one_on_redis() {
    let Some(program) = redis::program("redis") else {
        eprintln!("skipped: there is no `redis-server` on this machine");
        return;
    };
    let server = redis::Server::start(&program, &["--appendonly", "yes"]).unwrap();
    two_shops_are_one(&server.url()).await;
}

#[tokio::test]
async fn two_shops_are_one_on_postgres() {
    let Some(server) = postgres() else {
        return;
    };
    two_shops_are_one(&server.url()).await;
}

/// Prevents: a shop that mistakes a mistyped address for the embedded store and opens without its sessions, a password
/// in an error, and a migration from a store to itself that loses the sessions.
#[test]
fn an_address_that_cannot_be_used_is_an_error_without_it() {
    const OTHER: &str = "redis://.. or postgres://..";
    for (settings, reason) in [
        (&[("STORE", "reddis://shop:secret@localhost")][..], OTHER),
        (&[("STORE", "secret")], OTHER),
        (&[("STORE", "")], OTHER),
        (&[("MOVE_TO", "file:///secret")], OTHER),
        (
            &[("STORE", "redis://shop:secret@127.0.0.1:1")],
            "cannot connect to the Redis server at 127.0.0.1:1",
        ),
        (
            &[("STORE", "postgres://shop:secret@127.0.0.1:1/shop")],
            "the server cannot be reached",
        ),
        (
            &[
                ("STORE", "redis://secret@x"),
                ("MOVE_TO", "redis://secret@x"),
            ],
            "MOVE_TO and STORE are the same address",
        ),
    ] {
        let data = tempfile::tempdir().unwrap();
        let mut command = example_command("shop", data.path(), settings);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success(), "{settings:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("shop: ") && said.contains(reason),
            "{settings:?}: {said}"
        );
        assert!(!said.contains("secret"), "{said}");
    }
}
