//! Prevents: visitors who cannot even read because their use cannot be recorded, and a log that is flooded by this
//! (F09). This is a separate binary, because it captures the process's logs.

use level_session::{Expiry, FjallStore, Refresh, Session};
use level_session_tests::{
    disk::Disk,
    history::Data,
    visitor::{App, Visitor},
};
use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tracing_subscriber::layer::SubscriberExt as _;

/// The library's log lines of level warning and above.
static LINES: AtomicUsize = AtomicUsize::new(0);

struct Lines;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if *event.metadata().level() <= tracing::Level::WARN {
            LINES.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn write(app: &App, visitor: &mut Visitor) -> level_session::Result<()> {
    app.request(visitor, async |s: Session<Data>| s.visits().add(1))
        .await
}

async fn read(app: &App, visitor: &mut Visitor) -> level_session::Result<u64> {
    app.request(visitor, async |s: Session<Data>| s.visits().await)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_while_the_disk_is_full() {
    const VISITORS: usize = 20;
    const ROUNDS: usize = 50;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Lines))
        .expect("the process's logs are this test's");
    for cached in [1_000, 0] {
        let Some(disk) = Disk::mount("8m") else {
            return;
        };
        let store = FjallStore::builder()
            .cache_sessions(cached)
            .write_buffer_size(64 * 1024)
            .sweep_every(None)
            .open(disk.path().join("sessions"))
            .expect("the store opens");
        let app = App::over(std::sync::Arc::new(store.clone()))
            .with_expiry(Expiry::default().with_refresh(Refresh::EveryRequest));
        let mut visitors = vec![Visitor::new(); VISITORS];
        for visitor in &mut visitors {
            // Enough data that some of it is in tables.
            app.request(visitor, async |s: Session<Data>| {
                s.set("ballast", "x".repeat(50_000))
            })
            .await
            .expect("there is room");
            write(&app, visitor).await.expect("there is room");
        }
        let ballast = disk.fill();

        LINES.store(0, Ordering::SeqCst);
        for round in 0..ROUNDS {
            for visitor in &mut visitors {
                app.clock.advance(Duration::from_millis(1));
                let visits = read(&app, visitor).await;
                assert_eq!(visits.ok(), Some(1), "round {round}, {cached} cached");
            }
        }
        write(&app, &mut Visitor::new())
            .await
            .expect_err("the disk was not full at all");
        // One line because the store rejects writes, and one because a use could not be recorded.
        assert_eq!(
            LINES.load(Ordering::SeqCst),
            2,
            "lines of log for {} reads",
            ROUNDS * VISITORS
        );

        fs::remove_file(&ballast).expect("it can be removed");
        let works = async {
            while write(&app, &mut visitors[0]).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), works)
            .await
            .expect("it works again");
        assert_eq!(read(&app, &mut visitors[0]).await.ok(), Some(2));
        store.close().await.expect("it closes");
    }
}

const FEW_FILES: &str = "TEST_WITH_FEW_FILES";

/// Runs again in a separate process with a low limit of open files.
#[test]
fn reads_while_no_file_can_be_opened() {
    if std::env::var_os(FEW_FILES).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_time()
            .build();
        return runtime.expect("a runtime").block_on(reads_with_few_files());
    }
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 128 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "reads_while_no_file_can_be_opened",
            "--nocapture",
        ])
        .env(FEW_FILES, "1")
        .output()
        .expect("a shell");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

async fn reads_with_few_files() {
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Lines))
        .expect("the process's logs are this test's");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = FjallStore::builder()
        .write_buffer_size(64 * 1024)
        .sweep_every(None)
        .open(folder.path().join("sessions"))
        .expect("the store opens");
    let app = App::over(std::sync::Arc::new(store.clone()))
        .with_expiry(Expiry::default().with_refresh(Refresh::EveryRequest));
    let mut visitor = Visitor::new();
    write(&app, &mut visitor).await.expect("it takes writes");
    let mut files = Vec::new();
    files.extend(std::iter::from_fn(|| fs::File::open("/dev/null").ok()));

    // Until a table must be written, which fails.
    let fails = async {
        let mut other = Visitor::new();
        let fill = async |s: Session<Data>| s.set("ballast", "x".repeat(50_000));
        while app.request(&mut other, fill).await.is_ok() {}
    };
    tokio::time::timeout(Duration::from_secs(60), fails)
        .await
        .expect("files are needed at some time");
    LINES.store(0, Ordering::SeqCst);
    for round in 0..1_000 {
        app.clock.advance(Duration::from_millis(1));
        let visits = read(&app, &mut visitor).await;
        assert_eq!(visits.ok(), Some(1), "round {round}");
    }
    // One line because a use could not be recorded; the store's own thread may report the failed writes only now.
    let lines = LINES.load(Ordering::SeqCst);
    assert!((1..=2).contains(&lines), "{lines} lines for 1,000 reads");

    drop(files);
    let works = async {
        while write(&app, &mut visitor).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), works)
        .await
        .expect("it works again");
    assert_eq!(read(&app, &mut visitor).await.ok(), Some(2));
    store.close().await.expect("it closes");
}
