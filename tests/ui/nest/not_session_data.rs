//! A nested struct without the derive.

use level_session::SessionData;

#[derive(serde::Serialize, serde::Deserialize)]
struct Auth {
    user: Option<u64>,
}

#[derive(SessionData)]
struct Shop {
    #[session(nest)]
    auth: Auth,
}

fn main() {}
