//! A counter that is not an integer.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(counter)]
    visits: f64,
}

fn main() {}
