//! Tail latencies over HTTP: how long requests without a session wait for a server that creates sessions.
//!
//! `served_tail [seconds] [rates] [servers]`; 10 seconds, `3000` new sessions per second and `fjall` by default. An open
//! loop: each request has a scheduled time, and its latency counts from there, even if an earlier response is late. The
//! server is a separate process with two threads; the clients run on the same cores. Beside the measured requests, which
//! do not use a session (a thousand per second), it answers as many requests as the rate says: first others without a
//! session, then requests that create sessions of eight fields.

use level_session_benches::{
    apps,
    client::Client,
    machine,
    served::Server,
    table::{Table, micros, times},
    workload::Workload,
};
use std::{
    env,
    error::Error,
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};
use tokio::{
    runtime::Runtime,
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::JoinHandle,
};

const ROUNDS: usize = 3;
/// The measured requests per second.
const PLAIN: u64 = 1_000;
const PLAIN_CONNECTIONS: usize = 16;
const OTHER_CONNECTIONS: usize = 64;
const TICK: Duration = Duration::from_micros(200);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    if let [verb, app] = &args[..]
        && verb == "serve"
    {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        println!("{}", listener.local_addr()?.port());
        return Ok(runtime.block_on(apps::serve(app, listener, None))?);
    }
    let text = |at: usize, default: &'static str| args.get(at).map_or(default, String::as_str);
    let time = Duration::from_secs(text(0, "10").parse()?);
    println!(
        "{}; the median of {ROUNDS} rounds of {time:?}.\n",
        machine::line()
    );
    let mut table = Table::new([
        "server",
        "beside, a second",
        "plain p99.9 / the same beside plain requests",
        "plain, ms: p50",
        "p99",
        "p99.9",
        "p99.99",
        "worst",
        "the others, ms: p50",
        "p99",
        "p99.9",
        "p99.99",
        "worst",
    ]);
    for rate in text(1, "3000").split(',') {
        let rate = rate.parse()?;
        for server in text(2, "fjall").split(',') {
            // In turns, so that a disturbance affects both; of each, the round with the median tail counts.
            let kinds = [Workload::Ignored, Workload::New];
            let mut rounds = kinds.map(|_| Vec::new());
            for _ in 0..ROUNDS {
                for (rounds, other) in rounds.iter_mut().zip(kinds) {
                    rounds.push(measure(&runtime, server, other, rate, time)?);
                }
            }
            let rounds = rounds.map(|mut rounds| {
                rounds.sort_by(|[one, _], [other, _]| tail(one).total_cmp(&tail(other)));
                rounds.swap_remove(ROUNDS / 2)
            });
            let beside_plain = tail(&rounds[0][0]);
            for (other, [plain, others]) in kinds.into_iter().zip(&rounds) {
                let mut row = vec![
                    server.to_owned(),
                    format!("{rate} {}", other.name()),
                    times(tail(plain), beside_plain),
                ];
                row.extend(quantiles(plain));
                row.extend(quantiles(others));
                table.row(row);
            }
        }
    }
    println!("{table}");
    Ok(())
}

/// The latencies of the plain requests and of the others in nanoseconds, sorted.
fn measure(
    runtime: &Runtime,
    server: &str,
    other: Workload,
    rate: u64,
    time: Duration,
) -> Result<[Vec<f64>; 2]> {
    let server = Server::start(server)?;
    let connect = |workload, connections| {
        runtime.block_on(Clients::connect(server.port, workload, connections))
    };
    let mut plain = connect(Workload::Ignored, PLAIN_CONNECTIONS)?;
    let mut others = connect(other, OTHER_CONNECTIONS)?;
    let start = Instant::now();
    let mut tick = start;
    while start.elapsed() < time {
        tick += TICK;
        thread::sleep(tick.saturating_duration_since(Instant::now()));
        plain.send_until(start, tick, PLAIN)?;
        others.send_until(start, tick, rate)?;
    }
    let latencies = |clients: Clients| runtime.block_on(clients.latencies());
    Ok([latencies(plain)?, latencies(others)?])
}

/// Connections that send requests in turns, each when it is told to.
struct Clients {
    connections: Vec<(UnboundedSender<Instant>, JoinHandle<Result<Vec<f64>>>)>,
    sent: u64,
}

impl Clients {
    async fn connect(port: u16, workload: Workload, connections: usize) -> Result<Self> {
        let mut clients = Vec::with_capacity(connections);
        for _ in 0..connections {
            let client = Client::connect(port).await?;
            let (tell, told) = mpsc::unbounded_channel();
            clients.push((tell, tokio::spawn(serve_out(client, workload, told))));
        }
        Ok(Self {
            connections: clients,
            sent: 0,
        })
    }

    /// Sends the requests that are due until `now`, of so many per second.
    fn send_until(&mut self, start: Instant, now: Instant, rate: u64) -> Result<()> {
        let due = ((now - start).as_secs_f64() * rate as f64) as u64;
        for _ in self.sent..due {
            let connection = self.sent as usize % self.connections.len();
            self.connections[connection].0.send(now)?;
            self.sent += 1;
        }
        Ok(())
    }

    /// The latencies in nanoseconds, sorted, when all requests are answered.
    async fn latencies(self) -> Result<Vec<f64>> {
        let mut all = Vec::new();
        for (tell, answered) in self.connections {
            drop(tell);
            all.extend(answered.await??);
        }
        all.sort_unstable_by(f64::total_cmp);
        Ok(all)
    }
}

/// Sends a request for each time that it is told.
async fn serve_out(
    mut client: Client,
    workload: Workload,
    mut told: UnboundedReceiver<Instant>,
) -> Result<Vec<f64>> {
    let mut latencies = Vec::new();
    while let Some(due) = told.recv().await {
        client.ask(workload.path()).await?;
        latencies.push(due.elapsed().as_nanos() as f64);
    }
    client.close().await?;
    Ok(latencies)
}

fn tail(latencies: &[f64]) -> f64 {
    at(latencies, 0.999)
}

fn at(latencies: &[f64], share: f64) -> f64 {
    latencies[((latencies.len() - 1) as f64 * share) as usize]
}

fn quantiles(latencies: &[f64]) -> [String; 5] {
    [0.5, 0.99, 0.999, 0.9999, 1.0].map(|share| micros(at(latencies, share) / 1000.0))
}
