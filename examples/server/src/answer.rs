//! A request's headers in, a session, a response's headers out.

use crate::call::Call;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Bytes,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
};
use level_session::{Sessions, UntypedSession};
use serde_json::Value;

type Answer = Response<Full<Bytes>>;

/// Answers a request: never with a success of which something is not stored.
pub(crate) async fn answer<B>(sessions: &Sessions, request: &Request<B>) -> Answer {
    let call = match Call::read(request.method(), request.uri().path()) {
        Ok(call) => call,
        Err(refusal) => return refuse(refusal),
    };
    let exchange = sessions.exchange(request.method(), request.headers());
    let response = match act(exchange.session(), call).await {
        Ok(value) => json(&value),
        // The client learns that it failed, the log learns why.
        Err(error) => error.to_response().map(Full::from),
    };
    // Everything that was set is stored here, at once, and the headers get the cookie. If it cannot be stored, the answer
    // says so.
    exchange.answer(response).await
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
