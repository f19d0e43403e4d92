//! Keys and defaults for other formats: the session would use different ones.

use level_session::SessionData;

#[derive(serde::Serialize, serde::Deserialize, SessionData)]
struct Shop {
    #[serde(rename = "uid")]
    user_id: Option<u64>,
    #[serde(rename(serialize = "a", deserialize = "b"))]
    cart: Option<String>,
    #[serde(alias = "colour")]
    color: Option<String>,
    #[serde(default)]
    page: u32,
    #[serde(default = "three")]
    rows: u32,
}

fn three() -> u32 {
    3
}

fn main() {}
