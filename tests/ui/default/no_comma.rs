//! A missing comma, and an incomplete expression: each is one error, and everything else is generated.

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
