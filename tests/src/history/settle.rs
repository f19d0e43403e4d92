//! The end of a history: the store must contain the same sessions as the model, and must be able to remove all of them.

use super::{
    data::{self, Field},
    run::Stage,
    stepping::wait,
    watch::{Watch, Watched},
};
use level_session::store::{Digest, Result, Select};
use std::{sync::atomic::Ordering, time::Duration};

/// After this many histories on one store, its sessions are no longer listed after each history.
const LISTED_ALWAYS: u64 = 200;
/// The interval at which the sessions are listed after that.
const LISTED_SELDOM: u64 = 64;

impl Stage {
    /// Compares the remaining sessions with the model, and removes them.
    pub(super) fn settle(&self, watched: &Watched) {
        let mut watch = watched.lock();
        if watch.violation.is_some() || watch.overflown {
            return self.empty();
        }
        watch.tell(|_| "in the end".into());
        let now = self.clock.now();
        let live = watch.model.page(now);
        if self.lists() {
            match self.listed() {
                Ok(page) => watch.check(page == live, |_| {
                    format!("{page:?} are listed, and {live:?} live")
                }),
                Err(error) => watch.violated(format!("no list: {error:?}")),
            }
        }
        for id in &live {
            match wait(self.store.load(*id, Select::All, now)) {
                Ok(loaded) => drop(watch.loaded(*id, Select::All, now, &loaded)),
                Err(error) => watch.violated(format!("no read: {error:?}")),
            }
        }
        for (tag, entry) in watch.entries.clone() {
            let mut wanted: Vec<_> = live
                .iter()
                .copied()
                .filter(|id| {
                    let user = watch
                        .model
                        .live(*id)
                        .and_then(|live| live.fields.get(&Field::User));
                    user.is_some_and(|stored| stored.held == data::number(tag))
                })
                .collect();
            match wait(self.store.find(Field::User.key(), &entry, None, 1_000, now)) {
                Ok(found) => {
                    let mut found: Vec<_> = found.items.iter().map(|found| found.id).collect();
                    found.sort_unstable();
                    wanted.sort_unstable();
                    watch.check(found == wanted, |_| {
                        format!("user {tag} is found in {found:?}, not {wanted:?}")
                    });
                }
                Err(error) => watch.violated(format!("no look-up: {error:?}")),
            }
        }
        events(&mut watch);
        drop(watch);
        self.empty();
        if self.lists() {
            match self.listed() {
                Ok(page) => watched.lock().check(page.is_empty(), |_| {
                    "something outlives its deadline".into()
                }),
                Err(error) => watched.lock().violated(format!("no list: {error:?}")),
            }
        }
        self.played.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether to list the remaining sessions. A list steps over everything that was stored and is not compacted yet,
    /// so it takes longer with each history.
    fn lists(&self) -> bool {
        let played = self.played.load(Ordering::Relaxed);
        played < LISTED_ALWAYS || played.is_multiple_of(LISTED_SELDOM)
    }

    /// All live sessions, in order.
    fn listed(&self) -> Result<Vec<Digest>> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = wait(self.store.page(after.as_ref(), 10_000, self.clock.now()))?;
            all.extend(page.items);
            after = page.next;
            if after.is_none() {
                all.sort_unstable();
                all.dedup();
                return Ok(all);
            }
        }
    }

    /// Lets all sessions expire.
    fn empty(&self) {
        self.clock.advance(Duration::from_secs(3_700));
        while wait(self.store.sweep(self.clock.now(), 10_000)).is_ok_and(|swept| swept.more) {}
    }
}

/// Every begin and every end is reported once.
fn events(watch: &mut Watch) {
    let mut told = std::mem::take(&mut watch.told_events);
    let mut all_due = std::mem::take(&mut watch.due_events);
    // If the generator repeats itself, an id may be created twice: the sessions that must be reported come first.
    all_due.sort_by_key(|(unit, _)| watch.units[*unit].cancelled);
    for (unit, due) in all_due {
        let at = told.iter().position(|event| due.is(event));
        match at {
            Some(at) => drop(told.swap_remove(at)),
            None if watch.units[unit].cancelled => {}
            None => watch.violated(format!("{due:?} is not told")),
        }
    }
    watch.check(told.is_empty(), |_| {
        format!("{told:?} is told and is not so")
    });
}
