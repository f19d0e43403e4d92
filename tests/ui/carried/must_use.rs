//! A handle that is not used does nothing, and the compiler warns of it.

#![deny(warnings)]

use level_session::SessionData;

#[derive(SessionData)]
pub struct Auth {
    pub role: Option<u64>,
}

#[derive(SessionData)]
pub struct Shop {
    pub user: Option<u64>,
    #[session(nest)]
    pub auth: Auth,
}

pub fn uses(fields: &ShopFields) {
    fields.user();
    fields.auth();
}

fn main() {}
