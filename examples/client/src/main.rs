//! A client of the example server: sets a field of its session and fetches it again.
//!
//! ```text
//! cargo run -p server &
//! cargo run -p client
//! ```
//!
//! `PORT` replaces 8080. What makes both requests one session is the cookie that the first response brings and the
//! second request sends back. It is kept in memory, so that every run is a new visitor.

use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
    header::{COOKIE, HOST, SET_COOKIE},
};
use hyper_util::rt::TokioIo;
use std::{env, error::Error, process::ExitCode};
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let port = match env::var("PORT") {
        Ok(port) => port
            .parse()
            .map_err(|_| format!("PORT is {port:?}, which is no port number"))?,
        Err(_) => 8080,
    };
    let mut client = Client::connect(port).await?;
    println!("Set foo = {}", client.fetch("/set/foo/bar").await?);
    println!("Fetched foo = {}", client.fetch("/get/foo").await?);
    Ok(())
}

/// A connection, and the cookie that came with it.
struct Client {
    host: String,
    connection: SendRequest<Empty<Bytes>>,
    /// `name=value`, as it is sent back.
    cookie: Option<String>,
}

impl Client {
    async fn connect(port: u16) -> Result<Self, Box<dyn Error>> {
        let host = format!("127.0.0.1:{port}");
        let stream = TcpStream::connect(&host).await.map_err(|cause| {
            format!("no server answers at {host} ({cause}): start it with `cargo run -p server`")
        })?;
        let (connection, driver) = handshake(TokioIo::new(stream)).await?;
        // It ends with the connection; what goes wrong there, the request learns as well.
        tokio::spawn(driver);
        Ok(Self {
            host,
            connection,
            cookie: None,
        })
    }

    /// The value that the server answers with, as it would be written in a sentence.
    async fn fetch(&mut self, path: &str) -> Result<String, Box<dyn Error>> {
        let mut request = Request::get(path).header(HOST, &self.host);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        self.connection.ready().await?;
        let response = self
            .connection
            .send_request(request.body(Empty::new())?)
            .await?;
        let status = response.status();
        // All before the first `;` is the cookie, the rest is when and where to send it: here always.
        if let Some(set_cookie) = response.headers().get(SET_COOKIE) {
            let pair = set_cookie.to_str()?.split(';').next();
            self.cookie = pair.map(str::to_owned);
        }
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            let said = String::from_utf8_lossy(&body);
            return Err(format!("{path} was answered with {status}: {}", said.trim_end()).into());
        }
        Ok(match serde_json::from_slice(&body)? {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        })
    }
}
