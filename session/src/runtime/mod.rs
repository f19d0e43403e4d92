//! The state that all units of work share: the store, the keys, the settings, the clock.

mod observe;
mod policy;
mod times;

pub(crate) use {
    observe::Observer,
    policy::Policy,
    times::{Ending, Kind},
};
pub use {
    observe::{EndReason, Event},
    policy::Head,
};

use self::times::{End, Times};
use crate::{
    cookie::{CookieConfig, SessionCookie},
    error::{Error, ErrorKind, Result},
    expiry::Lifetimes,
    id::{IdSource, SessionId},
    keyring::Keyring,
    seldom::Seldom,
    store::{
        Clock, Digest, FieldName, Store, Timestamp, Turn, Turns, Watch, Watcher, WhenFull,
        schema::{FieldDef, Schema},
    },
};
use std::{
    any::TypeId,
    fmt,
    sync::{
        Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// The default limit of fields: more than any ordinary session has.
const MAX_FIELDS: usize = 4_096;

/// How many channels wake the tasks that wait for the end of a session.
const WAKES: usize = 64;
/// How long a commit waits for a turn that is not passed on: a commit that holds the turn and is no longer polled must
/// not block others.
const STALLED: Duration = Duration::from_secs(1);
/// How many ids are drawn at most for a renewal until one has the home of the old id. A store has at most 64 homes, so
/// a sound random generator fails to find the home once in e^64 times.
const DRAWS: usize = 4_096;

#[derive(Clone)]
pub(crate) struct Runtime {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keyring: Keyring,
    pub(crate) cookie: SessionCookie,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) grace: Duration,
    pub(crate) max_fields: usize,
    pub(crate) max_value_bytes: usize,
    pub(crate) create_at_once: bool,
    /// How many sessions may have one value of a field: overrides the declared number.
    pub(crate) limits: Vec<(FieldName, Option<(usize, WhenFull)>)>,
    pub(crate) clock: Clock,
    pub(crate) ids: IdSource,
    pub(crate) observer: Observer,
    /// The library's own fields that are loaded along with the first load of a session.
    pub(crate) along: Vec<FieldName>,
    pub(crate) policy: Policy,
    /// The structs that belong to these sessions if a request has several.
    pub(crate) declared: Vec<TypeId>,
    shared: Arc<Shared>,
}

/// The state that clones of the runtime share.
struct Shared {
    /// The registered schemas, and a copy of the first one that needs no lock: most applications have one.
    schemas: RwLock<Vec<&'static Schema>>,
    first_schema: OnceLock<&'static Schema>,
    /// Commits with guards take turns, so that retries are rare.
    turns: Turns,
    /// The times at which units of work began, and sessions ended in this process.
    times: Times,
    /// The store's callback for sessions that were ended, by any process. The store holds it weakly.
    ends: Arc<Ends>,
    /// Uses that could not be recorded, which may be one with every request while the store is failing.
    unnoted: Seldom,
}

/// Wakes the tasks that wait for the end of a session: a few channels, so that an end does not wake all of them.
struct Ends {
    wakes: [watch::Sender<()>; WAKES],
    closing: AtomicBool,
}

impl Default for Ends {
    fn default() -> Self {
        Self {
            wakes: std::array::from_fn(|_| watch::Sender::new(())),
            closing: AtomicBool::new(false),
        }
    }
}

impl Watcher for Ends {
    fn session(&self, id: Digest) {
        self.wakes[place(id)].send_replace(());
    }

    fn closed(&self) {
        self.closing.store(true, Ordering::Release);
        for ends in &self.wakes {
            ends.send_replace(());
        }
    }
}

impl Runtime {
    pub(crate) fn new(store: Arc<dyn Store>, keyring: Keyring) -> Self {
        let ends = Arc::new(Ends::default());
        let watch: Arc<Watch> = Arc::clone(&ends) as _;
        store.watch_ended(Arc::downgrade(&watch));
        Self {
            store,
            cookie: SessionCookie::new(&keyring, CookieConfig::default()),
            keyring,
            lifetimes: Lifetimes::default(),
            grace: Duration::ZERO,
            max_fields: MAX_FIELDS,
            max_value_bytes: usize::MAX,
            create_at_once: false,
            limits: Vec::new(),
            clock: Clock::system(),
            ids: IdSource::System,
            observer: Observer::default(),
            along: Vec::new(),
            policy: Policy::default(),
            declared: Vec::new(),
            shared: Arc::new(Shared {
                schemas: RwLock::default(),
                first_schema: OnceLock::new(),
                turns: Turns::default(),
                times: Times::default(),
                ends,
                unnoted: Seldom::default(),
            }),
        }
    }

    /// The time at which a unit of work begins.
    pub(crate) fn begin(&self) -> Timestamp {
        self.shared.times.begin(&self.clock)
    }

    /// The time of an end, whose commit is in flight until the value is dropped.
    pub(crate) fn end(&self, kind: Kind) -> Ending<'_> {
        self.shared.times.end(self.clock.now(), kind)
    }

    /// Counts a use that could not be recorded. Returns how many there were since the last log message, if one is due.
    pub(crate) fn unnoted(&self, now: Timestamp) -> Option<u64> {
        self.shared.unnoted.happened(now)
    }

    /// Interprets the mark of an ended id.
    pub(crate) fn end_of(&self, id: Digest, marked: Timestamp) -> End {
        self.shared.times.end_of(id, marked, self.clock.now())
    }

    /// Draws an id for a new session, or for one whose id is `old`: then with the same home.
    pub(crate) fn draw(&self, old: Option<Digest>) -> Result<SessionId> {
        for _ in 0..DRAWS {
            let id = self.ids.next()?;
            if old.is_none_or(|old| self.store.home(old) == self.store.home(id.digest())) {
                return Ok(id);
            }
        }
        Err(Error::new(
            ErrorKind::Random,
            "no id was drawn that has the home of the session's current id: \
             the id generator repeats itself, or the store's `home` returns more than 64 homes",
        ))
    }

    /// The turn of a session, unless waiting for it takes too long: at the risk of a retry, a commit proceeds without it.
    pub(crate) async fn turn(&self, id: Digest) -> Option<Turn<'_>> {
        let stalled = || self.clock.sleep_until(self.clock.now().after(STALLED));
        self.shared.turns.of_unless(id, stalled).await
    }

    /// Notifies the observer, and the tasks that wait for a session's end. If a session was ended by its former id,
    /// they wait under its current id, which is not known here: all are woken.
    pub(crate) fn tell(&self, event: Event, by_former_id: bool) {
        match event {
            Event::Created { .. } => {}
            Event::Renewed { from: id, .. } | Event::Ended { session: id, .. } => {
                for (at, ends) in self.shared.ends.wakes.iter().enumerate() {
                    if by_former_id || at == place(id.digest()) {
                        ends.send_replace(());
                    }
                }
            }
        }
        self.observer.tell(event);
    }

    /// The application is shutting down: wakes the tasks that wait for the end of a session.
    pub(crate) fn close(&self) {
        self.shared.ends.closed();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.shared.ends.closing.load(Ordering::Acquire)
    }

    /// Waits until the application is shutting down.
    pub(crate) async fn closes(&self) {
        let mut wakes = self.shared.ends.wakes[0].subscribe();
        while !self.is_closing() && wakes.changed().await.is_ok() {}
    }

    /// Changes when this session may have ended (or another one that shares the channel), and when the application
    /// shuts down.
    pub(crate) fn ends(&self, id: Digest) -> watch::Receiver<()> {
        self.shared.ends.wakes[place(id)].subscribe()
    }

    /// Registers the fields of a struct, unless another struct claims one of their keys.
    pub(crate) fn register(&self, schema: &'static Schema) -> Result<()> {
        let is_same = |one: &&'static Schema| std::ptr::eq(*one, schema);
        if self.shared.first_schema.get().is_some_and(is_same) || self.schemas().iter().any(is_same)
        {
            return Ok(());
        }
        let mut schemas = self
            .shared
            .schemas
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if schemas.iter().any(is_same) {
            return Ok(());
        }
        let mut result = Ok(());
        schema.for_each(&mut |owner, field| {
            let claimed = schemas.iter().find_map(|other| other.owner_of(field.key()));
            if let Some((other, def)) = claimed
                && !(other == owner && def.type_name() == field.type_name())
                && result.is_ok()
            {
                result = Err(Error::new(
                    ErrorKind::Clash,
                    format!(
                        "`{other}` and `{owner}` both claim this key: give one of the structs \
                         `#[session(namespace = \"..\")]`, or one of the fields `#[session(rename = \"..\")]`"
                    ),
                )
                .on(field.key()));
            }
        });
        if result.is_ok() {
            schemas.push(schema);
            self.shared.first_schema.get_or_init(|| schema);
        }
        result
    }

    fn schemas(&self) -> RwLockReadGuard<'_, Vec<&'static Schema>> {
        let schemas = &self.shared.schemas;
        schemas.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limit of sessions with one value of a field.
    pub(crate) fn limit(&self, field: &FieldName) -> Option<(usize, WhenFull)> {
        match self.limits.iter().find(|(of, _)| of == field) {
            Some((_, limit)) => *limit,
            None => self.definition(field)?.1.limit(),
        }
    }

    /// The declaration of a key, and the struct that declares it.
    pub(crate) fn definition(&self, key: &str) -> Option<(&'static Schema, &'static FieldDef)> {
        self.schemas()
            .iter()
            .find_map(|schema| Some((*schema, schema.find(key)?)))
    }
}

fn place(id: Digest) -> usize {
    usize::from(id.as_bytes()[0]) % WAKES
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("cookie", &self.cookie)
            .field("expiry", &self.lifetimes.expiry)
            .field("max_lifetime", &self.lifetimes.max)
            .field("grace", &self.grace)
            .field("max_fields", &self.max_fields)
            .field("max_value_bytes", &self.max_value_bytes)
            .field("create_at_once", &self.create_at_once)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
