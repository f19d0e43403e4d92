//! The handler of a history: executes the operations of its request, and compares the results with the contract.

use super::{
    data::{Data, Field, Held, OTP_MILLIS},
    model::Stored,
    plan::{End, Op, Request},
    stepping::turn,
    tasks::Spawned,
    unit::{Answer, Cookie, Phase, Who},
    wants::Change,
    watch::{Watch, Watched},
};
use http::{Response, StatusCode};
use level_session::{ErrorKind, Result, Session, Timestamp, UntypedSession};
use std::{fmt::Debug, panic::resume_unwind};

/// The payload of a planned panic.
pub(super) struct Told;

/// A running handler.
#[derive(Clone)]
pub(super) struct Handler {
    pub(super) watched: Watched,
    pub(super) number: usize,
    /// The task that continues after the response, once it was started.
    pub(super) spawned: Spawned,
    /// The number of that unit, and its operations.
    pub(super) later: (usize, Vec<Op>),
}

impl Handler {
    /// Executes all operations, and returns the response.
    pub(super) async fn run(self, request: Request, session: UntypedSession) -> Response<Vec<u8>> {
        let session = match session.typed::<Data>() {
            Ok(session) => session,
            Err(error) => {
                self.watched
                    .lock()
                    .violated(format!("no typed session: {error:?}"));
                return Response::new(Vec::new());
            }
        };
        let work = self.work(&session, &request.ops);
        match request.beside.is_empty() {
            true => work.await,
            false => {
                let beside = self.work(&session, &request.beside);
                self.both(&session, request.turns, work, beside).await;
            }
        }
        let commits = matches!(request.end, End::Status(status) if status < 500);
        let mut watch = self.watched.lock();
        let number = self.number;
        watch.tell(|_| format!("request {number} ends with {:?}", request.end));
        watch.unit().task().begins(Phase::Ending { commits });
        watch.unit().gone_at_the_end = watch.unit().gone;
        drop(watch);
        match request.end {
            End::Panic => resume_unwind(Box::new(Told)),
            End::Status(status) => {
                let mut response = Response::new(Vec::new());
                *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
                response
            }
        }
    }

    /// Executes operations one after another.
    pub(super) async fn work(&self, session: &Session<Data>, ops: &[Op]) {
        for op in ops {
            if self.watched.lock().is_over() {
                break;
            }
            self.watched.lock().operations += 1;
            self.begins(Phase::AtWork);
            self.perform(session, *op).await;
        }
    }

    async fn perform(&self, session: &Session<Data>, op: Op) {
        match op {
            Op::Yield => return turn().await,
            Op::Detach => self.detach(op, session),
            Op::Read(field, typed) => {
                let got = match typed {
                    true => field.read(session).await,
                    false => field.get(session).await,
                };
                self.read(op, field, typed, got);
            }
            Op::ReadAll => {
                let got = session.get_all().await;
                let got = got.map(|all| {
                    let damaged = all.damaged().len();
                    (all.into_map(), damaged)
                });
                let mut watch = self.told(op, &got);
                if let Some((map, damaged)) = must(&mut watch, op, got) {
                    watch.check(damaged == 0, |_| "a field is damaged".into());
                    for field in Field::ALL {
                        let got = map.get(field.key()).and_then(super::data::held);
                        sees(&mut watch, op, field, got, false);
                    }
                }
            }
            Op::Load => {
                let got = session.load().await;
                let mut watch = self.told(op, &got);
                if let Some(data) = must(&mut watch, op, got) {
                    whole(&mut watch, op, &data);
                }
            }
            Op::Store(tag) => {
                let got = session.load().await;
                let Some(mut data) = ({
                    let mut watch = self.told(op, &got);
                    let data = must(&mut watch, op, got);
                    if let Some(data) = &data {
                        whole(&mut watch, op, data);
                    }
                    data
                }) else {
                    return;
                };
                data.user = Some(tag);
                data.visits += 2;
                let got = session.store(&data).await;
                self.wants(op, got, |watch, now| watch.stores(op, &data, now));
            }
            Op::Set(field, tag, typed) => {
                let got = field.set(session, tag, typed);
                self.wants(op, got, |watch, now| {
                    let change = set(field, field.holding(tag), now);
                    watch.unit().wants.push(field, change);
                });
            }
            Op::SetPair(tag) => {
                for field in [Field::Left, Field::Right] {
                    let got = field.set(session, tag, true);
                    self.wants(op, got, |watch, now| {
                        let change = set(field, field.holding(tag), now);
                        watch.unit().wants.push(field, change);
                    });
                }
            }
            Op::Remove(field, typed) => {
                let got = field.remove(session, typed);
                self.wants(op, got, |watch, _| {
                    watch.unit().wants.push(field, Change::Remove);
                });
            }
            Op::Add(field, delta) => {
                let got = match field {
                    Field::Lives => session.lives().sub(delta),
                    _ => session.visits().add(delta.unsigned_abs()),
                };
                let delta = if field == Field::Lives { -delta } else { delta };
                self.wants(op, got, |watch, _| {
                    watch.unit().wants.push(field, Change::Add(delta));
                });
            }
            Op::Update(field, by) => {
                let got = field.update(session, by).await;
                self.wants(op, got, |watch, _| {
                    watch.looked(field);
                    let of_nothing = watch.unit().who == Who::Nobody;
                    let change = Change::Update { by, of_nothing };
                    watch.unit().wants.push(field, change);
                });
            }
            Op::Take(field) => self.take(session, op, field).await,
            Op::Clear => {
                let got = session.clear();
                self.wants(op, got, |watch, _| watch.unit().wants.clear());
            }
            Op::Renew => {
                let got = session.renew();
                if self.watched.lock().unit().detached {
                    let kind = got.err().map(|error| error.kind());
                    return self
                        .watched
                        .lock()
                        .check(kind == Some(ErrorKind::Misuse), |_| {
                            format!("{op:?} gives {kind:?}, and there will be no response")
                        });
                }
                self.wants(op, got, |watch, _| watch.unit().wants.renew = true);
            }
            Op::Destroy => {
                let got = session.destroy();
                self.wants(op, got, |watch, _| {
                    let unit = watch.unit();
                    unit.wants.clear();
                    unit.wants.destroy = true;
                });
            }
            Op::Touch => {
                let got = session.touch();
                self.wants(op, got, |watch, _| watch.unit().wants.touch = true);
            }
            Op::IsLive => {
                let got = session.is_live().await;
                let mut watch = self.told(op, &got);
                if let Some(live) = must(&mut watch, op, got) {
                    let known = matches!(watch.unit().who, Who::Known { .. });
                    watch.check(live == known, |_| format!("{op:?} gives {live}"));
                }
            }
            Op::Commit => {
                self.begins(Phase::Committing);
                let got = session.commit().await;
                let mut watch = self.told(op, &got);
                watch.unit().task().phase = Phase::AtWork;
                committed(&mut watch, got.map_err(|error| error.kind()));
            }
        }
        self.watched.lock().unit().used = true;
    }

    async fn take(&self, session: &Session<Data>, op: Op, field: Field) {
        self.begins(Phase::Taking(field));
        let got = field.take(session).await;
        let mut watch = self.told(op, &got);
        watch.unit().task().phase = Phase::AtWork;
        let now = watch.clock.now();
        // The claimed value is taken, regardless of what another task has learned about the session in the meantime.
        if let Some(claimed) = watch.unit().task().claimed.take() {
            let wanted = claimed.and_then(|stored| stored.at(now).cloned());
            let got = got.map_err(|error| error.kind());
            return watch.check(got == Ok(wanted.clone()), |_| {
                format!("{op:?} gives {got:?} and should give {wanted:?}")
            });
        }
        let Some(got) = must(&mut watch, op, got) else {
            return;
        };
        // The value was the request's own, or there is none.
        watch.looked(field);
        let Some(seen) = watch.unit().sees(field, now) else {
            return watch.violated(format!("{op:?} was answered without a look"));
        };
        let wanted = seen.as_ref().and_then(|stored| stored.at(now).cloned());
        watch.check(got == wanted, |_| {
            format!("{op:?} gives {got:?} and should give {wanted:?}")
        });
        if seen.is_some() {
            watch.unit().wants.drop_own(field);
        }
    }

    fn begins(&self, phase: Phase) {
        self.watched.lock().unit().task().begins(phase);
    }

    pub(super) fn told<T: Debug>(
        &self,
        op: Op,
        got: &Result<T>,
    ) -> std::sync::MutexGuard<'_, Watch> {
        let mut watch = self.watched.lock();
        let number = self.number;
        watch.tell(|_| match got {
            Ok(value) => format!("request {number}: {op:?} -> {value:?}"),
            Err(error) => format!("request {number}: {op:?} -> {:?}", error.kind()),
        });
        watch
    }

    fn read(&self, op: Op, field: Field, typed: bool, got: Result<Option<Held>>) {
        let mut watch = self.told(op, &got);
        if let Some(got) = must(&mut watch, op, got) {
            sees(&mut watch, op, field, got, typed);
        }
    }

    fn wants(&self, op: Op, got: Result<()>, want: impl FnOnce(&mut Watch, Timestamp)) {
        let mut watch = self.told(op, &got);
        if must(&mut watch, op, got).is_some() {
            let now = watch.clock.now();
            want(&mut watch, now);
        }
    }
}

pub(super) fn set(field: Field, held: Held, now: Timestamp) -> Change {
    let otp = Timestamp::from_millis(now.as_millis() + OTP_MILLIS);
    let expires = (field == Field::Otp).then_some(otp);
    Change::Set(Stored { held, expires })
}

/// The operation must succeed, unless the session ended during the request or the store failed: a value that could not
/// be read never reads as missing.
pub(super) fn must<T>(watch: &mut Watch, op: Op, got: Result<T>) -> Option<T> {
    told_gone(
        watch,
        matches!(&got, Err(error) if error.kind() == ErrorKind::Gone),
    );
    let (gone, failed) = (watch.unit().gone, watch.unit().task().failed);
    match got {
        Err(error) if watch.overflows(error.kind() == ErrorKind::Overflow) => None,
        Ok(value) if !gone && !failed => Some(value),
        Err(error) if gone && error.kind() == ErrorKind::Gone => None,
        Err(error) if failed && error.kind() == ErrorKind::Store => None,
        got => {
            let kind = got.err().map(|error| error.kind());
            watch.violated(format!(
                "{op:?} gives {kind:?}, and the session {}{}",
                if gone {
                    "ended under the request"
                } else {
                    "lives"
                },
                if failed { ", and the store failed" } else { "" }
            ));
            None
        }
    }
}

fn sees(watch: &mut Watch, op: Op, field: Field, got: Option<Held>, typed: bool) {
    let now = watch.clock.now();
    watch.looked(field);
    match watch.unit().sees(field, now) {
        None => watch.violated(format!("{op:?} was answered without a look")),
        Some(stored) => {
            let wanted = stored.and_then(|stored| stored.at(now).cloned());
            let wanted = wanted.or_else(|| field.default().filter(|_| typed));
            watch.check(got == wanted, |_| {
                format!("{op:?} gives {got:?} and should give {wanted:?}")
            });
        }
    }
}

fn whole(watch: &mut Watch, op: Op, data: &Data) {
    for field in Field::ALL {
        if field != Field::Note {
            sees(watch, op, field, field.in_struct(data), true);
        }
    }
}

/// The request could be told either way, and was told.
fn told_gone(watch: &mut Watch, gone: bool) {
    let unit = watch.unit();
    unit.gone |= std::mem::take(&mut unit.may_be_gone) && gone;
}

/// A commit is acknowledged if and only if it is stored, unless there was nothing to store, or the store failed: then
/// the outcome is unknown.
pub(super) fn committed(watch: &mut Watch, got: Result<(), ErrorKind>) {
    told_gone(watch, got == Err(ErrorKind::Gone));
    let now = watch.clock.now();
    let unit = watch.unit();
    let (who, wants) = (unit.who, unit.wants.clone());
    // A detached unit cannot send a cookie for a session that it would create.
    let makes_one = unit.detached && !unit.gone && wants.leaves_something(now);
    let failed = unit.task().failed;
    let answer = unit.task().answered.first().copied();
    // The session to destroy has already ended.
    let was_gone = who == Who::Nobody && wants.destroy && unit.presented && answer.is_none();
    if was_gone && !unit.gone && !failed {
        unit.wants.destroy = false;
        match unit.renewed_lately {
            true => unit.gone = true,
            false => unit.cookie = Cookie::Remove,
        }
    }
    let wanted = match answer {
        Some(Answer::Done | Answer::RefreshGone | Answer::RefreshFailed) => Ok(()),
        Some(Answer::Gone) => Err(ErrorKind::Gone),
        Some(Answer::Full) => Err(ErrorKind::Full),
        Some(Answer::Failed) => Err(ErrorKind::Store),
        None if failed => Err(ErrorKind::Store),
        None if unit.gone => Err(ErrorKind::Gone),
        None if makes_one && who == Who::Nobody && unit.had_a_session() => Err(ErrorKind::Gone),
        None if makes_one && who == Who::Nobody => Err(ErrorKind::Misuse),
        None if makes_one && wants.destroy => Err(ErrorKind::Misuse),
        None => Ok(()),
    };
    unit.gone |= makes_one && wanted == Err(ErrorKind::Gone);
    if unit.detached && got.is_ok() {
        unit.forget();
    }
    let answered = answer.is_some();
    watch.check(got == wanted, |_| {
        format!("a commit gives {got:?} and should give {wanted:?}")
    });
    if wanted.is_err() || answered {
        return;
    }
    let forgotten = match who {
        Who::Nobody => wants.leaves_something(now),
        Who::Presented(_) => {
            wants.destroy || wants.renew || wants.clear || wants.leaves_something(now)
        }
        Who::Known { id, .. } => watch.model.live(id).is_some_and(|live| {
            let mut after = live.fields.clone();
            wants.apply(&mut after, now);
            wants.destroy || wants.renew || after != live.fields
        }),
    };
    watch.check(!forgotten, |_| {
        format!("an acknowledged commit stores nothing of {wants:?}")
    });
}
