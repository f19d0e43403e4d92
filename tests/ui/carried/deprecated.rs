//! A deprecated field has a deprecated accessor and constant, and the derive itself causes no warning.

#![deny(deprecated)]

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[deprecated = "use `user_id`"]
    user: Option<u64>,
    user_id: Option<u64>,
}

fn uses(fields: &ShopFields) {
    let _ = (fields.user(), Shop::USER, fields.user_id());
}

fn main() {}
