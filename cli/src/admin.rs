//! The router for administrators.

use crate::Picture;
use axum::{
    Router,
    body::Body,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use level_session::{
    Error, ErrorKind, Found, Listing, SessionHandle, Sessions, Value, store::Cursor,
};
use serde::{Deserialize, Serialize};

/// The default and the maximum page size.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1_000;

const NO_HANDLE: &str = "not a session handle: expected 64 lowercase hexadecimal digits";

/// Lists, shows, finds, counts and ends the sessions of a running application, as JSON, for its administrators.
///
/// **The router has no authentication.** Every client that can reach it can read and end every session. Mount it behind the
/// application's own check for administrators.
///
/// | request | response |
/// |---|---|
/// | `GET /sessions?limit=50&after=..` | `{"sessions": [..], "next": ".."}`: a page; pass `next` as `after` to get the next page; `null` after the last page |
/// | `GET /sessions/{handle}` | a session with its fields, or 404 |
/// | `GET /find?field=user_id&value=7` | a page of the sessions with this value. The value is JSON, and the field must be an index. The value is part of the URL, so it appears in access logs |
/// | `GET /count` | `{"sessions": 3}` |
/// | `POST /sessions/{handle}/end` | `{"ended": true}`; `false` if the session had already ended |
///
/// Fields are shown with name and size, and with their values if the query contains `values=true`. The values of the library's
/// own fields are never shown.
///
/// A POST that another site made a browser send is rejected with 403, based on `Sec-Fetch-Site`, or on `Origin` and `Host` if
/// the browser does not send that header. Every response has `Cache-Control: no-store`. Errors are `{"error": ".."}`: 400 for
/// invalid input, 503 for errors of the store.
///
/// ```
/// use axum::{Router, extract::Request, http::StatusCode, middleware::{self, Next}, response::Response};
/// use level_session::{Session, SessionData, Sessions};
/// use level_session_cli::admin_router;
///
/// #[derive(SessionData)]
/// struct Staff {
///     #[session(default)]
///     is_admin: bool,
/// }
///
/// async fn only_admins(session: Session<Staff>, request: Request, next: Next) -> Result<Response, StatusCode> {
///     match session.is_admin().await {
///         Ok(true) => Ok(next.run(request).await),
///         _ => Err(StatusCode::NOT_FOUND),
///     }
/// }
///
/// fn app(sessions: Sessions) -> Router {
///     let admin = admin_router(sessions).layer(middleware::from_fn(only_admins));
///     Router::new().nest("/admin", admin) // add the SessionLayer around all of it
/// }
/// ```
pub fn admin_router(sessions: Sessions) -> Router {
    Router::new()
        .route("/sessions", get(list))
        .route("/sessions/{handle}", get(show))
        .route("/sessions/{handle}/end", post(end))
        .route("/find", get(find))
        .route("/count", get(count))
        .layer(middleware::from_fn(guard))
        .with_state(sessions)
}

/// Rejects requests sent by other sites, and keeps responses out of caches.
async fn guard(request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = match is_read || is_of_this_site(request.headers()) {
        true => next.run(request).await,
        false => refuse(
            StatusCode::FORBIDDEN,
            "request rejected: it was sent by another site",
        ),
    };
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}

/// A request with neither header does not come from a browser.
fn is_of_this_site(headers: &HeaderMap) -> bool {
    let all = |name: &str| headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let mut sites = all("sec-fetch-site").peekable();
    if sites.peek().is_some() {
        return sites.all(|site| site == b"same-origin" || site == b"none");
    }
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    all("origin").all(|origin| {
        let secure = origin.strip_prefix(b"https://");
        let authority = secure.or_else(|| origin.strip_prefix(b"http://"));
        authority.is_some() && authority == host
    })
}

#[derive(Deserialize)]
struct Asked {
    limit: Option<usize>,
    after: Option<String>,
    #[serde(default)]
    values: bool,
    field: Option<String>,
    value: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    sessions: Vec<Picture>,
    next: Option<String>,
}

async fn list(State(sessions): State<Sessions>, Query(asked): Query<Asked>) -> Response {
    page(sessions.all(), &asked).await
}

async fn find(State(sessions): State<Sessions>, Query(asked): Query<Asked>) -> Response {
    let (Some(field), Some(value)) = (&asked.field, &asked.value) else {
        return bad("`field` and `value` are required");
    };
    let Ok(value) = serde_json::from_str::<Value>(value) else {
        return bad("`value` is not valid JSON; strings need quotes");
    };
    page(sessions.find_by(field, &value), &asked).await
}

async fn page(listing: Listing<'_>, asked: &Asked) -> Response {
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let mut listing = listing.with_all_fields().page_size(limit);
    if let Some(after) = &asked.after {
        let Some(bytes) = unhex(after) else {
            return bad("`after` is not the `next` of a page");
        };
        listing = listing.after(Cursor::new(bytes));
    }
    match listing.next_page().await {
        Err(error) => failed(&error),
        Ok(found) => {
            let found: Vec<Found> = found.unwrap_or_default();
            let sessions = found.iter().map(|it| Picture::of(it, asked.values));
            json(&Listed {
                sessions: sessions.collect(),
                next: listing.cursor().map(|cursor| hex(cursor.as_bytes())),
            })
        }
    }
}

async fn show(
    State(sessions): State<Sessions>,
    Path(handle): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let Ok(handle) = handle.parse::<SessionHandle>() else {
        return bad(NO_HANDLE);
    };
    match sessions.show(&handle).await {
        Ok(Some(found)) => json(&Picture::of(&found, asked.values)),
        Ok(None) => refuse(StatusCode::NOT_FOUND, "no such session"),
        Err(error) => failed(&error),
    }
}

async fn end(State(sessions): State<Sessions>, Path(handle): Path<String>) -> Response {
    let Ok(handle) = handle.parse::<SessionHandle>() else {
        return bad(NO_HANDLE);
    };
    match sessions.end(&handle).await {
        Ok(ended) => json(&serde_json::json!({ "ended": ended })),
        Err(error) => failed(&error),
    }
}

async fn count(State(sessions): State<Sessions>) -> Response {
    match sessions.count().await {
        Ok(sessions) => json(&serde_json::json!({ "sessions": sessions })),
        Err(error) => failed(&error),
    }
}

fn json(answer: &impl Serialize) -> Response {
    match serde_json::to_vec(answer) {
        Ok(body) => {
            let head = [(header::CONTENT_TYPE, "application/json")];
            (head, Body::from(body)).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn refuse(status: StatusCode, error: &str) -> Response {
    let mut response = json(&serde_json::json!({ "error": error }));
    *response.status_mut() = status;
    response
}

fn bad(error: &str) -> Response {
    refuse(StatusCode::BAD_REQUEST, error)
}

fn failed(error: &Error) -> Response {
    let status = match error.kind() {
        ErrorKind::Store | ErrorKind::Contended => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Encode => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    refuse(status, &error.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) || text.len() > 2_000 {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}
