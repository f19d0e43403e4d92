//! The vocabulary of a unit of work.

use crate::{
    cookie::{Lines, Presented, Verified},
    error::Result,
    expiry::Lifetimes,
    id::SessionId,
    runtime::Runtime,
    store::{Bytes, Clear, Digest, FieldName, Lease, Lifetime, Meta, Timestamp},
};

/// The session of a unit of work.
#[derive(Clone, Debug)]
pub(crate) enum Owner {
    /// None: a new visitor.
    Nobody,
    /// A valid cookie was presented; the store was not asked yet.
    Presented(Named),
    /// The session is live.
    Known(Known),
}

/// An id and its digest.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) id: SessionId,
    pub(crate) digest: Digest,
    /// The cookie was signed with a key that is no longer the first.
    pub(super) resign: bool,
}

impl From<SessionId> for Named {
    fn from(id: SessionId) -> Self {
        Self {
            digest: id.digest(),
            id,
            resign: false,
        }
    }
}

impl From<Verified> for Named {
    fn from(verified: Verified) -> Self {
        let resign = verified.needs_resigning();
        Self {
            resign,
            ..verified.into_id().into()
        }
    }
}

/// A session that was found live.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) named: Named,
    pub(crate) meta: Meta,
    /// It was found by the id that it had before its renewal.
    pub(crate) by_former_id: bool,
    /// This request, or the request that this unit was detached from, drew the id of the session. So no client has sent
    /// the new id yet, and the former id works until a client does.
    pub(crate) named_here: Option<Timestamp>,
}

/// The request's cookies. They are parsed one after another, and the next one only if the previous ones have no live
/// session: a cookie whose session is gone does not hide another one of the same name (requirement R13).
#[derive(Clone, Default)]
pub(crate) struct Jar {
    lines: Option<Lines>,
    /// How many cookies with a valid signature were parsed.
    read: usize,
    /// Whether the session of one of them was renewed a moment ago, so that the browser may have its new cookie by now.
    pub(super) renewed_lately: bool,
}

impl Jar {
    pub(crate) fn new(lines: Option<Lines>) -> Self {
        Self {
            lines,
            ..Self::default()
        }
    }

    /// Whether there are cookies, and none was parsed yet.
    pub(crate) fn is_unread(&self) -> bool {
        self.read == 0 && self.lines.is_some()
    }

    /// Whether one of them had a valid signature.
    pub(super) fn brought_an_id(&self) -> bool {
        self.read > 0
    }

    /// Parses the next cookie.
    pub(crate) fn next(&mut self, runtime: &Runtime) -> Presented {
        let presented = match &self.lines {
            Some(lines) => runtime.cookie.read(lines, self.read),
            None => Presented::Nothing,
        };
        match presented {
            Presented::Id(_) => self.read += 1,
            _ => self.lines = None,
        }
        presented
    }

    /// All ids that were not parsed yet.
    pub(super) fn rest(&mut self, runtime: &Runtime) -> Vec<Digest> {
        let next = || match self.next(runtime) {
            Presented::Id(verified) => Some(verified.into_id().digest()),
            _ => None,
        };
        std::iter::from_fn(next).collect()
    }
}

/// The id that the request came with.
#[derive(Default)]
pub(super) enum Arrival {
    /// The session's current id, if there is a session.
    #[default]
    AsItIs,
    Without,
    /// The session has another id by now, or has ended.
    With(Box<SessionId>),
}

/// The pending action on the session itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Intent {
    #[default]
    Keep,
    Renew,
    Destroy,
}

/// The pending requests besides changes of fields.
#[derive(Debug, Default)]
pub(super) struct Wants {
    pub(super) intent: Intent,
    /// The stored fields that are removed first.
    pub(super) clear: Clear,
    pub(super) touch: bool,
    /// Create the session even if nothing is written to it.
    pub(super) create: bool,
    /// The id of the session that will be created, if a token was bound to it already.
    pub(super) next: Option<Box<Named>>,
    /// Other sessions of the visitor that are to end.
    pub(super) others: Vec<Digest>,
    /// Settings that few requests use.
    pub(super) rare: Option<Box<Rare>>,
}

/// Settings used at a sign-in or a change of the password, and seldom otherwise.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// The chosen lifetime: `None` inside for the deployment's.
    pub(super) lifetime: Option<Option<Lifetime>>,
    /// The values of fields whose other sessions are to end.
    pub(super) end_others: Vec<(FieldName, Bytes)>,
}

impl Wants {
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The chosen lifetime, if any.
    pub(super) fn lifetime(&self) -> Option<Option<Lifetime>> {
        self.rare.as_ref()?.lifetime
    }

    /// The values whose other sessions are to end.
    pub(super) fn end_others(&self) -> &[(FieldName, Bytes)] {
        self.rare.as_ref().map_or(&[], |rare| &rare.end_others)
    }

    /// The content of a commit that was not stored is pending again, beneath later requests.
    pub(super) fn fall_back(&mut self, under: Self) {
        self.intent = self.intent.max(under.intent);
        if self.clear != Clear::Everything && under.clear != Clear::Nothing {
            self.clear = under.clear;
        }
        self.touch |= under.touch;
        self.create |= under.create;
        self.next = self.next.take().or(under.next);
        self.others.extend(under.others);
        if let Some(under) = under.rare {
            let rare = self.rare();
            rare.lifetime = rare.lifetime.or(under.lifetime);
            rare.end_others.extend(under.end_others);
        }
    }
}

/// The cookie action for the response.
#[derive(Clone, Debug, Default)]
pub(crate) enum CookieAction {
    #[default]
    Leave,
    /// Send the cookie of this id, with this lifetime.
    Set(SessionId, Lasts),
    Remove,
    /// Remove an invalid signature, in Keygrip's form.
    Unsign,
}

/// How long a cookie lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lasts {
    /// Until the session ends, if it is not used.
    pub(crate) until: Timestamp,
    /// Whether it outlives the browser, if that was chosen for the session.
    pub(crate) persistent: Option<bool>,
}

impl Lasts {
    pub(super) fn of(lease: &Lease) -> Self {
        Self {
            until: lease.deadline(),
            persistent: lease.lifetime.map(|lifetime| !lifetime.transient),
        }
    }
}

/// Whether the unit of work can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Open,
    /// The session ended during it.
    Gone,
    /// The request has ended.
    Closed,
}

/// The result of a look at a field.
pub(crate) enum Look {
    /// The value that the request sees.
    Seen(Option<Bytes>),
    /// The field must be loaded first.
    Load(Question),
    /// A commit is in flight, and must complete first.
    Wait,
}

/// The result of a look at several fields.
pub(crate) enum LookAt {
    /// The values that the request sees.
    Seen(Vec<Option<Bytes>>),
    /// These fields must be loaded first.
    Load(Question, Vec<FieldName>),
    /// Like [`Look::Wait`].
    Wait,
}

/// A load of a session, and the number of commits that the unit had begun: if another one has begun when the result
/// arrives, it is unknown whether the result includes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) id: Digest,
    /// Whether it is the first load of this id.
    pub(crate) first: bool,
    pub(super) flown: u64,
}

/// How a field is taken.
pub(crate) enum Taking<P> {
    /// The value was pending in this request: done.
    Own,
    /// The value is stored: the request whose commit removes exactly these bytes gets it.
    Claim(P),
    /// The visible value has changed: look again.
    Again,
}

/// The settings and times by which a store's result is judged.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) runtime: &'a Runtime,
    /// When the unit of work began: a session that was ended since then was ended during it.
    pub(crate) began: Timestamp,
    pub(crate) now: Timestamp,
    /// A detached unit has no response: it cannot send a cookie.
    pub(crate) detached: bool,
}

impl Rules<'_> {
    pub(super) fn lifetimes(&self) -> &Lifetimes {
        &self.runtime.lifetimes
    }

    /// An id for a new session, or for one whose id is `old`.
    pub(super) fn draw(&self, old: Option<Digest>) -> Result<Named> {
        self.runtime.draw(old).map(Named::from)
    }
}
