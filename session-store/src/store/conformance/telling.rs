//! A store's reports of sessions that expire or end.

use super::kit::*;
use crate::{Clock, Digest, Step, Watch, Watcher, WhenFull};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// How long a store may take to report an end: see [`Store::watch_ended`](crate::Store::watch_ended).
const SOON: Duration = Duration::from_secs(10);

/// The reported digests, and how often each was reported.
#[derive(Default)]
struct Told {
    ids: Mutex<BTreeMap<Digest, usize>>,
    more: Notify,
}

impl Told {
    fn watch(self: &Arc<Self>) -> Arc<Watch> {
        let told = Arc::clone(self);
        Arc::new(move |id: Digest| {
            let mut ids = told.ids.lock().unwrap_or_else(PoisonError::into_inner);
            *ids.entry(id).or_default() += 1;
            told.more.notify_one();
        })
    }

    fn times(&self, id: Digest) -> usize {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.get(&id).copied().unwrap_or_default()
    }

    /// Waits until all of them were reported.
    async fn wait_for(&self, ids: &[Digest], what: &str) {
        let all = async {
            while ids.iter().any(|id| self.times(*id) == 0) {
                self.more.notified().await;
            }
        };
        let in_time = tokio::time::timeout(SOON, all).await.is_ok();
        let left = ids.iter().filter(|id| self.times(**id) == 0).count();
        assert!(in_time, "{what}: {left} were not reported within {SOON:?}");
    }
}

/// Prevents an application from missing the end of a session, or from counting it twice (requirement L13): each session
/// that the store removes because it had expired is reported once, after its removal. A store whose server removes them
/// need not report: see [`Abilities::tells_expired`](crate::Abilities::tells_expired).
///
/// These sessions have already expired when they are created, by the clock of every machine, so that a store that
/// sweeps in the background, or by a clock of its own, removes them as well.
pub async fn expired_sessions_are_told_once(store: Subject) {
    if !store.abilities().tells_expired {
        return;
    }
    let now = Clock::system().now();
    let long_ago = crate::Timestamp::from_millis(now.as_millis() - 4 * 3_600_000);
    let case = Case::beginning(store, long_ago);
    let (told, gone_watch) = (Arc::new(Told::default()), Arc::new(Told::default()));
    let watch = told.watch();
    case.store.watch_expired(Arc::downgrade(&watch));
    let dropped = gone_watch.watch();
    case.store.watch_expired(Arc::downgrade(&dropped));
    drop(dropped);
    let mut expired = Vec::new();
    for _ in 0..10 {
        expired.push(case.session_with(case.ending(60), &[set("a", "1")]).await);
    }
    let lasting = case
        .session_with(case.ending(365 * 24 * 3600), &[set("a", "1")])
        .await;
    let destroyed = case.session(&[]).await;
    case.done(case.commit(destroyed, Step::Destroy), "a destroy")
        .await;
    for _ in 0..3 {
        case.sweep(now).await;
    }
    told.wait_for(&expired, "sessions that have expired").await;
    for id in expired {
        assert_eq!(told.times(id), 1, "an expired session is reported once");
        case.assert_dead(id, now, "a reported session is dead")
            .await;
        let create = case.commit(id, case.create());
        assert!(
            case.apply(create).await.is_done(),
            "a reported session was removed"
        );
    }
    for id in [lasting, destroyed] {
        assert_eq!(
            told.times(id),
            0,
            "a session that is live, or was destroyed, has not expired"
        );
    }
    let ids = gone_watch
        .ids
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    assert!(ids.is_empty(), "a dropped callback is not called");
}

/// Prevents an open connection from working on for a session that has ended (requirements L12, L17): every digest that
/// was ended on purpose is reported soon, also if a limit ended it. A store that cannot report them need not: see
/// [`Abilities::tells_ended`](crate::Abilities::tells_ended).
pub async fn ended_sessions_are_told(store: Subject) {
    if !store.abilities().tells_ended {
        return;
    }
    let case = Case::new(store);
    let told = Arc::new(Told::default());
    let watch = told.watch();
    case.store.watch_ended(Arc::downgrade(&watch));
    let other = Arc::new(Told::default());
    let other_watch = other.watch();
    case.store.watch_ended(Arc::downgrade(&other_watch));
    let entry = case.entry("user");
    let mut ids = Vec::new();
    let mut live = Vec::new();
    // Four of each: two handles of a store take turns.
    for n in 0..4 {
        let destroyed = case.session(&[]).await;
        case.done(case.commit(destroyed, Step::Destroy), "a destroy")
            .await;
        let renewed = case.session(&[]).await;
        let new = case.renewed(renewed);
        case.done(case.commit(renewed, case.renew(new)), "a renewal")
            .await;
        let old = case.session(&[]).await;
        let with_grace = case.renewed(old);
        let step = Step::renew(with_grace, case.lease(0), Some(case.at(60)));
        case.done(case.commit(old, step), "a renewal with a grace")
            .await;
        case.done(case.commit(old, Step::Destroy), "a destroy by a former id")
            .await;
        let limited = fresh();
        let writes = [set_indexed("user", n.to_string(), &entry)];
        let limits = [limit("user", &entry, 1, WhenFull::EndOldest)];
        let create = case.commit(limited, case.create()).with_writes(&writes);
        let created = case
            .done(create.with_limits(&limits), "a session of one")
            .await;
        ids.extend([destroyed, renewed, with_grace]);
        ids.extend(created.ended);
        live.extend([new]);
        let refused = case.session(&[set("a", "1")]).await;
        let guards = [guard("a", None)];
        let destroy = case.commit(refused, Step::Destroy).with_guards(&guards);
        assert!(!case.apply(destroy).await.is_done(), "a refused destroy");
        live.push(refused);
    }
    assert_eq!(ids.len(), 4 * 3 + 3, "three sessions were ended by a limit");
    for told in [&told, &other] {
        told.wait_for(&ids, "sessions that were ended").await;
        for id in &live {
            assert_eq!(told.times(*id), 0, "a live session has not ended");
        }
    }
}

/// Prevents connections that wait for the end of a session from delaying a shutdown: the watchers of
/// [`Store::watch_ended`](crate::Store::watch_ended) are notified that the store is closing, before it is closed. A
/// watcher of sessions alone is not notified of any session.
pub async fn closing_is_told(store: Subject) {
    #[derive(Default)]
    struct Counts {
        sessions: AtomicUsize,
        closed: AtomicUsize,
    }
    impl Watcher for Counts {
        fn session(&self, _: Digest) {
            self.sessions.fetch_add(1, Ordering::SeqCst);
        }
        fn closed(&self) {
            self.closed.fetch_add(1, Ordering::SeqCst);
        }
    }

    let case = Case::new(store);
    let counts = Arc::new(Counts::default());
    let watch: Arc<Watch> = Arc::clone(&counts) as _;
    case.store.watch_ended(Arc::downgrade(&watch));
    let told = Arc::new(Told::default());
    let sessions_alone = told.watch();
    case.store.watch_ended(Arc::downgrade(&sessions_alone));
    let id = case.session(&[]).await;
    assert_eq!(
        counts.closed.load(Ordering::SeqCst),
        0,
        "an open store does not report that it closes"
    );
    case.store.close().await.expect("a store can be closed");
    assert_ne!(
        counts.closed.load(Ordering::SeqCst),
        0,
        "a closed store has reported that it closes"
    );
    let sessions = counts.sessions.load(Ordering::SeqCst);
    assert_eq!(sessions, 0, "no session has ended");
    assert_eq!(told.times(id), 0, "no session has ended");
}
