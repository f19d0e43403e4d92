//! A small HTTP client with a cookie jar, for servers on this machine.

use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::handshake,
    header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE},
};
use hyper_util::rt::TokioIo;
use std::{collections::BTreeMap, net::SocketAddr};
use tokio::{net::TcpStream, task::JoinHandle};

/// A response.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, which is text in all tests.
    pub body: String,
}

impl Answer {
    /// The `Location` header.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION)?.to_str().ok()
    }
}

/// Sends a request over a new connection.
///
/// # Panics
/// If there is no response, or its body is not text.
pub async fn send(address: SocketAddr, request: Request<String>) -> Answer {
    begin(address, request).await.rest().await
}

/// A response whose head has arrived.
#[derive(Debug)]
pub struct Begun {
    response: Response<Incoming>,
    driver: JoinHandle<hyper::Result<()>>,
}

impl Begun {
    /// Waits for the complete body.
    ///
    /// # Panics
    /// If the body does not arrive, or is not text.
    pub async fn rest(self) -> Answer {
        let (head, body) = self.response.into_parts();
        let body = body.collect().await.expect("a whole answer").to_bytes();
        self.driver.abort();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.into()).expect("text"),
        }
    }
}

/// Sends a request over a new connection, and waits for the head of the response.
///
/// # Panics
/// If there is no response.
pub async fn begin(address: SocketAddr, mut request: Request<String>) -> Begun {
    let host = address.to_string().try_into().expect("an address");
    request.headers_mut().entry(HOST).or_insert(host);
    let stream = TcpStream::connect(address).await.expect("a server");
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP");
    let driver = tokio::spawn(connection);
    let request = request.map(|body| Full::new(Bytes::from(body)));
    let response = sender.send_request(request).await.expect("an answer");
    Begun { response, driver }
}

/// A client: an address and a cookie jar.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address of the server. It changes when the server restarts.
    pub address: SocketAddr,
    /// The cookies, by name.
    pub jar: BTreeMap<String, String>,
}

impl Client {
    /// A client without a cookie.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            jar: BTreeMap::new(),
        }
    }

    /// Sends a GET request.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path).body(String::new())).await
    }

    /// Sends a form. The values are not encoded.
    pub async fn post(&mut self, path: &str, form: &str) -> Answer {
        let request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(form.to_owned())).await
    }

    /// Sends a GET request whose response may stream, and waits for its head.
    pub async fn open(&self, path: &str) -> Begun {
        let mut request = Request::get(path).body(String::new()).expect("a request");
        self.add_cookies(&mut request);
        begin(self.address, request).await
    }

    fn add_cookies(&self, request: &mut Request<String>) {
        let pairs = self
            .jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookies = pairs.collect::<Vec<_>>().join("; ");
        if !cookies.is_empty() {
            let cookies = cookies.try_into().expect("cookies");
            request.headers_mut().insert(COOKIE, cookies);
        }
    }

    async fn send(&mut self, request: http::Result<Request<String>>) -> Answer {
        let mut request = request.expect("a request");
        self.add_cookies(&mut request);
        let answer = send(self.address, request).await;
        for set in answer.headers.get_all(SET_COOKIE) {
            let set = set.to_str().expect("ASCII");
            let mut parts = set.split("; ");
            let (name, value) = parts
                .next()
                .and_then(|pair| pair.split_once('='))
                .expect("a pair");
            match parts.any(|attribute| attribute == "Max-Age=0") {
                true => drop(self.jar.remove(name)),
                false => drop(self.jar.insert(name.to_owned(), value.to_owned())),
            }
        }
        answer
    }
}
