//! Over HTTP on loopback: the CPU time of a server per request, with 64 concurrent connections.
//!
//! `http [requests] [rounds] [servers]..`; 20000, 3 and all by default. `http redis [requests] [rounds]` measures the
//! servers with sessions in Redis, all over the same redis-server; 4000 and 9 by default. Each server is a separate
//! process (`http serve <application> [port of redis-server]`), so its CPU time does not include the clients'. It
//! includes the kernel's work for the server's sockets.

use level_session_benches::{
    apps,
    client::Client,
    compare::Rounds,
    machine,
    redis::Redis,
    served::{self, Server},
    table::{Table, micros, times},
    workload::{SHOW, Workload, prove},
};
use std::{env, error::Error, net::TcpListener, rc::Rc, time::Instant};

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
    if args.first().is_some_and(|verb| verb == "redis") {
        return on_one_redis(number(1).unwrap_or(4_000), number(2).unwrap_or(9)).await;
    }
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
                let [own, all, _] = one(&server, workload, requests).await?;
                if round > 0 {
                    measured[at][0].add(own);
                    measured[at][1].add(all);
                }
            }
        }
    }
    report(names, &measured, requests, rounds);
    Ok(())
}

/// Sends this many requests. Returns nanoseconds per request: the server's CPU time, the same including its
/// redis-server, and wall-clock time.
async fn one(server: &Server, workload: Workload, requests: usize) -> Result<[f64; 3]> {
    let clients = prepare(server.port, workload).await?;
    let (before, start) = (server.cpu_nanos(), Instant::now());
    let clients: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::spawn(go_on(client, workload, requests / CONNECTIONS)))
        .collect();
    let mut ended = Vec::new();
    for client in clients {
        ended.push(client.await??);
    }
    let (after, wall) = (server.cpu_nanos(), start.elapsed());
    for client in ended {
        client.close().await?;
    }
    let requests = (requests / CONNECTIONS * CONNECTIONS) as f64;
    let [own, redis] = [0, 1].map(|at| (after[at] - before[at]) as f64);
    Ok([own, own + redis, wall.as_nanos() as f64].map(|nanos| nanos / requests))
}

/// The servers with sessions in Redis, all over one redis-server.
async fn on_one_redis(requests: usize, rounds: usize) -> Result<()> {
    let (names, missing) = served::names_on_one_redis();
    for line in missing {
        println!("{line}\n");
    }
    let redis = Rc::new(Redis::start()?);
    let none = || vec![<[Rounds; 3]>::default(); Workload::OVER_REDIS.len()];
    let mut measured: Vec<_> = names.iter().map(|_| none()).collect();
    let mut busiest = 0_f64;
    for round in 0..=rounds {
        // In turns: a workload of all servers, and then the next one.
        let mut servers = Vec::new();
        for name in &names {
            let server = Server::over(name, Some(Rc::clone(&redis)))?;
            check(server.port)
                .await
                .map_err(|why| format!("{name}: {why}"))?;
            servers.push(server);
        }
        for (at, workload) in Workload::OVER_REDIS.into_iter().enumerate() {
            for (server, measured) in servers.iter().zip(&mut measured) {
                let figures = one(server, workload, requests).await?;
                if round > 0 {
                    let rounds = measured[at].iter_mut().zip(figures);
                    rounds.for_each(|(rounds, nanos)| rounds.add(nanos));
                }
            }
        }
        busiest = busiest.max(machine::load());
    }
    println!(
        "{}, at most {busiest:.0}; {CONNECTIONS} connections, median of {rounds} rounds of {requests} requests.\n",
        machine::line()
    );
    let ours = |name: &str| names.iter().position(|other| *other == name);
    let beside = |name: &str| match name {
        "actix-session-redis" => ours("level-session-actix-redis"),
        _ => ours("level-session-axum-redis"),
    };
    let head = || std::iter::once("").chain(Workload::OVER_REDIS.map(Workload::name));
    for (title, figure) in [
        ("The server's CPU time per request in microseconds", 0),
        (
            "The CPU time of server and redis-server per request in microseconds",
            1,
        ),
        (
            "The wall-clock time per request in microseconds, with the clients on the same cores",
            2,
        ),
    ] {
        println!("{title}, and as a multiple of level-session's in the same framework:\n");
        let mut table = Table::new(head());
        for (name, rounds) in names.iter().zip(&measured) {
            let mut row = vec![(*name).to_owned()];
            for (at, rounds) in rounds.iter().enumerate() {
                let nanos = rounds[figure].median();
                let times = match beside(name) {
                    Some(ours) if names[ours] != *name => {
                        format!(" ({})", times(nanos, measured[ours][at][figure].median()))
                    }
                    _ => String::new(),
                };
                row.push(format!("{}{times}", micros(nanos)));
            }
            table.row(row);
        }
        println!("{table}");
    }
    Ok(())
}

/// Proves that the server stores values, and that two sessions are separate: see [`prove`].
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

/// Connections, each with its own session.
async fn prepare(port: u16, workload: Workload) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = Client::connect(port).await?;
        client.ask(workload.prepared_by()).await?;
        clients.push(client);
    }
    Ok(clients)
}

async fn go_on(mut client: Client, workload: Workload, requests: usize) -> Result<Client> {
    for _ in 0..requests {
        client.ask(workload.path()).await?;
    }
    Ok(client)
}

fn report(names: &[&str], measured: &[Vec<Measured>], requests: usize, rounds: usize) {
    println!(
        "{}; {CONNECTIONS} connections, best of {rounds} rounds of {requests} requests.\n",
        machine::line()
    );
    // A server over Redis has a second row, for its redis-server.
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
            "The server's CPU time of the others, as a multiple of level-session's on fjall",
            &|rounds, at| times(rounds.best(), best("fjall", at)),
        ),
        (
            "The server's CPU time per request in microseconds, and as a multiple of bare axum's",
            &|rounds, at| {
                let own = rounds.best();
                format!("{} ({})", micros(own), times(own, best("bare", at)))
            },
        ),
        (
            "Noise: the difference between the median and the best round, in percent",
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
