//! The fairing: begins a request's exchange, and ends it with the response.

use http::{HeaderName, HeaderValue, StatusCode};
use level_session::{Exchange, Keyring, RequestSessions, Sessions, store::Store};
use rocket::{
    Data, Orbit, Request, Response, Rocket,
    fairing::{Fairing, Info, Kind},
    http::{Header, Status},
    tokio::{sync::watch, time::timeout},
};
use std::{
    io::Cursor,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A fairing that gives every request its session. When Rocket shuts down, it waits for the requests in flight, at most
/// for Rocket's `grace` and `mercy` periods, and closes the sessions and their store.
#[derive(Debug)]
pub struct SessionFairing {
    sessions: Sessions,
    /// Each request in flight holds a receiver.
    requests: watch::Sender<()>,
}

impl SessionFairing {
    /// Creates a fairing with the default settings. For other settings, convert `Sessions::builder(..).build()?` with
    /// [`SessionFairing::from`].
    #[must_use]
    pub fn new(store: impl Store, keyring: Keyring) -> Self {
        Sessions::new(store, keyring).into()
    }

    /// The sessions of the fairing.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

impl From<Sessions> for SessionFairing {
    fn from(sessions: Sessions) -> Self {
        let requests = watch::Sender::default();
        Self { sessions, requests }
    }
}

/// The request-local state of the fairings: the sessions that handlers look up, and the exchange that each fairing has
/// begun.
#[derive(Default)]
pub(crate) struct Begun {
    pub(crate) present: Option<RequestSessions>,
    exchanges: Vec<(watch::Receiver<()>, Exchange)>,
}

impl Begun {
    pub(crate) fn with<R>(request: &Request<'_>, f: impl FnOnce(&mut Self) -> R) -> R {
        let begun: &Mutex<Self> = request.local_cache(Mutex::default);
        f(&mut begun.lock().unwrap_or_else(PoisonError::into_inner))
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
        let method = request.method().as_str();
        let exchange = self.sessions.exchange_lines(method, cookies);
        Begun::with(request, |begun| {
            let (present, exchange) = exchange.within(begun.present.as_ref());
            begun.present = Some(present);
            let exchange = exchange.map(|exchange| (self.requests.subscribe(), exchange));
            begun.exchanges.extend(exchange);
        });
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let begun = Begun::with(request, |begun| {
            // Handles that outlive the handler belong to the response's body. The request's own handle does not count.
            begun.present = None;
            let ours = self.requests.subscribe();
            let mut exchanges = begun.exchanges.iter();
            let ours = exchanges.position(|(in_flight, _)| in_flight.same_channel(&ours));
            ours.map(|ours| begun.exchanges.swap_remove(ours))
        });
        let Some((_in_flight, exchange)) = begun else {
            return;
        };
        let mut head = http::Response::new(None);
        let status = StatusCode::from_u16(response.status().code);
        *head.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for line in response.headers().iter() {
            let name = HeaderName::try_from(line.name.as_str());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&line.value)) {
                head.headers_mut().append(name, value);
            }
        }
        let (head, page) = exchange.answer(head).await.into_parts();
        if let Some(page) = page {
            *response = Response::new();
            response.set_status(Status::new(head.status.as_u16()));
            response.set_sized_body(page.len(), Cursor::new(page));
        }
        for name in head.headers.keys() {
            response.remove_header(name.as_str());
        }
        for (name, value) in &head.headers {
            // Rocket's headers are strings.
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            response.adjoin_header(Header::new(name.as_str().to_owned(), value));
        }
    }

    async fn on_shutdown(&self, rocket: &Rocket<Orbit>) {
        self.sessions.end_connections();
        let periods = &rocket.config().shutdown;
        let patience = Duration::from_secs(u64::from(periods.grace) + u64::from(periods.mercy));
        let _in_time = timeout(patience, self.requests.closed()).await;
        if let Err(error) = self.sessions.close().await {
            rocket::error!("cannot close the sessions: {error}");
        }
    }
}
