//! A struct that borrows.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop<'a, T: Send + Sync + 'a> {
    name: &'a str,
    other: Option<std::borrow::Cow<'a, str>>,
    #[session(skip)]
    rest: std::marker::PhantomData<&'a T>,
}

fn main() {}
