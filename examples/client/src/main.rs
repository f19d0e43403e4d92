//! A client of the example server that sets a field of its session and reads it back.
//!
//! ```text
//! cargo run -p server &
//! cargo run -p client
//! ```
//!
//! `PORT` sets the port instead of 8080. The first response sets the session cookie, and the second request sends it back,
//! so both requests use the same session. The cookie is kept in memory: every run is a new visitor.

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
            .map_err(|_| format!("PORT is {port:?}, which is not a port number"))?,
        Err(_) => 8080,
    };
    let mut client = Client::connect(port).await?;
    println!("Set foo = {}", client.fetch("/set/foo/bar").await?);
    println!("Fetched foo = {}", client.fetch("/get/foo").await?);
    Ok(())
}

/// A connection and its session cookie.
struct Client {
    host: String,
    connection: SendRequest<Empty<Bytes>>,
    /// The pair `name=value` that is sent back.
    cookie: Option<String>,
}

impl Client {
    async fn connect(port: u16) -> Result<Self, Box<dyn Error>> {
        let host = format!("127.0.0.1:{port}");
        let stream = TcpStream::connect(&host).await.map_err(|cause| {
            format!(
                "cannot connect to {host} ({cause}): start the server with `cargo run -p server`"
            )
        })?;
        let (connection, driver) = handshake(TokioIo::new(stream)).await?;
        // The driver ends with the connection. Its errors also reach the pending request.
        tokio::spawn(driver);
        Ok(Self {
            host,
            connection,
            cookie: None,
        })
    }

    /// Fetches a path and returns the value in the response, a string without its quotes.
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
        // The attributes after the first `;` control when a browser sends the cookie; this client always sends it.
        if let Some(set_cookie) = response.headers().get(SET_COOKIE) {
            let pair = set_cookie.to_str()?.split(';').next();
            self.cookie = pair.map(str::to_owned);
        }
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            let said = String::from_utf8_lossy(&body);
            return Err(format!("{path} returned {status}: {}", said.trim_end()).into());
        }
        Ok(match serde_json::from_slice(&body)? {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        })
    }
}
