//! Attribute names of other libraries. Each is replaced by the corresponding name, so that no further errors follow.

use level_session::SessionData;

#[derive(SessionData)]
struct Auth {
    user: Option<u64>,
}

#[derive(SessionData)]
struct Shop {
    #[session(flatten)]
    auth: Auth,
    #[session(max_age = "10m")]
    otp: Option<String>,
    #[session(key = "x")]
    name: String,
    #[session(once)]
    notice: Option<String>,
}

fn uses(fields: &ShopFields) {
    let _ = (fields.auth().user(), fields.notice().set(String::new()));
}

fn main() {}
