//! A struct that is used as session data and in other formats: with attributes for both, and with attributes that the
//! session ignores.

use level_session::SessionData;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, SessionData)]
#[session(namespace = "auth")]
#[serde(deny_unknown_fields)]
struct Auth {
    user: Option<u64>,
}

#[derive(Serialize, Deserialize, SessionData)]
#[serde(rename_all = "camelCase", default)]
#[session(ignore_serde, default)]
struct Shop {
    #[serde(skip)]
    #[session(skip)]
    password: String,
    #[serde(rename = "uid")]
    #[session(rename = "user")]
    user_id: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nickname: Option<String>,
    #[serde(default)]
    page: u32,
    #[serde(default)]
    #[session(counter)]
    visits: u32,
    #[serde(skip)]
    #[session(ignore_serde)]
    only_here: Option<String>,
    #[serde(flatten)]
    #[session(nest)]
    auth: Auth,
}

#[derive(Serialize, Deserialize, SessionData)]
#[serde(rename_all = "kebab-case")]
struct Renamed {
    #[session(rename = "user-id")]
    user_id: Option<u64>,
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            password: String::new(),
            user_id: None,
            nickname: None,
            page: 20,
            visits: 0,
            only_here: None,
            auth: Auth { user: None },
        }
    }
}

fn main() {
    assert_eq!(Shop::USER_ID.name(), "user");
    assert_eq!(Shop::ONLY_HERE.name(), "only_here");
    assert_eq!(Renamed::USER_ID.name(), "user-id");
}
