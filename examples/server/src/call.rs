//! Parsing of requests.

use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;

/// The operation that a request asks for.
///
/// Setting a field with GET is inherited from the Node original, and convenient in a browser. Applications should use POST.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Set { key: String, value: String },
    Get { key: String },
}

impl Call {
    /// Parses the method and the path of a request. Each segment of the path is percent-decoded, so keys and values may
    /// contain any character, including `/`.
    pub(crate) fn read(method: &Method, path: &str) -> Result<Self, StatusCode> {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let (key, value) = match segments[..] {
            ["set", key, value] => (key, Some(value)),
            ["get", key] => (key, None),
            _ => return Err(StatusCode::NOT_FOUND),
        };
        if method != Method::GET {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        let key = decode(key)?;
        if key.is_empty() {
            return Err(StatusCode::BAD_REQUEST);
        }
        Ok(match value {
            Some(value) => Self::Set {
                key,
                value: decode(value)?,
            },
            None => Self::Get { key },
        })
    }
}

/// Decodes a segment; one that is not UTF-8 is a bad request.
fn decode(segment: &str) -> Result<String, StatusCode> {
    match percent_decode_str(segment).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(StatusCode::BAD_REQUEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Result<Call, StatusCode> {
        Call::read(&Method::GET, path)
    }

    #[test]
    fn segments_are_decoded_one_by_one() {
        let call = Call::Set {
            key: "a/b".into(),
            value: "c d+é".into(),
        };
        assert_eq!(get("/set/a%2Fb/c%20d+%C3%A9"), Ok(call));
    }

    #[test]
    fn an_empty_value_is_a_value_and_an_empty_key_is_none() {
        let call = Call::Set {
            key: "a".into(),
            value: String::new(),
        };
        assert_eq!(get("/set/a/"), Ok(call));
        assert_eq!(get("/get/"), Err(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn anything_else_is_refused() {
        for path in ["/", "/get", "/get/a/b", "/set/a", "/set/a/b/c", "/GET/a"] {
            assert_eq!(get(path), Err(StatusCode::NOT_FOUND), "{path}");
        }
        assert_eq!(get("/get/%FF"), Err(StatusCode::BAD_REQUEST));
        assert_eq!(
            Call::read(&Method::POST, "/set/a/b"),
            Err(StatusCode::METHOD_NOT_ALLOWED)
        );
    }
}
