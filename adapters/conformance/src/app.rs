//! The application that is served with every framework.

use futures_util::{Stream, StreamExt as _, stream};
use level_session::{CookieConfig, FjallStore, Keyring, Result, Session, SessionData, Sessions};
use std::{
    env, io,
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};
use tokio::sync::Semaphore;

/// The session data of the application.
#[derive(Debug, SessionData)]
pub struct Visit {
    /// Changed only by additions.
    #[session(counter)]
    pub count: u64,
    /// Changed only by updates.
    #[session(default)]
    pub list: Vec<u64>,
    /// Shown once.
    #[session(flash)]
    pub notice: Option<String>,
}

/// The data of a session with a different cookie.
#[derive(Debug, SessionData)]
pub struct Other {
    /// Changed only by additions.
    #[session(counter, rename = "other-count")]
    pub count: u64,
}

/// A response, for every framework.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers to append.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: String,
}

impl Reply {
    fn text(body: impl Into<String>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: body.into(),
        }
    }
}

/// The configuration of a server under test.
#[derive(Debug)]
pub struct Fixture {
    /// The sessions, with [`Visit`].
    pub sessions: Sessions,
    /// The sessions with a different cookie, with [`Other`].
    pub other: Sessions,
    /// The address to listen on.
    pub address: SocketAddr,
}

impl Fixture {
    /// Reads the configuration from the environment that the tests set: the port and the directory.
    ///
    /// # Errors
    /// If the tests did not start the program, or the stores cannot be opened.
    pub fn from_env() -> Result<Self, Box<dyn std::error::Error>> {
        let data = PathBuf::from(env::var("DATA")?);
        let port = env::var("PORT")?.parse()?;
        let keyring = Keyring::new([[7; 32]])?;
        let store = FjallStore::open(data.join("sessions"))?;
        let others = FjallStore::open(data.join("others"))?;
        let cookie = CookieConfig::builder().name("__Host-other").build()?;
        Ok(Self {
            sessions: Sessions::builder(store, keyring.clone())
                .data::<Visit>()
                .build()?,
            other: Sessions::builder(others, keyring)
                .cookie(cookie)
                .data::<Other>()
                .build()?,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        })
    }

    /// Closes the sessions, after the last response.
    ///
    /// # Errors
    /// Those of [`Sessions::close`].
    pub async fn close(&self) -> Result<()> {
        self.sessions.close().await?;
        self.other.close().await
    }
}

/// The number of requests that wait at the gate.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// The number of requests that were dropped at the gate.
static CANCELLED: AtomicUsize = AtomicUsize::new(0);
static GATE: Semaphore = Semaphore::const_new(0);

struct Waits {
    is_through: bool,
}

async fn wait() {
    WAITING.fetch_add(1, Ordering::SeqCst);
    let mut waits = Waits { is_through: false };
    GATE.acquire()
        .await
        .expect("the gate is never closed")
        .forget();
    waits.is_through = true;
}

impl Drop for Waits {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::SeqCst);
        CANCELLED.fetch_add(usize::from(!self.is_through), Ordering::SeqCst);
    }
}

/// Performs the action named in the path: see the source for the actions.
///
/// # Errors
/// Those of the session, for the framework to convert into a response.
///
/// # Panics
/// If the action is `panic`.
pub async fn act(session: Session<Visit>, action: &str) -> Result<Reply> {
    let (action, status) = match action.rsplit_once('-') {
        Some((action, status)) => (action, status.parse().unwrap_or(404)),
        None => (action, 200),
    };
    let mut reply = Reply::text("done");
    match action {
        "nothing" => {}
        "read" => {
            let (count, list) = (session.count().await?, session.list().await?);
            reply.body = format!("{count} {}", list.len());
        }
        "add" => add(&session).await?,
        "renew" => session.renew()?,
        "destroy" => session.destroy()?,
        "panic" => {
            add(&session).await?;
            session.renew()?;
            panic!("a handler panics on request");
        }
        "error" => {
            add(&session).await?;
            // The field holds a list of numbers.
            session.get::<String>("list").await?;
        }
        "notice" => session.notice().set("well done")?,
        "show" => reply.body = session.notice().await?.unwrap_or_default(),
        "own" => {
            add(&session).await?;
            reply.headers = vec![
                ("set-cookie", "theme=dark; Path=/"),
                ("set-cookie", "lang=en; Path=/"),
                ("vary", "Accept-Language"),
            ];
        }
        "wait" => {
            add(&session).await?;
            wait().await;
        }
        "waiting" => {
            let [waiting, cancelled] = [&WAITING, &CANCELLED].map(|n| n.load(Ordering::SeqCst));
            reply.body = format!("{waiting} {cancelled}");
        }
        "release" => GATE.add_permits(1),
        _ => reply = Reply::text("no such action"),
    }
    reply.status = status;
    Ok(reply)
}

async fn add(session: &Session<Visit>) -> Result<()> {
    session.count().add(1)?;
    session.list().update(|list| list.push(7)).await
}

/// Adds one to a counter in each of two sessions.
///
/// # Errors
/// Those of the sessions.
pub async fn two(visit: Session<Visit>, other: Session<Other>) -> Result<Reply> {
    visit.count().add(1)?;
    other.count().add(1)?;
    let counts = (visit.count().await?, other.count().await?);
    Ok(Reply::text(format!("{} {}", counts.0, counts.1)))
}

/// A body that reads and writes the session after the head of the response was sent.
pub fn late(session: Session<Visit>) -> impl Stream<Item = io::Result<Vec<u8>>> + Send + 'static {
    let begun = stream::once(async { Ok(b"the head has left\n".to_vec()) });
    let rest = stream::once(async move {
        wait().await;
        let read = match session.count().await {
            Ok(count) => count.to_string(),
            Err(error) => format!("{:?}", error.kind()),
        };
        let written = session.count().add(1).map_err(|error| error.kind());
        Ok(format!("{read} {written:?}").into_bytes())
    });
    begun.chain(rest).boxed()
}

/// Whether the request has a session.
#[must_use]
pub fn optional(session: Option<Session<Visit>>) -> Reply {
    Reply::text(match session {
        Some(_) => "a session",
        None => "none",
    })
}

/// Waits for a signal to terminate: SIGTERM; on systems without it, Ctrl-C.
///
/// # Panics
/// If signal handlers cannot be installed.
pub async fn terminated() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).expect("signals can be received");
        terminate.recv().await;
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c()
        .await
        .expect("signals can be received");
}
