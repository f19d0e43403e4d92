//! One user with two browsers.

use crate::driver::Browser;
use level_session_tests::process::Server;

pub(crate) async fn sign_in(browser: &Browser, at: &impl Fn(&str) -> String) {
    browser.open(&at("/sign-in")).await;
    browser.type_into("#name", "Ada").await;
    browser.type_into("#password", "lovelace").await;
    browser.follow("main form button").await;
    browser.open(&at("/devices")).await;
}

/// Prevents: a device that is signed out from another one and goes on showing what it showed (L08, L12): the browser holds
/// the page, and learns of it by the stream of events alone.
#[tokio::test]
async fn a_device_is_signed_out_from_another() {
    let (Some(laptop), Some(phone)) = (Browser::start().await, Browser::start().await) else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let shop = Server::example("shop", data.path(), &[]);
    let at = |path: &str| format!("http://{}{path}", shop.address());
    sign_in(&phone, &at).await;
    assert_eq!(phone.count("#devices tr").await, 1);
    sign_in(&laptop, &at).await;
    assert_eq!(laptop.count("#devices tr").await, 2);
    assert!(laptop.text("#devices").await.contains("this device"));
    assert!(laptop.text("#devices").await.contains("Chrom"));
    laptop.picture("10-devices").await;

    // One, while its page is open and listens.
    assert_eq!(phone.url().await, at("/devices"));
    phone.listens().await;
    laptop.follow("#devices form button").await;
    assert!(
        laptop
            .text(".notice")
            .await
            .contains("That device is signed out")
    );
    assert_eq!(laptop.count("#devices tr").await, 1);
    phone.arrives_at(&at("/sign-in")).await;

    // All others, and one whose page does not listen: it sees it at its next click.
    sign_in(&phone, &at).await;
    phone.open(&at("/cart")).await;
    laptop.open(&at("/devices")).await;
    assert_eq!(laptop.count("#devices tr").await, 2);
    laptop.follow("#end-others").await;
    assert_eq!(laptop.count("#devices tr").await, 1);
    assert_eq!(laptop.text(".who").await, "Good day, Ada");
    assert_eq!(phone.count(".who").await, 1, "the page is as it was");
    phone.follow("nav a[href='/devices']").await;
    assert_eq!(phone.url().await, at("/sign-in"));
    assert_eq!(phone.count(".who").await, 0);
}
