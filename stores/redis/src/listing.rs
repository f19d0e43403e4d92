//! Reads: one session, those with an index entry, all.

use crate::{
    fault,
    keys::entry_hash,
    record::{Record, has_entry},
    script::{bytes, field},
    shared::Shared,
};
use level_session_store::{
    Bytes, Cursor, Digest, FieldName, Fields, Found, Home, Loaded, Page, Result, Select, Snapshot,
    Timestamp, rules, rules::Life,
};
use redis::{Cmd, Value, cmd};

const READ: &str = "read a session";
const FIND: &str = "look up sessions";

impl Shared {
    pub(crate) async fn load(
        &self,
        id: Digest,
        select: Select<'_>,
        now: Timestamp,
    ) -> Result<Loaded> {
        let (record, fields) = match self.record(id, select).await? {
            None => return Ok(Loaded::Missing),
            Some(read) => read,
        };
        let (to, at) = match record {
            Record::Live(life) if life.is_live(now) => {
                return Ok(Loaded::Live(Snapshot::new(life.meta(now), fields)));
            }
            Record::Live(_) => return Ok(Loaded::Missing),
            Record::Ended(at) => return Ok(Loaded::Ended(at)),
            Record::Moved { to, at } => (to, at),
        };
        Ok(match self.record(to, select).await? {
            Some((Record::Live(life), fields)) if life.works_by(id, now) => {
                let snapshot = Snapshot::new(life.meta(now), fields);
                Loaded::Live(snapshot.with_by_former_id(true))
            }
            Some((Record::Ended(end), _)) => Loaded::Ended(at.max(end)),
            Some((Record::Moved { at: later, .. }, _)) => Loaded::Ended(at.max(later)),
            _ => Loaded::Ended(at),
        })
    }

    async fn record(&self, id: Digest, select: Select<'_>) -> Result<Option<(Record, Fields)>> {
        if let Some(cache) = &self.cache
            && let Some(read) = cache.record(id, select).await
        {
            return Ok(read);
        }
        if let Select::Names(_) = select
            && self.sizes.is_small(id)
        {
            let answer = self.fetch(id, Select::All).await?;
            if let Value::Map(pairs) = &answer {
                let sizes = pairs.iter().map(|(name, value)| size(name) + size(value));
                self.sizes.note(id, sizes);
            }
            // If a field that was not requested is damaged, the requested fields are read alone.
            if let Ok(read) = read(answer, Select::All) {
                return Ok(read);
            }
        }
        read(self.fetch(id, select).await?, select)
    }

    async fn fetch(&self, id: Digest, select: Select<'_>) -> Result<Value> {
        let key = self.keys.session(id);
        let make = |_| match select {
            Select::All => {
                let mut read = cmd("HGETALL");
                read.arg(&key[..]);
                read
            }
            Select::Names(names) => {
                let mut read = cmd("HMGET");
                read.arg(&key[..]).arg("h");
                names.iter().for_each(|name| field(&mut read, name));
                read
            }
            _ => {
                let mut read = cmd("HMGET");
                read.arg(&key[..]).arg("h");
                read
            }
        };
        let home = self.keys.home(id);
        self.servers.call(READ, home, false, &make).await
    }

    /// The entries are those of the index; each session is checked before it is returned.
    pub(crate) async fn find(
        &self,
        name: &str,
        entry: &[u8],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Found>> {
        let limit = limit.max(1);
        let mut place = match after {
            None => Place::default(),
            Some(cursor) => {
                Place::read(cursor, self.keys.homes()).ok_or_else(rules::foreign_cursor)?
            }
        };
        let hash = entry_hash(name, entry);
        // A page with a large limit is read in several steps.
        let count = limit.min(1_000);
        let homes = place.home..self.keys.homes();
        let commands = homes.clone().map(|home| {
            let from = match home == place.home {
                true => &place.score[..],
                false => b"-inf",
            };
            let count = match home == place.home {
                true => count + place.at_score,
                false => count,
            };
            (
                Home::new(home),
                members(&self.keys.index(Home::new(home), &hash), from, count),
            )
        });
        let answers = self.servers.read_all(FIND, commands.collect()).await?;

        let mut candidates: Vec<(Place, Digest)> = Vec::new();
        let mut resume = None;
        for (home, answer) in homes.zip(answers) {
            let listed = scored(answer).ok_or_else(|| fault::unexpected(FIND, false))?;
            let begin = match home == place.home {
                true => std::mem::take(&mut place),
                false => Place::default(),
            };
            let begin_at_score = begin.at_score;
            let full = listed.len() >= count + begin_at_score;
            let mut last = Place { home, ..begin };
            for (id, score) in listed {
                if score == last.score {
                    if last.member.is_some_and(|member| id <= member) {
                        continue;
                    }
                    last.at_score += 1;
                } else {
                    last.score = score;
                    last.at_score = 1;
                }
                last.member = Some(id);
                candidates.push((last.clone(), id));
            }
            if full {
                // This home may have more, even if all of these had been listed before.
                last.at_score = last.at_score.max(begin_at_score + count);
                resume = Some(last);
                break;
            }
        }
        if candidates.len() > limit {
            candidates.truncate(limit);
            resume = candidates.last().map(|(place, _)| place.clone());
        }
        let next = resume.map(|place| place.cursor());
        let ids: Vec<_> = candidates.into_iter().map(|(_, id)| id).collect();
        let mut items = Vec::with_capacity(ids.len());
        let mut moved = Vec::new();
        for (id, read) in ids.iter().zip(self.with_entry(&ids, &hash).await?) {
            match read {
                Entry::Live(life) if life.is_live(now) => {
                    items.push(Found::new(*id, life.meta(now)));
                }
                Entry::Moved(to) => moved.push(to),
                _ => {}
            }
        }
        // It was renewed after the index was read.
        for (id, read) in moved.iter().zip(self.with_entry(&moved, &hash).await?) {
            match read {
                Entry::Live(life)
                    if life.is_live(now) && !items.iter().any(|found| found.id == *id) =>
                {
                    items.push(Found::new(*id, life.meta(now)));
                }
                _ => {}
            }
        }
        Ok(Page::new(items, next))
    }

    async fn with_entry(&self, ids: &[Digest], hash: &[u8; 16]) -> Result<Vec<Entry>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let commands = ids.iter().map(|id| {
            let mut read = cmd("HMGET");
            read.arg(self.keys.session(*id)).arg("h").arg("x");
            (self.keys.home(*id), read)
        });
        let answers = self.servers.read_all(FIND, commands.collect()).await?;
        answers
            .into_iter()
            .map(|answer| {
                let Value::Array(values) = answer else {
                    return Err(fault::unexpected(FIND, false));
                };
                let [Value::BulkString(h), x] = &values[..] else {
                    return Ok(Entry::None);
                };
                let x = match x {
                    Value::BulkString(x) => Some(&x[..]),
                    _ => None,
                };
                Ok(match Record::parse(h) {
                    Some(Record::Live(life)) if has_entry(x, hash) => Entry::Live(life),
                    Some(Record::Moved { to, .. }) => Entry::Moved(to),
                    _ => Entry::None,
                })
            })
            .collect()
    }

    /// The live sessions.
    pub(crate) async fn page(
        &self,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Digest>> {
        let lives = |record: &Value| match record {
            Value::BulkString(h) => {
                matches!(Record::parse(h), Some(Record::Live(life)) if life.is_live(now))
            }
            _ => false,
        };
        self.page_of(after, limit, lives).await
    }

    /// The sessions whose records `wanted` accepts. A cursor is the position of a server in the list of all servers, and
    /// that server's own cursor.
    pub(crate) async fn page_of(
        &self,
        after: Option<&Cursor>,
        limit: usize,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Page<Digest>> {
        let limit = limit.max(1);
        let (server, cursor, of) = match after {
            None => (0, 0, None),
            Some(after) => {
                let (head, of) = after
                    .as_bytes()
                    .split_first_chunk::<10>()
                    .filter(|(_, of)| of.len() == 8)
                    .ok_or_else(rules::foreign_cursor)?;
                let [a, b, cursor @ ..] = *head;
                (
                    usize::from(u16::from_be_bytes([a, b])),
                    u64::from_be_bytes(cursor),
                    Some(of),
                )
            }
        };
        let masters = self.servers.masters().await?;
        // A cluster with other nodes than at the first page has other positions.
        let places: Vec<_> = masters.iter().map(|link| link.place()).collect();
        let of_now = &Digest::of("level-session-redis/servers/1", places.join(" ").as_bytes());
        let of_now = &of_now.as_bytes()[..8];
        if of.is_some_and(|of| of != of_now) || server >= masters.len() {
            return Err(rules::foreign_cursor());
        }
        let mut scan = cmd("SCAN");
        scan.arg(cursor)
            .arg("MATCH")
            .arg(self.keys.pattern())
            .arg("COUNT")
            .arg(limit.min(10_000));
        let answer = masters[server].call(&scan).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(fault::Fault::Unreachable(error)) => return Err(error),
            Err(fault::Fault::Refused(error)) => {
                return Err(fault::refused(
                    "list sessions",
                    masters[server].place(),
                    &error,
                ));
            }
            Err(fault::Fault::Lost(error)) => {
                return Err(fault::lost(
                    "list sessions",
                    masters[server].place(),
                    &error,
                    false,
                ));
            }
        };
        let odd = || fault::unexpected("list sessions", false);
        let Value::Array(parts) = answer else {
            return Err(odd());
        };
        let [Value::BulkString(next), Value::Array(names)] = &parts[..] else {
            return Err(odd());
        };
        let next: u64 = std::str::from_utf8(next)
            .ok()
            .and_then(|next| next.parse().ok())
            .ok_or_else(odd)?;
        let ids: Vec<Digest> = names
            .iter()
            .filter_map(|name| match name {
                Value::BulkString(name) => self.keys.digest_of(name),
                _ => None,
            })
            .collect();
        let commands = ids.iter().map(|id| {
            let mut read = cmd("HMGET");
            read.arg(self.keys.session(*id)).arg("h");
            (self.keys.home(*id), read)
        });
        let records = match ids.is_empty() {
            true => Vec::new(),
            false => {
                self.servers
                    .read_all("list sessions", commands.collect())
                    .await?
            }
        };
        let wanted = |value: &Value| match value {
            Value::Array(values) => values.first().is_some_and(&wanted),
            _ => false,
        };
        let items = ids.into_iter().zip(&records);
        let items = items
            .filter(|(_, record)| wanted(record))
            .map(|(id, _)| id)
            .collect();
        let place = match next {
            0 => (server + 1 < masters.len()).then_some((server + 1, 0)),
            next => Some((server, next)),
        };
        let next = place.map(|(server, cursor)| {
            let server = u16::try_from(server).unwrap_or(u16::MAX);
            Cursor::new([&server.to_be_bytes()[..], &cursor.to_be_bytes(), of_now].concat())
        });
        Ok(Page::new(items, next))
    }
}

enum Entry {
    Live(Life),
    Moved(Digest),
    None,
}

/// A position in the index: by home, horizon and digest.
#[derive(Clone)]
struct Place {
    home: u16,
    /// In the server's notation.
    score: Vec<u8>,
    /// How many entries of this score were listed.
    at_score: usize,
    member: Option<Digest>,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            home: 0,
            score: b"-inf".to_vec(),
            at_score: 0,
            member: None,
        }
    }
}

impl Place {
    const FORMAT: u8 = 1;

    fn cursor(&self) -> Cursor {
        let member = self.member.map_or([0; 32], |member| *member.as_bytes());
        let at_score = u64::try_from(self.at_score).unwrap_or(u64::MAX);
        Cursor::new(
            [
                &[Self::FORMAT][..],
                &self.home.to_be_bytes(),
                &at_score.to_be_bytes(),
                &member,
                &self.score,
            ]
            .concat(),
        )
    }

    fn read(cursor: &Cursor, homes: u16) -> Option<Self> {
        let (head, score) = cursor.as_bytes().split_first_chunk::<43>()?;
        let [Self::FORMAT, a, b, rest @ ..] = head else {
            return None;
        };
        let home = u16::from_be_bytes([*a, *b]);
        let (at_score, member) = rest.split_first_chunk::<8>()?;
        let text = std::str::from_utf8(score).ok()?;
        let known = text.parse::<f64>().is_ok() && home < homes && !text.is_empty();
        known.then_some(Self {
            home,
            score: score.to_vec(),
            at_score: usize::try_from(u64::from_be_bytes(*at_score))
                .ok()?
                .min(1_000_000),
            member: Some(Digest::from_bytes(member.try_into().ok()?)),
        })
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::BulkString(bytes) => bytes.len(),
        _ => 0,
    }
}

fn members(key: &[u8], from: &[u8], count: usize) -> Cmd {
    let mut list = cmd("ZRANGEBYSCORE");
    list.arg(key).arg(from).arg("+inf").arg("WITHSCORES");
    list.arg("LIMIT").arg(0).arg(count);
    list
}

/// Digests and scores, in either protocol version.
fn scored(answer: Value) -> Option<Vec<(Digest, Vec<u8>)>> {
    let Value::Array(parts) = answer else {
        return None;
    };
    let score = |value: &Value| match value {
        Value::Double(score) => Some(format!("{score}").into_bytes()),
        Value::Int(score) => Some(score.to_string().into_bytes()),
        Value::BulkString(score) => Some(score.clone()),
        _ => None,
    };
    let id = |value: &Value| match value {
        Value::BulkString(id) => Some(Digest::from_bytes(id[..].try_into().ok()?)),
        _ => None,
    };
    if let Some(Value::Array(_)) = parts.first() {
        let pair = |part: &Value| match part {
            Value::Array(pair) => Some((id(pair.first()?)?, score(pair.get(1)?)?)),
            _ => None,
        };
        return parts.iter().map(pair).collect();
    }
    parts
        .chunks(2)
        .map(|pair| Some((id(&pair[0])?, score(pair.get(1)?)?)))
        .collect()
}

/// Parses the response of such a read.
pub(crate) fn read(answer: Value, select: Select<'_>) -> Result<Option<(Record, Fields)>> {
    let odd = || fault::unexpected(READ, false);
    match (answer, select) {
        (Value::Map(pairs), Select::All) => {
            if pairs.is_empty() {
                return Ok(None);
            }
            let mut record = None;
            let mut fields = Vec::with_capacity(pairs.len());
            for pair in pairs {
                let (Value::BulkString(name), Value::BulkString(value)) = pair else {
                    return Err(odd());
                };
                match name.split_first() {
                    Some((b'.', name)) => {
                        let name = std::str::from_utf8(name).map_err(|_| fault::damaged())?;
                        fields.push((FieldName::from(name.to_owned()), Bytes::from(value)));
                    }
                    _ if name == b"h" => record = Record::parse(&value),
                    _ => {}
                }
            }
            let record = record.ok_or_else(fault::damaged)?;
            Ok(Some((record, Fields::all(fields))))
        }
        (Value::Array(values), select) => {
            let mut values = values.into_iter();
            let record = match values.next() {
                Some(Value::BulkString(record)) => record,
                Some(Value::Nil) => return Ok(None),
                _ => return Err(odd()),
            };
            let record = Record::parse(&record).ok_or_else(fault::damaged)?;
            let fields = match select {
                Select::Names(_) => {
                    let values = values.map(bytes).collect::<Option<_>>();
                    Fields::named(values.ok_or_else(odd)?)
                }
                _ => Fields::nothing(),
            };
            Ok(Some((record, fields)))
        }
        _ => Err(odd()),
    }
}
