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

/// The settings of [`Sessions`], made by [`Sessions::builder`]. Every default is safe.
///
/// | setting | default |
/// |---|---|
/// | [`cookie`](Self::cookie) | [`CookieConfig::default`]: `__Host-s`, `Secure`, `HttpOnly`, `SameSite=Lax` |
/// | [`expiry`](Self::expiry) | two weeks idle, no absolute timeout |
/// | [`renewal_grace`](Self::renewal_grace) | zero: a renewed id stops working at once |
/// | [`max_fields`](Self::max_fields), [`max_value_bytes`](Self::max_value_bytes) | 4,096 fields, 1 MiB |
/// | [`limit`](Self::limit) | what `#[session(limit = ..)]` declares |
/// | [`create_at_once`](Self::create_at_once) | `false`: the first write creates the session |
/// | [`commit_on_server_error`](Self::commit_on_server_error), [`commit_when`](Self::commit_when) | a 5xx response stores nothing |
/// | [`on_failure`](Self::on_failure) | an empty response with the error's status |
/// | [`observer`](Self::observer) | none |
/// | [`data`](Self::data) | structs are registered by the first request that uses them |
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
    ///
    /// ```
    /// use level_session::{CookieConfig, Keyring, MemoryStore, SameSite, Sessions};
    ///
    /// let cookie = CookieConfig::builder().name("__Host-shop").same_site(SameSite::Strict).build()?;
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?).cookie(cookie).build()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    pub fn cookie(mut self, cookie: CookieConfig) -> Self {
        let Runtime {
            cookie: ours,
            keyring,
            ..
        } = &mut self.runtime;
        ours.configure(keyring, cookie);
        self
    }

    /// Also accepts the cookies of a former site: see [`FormerCookie`]. It can be called several times, for several
    /// sites. The cookie of this application has precedence. Default: none.
    ///
    /// ```
    /// use level_session::{FormerCookie, Keyring, MemoryStore, Sessions};
    ///
    /// # let secret = "the secret of express-session";
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
    ///     .former_cookie(FormerCookie::express("connect.sid", [secret])?)
    ///     .build()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    #[cfg(feature = "node")]
    #[cfg_attr(docsrs, doc(cfg(feature = "node")))]
    pub fn former_cookie(mut self, former: FormerCookie) -> Self {
        self.runtime.cookie.accept(former);
        self
    }

    /// The timeouts. Default: [`Expiry::default`].
    ///
    /// ```
    /// use level_session::{Expiry, Keyring, MemoryStore, Sessions};
    /// use std::time::Duration;
    ///
    /// let expiry = Expiry::idle(Duration::from_secs(30 * 60));
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?).expiry(expiry).build()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    pub fn expiry(mut self, expiry: Expiry) -> Self {
        self.runtime.lifetimes.expiry = expiry;
        self
    }

    /// The maximum of the lifetimes that are chosen for single sessions
    /// ([`set_lifetime`](crate::UntypedSession::set_lifetime)): a longer idle or absolute timeout is limited to this
    /// one. Default: no maximum.
    ///
    /// The maximum also applies to existing sessions. A lower one than before takes effect at once. A higher one takes
    /// effect at the next use of a session, up to its chosen lifetime: with
    /// [`Lifetime::longest`](crate::Lifetime::longest), up to this maximum. Sessions without a chosen lifetime use
    /// [`expiry`](Self::expiry).
    ///
    /// ```
    /// use level_session::{Expiry, Keyring, MemoryStore, Sessions};
    /// use std::time::Duration;
    ///
    /// const DAY: Duration = Duration::from_secs(24 * 3600);
    ///
    /// # fn main() -> Result<(), level_session::ConfigError> {
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
    ///     .expiry(Expiry::nist_aal2())
    ///     .max_lifetime(Expiry::idle(30 * DAY).with_absolute(90 * DAY))
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn max_lifetime(mut self, most: Expiry) -> Self {
        self.runtime.lifetimes.max = Some(most.timeouts());
        self
    }

    /// How long an id still works after it was renewed, so that requests which the browser sent before it had the new cookie
    /// succeed (OWASP, "Renewal"). The old id stops working when this time is over or when the new id is first used.
    /// Default: zero, the old id stops working at once. A few seconds are enough.
    ///
    /// ```
    /// use level_session::{Keyring, MemoryStore, Sessions};
    /// use std::time::Duration;
    ///
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
    ///     .renewal_grace(Duration::from_secs(5))
    ///     .build()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    pub fn renewal_grace(mut self, grace: Duration) -> Self {
        self.runtime.grace = grace;
        self
    }

    /// The maximum number of fields of one session, reserved fields included. A commit that adds fields beyond it fails with
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) and stores nothing. The store counts in the same atomic step, so
    /// concurrent requests cannot exceed the limit together. A session that already has too many fields can still be read,
    /// changed and reduced. Default: 4,096. Zero allows no field.
    ///
    /// Together with [`max_value_bytes`](Self::max_value_bytes) it limits the size of a session in bytes.
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
    /// session.commit().await?; // one removed, one added
    /// # Ok(()) }
    /// ```
    pub fn max_fields(mut self, most: usize) -> Self {
        self.runtime.max_fields = most;
        self
    }

    /// The maximum size of one stored value in bytes, including its header and the names within it. A commit with a
    /// larger value fails with [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge), names the field, and stores
    /// nothing. Values that are already stored stay readable. Default: 1 MiB, which is also the largest size that takes
    /// effect: `set` rejects a larger value itself, with [`ErrorKind::Encode`](crate::ErrorKind::Encode).
    ///
    /// ```
    /// # use level_session::{ErrorKind, Keyring, MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?).max_value_bytes(100).build()?;
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("essay", "x".repeat(200))?;
    /// let refused = session.commit().await.unwrap_err();
    /// assert_eq!(refused.field(), Some("essay"));
    /// # Ok(()) }
    /// ```
    pub fn max_value_bytes(mut self, most: usize) -> Self {
        self.runtime.max_value_bytes = most;
        self
    }

    /// How many sessions may have the same value in a field, instead of the number that `#[session(limit = ..)]` declares;
    /// `None` for any number. The field must be declared `#[session(index)]`. A sign-in beyond the limit fails with
    /// [`ErrorKind::Full`](crate::ErrorKind::Full) or ends the sessions that signed in first ([`WhenFull`]), in the same
    /// atomic step. Zero counts as 1. Lowering the limit ends no session before the user's next sign-in.
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
            let refused = ConfigError::new(
                setting,
                "the field is not declared `#[session(index)]`: add the attribute",
            );
            self.refused.get_or_insert(refused);
        }
        let field = FieldName::from_static(key.name());
        self.runtime.limits.retain(|(of, _)| *of != field);
        self.runtime.limits.push((field, limit));
        self
    }

    /// Creates a session and sends its cookie with every visitor's first request, as level-session for Node does. Default:
    /// the first write creates the session.
    ///
    /// ```
    /// # use level_session::{Keyring, MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?).create_at_once(true).build()?;
    /// let session = sessions.begin(&http::HeaderMap::new());
    /// let mut response = http::HeaderMap::new();
    /// sessions.finish(&session, &mut response).await?; // the handler did nothing
    /// assert!(response.contains_key("set-cookie"));
    /// # Ok(()) }
    /// ```
    pub fn create_at_once(mut self, create: bool) -> Self {
        self.runtime.create_at_once = create;
        self
    }

    /// Stores the changes of a request even if its response is a 5xx. Default: they are dropped.
    ///
    /// ```
    /// use level_session::{Keyring, MemoryStore, Sessions};
    ///
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
    ///     .commit_on_server_error(true)
    ///     .build()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    pub fn commit_on_server_error(mut self, commit: bool) -> Self {
        self.runtime.policy.commit_on_server_error = commit;
        self
    }

    /// Stores the changes of a request only if `when` returns `true` for the head of its response, in addition to the
    /// library's own conditions. Use it for failures that the library cannot recognise: a GraphQL error sent as 200, or a
    /// layer that answers in the handler's place with a status of its own. It is not called for responses that store nothing
    /// anyway: a 408, a gRPC error and, by default, a 5xx.
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

    /// Builds the response to requests whose changes could not be stored. Default: an empty response with the
    /// [status](Error::status) of the error. A gRPC call always gets a gRPC status.
    ///
    /// `Cache-Control: no-store` is added, and a status below 300 is replaced by the error's status, so that the client
    /// never sees a success. A redirect stays a redirect.
    ///
    /// The closure is not called for errors that a handler returns, nor if a call in the handler returned the error
    /// that its session has ended.
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

    /// Calls `observe` once for every session that was created, was renewed or has ended, for any
    /// [reason](crate::EndReason), after the change is stored (OWASP, "Logging Sessions Life Cycle"). The closure
    /// should return quickly. It cannot prevent the change, and a panic in it undoes nothing.
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

    /// Reports counts and latencies to the [`metrics`](https://docs.rs/metrics) crate, in addition to an observer:
    ///
    /// | name | type |
    /// |---|---|
    /// | `level_session_created_total`, `level_session_renewed_total` | counters |
    /// | `level_session_ended_total` | a counter with the label `reason`: see [`EndReason::as_str`](crate::EndReason::as_str) |
    /// | `level_session_store_seconds` | a histogram of the store's calls, with the labels `call` (`load`, `commit`, `find`, `page`, `sweep`) and `outcome` (`ok`, `error`) |
    ///
    /// The number of live sessions is not the difference of two counters, because each process counts its own and starts at
    /// zero: set a gauge to [`Sessions::count`] from time to time. Measured reads of an embedded store cost one more
    /// allocation.
    ///
    /// ```
    /// use level_session::{Keyring, MemoryStore, Sessions};
    ///
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?).metrics().build()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    #[cfg(feature = "metrics")]
    #[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
    pub fn metrics(mut self) -> Self {
        if !self.runtime.observer.metered {
            self.runtime.observer.meter();
            self.runtime.store = Arc::new(crate::metering::Metered(self.runtime.store));
        }
        self
    }

    /// Registers a struct that this application uses: [`build`](Self::build) checks its keys against those of the other
    /// structs, and untyped writes are checked against its types from the first request on. An unregistered struct is
    /// registered by the first request that uses it.
    ///
    /// If a request has several sessions, in cookies with different names, a struct lives in the session that registers it:
    /// see [`RequestSessions`](crate::RequestSessions).
    ///
    /// ```
    /// # use level_session::{Keyring, MemoryStore, SessionData, Sessions};
    /// # #[derive(SessionData)] struct Shop { user_id: Option<u64> }
    /// # #[derive(SessionData)] #[session(namespace = "blog")] struct Blog { draft: Option<String> }
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
    ///     .data::<Shop>()
    ///     .data::<Blog>()
    ///     .build()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    pub fn data<T: SessionData>(mut self) -> Self {
        self.runtime.declared.push(TypeId::of::<T>());
        if let Err(clash) = self.runtime.register(T::SCHEMA) {
            let setting = format!("session data `{}`", T::SCHEMA.type_name());
            let refused = ConfigError::new(setting, clash.to_string());
            self.refused.get_or_insert(refused);
        }
        self
    }

    /// The clock, for tests. Default: the system clock.
    ///
    /// ```
    /// # use level_session::{Clock, Expiry, Keyring, MemoryStore, Sessions, Timestamp};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// let clock = Clock::manual(Timestamp::from_millis(0));
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
    ///     .clock(clock.clone())
    ///     .expiry(Expiry::idle(Duration::from_secs(60)))
    ///     .build()?;
    /// let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// session.commit().await?;
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(sessions.count().await?, 0); // it has expired
    /// # Ok(()) }
    /// ```
    pub fn clock(mut self, clock: Clock) -> Self {
        self.runtime.clock = clock;
        self
    }

    /// The source of ids: for tests with a broken generator.
    #[doc(hidden)]
    pub fn id_source(
        mut self,
        source: impl Fn() -> Result<[u8; 24]> + Send + Sync + 'static,
    ) -> Self {
        self.runtime.ids = IdSource::Given(Arc::new(source));
        self
    }

    /// Reserved fields that the first load of a session includes: for tests, until there are any.
    #[doc(hidden)]
    pub fn fields_along(mut self, names: impl IntoIterator<Item = &'static str>) -> Self {
        self.runtime.along = names.into_iter().map(FieldName::from_static).collect();
        self
    }

    /// Checks the settings and creates the sessions.
    ///
    /// ```
    /// use level_session::{Keyring, MemoryStore, Sessions};
    ///
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?).build()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// - Two structs of [`data`](Self::data) claim the same key: give one of them a `#[session(namespace = "..")]`.
    /// - [`limit`](Self::limit) names a field that is not declared `#[session(index)]`: add the attribute.
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
