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

/// Prevents: a device that was signed out from another device keeps showing its page (L08, L12): the browser keeps the
/// page, and learns of the end only from the event stream.
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

    // Ends one session, while its page is open and listens.
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

    // Ends all others. A page that does not listen shows it at its next click.
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
