//! What a request wants changed, before it is stored: one [`Slot`] per field.
//!
//! A slot has three layers: what is stored (as far as it was read), what a commit that is under way takes with it, and
//! what was changed since. What the request sees is one laid over the other; what fails to be stored falls back into
//! the top layer. No layer knows types: values are bytes here, and an `update` is a closure over bytes.

use crate::{
    error::Result,
    store::Add,
    store::FieldName,
    store::Timestamp,
    store::{Bytes, Guard, Op, Write},
};

/// A value to store, with what its session is found by if the field is an index.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) bytes: Bytes,
    /// Boxed: few fields have one, and a slot that is small is moved at less cost.
    pub(crate) index: Option<Box<Bytes>>,
}

/// One step of an `update`: from what is there to what shall be there. It runs again if another request got there
/// first.
pub(crate) type Step = Box<dyn FnMut(Option<&Bytes>, Timestamp) -> Result<Option<Setting>> + Send>;

/// A change of one field.
pub(crate) enum Change {
    Set(Setting),
    Remove,
    Add(Box<Add>),
    Update(Box<Update>),
}

/// Steps that ran on `base` and gave `result`; they hold only while `base` is what is stored.
pub(crate) struct Update {
    base: Option<Bytes>,
    result: Option<Setting>,
    steps: Vec<Step>,
}

impl Update {
    /// Runs the steps again, on what is stored now.
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

    pub(crate) fn base(&self) -> Option<&Bytes> {
        self.base.as_ref()
    }

    /// A plain change with the same result.
    pub(crate) fn as_seen(&self) -> Change {
        self.result.clone().into()
    }

    pub(crate) fn result(&self) -> Option<&Bytes> {
        self.result.as_ref().map(|setting| &setting.bytes)
    }
}

impl From<Option<Setting>> for Change {
    fn from(result: Option<Setting>) -> Self {
        result.map_or(Self::Remove, Self::Set)
    }
}

impl Change {
    /// Lays an addition over what was changed before.
    fn add_over(under: Option<Self>, field: &FieldName, add: Add, now: Timestamp) -> Result<Self> {
        let apply = |bytes: Option<&Bytes>| -> Result<Setting> {
            let bytes = add
                .apply(bytes.map(|b| &**b), now)
                .map_err(|e| e.on_field(field.clone()))?;
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

    /// Lays a step of an `update`, which gave `result`, over what was changed before. `base` is what is stored, or
    /// `None` for a field whose stored value the request has cleared away.
    fn update_over(
        under: Option<Self>,
        field: &FieldName,
        base: Option<Option<Bytes>>,
        step: Step,
        result: Option<Setting>,
    ) -> Self {
        let (mut steps, base) = match (under, base) {
            (None, Some(base)) => (Vec::new(), base),
            (Some(Self::Add(add)), Some(base)) => (vec![adding(field.clone(), *add)], base),
            (Some(Self::Update(update)), _) => (update.steps, update.base),
            // Over what this request itself has put there, a step is no more than a new value.
            (Some(Self::Set(_) | Self::Remove), _) | (_, None) => return result.into(),
        };
        steps.push(step);
        Self::Update(Box::new(Update {
            base,
            result,
            steps,
        }))
    }

    /// What is to be written.
    fn op(&self) -> Op {
        match (self.setting(), self) {
            (Some(setting), _) => Op::Set(setting.bytes.clone()),
            (None, Self::Add(add)) => Op::add(**add, None),
            (None, _) => Op::Remove,
        }
    }

    /// The value that it puts, if it puts one.
    fn setting(&self) -> Option<&Setting> {
        match self {
            Self::Set(setting) => Some(setting),
            Self::Update(update) => update.result.as_ref(),
            Self::Remove | Self::Add(_) => None,
        }
    }

    /// Whether it would leave anything in a session that is empty.
    fn leaves_something(&self) -> bool {
        matches!(self, Self::Add(_)) || self.setting().is_some()
    }

    pub(crate) fn write(&self, field: &FieldName) -> Write {
        let index = self.setting().and_then(|it| it.index.as_deref().cloned());
        Write::new(field.clone(), self.op()).with_index(index)
    }

    pub(crate) fn guard(&self, field: &FieldName) -> Option<Guard> {
        match self {
            Self::Update(update) => Some(Guard::new(field.clone(), update.base.clone())),
            _ => None,
        }
    }
}

/// An addition as a step of an `update`.
fn adding(field: FieldName, add: Add) -> Step {
    Box::new(move |bytes, now| {
        let bytes = add
            .apply(bytes.map(|b| &**b), now)
            .map_err(|e| e.on_field(field.clone()))?;
        Ok(Some(Setting { bytes, index: None }))
    })
}

/// One field as a request sees it.
#[derive(Default)]
pub(crate) struct Slot {
    /// What is stored, once it was read: `Some(None)` for nothing.
    stored: Option<Option<Bytes>>,
    /// What a commit or a claim that is under way takes with it.
    pub(crate) committing: Option<Change>,
    /// What was changed since.
    change: Option<Change>,
    /// Counts changes, so that whoever worked outside the lock sees that another was faster.
    version: u64,
}

/// What hides the stored values: a `clear`, asked for or under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cleared {
    pub(crate) asked: bool,
    pub(crate) committing: bool,
}

/// What a request sees of a field.
pub(crate) enum Seen {
    /// It depends on what is stored, which was not read.
    Unknown,
    /// These bytes, or nothing.
    Known(Option<Bytes>),
}

impl Seen {
    /// The bytes, where there is nothing stored that could be unknown.
    pub(crate) fn known(self) -> Option<Bytes> {
        match self {
            Self::Known(bytes) => bytes,
            Self::Unknown => None,
        }
    }
}

impl Slot {
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn is_changed(&self) -> bool {
        self.change.is_some()
    }

    /// Whether the stored value was read.
    pub(crate) fn is_read(&self) -> bool {
        self.stored.is_some()
    }

    /// Whether an addition is being stored to what was not read: what the store says may hold it already.
    pub(crate) fn is_adding_blindly(&self) -> bool {
        self.stored.is_none() && matches!(self.committing, Some(Change::Add(_)))
    }

    /// What is stored, as far as it was read.
    pub(crate) fn stored(&self) -> Option<&Option<Bytes>> {
        self.stored.as_ref()
    }

    /// Notes what was read. What was read before stays: a field is read once per request.
    pub(crate) fn read(&mut self, bytes: Option<Bytes>) {
        self.stored.get_or_insert(bytes);
    }

    /// Notes what is stored now, whatever was read before.
    pub(crate) fn reread(&mut self, bytes: Option<Bytes>) {
        self.stored = Some(bytes);
    }

    /// The stored value as one sees it through the layers.
    pub(crate) fn seen(&self, field: &FieldName, cleared: Cleared, now: Timestamp) -> Result<Seen> {
        let mut seen = match &self.stored {
            _ if cleared.asked || cleared.committing => Seen::Known(None),
            Some(bytes) => Seen::Known(bytes.clone()),
            None => Seen::Unknown,
        };
        let committing = self.committing.as_ref().filter(|_| !cleared.asked);
        for change in committing.into_iter().chain(&self.change) {
            seen = match change {
                Change::Set(setting) => Seen::Known(Some(setting.bytes.clone())),
                Change::Remove => Seen::Known(None),
                Change::Update(update) => Seen::Known(update.result().cloned()),
                Change::Add(add) => match seen {
                    Seen::Unknown => Seen::Unknown,
                    Seen::Known(bytes) => {
                        let sum = add
                            .apply(bytes.as_deref(), now)
                            .map_err(|e| e.on_field(field.clone()))?;
                        Seen::Known(Some(sum))
                    }
                },
            };
        }
        Ok(seen)
    }

    pub(crate) fn set(&mut self, change: Change) {
        self.change = Some(change);
        self.version += 1;
    }

    /// Drops what was changed and not stored.
    pub(crate) fn drop_change(&mut self) {
        self.change = None;
        self.version += 1;
    }

    /// Adds. Fails, and changes nothing, where the sum is known already to leave the counter's range.
    pub(crate) fn add(
        &mut self,
        field: &FieldName,
        add: Add,
        cleared: Cleared,
        now: Timestamp,
    ) -> Result<()> {
        if let Seen::Known(bytes) = self.seen(field, cleared, now)? {
            add.apply(bytes.as_deref(), now)
                .map_err(|e| e.on_field(field.clone()))?;
        }
        // `apply` above has refused what `add_over` could refuse.
        let under = self.change.take();
        self.change = Some(Change::add_over(under, field, add, now)?);
        self.version += 1;
        Ok(())
    }

    /// Notes a step of an `update` that was run on what this slot shows.
    pub(crate) fn update(
        &mut self,
        field: &FieldName,
        cleared: Cleared,
        step: Step,
        result: Option<Setting>,
    ) {
        let base = if cleared.asked {
            None
        } else {
            Some(self.stored.clone().flatten())
        };
        self.change = Some(Change::update_over(
            self.change.take(),
            field,
            base,
            step,
            result,
        ));
        self.version += 1;
    }

    /// Hands what was changed to a commit, or to a claim.
    pub(crate) fn begin_commit(&mut self) {
        debug_assert!(
            self.committing.is_none(),
            "one commit of a session at a time"
        );
        self.committing = self.change.take();
    }

    /// The commit is stored.
    pub(crate) fn committed(&mut self, cleared: bool) {
        match self.committing.take() {
            None if cleared => self.stored = Some(None),
            None => {}
            Some(Change::Set(setting)) => self.stored = Some(Some(setting.bytes)),
            Some(Change::Remove) => self.stored = Some(None),
            Some(Change::Update(update)) => {
                self.stored = Some(update.result.map(|setting| setting.bytes));
            }
            // The sum was made in the store, perhaps on what another request added.
            Some(Change::Add(_)) => self.stored = None,
        }
    }

    /// The commit is not stored: what it would have changed is once more to be changed, under what was changed since.
    pub(crate) fn not_committed(
        &mut self,
        field: &FieldName,
        cleared_since: bool,
        now: Timestamp,
    ) -> Result<()> {
        let Some(under) = self.committing.take() else {
            return Ok(());
        };
        if cleared_since {
            return Ok(());
        }
        self.change = Some(match self.change.take() {
            None => under,
            Some(Change::Add(add)) => Change::add_over(Some(under), field, *add, now)?,
            // An `update` waits for a commit to end, so what is left replaces.
            Some(over) => over,
        });
        self.version += 1;
        Ok(())
    }

    /// The claim is stored: what it took with it went with what was stored, and what was changed since stays.
    pub(crate) fn taken(&mut self) {
        self.committing = None;
        self.stored = Some(None);
    }

    /// Lends an update that is under way, to run it again outside the lock. What stays behind has the same result.
    pub(crate) fn lend_update(&mut self) -> Option<Box<Update>> {
        match self.committing.take() {
            Some(Change::Update(update)) => {
                self.committing = Some(update.as_seen());
                Some(update)
            }
            other => {
                self.committing = other;
                None
            }
        }
    }

    /// Whether what was changed puts a value or removes it, whatever is stored.
    pub(crate) fn replaces(&self) -> bool {
        matches!(self.change, Some(Change::Set(_) | Change::Remove))
    }

    pub(crate) fn leaves_something(&self) -> bool {
        self.change.as_ref().is_some_and(Change::leaves_something)
    }
}
