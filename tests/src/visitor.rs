//! An application without a server, and visitors with cookie jars.

use http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, SET_COOKIE},
};
use level_session::{
    Clock, Expiry, Keyring, Result, Session, SessionData, Sessions, SessionsBuilder, Timestamp,
    store::{
        MemoryStore, Store,
        testing::{Faults, FaultyStore},
    },
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::task::JoinHandle;

/// An application: sessions over a store that can be made to fail, and a manual clock.
#[derive(Debug, Clone)]
pub struct App {
    /// The sessions.
    pub sessions: Sessions,
    /// Records the calls of the store, and makes it fail.
    pub faults: Faults,
    /// The clock.
    pub clock: Clock,
}

/// The time at which tests start, in milliseconds.
pub const START: u64 = 1_800_000_000_000;

impl App {
    /// Creates an application over a memory store.
    #[must_use]
    pub fn new() -> Self {
        Self::over(Arc::new(MemoryStore::new()))
    }

    /// Creates an application over this store.
    #[must_use]
    pub fn over(store: Arc<dyn Store>) -> Self {
        let (store, faults) = FaultyStore::new(store);
        let clock = Clock::manual(Timestamp::from_millis(START));
        let keyring = Keyring::new([[7; 32]]).expect("one key of 32 bytes");
        let sessions = Sessions::builder(store, keyring).clock(clock.clone());
        let sessions = sessions.build().expect("the defaults");
        Self {
            sessions,
            faults,
            clock,
        }
    }

    /// Changes settings.
    ///
    /// # Panics
    /// If the settings are invalid.
    #[must_use]
    pub fn with(self, change: impl FnOnce(SessionsBuilder) -> SessionsBuilder) -> Self {
        let sessions = change(self.sessions.to_builder()).build();
        Self {
            sessions: sessions.expect("settings that can be used"),
            ..self
        }
    }

    /// Sets these timeouts.
    #[must_use]
    pub fn with_expiry(self, expiry: Expiry) -> Self {
        self.with(|sessions| sessions.expiry(expiry))
    }

    /// Begins a session for this visitor, as a request does.
    ///
    /// # Panics
    /// If two structs use the same key.
    #[must_use]
    pub fn begin<T: SessionData>(&self, visitor: &Visitor) -> Session<T> {
        self.sessions
            .begin_typed(&visitor.request())
            .expect("no clash")
    }

    /// Ends a request successfully; the visitor receives the cookies.
    ///
    /// # Errors
    /// The errors of the commit.
    pub async fn finish<T: SessionData>(
        &self,
        session: &Session<T>,
        visitor: &mut Visitor,
    ) -> Result<HeaderMap> {
        let mut response = HeaderMap::new();
        let result = self.sessions.finish(session, &mut response).await;
        visitor.receive(&response);
        result.map(|()| response)
    }

    /// Runs a complete request.
    ///
    /// # Errors
    /// The error of the handler, in which case nothing is stored, or the errors of the commit.
    pub async fn request<T: SessionData, R>(
        &self,
        visitor: &mut Visitor,
        handler: impl AsyncFnOnce(Session<T>) -> Result<R>,
    ) -> Result<R> {
        let session = self.begin::<T>(visitor);
        match handler(session.clone()).await {
            Ok(value) => self.finish(&session, visitor).await.map(|_| value),
            Err(error) => {
                let mut response = HeaderMap::new();
                self.sessions.abandon(&session, &mut response);
                visitor.receive(&response);
                Err(error)
            }
        }
    }

    /// Advances the clock.
    pub fn sleep(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Returns when the task has loaded its session and waits for its end, however slow the store is.
    ///
    /// # Panics
    /// If the task completes instead.
    pub async fn until_waits<R>(&self, waiting: &JoinHandle<R>) {
        while self.clock.sleepers() == 0 {
            assert!(!waiting.is_finished(), "the session lives");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

/// A client with a cookie jar that matches cookies only by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// The cookies, by name.
    pub jar: BTreeMap<String, String>,
}

impl Visitor {
    /// A visitor without a cookie.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The headers that the visitor's browser sends.
    ///
    /// # Panics
    /// If a cookie in the jar is not a valid header value.
    #[must_use]
    pub fn request(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !self.jar.is_empty() {
            let pairs: Vec<_> = self
                .jar
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            headers.insert(
                COOKIE,
                HeaderValue::from_str(&pairs.join("; ")).expect("visible characters"),
            );
        }
        headers
    }

    /// Stores the cookies of a response.
    ///
    /// # Panics
    /// If a `Set-Cookie` header is not text or has no name-value pair.
    pub fn receive(&mut self, response: &HeaderMap) {
        for cookie in response.get_all(SET_COOKIE) {
            let text = cookie.to_str().expect("a cookie is text");
            let (pair, attributes) = text.split_once(';').unwrap_or((text, ""));
            let (name, value) = pair
                .split_once('=')
                .expect("a cookie has a name and a value");
            match attributes.contains("Max-Age=0") {
                true => self.jar.remove(name),
                false => self.jar.insert(name.to_owned(), value.to_owned()),
            };
        }
    }

    /// The session cookie, if any.
    #[must_use]
    pub fn cookie(&self) -> Option<&str> {
        self.jar.get("__Host-s").map(String::as_str)
    }
}
