//! The fairing: it begins a request's exchange, and ends it with the response.

use level_session::{Exchange, Head, Keyring, RequestSessions, Sessions, store::Store};
use rocket::{
    Data, Orbit, Request, Response, Rocket,
    fairing::{Fairing, Info, Kind},
    http::{Header, Status},
    tokio::{
        sync::{OwnedSemaphorePermit, Semaphore},
        time::timeout,
    },
};
use std::{
    io::Cursor,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A fairing that gives every request its session, and closes the sessions and their store when Rocket shuts down, as soon
/// as the requests that are under way have ended, or their `grace` and `mercy` are over.
#[derive(Debug)]
pub struct SessionFairing {
    sessions: Sessions,
    /// Several fairings may be attached.
    number: usize,
    /// Each request that is under way has a permit.
    under_way: Arc<Semaphore>,
}

/// The most requests that are waited for.
const MOST: u32 = 1 << 20;

impl SessionFairing {
    /// A fairing with the default settings. For others, make it of `Sessions::builder(..).build()?` with
    /// [`SessionFairing::from`].
    #[must_use]
    pub fn new(store: impl Store, keyring: Keyring) -> Self {
        Sessions::new(store, keyring).into()
    }

    /// The sessions behind the fairing.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

impl From<Sessions> for SessionFairing {
    fn from(sessions: Sessions) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self {
            sessions,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            under_way: Arc::new(Semaphore::new(MOST as usize)),
        }
    }
}

/// What the fairings keep with a request.
#[derive(Default)]
pub(crate) struct Requests(Mutex<State>);

#[derive(Default)]
struct State {
    present: Option<RequestSessions>,
    exchanges: Vec<(usize, Exchange, Option<OwnedSemaphorePermit>)>,
}

impl Requests {
    pub(crate) fn of<'r>(request: &'r Request<'_>) -> &'r Self {
        request.local_cache(Self::default)
    }

    pub(crate) fn present(&self) -> Option<RequestSessions> {
        self.lock().present.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[rocket::async_trait]
impl Fairing for SessionFairing {
    fn info(&self) -> Info {
        Info {
            name: "level-session",
            kind: Kind::Request | Kind::Response | Kind::Shutdown,
        }
    }

    async fn on_request(&self, request: &mut Request<'_>, _: &mut Data<'_>) {
        let cookies = request.headers().get("cookie");
        let exchange = self
            .sessions
            .exchange_lines(request.method().as_str(), cookies);
        let mut state = Requests::of(request).lock();
        let (present, exchange) = exchange.within(state.present.as_ref());
        state.present = Some(present);
        let under_way = Arc::clone(&self.under_way).try_acquire_owned().ok();
        state
            .exchanges
            .extend(exchange.map(|exchange| (self.number, exchange, under_way)));
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let begun = {
            let mut state = Requests::of(request).lock();
            // Who has a handle still will read the session while the body streams. The request is no such one.
            state.present = None;
            let ours = state
                .exchanges
                .iter()
                .position(|(number, ..)| *number == self.number);
            ours.map(|ours| state.exchanges.swap_remove(ours))
        };
        let Some((_, mut exchange, _under_way)) = begun else {
            return;
        };
        let commit = {
            let find = |name: &str| response.headers().get_one(name).map(str::as_bytes);
            exchange.commit(Head::lookup(response.status().code, &find))
        };
        if let Err(failure) = commit.await {
            let (head, page) = failure.into_response().into_parts();
            *response = Response::new();
            response.set_status(Status::new(head.status.as_u16()));
            response.set_sized_body(page.len(), Cursor::new(page));
            for (name, value) in &head.headers {
                adjoin(response, name.as_str(), value.as_bytes());
            }
        }
        let lines = response.headers().iter();
        let lines = lines.map(|line| (line.name.as_str().to_owned(), line.value.into_owned()));
        let lines = exchange.end_lines(lines.collect::<Vec<_>>());
        for name in Exchange::HEADERS {
            response.remove_header(name.as_str());
        }
        for (name, value) in &lines {
            adjoin(response, name.as_str(), value.as_bytes());
        }
    }

    async fn on_shutdown(&self, rocket: &Rocket<Orbit>) {
        self.sessions.end_connections();
        let shutdown = &rocket.config().shutdown;
        let patience = Duration::from_secs(u64::from(shutdown.grace) + u64::from(shutdown.mercy));
        let _all = timeout(patience, self.under_way.acquire_many(MOST)).await;
        if let Err(error) = self.sessions.close().await {
            rocket::error!("the sessions could not be closed: {error}");
        }
    }
}

/// Rocket's headers are text. All of ours are.
fn adjoin(response: &mut Response<'_>, name: &str, value: &[u8]) {
    let value = String::from_utf8_lossy(value).into_owned();
    response.adjoin_header(Header::new(name.to_owned(), value));
}
