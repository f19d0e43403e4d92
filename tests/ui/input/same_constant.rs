//! Names that differ only in case.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    cart: u8,
    #[allow(non_snake_case)]
    Cart: u8,
}

fn main() {}
