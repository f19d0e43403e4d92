//! A process that commits until it is killed, and a ledger of its reports. Afterwards every commit that it reported as
//! done must be stored completely, and no commit partially.
//!
//! The child prints each step before it and each acknowledgement, one line each:
//!
//! ```text
//! cookie SESSION COOKIE     the current cookie of SESSION
//! try SESSION TAG           a commit of TAG begins
//! done SESSION TAG          it was acknowledged
//! renew SESSION             a renewal begins; a `cookie` line follows
//! destroy SESSION           a destroy begins
//! destroyed SESSION         it was acknowledged
//! ```

use crate::{
    history::{Data, Rng, fresh_seed},
    visitor::{App, Visitor},
};
use level_session::{
    Durability, FjallStore, Result, Session, Timestamp, Value,
    store::{Loaded, Select, Store},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// The number of sessions that two tasks share, and of sessions with one task, which are also renewed and destroyed.
const SHARED: u64 = 3;
const OWN: u64 = 3;

/// Opens the store at this path, and an application over it without a sweeper.
///
/// # Errors
/// The errors of opening the store.
pub fn open(path: &Path, durability: Durability) -> Result<(App, FjallStore)> {
    let store = FjallStore::builder()
        .durability(durability)
        .sweep_every(None)
        .open(path)?;
    Ok((App::over(Arc::new(store.clone())), store))
}

/// Commits until the process is killed. The first session has this number.
///
/// # Errors
/// The errors of the store and of sessions; none is expected.
///
/// # Panics
/// If the reader of the output has gone away.
pub fn commit_until_killed(path: &Path, durability: Durability, from: u64) -> Result<()> {
    let (app, _store) = open(path, durability)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let next = Arc::new(AtomicU64::new(from + SHARED));
        let tags = Arc::new(AtomicU64::new(from * 1_000_000 + 1));
        let mut tasks: Vec<tokio::task::JoinHandle<Result<()>>> = Vec::new();
        for session in from..from + SHARED {
            let mut visitor = Visitor::new();
            commit(&app, &mut visitor, session, &tags).await?;
            for _ in 0..2 {
                let (app, mut visitor, tags) = (app.clone(), visitor.clone(), tags.clone());
                tasks.push(tokio::spawn(async move {
                    while commit(&app, &mut visitor, session, &tags).await? {
                        tokio::task::yield_now().await;
                    }
                    Ok(())
                }));
            }
        }
        for _ in 0..OWN {
            let (app, tags, next) = (app.clone(), tags.clone(), next.clone());
            tasks.push(tokio::spawn(async move {
                while live_and_die(&app, next.fetch_add(1, Ordering::Relaxed), &tags).await? {}
                Ok(())
            }));
        }
        for task in tasks {
            task.await.expect("a task goes on")?;
        }
        Ok(())
    })
}

/// Uses one session after another. Returns whether to continue: always.
async fn live_and_die(app: &App, session: u64, tags: &AtomicU64) -> Result<bool> {
    let (mut visitor, mut rng) = (Visitor::new(), Rng::new(fresh_seed()));
    for _ in 0..rng.below(20) + 1 {
        commit(app, &mut visitor, session, tags).await?;
        if rng.chance(1, 4) {
            tell(format_args!("renew {session}"));
            app.request(&mut visitor, async |s: Session<Data>| s.renew())
                .await?;
            tell_cookie(session, &visitor);
        }
        tokio::task::yield_now().await;
    }
    if rng.chance(1, 2) {
        tell(format_args!("destroy {session}"));
        app.request(&mut visitor, async |s: Session<Data>| s.destroy())
            .await?;
        tell(format_args!("destroyed {session}"));
    }
    Ok(true)
}

/// Makes one commit, and reports it before and after. Returns whether to continue: always.
async fn commit(app: &App, visitor: &mut Visitor, session: u64, tags: &AtomicU64) -> Result<bool> {
    let tag = tags.fetch_add(1, Ordering::Relaxed);
    let before = visitor.clone();
    tell(format_args!("try {session} {tag}"));
    app.request(visitor, async |s: Session<Data>| {
        s.list().update(move |list| list.push(tag)).await?;
        s.visits().add(1)?;
        s.left().set(tag)?;
        s.user().set(tag)?;
        s.right().set(tag)
    })
    .await?;
    if *visitor != before {
        tell_cookie(session, visitor);
    }
    tell(format_args!("done {session} {tag}"));
    Ok(true)
}

fn tell_cookie(session: u64, visitor: &Visitor) {
    if let Some(cookie) = visitor.cookie() {
        tell(format_args!("cookie {session} {cookie}"));
    }
}

/// Prints with one write, so that a line is never split by a kill.
fn tell(line: std::fmt::Arguments<'_>) {
    let line = format!("{line}\n");
    std::io::stdout()
        .lock()
        .write_all(line.as_bytes())
        .expect("somebody listens");
}

/// The reports of a child.
#[derive(Debug, Default)]
pub struct Ledger(BTreeMap<u64, Entry>);

#[derive(Debug, Default)]
struct Entry {
    cookies: Vec<String>,
    tried: BTreeSet<u64>,
    done: BTreeSet<u64>,
    /// A renewal was started and not acknowledged.
    renewing: bool,
    destroying: bool,
    destroyed: bool,
}

/// The result of checking a ledger.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found {
    /// The number of live sessions.
    pub live: usize,
    /// The number of acknowledged commits in them.
    pub commits: usize,
}

impl Ledger {
    /// Records a line of the child.
    pub fn note(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (Some(what), Some(session)) = (words.next(), words.next()) else {
            return;
        };
        let Ok(session) = session.parse() else { return };
        let entry = self.0.entry(session).or_default();
        let rest = words.next().unwrap_or_default();
        let tag = rest.parse().unwrap_or_default();
        match what {
            "cookie" => {
                entry.cookies.push(rest.to_owned());
                entry.renewing = false;
            }
            "try" => drop(entry.tried.insert(tag)),
            "done" => drop(entry.done.insert(tag)),
            "renew" => entry.renewing = true,
            "destroy" => entry.destroying = true,
            "destroyed" => entry.destroyed = true,
            _ => {}
        }
    }

    /// The number of acknowledged commits.
    #[must_use]
    pub fn commits(&self) -> usize {
        self.0.values().map(|entry| entry.done.len()).sum()
    }

    /// Compares the store with the ledger and checks its consistency. Finally lets everything expire.
    ///
    /// With `all`, every acknowledged commit must be stored; otherwise a prefix of them is sufficient.
    ///
    /// # Errors
    /// A description of the violation.
    pub async fn check(&self, app: &App, all: bool) -> Result<Found, String> {
        // Later than all times of the child, whose clock only advances at ends.
        app.clock.advance(Duration::from_secs(60));
        let store = app.sessions.store();
        let now = app.clock.now();
        let page = store.page(None, 1_000_000, now).await.map_err(show)?.items;
        let mut found = Found::default();
        // Sessions whose current cookie was not reported: they live under an unknown id.
        let mut unknown = 0;
        for (session, entry) in &self.0 {
            let mut live = 0;
            for (at, cookie) in entry.cookies.iter().enumerate() {
                let mut visitor = Visitor::new();
                visitor.jar.insert("__Host-s".to_owned(), cookie.clone());
                let handle: Session<Data> = app.begin(&visitor);
                if handle.is_live().await.map_err(show)? {
                    live += 1;
                    let last = at + 1 == entry.cookies.len();
                    require(last || !all, || {
                        format!("session {session} lives by an old id")
                    })?;
                    let data = handle.load().await.map_err(show)?;
                    found.commits += entry.compare(*session, &data, all && last)?;
                }
            }
            require(live <= 1, || {
                format!("session {session} lives {live} times")
            })?;
            require(live == 0 || !(entry.destroyed && all), || {
                format!("session {session} was destroyed and lives")
            })?;
            let unsure = entry.renewing || entry.cookies.is_empty();
            let lost = live == 0 && all && !unsure && !entry.destroying;
            require(!lost, || format!("session {session} is lost: {entry:?}"))?;
            if live == 0 && (unsure || !all) && !(all && entry.destroyed) {
                unknown += 1;
            }
            found.live += live;
        }
        require(
            (found.live..=found.live + unknown).contains(&page.len()),
            || {
                format!(
                    "{} sessions are listed, {} live, {unknown} may",
                    page.len(),
                    found.live
                )
            },
        )?;
        index_agrees(store, &page, now).await?;
        due_agrees(app, page.len()).await?;
        Ok(found)
    }
}

impl Entry {
    fn compare(&self, session: u64, data: &Data, all: bool) -> Result<usize, String> {
        let listed: BTreeSet<_> = data.list.iter().copied().collect();
        let last = data.list.last().copied().unwrap_or_default();
        let whole = listed.len() == data.list.len()
            && data.visits == data.list.len() as u64
            && (data.left, data.right, data.user) == (last, last, Some(last));
        require(whole, || {
            format!("session {session} has half of a commit: {data:?}")
        })?;
        require(listed.is_subset(&self.tried), || {
            format!("session {session} has what nobody wrote")
        })?;
        require(!all || self.done.is_subset(&listed), || {
            let lost: Vec<_> = self.done.difference(&listed).collect();
            format!("session {session} lost {lost:?}, which were acknowledged")
        })?;
        Ok(listed.intersection(&self.done).count())
    }
}

/// Every session is found by its user, and by no other user.
async fn index_agrees(
    store: &dyn Store,
    page: &[level_session::store::Digest],
    now: Timestamp,
) -> Result<(), String> {
    for id in page {
        let Loaded::Live(snapshot) = store.load(*id, Select::All, now).await.map_err(show)? else {
            return Err("a session is listed and does not live".into());
        };
        let fields = snapshot.fields.into_all();
        let fields = fields.ok_or("not all fields were read")?;
        let user = fields
            .iter()
            .find(|(name, _)| &**name == "user")
            .map(|(_, bytes)| bytes);
        let user = user.ok_or("a session has no user: half of a commit")?;
        let (_, value) = Value::from_stored(user).map_err(|error| error.to_string())?;
        let user = value.as_u64().unwrap_or_default();
        // The session is found by its current user, and not by a previous one.
        for (user, wanted) in [(user, true), (user - 1, false)] {
            let stored = Value::Uint(user.into())
                .to_stored(None)
                .map_err(|error| error.to_string())?;
            let by_index = store
                .find("user", &stored[1..], None, usize::MAX, now)
                .await;
            let by_index = by_index.map_err(show)?.items;
            let is_found = by_index.iter().any(|found| found.id == *id);
            require(is_found == wanted, || {
                format!("the index and the data disagree about user {user}")
            })?;
        }
    }
    Ok(())
}

/// After everything has expired, the sweeper removes every session and nothing remains.
async fn due_agrees(app: &App, live: usize) -> Result<(), String> {
    let store = app.sessions.store();
    app.clock.advance(Duration::from_secs(16 * 24 * 3600));
    let mut swept = 0;
    loop {
        let round = store.sweep(app.clock.now(), 1_000).await.map_err(show)?;
        swept += round.sessions;
        if !round.more {
            break;
        }
    }
    require(swept == live, || {
        format!("{swept} sessions were swept, and {live} had lived")
    })
}

fn require(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

fn show(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}
