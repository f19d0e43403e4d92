//! The script of a commit: encodes its arguments and parses its reply.

use crate::{
    keys::{EntryHash, Keys},
    record::{self, Moment, Record, span},
};
use level_session_store::{
    Bytes, Clear, Commit, Digest, Home, Lease, Op, Step, Timestamp, WhenFull, Write, rules,
    rules::Life,
};
use redis::{Cmd, Value};
use std::{fmt::Write as _, time::Duration};

pub(crate) const COMMIT: &str = include_str!("commit.lua");
pub(crate) const TIDY: &str = include_str!("tidy.lua");

/// How long after its deadline a session's key is kept, because clocks differ. The deadline alone decides whether the
/// session is live.
pub(crate) const SLACK: Duration = Duration::from_secs(600);

/// The hashes of the scripts.
pub(crate) struct Hashes {
    commit: String,
    tidy: String,
}

impl Hashes {
    pub(crate) fn new() -> Self {
        let hash = |text: &str| redis::Script::new(text).get_hash().to_owned();
        Self {
            commit: hash(COMMIT),
            tidy: hash(TIDY),
        }
    }

    fn begin(&self, whole: bool, hash: &str, text: &str) -> Cmd {
        let mut command = redis::cmd(if whole { "EVAL" } else { "EVALSHA" });
        command.arg(if whole { text } else { hash });
        command
    }

    pub(crate) fn tidy(&self, whole: bool, keys: &Keys, id: Digest, hash: &EntryHash) -> Cmd {
        let mut command = self.begin(whole, &self.tidy, TIDY);
        let index = keys.index(keys.home(id), hash);
        command.arg(2).arg(keys.session(id)).arg(index);
        command.arg(hash).arg(id.as_bytes());
        command
    }
}

/// The arguments that the script requested for a commit, in addition to those of its [`Request`].
#[derive(Default)]
pub(crate) struct Talk {
    /// The session's current id, if the commit uses a former one.
    pub(crate) current: Option<Digest>,
    /// The keys that the script requested: index entries, and sessions that have them.
    pub(crate) declared: Vec<Vec<u8>>,
    /// For each addition the stored value, and the sum.
    pub(crate) sums: Vec<(Option<Bytes>, Bytes)>,
    /// The record that was calculated here, since its numbers are too large for the script.
    pub(crate) exact: Option<Exact>,
    /// Checks everything up to the limits, and writes nothing.
    pub(crate) dry: bool,
}

/// The record before and after a commit: the commit applies only if the stored record is still `before`.
pub(crate) struct Exact {
    pub(crate) before: Vec<u8>,
    pub(crate) after: Option<Life>,
}

/// The script's reply.
#[derive(Debug)]
pub(crate) enum Answer {
    Done {
        record: Vec<u8>,
        by_former_id: bool,
        ended: Vec<Digest>,
        stale: Vec<EntryHash>,
    },
    Gone,
    Exists,
    Conflict(Vec<Option<Bytes>>),
    Full(usize),
    TooMany(usize),
    /// The session was renewed to this id.
    Moved(Digest),
    /// The script needs these keys declared.
    Needs(Vec<Vec<u8>>),
    /// The stored values of the fields of additions: the caller calculates the sums.
    Sums(Vec<Option<Bytes>>),
    /// The record has numbers that are too large for the script.
    TooLarge,
    /// The record is no longer the one in [`Talk::exact`].
    Changed,
    /// The dry run found no obstacle.
    Applies,
    Damaged,
}

/// A commit, with everything that is the same in each run of its script.
pub(crate) struct Request<'c> {
    pub(crate) commit: &'c Commit<'c>,
    home: Home,
    /// The entries that its writes set.
    hashes: Vec<Option<EntryHash>>,
    limits: Vec<EntryHash>,
    channel: Option<String>,
}

impl<'c> Request<'c> {
    pub(crate) fn new(commit: &'c Commit<'c>, keys: &Keys, tells: bool, limited: bool) -> Self {
        let hashes = commit
            .writes
            .iter()
            .map(|write| match (&write.op, &write.index) {
                (Op::Set(_), Some(entry)) => Some(crate::keys::entry_hash(&write.field, entry)),
                _ => None,
            });
        let limits = match limited {
            true => commit.limits,
            false => &[],
        };
        let limits = limits.iter();
        Self {
            commit,
            home: keys.home(commit.id),
            hashes: hashes.collect(),
            limits: limits
                .map(|limit| crate::keys::entry_hash(&limit.field, &limit.entry))
                .collect(),
            channel: tells.then(|| keys.channel()),
        }
    }

    pub(crate) fn home(&self) -> Home {
        self.home
    }

    /// Encodes the command for `commit.lua`.
    pub(crate) fn command(&self, hashes: &Hashes, keys: &Keys, talk: &Talk, whole: bool) -> Cmd {
        let commit = self.commit;
        let mut out = hashes.begin(whole, &hashes.commit, COMMIT);

        // Keys: the session's; that of its current or new id; the index entries'.
        let mut names = vec![keys.session(commit.id)];
        match (commit.step, talk.current) {
            (Step::Renew { to, .. }, _) => names.push(keys.session(to)),
            (_, Some(current)) => names.push(keys.session(current)),
            _ => {}
        }
        let first_index = names.len() + 1;
        let declare = |names: &mut Vec<Vec<u8>>, key: Vec<u8>| {
            if !names.contains(&key) {
                names.push(key);
            }
        };
        for hash in self.hashes.iter().flatten().chain(&self.limits) {
            declare(&mut names, keys.index(self.home, hash));
        }
        for key in &talk.declared {
            declare(&mut names, key.clone());
        }
        out.arg(names.len());
        for name in &names {
            out.arg(&name[..]);
        }

        // The step.
        let now = commit.now;
        // A time to live of more than a hundred thousand years becomes none: servers accept no longer one.
        let ttl = |moment: Timestamp| match moment.after(SLACK).since(now).as_millis() {
            ..4_503_599_627_370_496 if moment < Timestamp::MAX => moment
                .after(SLACK)
                .since(now)
                .as_millis()
                .max(1)
                .to_string(),
            _ => "p".to_owned(),
        };
        let mark_ttl = |end: Timestamp| ttl(rules::remembered_until(end.max(now)));
        let mut step = Words {
            mark_ttl: mark_ttl(commit.ended_at),
            ..Words::default()
        };
        match commit.step {
            Step::Create { created, lease, .. } => {
                step.name = "C";
                step.of(record::live(Some(created), &lease, None), &lease, ttl);
            }
            Step::Keep { usage, .. } => {
                step.name = "K";
                if let Some(usage) = usage {
                    step.due = span(usage.due_after);
                    step.flags = match (usage.tells_client, usage.forced) {
                        (true, true) => "11",
                        (true, false) => "10",
                        (false, true) => "01",
                        (false, false) => "00",
                    };
                    step.idle = span(usage.timeouts.idle);
                    step.absolute = usage.timeouts.absolute.map_or("-".to_owned(), span);
                    if let Some(most) = usage.max_lifetime {
                        step.max_idle = span(most.idle);
                        step.max_absolute = most.absolute.map_or("-".to_owned(), span);
                    }
                }
            }
            Step::Renew {
                to,
                lease,
                former_works_until,
                ..
            } => {
                step.name = "R";
                let until = former_works_until.filter(|until| now < *until);
                let former = until.map(|until| (commit.id, until));
                step.of(record::live(None, &lease, former), &lease, ttl);
                if lease.lifetime.is_none() {
                    step.idle = span(lease.idle_deadline.since(lease.seen));
                    let absolute = lease.absolute_deadline;
                    step.absolute =
                        absolute.map_or("-".to_owned(), |end| span(end.since(lease.started)));
                }
                step.mark = match until {
                    None => record::ended(commit.ended_at),
                    Some(until) => {
                        step.mark_ttl = mark_ttl(until.max(commit.ended_at));
                        record::moved(commit.ended_at, until, to)
                    }
                };
            }
            _ => step.name = "D",
        }
        let before = match &talk.exact {
            None => &[][..],
            Some(exact) => {
                if let Some(after) = exact.after {
                    let lease = after.lease;
                    step.of(
                        record::live(Some(after.created), &lease, after.former),
                        &lease,
                        ttl,
                    );
                }
                &exact.before
            }
        };
        let slack = SLACK.as_millis();
        let most = commit
            .max_fields
            .map_or(String::new(), |most| most.to_string());
        let clear = match commit.clear {
            Clear::Nothing => "0",
            Clear::Fields => "1",
            _ => "2",
        };
        let mut head = String::with_capacity(128);
        let mut tell = |word: &dyn std::fmt::Display| {
            let at = head.len();
            let _ = write!(head, "{word} ");
            if head.len() == at + 1 {
                head.insert(at, '~');
            }
        };
        tell(&step.name);
        tell(&now.as_millis());
        tell(&Moment(commit.ended_at));
        tell(&clear);
        for word in [
            &step.ttl,
            &step.horizon,
            &step.horizon_ttl,
            &step.mark_ttl,
            &step.due,
            step.flags,
            &step.idle,
            &step.absolute,
        ] {
            tell(&word);
        }
        tell(&slack);
        tell(&most);
        tell(&u8::from(talk.dry));
        let (guards, writes) = (commit.guards.len(), commit.writes.len());
        for count in [guards, writes, self.limits.len(), first_index] {
            tell(&count);
        }
        tell(&step.max_idle);
        tell(&step.max_absolute);
        tell(&Moment(commit.others_ended_at));
        tell(&mark_ttl(commit.others_ended_at));
        tell(&u8::from(commit.ends_others));
        out.arg(head);
        let base = keys.base(self.home);
        match self.plain(talk) {
            Some(kind) => {
                let sets = commit
                    .writes
                    .iter()
                    .filter(|write| matches!(write.op, Op::Set(_)));
                out.arg(kind).arg(base);
                if kind == "c" {
                    out.arg(step.record).arg(most).arg(step.ttl);
                } else {
                    let usage = match step.due.is_empty() {
                        true => String::new(),
                        false => format!(
                            "{} {} {} {} {slack}",
                            step.due, step.flags, step.idle, step.absolute
                        ),
                    };
                    out.arg(now.as_millis()).arg(most).arg(usage);
                }
                out.arg(guards).arg(sets.clone().count());
                self.guards(&mut out);
                for write in sets {
                    field(&mut out, &write.field);
                    if let Op::Set(bytes) = &write.op {
                        out.arg(&bytes[..]);
                    }
                }
                for write in commit.writes {
                    if let Op::Remove = write.op {
                        field(&mut out, &write.field);
                    }
                }
                return out;
            }
            None => {
                out.arg("")
                    .arg(base)
                    .arg(step.record)
                    .arg(before)
                    .arg(self.channel.as_deref().unwrap_or_default())
                    .arg(step.mark);
            }
        }
        // Guards, writes, limits.
        self.guards(&mut out);
        let mut sums = talk.sums.iter();
        for (write, hash) in commit.writes.iter().zip(&self.hashes) {
            match &write.op {
                Op::Set(bytes) => {
                    out.arg("S");
                    field(&mut out, &write.field);
                    out.arg(&bytes[..])
                        .arg(hash.as_ref().map_or(&[][..], |hash| &hash[..]));
                }
                Op::Add { add, .. } => {
                    out.arg("A");
                    field(&mut out, &write.field);
                    out.arg(add.delta.to_string())
                        .arg(add.range.min.to_string())
                        .arg(add.range.max.to_string())
                        .arg(add.base.to_string())
                        .arg(counter_head(add.expires));
                    match sums.next() {
                        None => out.arg(0).arg("").arg(""),
                        Some((None, sum)) => out.arg(1).arg("").arg(&sum[..]),
                        Some((Some(stored), sum)) => out.arg(2).arg(&stored[..]).arg(&sum[..]),
                    };
                }
                _ => {
                    out.arg("R");
                    field(&mut out, &write.field);
                }
            }
        }
        for (limit, hash) in commit.limits.iter().zip(&self.limits) {
            out.arg(&hash[..])
                .arg(limit.most.max(1))
                .arg(u8::from(limit.when_full == WhenFull::EndOldest));
        }
        out
    }
}

impl Request<'_> {
    /// The kind of a commit for which the script has a fast path: `c` creates a session, `k` keeps one, by its current
    /// id. Both set or remove only fields without index entries.
    fn plain(&self, talk: &Talk) -> Option<&'static str> {
        let commit = self.commit;
        let of_fields = |write: &Write| matches!(write.op, Op::Set(_) | Op::Remove);
        let plain = talk.current.is_none()
            && talk.exact.is_none()
            && !talk.dry
            && !commit.ends_others
            && self.limits.is_empty()
            && self.hashes.iter().all(Option::is_none)
            && commit.writes.iter().all(of_fields);
        match commit.step {
            Step::Create { .. } if plain && commit.guards.is_empty() => Some("c"),
            Step::Keep { .. } if plain && commit.clear == Clear::Nothing => Some("k"),
            _ => None,
        }
    }

    fn guards(&self, out: &mut Cmd) {
        for guard in self.commit.guards {
            field(out, &guard.field);
            match &guard.expected {
                None => out.arg(0).arg(""),
                Some(bytes) => out.arg(1).arg(&bytes[..]),
            };
        }
    }
}

/// The script's arguments for the step.
#[derive(Default)]
struct Words {
    name: &'static str,
    record: Vec<u8>,
    ttl: String,
    horizon: String,
    horizon_ttl: String,
    mark_ttl: String,
    due: String,
    flags: &'static str,
    idle: String,
    absolute: String,
    max_idle: String,
    max_absolute: String,
    mark: Vec<u8>,
}

impl Words {
    fn of(&mut self, record: Vec<u8>, lease: &Lease, ttl: impl Fn(Timestamp) -> String) {
        self.record = record;
        self.ttl = ttl(lease.deadline());
        let horizon = record::horizon(lease);
        self.horizon = Moment(horizon).to_string();
        self.horizon_ttl = ttl(horizon);
    }
}

/// A field's name in the hash.
pub(crate) fn field(out: &mut Cmd, name: &str) {
    let mut bytes = Vec::with_capacity(name.len() + 1);
    bytes.push(b'.');
    bytes.extend_from_slice(name.as_bytes());
    out.arg(bytes);
}

/// The first bytes of the stored value of a counter that starts anew.
fn counter_head(expires: Option<Timestamp>) -> Vec<u8> {
    let sealed = level_session_store::Value::Null.to_stored(expires);
    let mut bytes = sealed.map(|bytes| bytes.to_vec()).unwrap_or_default();
    bytes.pop();
    bytes
}

impl Answer {
    pub(crate) fn read(value: Value) -> Option<Self> {
        let parts = match value {
            Value::BulkString(record) => {
                return Some(Self::Done {
                    record,
                    by_former_id: false,
                    ended: Vec::new(),
                    stale: Vec::new(),
                });
            }
            Value::Array(parts) => parts,
            _ => return None,
        };
        let mut parts = parts.into_iter();
        let Some(Value::BulkString(kind)) = parts.next() else {
            return None;
        };
        Some(match &kind[..] {
            b"D" => {
                let record = bytes(parts.next()?)??;
                let by_former_id = matches!(parts.next()?, Value::Int(1));
                let ended = list(parts.next()?)?;
                let stale = list(parts.next()?)?;
                Self::Done {
                    record: record.to_vec(),
                    by_former_id,
                    ended: ended
                        .into_iter()
                        .map(|id| Some(Digest::from_bytes(id.try_into().ok()?)))
                        .collect::<Option<_>>()?,
                    stale: stale
                        .into_iter()
                        .map(|hash| hash.try_into().ok())
                        .collect::<Option<_>>()?,
                }
            }
            b"G" => Self::Gone,
            b"E" => Self::Exists,
            b"C" => Self::Conflict(parts.map(bytes).collect::<Option<_>>()?),
            b"F" => Self::Full(number(&parts.next()?)?),
            b"T" => Self::TooMany(number(&parts.next()?)?),
            b"M" => Self::Moved(Digest::from_bytes(
                bytes(parts.next()?)??.as_ref().try_into().ok()?,
            )),
            b"N" => Self::Needs(list(Value::Array(parts.collect()))?),
            b"A" => Self::Sums(parts.map(bytes).collect::<Option<_>>()?),
            b"B" => Self::TooLarge,
            b"V" => Self::Changed,
            b"Y" => Self::Applies,
            b"X" => Self::Damaged,
            _ => return None,
        })
    }
}

/// Parses the record that a stored commit returned.
pub(crate) fn life_of(record: &[u8]) -> Option<Life> {
    match Record::parse(record)? {
        Record::Live(life) => Some(life),
        _ => None,
    }
}

/// Bytes, or nothing.
#[expect(
    clippy::option_option,
    reason = "an invalid reply differs from an absent value"
)]
pub(crate) fn bytes(value: Value) -> Option<Option<Bytes>> {
    match value {
        Value::BulkString(bytes) => Some(Some(bytes.into())),
        Value::Nil | Value::Boolean(false) => Some(None),
        _ => None,
    }
}

fn list(value: Value) -> Option<Vec<Vec<u8>>> {
    let Value::Array(values) = value else {
        return None;
    };
    let raw = |value| match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    };
    values.into_iter().map(raw).collect()
}

fn number(value: &Value) -> Option<usize> {
    match value {
        Value::Int(n) => usize::try_from(*n).ok(),
        _ => None,
    }
}
