//! A parameter without the bounds of a field's type.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop<T: Send + Sync + 'static> {
    a: Vec<T>,
}

fn main() {}
