//! A visit to the shop on each framework: real processes, real connections, a real store.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use level_session_tests::{
    http::{Answer, Client},
    process::Server,
};
use std::{path::Path, process::Command};

fn open(program: &str, data: &Path) -> Server {
    let mut command = Command::new(program);
    Server::of_example(command.env("PORT", "0").env("DATA", data))
}

async fn page(client: &mut Client) -> String {
    let answer = client.get("/").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let kind = answer.headers["content-type"].to_str().unwrap();
    assert!(kind.starts_with("text/html"), "{kind}");
    answer.body
}

fn assert_shows(page: &str, user: &str, items: u32) {
    let shown = format!("Signed in: {user}. In the cart: {items}.");
    assert!(page.contains(&shown), "not {shown:?}: {page}");
}

fn assert_leads_home(answer: &Answer) {
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(answer.location(), Some("/"), "{answer:?}");
}

/// Prevents an example from compiling but not working.
async fn visit(program: &str) {
    let data = tempfile::tempdir().unwrap();
    let shop = open(program, data.path());
    let mut client = Client::new(shop.address());
    assert_shows(&page(&mut client).await, "nobody", 0);
    assert!(
        client.jar.is_empty(),
        "a visitor who only reads: {client:?}"
    );

    assert_leads_home(&client.post("/add", "").await);
    let (mut one, mut other) = (client.clone(), client.clone());
    tokio::join!(one.post("/add", ""), other.post("/add", ""));
    assert_shows(&page(&mut client).await, "nobody", 3);

    let mut before = client.clone();
    assert_leads_home(&client.post("/sign-in", "").await);
    let welcome = page(&mut client).await;
    assert!(welcome.contains("Welcome back."), "{welcome}");
    assert_shows(&welcome, "user 7", 3);
    let again = page(&mut client).await;
    assert!(
        !again.contains("Welcome back."),
        "it was shown before: {again}"
    );
    assert_shows(&page(&mut before).await, "nobody", 0);

    assert!(shop.stop().success());
    let shop = open(program, data.path());
    client.address = shop.address();
    assert_shows(&page(&mut client).await, "user 7", 3);
    let mut thief = client.clone();
    assert_leads_home(&client.post("/sign-out", "").await);
    assert!(client.jar.is_empty(), "the cookie is removed: {client:?}");
    assert_shows(&page(&mut thief).await, "nobody", 0);
    assert!(shop.stop().success());
}

macro_rules! shops {
    ($($name:ident: $program:literal,)*) => {$(
        #[tokio::test]
        async fn $name() {
            visit(env!(concat!("CARGO_BIN_EXE_", $program))).await;
        }
    )*};
}

shops! {
    actix_web: "actix-web",
    axum: "axum",
    hyper: "hyper",
    poem: "poem",
    rocket: "rocket",
    salvo: "salvo",
    warp: "warp",
}
