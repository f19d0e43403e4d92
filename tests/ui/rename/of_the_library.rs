//! Reserved keys.

use level_session::SessionData;

#[derive(SessionData)]
struct Shop {
    #[session(rename = "level-session:binding")]
    binding: Option<String>,
    #[session(rename = "level-session")]
    fine: Option<String>,
}

#[derive(SessionData)]
#[session(namespace = "level-session:device")]
struct Device {
    key: Option<String>,
    other: Option<String>,
}

fn main() {}
