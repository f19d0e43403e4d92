//! A visit to the application of the guide, on a real server.

use leptos::prelude::LeptosOptions;
use level_session::{Keyring, MemoryStore, Sessions};
use level_session_leptos::{STOCK, app};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A response of which some has been read.
struct Response {
    stream: TcpStream,
    seen: String,
}

impl Response {
    async fn of(server: SocketAddr, request: &str, headers: &str, body: &str) -> Self {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let length = body.len();
        let text = format!(
            "{request} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n{headers}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let seen = String::new();
        Self { stream, seen }
    }

    async fn read_until(&mut self, text: &str) {
        let mut chunk = [0; 1024];
        while !self.seen.contains(text) {
            let length = self.stream.read(&mut chunk).await.unwrap();
            assert_ne!(length, 0, "`{text}` is missing: {}", self.seen);
            self.seen += str::from_utf8(&chunk[..length]).unwrap();
        }
    }

    async fn whole(mut self) -> String {
        self.stream.read_to_string(&mut self.seen).await.unwrap();
        self.seen
    }
}

/// The response of the server function that puts tea into the cart.
async fn add(server: SocketAddr, headers: &str) -> String {
    let response = Response::of(server, "POST /api/add", headers, "item=tea");
    response.await.whole().await
}

fn has_body(response: &str, body: &str) -> bool {
    response.starts_with("HTTP/1.1 200 ") && response.ends_with(&format!("\r\n\r\n{body}"))
}

/// Prevents: a guide whose server functions lose what they change, and a streamed page that cannot read its session after
/// the head has left.
#[tokio::test]
async fn server_functions_and_streamed_pages_have_the_session() {
    let sessions = Sessions::new(MemoryStore::new(), Keyring::generate().unwrap());
    let options = LeptosOptions::builder().output_name("shop").build();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let server = listener.local_addr().unwrap();
    let app = app(options, sessions.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let response = add(server, "accept: */*").await;
    assert!(has_body(&response, "1"), "{response}");
    let (_, cookie) = response.split_once("set-cookie: ").unwrap();
    let (pair, _) = cookie.split_once(';').unwrap();
    let cookie = format!("cookie: {pair}");
    let response = add(server, &cookie).await;
    assert!(has_body(&response, "2"), "{response}");

    let mut page = Response::of(server, "GET /", &cookie, "").await;
    page.read_until("loading").await;
    assert!(page.seen.starts_with("HTTP/1.1 200 "), "{}", page.seen);
    assert!(page.seen.contains("\r\nvary: Cookie\r\n"), "{}", page.seen);
    // The head has been sent, and another request changes the session before the page reads it.
    let response = add(server, &cookie).await;
    assert!(has_body(&response, "3"), "{response}");
    STOCK.add_permits(1);
    let page = page.whole().await;
    let (_, streamed) = page.split_once("loading").unwrap();
    assert!(streamed.contains("tea, tea, tea"), "{page}");

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
