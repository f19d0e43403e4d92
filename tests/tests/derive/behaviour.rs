//! The behavior of each attribute in a session.

use level_session::{Error, ErrorKind, Result, Session, SessionData};
use level_session_tests::visitor::{App, Visitor};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Theme {
    Light,
    Dark,
}

#[derive(Clone, Debug, PartialEq, SessionData)]
#[session(namespace = "auth")]
struct Auth {
    #[session(index)]
    user: Option<u64>,
    #[session(counter)]
    failures: u8,
}

#[derive(Clone, Debug, PartialEq, SessionData)]
struct Shop {
    name: String,
    note: Option<String>,
    #[session(default)]
    cart: Vec<String>,
    #[session(default = Theme::Light)]
    theme: Theme,
    #[session(default = Some(3))]
    level: Option<u8>,
    #[session(rename = "v")]
    version: Option<u8>,
    #[session(counter, default = 10)]
    lives: i8,
    #[session(flash)]
    notice: Option<String>,
    #[session(ttl = "10m")]
    otp: Option<String>,
    #[session(nest)]
    auth: Auth,
    #[session(skip)]
    scratch: u8,
}

fn shop() -> Shop {
    Shop {
        name: "tea".into(),
        note: None,
        cart: vec!["cup".into()],
        theme: Theme::Dark,
        level: None,
        version: Some(2),
        lives: 7,
        notice: Some("hello".into()),
        otp: Some("123".into()),
        auth: Auth {
            user: Some(7),
            failures: 1,
        },
        scratch: 9,
    }
}

#[tokio::test]
async fn an_empty_session_reads_as_its_defaults() -> Result<()> {
    let app = App::new();
    app.request(&mut Visitor::new(), async |s: Session<Shop>| {
        assert_eq!(s.name().await?, None);
        assert_eq!(s.note().await?, None);
        assert_eq!(s.cart().await?, Vec::<String>::new());
        assert_eq!(s.theme().await?, Theme::Light);
        assert_eq!(s.level().await?, Some(3));
        assert_eq!(s.lives().await?, 10);
        assert_eq!(s.auth().failures().await?, 0);
        let missing: Error = s.load().await.unwrap_err();
        assert_eq!(
            (missing.kind(), missing.field()),
            (ErrorKind::Missing, Some("name"))
        );
        s.name().set("tea")?;
        let defaults = Shop {
            cart: vec![],
            theme: Theme::Light,
            level: Some(3),
            version: None,
            lives: 10,
            notice: None,
            otp: None,
            auth: Auth {
                user: None,
                failures: 0,
            },
            scratch: 0,
            ..shop()
        };
        assert_eq!(s.load().await?, defaults);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn fields_are_stored_under_their_keys_and_skipped_ones_not_at_all() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Session<Shop>| {
        s.store(&shop()).await
    })
    .await?;
    let all = app
        .request(&mut visitor, async |s: Session| s.get_all().await)
        .await?;
    let keys = [
        "auth.failures",
        "auth.user",
        "cart",
        "level",
        "lives",
        "name",
        "notice",
        "otp",
        "theme",
        "v",
    ];
    assert_eq!(all.keys().collect::<Vec<_>>(), keys);
    Ok(())
}

#[tokio::test]
async fn a_whole_struct_comes_back_as_it_was_stored() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Session<Shop>| {
        s.store(&shop()).await
    })
    .await?;
    app.request(&mut visitor, async |s: Session<Shop>| {
        assert_eq!(
            s.load().await?,
            Shop {
                scratch: 0,
                ..shop()
            }
        );
        // `None` removes the field; an unchanged field is not written.
        s.store(&Shop {
            version: None,
            ..shop()
        })
        .await
    })
    .await?;
    app.request(&mut visitor, async |s: Session<Shop>| {
        assert_eq!(s.version().await?, None);
        assert_eq!(
            s.level().await?,
            None,
            "`None` was stored, and is not the default"
        );
        assert_eq!(s.auth().load().await?, shop().auth);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_nested_struct_is_the_same_as_one_side_by_side() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Session<Shop>| {
        s.auth().user().set(7)?;
        s.auth().failures().add(2)
    })
    .await?;
    app.request(&mut visitor, async |s: Session<Auth>| {
        assert_eq!(
            s.load().await?,
            Auth {
                user: Some(7),
                failures: 2
            }
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn flash_and_ttl_and_counter_do_what_they_say() -> Result<()> {
    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Session<Shop>| {
        s.notice().set("hello")?;
        s.otp().set("123")?;
        s.lives().sub(3)
    })
    .await?;
    app.request(&mut visitor, async |s: Session<Shop>| {
        assert_eq!(s.notice().await?.as_deref(), Some("hello"));
        assert_eq!(s.otp().await?.as_deref(), Some("123"));
        assert_eq!(s.lives().await?, 7);
        Ok(())
    })
    .await?;
    app.sleep(600);
    app.request(&mut visitor, async |s: Session<Shop>| {
        assert_eq!(s.notice().await?, None, "read once");
        assert_eq!(s.otp().await?, None, "ten minutes are over");
        assert_eq!(s.lives().await?, 7);
        Ok(())
    })
    .await
}

#[derive(Clone, Debug, PartialEq, SessionData)]
#[session(default)]
struct Settings {
    theme: Theme,
    #[session(default = 5)]
    own: u8,
    maybe: Option<u8>,
    #[session(counter)]
    visits: u64,
    #[session(skip)]
    skipped: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: Theme::Dark,
            own: 1,
            maybe: Some(1),
            visits: 100,
            skipped: "not stored".into(),
        }
    }
}

#[tokio::test]
async fn the_struct_s_default_is_its_fields() -> Result<()> {
    let app = App::new();
    app.request(&mut Visitor::new(), async |s: Session<Settings>| {
        assert_eq!(s.theme().await?, Theme::Dark);
        assert_eq!(s.visits().await?, 100);
        let loaded = s.load().await?;
        assert_eq!(
            loaded,
            Settings {
                own: 5,
                maybe: None,
                ..Settings::default()
            }
        );
        s.visits().add(1)?;
        assert_eq!(s.visits().await?, 101);
        Ok(())
    })
    .await
}

/// Prevents: a handle that looks the same but refers to another session, or whose `Debug` shows field values.
#[tokio::test]
async fn copies_are_one_session_and_show_nothing() -> Result<()> {
    let app = App::new();
    app.request(&mut Visitor::new(), async |s: Session<Shop>| {
        let same: Session<Shop> = s.clone();
        same.name().set("a secret name")?;
        let auth: Session<Auth> = s.typed()?;
        auth.user().set(7)?;
        assert_eq!(s.name().await?.as_deref(), Some("a secret name"));
        assert_eq!(s.auth().user().await?, Some(7));
        let fields: &ShopFields = &same;
        let shown = format!("{fields:?} {:?} {:?}", s.auth(), Shop::NAME);
        assert!(!shown.contains("secret"), "{shown}");
        Ok(())
    })
    .await
}

/// Prevents: session data of a library that works only in the library's own crate, whose author uses level-session
/// under another name.
#[tokio::test]
async fn a_struct_from_another_crate_is_nested_and_side_by_side() -> Result<()> {
    use level_session_tests_renamed::{Nested, Renamed};

    #[derive(SessionData)]
    struct Outer {
        user: Option<u64>,
        #[session(nest)]
        library: Nested,
        #[session(nest)]
        generic: Generic<String>,
    }
    #[derive(SessionData)]
    #[session(namespace = "generic")]
    struct Generic<T: Serialize + serde::de::DeserializeOwned + Send + Sync + 'static> {
        value: Option<T>,
    }

    let app = App::new();
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Session<Outer>| {
        s.user().set(1)?;
        s.generic().value().set("a")?;
        s.library().level().set(4)
    })
    .await?;
    app.request(&mut visitor, async |s: Session<Renamed<u8>>| {
        assert_eq!(s.user().await?, None, "another namespace");
        assert_eq!(s.nested().level().await?, 4);
        let outer = s.typed::<Outer>()?.load().await?;
        assert_eq!((outer.user, outer.library.level), (Some(1), 4));
        assert_eq!(outer.generic.value.as_deref(), Some("a"));
        Ok(())
    })
    .await
}
