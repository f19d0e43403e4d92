//! poem 3: the middleware, the extractor, and errors as responses.

use crate::{
    error::Error,
    exchange::Exchange,
    runtime::Head,
    session::{Session, SessionData},
    sessions::Sessions,
};
use http::{HeaderMap, header::CACHE_CONTROL};
use poem::{
    Endpoint, FromRequest, IntoResponse, Middleware, Request, RequestBody, Response,
    error::ResponseError,
};

/// The middleware: `Route::new().at(..).with(sessions)`. It stores changes, replaces responses and logs like
/// [`SessionLayer`](crate::SessionLayer).
///
/// ```
/// use level_session::{Keyring, MemoryStore, Session, Sessions};
/// use poem::{EndpointExt as _, Result, Route, handler, post};
///
/// #[handler]
/// async fn add(session: Session) -> Result<String> {
///     session.update("items", |items| *items = Some(items.unwrap_or(0) + 1)).await?;
///     Ok(format!("{:?} items", session.get::<u32>("items").await?))
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = Sessions::new(MemoryStore::new(), Keyring::generate()?);
/// let app = Route::new().at("/add", post(add)).with(sessions);
/// # let _ = app;
/// # Ok(()) }
/// ```
///
/// If a handler fails with an error that stores (a 4xx), and the response needs the session's headers, the error is
/// replaced by an error that wraps its response: outer endpoints cannot downcast it to its type.
///
/// A poem server completes a request even if the client has disconnected, and the request's changes are stored.
impl<E: Endpoint> Middleware<E> for Sessions {
    type Output = PoemEndpoint<E>;

    fn transform(&self, inner: E) -> PoemEndpoint<E> {
        let sessions = self.clone();
        PoemEndpoint { inner, sessions }
    }
}

/// The poem endpoint that `with(sessions)` creates: its requests have a session.
#[derive(Debug)]
pub struct PoemEndpoint<E> {
    inner: E,
    sessions: Sessions,
}

impl<E: Endpoint> Endpoint for PoemEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let exchange = self.sessions.exchange(request.method(), request.headers());
        let exchange = exchange.enter(request.extensions_mut());
        let answer = self.inner.call(request).await;
        match (answer, exchange) {
            (answer, None) => answer.map(IntoResponse::into_response),
            (Ok(answer), Some(exchange)) => Ok(end(exchange, answer.into_response()).await),
            (Err(error), Some(exchange)) => Err(end_failed(exchange, error).await),
        }
    }
}

async fn end(mut exchange: Exchange, mut response: Response) -> Response {
    let head = Head::new(response.status(), response.headers());
    let commit = exchange.commit(head);
    if let Err(failure) = commit.await {
        response = respond(failure.into_response());
    }
    exchange.end(response.headers_mut());
    response
}

/// The error is kept as it is unless the response needs the session's headers.
async fn end_failed(mut exchange: Exchange, error: poem::Error) -> poem::Error {
    let mut lines = HeaderMap::new();
    let commit = exchange.commit(Head::new(error.status(), &lines));
    let committed = commit.await;
    exchange.end(&mut lines);
    let mut response = match committed {
        Ok(()) if lines.is_empty() => return error,
        Ok(()) => error.into_response(),
        Err(failure) => respond(failure.into_response()),
    };
    for (name, line) in &lines {
        match *name == CACHE_CONTROL {
            true => drop(response.headers_mut().insert(name, line.clone())),
            false => drop(response.headers_mut().append(name, line.clone())),
        }
    }
    poem::Error::from_response(response)
}

fn respond(response: http::Response<impl Into<poem::Body>>) -> Response {
    let (head, body) = response.into_parts();
    let mut response = Response::builder().status(head.status).body(body);
    *response.headers_mut() = head.headers;
    response
}

/// `Session<Shop>` or `Session` as an argument of a handler, and `Option` of it for routes without the middleware.
///
/// # Errors
/// Those of [`Session::from_extensions`], as `500 Internal Server Error`.
impl<'a, T: SessionData> FromRequest<'a> for Session<T> {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self::from_extensions(request.extensions())?)
    }
}

/// An error as a response: see [`Error::to_response`].
impl ResponseError for Error {
    fn status(&self) -> http::StatusCode {
        Error::status(self)
    }

    fn as_response(&self) -> Response {
        respond(self.to_response())
    }
}
