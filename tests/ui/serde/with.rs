//! A custom encoding: the session would store the type's default one, and a nested struct as one value.

use level_session::SessionData;

mod text {
    pub fn serialize<S: serde::Serializer>(it: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(it)
    }
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        serde::Deserialize::deserialize(from)
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Auth {
    user: Option<u64>,
}

#[derive(serde::Serialize, serde::Deserialize, SessionData)]
struct Shop {
    #[serde(with = "text")]
    big: u64,
    #[serde(serialize_with = "text::serialize", deserialize_with = "text::deserialize")]
    bigger: u64,
    #[serde(flatten)]
    auth: Auth,
}

fn main() {}
