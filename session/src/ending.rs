//! Ends sessions from outside a request: one session, if it still belongs to a given user, or all sessions of a user.

use crate::{
    error::{Error, ErrorKind, Result},
    runtime::{EndReason, Event, Kind, Runtime},
    store::{
        Bytes, Commit, Digest, FieldName, Guard, Limit, Loaded, Outcome, Select, Step, Timeouts,
        WhenFull, Write, schema::FieldDef,
    },
    value,
};
use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

/// The maximum number of attempts while other requests change the session.
const TRIES: usize = 64;
/// How many sessions are listed per page, and ended concurrently.
const PAGE: usize = 64;
/// The lifetime of the temporary session that [`end_the_rest`] creates, in case the process stops before ending it.
const MOMENT: Duration = Duration::from_secs(60);

/// Sessions with one value of one field.
#[derive(Clone, Debug)]
pub(crate) struct Sought {
    pub(crate) field: FieldName,
    /// The value in its stored form.
    stored: Bytes,
    pub(crate) entry: Bytes,
}

impl Sought {
    pub(crate) fn new(field: FieldName, stored: Bytes) -> Result<Self> {
        let entry = value::index_entry(&stored).map_err(|cause| cause.on_field(field.clone()))?;
        Ok(Self {
            field,
            stored,
            entry,
        })
    }

    /// Whether a session with this stored value matches.
    pub(crate) fn is(&self, stored: Option<&Bytes>) -> bool {
        stored.is_some_and(|stored| value::index_entry(stored).is_ok_and(|it| it == self.entry))
    }

    fn limit(&self) -> Limit {
        Limit::new(
            self.field.clone(),
            self.entry.clone(),
            1,
            WhenFull::EndOldest,
        )
    }

    /// If the session matches, returns a guard that holds while it does, and whether `id` is the session's former id.
    async fn guard(&self, runtime: &Runtime, id: Digest) -> Result<Option<(Guard, bool)>> {
        let names = [&*self.field];
        let now = runtime.clock.now();
        let loaded = runtime.store.load(id, Select::Names(&names), now).await?;
        let Loaded::Live(snapshot) = loaded else {
            return Ok(None);
        };
        let values = snapshot.fields.values(&names);
        let stored = values.into_iter().flatten().next().flatten();
        Ok(self.is(stored.as_ref()).then(|| {
            let guard = Guard::new(self.field.clone(), stored);
            (guard, snapshot.by_former_id)
        }))
    }
}

/// Ends a session if it is live and matches `only`, if given. Returns whether it ended the session.
pub(crate) async fn end(
    runtime: &Runtime,
    id: Digest,
    only: Option<&Sought>,
    reason: EndReason,
) -> Result<bool> {
    for _ in 0..TRIES {
        let guard = match only {
            None => None,
            Some(only) => match only.guard(runtime, id).await? {
                None => return Ok(false),
                Some((guard, _)) => Some(guard),
            },
        };
        let now = runtime.clock.now();
        let ending = runtime.end(Kind::Destroyed);
        let commit = Commit::new(id, now, Step::Destroy)
            .with_ended_at(ending.at)
            .with_guards(guard.as_slice());
        match runtime.store.commit(commit).await? {
            Outcome::Done(done) => {
                drop(ending);
                runtime.tell(Event::ended(id, reason, now), done.by_former_id);
                return Ok(true);
            }
            Outcome::Gone => return Ok(false),
            Outcome::Conflict(_) => {}
            _ => return Err(Error::unknown_outcome()),
        }
    }
    Err(contended())
}

/// Ends all sessions of a user except `but`, and returns how many. Every session that matched when the call began has ended
/// when the call returns, even if it was renewed in the meantime; a session that remains began later.
pub(crate) async fn end_all(
    runtime: &Runtime,
    sought: &Sought,
    but: Option<Digest>,
    reason: EndReason,
) -> Result<u64> {
    let by_former_id = match but {
        Some(but) => sought.guard(runtime, but).await?.is_some_and(|(_, it)| it),
        None => false,
    };
    let mut ended = 0;
    // The listing contains the session to keep under an id that is unknown here; only the last step can exclude it.
    if !by_former_id {
        let mut after = None;
        loop {
            let now = runtime.clock.now();
            let (field, entry) = (&sought.field, &sought.entry);
            let found = runtime.store.find(field, entry, after.as_ref(), PAGE, now);
            let page = found.await?;
            let others = page.items.iter().filter(|found| Some(found.id) != but);
            let ends = others.map(|found| end(runtime, found.id, Some(sought), reason));
            for one in all(ends.collect()).await {
                ended += u64::from(one?);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(ended + end_the_rest(runtime, sought, but, reason).await?)
}

/// Ends the sessions that the listing missed because they were renewed during it. This is one step: the commit of a session
/// with a limit of one. If no session is to be kept, the commit creates a temporary session, which is ended next.
async fn end_the_rest(
    runtime: &Runtime,
    sought: &Sought,
    but: Option<Digest>,
    reason: EndReason,
) -> Result<u64> {
    let limits = [sought.limit()];
    let writes = [Write::set(sought.field.clone(), sought.stored.clone())
        .with_index(Some(sought.entry.clone()))];
    for _ in 0..TRIES {
        let guard = match but {
            Some(but) => sought.guard(runtime, but).await?,
            None => None,
        };
        let now = runtime.clock.now();
        let ending = runtime.end(Kind::Destroyed);
        let (commit, guards, kept);
        match (but, guard) {
            (Some(but), Some((guard, _))) => {
                let stored = guard.expected.clone();
                let stored = stored.unwrap_or_else(|| sought.stored.clone());
                kept =
                    [Write::set(sought.field.clone(), stored)
                        .with_index(Some(sought.entry.clone()))];
                guards = [guard];
                commit = Commit::new(but, now, Step::keep(None))
                    .with_guards(&guards)
                    .with_writes(&kept);
            }
            _ => {
                let lease = Timeouts::new(MOMENT).lease(now, now);
                let id = runtime.draw(None)?.digest();
                commit = Commit::new(id, now, Step::create(now, lease)).with_writes(&writes);
            }
        }
        let is_of_no_one = matches!(commit.step, Step::Create { .. });
        let commit = commit
            .with_limits(&limits)
            .with_others_ended_at(ending.at)
            .with_ends_others(true);
        match runtime.store.commit(commit).await? {
            Outcome::Done(done) => {
                drop(ending);
                for id in &done.ended {
                    runtime.tell(Event::ended(*id, reason, now), false);
                }
                if is_of_no_one {
                    let ending = runtime.end(Kind::Destroyed);
                    let end = Commit::new(commit.id, now, Step::Destroy);
                    runtime.store.commit(end.with_ended_at(ending.at)).await?;
                }
                return Ok(done.ended.len() as u64);
            }
            Outcome::Gone | Outcome::Conflict(_) | Outcome::Exists => {}
            _ => return Err(Error::unknown_outcome()),
        }
    }
    Err(contended())
}

/// Rejects a field that is not an index.
pub(crate) fn must_be_index(def: &FieldDef) -> Result<()> {
    match def.is_index() {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::Misuse,
            "is not declared `#[session(index)]`, so sessions cannot be found by it; add the attribute",
        )
        .on(def.key())),
    }
}

fn contended() -> Error {
    Error::new(
        ErrorKind::Contended,
        "could not end the session: other requests kept changing it; try again",
    )
}

/// Runs futures concurrently in this task. A wake-up polls all pending futures, so use it only for small numbers.
pub(crate) async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    enum One<F: Future> {
        Running(Pin<Box<F>>),
        Done(F::Output),
    }
    let running = futures.into_iter().map(|it| One::Running(Box::pin(it)));
    let mut all: Vec<One<F>> = running.collect();
    poll_fn(|cx| {
        let mut result = Poll::Ready(());
        for one in &mut all {
            if let One::Running(future) = one {
                match future.as_mut().poll(cx) {
                    Poll::Ready(output) => *one = One::Done(output),
                    Poll::Pending => result = Poll::Pending,
                }
            }
        }
        result
    })
    .await;
    let outputs = all.into_iter().filter_map(|one| match one {
        One::Done(output) => Some(output),
        One::Running(_) => None,
    });
    outputs.collect()
}
