//! The statement of an attempt.

use super::Known;
use crate::{
    codec::{self, Cell, at_least, duration, time},
    param::{Param, Place, Statement},
    row::{self, LIFE},
    server::Server,
    statements::{after, entry_of, has_entry, is_live},
};
use level_session_store::{
    Bytes, Clear, Commit, Digest, Lease, Op, RESERVED_PREFIX, Result, Step, Timeouts, Timestamp,
    Use, WhenFull, rules, rules::Life,
};
use std::{borrow::Cow, collections::BTreeMap};
use tokio_postgres::Row;

/// A statement, and how to read its row.
pub(super) struct Attempt {
    /// Statements of the same transaction, run first, that take locks.
    pub(super) before: Vec<Statement>,
    pub(super) statement: Statement,
    tells_times: bool,
    tells_ended: bool,
}

/// The result of a statement that applied.
pub(super) struct Answer {
    pub(super) life: Option<Life>,
    /// Whether the separate table has values that no field refers to.
    pub(super) is_stale: bool,
    pub(super) ended: Vec<Digest>,
}

/// The statement of a commit, given the resulting bytes of each write. `None` if it cannot apply.
pub(super) fn attempt(
    server: &Server,
    commit: &Commit<'_>,
    known: &Known,
    values: &[Option<Bytes>],
) -> Result<Option<Attempt>> {
    let Some(change) = Change::of(commit, known, values) else {
        return Ok(None);
    };
    let mut writer = Writer {
        server,
        commit,
        change,
        out: Statement::default(),
        before: Vec::new(),
        after: Vec::new(),
        conditions: Vec::new(),
    };
    let over = writer.limits(known.current)?;
    let main = match commit.step {
        Step::Create { created, lease, .. } => writer.create(created, lease),
        Step::Keep { usage, .. } => writer.keep(known.current, usage.as_ref()),
        Step::Renew {
            to,
            lease,
            former_works_until,
            ..
        } => writer.renew(to, lease, former_works_until),
        Step::Destroy => writer.destroy(known.current),
        _ => return Err(rules::unknown("step")),
    };
    let tells_times = matches!(commit.step, Step::Keep { .. } | Step::Renew { .. });
    let tells = match tells_times {
        true => format!("{LIFE}, stale"),
        false => "false".to_owned(),
    };
    let before = match commit.limits {
        [] => Vec::new(),
        _ => locks(server, commit),
    };
    let tells_ended = over.is_some();
    let statement = writer.finish(main, &tells, over);
    Ok(Some(Attempt {
        before,
        statement,
        tells_times,
        tells_ended,
    }))
}

impl Attempt {
    pub(super) fn read(&self, row: &Row) -> Result<Answer> {
        let life = match self.tells_times {
            true => row::life(row)?,
            false => None,
        };
        let next = if self.tells_times { 11 } else { 0 };
        let mut ended = Vec::new();
        if self.tells_ended {
            for bytes in row::get::<Vec<&[u8]>>(row, next + 1)? {
                ended.push(row::as_digest(bytes)?);
            }
            ended.sort_unstable();
            ended.dedup();
        }
        Ok(Answer {
            life,
            is_stale: row::get(row, next)?,
            ended,
        })
    }
}

/// The changes of a commit to a row's documents.
struct Change<'a> {
    /// Every field that it names, except those that it clears.
    names: Vec<String>,
    set: Vec<(Cow<'a, str>, Cell)>,
    removed: Vec<String>,
    /// Fields whose entry is replaced, and the new entries.
    unindexed: Vec<String>,
    entries: Vec<(Cow<'a, str>, String)>,
    /// The fields that must be stored with given bytes, and those that must be absent.
    expected: Vec<(Cow<'a, str>, String)>,
    absent: Vec<String>,
    /// Values for the separate table.
    hashes: Vec<Vec<u8>>,
    bytes: Vec<Vec<u8>>,
}

impl<'a> Change<'a> {
    /// `None` if a field would have to have two values at once.
    fn of(commit: &Commit<'a>, known: &'a Known, values: &[Option<Bytes>]) -> Option<Self> {
        let mut must: BTreeMap<&str, Option<&Bytes>> = BTreeMap::new();
        let counters = known.counters.iter();
        let counters = counters.map(|(name, seen)| (&**name, seen.as_ref()));
        let guards = commit.guards.iter();
        let guards = guards.map(|guard| (&*guard.field, guard.expected.as_ref()));
        for (name, bytes) in guards.chain(counters) {
            if must.insert(name, bytes).is_some_and(|other| other != bytes) {
                return None;
            }
        }
        let mut change = Self {
            names: Vec::new(),
            set: Vec::new(),
            removed: Vec::new(),
            unindexed: Vec::new(),
            entries: Vec::new(),
            expected: Vec::new(),
            absent: Vec::new(),
            hashes: Vec::new(),
            bytes: Vec::new(),
        };
        for (name, bytes) in must {
            match bytes {
                Some(bytes) => change
                    .expected
                    .push((codec::name(name), Cell::of(bytes).text)),
                None => change.absent.push(codec::name(name).into_owned()),
            }
        }
        for (write, bytes) in commit.writes.iter().zip(values) {
            let name = codec::name(&write.field);
            change.names.push(name.clone().into_owned());
            if !matches!(write.op, Op::Add { .. }) {
                change.unindexed.push(name.clone().into_owned());
            }
            let Some(bytes) = bytes else {
                change.removed.push(name.into_owned());
                continue;
            };
            let index = rules::index_after(write, || None);
            if let Some(entry) = index {
                change.entries.push((name.clone(), codec::entry(&entry)));
            }
            let cell = Cell::of(bytes);
            if let Some(hash) = cell.hash
                && !change.hashes.iter().any(|other| **other == hash)
            {
                change.hashes.push(hash.to_vec());
                change.bytes.push(bytes.to_vec());
            }
            change.set.push((name, cell));
        }
        if matches!(commit.step, Step::Create { .. }) {
            // Nothing is stored yet: a guard cannot expect a value, and the fields are those that are set.
            let most = commit.max_fields.unwrap_or(usize::MAX);
            if !change.expected.is_empty() || change.set.len() > most {
                return None;
            }
        }
        Some(change)
    }

    fn set_document(&self) -> String {
        let cells = self.set.iter();
        codec::object(cells.map(|(name, cell)| (name.clone(), &*cell.text)))
    }

    fn entries_document(&self) -> String {
        let entries = self.entries.iter();
        codec::object(entries.map(|(name, entry)| (name.clone(), &**entry)))
    }
}

struct Writer<'a> {
    server: &'a Server,
    commit: &'a Commit<'a>,
    change: Change<'a>,
    out: Statement,
    /// Parts that the main statement, `up`, reads, and those that work on its row.
    before: Vec<String>,
    after: Vec<String>,
    /// The conditions of the limits.
    conditions: Vec<String>,
}

impl Writer<'_> {
    fn number(&mut self, number: i64) -> Place {
        self.out.bind(Param::Number(number))
    }

    fn time(&mut self, at: Timestamp) -> Place {
        self.number(time(at))
    }

    fn maybe(&mut self, number: Option<i64>) -> Place {
        self.out.bind(Param::MaybeNumber(number))
    }

    fn digest(&mut self, id: Digest) -> Place {
        self.out.bind(Param::Digest(*id.as_bytes()))
    }

    /// Counts the sessions with the entries of the commit's limits, and returns the query for those that have to end.
    fn limits(&mut self, current: Digest) -> Result<Option<String>> {
        if self.commit.limits.is_empty() {
            return Ok(None);
        }
        let schema = &self.server.schema;
        let current = self.digest(current);
        let now = self.time(self.commit.now);
        let mut over = Vec::new();
        for (n, limit) in self.commit.limits.iter().enumerate() {
            let entry = Param::Json(entry_of(&limit.field, &limit.entry));
            let entry = self.out.bind(entry);
            let most = i64::try_from(limit.most.max(1)).unwrap_or(i64::MAX - 1);
            let most = self.number(most);
            let has_it = has_entry(entry, now);
            self.before.push(format!(
                "o{n} AS MATERIALIZED (SELECT digest, started FROM {schema}.session \
                 WHERE {has_it} AND digest <> {current})"
            ));
            match limit.when_full {
                WhenFull::Refuse => self.conditions.push(format!(
                    "((SELECT count(*) FROM o{n}) < {most} OR EXISTS (SELECT FROM {schema}.session \
                     WHERE digest = {current} AND {has_it}))"
                )),
                WhenFull::EndOldest => over.push(format!(
                    "(SELECT digest FROM o{n} ORDER BY started, digest \
                     LIMIT (SELECT greatest(0, count(*) + 1 - {most}) FROM o{n}))"
                )),
                _ => return Err(rules::unknown("limit")),
            }
        }
        Ok((!over.is_empty()).then(|| over.join(" UNION ")))
    }

    fn create(&mut self, created: Timestamp, lease: Lease) -> String {
        let schema = &self.server.schema;
        let mut values = vec![
            self.digest(self.commit.id).to_string(),
            self.time(lease.deadline()).to_string(),
            self.time(created).to_string(),
        ];
        values.extend(self.lease(lease).map(|place| place.to_string()));
        let entries = Param::Json(self.change.entries_document());
        let fields = Param::Json(self.change.set_document());
        values.push(self.out.bind(entries).to_string());
        values.push(self.out.bind(fields).to_string());
        values.push((!self.change.hashes.is_empty()).to_string());
        let conditions = match self.conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", self.conditions.join(" AND ")),
        };
        format!(
            "INSERT INTO {schema}.session (digest, due, created, started, seen, told, idle_at, absolute_at, own_idle, \
             own_absolute, transient, entries, fields, aside) SELECT {}{conditions} \
             ON CONFLICT (digest) DO NOTHING",
            values.join(", ")
        )
    }

    /// The columns of a lease, from `started` to `transient`.
    fn lease(&mut self, lease: Lease) -> [Place; 8] {
        let own = lease.lifetime;
        [
            self.time(lease.started),
            self.time(lease.seen),
            self.time(lease.told),
            self.time(lease.idle_deadline),
            self.maybe(lease.absolute_deadline.map(time)),
            self.maybe(own.map(|own| duration(own.timeouts.idle))),
            self.maybe(own.and_then(|own| own.timeouts.absolute).map(duration)),
            self.out
                .bind(Param::Flag(own.is_some_and(|own| own.transient))),
        ]
    }

    fn keep(&mut self, current: Digest, usage: Option<&Use>) -> String {
        let mut set = self.documents();
        let mut conditions = self.lives(current);
        if let Some(usage) = usage {
            let now = self.time(self.commit.now);
            let (idle, absolute) =
                self.timeouts(usage.timeouts, usage.max_lifetime, now, &mut conditions);
            let due_after = match usage.forced {
                true => 0,
                false => at_least(usage.due_after),
            };
            let due_after = self.number(due_after);
            // `Lease::after_use`. If the use is not due, both deadlines keep their values.
            let last = if usage.tells_client { "told" } else { "seen" };
            let ends = after("started", &absolute);
            let due = format!(
                "(({now} > {last} AND {now} - {last} >= {due_after}) OR idle_at <> {} OR \
                 absolute_at IS DISTINCT FROM {ends})",
                after("seen", &idle)
            );
            let seen = format!("CASE WHEN {due} THEN greatest(seen, {now}) ELSE seen END");
            let idles = after(&format!("({seen})"), &idle);
            if usage.tells_client {
                set.push(format!(
                    "told = CASE WHEN {due} THEN greatest(seen, {now}) ELSE told END"
                ));
            }
            set.push(format!("seen = {seen}"));
            set.push(format!("idle_at = {idles}"));
            set.push(format!("absolute_at = {ends}"));
            set.push(format!("due = least(due, {idles}, {ends})"));
            if current == self.commit.id {
                set.push("former = NULL".to_owned());
                set.push("former_until = NULL".to_owned());
            }
        }
        if set.is_empty() {
            // This only determines whether the commit applies: the row is locked and not written.
            return self.lock_only(&conditions);
        }
        self.update(&set, &conditions)
    }

    /// A commit that changes nothing still checks its guards.
    fn lock_only(&self, conditions: &[String]) -> String {
        format!(
            "UPDATE {}.session SET stale = stale WHERE {}",
            self.server.schema,
            conditions.join(" AND ")
        )
    }

    fn destroy(&mut self, current: Digest) -> String {
        let conditions = self.lives(current);
        let at = self.commit.ended_at;
        let (ended, due) = (self.time(at), self.time(rules::remembered_until(at)));
        let schema = &self.server.schema;
        self.after.push(format!(
            "big AS (DELETE FROM {schema}.value v USING up WHERE v.digest = up.digest)"
        ));
        let set = mark(ended, due);
        self.update(&[set], &conditions)
    }

    fn renew(&mut self, to: Digest, lease: Lease, until: Option<Timestamp>) -> String {
        let mut set = self.documents();
        let mut conditions = self.lives(self.commit.id);
        let now = self.time(self.commit.now);
        if lease.lifetime.is_none() {
            // The timeouts that its deadlines were calculated with.
            let absolute = lease.absolute_deadline.map(|at| at.since(lease.started));
            let timeouts = Timeouts::new(lease.idle_deadline.since(lease.seen));
            self.timeouts(timeouts.with_absolute(absolute), None, now, &mut conditions);
        }
        let until = until.filter(|until| self.commit.now < *until);
        let (old, new) = (self.digest(self.commit.id), self.digest(to));
        set.push(format!("digest = {new}"));
        let due = self.time(lease.deadline());
        set.push(format!("due = {due}"));
        let columns = "started seen told idle_at absolute_at own_idle own_absolute transient";
        for (column, place) in columns.split(' ').zip(self.lease(lease)) {
            set.push(format!("{column} = {place}"));
        }
        let works_until = self.maybe(until.map(time));
        set.push(format!("former_until = {works_until}"));
        set.push(match until {
            Some(_) => format!("former = {old}"),
            None => "former = NULL".to_owned(),
        });
        let ended = self.time(self.commit.ended_at);
        let forgotten = rules::remembered_until(until.unwrap_or(self.commit.ended_at));
        let forgotten = self.time(forgotten);
        let moved = match until {
            Some(_) => new.to_string(),
            None => "NULL::bytea".to_owned(),
        };
        let schema = &self.server.schema;
        self.after.push(format!(
            "mark AS (INSERT INTO {schema}.session (digest, ended, moved, due) \
             SELECT {old}, {ended}, {moved}, {forgotten} FROM up)"
        ));
        if !self.change.hashes.is_empty() {
            // The values move with the session: a value that is written again would violate the primary key.
            let hashes = self.out.bind(Param::ManyBytes(self.change.hashes.clone()));
            self.after.push(format!(
                "again AS (DELETE FROM {schema}.value v USING up WHERE v.digest = {old} AND v.hash = ANY({hashes}))"
            ));
        }
        self.update(&set, &conditions)
    }

    /// `Life::is_live_for`: adds the conditions of the deployment's timeouts, and returns those that apply to the
    /// session.
    fn timeouts(
        &mut self,
        timeouts: Timeouts,
        max_lifetime: Option<Timeouts>,
        now: Place,
        conditions: &mut Vec<String>,
    ) -> (String, String) {
        let idle = self.number(duration(timeouts.idle));
        let absolute = self.maybe(timeouts.absolute.map(duration));
        // PostgreSQL's `least` ignores a NULL, which means that there is no absolute timeout.
        let (own_idle, own_absolute) = match max_lifetime {
            None => ("own_idle".to_owned(), "own_absolute".to_owned()),
            Some(most) => (
                format!("least(own_idle, {})", self.number(duration(most.idle))),
                format!(
                    "least(own_absolute, {})",
                    self.maybe(most.absolute.map(duration))
                ),
            ),
        };
        let own = |own, deployment| {
            format!("(CASE WHEN own_idle IS NULL THEN {deployment} ELSE {own} END)")
        };
        let (idle, absolute) = (own(own_idle, idle), own(own_absolute, absolute));
        conditions.push(format!("{} > {now}", after("seen", &idle)));
        conditions.push(format!(
            "coalesce({} > {now}, true)",
            after("started", &absolute)
        ));
        (idle, absolute)
    }

    /// The conditions of every commit on a session: it is live under this id, and the guards hold.
    fn lives(&mut self, current: Digest) -> Vec<String> {
        let now = self.time(self.commit.now);
        let digest = self.digest(current);
        let mut conditions = vec![format!("digest = {digest}"), is_live(now)];
        if current != self.commit.id {
            // The statement checks again whether the former id works: a use may have ended it meanwhile.
            let former = self.digest(self.commit.id);
            conditions.push(format!("former = {former} AND former_until > {now}"));
        }
        if !self.change.expected.is_empty() {
            let expected = self.change.expected.iter();
            let expected = codec::object(expected.map(|(name, text)| (name.clone(), &**text)));
            let expected = self.out.bind(Param::Json(expected));
            conditions.push(format!("fields @> {expected}"));
        }
        if !self.change.absent.is_empty() {
            let absent = self.out.bind(Param::Texts(self.change.absent.clone()));
            conditions.push(format!("NOT fields ?| {absent}"));
        }
        conditions.append(&mut self.conditions);
        if let Some(most) = self.commit.max_fields
            && !self.change.set.is_empty()
        {
            let most = self.number(i64::try_from(most).unwrap_or(i64::MAX));
            let (fields, quick) = (
                self.fields(),
                match self.commit.clear {
                    Clear::Nothing => {
                        let names = self.change.set.iter().map(|(name, _)| name.to_string());
                        let names = Param::Texts(names.collect());
                        format!("fields ?& {} OR ", self.out.bind(names))
                    }
                    _ => String::new(),
                },
            );
            conditions.push(format!(
                "({quick}(SELECT count(*) FROM jsonb_object_keys({fields})) <= \
                 greatest({most}, (SELECT count(*) FROM jsonb_object_keys(fields))))"
            ));
        }
        conditions
    }

    /// The fields after the commit.
    fn fields(&mut self) -> String {
        let mut fields = cleared("fields", self.commit.clear);
        if !self.change.removed.is_empty() {
            let removed = self.out.bind(Param::Texts(self.change.removed.clone()));
            fields = format!("({fields} - {removed})");
        }
        if !self.change.set.is_empty() {
            let set = self.out.bind(Param::Json(self.change.set_document()));
            fields = format!("({fields} || {set})");
        }
        fields
    }

    /// The assignments to the row's documents and to the columns that depend on them.
    fn documents(&mut self) -> Vec<String> {
        let mut set = Vec::new();
        let clears = self.commit.clear != Clear::Nothing;
        if !clears && self.change.names.is_empty() {
            return set;
        }
        let fields = self.fields();
        set.push(format!("fields = {fields}"));
        let mut entries = cleared("entries", self.commit.clear);
        if !self.change.unindexed.is_empty() {
            let names = self.out.bind(Param::Texts(self.change.unindexed.clone()));
            entries = format!("({entries} - {names})");
        }
        if !self.change.entries.is_empty() {
            let document = self.out.bind(Param::Json(self.change.entries_document()));
            entries = format!("({entries} || {document})");
        }
        if entries != "entries" {
            set.push(format!("entries = {entries}"));
        }
        if !self.change.hashes.is_empty() {
            set.push("aside = true".to_owned());
        }
        // Only a session known to have large values is checked for stale ones. A wrong guess costs a `tidy` afterwards.
        let asks = !clears && self.server.asides.has(self.commit.id);
        set.push(match asks {
            false => "stale = stale OR aside".to_owned(),
            true => {
                let names = self.out.bind(Param::Texts(self.change.names.clone()));
                format!(
                    "stale = stale OR (aside AND EXISTS (\
                     SELECT FROM unnest({names}) n WHERE fields ->> n LIKE '#%'))"
                )
            }
        });
        set
    }

    fn update(&self, set: &[String], conditions: &[String]) -> String {
        format!(
            "UPDATE {}.session SET {} WHERE {}",
            self.server.schema,
            set.join(", "),
            conditions.join(" AND ")
        )
    }

    fn finish(mut self, main: String, tells: &str, over: Option<String>) -> Statement {
        let schema = &self.server.schema;
        if !self.change.hashes.is_empty() {
            let hashes = self.out.bind(Param::ManyBytes(self.change.hashes.clone()));
            let bytes = self.out.bind(Param::ManyBytes(self.change.bytes.clone()));
            self.after.push(format!(
                "new AS (INSERT INTO {schema}.value SELECT up.digest, v.hash, v.bytes \
                 FROM up, unnest({hashes}, {bytes}) v (hash, bytes) ON CONFLICT DO NOTHING)"
            ));
        }
        let mut told = tells.to_owned();
        if let Some(over) = over {
            let at = self.commit.others_ended_at;
            let (ended, due) = (self.time(at), self.time(rules::remembered_until(at)));
            self.after.push(format!(
                "gone AS (UPDATE {schema}.session s SET {} FROM ({over}) over \
                 WHERE s.digest = over.digest AND EXISTS (SELECT FROM up) RETURNING s.digest)",
                mark(ended, due)
            ));
            self.after.push(format!(
                "theirs AS (DELETE FROM {schema}.value v USING gone WHERE v.digest = gone.digest)"
            ));
            told.push_str(", ARRAY(SELECT digest FROM gone)");
        }
        if let Some(level) = self.server.synchronous_commit {
            told.push_str(&format!(
                ", set_config('synchronous_commit', '{level}', true)"
            ));
        }
        if self.before.is_empty() && self.after.is_empty() {
            self.out.push(format_args!("{main} RETURNING {told}"));
        } else {
            let mut parts = self.before;
            parts.push(format!("up AS ({main} RETURNING *)"));
            parts.extend(self.after);
            let parts = parts.join(", ");
            self.out
                .push(format_args!("WITH {parts} SELECT {told} FROM up"));
        }
        self.out
    }
}

/// The assignments that turn a session's row into a mark.
fn mark(ended: Place, due: Place) -> String {
    format!(
        "ended = {ended}, due = {due}, moved = NULL, created = NULL, started = NULL, seen = NULL, told = NULL, \
         idle_at = NULL, absolute_at = NULL, own_idle = NULL, own_absolute = NULL, transient = NULL, former = NULL, \
         former_until = NULL, aside = false, stale = false, entries = '{{}}', fields = '{{}}'"
    )
}

/// A document without the members that a commit clears.
fn cleared(document: &str, clear: Clear) -> String {
    match clear {
        Clear::Nothing => document.to_owned(),
        Clear::Fields => format!(
            "coalesce((SELECT jsonb_object_agg(key, value) FROM jsonb_each({document}) \
             WHERE starts_with(key, '{RESERVED_PREFIX}')), '{{}}')"
        ),
        _ => "'{}'::jsonb".to_owned(),
    }
}

/// The locks under which a commit with limits counts: one for each entry, across all processes; and one for each
/// session that it may end, so that none is renewed between the count and the end.
fn locks(server: &Server, commit: &Commit<'_>) -> Vec<Statement> {
    let mut keys: Vec<i64> = commit
        .limits
        .iter()
        .map(|limit| {
            let what = [limit.field.as_bytes(), &[0], &limit.entry].concat();
            server.schema.lock("level-session postgres limit", &what)
        })
        .collect();
    // Always in the same order, so that two commits cannot deadlock.
    keys.sort_unstable();
    let mut entries = Statement::default();
    let keys = entries.bind(Param::Numbers(keys));
    entries.push(format_args!(
        "SELECT pg_advisory_xact_lock(k) FROM unnest({keys}) k"
    ));
    let mut rows = Statement::default();
    let now = rows.bind(Param::Number(time(commit.now)));
    let mut has_one = Vec::new();
    for limit in commit.limits {
        if limit.when_full == WhenFull::EndOldest {
            let entry = rows.bind(Param::Json(entry_of(&limit.field, &limit.entry)));
            has_one.push(format!("({})", has_entry(entry, now)));
        }
    }
    if has_one.is_empty() {
        return vec![entries];
    }
    rows.push(format_args!(
        "SELECT FROM {}.session WHERE {} ORDER BY digest FOR UPDATE",
        server.schema,
        has_one.join(" OR ")
    ));
    vec![entries, rows]
}
