//! Copies from one store to another: a change of store signs no user out.

use super::kit::*;
use crate::{
    Cursor, Digest, Lease, Lifetime, MemoryStore, Page, Step, Store, StoreFuture, Timeouts,
    Timestamp, Wrapper, copy,
    schema::{Def, Schema, schema},
    value,
};
use std::{sync::Arc, time::Duration};

/// A store that lists only some of its sessions: it may hold many more.
struct Only {
    store: Subject,
    ids: Vec<Digest>,
}

impl Wrapper for Only {
    fn inner(&self) -> &dyn Store {
        &self.store
    }
    fn wrap_page<'a>(
        &'a self,
        _: Option<&'a Cursor>,
        _: usize,
        _: Timestamp,
    ) -> StoreFuture<'a, Page<Digest>> {
        StoreFuture::ready(Ok(Page::new(self.ids.clone(), None)))
    }
}

/// A lease in which all times differ.
fn lease(case: &Case) -> Lease {
    let own = Timeouts::new(Duration::from_secs(5_000)).with_absolute(Some(LIFE));
    Lease {
        started: case.at(7),
        seen: case.at(30),
        told: case.at(20),
        idle_deadline: case.at(5_030),
        absolute_deadline: Some(case.at(7).after(LIFE)),
        lifetime: Some(Lifetime::new(own).with_transient(true)),
    }
}

/// Prevents a copy of a store from restarting the timeouts of its sessions, or signing them out: copied at a later
/// time, they keep their ids, times and fields, including the library's own. Sessions that the target knows already are
/// left alone.
pub async fn sessions_can_be_copied_to_another_store(store: Subject) {
    let case = Case::new(store);
    let memory = Case::beginning(Arc::new(MemoryStore::new()), case.start);
    for (from, to) in [(&memory, &case), (&case, &memory)] {
        let id = fresh();
        let writes = [
            set("a", "1"),
            set("b", ""),
            set("level-session:device", "key"),
        ];
        let create = from.commit_at(40, id, Step::create(from.start, lease(from)));
        from.done(create.with_writes(&writes), "a session").await;
        let known = from.session(&[set("a", "here")]).await;
        let writes = [set("a", "there")];
        let create = to.commit(known, to.create()).with_writes(&writes);
        to.done(create, "a session in the other store").await;
        let [ended, ended_there] = [(); 2].map(|()| fresh());
        for (case, ended) in [(from, ended), (from, ended_there), (to, ended_there)] {
            case.done(case.commit(ended, case.create()), "a session")
                .await;
        }
        from.done(from.commit(ended, Step::Destroy), "a destroy")
            .await;
        to.done(to.commit(ended_there, Step::Destroy), "a destroy")
            .await;
        let expired = from.session_with(from.ending(60), &[]).await;
        let only = Only {
            store: Arc::clone(&from.store),
            ids: vec![ended, id, known, expired, ended_there],
        };
        for expected in [1, 0] {
            let copied = copy(&only, &*to.store, &[], case.at(1_000))
                .await
                .expect("sessions are copied");
            assert_eq!(
                copied, expected,
                "sessions are copied that live and that the other store does not know"
            );
        }
        let snapshot = to.live(id, case.at(1_001)).await;
        assert_eq!(
            snapshot.meta,
            from.live(id, case.at(1_001)).await.meta,
            "a copied session has its times"
        );
        assert_eq!(
            (snapshot.meta.created, snapshot.meta.lease),
            (case.start, lease(&case)),
            "as they were before"
        );
        assert_eq!(
            to.fields(id, case.at(1_001)).await,
            map([("a", "1"), ("b", ""), ("level-session:device", "key")]),
            "a copied session has its fields"
        );
        assert_eq!(
            to.fields(known, case.at(1_001)).await,
            map([("a", "there")]),
            "a session that is known is left alone"
        );
        for dead in [ended, expired, ended_there] {
            to.assert_dead(dead, case.at(1_001), "the dead are not copied")
                .await;
        }
    }
}

static USERS: [crate::schema::FieldDef; 2] = [
    Def::<u64>::new("conformance.user", "u64").index().erased,
    Def::<u64>::new("conformance.other", "u64").erased,
];
static NESTED: Schema = schema("Users", &USERS, &[]);
static OUTER: Schema = schema("Outer", &[], &[&NESTED]);

/// Prevents a copy of a store from losing its users' lists: with the schema that declares it, an indexed field gets its
/// entry in the target.
pub async fn copied_sessions_are_found(store: Subject) {
    let case = Case::new(store);
    let memory = Case::beginning(Arc::new(MemoryStore::new()), case.start);
    // A number that no other test uses.
    let mut user = 0;
    for byte in random(7) {
        user = user << 8 | i128::from(byte);
    }
    let number = super::adding::number(user);
    let entry = value::index_entry(&number).expect("a number is a value");
    for (from, to) in [(&memory, &case), (&case, &memory)] {
        let id = from
            .session(&[
                set_indexed("conformance.user", &number, &entry),
                set("conformance.other", &number),
                set("undeclared", "no value at all"),
            ])
            .await;
        let only = Only {
            store: Arc::clone(&from.store),
            ids: vec![id],
        };
        let copied = copy(&only, &*to.store, &[&OUTER], case.at(10)).await;
        assert_eq!(
            copied.expect("sessions are copied"),
            1,
            "one session to copy"
        );
        let found = to.found("conformance.user", &entry, case.at(10)).await;
        assert!(found.contains(&id), "a copied session is found");
        let found = to.found("conformance.other", &entry, case.at(10)).await;
        assert!(!found.contains(&id), "by its indexed fields alone");
    }
}
