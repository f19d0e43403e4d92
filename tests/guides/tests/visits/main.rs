//! Visits to the applications of the guides, on real servers.

mod dioxus;
mod leptos;
mod loco;

use axum::Router;
use level_session::{Keyring, MemoryStore, Sessions};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

fn sessions() -> Sessions {
    Sessions::new(MemoryStore::new(), Keyring::generate().unwrap())
}

/// Serves an application on a free port.
async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

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
             content-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let seen = String::new();
        Self { stream, seen }
    }

    async fn read_until(&mut self, text: &str) {
        let mut chunk = [0; 1024];
        while !self.seen.contains(text) {
            let read = timeout(Duration::from_secs(20), self.stream.read(&mut chunk));
            let Ok(read) = read.await else {
                panic!("timed out, and `{text}` is missing: {}", self.seen)
            };
            let length = read.unwrap();
            assert_ne!(length, 0, "`{text}` is missing: {}", self.seen);
            self.seen += str::from_utf8(&chunk[..length]).unwrap();
        }
    }

    async fn whole(mut self) -> String {
        self.stream.read_to_string(&mut self.seen).await.unwrap();
        self.seen
    }
}

/// The response to a `POST`.
async fn post(server: SocketAddr, path: &str, headers: &str, body: &str) -> String {
    let request = format!("POST {path}");
    let response = Response::of(server, &request, headers, body).await;
    response.whole().await
}

/// A visitor without a cookie puts tea into the cart, and looks at the page, which is streamed: another request adds tea
/// after the head has been sent, and before `stock` lets the page read the session. Returns the cookie.
async fn fills_the_cart(
    server: SocketAddr,
    stock: &Semaphore,
    add: impl AsyncFn(&str) -> String,
) -> String {
    let response = add("accept: */*").await;
    assert!(has_body(&response, "1"), "{response}");
    let cookie = cookie(&response);
    let response = add(&cookie).await;
    assert!(has_body(&response, "2"), "{response}");

    let mut page = Response::of(server, "GET /", &cookie, "").await;
    page.read_until("loading").await;
    assert!(page.seen.starts_with("HTTP/1.1 200 "), "{}", page.seen);
    assert!(page.seen.contains("\r\nvary: Cookie\r\n"), "{}", page.seen);
    let response = add(&cookie).await;
    assert!(has_body(&response, "3"), "{response}");
    stock.add_permits(1);
    let page = page.whole().await;
    let (_, streamed) = page.split_once("loading").unwrap();
    assert!(streamed.contains("tea, tea, tea"), "{page}");
    cookie
}

fn has_body(response: &str, body: &str) -> bool {
    response.starts_with("HTTP/1.1 200 ") && response.ends_with(&format!("\r\n\r\n{body}"))
}

/// The header that sends a response's cookie back.
fn cookie(response: &str) -> String {
    let (_, cookie) = response.split_once("\r\nset-cookie: ").expect(response);
    let (pair, _) = cookie.split_once(';').unwrap();
    format!("cookie: {pair}")
}
