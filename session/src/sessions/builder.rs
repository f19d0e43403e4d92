//! The settings, in one place for every framework.

use super::Sessions;
#[cfg(feature = "node")]
use crate::cookie::FormerCookie;
use crate::{
    cookie::CookieConfig,
    error::{Error, Result},
    expiry::Expiry,
    id::IdSource,
    runtime::{Event, Head, Runtime},
    session::SessionData,
    store::{Clock, ConfigError, FieldName, WhenFull, schema::Key},
};
use http::Response;
use std::{any::TypeId, sync::Arc, time::Duration};

/// The settings of [`Sessions`]: made by [`Sessions::builder`]. All have safe defaults.
///
/// ```
/// use level_session::{CookieConfig, Expiry, Keyring, MemoryStore, Sessions};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), level_session::ConfigError> {
/// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
///     .expiry(Expiry::idle(Duration::from_secs(30 * 60)))
///     .cookie(CookieConfig::for_development())
///     .build()?;
/// # Ok(()) }
/// ```
#[must_use = "a builder does nothing before `build`"]
#[derive(Debug)]
pub struct SessionsBuilder {
    runtime: Runtime,
    /// The first setting that cannot be used.
    refused: Option<ConfigError>,
}

impl SessionsBuilder {
    pub(super) fn over(runtime: Runtime) -> Self {
        Self {
            runtime,
            refused: None,
        }
    }

    /// The cookie's name and attributes. Default: [`CookieConfig::default`].
    pub fn cookie(mut self, cookie: CookieConfig) -> Self {
        let Runtime {
            cookie: ours,
            keyring,
            ..
        } = &mut self.runtime;
        ours.configure(keyring, cookie);
        self
    }

    /// Accepts the cookies of a former site as well, beside those of other calls of this method: see [`FormerCookie`].
    /// Ours counts first. Default: none.
    #[cfg(feature = "node")]
    #[cfg_attr(docsrs, doc(cfg(feature = "node")))]
    pub fn former_cookie(mut self, former: FormerCookie) -> Self {
        self.runtime.cookie.accept(former);
        self
    }

    /// The timeouts. Default: [`Expiry::default`].
    pub fn expiry(mut self, expiry: Expiry) -> Self {
        self.runtime.expiry = expiry;
        self
    }

    /// How long an id works on after it was renewed, so that requests which the browser sent before it had the new
    /// cookie are not refused (OWASP, "Renewal"). The old id dies when the time is over or the new one was seen.
    /// Default: zero, the old id is dead at once. Seconds are enough.
    pub fn renewal_grace(mut self, grace: Duration) -> Self {
        self.runtime.grace = grace;
        self
    }

    /// The most fields of one session, the library's own included. A commit that would leave more fields than this, and
    /// more than there were, fails with [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) and stores nothing. The store
    /// counts in the step that adds them, so concurrent requests cannot pass the bound together. A session that has too
    /// many already can be read and changed, and may shrink. Default: 4,096. Zero allows none.
    ///
    /// Together with [`max_value_bytes`](Self::max_value_bytes) this bounds the bytes of a session.
    ///
    /// ```
    /// use level_session::{ErrorKind, Keyring, MemoryStore, Sessions};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
    ///     .max_fields(2)
    ///     .max_value_bytes(100)
    ///     .build()?;
    /// # let headers = http::HeaderMap::new();
    /// let session = sessions.begin(&headers);
    /// session.set("a", 1)?;
    /// session.set("b", 2)?;
    /// session.commit().await?;
    ///
    /// session.set("c", 3)?;
    /// let refused = session.commit().await.unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::TooLarge);
    ///
    /// session.del("a")?;
    /// session.commit().await?; // one went, one came
    /// # Ok(()) }
    /// ```
    pub fn max_fields(mut self, most: usize) -> Self {
        self.runtime.max_fields = most;
        self
    }

    /// The most bytes of one value as it is stored, its head and the names within it included. A commit with a larger one
    /// fails with [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge), names the field, and stores nothing. What is stored
    /// already stays readable. Default: 1 MiB, above which no value can be encoded whatever is set here.
    pub fn max_value_bytes(mut self, most: usize) -> Self {
        self.runtime.max_value_bytes = most;
        self
    }

    /// How many sessions may have one value of a field, in place of what `#[session(limit = ..)]` declares; `None` for any
    /// number. The field is declared `#[session(index)]`. The sign-in that would exceed it is refused with
    /// [`ErrorKind::Full`](crate::ErrorKind::Full), or ends the sessions that signed in first ([`WhenFull`]), in the step of
    /// its commit. Zero counts as 1. A limit that was lowered ends no one before the next sign-in of the user.
    ///
    /// ```
    /// # use level_session::{Keyring, MemoryStore, SessionData, Sessions, WhenFull};
    /// # #[derive(SessionData)]
    /// # struct Shop { #[session(index)] user_id: Option<u64> }
    /// # fn main() -> Result<(), level_session::ConfigError> {
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
    ///     .limit(Shop::USER_ID, Some((3, WhenFull::Refuse)))
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn limit<T>(mut self, key: Key<T>, limit: Option<(usize, WhenFull)>) -> Self {
        if !key.def().is_index() {
            let setting = format!("limit of `{}`", key.name());
            let refused =
                ConfigError::new(setting, "the field is not declared `#[session(index)]`");
            self.refused.get_or_insert(refused);
        }
        let field = FieldName::from_static(key.name());
        self.runtime.limits.retain(|(of, _)| *of != field);
        self.runtime.limits.push((field, limit));
        self
    }

    /// Makes a session and sends its cookie with every visitor's first request, as the Node ancestor does. Default:
    /// a session is made when something is written.
    pub fn create_at_once(mut self, create: bool) -> Self {
        self.runtime.create_at_once = create;
        self
    }

    /// Stores what a request changed also when its response is a 5xx. Default: it is dropped.
    pub fn commit_on_server_error(mut self, commit: bool) -> Self {
        self.runtime.policy.commit_on_server_error = commit;
        self
    }

    /// Stores what a request changed only if `when` holds of its response, beside the library's own conditions: for
    /// failures that the library does not know, such as a GraphQL error that travels as 200, or a layer that answers in the
    /// handler's place with a status of its own. It is not asked about a 408, a gRPC error and, by default, a 5xx, which do
    /// not store.
    ///
    /// ```
    /// # use level_session::{Keyring, MemoryStore, Sessions};
    /// # fn main() -> Result<(), level_session::ConfigError> {
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
    ///     .commit_when(|head| head.status() != 429 && head.header("x-graphql-errors").is_none())
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn commit_when(mut self, when: impl Fn(&Head<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.runtime.policy.commit_when = Some(Arc::new(when));
        self
    }

    /// Makes the page for requests whose changes could not be stored. Default: an empty response with the
    /// [status](Error::status) of the error. A gRPC call gets its status whatever is set here.
    ///
    /// The response says `Cache-Control: no-store`, and one with a status below 300 gets that of the error: the client must
    /// not be told of a success. A redirect stays one.
    ///
    /// It is not for errors that a handler returns: those are its own, and so is the answer of a handler that was told that
    /// its session has ended.
    ///
    /// ```
    /// # use level_session::{Keyring, MemoryStore, Sessions};
    /// # fn main() -> Result<(), level_session::ConfigError> {
    /// use http::{Response, header::CONTENT_TYPE};
    ///
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
    ///     .on_failure(|error| {
    ///         let page = match error.status().as_u16() {
    ///             409 => "<p>You were signed out meanwhile. <a href=/sign-in>Sign in</a>",
    ///             _ => "<p>Something went wrong, and nothing was saved.",
    ///         };
    ///         let response = Response::builder().status(error.status());
    ///         response.header(CONTENT_TYPE, "text/html").body(page).expect("a valid head")
    ///     })
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn on_failure<B: Into<Vec<u8>>>(
        mut self,
        page: impl Fn(&Error) -> Response<B> + Send + Sync + 'static,
    ) -> Self {
        let page = move |error: &Error| page(error).map(Into::into);
        self.runtime.policy.on_failure = Some(Arc::new(page));
        self
    }

    /// Calls `observe` whenever a session was created or renewed, or has ended, for whatever [reason](crate::EndReason): once each,
    /// after it was stored (OWASP, "Logging Sessions Life Cycle"). It should be quick; it cannot prevent anything, and
    /// nothing is undone if it panics.
    ///
    /// ```
    /// # use level_session::{Event, Keyring, MemoryStore, Sessions};
    /// # fn main() -> Result<(), level_session::ConfigError> {
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
    ///     .observer(|event| {
    ///         if let Event::Ended { session, reason, at, .. } = event {
    ///             println!("{}: {session} has ended: {reason}", at.as_millis());
    ///         }
    ///     })
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn observer(mut self, observe: impl Fn(Event) + Send + Sync + 'static) -> Self {
        self.runtime.observer.set(observe);
        self
    }

    /// Counts sessions and measures the store for the [`metrics`](https://docs.rs/metrics) crate, beside an observer:
    ///
    /// | name | what |
    /// |---|---|
    /// | `level_session_created_total`, `level_session_renewed_total` | counters |
    /// | `level_session_ended_total` | a counter, with the label `reason`: see [`EndReason::as_str`](crate::EndReason::as_str) |
    /// | `level_session_store_seconds` | a histogram of each call of the store, with the labels `call` (`load`, `commit`, `find`, `page`, `sweep`) and `outcome` (`ok`, `error`) |
    ///
    /// How many sessions live is no difference of two counters, since each process counts its own and a restart begins at
    /// zero: set a gauge to [`Sessions::count`] now and then. A read of an embedded store costs an allocation more while it
    /// is measured.
    #[cfg(feature = "metrics")]
    #[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
    pub fn metrics(mut self) -> Self {
        if !self.runtime.observer.metered {
            self.runtime.observer.meter();
            self.runtime.store = Arc::new(crate::metering::Metered(self.runtime.store));
        }
        self
    }

    /// Declares that this application uses `T`: its keys are checked against those of the other structs by
    /// [`build`](Self::build), and untyped writes are checked against its types from the first request on. Without it,
    /// that begins with the first request that uses `T`.
    ///
    /// Where a request has several sessions, of cookies with different names, `T` is found in the one that declares it:
    /// see [`RequestSessions`](crate::RequestSessions).
    pub fn data<T: SessionData>(mut self) -> Self {
        self.runtime.declared.push(TypeId::of::<T>());
        if let Err(clash) = self.runtime.register(T::SCHEMA) {
            let setting = format!("session data `{}`", T::SCHEMA.type_name());
            let refused = ConfigError::new(setting, clash.to_string());
            self.refused.get_or_insert(refused);
        }
        self
    }

    /// The clock: for tests. Default: the system's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.runtime.clock = clock;
        self
    }

    /// The source of ids: for tests of what a broken generator could do.
    #[doc(hidden)]
    pub fn id_source(
        mut self,
        source: impl Fn() -> Result<[u8; 24]> + Send + Sync + 'static,
    ) -> Self {
        self.runtime.ids = IdSource::Given(Arc::new(source));
        self
    }

    /// Fields of the library's own that are read along when a session is first asked for: for tests, until there are any.
    #[doc(hidden)]
    pub fn fields_along(mut self, names: impl IntoIterator<Item = &'static str>) -> Self {
        self.runtime.along = names.into_iter().map(FieldName::from_static).collect();
        self
    }

    /// The sessions with these settings.
    ///
    /// # Errors
    /// A setting that cannot be used: two structs of [`data`](Self::data) that claim one key.
    pub fn build(mut self) -> Result<Sessions, ConfigError> {
        match self.refused {
            Some(refused) => Err(refused),
            None => {
                let Runtime {
                    observer,
                    store,
                    clock,
                    ..
                } = &mut self.runtime;
                observer.watch(&**store, clock);
                Ok(Sessions(Arc::new(self.runtime)))
            }
        }
    }
}
