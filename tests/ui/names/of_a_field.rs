//! Attributes of a field, on the struct.

use level_session::SessionData;

#[derive(SessionData)]
#[session(ttl = "10m", expires = "1h")]
struct Shop {
    a: String,
}

fn main() {}
