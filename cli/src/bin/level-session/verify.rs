//! Checks that records, values, deadlines and index entries are consistent.

use crate::{
    out::{Out, Progress, Result},
    store::{Inspected, Read, handle},
};
use level_session::{
    FieldName, Timestamp, Value,
    store::{Bytes, Digest, Flaw, Meta},
    value::index_entry,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A generous bound on the clock difference between machines.
const CLOCKS_DIFFER: Duration = Duration::from_secs(600);

/// How many index entries, and how many findings, are remembered at most, which bounds memory use.
const MOST_WALKED: usize = 100_000;

/// The sessions of one page, by the index entry that they must have.
type Wanted = BTreeMap<(FieldName, Bytes), BTreeSet<Digest>>;

pub(crate) async fn verify(store: &Inspected, indexes: &[String], out: &mut Out) -> Result<bool> {
    let mut verifying = Verifying {
        store,
        indexes,
        out,
        sessions: 0,
        findings: 0,
        walked: BTreeSet::new(),
        told: BTreeSet::new(),
    };
    verifying.flaws().await?;
    let mut progress = Progress::new("verified", 0);
    let mut after = None;
    loop {
        let page = store.page(after.as_ref()).await?;
        verifying.page(&page.items).await?;
        progress.at(verifying.sessions);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    drop(progress);
    let (sessions, findings) = (verifying.sessions, verifying.findings);
    out.summary(&[("verified", sessions), ("findings", findings)])?;
    Ok(findings == 0)
}

struct Verifying<'a> {
    store: &'a Inspected,
    indexes: &'a [String],
    out: &'a mut Out,
    sessions: u64,
    findings: u64,
    /// Index entries whose sessions have been checked.
    walked: BTreeSet<(FieldName, Bytes)>,
    /// Fields of sessions that the store's own checks have reported.
    told: BTreeSet<(Digest, FieldName)>,
}

impl Verifying<'_> {
    /// Runs the store's own checks, page by page.
    async fn flaws(&mut self) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.store.flaws(after.as_ref()).await?;
            for flaw in page.items {
                self.found(flaw.id, flaw.field.as_deref(), flaw.what)?;
                if let Some(field) = flaw.field
                    && self.told.len() < MOST_WALKED
                {
                    self.told.insert((flaw.id, field));
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn page(&mut self, ids: &[Digest]) -> Result<()> {
        let mut wanted = Wanted::new();
        for (id, read) in self.store.read_page(ids, true).await? {
            match read {
                Ok(None) => {} // the session has ended in the meantime
                Ok(Some(read)) => {
                    self.sessions += 1;
                    self.session(id, &read, &mut wanted)?;
                }
                Err(error) => {
                    self.sessions += 1;
                    self.findings += 1;
                    self.out.unreadable(handle(id), &error)?;
                }
            }
        }
        for ((field, entry), ids) in wanted {
            self.entry(&field, &entry, ids).await?;
        }
        Ok(())
    }

    /// Checks a session by itself.
    fn session(&mut self, id: Digest, read: &Read, wanted: &mut Wanted) -> Result<()> {
        for what in times(&read.meta, self.store.now()) {
            self.found(id, None, what)?;
        }
        let mut names = BTreeSet::new();
        for (name, bytes) in &read.fields {
            if !names.insert(name) {
                self.found(id, Some(name), "is stored twice")?;
            }
            if let Err(cause) = Value::from_stored(bytes) {
                self.found(id, Some(name), &cause.to_string())?;
                continue;
            }
            if self.indexes.iter().any(|index| **index == **name)
                && let Ok(entry) = index_entry(bytes)
            {
                let ids = wanted.entry((name.clone(), entry)).or_default();
                ids.insert(id);
            }
        }
        Ok(())
    }

    /// Checks one index entry: it must list these sessions, and every session that it lists must have the value.
    async fn entry(
        &mut self,
        field: &FieldName,
        entry: &Bytes,
        mut missing: BTreeSet<Digest>,
    ) -> Result<()> {
        // The other sessions of an entry are checked once.
        let is_new =
            self.walked.len() < MOST_WALKED && self.walked.insert((field.clone(), entry.clone()));
        if is_new {
            self.walk(field, entry, &mut missing).await?;
        }
        for id in self.store.missing(field, entry, missing).await? {
            // Read the session again: it may have ended or changed since its page was read.
            if !self.told.contains(&(id, field.clone()))
                && let Ok(Some(true)) = self.has(id, field, entry).await
            {
                let flaw = Flaw::not_indexed(id, field.clone());
                self.found(id, Some(field), flaw.what)?;
            }
        }
        Ok(())
    }

    /// Checks that all sessions that an entry lists have its value.
    async fn walk(
        &mut self,
        field: &FieldName,
        entry: &Bytes,
        missing: &mut BTreeSet<Digest>,
    ) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.store.page_of(field, entry, after.as_ref()).await?;
            for id in page.items {
                // An unreadable session is reported with its own page.
                if !missing.remove(&id)
                    && let Ok(Some(false)) = self.has(id, field, entry).await
                {
                    let what = "is indexed under a value that the session does not have; \
                                run `reindex` to create the entry for its current value";
                    self.found(id, Some(field), what)?;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Whether a session has this value; `None` if it is not live.
    async fn has(
        &self,
        id: Digest,
        field: &FieldName,
        entry: &Bytes,
    ) -> level_session::store::Result<Option<bool>> {
        let Some(read) = self.store.read(id, true).await? else {
            return Ok(None);
        };
        let mut fields = read.fields.iter();
        let stored = fields.find(|(name, _)| name == field);
        let has = stored.and_then(|(_, stored)| index_entry(stored).ok());
        Ok(Some(has.as_ref() == Some(entry)))
    }

    fn found(&mut self, id: Digest, field: Option<&str>, what: &str) -> Result<()> {
        self.findings += 1;
        self.out.finding(handle(id), field, what)
    }
}

/// The contradictions between the times of a session.
fn times(meta: &Meta, now: Timestamp) -> Vec<&'static str> {
    let lease = &meta.lease;
    let latest = now.after(CLOCKS_DIFFER);
    let all = [
        (meta.created > latest, "was created in the future"),
        (lease.started > latest, "signed in in the future"),
        (lease.seen > latest, "was seen in the future"),
        (
            meta.created > lease.started.after(CLOCKS_DIFFER),
            "signed in before it was created",
        ),
        (
            lease.started > lease.seen.after(CLOCKS_DIFFER),
            "was last seen before it signed in",
        ),
        (
            lease.idle_deadline < lease.seen,
            "has an idle deadline before it was last seen",
        ),
        (
            lease
                .absolute_deadline
                .is_some_and(|absolute| absolute < lease.started),
            "has an absolute deadline before it signed in",
        ),
    ];
    let wrong = all.into_iter().filter(|(is_wrong, _)| *is_wrong);
    wrong.map(|(_, what)| what).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use level_session::store::Lease;

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_millis(hours * 3_600_000)
    }

    #[test]
    fn each_time_that_contradicts_another_is_a_finding_and_no_other_is() {
        let lease = Lease::new(at(10), at(20), at(30), Some(at(40)));
        let meta = Meta::new(at(5), lease);
        assert_eq!(times(&meta, at(25)), [""; 0]);
        assert_eq!(times(&meta, at(19)), ["was seen in the future"]);
        let first = |meta: Meta| times(&meta, at(25)).first().copied().unwrap_or("");
        let future = Lease::new(at(26), at(26), at(30), None);
        assert_eq!(
            times(&Meta::new(at(26), future), at(25)),
            [
                "was created in the future",
                "signed in in the future",
                "was seen in the future"
            ]
        );
        assert!(first(Meta::new(at(11), lease)).contains("before it was created"));
        let late = Lease::new(at(21), at(20), at(30), None);
        assert!(first(Meta::new(at(5), late)).contains("before it signed in"));
        let idle = Lease::new(at(10), at(20), at(19), None);
        assert!(first(Meta::new(at(5), idle)).contains("idle deadline"));
        let absolute = Lease::new(at(10), at(20), at(30), Some(at(9)));
        assert!(first(Meta::new(at(5), absolute)).contains("absolute deadline"));
    }
}
