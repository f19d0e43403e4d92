//! Attributes that the nested struct gives its own fields.

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
