//! A visit to the shop, over HTTP.

use hyper::{Request, StatusCode, header::SET_COOKIE};
use level_session_tests::{http::Client, process::Server};
use std::path::Path;

/// The cookie of the development preset.
const COOKIE: &str = "s";

fn shop(data: &Path) -> Server {
    Server::example("shop", data, &[])
}

pub(super) async fn signed_in(server: &Server) -> Client {
    let mut client = Client::new(server.address());
    let answer = client.post("/sign-in", "name=Ada&password=lovelace").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    client
}

/// Prevents: a stolen phone that stays signed in, and a form that signs out another user (ASVS 7.4.5, 7.5.2).
#[tokio::test]
async fn devices_are_listed_and_signed_out() {
    let data = tempfile::tempdir().unwrap();
    let server = shop(data.path());
    let (mut laptop, mut phone) = (signed_in(&server).await, signed_in(&server).await);
    let mut stranger = Client::new(server.address());
    stranger
        .post("/sign-in", "name=Grace&password=hopper")
        .await;
    let rows = |page: &str| page.matches("<th scope=\"row\">").count();
    let page = laptop.get("/devices").await.body;
    assert_eq!(rows(&page), 2, "{page}");
    assert_eq!(page.matches("this device").count(), 1, "{page}");
    let (_, handle) = page
        .split_once("name=\"session\" value=\"")
        .expect("a form");
    let form = format!("session={}", &handle[..64]);

    let answer = stranger.post("/devices/end", &form).await;
    assert_eq!(answer.location(), Some("/devices"));
    assert!(
        stranger
            .get("/devices")
            .await
            .body
            .contains("was signed out already")
    );
    assert!(
        phone.get("/").await.body.contains("Good day, Ada"),
        "a stranger's form"
    );
    assert_eq!(
        laptop.post("/devices/end", "session=7").await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    laptop.post("/devices/end", &form).await;
    assert_eq!(rows(&laptop.get("/devices").await.body), 1);
    assert_eq!(phone.get("/devices").await.location(), Some("/sign-in"));
    assert!(!phone.get("/").await.body.contains("Ada"));

    let mut phone = signed_in(&server).await;
    laptop.post("/devices/end-others", "").await;
    assert_eq!(rows(&laptop.get("/devices").await.body), 1);
    assert!(!phone.get("/").await.body.contains("Ada"));
    assert_eq!(
        phone.get("/devices/events").await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(rows(&stranger.get("/devices").await.body), 1);
}

/// Prevents: a "remember me" without effect.
#[tokio::test]
async fn who_is_to_be_remembered_is_remembered_for_longer() {
    let data = tempfile::tempdir().unwrap();
    let server = shop(data.path());
    for (remember, seconds) in [("", "Max-Age=1209"), ("&remember=on", "Max-Age=777")] {
        let form = format!("name=Ada&password=lovelace{remember}");
        let answer = Client::new(server.address()).post("/sign-in", &form).await;
        let cookie = answer.headers[SET_COOKIE].to_str().unwrap();
        assert!(cookie.contains(seconds), "{cookie}");
    }
}

pub(super) fn in_cart(page: &str) -> &str {
    let (_, rest) = page.split_once("id=\"in-cart\">").expect("a cart");
    rest.split_once('<').expect("a number").0
}

/// Prevents: session fixation (ASVS 7.2.4), where an attacker who knew the id before the sign-in is signed in too.
#[tokio::test]
async fn signing_in_changes_the_cookie_keeps_the_cart_and_kills_the_old_one() {
    let data = tempfile::tempdir().unwrap();
    let server = shop(data.path());
    let mut client = Client::new(server.address());
    client.post("/cart/add", "sku=assam").await;
    let mut before = client.clone();

    let answer = client.post("/sign-in", "name=ada&password=lovelace").await;
    assert_eq!(answer.location(), Some("/"));
    assert_ne!(client.jar[COOKIE], before.jar[COOKIE]);
    let page = client.get("/cart").await.body;
    assert!(page.contains("Good day, Ada"), "{page}");
    assert_eq!(in_cart(&page), "1");

    let page = before.get("/cart").await.body;
    assert!(!page.contains("Ada"), "{page}");
    assert_eq!(in_cart(&page), "0");
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_what_was_typed_is_escaped() {
    let data = tempfile::tempdir().unwrap();
    let server = shop(data.path());
    let mut client = Client::new(server.address());
    let answer = client
        .post("/sign-in", "name=%22%3E%3Cscript%3Ealert(1)&password=x")
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(
        answer
            .body
            .contains("value=\"&quot;&gt;&lt;script&gt;alert(1)\"")
    );
    assert!(!answer.body.contains("<script"));
}

/// Prevents: a notice that is lost on the redirect, or shown repeatedly.
#[tokio::test]
async fn the_cart_adds_up_and_a_notice_is_shown_once() {
    let data = tempfile::tempdir().unwrap();
    let server = shop(data.path());
    let mut client = Client::new(server.address());
    for _ in 0..3 {
        let answer = client.post("/cart/add", "sku=earl-grey").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
    }
    let page = client.get("/").await.body;
    assert_eq!(in_cart(&page), "3");
    assert!(page.contains("Earl Grey is in your cart."));
    assert!(!client.get("/").await.body.contains("is in your cart."));

    client.post("/cart/remove", "sku=earl-grey").await;
    let page = client.get("/cart").await.body;
    assert_eq!(in_cart(&page), "2");
    assert!(page.contains("€ 13.80"), "{page}");
    let unknown = client.post("/cart/add", "sku=coffee").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

/// Prevents: a double click, or two tabs, that lose an article or a visit.
#[tokio::test]
async fn clicks_at_once_are_all_counted() {
    let data = tempfile::tempdir().unwrap();
    let server = shop(data.path());
    let mut client = Client::new(server.address());
    client.get("/").await;
    let clicks: Vec<_> = (0..16)
        .map(|_| {
            let mut tab = client.clone();
            tokio::spawn(async move {
                tab.post("/cart/add", "sku=rooibos").await;
                tab.get("/").await;
            })
        })
        .collect();
    for click in clicks {
        click.await.unwrap();
    }
    let page = client.get("/").await.body;
    assert_eq!(in_cart(&page), "16");
    assert!(page.contains("<strong id=\"visits\">18</strong>"), "{page}");
}

/// Prevents: an order that is placed twice, and a code that can be guessed.
#[tokio::test]
async fn a_code_works_once_and_for_one_try() {
    let data = tempfile::tempdir().unwrap();
    let server = shop(data.path());
    let mut client = signed_in(&server).await;
    client.post("/cart/add", "sku=teapot").await;

    let code = new_code(&mut client).await;
    client.post("/checkout/confirm", "code=wrong").await;
    let page = client.get("/checkout").await.body;
    assert!(page.contains("That was not the code"), "{page}");
    client
        .post("/checkout/confirm", &format!("code={code}"))
        .await;
    assert_eq!(
        in_cart(&client.get("/").await.body),
        "1",
        "the try was used up"
    );

    let form = format!("code={}", new_code(&mut client).await);
    let mut other_tab = client.clone();
    let (one, other) = tokio::join!(
        client.post("/checkout/confirm", &form),
        other_tab.post("/checkout/confirm", &form)
    );
    let mut sent = [one.location(), other.location()];
    sent.sort_unstable();
    assert_eq!(sent, [Some("/"), Some("/checkout")], "one of both orders");
    let page = client.get("/").await.body;
    assert_eq!(in_cart(&page), "0");
    assert!(page.contains("1 articles are on their way."), "{page}");
}

async fn new_code(client: &mut Client) -> String {
    assert_eq!(
        client.post("/checkout", "").await.location(),
        Some("/checkout")
    );
    let page = client.get("/checkout").await.body;
    let (_, rest) = page.split_once("id=\"sent\">").expect("a code");
    rest[..6].to_owned()
}

/// Prevents: a sign-out after which the id still works, or data remains.
#[tokio::test]
async fn signing_out_keeps_nothing() {
    let data = tempfile::tempdir().unwrap();
    let server = shop(data.path());
    let mut client = signed_in(&server).await;
    client.post("/cart/add", "sku=assam").await;
    client.post("/preferences", "theme=dark&language=fr").await;
    assert!(client.get("/cart").await.body.contains("Bonjour, Ada"));
    let mut before = client.clone();

    client.post("/sign-out", "").await;
    assert_ne!(
        client.jar[COOKIE], before.jar[COOKIE],
        "the notice has a session of its own"
    );
    let page = client.get("/session").await.body;
    assert!(page.contains("You are signed out"), "{page}");
    assert!(page.contains("data-theme=\"system\""), "{page}");
    assert!(
        !client.get("/session").await.body.contains("shop."),
        "nothing is stored"
    );

    let page = before.get("/cart").await.body;
    assert!(!page.contains("Ada"), "the old id is dead: {page}");
    assert_eq!(in_cart(&page), "0");
}

/// Prevents: a cookie that remains after its session has ended.
#[tokio::test]
async fn forgetting_removes_the_cookie() {
    let data = tempfile::tempdir().unwrap();
    let server = shop(data.path());
    let mut client = signed_in(&server).await;
    let answer = client.post("/session/end", "").await;
    assert_eq!(answer.location(), Some("/goodbye"));
    assert!(client.jar.is_empty(), "{:?}", client.jar);
    assert!(
        client
            .get("/goodbye")
            .await
            .body
            .contains("Your session is gone")
    );
    assert!(client.jar.is_empty());
}

/// Prevents: a record and a cookie for every crawler.
#[tokio::test]
async fn who_writes_nothing_gets_no_cookie() {
    let data = tempfile::tempdir().unwrap();
    let server = shop(data.path());
    let mut client = Client::new(server.address());
    for path in ["/session", "/cart", "/sign-in", "/style.css", "/goodbye"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(!answer.headers.contains_key(SET_COOKIE), "{path}");
    }
    assert_eq!(client.get("/nowhere").await.status, StatusCode::NOT_FOUND);
}

/// Prevents: a form on another site that acts in a visitor's name.
#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let data = tempfile::tempdir().unwrap();
    let server = shop(data.path());
    let request = Request::post("/sign-in")
        .header("origin", "https://elsewhere.example")
        .header("sec-fetch-site", "cross-site")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("name=Ada&password=lovelace".to_owned())
        .unwrap();
    let answer = level_session_tests::http::send(server.address(), request).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(!answer.headers.contains_key(SET_COOKIE));
}

/// Prevents: carts that are lost in a deployment or a crash.
#[tokio::test]
async fn a_cart_outlives_the_shop_stopped_or_killed() {
    let data = tempfile::tempdir().unwrap();
    let first = shop(data.path());
    let mut client = signed_in(&first).await;
    client.post("/cart/add", "sku=genmaicha").await;
    assert!(first.stop().success());

    let second = shop(data.path());
    client.address = second.address();
    client.post("/cart/add", "sku=genmaicha").await;
    second.kill();

    let third = shop(data.path());
    client.address = third.address();
    let page = client.get("/cart").await.body;
    assert!(page.contains("Good day, Ada"), "{page}");
    assert_eq!(in_cart(&page), "2");
}

/// Prevents: a cookie that is sent in the clear behind a proxy that terminates TLS.
#[tokio::test]
async fn behind_tls_the_cookie_is_the_strict_one() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::example("shop", data.path(), &[("SECURE", "1")]);
    let mut client = Client::new(server.address());
    let answer = client.get("/").await;
    let cookie = answer.headers[SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-s="), "{cookie}");
    for attribute in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(cookie.contains(attribute), "{attribute} in {cookie}");
    }
}
