//! A struct without serde's derives: one error, from this derive.

use level_session::SessionData;

#[derive(SessionData)]
struct Account {
    #[serde(skip)]
    password: Option<String>,
}

fn main() {}
