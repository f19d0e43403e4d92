//! Which cookies a browser stores over plain HTTP on the developer's own machine.

use crate::driver::Browser;
use level_session_tests::process::Server;

/// Visits the first page twice, under this host name. Returns the names of the cookies, and whether the second visit
/// was recognised.
async fn visit_twice(browser: &Browser, shop: &Server, host: &str) -> (Vec<String>, bool) {
    let url = format!("http://{host}:{}/", shop.address().port());
    browser.open(&url).await;
    browser.open(&url).await;
    let cookies = browser.cookies().await;
    let names = cookies.iter().map(|cookie| cookie["name"].to_string());
    let seen = (names.collect(), browser.count("#visits").await == 1);
    browser.forget_cookies().await; // cookies ignore ports: the other shop would get them
    seen
}

/// Prevents: documentation of the presets that is wrong for the most common browser.
///
/// Chromium trusts `127.0.0.1` and `localhost` without TLS, so it stores `Secure` and `__Host-` cookies there. Other
/// browsers and most HTTP clients do not: hence the preset for development.
#[tokio::test]
async fn chromium_keeps_both_presets_over_plain_http_on_this_machine() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let data = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let plain = Server::example("shop", data[0].path(), &[]);
    let strict = Server::example("shop", data[1].path(), &[("SECURE", "1")]);
    for host in ["127.0.0.1", "localhost"] {
        for (shop, name) in [(&plain, "\"s\""), (&strict, "\"__Host-s\"")] {
            let seen = visit_twice(&browser, shop, host).await;
            assert_eq!(seen, (vec![name.to_owned()], true), "{name} on {host}");
        }
    }
}
