//! Promises 7 and 12: typed and untyped handles use the same session, and several structs share it.

use crate::{Item, Shop};
use level_session::{ErrorKind, Result, Session, SessionData, Value, store::MemoryStore};
use level_session_tests::visitor::{App, Visitor};
use serde_json::json;

type Shopping = Session<Shop>;

#[tokio::test]
async fn typed_and_untyped_access_are_one_session() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| {
        s.user_id().set(7)?;
        s.set("referrer", "newsletter")?;
        s.set("nothing", Value::Null)?;
        s.set(Shop::THEME, "dark".to_owned())?;
        s.set("cart", [Item("tea".into())])
    })
    .await?;
    app.request(&mut visitor, async |s: Session| {
        assert_eq!(s.get::<u64>("user_id").await?, Some(7));
        assert_eq!(s.get(Shop::USER_ID).await?, Some(7));
        assert_eq!(s.get::<Vec<Item>>("cart").await?, Some(vec![Item("tea".into())]));
        let all = s.get_all().await?;
        assert!(all.damaged().is_empty());
        let expected = json!({
            "user_id": 7, "cart": ["tea"], "referrer": "newsletter", "nothing": null, "theme": "dark",
        });
        assert_eq!(serde_json::to_value(&all).unwrap(), expected);
        s.del("referrer")?;
        s.del(Shop::CART)
    })
    .await?;
    let all = app
        .request(&mut visitor, async |s: Session| s.get_all().await)
        .await?;
    assert_eq!(
        all.keys().collect::<Vec<_>>(),
        ["nothing", "theme", "user_id"]
    );
    Ok(())
}

/// Prevents: an invalid value under a declared key, which the next typed read would fail to decode.
#[tokio::test]
async fn a_declared_field_accepts_only_its_type() -> Result<()> {
    let app = App::new().with(|sessions| sessions.data::<Shop>());
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Session| {
        for error in [
            s.set("user_id", "seven").unwrap_err(),
            s.set("visits", -1).unwrap_err(),
            s.set("cart", 1).unwrap_err(),
            s.set("theme", Value::Null).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Type);
            assert!(error.to_string().contains("in `Shop`"), "{error}");
        }
        s.set("user_id", 7_u8)?;
        s.set("visits", 3)
    })
    .await?;
    app.request(&mut visitor, async |s: Shopping| {
        assert_eq!((s.user_id().await?, s.visits().await?), (Some(7), 3));
        s.update::<String, _>("user_id", |id| *id = Some("x".into()))
            .await
            .unwrap_err();
        Ok(())
    })
    .await
}

/// Prevents: garbage instead of an error, and one damaged field that makes the session unusable (S11).
#[tokio::test]
async fn a_stored_value_of_another_type_is_a_clear_error_and_leaves_the_others_alone() -> Result<()>
{
    #[derive(SessionData)]
    struct Before {
        theme: Option<u32>,
        user_id: Option<u64>,
    }
    let mut visitor = Visitor::new();
    let store = std::sync::Arc::new(MemoryStore::new());
    App::over(store.clone())
        .request(&mut visitor, async |s: Session<Before>| {
            s.theme().set(5)?;
            s.user_id().set(7)
        })
        .await?;

    // The next deployment declares another type.
    let after = App::over(store);
    after
        .request(&mut visitor, async |s: Shopping| {
            let error = s.theme().await.unwrap_err();
            assert_eq!(
                (error.kind(), error.field()),
                (ErrorKind::Decode, Some("theme"))
            );
            let text = format!("{error}");
            assert!(
                text.contains("`theme`") && text.contains("integer") && text.contains("string"),
                "{text}"
            );
            assert_eq!(s.user_id().await?, Some(7), "the others are readable");
            assert_eq!(s.load().await.unwrap_err().field(), Some("theme"));
            assert_eq!(s.get_all().await?.len(), 2);
            s.theme().set("dark") // and it can be repaired
        })
        .await?;
    assert_eq!(
        after
            .request(&mut visitor, async |s: Shopping| s.theme().await)
            .await?,
        "dark"
    );
    Ok(())
}

#[tokio::test]
async fn clear_keeps_the_session_and_its_id() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
        .await?;
    let before = visitor.clone();
    app.request(&mut visitor, async |s: Shopping| s.clear())
        .await?;
    assert_eq!(visitor, before);
    app.request(&mut visitor, async |s: Shopping| {
        assert!(s.is_live().await?);
        assert!(s.get_all().await?.is_empty());
        Ok(())
    })
    .await
}

/// A library's session data.
#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(namespace = "auth")]
struct Auth {
    user: Option<u64>,
    #[session(default)]
    scopes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, SessionData)]
struct Site {
    #[session(nest)]
    auth: Auth,
    user: Option<String>,
}

#[tokio::test]
async fn structs_nested_and_side_by_side_share_one_session() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Session<Site>| {
        s.auth().user().set(7)?;
        s.user().set("ann")
    })
    .await?;
    app.request(&mut visitor, async |s: Session<Auth>| {
        assert_eq!(s.user().await?, Some(7));
        s.scopes()
            .update(|scopes| scopes.push("read".into()))
            .await?;
        let shop = s.typed::<Shop>()?;
        shop.visits().add(1)
    })
    .await?;
    app.request(&mut visitor, async |s: Session<Site>| {
        let site = s.load().await?;
        let auth = Auth {
            user: Some(7),
            scopes: vec!["read".into()],
        };
        assert_eq!(
            site,
            Site {
                auth,
                user: Some("ann".into())
            }
        );
        let keys: Vec<_> = s.get_all().await?.into_map().into_keys().collect();
        assert_eq!(keys, ["auth.scopes", "auth.user", "user", "visits"]);
        Ok(())
    })
    .await
}

/// Prevents: two structs that overwrite each other's fields.
#[tokio::test]
async fn two_structs_that_claim_one_key_are_refused() {
    #[derive(SessionData)]
    struct Other {
        theme: Option<String>,
    }
    let app = App::new();
    let builder = app.sessions.to_builder().data::<Shop>().data::<Other>();
    let error = builder.build().unwrap_err();
    assert_eq!(error.setting(), "session data `Other`");
    assert!(error.to_string().contains("`theme`"), "{error}");
    assert!(
        error.to_string().contains("`Shop`") && error.to_string().contains("`Other`"),
        "{error}"
    );
    // Without `with_data`, on the first use of the second struct.
    let app = App::new();
    app.sessions
        .begin_typed::<Other>(&Visitor::new().request())
        .unwrap();
    let error = app
        .sessions
        .begin_typed::<Shop>(&Visitor::new().request())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Clash);
}
