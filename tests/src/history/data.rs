//! The session data of the histories: every kind of field, as a user declares it and as the model represents it.

use level_session::{Result, Session, SessionData, UntypedSession, Value};

/// Every kind of field.
#[derive(Debug, Clone, PartialEq, SessionData)]
pub struct Data {
    /// An indexed field.
    #[session(index)]
    pub user: Option<u64>,
    /// A field that is changed by updates.
    #[session(default)]
    pub list: Vec<u64>,
    /// A counter.
    #[session(counter)]
    pub visits: u64,
    /// A counter with a default.
    #[session(counter, default = 10)]
    pub lives: i64,
    /// A flash field.
    #[session(flash)]
    pub notice: Option<u64>,
    /// A field with a lifetime of [`OTP_MILLIS`].
    #[session(ttl = "5s")]
    pub otp: Option<u64>,
    /// Always written together with `right`.
    #[session(default)]
    pub left: u64,
    /// Always written together with `left`.
    #[session(default)]
    pub right: u64,
}

/// The lifetime of an `otp`.
pub(super) const OTP_MILLIS: u64 = 5_000;

/// A field of [`Data`], or an undeclared one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// [`Data::user`].
    User,
    /// [`Data::list`].
    List,
    /// [`Data::visits`].
    Visits,
    /// [`Data::lives`].
    Lives,
    /// [`Data::notice`].
    Notice,
    /// [`Data::otp`].
    Otp,
    /// [`Data::left`].
    Left,
    /// [`Data::right`].
    Right,
    /// The undeclared field.
    Note,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// A number.
    Int(i64),
    /// A list of tags.
    List(Vec<u64>),
}

impl Field {
    /// All fields.
    pub const ALL: [Self; 9] = [
        Self::User,
        Self::List,
        Self::Visits,
        Self::Lives,
        Self::Notice,
        Self::Otp,
        Self::Left,
        Self::Right,
        Self::Note,
    ];

    /// The key.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::List => "list",
            Self::Visits => "visits",
            Self::Lives => "lives",
            Self::Notice => "notice",
            Self::Otp => "otp",
            Self::Left => "left",
            Self::Right => "right",
            Self::Note => "note",
        }
    }

    /// The field with this key.
    #[must_use]
    pub fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.key() == key)
    }

    /// The result of a typed read if nothing is stored.
    #[must_use]
    pub fn default(self) -> Option<Held> {
        match self {
            Self::User | Self::Notice | Self::Otp | Self::Note => None,
            Self::List => Some(Held::List(Vec::new())),
            Self::Visits | Self::Left | Self::Right => Some(Held::Int(0)),
            Self::Lives => Some(Held::Int(10)),
        }
    }

    /// The field in a whole struct.
    #[must_use]
    pub fn in_struct(self, data: &Data) -> Option<Held> {
        match self {
            Self::User => data.user.map(number),
            Self::List => Some(Held::List(data.list.clone())),
            Self::Visits => Some(number(data.visits)),
            Self::Lives => Some(Held::Int(data.lives)),
            Self::Notice => data.notice.map(number),
            Self::Otp => data.otp.map(number),
            Self::Left => Some(number(data.left)),
            Self::Right => Some(number(data.right)),
            Self::Note => None,
        }
    }

    /// Reads the field with its accessor, without taking it; the undeclared field is read by its key.
    ///
    /// # Errors
    /// The errors of reading.
    pub async fn read(self, session: &Session<Data>) -> Result<Option<Held>> {
        Ok(match self {
            Self::User => session.user().await?.map(number),
            Self::List => Some(Held::List(session.list().await?)),
            Self::Visits => Some(number(session.visits().await?)),
            Self::Lives => Some(Held::Int(session.lives().await?)),
            Self::Notice => session.notice().peek().await?.map(number),
            Self::Otp => session.otp().await?.map(number),
            Self::Left => Some(number(session.left().await?)),
            Self::Right => Some(number(session.right().await?)),
            Self::Note => self.get(session).await?,
        })
    }

    /// Reads the field by its key.
    ///
    /// # Errors
    /// The errors of reading.
    pub async fn get(self, session: &UntypedSession) -> Result<Option<Held>> {
        Ok(match self {
            Self::List => session.get::<Vec<u64>>(self.key()).await?.map(Held::List),
            _ => session.get::<i64>(self.key()).await?.map(Held::Int),
        })
    }

    /// Takes the field; a flash field is taken by reading it.
    ///
    /// # Errors
    /// The errors of taking.
    pub async fn take(self, session: &Session<Data>) -> Result<Option<Held>> {
        Ok(match self {
            Self::User => session.user().take().await?.map(number),
            Self::List => session.list().take().await?.map(Held::List),
            Self::Notice => session.notice().await?.map(number),
            Self::Otp => session.otp().take().await?.map(number),
            Self::Left => session.left().take().await?.map(number),
            Self::Right => session.right().take().await?.map(number),
            Self::Visits | Self::Lives | Self::Note => {
                session.take::<i64>(self.key()).await?.map(Held::Int)
            }
        })
    }

    /// Sets the field to a number, or to a list with that number: with its accessor if `typed` and if it has one.
    ///
    /// # Errors
    /// The errors of setting.
    pub fn set(self, session: &Session<Data>, tag: u64, typed: bool) -> Result<()> {
        match self {
            Self::User if typed => session.user().set(tag),
            Self::List if typed => session.list().set(vec![tag]),
            Self::Visits if typed => session.visits().set(tag),
            Self::Notice if typed => session.notice().set(tag),
            Self::Otp if typed => session.otp().set(tag),
            Self::Left if typed => session.left().set(tag),
            Self::Right if typed => session.right().set(tag),
            Self::List => session.set(self.key(), vec![tag]),
            _ => session.set(self.key(), tag),
        }
    }

    /// The value after [`set`](Self::set).
    #[must_use]
    pub fn holding(self, tag: u64) -> Held {
        match self {
            Self::List => Held::List(vec![tag]),
            _ => number(tag),
        }
    }

    /// Removes the field: with its accessor if `typed` and if it has one.
    ///
    /// # Errors
    /// The errors of removing.
    pub fn remove(self, session: &Session<Data>, typed: bool) -> Result<()> {
        match self {
            Self::User if typed => session.user().remove(),
            Self::List if typed => session.list().remove(),
            Self::Notice if typed => session.notice().remove(),
            _ => session.del(self.key()),
        }
    }

    /// Updates the field, with its accessor if that has an `update`.
    ///
    /// # Errors
    /// The errors of updating.
    pub async fn update(self, session: &Session<Data>, by: Update) -> Result<()> {
        match (self, by) {
            (Self::List, Update::Push(tag)) => session.list().update(move |l| l.push(tag)).await,
            (Self::User, _) => {
                let change = move |value: &mut Option<u64>| {
                    *value = by.apply(value.map(number)).map(|held| held.wide());
                };
                session.user().update(change).await
            }
            (Self::List, _) => {
                let change = move |value: &mut Option<Vec<u64>>| {
                    *value = match by.apply(value.take().map(Held::List)) {
                        Some(Held::List(list)) => Some(list),
                        _ => None,
                    };
                };
                session.update(self.key(), change).await
            }
            _ => {
                let change = move |value: &mut Option<u64>| {
                    *value = by.apply(value.map(number)).map(|held| held.wide());
                };
                session.update(self.key(), change).await
            }
        }
    }
}

/// The change made by an `update`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Appends a tag.
    Push(u64),
    /// Triples the number and adds, modulo a prime, so that the result shows the order of two updates.
    Mix(u64),
    /// Removes the value.
    Vanish,
}

impl Update {
    /// The value after the change.
    #[must_use]
    pub fn apply(self, before: Option<Held>) -> Option<Held> {
        match (self, before) {
            (Self::Vanish, _) => None,
            (Self::Push(tag), Some(Held::List(mut list))) => {
                list.push(tag);
                Some(Held::List(list))
            }
            (Self::Push(tag), _) => Some(Held::List(vec![tag])),
            (Self::Mix(tag), before) => {
                let before = before.map_or(0, |held| held.wide());
                Some(number((before % 1_000_003 * 3 + tag) % 1_000_003))
            }
        }
    }
}

impl Held {
    /// A nonnegative number.
    #[must_use]
    pub fn wide(&self) -> u64 {
        match self {
            Self::Int(number) => u64::try_from(*number).unwrap_or(0),
            Self::List(_) => 0,
        }
    }
}

/// A number.
#[must_use]
pub(super) fn number(of: u64) -> Held {
    Held::Int(i64::try_from(of).unwrap_or(i64::MAX))
}

/// Decodes a stored value.
#[must_use]
pub(super) fn held(value: &Value) -> Option<Held> {
    match value.as_list() {
        Some(_) => value.read().ok().map(Held::List),
        None => value.read().ok().map(Held::Int),
    }
}
