//! A request's headers in, a session, a response's headers out.

use crate::call::Call;
use http_body_util::Full;
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::Bytes,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
};
use level_session::{ErrorKind, Sessions, UntypedSession};
use serde_json::Value;

type Answer = Response<Full<Bytes>>;

/// Answers a request: never with a success of which something is not stored.
pub(crate) async fn answer<B>(sessions: &Sessions, request: &Request<B>) -> Answer {
    let call = match Call::read(request.method(), request.uri().path()) {
        Ok(call) => call,
        Err(refusal) => return refuse(refusal),
    };
    let session = sessions.begin(request.headers());
    let mut headers = HeaderMap::new();
    let result = match act(&session, call).await {
        // Everything that was set is stored here, at once, and `headers` gets the cookie.
        Ok(value) => sessions
            .finish(&session, &mut headers)
            .await
            .map(|()| value),
        Err(error) => {
            sessions.abandon(&session, &mut headers);
            Err(error)
        }
    };
    let mut response = match result {
        Ok(value) => json(&value),
        Err(error) => fail(&error),
    };
    response.headers_mut().extend(headers);
    response
}

/// Does what is asked, and gives the value that the field has then: `null` if it has none.
async fn act(session: &UntypedSession, call: Call) -> level_session::Result<Value> {
    match call {
        Call::Set { key, value } => {
            session.set(&key, &value)?;
            Ok(Value::String(value))
        }
        Call::Get { key } => Ok(session.get(&key).await?.unwrap_or(Value::Null)),
    }
}

fn json(value: &Value) -> Answer {
    typed("application/json", value.to_string())
}

fn refuse(refusal: StatusCode) -> Answer {
    let mut response = text(refusal, "use GET /set/KEY/VALUE or GET /get/KEY\n");
    if refusal == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = HeaderValue::from_static("GET");
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

/// The client learns that it failed, the log learns why.
fn fail(error: &level_session::Error) -> Answer {
    match error.kind() {
        ErrorKind::Gone | ErrorKind::Contended => {
            tracing::info!(%error, "a request was refused");
            text(
                StatusCode::CONFLICT,
                "your session has ended or changed: please try again\n",
            )
        }
        _ => {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "a session failed a request"
            );
            text(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong\n")
        }
    }
}

fn text(status: StatusCode, text: &'static str) -> Answer {
    let mut response = typed("text/plain; charset=utf-8", text);
    *response.status_mut() = status;
    response
}

fn typed(media_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    let media_type = HeaderValue::from_static(media_type);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}
