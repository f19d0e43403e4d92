//! A field that other formats omit: it would be stored in the session.

use level_session::SessionData;

#[derive(serde::Serialize, serde::Deserialize, SessionData)]
struct Account {
    name: String,
    #[serde(skip)]
    password: Option<String>,
    #[serde(default, skip_serializing)]
    token: Option<String>,
    #[serde(skip_deserializing)]
    #[session(default)]
    admin: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[session(default)]
    roles: Vec<String>,
}

fn main() {}
