//! Decides which server a command is sent to, and when it is sent again.

use crate::{
    cache::Proof,
    counts::Counters,
    fault::{self, Fault, NotRun},
    keys::Keys,
    link::{Dial, Link},
};
use level_session_store::{Error, ErrorKind, Home, Result};
use redis::{Cmd, Pipeline, Value, cmd};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};
use tokio::time::Instant;

pub(crate) struct Servers {
    kind: Kind,
    links: Mutex<BTreeMap<(String, u16), Arc<Link>>>,
    dial: Dial,
    /// How long a command that did not run is retried.
    patience: Duration,
}

enum Kind {
    Single(Arc<Link>),
    Sentinel {
        sentinels: Vec<Arc<Link>>,
        master: String,
        now: RwLock<Option<Arc<Link>>>,
    },
    Cluster {
        seeds: Vec<Arc<Link>>,
        /// The node of each home; none if its slot is at no node.
        homes: RwLock<Vec<Option<Arc<Link>>>>,
        slots: Vec<u16>,
    },
}

/// Builds a command, again each time that it is sent: `true` requests the script's text in place of its hash.
pub(crate) type Make<'m> = dyn Fn(bool) -> Cmd + Send + Sync + 'm;

impl Servers {
    fn new(kind: Kind, dial: Dial) -> Self {
        Self {
            kind,
            links: Mutex::default(),
            patience: dial.response_timeout * 4,
            dial,
        }
    }

    pub(crate) fn single(dial: Dial) -> Result<Self> {
        Ok(Self::new(Kind::Single(Link::new(dial.clone())?), dial))
    }

    pub(crate) fn sentinel(sentinels: Vec<Arc<Link>>, master: String, dial: Dial) -> Self {
        let kind = Kind::Sentinel {
            sentinels,
            master,
            now: RwLock::default(),
        };
        Self::new(kind, dial)
    }

    pub(crate) fn cluster(seeds: Vec<Arc<Link>>, keys: &Keys, dial: Dial) -> Self {
        let homes = 0..keys.homes();
        let kind = Kind::Cluster {
            seeds,
            homes: RwLock::new(vec![None; homes.len()]),
            slots: homes.map(|home| keys.slot(Home::new(home))).collect(),
        };
        Self::new(kind, dial)
    }

    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.dial.counters
    }

    /// Sends a command to the home's server. It is sent again only if it did not run; a read also if its response was
    /// lost.
    pub(crate) async fn call(
        &self,
        doing: &str,
        home: Home,
        writes: bool,
        make: &Make<'_>,
    ) -> Result<Value> {
        let give_up = Instant::now() + self.patience;
        let mut pause = Pauses::default();
        let mut whole = false;
        let mut asked: Option<Arc<Link>> = None;
        let mut lost_once = false;
        loop {
            let late = Instant::now() >= give_up;
            let mut answered = None;
            let fault = match self.link(home).await {
                Err(error) => Fault::Unreachable(error),
                Ok(at_home) => {
                    let asks = asked.take();
                    let answer = match &asks {
                        Some(link) => ask(link, make(true)).await,
                        None => at_home.call(&make(whole)).await,
                    };
                    let link = answered.insert(asks.unwrap_or(at_home));
                    match answer {
                        Ok(value) => {
                            if writes {
                                link.serves();
                            }
                            return Ok(value);
                        }
                        Err(Fault::Lost(error)) => {
                            self.lost(home, link);
                            if writes || lost_once || late {
                                if writes {
                                    self.counters().uncertain();
                                }
                                return Err(fault::lost(doing, link.place(), &error, writes));
                            }
                            lost_once = true;
                            continue;
                        }
                        Err(fault) => fault,
                    }
                }
            };
            match fault {
                Fault::Unreachable(error) => {
                    if late {
                        return Err(error);
                    }
                    self.moved_on(home).await;
                    pause.wait().await;
                }
                Fault::Lost(error) => return Err(fault::lost(doing, "the server", &error, writes)),
                Fault::Refused(error) => {
                    let place = answered.as_ref().map_or("", |link| link.place());
                    let again = match fault::not_run(&error) {
                        None => return Err(fault::refused(doing, place, &error)),
                        Some(_) if late => return Err(fault::refused(doing, place, &error)),
                        Some(again) => again,
                    };
                    self.counters().tried_again();
                    tracing::debug!(?again, doing, "a command did not run and is sent again");
                    match again {
                        NotRun::NoScript => whole = true,
                        NotRun::Moved(node) => self.moved(home, &node)?,
                        NotRun::Ask(node) => asked = Some(self.node(&node)?),
                        NotRun::Later => pause.wait().await,
                        NotRun::Elsewhere => {
                            if let Some(link) = &answered {
                                link.refuses(&fault::refused(doing, link.place(), &error));
                            }
                            self.elsewhere(home).await;
                            pause.wait().await;
                        }
                    }
                }
            }
        }
    }

    /// Sends a read to the home's server, once: returns the response, and its connection. `None` if there is none, or
    /// commits are sent to another server by now (`leading`); then the next read is sent there.
    pub(crate) async fn once(
        &self,
        leading: &Self,
        home: Home,
        command: &Cmd,
    ) -> Option<(Value, Arc<Proof>)> {
        let link = self.link(home).await.ok()?;
        if leading.link(home).await.ok()?.place() != link.place() {
            self.moved_on(home).await;
            return None;
        }
        match link.call_noted(command).await {
            Ok(answer) => return Some(answer),
            Err(Fault::Unreachable(_)) => self.moved_on(home).await,
            Err(Fault::Lost(_)) => self.lost(home, &link),
            Err(Fault::Refused(error)) => match fault::not_run(&error) {
                Some(NotRun::Moved(node)) => {
                    let _ = self.moved(home, &node);
                }
                Some(NotRun::Elsewhere) => self.elsewhere(home).await,
                _ => {}
            },
        }
        None
    }

    /// Sends reads to their homes, those of a server in one round trip, and returns the responses in the same order.
    pub(crate) async fn read_all(
        &self,
        doing: &str,
        commands: Vec<(Home, Cmd)>,
    ) -> Result<Vec<Value>> {
        if let [(home, command)] = &commands[..] {
            let again = |_| command.clone();
            return Ok(vec![self.call(doing, *home, false, &again).await?]);
        }
        let mut groups: Vec<(Arc<Link>, Vec<usize>)> = Vec::new();
        for (n, (home, _)) in commands.iter().enumerate() {
            let Ok(link) = self.link(*home).await else {
                continue;
            };
            match groups
                .iter_mut()
                .find(|(other, _)| Arc::ptr_eq(other, &link))
            {
                Some((_, members)) => members.push(n),
                None => groups.push((link, vec![n])),
            }
        }
        let mut answers: Vec<Option<Value>> = vec![None; commands.len()];
        let commands_of = &commands;
        let trips = groups.iter().map(|(link, members)| async move {
            let mut pipeline = Pipeline::with_capacity(members.len());
            for n in members {
                pipeline.add_command(commands_of[*n].1.clone());
            }
            link.call_all(&pipeline, members.len()).await
        });
        for (trip, (_, members)) in join(trips).await.into_iter().zip(&groups) {
            // A read without a response is sent separately, below.
            for (value, n) in trip.unwrap_or_default().into_iter().zip(members) {
                if !matches!(value, Value::ServerError(_)) {
                    answers[*n] = Some(value);
                }
            }
        }
        let mut all = Vec::with_capacity(answers.len());
        for (answer, (home, command)) in answers.into_iter().zip(&commands) {
            all.push(match answer {
                Some(value) => value,
                None => {
                    let again = |_| command.clone();
                    self.call(doing, *home, false, &again).await?
                }
            });
        }
        Ok(all)
    }

    /// Every server that has sessions, in a stable order.
    pub(crate) async fn masters(&self) -> Result<Vec<Arc<Link>>> {
        let Kind::Cluster { homes, .. } = &self.kind else {
            return Ok(vec![self.link(Home::ONLY).await?]);
        };
        self.refresh().await?;
        let mut all: Vec<_> = read(homes).iter().flatten().cloned().collect();
        all.sort_by(|a, b| a.place().cmp(b.place()));
        all.dedup_by(|a, b| Arc::ptr_eq(a, b));
        Ok(all)
    }

    pub(crate) async fn link(&self, home: Home) -> Result<Arc<Link>> {
        match &self.kind {
            Kind::Single(link) => Ok(Arc::clone(link)),
            Kind::Sentinel {
                sentinels,
                master,
                now,
            } => {
                if let Some(link) = &*read(now) {
                    return Ok(Arc::clone(link));
                }
                let link = self.ask_sentinels(sentinels, master).await?;
                *write(now) = Some(Arc::clone(&link));
                Ok(link)
            }
            Kind::Cluster { homes, .. } => {
                let known = |homes: &RwLock<Vec<Option<Arc<Link>>>>| {
                    read(homes)[usize::from(home.number())].clone()
                };
                if let Some(link) = known(homes) {
                    return Ok(link);
                }
                self.refresh().await?;
                known(homes).ok_or_else(|| {
                    Error::new(
                        ErrorKind::Store,
                        "the Redis Cluster is incomplete: no node has the slot of this session",
                    )
                })
            }
        }
    }

    async fn ask_sentinels(&self, sentinels: &[Arc<Link>], master: &str) -> Result<Arc<Link>> {
        let mut last = None;
        for sentinel in sentinels {
            let mut ask = cmd("SENTINEL");
            ask.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
            match sentinel.call(&ask).await {
                Ok(Value::Array(address)) => {
                    if let [Value::BulkString(host), Value::BulkString(port)] = &address[..]
                        && let Ok(host) = std::str::from_utf8(host)
                        && let Ok(port) = String::from_utf8_lossy(port).parse()
                    {
                        return self.at(host, port);
                    }
                }
                Ok(_) => {
                    last = Some(Error::new(
                        ErrorKind::Store,
                        format!(
                            "the sentinel at {} knows no master of this name",
                            sentinel.place()
                        ),
                    ));
                }
                Err(Fault::Unreachable(error)) => last = Some(error),
                Err(Fault::Refused(error)) => {
                    last = Some(fault::refused(
                        "ask a sentinel for the master",
                        sentinel.place(),
                        &error,
                    ));
                }
                Err(Fault::Lost(error)) => {
                    last = Some(fault::lost(
                        "ask for the master",
                        sentinel.place(),
                        &error,
                        false,
                    ));
                }
            }
        }
        Err(last.unwrap_or_else(|| fault::unexpected("ask a sentinel for the master", false)))
    }

    /// The link to the node with this address.
    fn at(&self, host: &str, port: u16) -> Result<Arc<Link>> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (host.to_owned(), port);
        if let Some(link) = links.get(&key) {
            return Ok(Arc::clone(link));
        }
        let link = Link::new(self.dial.to(host, port))?;
        links.insert(key, Arc::clone(&link));
        Ok(link)
    }

    /// The node that a redirection names.
    pub(crate) fn node(&self, node: &str) -> Result<Arc<Link>> {
        let unknown = || fault::unexpected("follow a redirection of the cluster", false);
        let (host, port) = node.rsplit_once(':').ok_or_else(unknown)?;
        let port = port.parse().map_err(|_| unknown())?;
        match host {
            "" | "?" => self.at(&self.dial.host(), port),
            host => self.at(host, port),
        }
    }

    fn moved(&self, home: Home, node: &str) -> Result<()> {
        let Kind::Cluster { homes, .. } = &self.kind else {
            return Err(Error::new(
                ErrorKind::Store,
                "the server is now a node of a Redis Cluster: reopen the store",
            ));
        };
        let link = self.node(node)?;
        write(homes)[usize::from(home.number())] = Some(link);
        Ok(())
    }

    /// A response was lost: the next command looks up the server again.
    fn lost(&self, home: Home, link: &Arc<Link>) {
        match &self.kind {
            Kind::Single(_) => {}
            Kind::Sentinel { now, .. } => *write(now) = None,
            Kind::Cluster { homes, .. } => {
                let homes = &mut write(homes);
                let place = &mut homes[usize::from(home.number())];
                if place.as_ref().is_some_and(|known| Arc::ptr_eq(known, link)) {
                    *place = None;
                }
            }
        }
    }

    /// A server cannot be reached: another one may have taken its place.
    async fn moved_on(&self, home: Home) {
        match &self.kind {
            Kind::Single(_) => {}
            Kind::Sentinel { now, .. } => *write(now) = None,
            Kind::Cluster { homes, .. } => {
                write(homes)[usize::from(home.number())] = None;
            }
        }
    }

    /// The server accepts no writes: it may have another address by now, or another server may have taken its place.
    async fn elsewhere(&self, home: Home) {
        if let Ok(link) = self.link(home).await {
            link.forget();
        }
        self.moved_on(home).await;
    }

    /// Looks up the node of each home.
    async fn refresh(&self) -> Result<()> {
        let Kind::Cluster {
            seeds,
            homes,
            slots,
        } = &self.kind
        else {
            return Ok(());
        };
        let mut known: Vec<Arc<Link>> = read(homes).iter().flatten().cloned().collect();
        known.sort_by(|a, b| a.place().cmp(b.place()));
        known.dedup_by(|a, b| Arc::ptr_eq(a, b));
        known.extend(seeds.iter().cloned());
        let mut last = None;
        for link in known {
            let mut ask = cmd("CLUSTER");
            ask.arg("SLOTS");
            match link.call(&ask).await {
                Ok(answer) => {
                    let ranges = ranges(&answer, &link.host())
                        .ok_or_else(|| fault::unexpected("ask for the cluster's slots", false))?;
                    let mut found = Vec::with_capacity(slots.len());
                    for slot in slots {
                        let range = ranges
                            .iter()
                            .find(|(first, last, ..)| (*first..=*last).contains(slot));
                        found.push(match range {
                            Some((_, _, host, port)) => Some(self.at(host, *port)?),
                            None => None,
                        });
                    }
                    *write(homes) = found;
                    return Ok(());
                }
                Err(Fault::Unreachable(error)) => last = Some(error),
                Err(Fault::Refused(error)) => {
                    last = Some(fault::refused(
                        "ask for the cluster's slots",
                        link.place(),
                        &error,
                    ));
                }
                Err(Fault::Lost(error)) => {
                    last = Some(fault::lost(
                        "ask for the cluster's slots",
                        link.place(),
                        &error,
                        false,
                    ));
                }
            }
        }
        Err(last.unwrap_or_else(|| fault::unexpected("ask for the cluster's slots", false)))
    }
}

/// Sends a command to the node that a slot is migrating to.
async fn ask(link: &Arc<Link>, command: Cmd) -> Result<Value, Fault> {
    let mut both = Pipeline::with_capacity(2);
    both.add_command(cmd("ASKING"));
    both.add_command(command);
    let answers = link.call_all(&both, 2).await?;
    match answers.into_iter().nth(1) {
        Some(Value::ServerError(error)) => Err(Fault::Refused(error.into())),
        Some(value) => Ok(value),
        None => Err(Fault::Lost(redis::RedisError::from((
            redis::ErrorKind::Parse,
            "a response is missing",
        )))),
    }
}

/// First slot, last slot, host and port of each range.
fn ranges(answer: &Value, asked: &str) -> Option<Vec<(u16, u16, String, u16)>> {
    let Value::Array(ranges) = answer else {
        return None;
    };
    let number = |value: &Value| match value {
        Value::Int(n) => u16::try_from(*n).ok(),
        _ => None,
    };
    ranges
        .iter()
        .map(|range| {
            let Value::Array(range) = range else {
                return None;
            };
            let [first, last, Value::Array(master), ..] = &range[..] else {
                return None;
            };
            let host = match master.first()? {
                Value::BulkString(host) if !host.is_empty() && host != b"?" => {
                    String::from_utf8(host.clone()).ok()?
                }
                Value::BulkString(_) | Value::Nil => asked.to_owned(),
                _ => return None,
            };
            Some((number(first)?, number(last)?, host, number(master.get(1)?)?))
        })
        .collect()
}

/// Backs off, up to 50 ms.
struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(Duration::from_millis(1))
    }
}

impl Pauses {
    async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(Duration::from_millis(50));
    }
}

/// Runs a few futures at the same time.
async fn join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| Some(Box::pin(future))).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        let mut waits = false;
        for (future, done) in running.iter_mut().zip(&mut done) {
            if let Some(running) = future {
                match running.as_mut().poll(cx) {
                    std::task::Poll::Ready(output) => {
                        *done = Some(output);
                        *future = None;
                    }
                    std::task::Poll::Pending => waits = true,
                }
            }
        }
        match waits {
            true => std::task::Poll::Pending,
            false => std::task::Poll::Ready(()),
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
