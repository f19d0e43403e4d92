//! A request and its session: headers in, a session, a decision on the response, headers out.
//!
//! The middleware for every framework is built on [`Exchange`], so that all of them behave alike. The decisions are
//! made in:
//!
//! | decision | where |
//! |---|---|
//! | which responses store the changes | `runtime/policy` |
//! | the response if storing fails | [`failure`] |
//! | which session an extractor gets | [`present`] |
//! | the headers of the response | `sessions/response` |

mod failure;
mod present;

pub use failure::Failure;
pub use present::RequestSessions;

use crate::{
    cookie::Lines,
    error::Error,
    runtime::Head,
    session::UntypedSession,
    sessions::{self, Sessions},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response,
    header::{CACHE_CONTROL, SET_COOKIE, VARY},
};
use std::fmt;

/// A request and its session: the building block for the middleware of a framework.
///
/// 1. [`Sessions::exchange`] begins it with the request's method and headers. Nothing happens until the session is used.
/// 2. [`within`](Self::within) returns a value to attach to the request, in which handlers find their session.
/// 3. [`commit`](Self::commit) stores the changes, if the response is one that stores. If that fails, it returns the
///    response to send instead.
/// 4. [`end`](Self::end) closes the session and adds headers to the response.
///
/// [`answer`](Self::answer) performs the last two steps at once, for a response of the crate `http`.
///
/// If it is dropped without being ended (the client disconnected, or the handler panicked), nothing is stored and the
/// session is closed.
///
/// ```
/// use http::{Request, Response};
/// use level_session::Sessions;
///
/// async fn answer(sessions: &Sessions, request: Request<String>) -> Response<Vec<u8>> {
///     let exchange = sessions.exchange(request.method(), request.headers());
///     let response = match exchange.session().set("greeted", true) {
///         Ok(()) => Response::new(b"hello".to_vec()),
///         Err(error) => error.to_response().map(|text| text.as_bytes().to_vec()),
///     };
///     exchange.answer(response).await
/// }
///
/// # use level_session::{Keyring, MemoryStore};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sessions = Sessions::new(MemoryStore::new(), Keyring::generate()?);
/// let response = answer(&sessions, Request::new(String::new())).await;
/// assert!(response.headers().contains_key("set-cookie"));
/// # Ok(()) }
/// ```
pub struct Exchange {
    session: UntypedSession,
    is_over: bool,
}

/// A commit that must complete before its exchange ends.
#[cfg(feature = "tower")]
pub(crate) type Commit = crate::session::Committing<std::sync::Arc<crate::session::UnitOfWork>>;

impl Sessions {
    /// Begins a request. Nothing happens until its session is used: no store access, no cookie, and the request's cookies
    /// are not even parsed.
    ///
    /// A HEAD request leaves flash fields in place, since its response has no body to show them.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// let request = http::Request::new("");
    /// let exchange = sessions.exchange(request.method(), request.headers());
    /// let mut response = http::Response::new("hello");
    /// exchange.end(response.headers_mut());
    /// assert!(response.headers().is_empty()); // the session was not used
    /// # Ok(()) }
    /// ```
    #[must_use]
    #[inline] // so that it is constructed in place
    pub fn exchange(&self, method: &Method, headers: &HeaderMap) -> Exchange {
        self.begin_exchange(Lines::of(headers), method == Method::HEAD)
    }

    /// For frameworks with header types of their own: `cookies` are the request's `Cookie` header lines, as bytes. They
    /// are copied.
    ///
    /// ```
    /// # use level_session::{Keyring, MemoryStore, Sessions};
    /// # let sessions = Sessions::new(MemoryStore::new(), Keyring::generate()?);
    /// let exchange = sessions.exchange_lines("GET", ["theme=dark; __Host-s=.."]);
    /// # Ok::<(), level_session::Error>(())
    /// ```
    #[must_use]
    pub fn exchange_lines(
        &self,
        method: &str,
        cookies: impl IntoIterator<Item: AsRef<[u8]>>,
    ) -> Exchange {
        self.begin_exchange(Lines::copied(cookies), method == "HEAD")
    }

    fn begin_exchange(&self, cookies: Option<Lines>, is_head: bool) -> Exchange {
        Exchange {
            session: self.begin_with(cookies, is_head),
            is_over: false,
        }
    }
}

impl Exchange {
    /// The response headers that [`end`](Self::end) reads and may set, in lower case.
    pub const HEADERS: [HeaderName; 3] = [SET_COOKIE, CACHE_CONTROL, VARY];

    /// The request's session. [`typed`](UntypedSession::typed) returns it with typed fields.
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { user_id: Option<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// let exchange = sessions.exchange_lines("GET", [""; 0]);
    /// exchange.session().set("user_id", 7_u64)?;
    /// let session: Session<Shop> = exchange.session().typed()?;
    /// assert_eq!(session.user_id().await?, Some(7));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn session(&self) -> &UntypedSession {
        &self.session
    }

    /// Combines this exchange with the ones of outer middleware, which were attached to the request. Returns the value
    /// to attach to the request instead, in which handlers find their session; and the exchange, unless outer
    /// middleware of the same [`Sessions`] has begun the request already and will end it.
    ///
    /// Sessions of several cookies coexist: [`RequestSessions`] determines which one a handler gets. If outer middleware of
    /// other `Sessions` has the same cookie name, each would overwrite the other's cookie: a handler that asks for a session
    /// gets an error that says so.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// let outer = sessions.exchange_lines("GET", [""; 0]);
    /// let (present, outer) = outer.within(None);
    /// assert!(outer.is_some());
    ///
    /// let inner = sessions.exchange_lines("GET", [""; 0]); // the same middleware once more
    /// let (present, inner) = inner.within(Some(&present));
    /// assert!(inner.is_none()); // the outer one ends the request
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn within(self, outer: Option<&RequestSessions>) -> (RequestSessions, Option<Self>) {
        match outer {
            None => (RequestSessions::of_one(self.session.clone()), Some(self)),
            Some(outer) => match outer.and(&self.session) {
                Some(present) => (present, Some(self)),
                None => (outer.clone(), None),
            },
        }
    }

    /// Like [`within`](Self::within), with the value among the extensions of a request.
    ///
    /// ```
    /// # use level_session::Session;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// let mut request = http::Request::new("");
    /// let exchange = sessions.exchange(request.method(), request.headers());
    /// let exchange = exchange.enter(request.extensions_mut());
    /// assert!(exchange.is_some());
    ///
    /// let session: Session = Session::from_extensions(request.extensions())?; // in a handler
    /// session.set("greeted", true)?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn enter(self, extensions: &mut http::Extensions) -> Option<Self> {
        let (present, exchange) = self.within(extensions.get::<RequestSessions>());
        extensions.insert(present);
        exchange
    }

    /// Stores the request's changes, if its response is one that stores: see [`SessionLayer`](crate::SessionLayer).
    /// Call it when the handler is done and before the response's head is sent.
    ///
    /// If the session ended while the request was being handled, and the handler got a [`Gone`](crate::ErrorKind::Gone)
    /// error, the handler's response is kept.
    ///
    /// ```
    /// # use level_session::Head;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// let mut exchange = sessions.exchange_lines("GET", [""; 0]);
    /// exchange.session().set("greeted", true)?;
    /// let mut response = http::Response::new(b"hello".to_vec());
    /// if let Err(failure) = exchange.commit(Head::of(&response)).await {
    ///     response = failure.into_response();
    /// }
    /// exchange.end(response.headers_mut());
    /// assert!(response.headers().contains_key("set-cookie"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Nothing is stored, and the client must not see a success: the [`Failure`] has the response to send. The
    /// reason was logged.
    pub fn commit<'a>(
        &'a mut self,
        head: Head<'_>,
    ) -> impl Future<Output = Result<(), Failure>> + Send + use<'a> {
        let this: &'a Self = self;
        let unit = this.session.unit();
        let stores = unit.stores_at_its_end(unit.runtime.policy.commits(head));
        let commit = stores.then(|| (unit.commit(), grpc_content_type(head)));
        async move {
            match commit {
                Some((commit, grpc)) => commit.await.map_err(|error| this.failure(error, grpc)),
                None => Ok(()),
            }
        }
    }

    /// Performs [`commit`](Self::commit) and [`end`](Self::end): returns this response, or the one to send instead if
    /// nothing could be stored, with the session's headers added.
    ///
    /// A framework with response types of its own can pass the status and the headers, with a body of the type
    /// `Option<Vec<u8>>`: `None` for the framework's body. The body of the result is `Some` if it replaces the
    /// framework's response.
    ///
    /// ```
    /// use http::Response;
    /// # use level_session::{Keyring, MemoryStore, Sessions};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> level_session::Result<()> {
    /// # let sessions = Sessions::new(MemoryStore::new(), Keyring::generate()?);
    /// let exchange = sessions.exchange_lines("GET", [""; 0]);
    /// exchange.session().set("greeted", true)?;
    /// let answer = exchange.answer(Response::new(None::<Vec<u8>>)).await;
    /// assert_eq!(answer.status(), 200);
    /// assert!(answer.body().is_none()); // the framework's body stays
    /// assert!(answer.headers().contains_key("set-cookie"));
    ///
    /// let exchange = sessions.exchange_lines("GET", [""; 0]);
    /// exchange.session().set("greeted", true)?;
    /// sessions.close().await?; // so that nothing can be stored
    /// let answer = exchange.answer(Response::new(None::<Vec<u8>>)).await;
    /// assert_eq!(answer.status(), 500);
    /// assert!(answer.body().is_some());
    /// # Ok(()) }
    /// ```
    #[must_use = "it is the response to send"]
    pub async fn answer<B: From<Vec<u8>>>(mut self, mut response: Response<B>) -> Response<B> {
        let commit = self.commit(Head::of(&response));
        if let Err(failure) = commit.await {
            response = failure.into_response().map(B::from);
        }
        self.end(response.headers_mut());
        response
    }

    /// Ends the request: closes the handles, and adds the session's headers to the response: `Set-Cookie`,
    /// `Cache-Control` and `Vary`. Changes that were not stored are dropped.
    ///
    /// Handles that still exist, because the body is streaming, can read stored values but change nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// let exchange = sessions.exchange_lines("GET", [""; 0]);
    /// let session = exchange.session().clone();
    /// session.set("greeted", true)?;
    /// let mut headers = http::HeaderMap::new();
    /// exchange.end(&mut headers); // without a commit
    /// assert!(!headers.contains_key("set-cookie")); // no session was stored
    /// assert!(session.set("greeted", true).is_err()); // the request is over
    /// # Ok(()) }
    /// ```
    pub fn end(mut self, response: &mut HeaderMap) {
        self.end_by_ref(response);
    }

    /// For frameworks with header types of their own: takes the lines of the response's [`HEADERS`](Self::HEADERS) (others
    /// are ignored), and returns the lines to replace them with. Some are [sensitive](HeaderValue::is_sensitive): they
    /// must not be logged.
    ///
    /// ```
    /// # use level_session::{Keyring, MemoryStore, Sessions};
    /// # let sessions = Sessions::new(MemoryStore::new(), Keyring::generate()?);
    /// let exchange = sessions.exchange_lines("GET", [""; 0]);
    /// let lines = exchange.end_lines([("vary", "Accept"), ("content-type", "text/html")]);
    /// assert_eq!(lines["vary"], "Accept"); // the session was not used
    /// assert_eq!(lines.len(), 1);
    /// # Ok::<(), level_session::Error>(())
    /// ```
    #[must_use = "the response must have these lines"]
    pub fn end_lines(
        self,
        response: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<[u8]>)>,
    ) -> HeaderMap {
        let mut lines = HeaderMap::new();
        for (name, value) in response {
            let known = Self::HEADERS
                .into_iter()
                .find(|known| known.as_str().eq_ignore_ascii_case(name.as_ref()));
            if let (Some(name), Ok(value)) = (known, HeaderValue::from_bytes(value.as_ref())) {
                lines.append(name, value);
            }
        }
        self.end(&mut lines);
        lines
    }

    /// Performs [`commit`](Self::commit) and [`end`](Self::end): ends the request, or returns the commit to complete
    /// first, if there are changes to store.
    #[cfg(feature = "tower")]
    #[inline]
    pub(crate) fn end_or_commit(
        &mut self,
        status: http::StatusCode,
        headers: &mut HeaderMap,
    ) -> Option<Commit> {
        let unit = self.session.unit();
        let commits = unit.runtime.policy.commits(Head::new(status, headers));
        let shared = self.session.is_shared();
        match unit.close_unless_it_stores(commits, shared) {
            Some((action, used)) => {
                self.is_over = true;
                sessions::end(&self.session, (action, used || shared), headers);
                None
            }
            None => Some(Commit::new(self.session.shared_unit())),
        }
    }

    /// Like [`end`](Self::end); takes effect once.
    pub(crate) fn end_by_ref(&mut self, response: &mut HeaderMap) {
        self.is_over = true;
        let shared = self.session.is_shared();
        let (action, used) = self.session.unit().close(shared);
        sessions::end(&self.session, (action, used || shared), response);
    }

    /// The failure to send for a response with this head, if nothing could be stored.
    pub(crate) fn failure(&self, error: Error, grpc: Option<HeaderValue>) -> Failure {
        Failure::new(&self.session, error, grpc)
    }
}

/// The content type of a gRPC response.
pub(crate) fn grpc_content_type(head: Head<'_>) -> Option<HeaderValue> {
    HeaderValue::from_bytes(head.grpc_content_type()?).ok()
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.is_over {
            self.session.unit().close(true);
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Exchange").field(&self.session).finish()
    }
}
