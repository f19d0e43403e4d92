//! From the headers of a request to a session, and from the session to the headers of the response.

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

/// Handles a request. A response with a success status is returned only after all changes were stored.
pub(crate) async fn answer<B>(sessions: &Sessions, request: &Request<B>) -> Answer {
    let call = match Call::read(request.method(), request.uri().path()) {
        Ok(call) => call,
        Err(refusal) => return refuse(refusal),
    };
    let exchange = sessions.exchange(request.method(), request.headers());
    let response = match act(exchange.session(), call).await {
        Ok(value) => json(&value),
        // The response says that the request failed; only the log says why.
        Err(error) => error.to_response().map(Full::from),
    };
    // Stores all changes of this request in one commit and adds the `Set-Cookie` header. If the commit fails, the response is
    // replaced by an error.
    exchange.answer(response).await
}

/// Carries out the call and returns the field's value afterwards: `null` if it has none.
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
