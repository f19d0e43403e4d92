//! A struct that serde does not know: one error, and it is ours.

use level_session::SessionData;

#[derive(SessionData)]
struct Account {
    #[serde(skip)]
    password: Option<String>,
}

fn main() {}
