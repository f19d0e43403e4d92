//! A client of the servers that are compared over HTTP.

use crate::{
    apps::cookie_of,
    workload::{NEW_LARGE, Workload},
};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use std::error::Error;
use tokio::{net::TcpStream, task::JoinHandle};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A connection, with the cookie that it was given last.
pub struct Client {
    sender: SendRequest<Empty<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
    cookie: Option<http::HeaderValue>,
}

impl Client {
    /// Connects to a server on this machine.
    ///
    /// # Errors
    /// If it does not listen.
    pub async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self {
            sender,
            connection: tokio::spawn(connection),
            cookie: None,
        })
    }

    /// One request, with the session's cookie; the cookie of a new or renewed session is kept.
    ///
    /// # Errors
    /// If it is not answered, or not with success.
    pub async fn ask(&mut self, path: &str) -> Result<String> {
        let is_new = path == Workload::New.path() || path == NEW_LARGE;
        let mut request = Request::get(path)
            .header(header::HOST, "localhost")
            .body(Empty::<Bytes>::new())?;
        if let (false, Some(cookie)) = (is_new, &self.cookie) {
            request.headers_mut().insert(header::COOKIE, cookie.clone());
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        if !response.status().is_success() {
            return Err(format!("{path}: {}", response.status()).into());
        }
        if let Some(cookie) = cookie_of(&response) {
            self.cookie = Some(cookie);
        }
        let body = response.into_body().collect().await?.to_bytes();
        Ok(String::from_utf8(body.into())?)
    }

    /// Closes the connection.
    ///
    /// # Errors
    /// If it was broken.
    pub async fn close(self) -> Result<()> {
        drop(self.sender);
        Ok(self.connection.await??)
    }
}
