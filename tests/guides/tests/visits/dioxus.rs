use crate::{fills_the_cart, has_body, post, serve, sessions};
use level_session_guides::dioxus::{STOCK, app};
use std::{env, fs, net::SocketAddr};

/// The response of the server function that puts tea into the cart.
async fn add(server: SocketAddr, headers: &str) -> String {
    let headers = format!("{headers}\r\ncontent-type: application/json");
    post(server, "/api/add", &headers, r#"{"item":"tea"}"#).await
}

/// Prevents: a guide whose server functions lose what they change, and a streamed page that cannot read its session after
/// the head has left.
#[tokio::test]
async fn server_functions_and_streamed_pages_have_the_session() {
    // The build of an application puts the files of the browser there.
    fs::create_dir_all(env::current_exe().unwrap().with_file_name("public")).unwrap();
    let sessions = sessions();
    let server = serve(app(sessions.clone())).await;

    let cookie = fills_the_cart(server, &STOCK, async |headers| add(server, headers).await).await;

    let response = post(server, "/api/sign-out", &cookie, "").await;
    assert!(has_body(&response, "null"), "{response}");
    let response = add(server, &cookie).await;
    assert!(has_body(&response, "1"), "{response}");

    // Nothing can be stored any more.
    sessions.close().await.unwrap();
    let response = add(server, &cookie).await;
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    let body = r#"{"message":"something went wrong","code":500}"#;
    assert!(response.ends_with(body), "{response}");
}
