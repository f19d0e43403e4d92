//! Listings, page by page: complete and bounded, regardless of sessions that are added or removed meanwhile.

use super::kit::*;
use crate::{Cursor, Digest, ErrorKind, Step};
use std::collections::BTreeSet;

/// The page size for listing a whole store, which may hold many other sessions.
const MANY: usize = 4_096;

/// Prevents a user's session from missing in a list of several pages: `find` lists each of them at least once, within
/// its limit, while others are created, changed and ended.
pub async fn find_lists_every_session_while_others_come_and_go(store: Subject) {
    let case = Case::new(store);
    let entry = case.entry("user");
    let writes = [set_indexed("user", "7", &entry)];
    for limit in [1, 3, 10, 1_000, usize::MAX] {
        let mut lasting = BTreeSet::new();
        let mut going = Vec::new();
        for _ in 0..12 {
            lasting.insert(case.session(&writes).await);
            going.push(case.session(&writes).await);
        }
        let mut listed = BTreeSet::new();
        let mut after = None;
        let mut pages = 0;
        loop {
            let page = case
                .find_page("user", &entry, after.as_ref(), limit, case.start)
                .await
                .expect("a page is found");
            assert!(page.items.len() <= limit, "a page is within its limit");
            listed.extend(page.items.iter().map(|found| found.id));
            after = page.next;
            if after.is_none() {
                break;
            }
            pages += 1;
            assert!(pages < 1_000, "the pages of a look-up come to an end");
            if let Some(id) = going.pop() {
                case.done(case.commit(id, Step::Destroy), "the end of another")
                    .await;
                lasting_use(&case, &lasting).await;
            }
            if pages < 12 {
                case.session(&writes).await;
            }
        }
        assert!(
            lasting.is_subset(&listed),
            "pages of {limit} list each session that lives throughout"
        );
        for id in listed.into_iter().chain(going).chain(lasting) {
            case.apply(case.commit(id, Step::Destroy)).await;
        }
        for id in case.found("user", &entry, case.start).await {
            case.done(case.commit(id, Step::Destroy), "the end").await;
        }
    }
}

/// Listed sessions may be used meanwhile.
async fn lasting_use(case: &Case, ids: &BTreeSet<Digest>) {
    let id = *ids.first().expect("there are sessions that last");
    case.done(case.commit_at(1, id, used()), "a use of a listed session")
        .await;
}

/// Prevents a copy of a store from leaving sessions behind: page by page, every live session is listed at least once,
/// and no dead one is listed. The store may hold other sessions.
pub async fn pages_list_every_live_session(store: Subject) {
    let case = Case::new(store);
    let mut lasting = BTreeSet::new();
    for _ in 0..25 {
        lasting.insert(case.session(&[set("a", "1")]).await);
    }
    let ended = case.session(&[]).await;
    case.done(case.commit(ended, Step::Destroy), "a destroy")
        .await;
    let expired = case.session_with(case.ending(1), &[]).await;
    let renewed = case.session(&[]).await;
    let new = case.renewed(renewed);
    let step = Step::renew(new, case.lease(0), Some(case.at(60)));
    case.done(case.commit(renewed, step), "a renewal").await;
    lasting.insert(new);
    let first = case
        .store
        .page(None, 1_000, case.at(2))
        .await
        .expect("a page is listed");
    let limits: &[usize] = match first.next {
        // The store is small enough for small pages.
        None => &[1, 7, 25, MANY],
        Some(_) => &[MANY],
    };
    for &limit in limits {
        let mut listed: BTreeSet<Digest> = BTreeSet::new();
        let mut count = 0;
        let mut empty = 0;
        let mut after = None;
        loop {
            let page = case
                .store
                .page(after.as_ref(), limit, case.at(2))
                .await
                .expect("a page is listed");
            assert!(
                page.items.len() <= 4 * limit + 1_024,
                "a page holds about `limit` digests"
            );
            count += page.items.len();
            empty = if page.items.is_empty() { empty + 1 } else { 0 };
            assert!(empty < 100_000, "pages come to an end");
            listed.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
            assert!(
                count <= 3 * listed.len() + 1_024,
                "pages come to an end, and list few sessions twice"
            );
        }
        assert!(
            lasting.is_subset(&listed),
            "pages of {limit} list every session that lives"
        );
        for id in [ended, expired, renewed] {
            assert!(
                !listed.contains(&id),
                "pages list no session that has ended or expired, and no former id"
            );
        }
    }
}

/// Prevents a listing from starting at an arbitrary position when it is given a cursor that this store did not make:
/// such a cursor is an error.
pub async fn a_foreign_cursor_is_an_error(store: Subject) {
    let case = Case::new(store);
    let entry = case.entry("user");
    case.session(&[set_indexed("user", "7", &entry)]).await;
    let foreign = [
        Cursor::new([]),
        Cursor::new(*b"not a cursor of any store\0\xff\xfe"),
        Cursor::new([0xff; 333]),
    ];
    for cursor in &foreign {
        let found = case.find_page("user", &entry, Some(cursor), 10, case.start);
        let paged = case.store.page(Some(cursor), 10, case.start);
        for error in [found.await.err(), paged.await.err()] {
            let error =
                error.unwrap_or_else(|| panic!("{cursor:?} was accepted as the store's own"));
            assert_eq!(error.kind(), ErrorKind::Store, "a foreign cursor");
            assert!(
                !format!("{error}{error:?}").contains("not a cursor of any"),
                "the error does not show it"
            );
        }
    }
}

/// Prevents a listing that never ends: a limit of 0 counts as 1.
pub async fn a_limit_of_nothing_comes_to_an_end(store: Subject) {
    let case = Case::new(store);
    let entry = case.entry("user");
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(case.session(&[set_indexed("user", "7", &entry)]).await);
    }
    let mut listed = Vec::new();
    let mut after = None;
    for _ in 0..1_000 {
        let page = case
            .find_page("user", &entry, after.as_ref(), 0, case.start)
            .await
            .expect("a page of nothing");
        assert!(page.items.len() <= 1, "a limit of 0 counts as 1");
        listed.extend(page.items.iter().map(|found| found.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(after.is_none(), "pages of at most 0 come to an end");
    listed.sort_unstable();
    listed.dedup();
    ids.sort_unstable();
    assert_eq!(listed, ids, "having listed all");
    let first = case.store.page(None, 0, case.start).await;
    let first = first.expect("a page of nothing");
    if let Some(next) = &first.next {
        let second = case.store.page(Some(next), 0, case.start).await;
        let second = second.expect("the next page of nothing");
        assert_ne!(first.next, second.next, "a limit of 0 makes progress");
    }
}
