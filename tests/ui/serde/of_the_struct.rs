//! Attributes of the struct as a whole, which the session never serializes.

use level_session::SessionData;

#[derive(serde::Serialize, serde::Deserialize, SessionData)]
#[serde(rename_all = "camelCase", default)]
struct Shop {
    user_id: Option<u64>,
    page: u32,
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            user_id: None,
            page: 20,
        }
    }
}

#[derive(Clone, serde::Serialize, serde::Deserialize, SessionData)]
#[serde(try_from = "u8", into = "u8")]
struct Checked {
    user_id: Option<u64>,
}

impl TryFrom<u8> for Checked {
    type Error = std::convert::Infallible;
    fn try_from(_: u8) -> Result<Self, Self::Error> {
        Ok(Self { user_id: None })
    }
}

impl From<Checked> for u8 {
    fn from(_: Checked) -> Self {
        0
    }
}

fn main() {}
