//! The conformance as far as it makes sense for gRPC: a call's status decides what is stored, and tells a conflict.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use level_session_adapter_tests::grpc::{ACT, Text};
use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command},
    thread,
    time::Duration,
};
use tonic::{
    Code, Request, Response, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// On a port that was free a moment before: where another process has taken it meanwhile, on another one.
    fn start(data: &Path) -> Self {
        (0..10)
            .find_map(|_| Self::try_start(data))
            .expect("a port that stays free")
    }

    fn try_start(data: &Path) -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut command = Command::new(env!("CARGO_BIN_EXE_conformance-tonic"));
        command.env("PORT", address.port().to_string());
        let child = command.env("DATA", data).spawn().unwrap();
        let mut server = Self { child, address };
        for _ in 0..6_000 {
            if server.child.try_wait().unwrap().is_some() {
                return None;
            }
            if serves(address) {
                return Some(server);
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("it did not come to serve")
    }

    async fn client(&self) -> Client {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        let mut connected = endpoint.connect().await;
        for _ in 0..500 {
            if connected.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            connected = endpoint.connect().await;
        }
        Client {
            grpc: Grpc::new(connected.unwrap()),
            cookie: None,
        }
    }
}

/// Whether a server listens there: a connection from a port that nobody listens at to itself is none.
fn serves(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok_and(|stream| stream.local_addr().unwrap() != address)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone)]
struct Client {
    grpc: Grpc<Channel>,
    cookie: Option<String>,
}

impl Client {
    async fn act(&mut self, action: &str) -> Result<Response<String>, Status> {
        let mut request = Request::new(action.to_owned());
        if let Some(cookie) = &self.cookie {
            request
                .metadata_mut()
                .insert("cookie", cookie.parse().unwrap());
        }
        self.grpc.ready().await.unwrap();
        let path = PathAndQuery::from_static(ACT);
        let answer = self.grpc.unary(request, path, Text).await;
        let metadata = match &answer {
            Ok(response) => response.metadata(),
            Err(status) => status.metadata(),
        };
        if let Some(cookie) = metadata.get("set-cookie") {
            let (pair, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            self.cookie = Some(pair.to_owned());
        }
        answer
    }

    async fn text(&mut self, action: &str) -> String {
        self.act(action).await.unwrap().into_inner()
    }
}

#[tokio::test]
async fn a_call_that_is_well_stores_and_one_that_fails_does_not() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let mut client = server.client().await;
    assert_eq!(client.text("nothing").await, "done");
    assert_eq!(client.cookie, None);
    client.text("add").await;
    let old = client.clone();
    for (action, code) in [
        ("add-500", Code::Internal),
        ("add-404", Code::NotFound),
        ("error", Code::Internal),
    ] {
        let status = client.act(action).await.unwrap_err();
        assert_eq!(status.code(), code, "{action}");
        assert!(!status.message().contains("list"), "{status:?}");
        assert_eq!(client.text("read").await, "1 1", "{action}");
    }
    client.act("panic").await.unwrap_err();
    let mut client = Client {
        cookie: client.cookie,
        ..server.client().await
    };
    assert_eq!(client.text("read").await, "1 1");
    client.text("renew").await;
    assert_ne!(client.cookie, old.cookie);
    let mut stale = Client {
        cookie: old.cookie,
        ..client.clone()
    };
    assert_eq!(stale.text("read").await, "0 0");
    drop(server); // killed
    let server = Server::start(data.path());
    let mut client = Client {
        cookie: client.cookie,
        ..server.client().await
    };
    assert_eq!(client.text("read").await, "1 1");
}

#[tokio::test]
async fn a_session_that_ended_meanwhile_is_aborted() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let mut client = server.client().await;
    client.text("add").await;
    let mut other = client.clone();
    let mut gate = server.client().await;
    let mut slow = client.clone();
    let slow = tokio::spawn(async move { slow.act("wait").await });
    while !gate.text("waiting").await.starts_with('1') {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    other.text("destroy").await;
    gate.text("release").await;
    let status = slow.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Aborted, "{status:?}");
    assert_eq!(client.text("read").await, "0 0");
}
