//! The changes of a request before they are stored: one [`Slot`] per field.
//!
//! A slot has two layers: the stored value (if it was read), and the pending change. The request sees the stored value
//! with the change applied. A commit takes the change, and returns it if the commit is not stored. Neither layer has
//! types: values are bytes here, and an `update` is a closure over bytes.

use crate::{
    error::Result,
    store::Add,
    store::FieldName,
    store::Timestamp,
    store::{Bytes, Guard, Op, Write},
};

/// A value to store, with its index entry if the field is an index.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) bytes: Bytes,
    /// Boxed, since few fields have an entry, and moving a small slot is cheaper.
    pub(crate) index: Option<Box<Bytes>>,
}

/// One step of an `update`: from the current value to the new one. It runs again if another request was faster.
pub(crate) type UpdateStep =
    Box<dyn FnMut(Option<&Bytes>, Timestamp) -> Result<Option<Setting>> + Send>;

/// A change of one field.
pub(crate) enum Change {
    Set(Setting),
    Remove,
    Add(Box<Add>),
    Update(Box<Update>),
}

/// Steps that ran on `base` and gave `result`; valid only while `base` is the stored value.
pub(crate) struct Update {
    base: Option<Bytes>,
    result: Option<Setting>,
    steps: Vec<UpdateStep>,
}

impl Update {
    /// Runs the steps again, on the current stored value.
    pub(crate) fn rerun(&mut self, base: Option<Bytes>, now: Timestamp) -> Result<()> {
        let mut result = None;
        let mut bytes = base.clone();
        for step in &mut self.steps {
            result = step(bytes.as_ref(), now)?;
            bytes = result.as_ref().map(|setting| setting.bytes.clone());
        }
        self.base = base;
        self.result = result;
        Ok(())
    }

    fn result(&self) -> Option<&Bytes> {
        self.result.as_ref().map(|setting| &setting.bytes)
    }

    /// The guard under which the result is valid.
    pub(crate) fn guard(&self, field: &FieldName) -> Guard {
        Guard::new(field.clone(), self.base.clone())
    }

    /// The write of the result.
    pub(crate) fn write(&self, field: &FieldName) -> Write {
        write(field, self.result.as_ref())
    }
}

impl From<Option<Setting>> for Change {
    fn from(result: Option<Setting>) -> Self {
        result.map_or(Self::Remove, Self::Set)
    }
}

impl Change {
    /// Combines an addition with earlier changes.
    fn add_over(under: Option<Self>, field: &FieldName, add: Add, now: Timestamp) -> Result<Self> {
        let apply = |bytes: Option<&Bytes>| -> Result<Setting> {
            let bytes = sum(field, &add, bytes, now)?;
            Ok(Setting { bytes, index: None })
        };
        Ok(match under {
            None => Self::Add(add.into()),
            Some(Self::Set(setting)) => Self::Set(apply(Some(&setting.bytes))?),
            Some(Self::Remove) => Self::Set(apply(None)?),
            Some(Self::Add(mut sum)) => {
                sum.delta = sum.delta.saturating_add(add.delta);
                Self::Add(sum)
            }
            Some(Self::Update(mut update)) => {
                update.result = Some(apply(update.result())?);
                update.steps.push(adding(field.clone(), add));
                Self::Update(update)
            }
        })
    }

    /// Combines a step of an `update`, which returned `result`, with earlier changes. `base` is the stored value, or
    /// `None` for a field whose stored value the request has cleared.
    fn update_over(
        under: Option<Self>,
        field: &FieldName,
        base: Option<Option<Bytes>>,
        step: UpdateStep,
        result: Option<Setting>,
    ) -> Self {
        let (mut steps, base) = match (under, base) {
            (None, Some(base)) => (Vec::new(), base),
            (Some(Self::Add(add)), Some(base)) => (vec![adding(field.clone(), *add)], base),
            (Some(Self::Update(update)), _) => (update.steps, update.base),
            // After the request's own set or remove, a step is simply a new value.
            (Some(Self::Set(_) | Self::Remove), _) | (_, None) => return result.into(),
        };
        steps.push(step);
        Self::Update(Box::new(Update {
            base,
            result,
            steps,
        }))
    }

    /// The value that the change sets, if it sets one.
    fn setting(&self) -> Option<&Setting> {
        match self {
            Self::Set(setting) => Some(setting),
            Self::Update(update) => update.result.as_ref(),
            Self::Remove | Self::Add(_) => None,
        }
    }

    /// Whether the change would leave a field in an empty session.
    fn writes_anything(&self) -> bool {
        matches!(self, Self::Add(_)) || self.setting().is_some()
    }

    /// The write of the change; `stored` is the field's value as read.
    pub(crate) fn write(&self, field: &FieldName, stored: Option<&Option<Bytes>>) -> Write {
        match self {
            Self::Add(add) => Write::new(field.clone(), Op::add(**add, stored.cloned())),
            _ => write(field, self.setting()),
        }
    }

    /// Restores the change from its write, unless it was an `update`.
    pub(crate) fn of(write: Write) -> Self {
        match write.op {
            Op::Set(bytes) => Self::Set(Setting {
                bytes,
                index: write.index.map(Box::new),
            }),
            Op::Add { add, .. } => Self::Add(add.into()),
            _ => Self::Remove,
        }
    }
}

fn write(field: &FieldName, setting: Option<&Setting>) -> Write {
    match setting {
        Some(Setting { bytes, index }) => {
            Write::set(field.clone(), bytes.clone()).with_index(index.as_deref().cloned())
        }
        None => Write::remove(field.clone()),
    }
}

fn sum(field: &FieldName, add: &Add, bytes: Option<&Bytes>, now: Timestamp) -> Result<Bytes> {
    let sum = add.apply(bytes.map(|b| &**b), now);
    Ok(sum.map_err(|e| e.on_field(field.clone()))?)
}

/// An addition as a step of an `update`.
fn adding(field: FieldName, add: Add) -> UpdateStep {
    Box::new(move |bytes, now| {
        let bytes = sum(&field, &add, bytes, now)?;
        Ok(Some(Setting { bytes, index: None }))
    })
}

/// One field as a request sees it.
#[derive(Default)]
pub(crate) struct Slot {
    /// The stored value, once it was read: `Some(None)` if the field is absent.
    stored: Option<Option<Bytes>>,
    /// The pending change.
    change: Option<Change>,
}

/// The value of a field as the request sees it.
pub(crate) enum Seen {
    /// It depends on the stored value, which was not read.
    Unknown,
    /// These bytes, or an absent field.
    Known(Option<Bytes>),
}

impl Seen {
    /// The bytes, if the value cannot be unknown.
    pub(crate) fn known(self) -> Option<Bytes> {
        match self {
            Self::Known(bytes) => bytes,
            Self::Unknown => None,
        }
    }
}

impl Slot {
    pub(crate) fn is_changed(&self) -> bool {
        self.change.is_some()
    }

    /// Whether the stored value was read.
    pub(crate) fn is_read(&self) -> bool {
        self.stored.is_some()
    }

    /// The stored value, if it was read.
    pub(crate) fn stored(&self) -> Option<&Option<Bytes>> {
        self.stored.as_ref()
    }

    /// Records a value that was read. An earlier one is kept: a field is read once per request.
    pub(crate) fn read(&mut self, bytes: Option<Bytes>) {
        self.stored.get_or_insert(bytes);
    }

    /// Replaces the stored value, even if one was read before: `None` if it is unknown.
    pub(crate) fn reread(&mut self, stored: Option<Option<Bytes>>) {
        self.stored = stored;
    }

    /// The stored value with the change applied; `cleared` hides the stored value.
    pub(crate) fn seen(&self, field: &FieldName, cleared: bool, now: Timestamp) -> Result<Seen> {
        let stored = match &self.stored {
            _ if cleared => Seen::Known(None),
            Some(bytes) => Seen::Known(bytes.clone()),
            None => Seen::Unknown,
        };
        Ok(match (&self.change, stored) {
            (None, stored) => stored,
            (Some(Change::Add(_)), Seen::Unknown) => Seen::Unknown,
            (Some(Change::Add(add)), Seen::Known(bytes)) => {
                Seen::Known(Some(sum(field, add, bytes.as_ref(), now)?))
            }
            (Some(change), _) => Seen::Known(change.setting().map(|setting| setting.bytes.clone())),
        })
    }

    pub(crate) fn set(&mut self, change: Change) {
        self.change = Some(change);
    }

    /// Drops changes that are not stored.
    pub(crate) fn drop_change(&mut self) {
        self.change = None;
    }

    /// Forgets the value that was read and keeps the change. Returns whether there is a change.
    pub(crate) fn forget(&mut self) -> bool {
        self.stored = None;
        self.is_changed()
    }

    /// Adds to the counter. Fails, and changes nothing, if the sum is already known to leave the counter's range:
    /// `seen` is the value that the request sees.
    pub(crate) fn add(
        &mut self,
        field: &FieldName,
        add: Add,
        seen: &Seen,
        now: Timestamp,
    ) -> Result<()> {
        if let Seen::Known(bytes) = seen {
            sum(field, &add, bytes.as_ref(), now)?;
        }
        // `add_over` rejects no sum that was accepted above.
        let under = self.change.take();
        self.change = Some(Change::add_over(under, field, add, now)?);
        Ok(())
    }

    /// Records a step of an `update` that was run on the visible value.
    pub(crate) fn update(
        &mut self,
        field: &FieldName,
        cleared: bool,
        step: UpdateStep,
        result: Option<Setting>,
    ) {
        let base = (!cleared).then(|| self.stored.clone().flatten());
        let under = self.change.take();
        self.change = Some(Change::update_over(under, field, base, step, result));
    }

    /// Moves the change to a commit, or to a claim.
    pub(crate) fn take_change(&mut self) -> Option<Change> {
        self.change.take()
    }

    /// A commit was not stored: its change is pending again, beneath later changes.
    pub(crate) fn fall_back(
        &mut self,
        field: &FieldName,
        under: Change,
        now: Timestamp,
    ) -> Result<()> {
        if let Change::Update(update) = &under {
            self.stored = Some(update.base.clone()); // it may have run again, on a newer stored value
        }
        match self.change.replace(under) {
            None => Ok(()),
            Some(Change::Add(add)) => self.add(field, *add, &Seen::Unknown, now),
            // An `update` waits for the commit in flight, so any later change is a replacement.
            over => {
                self.change = over;
                Ok(())
            }
        }
    }

    /// Whether the change sets or removes the value, independent of the stored one.
    pub(crate) fn replaces(&self) -> bool {
        matches!(self.change, Some(Change::Set(_) | Change::Remove))
    }

    pub(crate) fn writes_anything(&self) -> bool {
        self.change.as_ref().is_some_and(Change::writes_anything)
    }
}
