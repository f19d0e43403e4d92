//! Two processes on one server: 64 sign-ins race with an end of all, and with a limit, with renewals in between.
//!
//! The processes run this test program with only the test [`worker`]. They receive their tasks line by line.

use super::*;
use level_session::{
    Clock, ErrorKind, PostgresStore, RedisStore, Safety, SessionsBuilder, WhenFull,
};
use level_session_servers::redis;
use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::task::JoinSet;

/// How many visitors of each process sign in.
const SIGN_INS: usize = 64;
/// How many visitors of each process are signed in before, and keep renewing.
const BEFORE: usize = 8;
/// The prefix of a worker's lines.
const SAYS: &str = "WORKER SAYS ";
/// The limit on sessions.
const MOST: usize = 3;

/// Opens the store that both processes share.
async fn open(address: &str) -> Shared {
    let (kind, rest) = address.split_once(' ').unwrap();
    let (name, url) = rest.split_once(' ').unwrap();
    let patience = Duration::from_secs(60);
    match kind {
        "postgres" => {
            let settings = PostgresStore::builder(url).schema(name).pool_size(8);
            let settings = settings.timeout(patience).sweep_every(None);
            settings.migrate().await.unwrap();
            Arc::new(settings.open().await.unwrap())
        }
        homes => {
            let settings = RedisStore::builder()
                .prefix(name)
                .homes(homes.parse().unwrap())
                .safety(Safety::Ignore)
                .response_timeout(patience)
                .connect_timeout(patience);
            Arc::new(settings.connect(url).await.unwrap())
        }
    }
}

fn application(store: Shared, full: Option<WhenFull>) -> App {
    let limit = full.map(|full| (MOST, full));
    let settings = |s: SessionsBuilder| s.clock(Clock::system()).limit(Shop::USER_ID, limit);
    App::over(store).with(settings)
}

/// The main function of each process: not a test by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker() {
    let Ok(address) = env::var("SESSION_STORE_OF_WORKER") else {
        return;
    };
    let store = open(&address).await;
    let (lines, mut told) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if lines.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    println!("{SAYS}READY");
    while let Some(task) = told.recv().await {
        match &*task {
            "end" => end(&store, &mut told).await,
            "oldest" => println!("{SAYS}{}", limit(&store, WhenFull::EndOldest).await),
            "refuse" => println!("{SAYS}{}", limit(&store, WhenFull::Refuse).await),
            other => panic!("{other}"),
        }
    }
}

/// Whether a request was stored. Its session may have ended.
fn stored(result: level_session::Result<()>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) => {
            // If limits are not exact, sign-ins take turns, and on a busy machine some run out of attempts.
            let no_turn = error.to_string().contains("too many sign-ins of one user");
            let expected = [ErrorKind::Gone, ErrorKind::Full].contains(&error.kind()) || no_turn;
            assert!(expected, "{error:?}");
            false
        }
    }
}

/// Some visitors are signed in and keep renewing. At the next line, many others sign in, until the line after it.
async fn end(store: &Shared, told: &mut tokio::sync::mpsc::UnboundedReceiver<String>) {
    let app = application(store.clone(), None);
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for _ in 0..BEFORE {
        let mut visitor = Visitor::new();
        let sign_in = async |s: Shopping| {
            s.user_id().set(7)?;
            s.theme().set("before")
        };
        app.request(&mut visitor, sign_in).await.unwrap();
        let (app, over) = (app.clone(), over.clone());
        tasks.spawn(async move {
            let renew = async |s: Shopping| s.renew();
            while !over.load(Ordering::SeqCst) && stored(app.request(&mut visitor, renew).await) {}
        });
    }
    println!("{SAYS}BEFORE");
    assert_eq!(told.recv().await.as_deref(), Some("go"));
    for _ in 0..SIGN_INS {
        let app = app.clone();
        tasks.spawn(async move {
            let mut visitor = sign_in(&app, 7).await;
            stored(
                app.request(&mut visitor, async |s: Shopping| s.renew())
                    .await,
            );
        });
    }
    assert_eq!(told.recv().await.as_deref(), Some("stop"));
    over.store(true, Ordering::SeqCst);
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    println!("{SAYS}STOPPED");
}

/// All visitors sign in at once and renew, and every other one signs out again. Returns how many stayed signed in.
async fn limit(store: &Shared, full: WhenFull) -> usize {
    let app = application(store.clone(), Some(full));
    let mut tasks = JoinSet::new();
    for number in 0..SIGN_INS {
        let app = app.clone();
        tasks.spawn(async move {
            let mut visitor = Visitor::new();
            let sign_in = async |s: Shopping| s.user_id().set(7);
            if !stored(app.request(&mut visitor, sign_in).await) {
                return 0;
            }
            let stays = stored(
                app.request(&mut visitor, async |s: Shopping| s.renew())
                    .await,
            );
            if number.is_multiple_of(2) {
                return usize::from(stays);
            }
            let out = app.request(&mut visitor, async |s: Shopping| s.destroy());
            stored(out.await);
            0
        });
    }
    let mut stayed = 0;
    while let Some(task) = tasks.join_next().await {
        stayed += task.unwrap();
    }
    stayed
}

/// One of the processes.
struct Worker {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Worker {
    fn start(address: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "users::processes::worker", "--nocapture"])
            .env("SESSION_STORE_OF_WORKER", address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let from = BufReader::new(child.stdout.take().unwrap());
        let mut worker = Self { child, to, from };
        assert_eq!(worker.hear(), "READY");
        worker
    }

    fn say(&mut self, line: &str) {
        writeln!(self.to, "{line}").unwrap();
    }

    /// Reads the next line of the worker, skipping output of the test harness.
    fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.from.read_line(&mut line).unwrap(), 0, "it has ended");
            if let Some((_, told)) = line.split_once(SAYS) {
                return told.trim().to_owned();
            }
        }
    }

    fn stop(mut self) {
        drop(self.to);
        assert!(self.child.wait().unwrap().success());
    }
}

/// Sends the same line to both processes.
fn say(workers: &mut [Worker], line: &str) {
    workers.iter_mut().for_each(|worker| worker.say(line));
}

fn hear(workers: &mut [Worker]) -> Vec<String> {
    workers.iter_mut().map(Worker::hear).collect()
}

/// Runs both processes on one store. `alive` counts the sessions with an index entry in one step.
async fn over(address: &str, alive: impl AsyncFn() -> usize) {
    let store = open(address).await;
    let exact = store.abilities().exact_limits;
    let mut workers = [Worker::start(address), Worker::start(address)];
    let app = application(store.clone(), None);
    for round in 0..3 {
        say(&mut workers, "end");
        assert_eq!(hear(&mut workers), ["BEFORE", "BEFORE"]);
        say(&mut workers, "go");
        let ended = app.sessions.end_all(Shop::USER_ID, &7).await.unwrap();
        if exact {
            let mut listing = app.sessions.find(Shop::USER_ID, &7).with(Shop::THEME);
            while let Some(page) = listing.next_page().await.unwrap() {
                for found in page {
                    let theme = found.get(Shop::THEME).unwrap();
                    assert_eq!(theme, None, "{address}: {found:?} was there before");
                }
            }
            assert!(ended >= 2 * BEFORE as u64, "{address}, {round}: {ended}");
        }
        say(&mut workers, "stop");
        assert_eq!(hear(&mut workers), ["STOPPED", "STOPPED"]);
        // If limits are not exact, an end of all is complete only without concurrent requests.
        app.sessions.end_all(Shop::USER_ID, &7).await.unwrap();
        assert_eq!(alive().await, 0, "{address}");
    }
    for (full, task) in [
        (WhenFull::EndOldest, "oldest"),
        (WhenFull::Refuse, "refuse"),
    ] {
        for _ in 0..2 {
            say(&mut workers, task);
            let over = Arc::new(AtomicBool::new(false));
            let (stop, heard) = (
                over.clone(),
                tokio::task::spawn_blocking(move || {
                    let heard = hear(&mut workers);
                    (workers, heard)
                }),
            );
            let watching = async {
                let (mut most, mut looks) = (0, 0);
                while !stop.load(Ordering::SeqCst) {
                    most = most.max(alive().await);
                    looks += 1;
                    tokio::task::yield_now().await;
                }
                (most, looks)
            };
            let hearing = async {
                let heard = heard.await.unwrap();
                over.store(true, Ordering::SeqCst);
                heard
            };
            let ((most, looks), (back, stayed)) = tokio::join!(watching, hearing);
            workers = back;
            let stayed: usize = stayed.iter().map(|it| it.parse::<usize>().unwrap()).sum();
            assert!(looks > 1, "{address}: nobody has looked");
            // After one more sign-in, the limit holds on every store.
            let limited = application(store.clone(), Some(full));
            let mut visitor = Visitor::new();
            let sign_in = async |s: Shopping| s.user_id().set(7);
            let one_more = stored(limited.request(&mut visitor, sign_in).await);
            let left = alive().await;
            match (exact, full) {
                (true, _) => assert!(most <= MOST && left <= MOST, "{address}: {most}, {left}"),
                (false, WhenFull::EndOldest) => assert!(left <= MOST, "{address}: {left}"),
                (false, _) => assert!(left <= MOST || !one_more, "{address}: {left}"),
            }
            if exact && full == WhenFull::Refuse {
                assert_eq!(
                    left,
                    (stayed + 1).min(MOST),
                    "{address}: who is seated stays"
                );
            }
            app.sessions.end_all(Shop::USER_ID, &7).await.unwrap();
        }
    }
    workers.into_iter().for_each(Worker::stop);
    store.close().await.unwrap();
}

/// Prevents: a session of another process that outlives "sign out everywhere", and an exceeded limit because two processes
/// counted at the same time (L08, L09).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_redis() {
    let Some(program) = redis::program("redis") else {
        return;
    };
    let server = redis::Server::start(&program, &[]).unwrap();
    // The second has the layout of a Cluster, where a limit is not exact.
    for (homes, name) in [(1, "one"), (64, "many")] {
        let alive = async || {
            let script = "local n = 0 for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do \
                          if redis.call('TYPE', key).ok == 'hash' then \
                          n = n + redis.call('HEXISTS', key, 'x') end end return tostring(n)";
            let n = server.say(&["EVAL", script, "0", name]).unwrap();
            n.trim().parse::<usize>().unwrap()
        };
        over(&format!("{homes} {name} {}", server.url()), alive).await;
    }
}

/// The same as [`two_processes_on_redis`].
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_postgres() {
    let Some(server) = level_session_tests::postgres() else {
        return;
    };
    let alive = async || {
        let sql = "SELECT count(*) FROM races.session WHERE entries <> '{}'";
        let n = server.psql(sql).unwrap();
        n.trim().parse::<usize>().unwrap()
    };
    over(&format!("postgres races {}", server.url()), alive).await;
}
