//! An attribute of the struct, on a field.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(namespace = "a")]
    a: String,
}

fn main() {}
