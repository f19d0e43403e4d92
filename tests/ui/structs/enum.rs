//! An enum.

use level_session::SessionData;

#[derive(SessionData)]
enum Shop {
    Open,
    Closed,
}

fn uses(shop: &level_session::Session<Shop>) {
    let _ = shop.clone();
}

fn main() {}
