//! A proxy before several processes, as a load balancer is.

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

/// Hands each request to the next of several servers in turn, or all to one of them. It ends when it is dropped.
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
    /// The paths that were asked for, each with the number of the server that was asked.
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
    /// Before these servers, on a free port.
    ///
    /// # Panics
    /// If there is no port.
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

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Hands all requests to the server of this number from now on, or to each in turn.
    pub fn to(&self, server: Option<usize>) {
        lock(&self.turns).only = server;
    }

    /// The numbers of the servers that were asked for this path, in order.
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

/// The bodies stream through, so that an event stream does.
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
