//! The promises of the conformance suite as far as they apply to gRPC: on a real server in a real process. The status
//! of a call determines what is stored, and reports a conflict.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use level_session_adapter_conformance::promises;
use level_session_adapter_tests::grpc::{ACT, LATE, TWO, Text};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, ExitStatus},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::sleep};
use tonic::{
    Code, Request, Response, Status, Streaming,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    metadata::MetadataMap,
    transport::{Channel, Endpoint},
};

macro_rules! held {
    ($($promise:ident)*) => {
        /// The promises of the conformance suite that are tested here.
        const HELD: &[&str] = &[$(stringify!($promise)),*];

        mod held {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(&mut super::Server::new()).await;
            })*
        }
    };
}

held! {
    a_request_that_does_not_use_its_session_gets_no_cookie
    what_was_written_is_there_with_the_next_request
    a_response_that_used_the_session_is_not_for_shared_caches
    headers_of_the_handler_s_own_stay
    every_cookie_line_is_looked_at
    a_renewed_session_has_a_new_id_and_the_old_one_is_dead
    what_ended_stays_ended
    an_answer_of_4xx_stores_and_5xx_and_408_do_not
    a_panic_stores_nothing
    an_error_is_an_opaque_500_and_stores_nothing
    a_session_that_ended_meanwhile_is_a_409
    parallel_writers_lose_nothing
    a_client_that_goes_away
    a_body_reads_the_session_and_does_not_write
    two_layers_of_one_cookie_are_one_session
    two_cookies_are_two_sessions
    sessions_outlive_a_restart
    sessions_outlive_a_kill
}

/// The promises that cannot apply, and the reasons.
const NOT_FOR_GRPC: &[(&str, &str)] = &[
    (
        "a_head_request_leaves_a_flash_where_it_is",
        "every call is a POST",
    ),
    (
        "outside_of_the_middleware_there_is_no_session",
        "tonic's layers are around the whole server",
    ),
];

/// Prevents a new promise from being overlooked for gRPC.
#[test]
fn every_promise_is_held_or_cannot_apply() {
    let excluded = NOT_FOR_GRPC.iter().map(|(promise, _)| *promise);
    let known: BTreeSet<_> = HELD.iter().copied().chain(excluded).collect();
    assert_eq!(known, promises().collect());
}

/// How long a server or a call may take on a busy machine, in steps.
const STEPS: u32 = 6_000;
const STEP: Duration = Duration::from_millis(10);

/// The program, started again with the same data if it has exited.
struct Server {
    data: TempDir,
    running: Option<(Child, SocketAddr)>,
}

impl Server {
    fn new() -> Self {
        Self {
            data: tempfile::tempdir().unwrap(),
            running: None,
        }
    }

    /// The address of the server. The port was free a moment before: if another process has taken it meanwhile, another
    /// port is tried.
    async fn address(&mut self) -> SocketAddr {
        for _ in 0..10 {
            if let Some((_, address)) = self.running {
                return address;
            }
            self.running = self.start().await;
        }
        panic!("no port stays free")
    }

    async fn start(&self) -> Option<(Child, SocketAddr)> {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut command = Command::new(env!("CARGO_BIN_EXE_conformance-tonic"));
        command.env("PORT", address.port().to_string());
        let mut child = command.env("DATA", self.data.path()).spawn().unwrap();
        for _ in 0..STEPS {
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            // Without a listener, a socket may connect to itself.
            let stream = TcpStream::connect(address);
            if stream.is_ok_and(|stream| stream.local_addr().unwrap() != address) {
                return Some((child, address));
            }
            sleep(STEP).await;
        }
        let _ = child.kill();
        panic!("the program does not start serving: {:?}", child.wait())
    }

    /// A client without a cookie, with its own connection.
    async fn client(&mut self) -> Client {
        let address = self.address().await;
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        Client {
            grpc: Grpc::new(endpoint.connect().await.unwrap()),
            jar: BTreeMap::new(),
        }
    }

    /// A client with the cookies of another client.
    async fn client_of(&mut self, other: &Client) -> Client {
        let jar = other.jar.clone();
        Client {
            jar,
            ..self.client().await
        }
    }

    /// Sends SIGTERM, and waits until the program has exited.
    async fn stop(&mut self) -> ExitStatus {
        let (mut child, _) = self.running.take().unwrap();
        let kill = format!("kill -s TERM {}", child.id());
        let asked = Command::new("sh").args(["-c", &kill]).status();
        assert!(asked.unwrap().success());
        for _ in 0..STEPS {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            sleep(STEP).await;
        }
        let _ = child.kill();
        panic!("the program does not exit at SIGTERM")
    }

    fn kill(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A client: clones share a connection but not their cookies.
#[derive(Clone)]
struct Client {
    grpc: Grpc<Channel>,
    jar: BTreeMap<String, String>,
}

impl Client {
    /// A request with a line of metadata for each cookie.
    async fn request(&mut self, text: &str) -> Request<String> {
        self.grpc.ready().await.unwrap();
        let mut request = Request::new(text.to_owned());
        for (name, value) in &self.jar {
            let cookie = format!("{name}={value}").parse().unwrap();
            request.metadata_mut().append("cookie", cookie);
        }
        request
    }

    async fn send(
        &mut self,
        method: &'static str,
        request: Request<String>,
    ) -> Result<Response<String>, Status> {
        let path = PathAndQuery::from_static(method);
        let answer = self.grpc.unary(request, path, Text).await;
        match &answer {
            Ok(response) => self.receive(response.metadata()),
            Err(status) => self.receive(status.metadata()),
        }
        answer
    }

    async fn act(&mut self, action: &str) -> Result<Response<String>, Status> {
        let request = self.request(action).await;
        self.send(ACT, request).await
    }

    /// The response of a call that succeeds.
    async fn text(&mut self, action: &str) -> String {
        self.act(action).await.unwrap().into_inner()
    }

    async fn two(&mut self) -> String {
        let request = self.request("").await;
        self.send(TWO, request).await.unwrap().into_inner()
    }

    async fn late(&mut self) -> Response<Streaming<String>> {
        let request = self.request("").await;
        let path = PathAndQuery::from_static(LATE);
        let answer = self.grpc.server_streaming(request, path, Text).await;
        answer.unwrap()
    }

    fn receive(&mut self, metadata: &MetadataMap) {
        for cookie in metadata.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').unwrap();
            match attributes.contains("Max-Age=0") {
                true => self.jar.remove(name),
                false => self.jar.insert(name.to_owned(), value.to_owned()),
            };
        }
    }

    /// How many calls are waiting at the gate, and how many were cancelled there.
    async fn waiting(&mut self) -> (usize, usize) {
        let text = self.text("waiting").await;
        let (waiting, cancelled) = text.split_once(' ').unwrap();
        (waiting.parse().unwrap(), cancelled.parse().unwrap())
    }

    async fn wait_for(&mut self, number: usize) {
        for _ in 0..STEPS {
            if self.waiting().await.0 == number {
                return;
            }
            sleep(STEP).await;
        }
        panic!("no call arrives at the gate, or leaves it")
    }
}

/// Whether any line of metadata has this list element.
fn lists(metadata: &MetadataMap, name: &str, element: &str) -> bool {
    let lines = metadata.get_all(name).into_iter();
    let mut elements = lines.flat_map(|line| line.to_str().unwrap().split(','));
    elements.any(|one| one.trim().eq_ignore_ascii_case(element))
}

async fn a_request_that_does_not_use_its_session_gets_no_cookie(server: &mut Server) {
    let answer = server.client().await.act("nothing").await.unwrap();
    assert_eq!(answer.get_ref(), "done");
    for name in ["set-cookie", "vary"] {
        assert!(answer.metadata().get(name).is_none(), "{answer:?}");
    }
    let answer = server.client().await.act("read").await.unwrap();
    assert_eq!(answer.get_ref(), "0 0", "a new visitor");
    assert!(answer.metadata().get("set-cookie").is_none(), "{answer:?}");
}

async fn what_was_written_is_there_with_the_next_request(server: &mut Server) {
    let mut client = server.client().await;
    client.text("add").await;
    client.text("add").await;
    assert_eq!(client.text("read").await, "2 2");
    let another = server.client().await.text("read").await;
    assert_eq!(another, "0 0", "another visitor");
}

async fn a_response_that_used_the_session_is_not_for_shared_caches(server: &mut Server) {
    let mut client = server.client().await;
    let made = client.act("add").await.unwrap();
    assert_eq!(made.metadata().get_all("set-cookie").iter().count(), 1);
    assert!(lists(made.metadata(), "cache-control", "no-store"));
    assert!(lists(made.metadata(), "vary", "cookie"));
    let read = client.act("read").await.unwrap();
    assert!(lists(read.metadata(), "vary", "cookie"));
}

async fn headers_of_the_handler_s_own_stay(server: &mut Server) {
    let mut client = server.client().await;
    let answer = client.act("own").await.unwrap();
    let metadata = answer.metadata();
    assert!(lists(metadata, "vary", "accept-language"), "{metadata:?}");
    assert!(lists(metadata, "vary", "cookie"), "{metadata:?}");
    let names: Vec<_> = client.jar.keys().map(String::as_str).collect();
    assert_eq!(names, ["__Host-s", "lang", "theme"]);
    assert_eq!(metadata.get_all("set-cookie").iter().count(), 3);
    assert_eq!(client.text("read").await, "1 1");
}

/// Several lines, and several cookies in one. Bytes that are not text cannot be sent: metadata of this kind is ASCII.
async fn every_cookie_line_is_looked_at(server: &mut Server) {
    let mut client = server.client().await;
    client.text("add").await;
    let ours = client.jar.remove("__Host-s").unwrap();
    let mut request = client.request("read").await;
    let last = format!("a=1; __Host-s={ours}");
    for line in ["theme=dark", "lang=en; __Host-s=forged", &last] {
        let line = line.parse().unwrap();
        request.metadata_mut().append("cookie", line);
    }
    let answer = client.send(ACT, request).await.unwrap();
    assert_eq!(answer.get_ref(), "1 1");
}

async fn a_renewed_session_has_a_new_id_and_the_old_one_is_dead(server: &mut Server) {
    let mut client = server.client().await;
    client.text("add").await;
    let mut old = client.clone();
    client.text("renew").await;
    assert_ne!(client.jar, old.jar);
    assert_eq!(client.text("read").await, "1 1");
    assert_eq!(old.text("read").await, "0 0");
}

async fn what_ended_stays_ended(server: &mut Server) {
    let mut client = server.client().await;
    client.text("add").await;
    let mut thief = client.clone();
    client.text("destroy").await;
    assert!(client.jar.is_empty(), "the cookie is removed");
    assert_eq!(thief.text("read").await, "0 0");
    let stolen = thief.jar.clone();
    thief.text("add").await;
    assert_ne!(thief.jar, stolen, "a separate session, with a new id");
    thief.jar = stolen;
    assert_eq!(thief.text("read").await, "0 0");
}

/// In gRPC: a success stores, and any error status does not.
async fn an_answer_of_4xx_stores_and_5xx_and_408_do_not(server: &mut Server) {
    let mut client = server.client().await;
    client.text("add").await;
    let before = client.jar.clone();
    for (action, code) in [
        ("add-404", Code::NotFound),
        ("add-500", Code::Internal),
        ("renew-500", Code::Internal),
        ("destroy-503", Code::Internal),
    ] {
        let status = client.act(action).await.unwrap_err();
        assert_eq!(status.code(), code, "{action}");
        assert!(status.metadata().get("set-cookie").is_none(), "{status:?}");
        assert_eq!(client.text("read").await, "1 1", "{action}");
    }
    assert_eq!(client.jar, before);
}

async fn a_panic_stores_nothing(server: &mut Server) {
    let mut client = server.client().await;
    client.text("add").await;
    let status = client.act("panic").await.unwrap_err();
    assert!(status.metadata().get("set-cookie").is_none(), "{status:?}");
    // tonic may close the connection.
    let mut client = server.client_of(&client).await;
    assert_eq!(client.text("read").await, "1 1", "the server continues");
}

/// In gRPC: INTERNAL.
async fn an_error_is_an_opaque_500_and_stores_nothing(server: &mut Server) {
    let mut client = server.client().await;
    client.text("add").await;
    let status = client.act("error").await.unwrap_err();
    assert_eq!(status.code(), Code::Internal, "{status:?}");
    for word in ["list", "session", "field", "number", "store"] {
        let message = status.message().to_lowercase();
        assert!(!message.contains(word), "{word:?} in {message}");
    }
    assert_eq!(client.text("read").await, "1 1");
}

/// In gRPC: ABORTED.
async fn a_session_that_ended_meanwhile_is_a_409(server: &mut Server) {
    let mut client = server.client().await;
    let mut gate = server.client().await;
    client.text("add").await;
    let mut slow = client.clone();
    let slow = tokio::spawn(async move { slow.act("wait").await });
    gate.wait_for(1).await;
    client.clone().text("destroy").await;
    gate.text("release").await;
    let status = slow.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Aborted, "{status:?}");
    assert!(lists(status.metadata(), "cache-control", "no-store"));
    assert_eq!(client.text("read").await, "0 0");
}

async fn parallel_writers_lose_nothing(server: &mut Server) {
    const WRITERS: usize = 8;
    const EACH: usize = 25;
    let mut client = server.client().await;
    client.text("add").await;
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let mut writer = server.client_of(&client).await;
        writers.spawn(async move {
            for _ in 0..EACH {
                writer.text("add").await;
            }
        });
    }
    writers.join_all().await;
    let all = WRITERS * EACH + 1;
    assert_eq!(client.text("read").await, format!("{all} {all}"));
}

/// The handler is cancelled with its call, and nothing is stored.
async fn a_client_that_goes_away(server: &mut Server) {
    let mut client = server.client().await;
    let mut gate = server.client().await;
    client.text("add").await;
    let mut slow = client.clone();
    let slow = tokio::spawn(async move { slow.act("wait").await });
    gate.wait_for(1).await;
    slow.abort();
    gate.wait_for(0).await;
    assert_eq!(gate.waiting().await, (0, 1));
    assert_eq!(client.text("read").await, "1 1");
}

/// In gRPC: the messages of a stream.
async fn a_body_reads_the_session_and_does_not_write(server: &mut Server) {
    let mut client = server.client().await;
    let mut gate = server.client().await;
    client.text("add").await;
    let late = client.clone().late().await;
    assert!(
        lists(late.metadata(), "vary", "cookie"),
        "the session may be read"
    );
    let mut messages = late.into_inner();
    let first = messages.message().await.unwrap();
    assert_eq!(first.as_deref(), Some("the head has left\n"));
    // The next message is produced when it is polled.
    let next = tokio::spawn(async move { messages.message().await });
    gate.wait_for(1).await;
    client.text("add").await;
    gate.text("release").await;
    let next = next.await.unwrap().unwrap();
    assert_eq!(next.as_deref(), Some("2 Err(Closed)"));
    assert_eq!(client.text("read").await, "2 2");
}

async fn two_layers_of_one_cookie_are_one_session(server: &mut Server) {
    // Every method is wrapped by two layers.
    let mut client = server.client().await;
    for action in ["add", "renew"] {
        let answer = client.act(action).await.unwrap();
        let cookies = answer.metadata().get_all("set-cookie");
        assert_eq!(cookies.iter().count(), 1, "{action}");
    }
    assert_eq!(client.text("read").await, "1 1");
    client.act("add-500").await.unwrap_err();
    assert_eq!(client.text("read").await, "1 1");
}

async fn two_cookies_are_two_sessions(server: &mut Server) {
    let mut client = server.client().await;
    client.text("add").await;
    assert_eq!(client.two().await, "2 1");
    assert_eq!(client.two().await, "3 2");
    assert_eq!(client.jar.len(), 2, "{:?}", client.jar.keys());
    assert_eq!(client.text("read").await, "3 1");
    client.jar.remove("__Host-s");
    assert_eq!(client.two().await, "1 3");
}

async fn sessions_outlive_a_restart(server: &mut Server) {
    let mut client = server.client().await;
    client.text("add").await;
    assert!(server.stop().await.success());
    let mut client = server.client_of(&client).await;
    assert_eq!(client.text("read").await, "1 1");
}

async fn sessions_outlive_a_kill(server: &mut Server) {
    let mut client = server.client().await;
    client.text("add").await;
    let ended = client.clone();
    client.text("renew").await;
    server.kill();
    let mut client = server.client_of(&client).await;
    assert_eq!(client.text("read").await, "1 1");
    let mut ended = server.client_of(&ended).await;
    assert_eq!(ended.text("read").await, "0 0", "ended sessions stay ended");
}
