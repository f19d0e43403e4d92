//! Look-up by a value that is removed when it is read.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(flash, index)]
    notice: Option<String>,
}

fn main() {}
