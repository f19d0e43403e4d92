//! Prevents: storing a struct with an unchanged `HashMap` that overwrites the change of another request, because the
//! map serializes its entries in a different order each time.

use level_session::{Session, SessionData};
use level_session_tests::visitor::{App, Visitor};
use std::collections::{BTreeMap, HashMap, HashSet};

#[derive(SessionData, Debug, PartialEq)]
struct Settings {
    #[session(default)]
    seen: HashSet<u32>,
    #[session(default)]
    by_name: HashMap<String, Vec<HashSet<u8>>>,
    #[session(default = HashSet::from([1, 2, 3, 4, 5]))]
    defaults: HashSet<u8>,
    #[session(default)]
    in_order: Vec<u32>,
    #[session(default)]
    sorted: BTreeMap<u8, u8>,
}

async fn with_settings() -> (App, Visitor) {
    let (app, mut visitor) = (App::new(), Visitor::new());
    let settings = Settings {
        seen: (0..2).collect(),
        by_name: (0..9)
            .map(|n| (n.to_string(), vec![(0..n).collect()]))
            .collect(),
        defaults: HashSet::from([1, 2, 3, 4, 5]),
        in_order: vec![1, 2, 3],
        sorted: BTreeMap::from([(1, 2)]),
    };
    let store = async |session: Session<Settings>| session.store(&settings).await;
    app.request(&mut visitor, store).await.unwrap();
    (app, visitor)
}

#[tokio::test]
async fn what_was_not_touched_is_not_written_in_another_order() {
    for _ in 0..20 {
        let (app, visitor) = with_settings().await;
        let slow: Session<Settings> = app.begin(&visitor);
        let loaded = slow.load().await.unwrap();
        let add = async |session: Session<Settings>| {
            session.seen().update(|seen| seen.insert(77)).await?;
            session
                .by_name()
                .update(|names| names.insert("new".into(), vec![]))
                .await
        };
        app.request(&mut visitor.clone(), add).await.unwrap();
        slow.store(&loaded).await.unwrap();
        app.finish(&slow, &mut visitor.clone()).await.unwrap();
        let after: Session<Settings> = app.begin(&visitor);
        assert!(after.seen().await.unwrap().contains(&77));
        assert!(after.by_name().await.unwrap().contains_key("new"));
        let stored = after.get_all().await.unwrap();
        assert!(
            !stored.contains_key("defaults"),
            "a default that is not stored stays so"
        );
    }
}

#[tokio::test]
async fn another_order_of_a_list_and_other_elements_are_changes() {
    let (app, mut visitor) = with_settings().await;
    let change = async |session: Session<Settings>| {
        let mut settings = session.load().await?;
        settings.in_order.reverse();
        settings.seen = HashSet::from([0, 9]); // the same number of bytes
        session.store(&settings).await
    };
    app.request(&mut visitor, change).await.unwrap();
    let after: Session<Settings> = app.begin(&visitor);
    assert_eq!(after.in_order().await.unwrap(), [3, 2, 1]);
    assert_eq!(after.seen().await.unwrap(), HashSet::from([0, 9]));
}
