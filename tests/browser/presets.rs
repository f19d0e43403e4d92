//! Which cookie a browser keeps over plain HTTP on one's own machine.

use crate::driver::Browser;
use level_session_tests::process::Server;

/// Visits the first page twice, under this name of the machine: the cookie's name, and whether the second visit was
/// known to be one.
async fn visit_twice(browser: &Browser, shop: &Server, host: &str) -> (Option<String>, bool) {
    let url = format!("http://{host}:{}/", shop.address().port());
    browser.open(&url).await;
    browser.open(&url).await;
    let cookies = browser.cookies().await;
    let name = cookies.first().map(|cookie| cookie["name"].to_string());
    (name, browser.count("#visits").await == 1)
}

/// Prevents: documentation of the presets that is not true of the browser most people have.
#[tokio::test]
async fn what_chromium_does_with_each_preset_over_plain_http() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let data = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let plain = Server::example("shop", data[0].path(), &[]);
    let strict = Server::example("shop", data[1].path(), &[("SECURE", "1")]);
    for host in ["127.0.0.1", "localhost"] {
        let seen = visit_twice(&browser, &plain, host).await;
        assert_eq!(
            seen,
            (Some("\"s\"".to_owned()), true),
            "development, {host}"
        );
        let seen = visit_twice(&browser, &strict, host).await;
        eprintln!("strict, {host}: {seen:?}");
    }
    browser.end().await;
}
