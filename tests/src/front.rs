//! A proxy in front of several processes, like a load balancer.

use http::{Request, Response};
use hyper::{
    body::Incoming, client::conn::http1::handshake, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Forwards requests to several servers in turn, or all of them to one server. Dropping it stops the proxy.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    turns: Arc<Mutex<Turns>>,
    accepts: JoinHandle<()>,
}

#[derive(Debug)]
struct Turns {
    servers: Vec<SocketAddr>,
    only: Option<usize>,
    /// The requested paths, each with the number of the server that got the request.
    served: Vec<(String, usize)>,
}

impl Turns {
    fn take(&mut self, path: &str) -> SocketAddr {
        let number = self.only.unwrap_or(self.served.len() % self.servers.len());
        self.served.push((path.to_owned(), number));
        self.servers[number]
    }
}

impl Front {
    /// Starts a proxy for these servers, on a free port.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn before(servers: &[SocketAddr]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let turns = Arc::new(Mutex::new(Turns {
            servers: servers.to_vec(),
            only: None,
            served: Vec::new(),
        }));
        let shared = turns.clone();
        let accepts = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let turns = shared.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let server = lock(&turns).take(request.uri().path());
                    forward(server, request)
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self {
            address,
            turns,
            accepts,
        }
    }

    /// The address of the proxy.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forwards all further requests to the server with this number, or with `None` to each in turn.
    pub fn to(&self, server: Option<usize>) {
        lock(&self.turns).only = server;
    }

    /// The numbers of the servers that got requests for this path, in order.
    #[must_use]
    pub fn served(&self, path: &str) -> Vec<usize> {
        let turns = lock(&self.turns);
        let served = turns.served.iter().filter(|(other, _)| other == path);
        served.map(|(_, server)| *server).collect()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

/// Forwards a request. The bodies are streamed, so that event streams work.
async fn forward(
    server: SocketAddr,
    request: Request<Incoming>,
) -> std::io::Result<Response<Incoming>> {
    let stream = TcpStream::connect(server).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(std::io::Error::other)?;
    tokio::spawn(connection);
    let answer = sender.send_request(request).await;
    answer.map_err(std::io::Error::other)
}

fn lock(turns: &Mutex<Turns>) -> std::sync::MutexGuard<'_, Turns> {
    turns.lock().unwrap_or_else(PoisonError::into_inner)
}
