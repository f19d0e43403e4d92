//! A visit from the first page to the sign-out.

use crate::driver::Browser;
use level_session_tests::process::Server;

/// Prevents: a shop that works for a test client but not in a browser: a cookie that is not stored, a form that is not
/// sent, a policy that blocks the style sheet.
#[tokio::test]
async fn a_visitor_signs_in_fills_the_cart_and_signs_out() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let shop = Server::example("shop", data.path(), &[]);
    let at = |path: &str| format!("http://{}{path}", shop.address());

    browser.open(&at("/session")).await;
    assert!(
        browser
            .text("main")
            .await
            .contains("You have no session yet")
    );
    assert!(browser.cookies().await.is_empty());
    browser.open(&at("/")).await;
    assert!(browser.text("main").await.contains("the first time"));
    let flow = browser.script("getComputedStyle(document.querySelector('.shelf')).display");
    assert_eq!(flow.await, "grid", "the style sheet is there");
    browser.picture("1-shop").await;

    // The cookie is set, and scripts cannot read it.
    let [cookie] = &browser.cookies().await[..] else {
        panic!("one cookie")
    };
    assert_eq!(cookie["name"], "s");
    assert_eq!(cookie["httpOnly"], true);
    assert_eq!(cookie["sameSite"], "Lax");
    assert_eq!(browser.script("document.cookie").await, "");

    // Signing in changes the id.
    browser.open(&at("/sign-in")).await;
    browser.picture("2-sign-in").await;
    browser.type_into("#name", "Ada").await;
    browser.type_into("#password", "lovelace").await;
    browser.follow("main form button").await;
    assert_eq!(browser.url().await, at("/"));
    assert!(browser.text(".notice").await.contains("Welcome, Ada"));
    assert_eq!(browser.text(".who").await, "Good day, Ada");
    let [signed_in] = &browser.cookies().await[..] else {
        panic!("one cookie")
    };
    assert_ne!(signed_in["value"], cookie["value"]);

    // The cart adds up, and each notice is shown once.
    for _ in 0..2 {
        browser.follow("button[value=teapot]").await;
        assert!(browser.text(".notice").await.contains("is in your cart"));
    }
    assert_eq!(browser.text("#in-cart").await, "2");
    browser.picture("3-notice").await;
    browser.open(&at("/cart")).await;
    assert_eq!(browser.count(".notice").await, 0);
    assert!(browser.text("main").await.contains("€ 69.00"));
    browser.picture("4-cart").await;

    // An order, confirmed with a code.
    browser.follow("main > form button").await;
    let code = browser.text("#sent").await;
    browser.type_into("#code", &code).await;
    browser.picture("5-code").await;
    browser.follow("main form button").await;
    assert!(browser.text(".notice").await.contains("on their way"));
    assert_eq!(browser.text("#in-cart").await, "0");

    // Preferences are kept.
    browser.open(&at("/preferences")).await;
    browser.click("input[value=dark]").await;
    browser.click("option[value=de]").await;
    browser.follow("main form button").await;
    browser.picture("6-preferences").await;
    browser.open(&at("/")).await;
    assert_eq!(browser.text(".who").await, "Guten Tag, Ada");
    let paper = browser.script("getComputedStyle(document.body).backgroundColor");
    assert_eq!(paper.await, "rgb(25, 27, 25)", "dark");
    browser.picture("7-dark").await;
    browser.open(&at("/session")).await;
    assert!(browser.text("#fields").await.contains("\"shop.theme\": "));
    browser.picture("8-session").await;
    browser.resize(380, 800).await;
    browser.open(&at("/")).await;
    let wide = browser.script("document.documentElement.scrollWidth > innerWidth");
    assert_eq!(
        wide.await,
        false,
        "a narrow screen does not scroll sideways"
    );
    browser.picture("9-narrow").await;

    // Signing out removes everything.
    browser.follow("button.link").await;
    assert!(browser.text(".notice").await.contains("You are signed out"));
    assert_eq!(browser.count(".who").await, 0);
    let [signed_out] = &browser.cookies().await[..] else {
        panic!("one cookie")
    };
    assert_ne!(signed_out["value"], signed_in["value"]);
    browser.open(&at("/session")).await;
    browser.follow("main > form button").await;
    assert_eq!(browser.url().await, at("/goodbye"));
    assert!(browser.cookies().await.is_empty());
}
