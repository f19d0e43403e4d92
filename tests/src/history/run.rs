//! Executes a history, one turn after another, on one thread.

use super::{
    data::{self, Data},
    faults::UnreliableStore,
    handler::{Told, committed},
    model::Model,
    plan::{Action, End, Episode},
    rng::Rng,
    service::{Handlers, Numbered, Running},
    stepping::{WatchedStore, wait},
    unit::{Answer, Cookie, Phase, Unit, Who},
    watch::{Due, Fault, Question, Watch, Watched},
};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{COOKIE, SET_COOKIE},
};
use level_session::{
    Clock, EndReason, ErrorKind, Expiry, Keyring, Refresh, SessionLayer, Sessions, Timestamp,
    WhenFull,
    store::{Digest, Store, testing::Faults},
};
use std::{
    collections::HashMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    task::{Context, Poll, Waker},
    time::Duration,
};
use tempfile::TempDir;
use tower_layer::Layer as _;
use tower_service::Service;

/// The result of a history.
#[derive(Debug)]
pub struct Report {
    /// The violation of the contract.
    pub violation: Option<String>,
    /// The log, if it was requested.
    pub told: Vec<String>,
    /// The number of operations of handlers and calls of the store.
    pub operations: u64,
    /// How many sign-ins were refused by a limit.
    pub refused: u64,
}

/// A store and its clock, used for one history after another.
#[derive(Clone)]
pub struct Stage {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    /// The number of histories that were run on it.
    pub(super) played: Arc<AtomicU64>,
    /// Whether a sweep removes expired sessions, or the store removes them itself.
    sweeps: bool,
    /// The folder of the store's files, which is removed after the store.
    _folder: Option<Arc<TempDir>>,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Browser {
    current: Option<(String, Digest)>,
    past: Vec<(String, Digest)>,
}

struct Run<'a> {
    episode: &'a Episode,
    watched: Watched,
    sessions: Sessions,
    service: <SessionLayer as tower_layer::Layer<Handlers>>::Service,
    handlers: Handlers,
    faults: Faults,
    running: HashMap<usize, Running>,
    browsers: HashMap<usize, Browser>,
}

impl Stage {
    /// A stage for a store and its folder.
    pub fn new(store: impl Store, folder: Option<TempDir>) -> Self {
        Self {
            store: Arc::new(store),
            clock: Clock::manual(Timestamp::from_millis(crate::visitor::START)),
            played: Arc::default(),
            sweeps: true,
            _folder: folder.map(Arc::new),
        }
    }

    /// A stage for a store that removes expired sessions itself, without reporting them.
    #[must_use]
    pub fn without_sweeps(mut self) -> Self {
        self.sweeps = false;
        self
    }

    /// Executes a history.
    ///
    /// # Panics
    /// If a handler panics unexpectedly.
    #[must_use]
    pub fn play(&self, episode: &Episode, tell: bool) -> Report {
        let watched = Watched::new(Watch {
            model: Model::new(episode.settings),
            units: (0..2 * episode.requests.len())
                .map(|_| Unit::new(None, 0, self.clock.now()))
                .collect(),
            current: 0,
            clock: self.clock.clone(),
            worker: false,
            fault: Fault::default(),
            asked: Question::default(),
            violation: None,
            overflown: false,
            told: tell.then(Vec::new),
            told_events: Vec::new(),
            due_events: Vec::new(),
            entries: HashMap::new(),
            operations: 0,
            refused: 0,
        });
        let (sessions, faults) = self.sessions(episode, &watched);
        let handlers = Handlers {
            watched: watched.clone(),
            late: Arc::default(),
            spawned: Arc::default(),
            requests: episode.requests.len(),
        };
        let mut run = Run {
            episode,
            service: SessionLayer::from(sessions.clone()).layer(handlers.clone()),
            sessions,
            handlers,
            faults,
            watched: watched.clone(),
            running: HashMap::new(),
            browsers: HashMap::new(),
        };
        for action in &episode.actions {
            run.act(self, *action);
            if watched.lock().is_over() {
                break;
            }
        }
        Fault::Nothing.begin(&run.faults, &watched);
        run.drain();
        drop(run);
        self.settle(&watched);
        let mut watch = watched.lock();
        Report {
            violation: watch.violation.take(),
            told: watch.told.take().unwrap_or_default(),
            operations: watch.operations,
            refused: watch.refused,
        }
    }

    fn sessions(&self, episode: &Episode, watched: &Watched) -> (Sessions, Faults) {
        let settings = episode.settings;
        let mut expiry = Expiry::idle(Duration::from_millis(settings.idle));
        if let Some(absolute) = settings.absolute {
            expiry = expiry.with_absolute(Duration::from_millis(absolute));
        }
        if settings.refresh_always {
            expiry = expiry.with_refresh(Refresh::EveryRequest);
        }
        let ids = Mutex::new((Rng::new(episode.id_seed), Vec::<[u8; 24]>::new()));
        let repeats = settings.repeat_ids;
        let source = move || {
            let (rng, given) = &mut *ids.lock().unwrap_or_else(PoisonError::into_inner);
            if repeats > 0 && !given.is_empty() && rng.chance(1, repeats) {
                return Ok(rng.pick(given));
            }
            let mut id = [0; 24];
            for part in id.chunks_mut(8) {
                part.copy_from_slice(&rng.draw().to_le_bytes());
            }
            given.push(id);
            Ok(id)
        };
        let observed = watched.clone();
        let (store, faults) = UnreliableStore::new(WatchedStore {
            inner: self.store.clone(),
            watched: watched.clone(),
        });
        let keyring = Keyring::new([[7; 32]]).expect("one key of 32 bytes");
        let sessions = Sessions::builder(store, keyring)
            .clock(self.clock.clone())
            .expiry(expiry)
            .renewal_grace(Duration::from_millis(settings.grace))
            .id_source(source)
            .observer(move |event| observed.lock().told_events.push(event))
            .limit(
                Data::USER,
                settings.limit.map(|most| match settings.refuses {
                    true => (most, WhenFull::Refuse),
                    false => (most, WhenFull::EndOldest),
                }),
            )
            .data::<Data>()
            .build()
            .expect("no clash");
        (sessions, faults)
    }
}

impl Run<'_> {
    fn act(&mut self, stage: &Stage, action: Action) {
        match action {
            Action::Begin(number) => self.begin(number),
            Action::Poll(number) => drop(self.poll(number)),
            Action::Finish(number) => {
                for _ in 0..60 {
                    if self.poll(number) {
                        break;
                    }
                }
            }
            Action::Cancel(number) => {
                if self.running.contains_key(&number) {
                    let mut watch = self.watched.lock();
                    watch.tell(|_| format!("request {number} is cancelled"));
                    watch.units[number].cancelled = true;
                    drop(watch);
                    self.running.remove(&number);
                    self.over(number);
                }
            }
            Action::Fault(fault) => fault.begin(&self.faults, &self.watched),
            Action::Advance(millis) => {
                stage.clock.advance(Duration::from_millis(millis));
                self.watched.lock().tell(|_| format!("{millis} ms pass"));
            }
            Action::EndAll(user) => self.end_all(stage, user),
            Action::Sweep if !stage.sweeps => {}
            Action::Sweep => {
                let now = stage.clock.now();
                let mut sessions = 0;
                loop {
                    match wait(stage.store.sweep(now, 1_000)) {
                        Ok(swept) => {
                            sessions += swept.sessions;
                            if !swept.more {
                                break;
                            }
                        }
                        Err(error) => {
                            return self.watched.lock().violated(format!("no sweep: {error:?}"));
                        }
                    }
                }
                let mut watch = self.watched.lock();
                let expired = watch.model.sweep(now);
                let wanted = expired.len();
                let due = expired
                    .into_iter()
                    .map(|id| (0, Due::Ended(id, EndReason::Expired)));
                watch.due_events.extend(due);
                watch.tell(|_| format!("{sessions} sessions are swept"));
                watch.check(sessions == wanted, |_| {
                    format!("{sessions} sessions are swept and {wanted} should be")
                });
            }
        }
    }

    /// A worker: lists the sessions of a user, and ends all of them.
    fn end_all(&mut self, stage: &Stage, user: u64) {
        let now = stage.clock.now();
        let (live, kept) = {
            let mut watch = self.watched.lock();
            if watch.fault != Fault::Nothing {
                return;
            }
            watch.tell(|_| format!("a worker ends all sessions of user {user}"));
            watch.worker = true;
            let held = data::number(user);
            (watch.model.of_user(&held, now), watch.model.page(now).len())
        };
        let mut listed = Vec::new();
        let mut listing = self.sessions.find(Data::USER, &user).page_size(2);
        while let Some(page) = wait(listing.next_page()).expect("the store works") {
            listed.extend(page.iter().map(|found| found.handle().digest()));
        }
        let ended = wait(self.sessions.end_all(Data::USER, &user)).expect("the store works");
        let left = wait(self.sessions.find(Data::USER, &user).count()).expect("the store works");
        let all = wait(self.sessions.count()).expect("the store works");
        let mut watch = self.watched.lock();
        watch.worker = false;
        listed.sort_unstable();
        let mut wanted = live.clone();
        wanted.sort_unstable();
        watch.check(listed == wanted, |_| {
            format!("{listed:?} are listed of user {user}, and {wanted:?} live")
        });
        watch.check((ended, left) == (live.len() as u64, 0), |_| {
            format!("{ended} sessions are ended and {left} are left of {live:?}")
        });
        let kept = (kept - live.len()) as u64;
        watch.check(all == kept, |_| format!("{all} live, and {kept} should"));
    }

    fn begin(&mut self, number: usize) {
        let request = self.episode.requests[number].clone();
        let browser = self.browsers.entry(request.visitor).or_default();
        let cookie = match request.stale {
            0 => browser.current.clone(),
            back => browser
                .past
                .len()
                .checked_sub(1 + back)
                .map(|at| browser.past[at].clone()),
        };
        let mut arrived = http::Request::new(());
        if let Some((text, _)) = &cookie {
            let header = HeaderValue::from_str(text).expect("visible characters");
            arrived.headers_mut().insert(COOKIE, header);
        }
        {
            let mut watch = self.watched.lock();
            let presented = cookie.map(|(_, id)| id);
            watch.tell(|_| {
                let with = presented.map_or("no cookie".to_owned(), |id| id.short());
                format!(
                    "request {number} of visitor {} begins with {with}",
                    request.visitor
                )
            });
            let began = watch.model.next();
            let at_an_end = watch.units.iter().any(Unit::is_ending);
            let came = watch.clock.now();
            watch.units[number] = Unit::new(presented, began, came);
            watch.units[number].began_at_an_end = at_an_end;
            watch.units[number].limited = watch.model.settings.limit.is_some();
        }
        arrived.extensions_mut().insert(Numbered(number, request));
        let running = self.service.call(arrived);
        self.running.insert(number, Box::pin(running));
    }

    /// Gives a request a turn, and returns whether it is done.
    fn poll(&mut self, number: usize) -> bool {
        let Some(running) = self.running.get_mut(&number) else {
            return true;
        };
        self.watched.lock().current = number;
        let mut cx = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(&mut cx)));
        let mut spawned = self
            .handlers
            .spawned
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (number, work) in spawned.drain(..) {
            let work = async move {
                work.await;
                Ok(Response::new(Vec::new()))
            };
            self.running.insert(number, Box::pin(work));
        }
        drop(spawned);
        match polled {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(Ok(response))) => {
                self.running.remove(&number);
                if number < self.episode.requests.len() {
                    self.response(number, &response);
                }
            }
            Err(panic) if panic.is::<Told>() => drop(self.running.remove(&number)),
            Err(panic) => resume_unwind(panic),
        }
        self.over(number);
        true
    }

    fn response(&mut self, number: usize, response: &Response<Vec<u8>>) {
        let cookie = set_cookie(response.headers());
        let mut watch = self.watched.lock();
        watch.current = number;
        let status = response.status();
        watch.tell(|_| format!("request {number} is answered with {status}"));
        let ends_well = watch.units[number].task().phase == Phase::Ending { commits: true };
        if watch.units[number].gone_at_the_end {
            let End::Status(wanted) = self.episode.requests[number].end else {
                return watch.violated(format!("a request that panics is answered with {status}"));
            };
            watch.check(status == wanted, |_| {
                format!("the answer to an end that was told is {status} and should be {wanted}")
            });
        } else if ends_well && watch.units[number].used {
            let is_full = watch.units[number].task().answered.first() == Some(&Answer::Full);
            let got = match status {
                StatusCode::CONFLICT if is_full => Err(ErrorKind::Full),
                StatusCode::CONFLICT => Err(ErrorKind::Gone),
                StatusCode::INTERNAL_SERVER_ERROR => Err(ErrorKind::Store),
                _ => Ok(()),
            };
            committed(&mut watch, got);
        }
        let (wanted, who) = (watch.units[number].cookie, watch.units[number].who);
        let told = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_str(text).ok()?);
            self.sessions.begin(&headers).log_id()
        };
        let holds = match (&cookie, wanted) {
            (Some(Some(text)), Cookie::Set(id)) => told(text) == Some(id.short()),
            // A refresh.
            (Some(Some(text)), Cookie::Leave) => {
                matches!(who, Who::Known { id, by_former: false } if told(text) == Some(id.short()))
            }
            (Some(None), Cookie::Remove) | (None, Cookie::Leave) => true,
            _ => false,
        };
        watch.check(holds, |_| {
            format!("the cookie is {cookie:?} and should be {wanted:?}, for {who:?}")
        });
        let visitor = self.episode.requests[number].visitor;
        let browser = self.browsers.entry(visitor).or_default();
        match cookie {
            None => {}
            Some(None) => browser.current = None,
            Some(Some(text)) => {
                let id = match wanted {
                    Cookie::Set(id) => Some(id),
                    _ => watch.units[number].id(),
                };
                if let Some(id) = id {
                    if wanted == Cookie::Set(id) {
                        browser.past.push((text.clone(), id));
                    }
                    browser.current = Some((text, id));
                }
            }
        }
    }

    /// Operations after the end of a request are too late.
    fn over(&mut self, number: usize) {
        let mut late = self
            .handlers
            .late
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let late = late.remove(&number);
        self.watched.lock().units[number]
            .task()
            .begins(Phase::Closed);
        if number >= self.episode.requests.len() {
            return; // its handle was dropped with it
        }
        let late = late.map(|session| session.set("late", 1).map_err(|error| error.kind()));
        let mut watch = self.watched.lock();
        watch.check(late == Some(Err(ErrorKind::Closed)), |_| {
            format!("a late write gives {late:?}")
        });
    }

    fn drain(&mut self) {
        for _ in 0..10_000 {
            let mut at_work: Vec<_> = self.running.keys().copied().collect();
            at_work.sort_unstable();
            if at_work.is_empty() || self.watched.lock().is_over() {
                return;
            }
            for number in at_work {
                self.poll(number);
            }
        }
        let left: Vec<_> = self.running.keys().collect();
        self.watched
            .lock()
            .violated(format!("requests {left:?} wait for each other"));
    }
}

/// `Some(None)` for a removed cookie.
fn set_cookie(headers: &HeaderMap) -> Option<Option<String>> {
    let cookie = headers.get(SET_COOKIE)?.to_str().ok()?;
    let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
    Some(
        (!attributes.contains("Max-Age=0;") && !attributes.ends_with("Max-Age=0"))
            .then(|| pair.to_owned()),
    )
}
