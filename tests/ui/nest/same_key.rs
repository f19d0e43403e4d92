//! A key that the nested struct also has: detected when the schema is evaluated.

use level_session::SessionData;

#[derive(SessionData)]
struct Auth {
    user: Option<u64>,
}

#[derive(SessionData)]
struct Shop {
    #[session(nest)]
    auth: Auth,
    user: Option<u64>,
}

fn main() {}
