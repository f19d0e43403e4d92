//! The generated code has the names, types and visibility that the contract specifies.

use level_session::{Counter, Field, Flash, Key, OptField, Session, SessionData, UntypedSession};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, time::Duration};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Item {
    sku: String,
}

#[derive(SessionData)]
pub struct Auth {
    #[session(index, rename = "auth.user")]
    pub user: Option<u64>,
}

#[derive(SessionData)]
#[session(namespace = "shop")]
pub struct Shop {
    /// The signed-in user.
    #[session(index)]
    pub user_id: Option<u64>,
    #[session(default)]
    cart: Vec<Item>,
    #[session(counter)]
    pub visits: u64,
    #[session(flash)]
    pub notice: Option<String>,
    #[session(ttl = "10m")]
    pub otp: Option<String>,
    pub name: String,
    #[session(nest)]
    pub auth: Auth,
    #[session(skip)]
    #[allow(dead_code)]
    pub scratch: u8,
    #[session(default = Some(3))]
    pub level: Option<u8>,
    #[session(default = HashMap::<String, u8>::new(), rename = "tags2", ttl = "1h30m")]
    pub tags: HashMap<String, u8>,
    pub r#type: Option<String>,
}

/// Never called: the test is that it compiles.
#[allow(dead_code, clippy::let_underscore_future)]
fn handles(fields: &<Shop as SessionData>::Fields) {
    let fields: &ShopFields = fields;
    let _: OptField<'_, u64> = fields.user_id();
    let _: Field<'_, Vec<Item>> = fields.cart();
    let _: Counter<'_, u64> = fields.visits();
    let _: Flash<'_, String> = fields.notice();
    let _: OptField<'_, String> = fields.otp();
    let _: OptField<'_, String> = fields.name();
    let _: &AuthFields = fields.auth();
    let _: OptField<'_, u64> = fields.auth().user();
    let _: Field<'_, Option<u8>> = fields.level();
    let _: Field<'_, HashMap<String, u8>> = fields.tags();
    let _: OptField<'_, String> = fields.r#type();
    let _: &UntypedSession = fields;
}

/// Never called: the test is that it compiles. Tasks may keep a session, and the futures that read and write it, across
/// threads.
#[allow(dead_code)]
fn between_threads<T: SessionData<Fields: Send + Sync>>(
    session: &Session<T>,
    shop: &Session<Shop>,
) {
    fn is_sent<T: Send + Sync>(_: &T) {}
    is_sent(session);
    is_sent(shop);
    fn is_moved<T: Send>(_: T) {}
    is_moved(shop.load());
    is_moved(shop.cart());
    is_moved(async {
        let data = shop.load().await?;
        shop.store(&data).await?;
        shop.notice().await
    });
}

const _: Key<u64> = Shop::USER_ID;
const _: Key<Vec<Item>> = Shop::CART;
const _: Key<Option<u8>> = Shop::LEVEL;
const _: Key<String> = Shop::TYPE;

#[test]
fn the_schema_says_what_was_written() {
    let fields = Shop::SCHEMA.fields();
    let keys: Vec<_> = fields.iter().map(|field| field.key()).collect();
    let expected = [
        "shop.user_id",
        "shop.cart",
        "shop.visits",
        "shop.notice",
        "shop.otp",
        "shop.name",
        "shop.level",
        "shop.tags2",
        "shop.type",
    ];
    assert_eq!(keys, expected);
    let types: Vec<_> = fields.iter().map(|field| field.type_name()).collect();
    let expected = [
        "u64",
        "Vec<Item>",
        "u64",
        "String",
        "String",
        "String",
        "Option<u8>",
        "HashMap<String, u8>",
        "String",
    ];
    assert_eq!(types, expected);
    assert_eq!(Shop::SCHEMA.type_name(), "Shop");
    let nested: Vec<_> = Shop::SCHEMA
        .nested()
        .iter()
        .map(|nested| nested.type_name())
        .collect();
    assert_eq!(nested, ["Auth"]);
    assert_eq!(Auth::USER.name(), "auth.user");
}

#[test]
fn attributes_reach_the_definitions() {
    assert!(Shop::USER_ID.def().is_index());
    assert!(Shop::VISITS.def().is_counter());
    assert!(Shop::NOTICE.def().is_flash());
    assert_eq!(Shop::OTP.def().ttl(), Some(Duration::from_secs(600)));
    assert_eq!(Shop::TAGS.def().ttl(), Some(Duration::from_secs(5_400)));
    let name = Shop::NAME.def();
    assert!(!name.is_index() && !name.is_counter() && !name.is_flash() && name.ttl().is_none());
}
