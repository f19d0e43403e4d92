//! The compatible changes between deployments: the table in the guide to the derive, row by row.

use level_session::{
    ErrorKind, Keyring, Result, Session, SessionData, Sessions, store::MemoryStore,
};
use level_session_tests::visitor::Visitor;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

mod old {
    use super::*;

    #[derive(Serialize, Deserialize)]
    pub(super) struct Item {
        pub(super) sku: String,
        pub(super) price: u32,
    }

    #[derive(Serialize, Deserialize)]
    pub(super) enum Theme {
        Light,
        Dark,
    }

    #[derive(SessionData)]
    pub(super) struct Data {
        pub(super) removed: Option<String>,
        pub(super) renamed: Option<u8>,
        pub(super) required: u8,
        pub(super) optional: Option<u8>,
        #[session(default = 1)]
        pub(super) defaulted: u8,
        pub(super) widened: u32,
        pub(super) narrowed: u64,
        pub(super) too_large: u64,
        pub(super) item: Item,
        pub(super) theme: Theme,
        pub(super) text: String,
        pub(super) number: u32,
        pub(super) notice: Option<String>,
    }
}

mod new {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Item {
        #[serde(default)]
        pub(super) amount: u8,
        pub(super) note: Option<String>,
        pub(super) sku: String,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) enum Theme {
        System,
        Dark,
        Light,
    }

    #[derive(SessionData)]
    pub(super) struct Data {
        #[session(default = 9)]
        pub(super) added: u8,
        pub(super) added_option: Option<u8>,
        #[session(rename = "renamed")]
        pub(super) name: Option<u8>,
        pub(super) required: Option<u8>,
        pub(super) optional: u8,
        #[session(default = 2)]
        pub(super) defaulted: u8,
        pub(super) widened: i64,
        pub(super) narrowed: u16,
        pub(super) too_large: u16,
        pub(super) item: Item,
        pub(super) theme: Theme,
        pub(super) text: u8,
        #[session(counter)]
        pub(super) number: u64,
        #[session(flash)]
        pub(super) notice: Option<String>,
    }
}

async fn request<T: SessionData>(
    sessions: &Sessions,
    visitor: &mut Visitor,
    handler: impl AsyncFnOnce(&Session<T>) -> Result<()>,
) -> Result<()> {
    let session = sessions.begin_typed::<T>(&visitor.request())?;
    handler(&session).await?;
    let mut response = http::HeaderMap::new();
    sessions.finish(&session, &mut response).await?;
    visitor.receive(&response);
    Ok(())
}

/// Prevents: a deployment that signs users out, or misreads a value that another version has written.
#[tokio::test]
async fn old_sessions_are_read_by_new_code() -> Result<()> {
    let store = Arc::new(MemoryStore::new());
    let deployment = || {
        let keyring = Keyring::new([[7; 32]]).unwrap();
        Sessions::new(Arc::clone(&store), keyring)
    };
    let mut visitor = Visitor::new();
    request(
        &deployment(),
        &mut visitor,
        async |s: &Session<old::Data>| {
            s.store(&old::Data {
                removed: Some("still here".into()),
                renamed: Some(1),
                required: 2,
                optional: Some(3),
                defaulted: 1,
                widened: u32::MAX,
                narrowed: 4,
                too_large: 1 << 40,
                item: old::Item {
                    sku: "tea".into(),
                    price: 5,
                },
                theme: old::Theme::Light,
                text: "text".into(),
                number: 6,
                notice: Some("hello".into()),
            })
            .await?;
            s.theme().set(old::Theme::Dark)
        },
    )
    .await?;

    request(
        &deployment(),
        &mut visitor,
        async |s: &Session<new::Data>| {
            assert_eq!(s.added().await?, 9);
            assert_eq!(s.added_option().await?, None);
            assert_eq!(s.name().await?, Some(1));
            assert_eq!(s.required().await?, Some(2));
            assert_eq!(s.optional().await?, Some(3));
            assert_eq!(s.defaulted().await?, 2, "a default is not stored");
            assert_eq!(s.widened().await?, Some(i64::from(u32::MAX)));
            assert_eq!(s.narrowed().await?, Some(4));
            let item = new::Item {
                amount: 0,
                note: None,
                sku: "tea".into(),
            };
            assert_eq!(s.item().await?, Some(item));
            assert_eq!(s.theme().await?, Some(new::Theme::Dark), "by its name");
            s.number().add(1)?;
            assert_eq!(s.number().await?, 7);
            assert_eq!(s.notice().await?.as_deref(), Some("hello"));

            let too_large = s.too_large().await.unwrap_err();
            assert_eq!(too_large.kind(), ErrorKind::Decode);
            assert_eq!(too_large.field(), Some("too_large"));
            assert_eq!(s.text().await.unwrap_err().kind(), ErrorKind::Decode);

            let removed = s.get::<String>("removed").await?;
            assert_eq!(removed.as_deref(), Some("still here"));
            Ok(())
        },
    )
    .await
}
