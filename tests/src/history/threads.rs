//! Histories on real threads, where the order is unknown. Every value is written only once, so that observed values
//! identify their requests.

use super::{data::Data, rng::Rng};
use crate::visitor::{App, Visitor};
use level_session::{ErrorKind, Result, Session};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Clients that share sessions, until a given number of requests was made.
#[derive(Debug)]
pub struct Crowd {
    app: App,
    slots: Vec<Mutex<Slot>>,
    tags: AtomicU64,
    requests: AtomicU64,
    limit: u64,
}

/// A browser, and its session.
#[derive(Debug, Clone)]
struct Slot {
    lineage: Arc<Lineage>,
    visitor: Visitor,
}

/// A session, under any of its ids.
#[derive(Debug, Default)]
struct Lineage(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The outcome of the request that wrote a tag.
    tags: BTreeMap<u64, Fate>,
    /// The tags that were seen.
    seen: BTreeSet<u64>,
    /// The notices that were taken.
    taken: BTreeSet<u64>,
    /// The renewals and destroys that were started, and those that were acknowledged.
    ends: (u64, u64),
    destroyed: bool,
    /// Its former cookies.
    former: Vec<Visitor>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Pending,
    Acknowledged,
    Failed,
    /// Its client went away during the request.
    Unknown,
}

impl Lineage {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crowd {
    /// The numbers of sessions and requests.
    #[must_use]
    pub fn new(app: App, sessions: usize, limit: u64) -> Arc<Self> {
        let empty = || {
            Mutex::new(Slot {
                lineage: Arc::default(),
                visitor: Visitor::new(),
            })
        };
        Arc::new(Self {
            app,
            slots: (0..sessions).map(|_| empty()).collect(),
            tags: AtomicU64::new(1),
            requests: AtomicU64::new(0),
            limit,
        })
    }

    /// Runs all clients, then counts the results. Returns the number of requests.
    ///
    /// # Panics
    /// If the contract is violated.
    pub async fn run(self: Arc<Self>, clients: u64, seed: u64) -> u64 {
        for slot in 0..self.slots.len() {
            self.sign_in(slot).await;
        }
        let tasks: Vec<_> = (0..clients)
            .map(|client| {
                let (crowd, mut rng) = (Arc::clone(&self), Rng::new(seed ^ client << 32));
                tokio::spawn(async move {
                    while crowd.requests.fetch_add(1, Ordering::Relaxed) < crowd.limit {
                        crowd.visit(&mut rng).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("a client was wronged");
        }
        for slot in &self.slots {
            let slot = lock(slot).clone();
            self.count(&slot).await;
        }
        self.requests.load(Ordering::Relaxed)
    }

    /// Opens a new session for a slot; the first write creates it.
    async fn sign_in(&self, slot: usize) {
        let (lineage, mut visitor) = (Arc::<Lineage>::default(), Visitor::new());
        let tag = self.tag(&lineage);
        let session: Session<Data> = self.app.begin(&visitor);
        write(&session, tag)
            .await
            .expect("a new session takes everything");
        self.app
            .finish(&session, &mut visitor)
            .await
            .expect("a new session is made");
        lineage.lock().tags.insert(tag, Fate::Acknowledged);
        *lock(&self.slots[slot]) = Slot { lineage, visitor };
    }

    fn tag(&self, lineage: &Lineage) -> u64 {
        let tag = self.tags.fetch_add(1, Ordering::Relaxed);
        lineage.lock().tags.insert(tag, Fate::Pending);
        tag
    }

    async fn visit(&self, rng: &mut Rng) {
        let at = rng.below(self.slots.len());
        let (slot, ends) = {
            let slot = lock(&self.slots[at]);
            let ends = slot.lineage.lock().ends.1;
            (slot.clone(), ends)
        };
        let may_be_gone = |lineage: &Lineage| lineage.lock().ends.0 > ends;
        let check = |got: Result<()>| match got {
            Ok(()) => {}
            Err(error) => assert!(
                error.kind() == ErrorKind::Gone && may_be_gone(&slot.lineage),
                "nobody ended this session: {error:?}"
            ),
        };
        match rng.below(100) {
            0..50 => check(self.write(&slot, rng).await),
            50..70 => check(self.read(&slot).await),
            70..80 => check(self.leave_notice(&slot, rng).await),
            80..88 => check(self.take_notice(&slot).await),
            88..92 => {
                slot.lineage.lock().ends.0 += 1;
                let renewed = self.renew(at, slot.clone()).await;
                slot.lineage.lock().ends.1 += 1;
                check(renewed);
            }
            92..94 => {
                slot.lineage.lock().ends.0 += 1;
                self.destroy(at, slot.clone()).await;
                slot.lineage.lock().ends.1 += 1;
            }
            94..96 => {
                self.app.clock.advance(Duration::from_millis(200));
                let now = self.app.clock.now();
                self.app
                    .sessions
                    .store()
                    .sweep(now, 100)
                    .await
                    .expect("a sweep");
            }
            _ => self.come_back(&slot, rng).await,
        }
    }

    async fn write(&self, slot: &Slot, rng: &mut Rng) -> Result<()> {
        let tag = self.tag(&slot.lineage);
        let session: Session<Data> = self.app.begin(&slot.visitor);
        let fate = |fate| {
            slot.lineage.lock().tags.insert(tag, fate);
        };
        let lives = session.is_live().await;
        let written = match lives {
            Ok(true) => write(&session, tag).await,
            Ok(false) => {
                fate(Fate::Failed);
                assert!(slot.lineage.lock().ends.0 > 0, "a session is lost");
                return Ok(());
            }
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            fate(Fate::Failed);
            return Err(error);
        }
        match rng.below(20) {
            0 => {
                self.app
                    .sessions
                    .abandon(&session, &mut http::HeaderMap::new());
                fate(Fate::Failed);
                Ok(())
            }
            1 => {
                fate(Fate::Unknown);
                let mut visitor = slot.visitor.clone();
                let finish = self.app.finish(&session, &mut visitor);
                let _ = tokio::time::timeout(Duration::ZERO, finish).await;
                Ok(())
            }
            _ => {
                let mut visitor = slot.visitor.clone();
                let result = self.app.finish(&session, &mut visitor).await;
                fate(match result {
                    Ok(_) => Fate::Acknowledged,
                    Err(_) => Fate::Failed,
                });
                if result.is_ok() {
                    assert!(
                        visitor.cookie() == slot.visitor.cookie(),
                        "a write to a session that is there gave another cookie"
                    );
                }
                result.map(drop)
            }
        }
    }

    /// All earlier acknowledged commits are visible, and no commit is visible partially.
    async fn read(&self, slot: &Slot) -> Result<()> {
        let (acknowledged, destroyed) = {
            let known = slot.lineage.lock();
            let acknowledged: Vec<_> = known
                .tags
                .iter()
                .filter(|(_, fate)| **fate == Fate::Acknowledged)
                .map(|(tag, _)| *tag)
                .collect();
            (acknowledged, known.destroyed)
        };
        let session: Session<Data> = self.app.begin(&slot.visitor);
        let data = session.load().await?;
        if session.is_live().await? {
            assert!(!destroyed, "a destroyed session is there again");
            whole(slot, &data, &acknowledged);
        } else {
            let known = slot.lineage.lock();
            assert!(known.ends.0 > 0, "a session is lost");
        }
        self.app
            .finish(&session, &mut Visitor::new())
            .await
            .map(drop)
    }

    async fn leave_notice(&self, slot: &Slot, rng: &mut Rng) -> Result<()> {
        let tag = self.tags.fetch_add(1, Ordering::Relaxed);
        let session: Session<Data> = self.app.begin(&slot.visitor);
        if !session.is_live().await? {
            return Ok(());
        }
        // A failing request leaves an odd mark, which must never become visible.
        let fails = rng.chance(1, 5);
        session.notice().set(tag * 2 + u64::from(fails))?;
        match fails {
            true => self
                .app
                .sessions
                .abandon(&session, &mut http::HeaderMap::new()),
            false => drop(self.app.finish(&session, &mut Visitor::new()).await?),
        }
        Ok(())
    }

    async fn take_notice(&self, slot: &Slot) -> Result<()> {
        let session: Session<Data> = self.app.begin(&slot.visitor);
        if let Some(notice) = session.notice().await? {
            assert!(notice % 2 == 0, "the notice of a request that failed");
            let first = slot.lineage.lock().taken.insert(notice);
            assert!(first, "a notice was taken twice");
        }
        self.app
            .sessions
            .abandon(&session, &mut http::HeaderMap::new());
        Ok(())
    }

    async fn renew(&self, at: usize, mut slot: Slot) -> Result<()> {
        let old = slot.visitor.clone();
        let session: Session<Data> = self.app.begin(&slot.visitor);
        if !session.is_live().await? {
            return Ok(());
        }
        session.renew()?;
        self.app.finish(&session, &mut slot.visitor).await?;
        assert_ne!(slot.visitor, old);
        let mut current = lock(&self.slots[at]);
        slot.lineage.lock().former.push(old);
        if Arc::ptr_eq(&current.lineage, &slot.lineage) {
            *current = slot;
        }
        Ok(())
    }

    async fn destroy(&self, at: usize, slot: Slot) {
        let session: Session<Data> = self.app.begin(&slot.visitor);
        let destroyed = match session.is_live().await {
            Ok(true) => session.destroy().is_ok(),
            _ => false,
        };
        if destroyed && self.app.finish(&session, &mut Visitor::new()).await.is_ok() {
            // Another client may have destroyed the session in the meantime, which is equally valid.
            let first = {
                let mut known = slot.lineage.lock();
                known.former.push(slot.visitor.clone());
                !std::mem::replace(&mut known.destroyed, true)
            };
            if !first {
                return;
            }
            self.sign_in(at).await;
            self.come_back(&slot, &mut Rng::new(0)).await;
        }
    }

    /// A request with a dead id is a new visitor.
    async fn come_back(&self, slot: &Slot, rng: &mut Rng) {
        let former = {
            let known = slot.lineage.lock();
            if known.former.is_empty() {
                return;
            }
            known.former[rng.below(known.former.len())].clone()
        };
        let session: Session<Data> = self.app.begin(&former);
        match session.get_all().await {
            Ok(all) => assert!(all.is_empty(), "a dead id opens {all:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Gone),
        }
        self.app
            .sessions
            .abandon(&session, &mut http::HeaderMap::new());
    }

    /// Nothing is lost or duplicated, and nothing of a failed request is stored.
    async fn count(&self, slot: &Slot) {
        let session: Session<Data> = self.app.begin(&slot.visitor);
        let data = session.load().await.expect("a session that can be read");
        let known = slot.lineage.lock();
        let count = |fate| known.tags.values().filter(|of| **of == fate).count();
        let (sure, perhaps) = (count(Fate::Acknowledged), count(Fate::Unknown));
        let listed: BTreeSet<_> = data.list.iter().copied().collect();
        assert_eq!(listed.len(), data.list.len(), "an update was stored twice");
        assert_eq!(
            data.visits,
            data.list.len() as u64,
            "what one commit wrote is there by half"
        );
        assert!((sure..=sure + perhaps).contains(&data.list.len()));
        for tag in known.seen.iter().chain(&listed) {
            let fate = known.tags.get(tag);
            assert!(
                matches!(fate, Some(Fate::Acknowledged | Fate::Unknown)),
                "a request that failed has left {tag}: {fate:?}"
            );
        }
    }
}

/// Adds one tag to every field.
async fn write(session: &Session<Data>, tag: u64) -> Result<()> {
    session.list().update(move |list| list.push(tag)).await?;
    session.visits().add(1)?;
    session.left().set(tag)?;
    session.right().set(tag)
}

fn whole(slot: &Slot, data: &Data, acknowledged: &[u64]) {
    assert_eq!(data.left, data.right, "half of a commit");
    assert_eq!(data.visits, data.list.len() as u64, "half of a commit");
    assert_eq!(data.list.last(), Some(&data.left), "half of a commit");
    let listed: BTreeSet<_> = data.list.iter().copied().collect();
    for tag in acknowledged {
        assert!(listed.contains(tag), "{tag} was acknowledged and is lost");
    }
    slot.lineage.lock().seen.extend(listed);
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
