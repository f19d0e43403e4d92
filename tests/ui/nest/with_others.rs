//! Attributes that belong on the fields of the nested struct.

use level_session::SessionData;

#[derive(SessionData)]
struct Auth {
    user: Option<u64>,
}

#[derive(SessionData)]
struct Shop {
    #[session(nest, rename = "auth", ttl = "10m")]
    auth: Auth,
}

fn main() {}
