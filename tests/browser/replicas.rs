//! Two shops on one Redis server, behind a proxy that sends requests to them in turn.

use crate::{devices::sign_in, driver::Browser};
use level_session_servers::redis;
use level_session_tests::{front::Front, process::Server};

/// Prevents: a sign-out that takes effect at one replica only, a cart that depends on the replica, and a page that
/// listens at one replica and is not notified of changes at the other.
#[tokio::test]
async fn two_shops_are_one_in_a_browser() {
    let Some(program) = redis::program("redis") else {
        eprintln!("skipped: there is no `redis-server` on this machine");
        return;
    };
    let (Some(laptop), Some(phone)) = (Browser::start().await, Browser::start().await) else {
        return;
    };
    let server = redis::Server::start(&program, &["--appendonly", "yes"]).unwrap();
    let data = tempfile::tempdir().unwrap();
    let store = [("STORE", &*server.url())];
    let shops = [(); 2].map(|()| Server::example("shop", data.path(), &store));
    let front = Front::before(&[shops[0].address(), shops[1].address()]).await;
    let at = |path: &str| format!("http://{}{path}", front.address());

    // Each request goes to the next replica.
    sign_in(&laptop, &at).await;
    laptop.open(&at("/")).await;
    for _ in 0..3 {
        laptop.follow("button[value=teapot]").await;
        assert!(laptop.text(".notice").await.contains("is in your cart"));
    }
    assert_eq!(laptop.text("#in-cart").await, "3");
    let seen = front.served("/");
    assert!(seen.contains(&0) && seen.contains(&1), "{seen:?}");
    // The number of visits is the sum over both shops.
    for shop in [0, 1] {
        front.to(Some(shop));
        laptop.open(&at("/")).await;
        assert_eq!(
            laptop.text("#visits").await,
            front.served("/").len().to_string()
        );
        assert_eq!(laptop.text("#in-cart").await, "3");
        assert_eq!(laptop.text(".who").await, "Good day, Ada");
    }

    // A page that listens at one replica is notified at once of a change at the other.
    front.to(Some(0));
    sign_in(&phone, &at).await;
    phone.listens().await;
    assert_eq!(front.served("/devices/events").last(), Some(&0));
    front.to(Some(1));
    laptop.open(&at("/devices")).await;
    assert_eq!(laptop.count("#devices tr").await, 2);
    laptop.follow("#devices form button").await;
    assert!(
        laptop
            .text(".notice")
            .await
            .contains("That device is signed out")
    );
    assert_eq!(front.served("/devices/end"), [1]);
    phone.arrives_at(&at("/sign-in")).await;

    // A page that does not listen shows it at its next click, at the other replica.
    front.to(Some(0));
    sign_in(&phone, &at).await;
    phone.open(&at("/cart")).await;
    front.to(Some(1));
    laptop.open(&at("/devices")).await;
    laptop.follow("#end-others").await;
    assert_eq!(laptop.count("#devices tr").await, 1);
    assert_eq!(phone.count(".who").await, 1, "the page is as it was");
    front.to(Some(0));
    phone.follow("nav a[href='/devices']").await;
    assert_eq!(phone.url().await, at("/sign-in"));

    // A sign-out at one replica takes effect at both.
    laptop.open(&at("/cart")).await;
    laptop.follow("nav button.link").await;
    assert!(laptop.text(".notice").await.contains("You are signed out"));
    for shop in [1, 0] {
        front.to(Some(shop));
        laptop.open(&at("/cart")).await;
        assert_eq!(laptop.count(".who").await, 0);
        assert_eq!(laptop.text("#in-cart").await, "0");
    }
}
