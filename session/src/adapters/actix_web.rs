//! actix-web 4: the middleware, the extractor, and errors as responses. Its header types are those of http 0.2.

use crate::{
    error::Error,
    exchange::{Exchange, RequestSessions},
    runtime::Head,
    session::{Session, SessionData},
    sessions::Sessions,
};
use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    error::InternalError,
    http::{
        StatusCode,
        header::{COOKIE, HeaderMap, HeaderName, HeaderValue},
    },
};
use std::{
    future::{Ready, ready},
    pin::Pin,
};

/// The middleware: `App::new().wrap(sessions.clone())`. It stores changes, replaces responses and logs like
/// [`SessionLayer`](crate::SessionLayer).
///
/// ```
/// use actix_web::{App, Result, web};
/// use level_session::{Keyring, MemoryStore, Session, Sessions};
///
/// async fn add(session: Session) -> Result<String> {
///     session.update("items", |items| *items = Some(items.unwrap_or(0) + 1)).await?;
///     Ok(format!("{:?} items", session.get::<u32>("items").await?))
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = Sessions::new(MemoryStore::new(), Keyring::generate()?);
/// let app = App::new().wrap(sessions.clone()).route("/add", web::post().to(add));
/// # let _ = app;
/// # Ok(()) }
/// ```
///
/// An actix-web server completes a request even if the client has disconnected, and the request's changes are stored.
impl<S, B> Transform<S, ServiceRequest> for Sessions
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    S::Future: 'static,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = ActixWebService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        let sessions = self.clone();
        ready(Ok(ActixWebService { inner, sessions }))
    }
}

/// The actix-web service that `wrap(sessions)` creates: its requests have a session.
#[derive(Debug)]
pub struct ActixWebService<S> {
    inner: S,
    sessions: Sessions,
}

impl<S, B> Service<ServiceRequest> for ActixWebService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    S::Future: 'static,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let cookies = request.headers().get_all(COOKIE);
        let cookies = cookies.map(HeaderValue::as_bytes);
        let exchange = self
            .sessions
            .exchange_lines(request.method().as_str(), cookies);
        let (present, exchange) = exchange.within(request.extensions().get());
        request.extensions_mut().insert::<RequestSessions>(present);
        let answer = self.inner.call(request);
        Box::pin(async move {
            match (answer.await, exchange) {
                (answer, None) => answer.map(ServiceResponse::map_into_left_body),
                (Ok(response), Some(exchange)) => Ok(end(exchange, response).await),
                (Err(error), Some(exchange)) => Err(end_failed(exchange, error).await),
            }
        })
    }
}

async fn end<B: MessageBody>(
    exchange: Exchange,
    mut response: ServiceResponse<B>,
) -> ServiceResponse<EitherBody<B>> {
    // A handle that still exists will read the session while the body streams. The request's own handle does not count.
    response
        .request()
        .extensions_mut()
        .remove::<RequestSessions>();
    let status = response.status();
    match answer(exchange, status, response.headers_mut()).await {
        None => response.map_into_left_body(),
        Some(failed) => response.into_response(failed).map_into_right_body(),
    }
}

/// An inner middleware failed the request: the session's headers are added to the response of its error.
async fn end_failed(exchange: Exchange, error: actix_web::Error) -> actix_web::Error {
    let mut response = error.error_response();
    let failed = answer(exchange, response.status(), response.headers_mut()).await;
    InternalError::from_response(error, failed.unwrap_or(response)).into()
}

/// Stores the changes if a response with this head does, and completes the head; or returns the response to send
/// instead.
async fn answer(
    mut exchange: Exchange,
    status: StatusCode,
    headers: &mut HeaderMap,
) -> Option<HttpResponse> {
    let find = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let commit = exchange.commit(Head::lookup(status.as_u16(), &find));
    let mut failed = commit
        .await
        .err()
        .map(|failure| respond(failure.into_response()));
    let headers = failed.as_mut().map_or(headers, HttpResponse::headers_mut);
    let lines = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let lines = exchange.end_lines(lines);
    for name in Exchange::HEADERS {
        headers.remove(name.as_str());
    }
    copy(&lines, headers);
    failed
}

/// Copies header by header, so that sensitive values stay marked as such.
fn copy(from: &http::HeaderMap, to: &mut HeaderMap) {
    for (name, line) in from {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(mut value)) = (name, HeaderValue::from_bytes(line.as_bytes())) {
            value.set_sensitive(line.is_sensitive());
            to.append(name, value);
        }
    }
}

fn status(status: http::StatusCode) -> StatusCode {
    StatusCode::from_u16(status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn respond(response: http::Response<impl Into<Vec<u8>>>) -> HttpResponse {
    let (head, body) = response.into_parts();
    let mut response = HttpResponse::new(status(head.status));
    copy(&head.headers, response.headers_mut());
    response.set_body(actix_web::body::BoxBody::new(body.into()))
}

/// `Session<Shop>` or `Session` as an argument of a handler, and `Option` of it for routes without the middleware.
///
/// # Errors
/// Those of [`Session::from_extensions`], as `500 Internal Server Error`.
impl<T: SessionData> FromRequest for Session<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extensions = request.extensions();
        let present = extensions.get::<RequestSessions>();
        ready(
            present
                .ok_or_else(Error::no_middleware)
                .and_then(RequestSessions::session),
        )
    }
}

/// An error as a response: see [`Error::to_response`].
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        status(self.status())
    }

    fn error_response(&self) -> HttpResponse {
        respond(self.to_response())
    }
}
