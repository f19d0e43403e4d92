//! A type that is not `Send`.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    shared: std::rc::Rc<u8>,
}

fn main() {}
