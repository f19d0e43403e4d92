//! Determines why a commit did not apply.

use super::Known;
use crate::{
    load::Record,
    param::{Param, Statement},
    row,
    server::{Doing, Server},
    statements,
};
use level_session_store::{
    Commit, Limit, Op, Outcome, Result, Select, Step, Timestamp, WhenFull, rules,
};
use std::collections::BTreeMap;

const LOOK: Doing = Doing::Reading("determine why a commit does not apply");

pub(crate) enum Explained {
    Refused(Outcome),
    /// There is no reason now, or the commit adds to a counter that has been removed.
    MayApply(Known),
}

impl Server {
    /// The first reason, in the contract's order, that holds now.
    ///
    /// # Errors
    /// The error of an addition, if there is no other reason.
    pub(super) async fn explain(&self, commit: &Commit<'_>) -> Result<Explained> {
        let refused = |outcome| Ok(Explained::Refused(outcome));
        let added = commit
            .writes
            .iter()
            .filter(|write| matches!(write.op, Op::Add { .. }));
        let names: Vec<&str> = commit
            .guards
            .iter()
            .map(|guard| &*guard.field)
            .chain(added.map(|write| &*write.field))
            .collect();
        let select = Select::Names(&names);
        let (mut current, mut stored) = (commit.id, row::Stored::default());
        let record = self.record(commit.id, select).await?;
        match (commit.step, record) {
            (Step::Create { .. }, None) => {}
            (Step::Create { .. }, Some(_)) => return refused(Outcome::Exists),
            (_, Some(Record::Live(life, found))) if life.is_live_for(commit) => stored = found,
            (Step::Keep { .. } | Step::Destroy, Some(Record::Mark { to: Some(to), .. })) => {
                match self.record(to, select).await? {
                    Some(Record::Live(life, found))
                        if life.works_by(commit.id, commit.now) && life.is_live_for(commit) =>
                    {
                        (current, stored) = (to, found);
                    }
                    _ => return refused(Outcome::Gone),
                }
            }
            _ => return refused(Outcome::Gone),
        }
        if let Step::Renew { to, .. } = commit.step
            && self.record(to, Select::Nothing).await?.is_some()
        {
            return refused(Outcome::Exists);
        }
        if let Some(found) = rules::conflict(commit, |name| stored.value(name))? {
            return refused(Outcome::Conflict(found));
        }
        for (at, limit) in commit.limits.iter().enumerate() {
            let refuses = limit.when_full == WhenFull::Refuse;
            if refuses && self.is_full(limit, current, commit.now).await? {
                return refused(Outcome::Full(at));
            }
        }
        let names = stored.names()?;
        let kept = names.iter().filter(|name| !commit.clear.removes(name));
        let kept = kept.count();
        if let Some(fields) = rules::too_many(commit, stored.len(), kept, |name| stored.has(name)) {
            return refused(Outcome::TooMany(fields));
        }
        rules::values(commit, |name| stored.value(name))?;
        let mut counters = BTreeMap::new();
        for write in commit.writes {
            if matches!(write.op, Op::Add { .. }) && !commit.clear.removes(&write.field) {
                counters.insert(write.field.to_string(), stored.value(&write.field)?);
            }
        }
        Ok(Explained::MayApply(Known { current, counters }))
    }

    async fn is_full(
        &self,
        limit: &Limit,
        current: level_session_store::Digest,
        now: Timestamp,
    ) -> Result<bool> {
        let mut look = Statement::default();
        let schema = &self.schema;
        let entry = look.bind(Param::Json(statements::entry_of(
            &limit.field,
            &limit.entry,
        )));
        let now = look.bind(Param::Number(crate::codec::time(now)));
        look.push(format_args!(
            "SELECT digest, started FROM {schema}.session WHERE {}",
            statements::has_entry(entry, now)
        ));
        let mut with_entry = Vec::new();
        for found in self.rows(LOOK, &look).await? {
            if let (Some(id), Some(started)) = (row::digest(&found, 0)?, row::time(&found, 1)?) {
                with_entry.push((started, id));
            }
        }
        Ok(rules::over(limit, current, with_entry).is_none())
    }
}
