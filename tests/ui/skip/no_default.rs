//! A skipped field whose type has no default.

use level_session::SessionData;

struct Socket;

#[derive(SessionData)]
struct Shop {
    #[session(skip)]
    socket: Socket,
}

fn main() {}
