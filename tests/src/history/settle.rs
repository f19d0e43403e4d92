//! The end of a history: what is left in the store must be what is left in the model, and can all be forgotten.

use super::{
    data::{self, Field},
    run::Stage,
    stepping::wait,
    watch::{Watch, Watched},
};
use level_session::store::{Digest, Select};
use std::{sync::atomic::Ordering, time::Duration};

/// After how many histories on one store only a part of its sessions is listed: one in 64.
const LISTED_WHOLE: u64 = 200;

impl Stage {
    /// Compares what is left with the model, and leaves nothing.
    pub(super) fn settle(&self, watched: &Watched) {
        let mut watch = watched.lock();
        if watch.violation.is_some() || watch.overflown {
            return self.empty();
        }
        watch.tell(|_| "in the end".into());
        let now = self.clock.now();
        let live = watch.model.page(now);
        let after = self.list_after();
        let listed: Vec<_> = live
            .iter()
            .copied()
            .filter(|id| Some(*id) > after)
            .collect();
        match wait(self.store.page(after, 1_000_000, now)) {
            Ok(page) => watch.check(page == listed, |_| {
                format!("{page:?} are listed, and {listed:?} live")
            }),
            Err(error) => watch.violated(format!("no list: {error:?}")),
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
            match wait(self.store.find(Field::User.key(), &entry, now)) {
                Ok(found) => {
                    let mut found: Vec<_> = found.into_iter().map(|(id, _)| id).collect();
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
        match wait(self.store.page(after, 1, self.clock.now())) {
            Ok(page) => watched.lock().check(page.is_empty(), |_| {
                "something outlives its deadline".into()
            }),
            Err(error) => watched.lock().violated(format!("no list: {error:?}")),
        }
    }

    /// Where a list begins. A list goes through all that was ever stored and is not compacted yet, which is the longer
    /// the more histories there were: after some of them it is the list's last part that is looked at.
    fn list_after(&self) -> Option<Digest> {
        let played = self.played.fetch_add(1, Ordering::Relaxed);
        (played >= LISTED_WHOLE).then(|| Digest::from_bytes([0xfc; 32]))
    }

    /// Lets everything be forgotten.
    fn empty(&self) {
        self.clock.advance(Duration::from_secs(3_700));
        while wait(self.store.sweep(self.clock.now(), 10_000)).is_ok_and(|swept| swept.more) {}
    }
}

/// Everything that begins and ends is told once.
fn events(watch: &mut Watch) {
    let mut told = std::mem::take(&mut watch.told_events);
    let mut all_due = std::mem::take(&mut watch.due_events);
    // An id may have been made twice, if the generator repeats itself: those that must be told come first.
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
