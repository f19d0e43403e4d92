use crate::{cookie, has_body, post, serve};
use level_session::Sessions;
use level_session_guides::loco::App;
use loco_rs::{app::Hooks as _, boot::StartMode, environment::Environment::Test};
use std::{net::SocketAddr, path::Path};

/// The response to an item that is put into the cart.
async fn add(server: SocketAddr, item: &str, headers: &str) -> String {
    let headers = format!("{headers}\r\ncontent-type: application/json");
    post(server, "/cart", &headers, &format!("\"{item}\"")).await
}

/// Prevents: a guide whose controllers have no session, store the changes of a handler that panicked, or send the text of
/// an error to the browser; and a store that closes while requests are in flight.
#[tokio::test]
async fn controllers_have_the_session() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config"));
    let config = Test.load_from_folder(folder).unwrap();
    let worker = StartMode::WorkerOnly { tags: Vec::new() };
    let boot = App::boot(worker, &Test, config.clone()).await.unwrap();
    assert!(!boot.app_context.shared_store.contains::<Sessions>());
    let boot = App::boot(StartMode::ServerOnly, &Test, config)
        .await
        .unwrap();
    let context = boot.app_context;
    let server = serve(boot.router.unwrap()).await;

    let response = post(server, "/sign-in", "accept: */*", "").await;
    assert!(has_body(&response, ""), "{response}");
    let here = cookie(&response);
    let response = post(server, "/sign-in", "accept: */*", "").await;
    let elsewhere = cookie(&response);
    for cart in [r#"["tea"]"#, r#"["tea","tea"]"#] {
        let response = add(server, "tea", &here).await;
        assert!(has_body(&response, cart), "{response}");
    }
    let response = add(server, "soup", &here).await;
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");

    App::on_shutdown(&context).await;
    let response = add(server, "tea", &here).await;
    assert!(has_body(&response, r#"["tea","tea","tea"]"#), "{response}");

    let response = post(server, "/sign-out-everywhere", &elsewhere, "").await;
    assert!(has_body(&response, ""), "{response}");
    let response = add(server, "tea", &here).await;
    assert!(has_body(&response, r#"["tea"]"#), "{response}");
    let anew = cookie(&response);

    // Nothing can be stored any more.
    let sessions = context.shared_store.get::<Sessions>().unwrap();
    sessions.close().await.unwrap();
    let response = add(server, "tea", &anew).await;
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    let body = r#"{"error":"something went wrong"}"#;
    assert!(response.ends_with(body), "{response}");
}
