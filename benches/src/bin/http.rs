//! Over HTTP on the loopback: the processor time that a server takes for a request, 64 connections at once.
//!
//! `http [requests] [rounds]`; 20000 and 3 by default. The server is a process of its own (`http serve <application>`),
//! so that its time is not that of the clients; what the kernel does for its sockets is in it.

use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use level_session_benches::{
    apps::{App, NAMES, cookie_of},
    compare::Rounds,
    machine,
    table::{Table, micros, times},
    workload::Workload,
};
use std::{
    env,
    error::Error,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};
use tokio::net::{TcpListener, TcpStream};

const CONNECTIONS: usize = 64;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [verb, app] = &args[..]
        && verb == "serve"
    {
        return serve(app).await;
    }
    let number = |at: usize| args.get(at).and_then(|n| n.parse().ok());
    measure(number(0).unwrap_or(20_000), number(1).unwrap_or(3)).await
}

async fn serve(app: &str) -> Result<()> {
    let app = App::named(app).await;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    axum::serve(listener, app.router).await?;
    Ok(())
}

/// A server in a process of its own, ended when it is dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(app: &str) -> Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args(["serve", app])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = &mut child.stdout {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        Ok(Self {
            child,
            port: line.trim().parse()?,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn measure(requests: usize, rounds: usize) -> Result<()> {
    let mut measured = vec![vec![Rounds::default(); Workload::ALL.len()]; NAMES.len()];
    for round in 0..=rounds {
        for (app, measured) in NAMES.iter().zip(&mut measured) {
            let server = Server::start(app)?;
            for (at, workload) in Workload::ALL.into_iter().enumerate() {
                let requests = if round == 0 { requests / 10 } else { requests };
                let before = machine::cpu_nanos(server.child.id());
                load(server.port, workload, requests).await?;
                let nanos = machine::cpu_nanos(server.child.id()) - before;
                if round > 0 {
                    measured[at].add(nanos as f64 / requests as f64);
                }
            }
        }
    }
    report(&measured, requests, rounds);
    Ok(())
}

async fn load(port: u16, workload: Workload, requests: usize) -> Result<()> {
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| tokio::spawn(client(port, workload, requests / CONNECTIONS)))
        .collect();
    for client in clients {
        client.await??;
    }
    Ok(())
}

/// One connection, with a session of its own.
async fn client(port: u16, workload: Workload, requests: usize) -> Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut cookie: Option<http::HeaderValue> = None;
    for n in 0..=requests {
        let workload = if n == 0 { Workload::New } else { workload };
        let mut request = Request::get(workload.path())
            .header(header::HOST, "localhost")
            .body(Empty::<Bytes>::new())?;
        if let (true, Some(cookie)) = (workload.has_cookie(), &cookie) {
            request.headers_mut().insert(header::COOKIE, cookie.clone());
        }
        let response = sender.send_request(request).await?;
        if !response.status().is_success() {
            return Err(format!("{}: {}", workload.path(), response.status()).into());
        }
        if n == 0 {
            cookie = cookie_of(&response);
        }
        response.into_body().collect().await?;
    }
    drop(sender);
    connection.await??;
    Ok(())
}

fn report(measured: &[Vec<Rounds>], requests: usize, rounds: usize) {
    println!(
        "{}; {CONNECTIONS} connections, best of {rounds} rounds of {requests} requests.\n",
        machine::line()
    );
    println!(
        "Server processor time of a request in microseconds, and of bare axum's in parentheses:\n"
    );
    let mut table = Table::new(std::iter::once("").chain(NAMES.iter().copied()));
    for (at, workload) in Workload::ALL.into_iter().enumerate() {
        let bare = measured[0][at].best();
        let mut row = vec![workload.name().to_owned()];
        row.extend(measured.iter().map(|app| {
            let own = app[at].best();
            format!("{} ({})", micros(own), times(own, bare))
        }));
        table.row(row);
    }
    println!("{table}");
}
