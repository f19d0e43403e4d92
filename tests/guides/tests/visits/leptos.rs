use crate::{fills_the_cart, post, serve, sessions};
use leptos::prelude::LeptosOptions;
use level_session_guides::leptos::{STOCK, app};
use std::net::SocketAddr;

/// The response of the server function that puts tea into the cart.
async fn add(server: SocketAddr, headers: &str) -> String {
    let headers = format!("{headers}\r\ncontent-type: application/x-www-form-urlencoded");
    post(server, "/api/add", &headers, "item=tea").await
}

/// Prevents: a guide whose server functions lose what they change, and a streamed page that cannot read its session after
/// the head has left.
#[tokio::test]
async fn server_functions_and_streamed_pages_have_the_session() {
    let sessions = sessions();
    let options = LeptosOptions::builder().output_name("shop").build();
    let server = serve(app(options, sessions.clone())).await;

    let cookie = fills_the_cart(server, &STOCK, async |headers| add(server, headers).await).await;

    // Nothing can be stored any more. A script and a form without one get the status and one line.
    sessions.close().await.unwrap();
    let form = format!("{cookie}\r\naccept: text/html\r\nreferer: http://{server}/");
    for headers in [cookie, form] {
        let response = add(server, &headers).await;
        assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
        assert!(
            response.ends_with("\r\n\r\nServerError|something went wrong"),
            "{response}"
        );
    }
}
