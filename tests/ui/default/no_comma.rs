//! A comma is missing behind an expression, and one is not written to its end: errors of their own, and nothing else is gone.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(default = { 3 } index)]
    a: u8,
    #[session(default = "light".to_owned(). )]
    b: String,
    c: Option<u8>,
}

fn uses(fields: &ShopFields) {
    let _ = (fields.a(), fields.b().key(), fields.c(), Shop::A);
}

fn main() {}
