//! The terms that a unit of work is described in.

use crate::{
    cookie::{Lines, Presented, Verified},
    error::Result,
    expiry::Lifetimes,
    id::SessionId,
    runtime::Runtime,
    store::{Bytes, Clear, Digest, FieldName, Lease, Lifetime, Meta, Timestamp},
};

/// Whose session it is.
#[derive(Clone, Debug)]
pub(crate) enum Owner {
    /// There is none: a new visitor.
    Nobody,
    /// A cookie of ours was presented; the store was not asked yet.
    Presented(Named),
    /// The session lives.
    Known(Known),
}

/// An id and its digest.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) id: SessionId,
    pub(crate) digest: Digest,
    /// The cookie was signed by a key that is no longer the first.
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

/// A session that was found alive.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) named: Named,
    pub(crate) meta: Meta,
    /// It was found by the id that it had before its renewal.
    pub(crate) by_former_id: bool,
    /// Its id was drawn by this request, or by the one that it was detached from, so that no client has shown it yet:
    /// until then the former one works.
    pub(crate) named_here: Option<Timestamp>,
}

/// The request's cookies. They are read one after another, and the next one only if there is no session for those
/// before it: a cookie whose session is gone does not hide another of the same name (requirement R13).
#[derive(Clone, Default)]
pub(crate) struct Jar {
    lines: Option<Lines>,
    /// How many cookies with a good signature were read.
    read: usize,
    /// The session of one of them was renewed a moment ago, so that the browser may have its new cookie by now.
    pub(super) renewed_lately: bool,
}

impl Jar {
    pub(crate) fn new(lines: Option<Lines>) -> Self {
        Self {
            lines,
            ..Self::default()
        }
    }

    /// Whether there are cookies, and none was read yet.
    pub(crate) fn is_unread(&self) -> bool {
        self.read == 0 && self.lines.is_some()
    }

    /// Whether one of them had a good signature.
    pub(super) fn brought_an_id(&self) -> bool {
        self.read > 0
    }

    /// Reads the next cookie.
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

    /// All ids that were not read yet.
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
    /// It is the one that the session has, if there is a session.
    #[default]
    AsItIs,
    Without,
    /// The session has another one by now, or has ended.
    With(Box<SessionId>),
}

/// What shall happen to the session itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Intent {
    #[default]
    Keep,
    Renew,
    Destroy,
}

/// What is wanted beside the changes of fields.
#[derive(Debug, Default)]
pub(super) struct Wants {
    pub(super) intent: Intent,
    /// Which stored fields are removed first.
    pub(super) clear: Clear,
    pub(super) touch: bool,
    /// Make the session even if nothing is written into it.
    pub(super) create: bool,
    /// The id of the session that will be made, if a token was bound to it already.
    pub(super) next: Option<Box<Named>>,
    /// Other sessions of the visitor that are to end.
    pub(super) others: Vec<Digest>,
    /// What few requests want.
    pub(super) rare: Option<Box<Rare>>,
}

/// What is wanted at a sign-in or a change of the password, and seldom else.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// The lifetime that was chosen: the deployment's where that is `None`.
    pub(super) lifetime: Option<Option<Lifetime>>,
    /// The other sessions with this value of a field are to end.
    pub(super) end_others: Vec<(FieldName, Bytes)>,
}

impl Wants {
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The lifetime that was chosen, if one was.
    pub(super) fn lifetime(&self) -> Option<Option<Lifetime>> {
        self.rare.as_ref()?.lifetime
    }

    /// The values whose other sessions are to end.
    pub(super) fn end_others(&self) -> &[(FieldName, Bytes)] {
        self.rare.as_ref().map_or(&[], |rare| &rare.end_others)
    }

    /// What a commit would have stored is wanted once more, beside what is wanted since.
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

/// What the response is to say.
#[derive(Clone, Debug, Default)]
pub(crate) enum CookieAction {
    #[default]
    Leave,
    /// Send the cookie of this id, which lasts so long.
    Set(SessionId, Lasts),
    Remove,
    /// Take a bad signature away, in Keygrip's form.
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

/// Whether the unit of work can go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Open,
    /// The session ended under it.
    Gone,
    /// The request is over.
    Closed,
}

/// What a look at a field gives.
pub(crate) enum Look {
    /// What the request sees.
    Seen(Option<Bytes>),
    /// The store must be asked first.
    Load(Question),
    /// A commit is under way: its end must be waited for.
    Wait,
}

/// What a look at several fields gives.
pub(crate) enum LookAt {
    /// What the request sees.
    Seen(Vec<Option<Bytes>>),
    /// The store must be asked for these first.
    Load(Question, Vec<FieldName>),
    /// As [`Look::Wait`].
    Wait,
}

/// Whom to ask the store about, and after how many commits of the unit that is asked: if another one has begun when the
/// answer arrives, nobody can tell whether that is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) id: Digest,
    /// Whether it is the first one about this id.
    pub(crate) first: bool,
    pub(super) flown: u64,
}

/// How a field is taken.
pub(crate) enum Taking<P> {
    /// It was the request's own: done.
    Own,
    /// It is stored: whoever removes exactly these bytes has it.
    Claim(P),
    /// It is not what was seen any more: look again.
    Again,
}

/// What an answer of the store is judged by.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) runtime: &'a Runtime,
    /// When the unit of work began: a session that was ended since then was ended under it.
    pub(crate) began: Timestamp,
    pub(crate) now: Timestamp,
    /// Without a response of its own: it cannot send a cookie.
    pub(crate) detached: bool,
}

impl Rules<'_> {
    pub(super) fn lifetimes(&self) -> &Lifetimes {
        &self.runtime.lifetimes
    }

    /// An id for a session that is made, or has this one until now.
    pub(super) fn draw(&self, old: Option<Digest>) -> Result<Named> {
        self.runtime.draw(old).map(Named::from)
    }
}
