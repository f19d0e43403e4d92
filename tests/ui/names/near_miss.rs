//! A typing error.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(falsh)]
    a: Option<String>,
    #[session(tll = "10m")]
    b: Option<String>,
    #[session(defualt)]
    c: u8,
}

fn main() {}
