//! Names that other libraries have for it. Each is taken for what was meant, so that nothing else is wrong.

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
