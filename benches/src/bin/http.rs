//! Over HTTP on the loopback: the processor time that a server takes for a request, 64 connections at once.
//!
//! `http [requests] [rounds] [servers]..`; 20000, 3 and all by default. Each server is a process of its own
//! (`http serve <application> [port of redis-server]`), so that its time is not that of the clients; what the kernel does
//! for its sockets is in it.

use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use level_session_benches::{
    apps::{self, cookie_of},
    compare::Rounds,
    machine,
    served::{self, Server},
    table::{Table, micros, times},
    workload::{SHOW, Workload, prove},
};
use std::{env, error::Error, net::TcpListener};
use tokio::{net::TcpStream, task::JoinHandle};

const CONNECTIONS: usize = 64;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [verb, app, redis @ ..] = &args[..]
        && verb == "serve"
    {
        let redis = redis.first().map(|port| port.parse()).transpose()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        println!("{}", listener.local_addr()?.port());
        return Ok(apps::serve(app, listener, redis).await?);
    }
    let number = |at: usize| args.get(at).and_then(|n| n.parse().ok());
    let (requests, rounds) = (number(0).unwrap_or(20_000), number(1).unwrap_or(3));
    let (mut names, missing) = served::names();
    if let Some(wanted @ [_, ..]) = args.get(2..) {
        names.retain(|name| wanted.iter().any(|wanted| wanted == name));
    }
    for line in missing {
        println!("{line}\n");
    }
    measure(&names, requests, rounds).await
}

/// The rounds of one workload on one server: the server alone, and its redis-server's share.
type Measured = [Rounds; 2];

async fn measure(names: &[&'static str], requests: usize, rounds: usize) -> Result<()> {
    let mut measured = vec![vec![Measured::default(); Workload::ALL.len()]; names.len()];
    for round in 0..=rounds {
        for (name, measured) in names.iter().zip(&mut measured) {
            let server = Server::start(name)?;
            if !served::is_bare(name) {
                check(server.port)
                    .await
                    .map_err(|why| format!("{name}: {why}"))?;
            }
            for (at, workload) in Workload::ALL.into_iter().enumerate() {
                let requests = if round == 0 { requests / 10 } else { requests };
                let before = server.cpu_nanos();
                load(server.port, workload, requests).await?;
                let after = server.cpu_nanos();
                if round == 0 {
                    continue;
                }
                let [own, redis] = [0, 1].map(|at| (after[at] - before[at]) as f64);
                measured[at][0].add(own / requests as f64);
                measured[at][1].add((own + redis) / requests as f64);
            }
        }
    }
    report(names, &measured, requests, rounds);
    Ok(())
}

/// Proves that the server keeps what it is given, and keeps two sessions apart: see [`prove`].
async fn check(port: u16) -> Result<()> {
    let (mut one, mut other) = (Client::connect(port).await?, Client::connect(port).await?);
    for client in [&mut one, &mut other] {
        client.ask(Workload::New.path()).await?;
    }
    let made = one.ask(SHOW).await?;
    for workload in [Workload::WriteOne, Workload::ReadOne, Workload::ReadEight] {
        one.ask(workload.path()).await?;
    }
    let written = one.ask(SHOW).await?;
    prove(&made, &written)?;
    other.ask(Workload::WriteOne.path()).await?;
    if one.ask(SHOW).await? != written {
        return Err("writing one session has changed another".into());
    }
    one.close().await?;
    other.close().await
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
    let mut client = Client::connect(port).await?;
    client.ask(Workload::New.path()).await?;
    for _ in 0..requests {
        client.ask(workload.path()).await?;
    }
    client.close().await
}

struct Client {
    sender: SendRequest<Empty<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
    cookie: Option<http::HeaderValue>,
}

impl Client {
    async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self {
            sender,
            connection: tokio::spawn(connection),
            cookie: None,
        })
    }

    /// One request, with the session's cookie; a new session's cookie is kept.
    async fn ask(&mut self, path: &str) -> Result<String> {
        let is_new = path == Workload::New.path();
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
        if is_new {
            self.cookie = cookie_of(&response);
        }
        let body = response.into_body().collect().await?.to_bytes();
        Ok(String::from_utf8(body.into())?)
    }

    async fn close(self) -> Result<()> {
        drop(self.sender);
        Ok(self.connection.await??)
    }
}

fn report(names: &[&str], measured: &[Vec<Measured>], requests: usize, rounds: usize) {
    println!(
        "{}; {CONNECTIONS} connections, best of {rounds} rounds of {requests} requests.\n",
        machine::line()
    );
    // A server over Redis has a second row, with what its redis-server takes.
    let mut rows: Vec<(String, Vec<&Rounds>)> = Vec::new();
    for (name, measured) in names.iter().zip(measured) {
        rows.push((
            (*name).to_owned(),
            measured.iter().map(|[own, _]| own).collect(),
        ));
        if served::is_over_redis(name) {
            let all = measured.iter().map(|[_, all]| all).collect();
            rows.push((format!("{name}, redis-server's too"), all));
        }
    }
    let best = |name: &str, at: usize| {
        let row = rows.iter().find(|(row, _)| row == name);
        row.map_or(f64::NAN, |(_, rounds)| rounds[at].best())
    };
    let head = || std::iter::once("").chain(Workload::ALL.map(Workload::name));
    type Cell<'a> = &'a dyn Fn(&Rounds, usize) -> String;
    let tables: [(&str, Cell<'_>); 3] = [
        (
            "How many times the server's processor time of level-session over fjall the others take",
            &|rounds, at| times(rounds.best(), best("fjall", at)),
        ),
        (
            "Microseconds of the server's processor time for a request, and how many times bare axum's",
            &|rounds, at| {
                let own = rounds.best();
                format!("{} ({})", micros(own), times(own, best("bare", at)))
            },
        ),
        (
            "Noise: how far the median round lies above the best, in percent",
            &|rounds, _| format!("{:.0}", rounds.noise()),
        ),
    ];
    for (title, cell) in tables {
        println!("{title}:\n");
        let mut table = Table::new(head());
        for (name, rounds) in &rows {
            let mut row = vec![name.clone()];
            row.extend(
                rounds
                    .iter()
                    .enumerate()
                    .map(|(at, rounds)| cell(rounds, at)),
            );
            table.row(row);
        }
        println!("{table}");
    }
}
