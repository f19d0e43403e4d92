//! The terms that a unit of work is described in.

use crate::{
    expiry::Expiry,
    id::SessionId,
    store::Digest,
    store::FieldName,
    store::Timestamp,
    store::{Bytes, Meta},
};
use std::time::Duration;

/// Whose session it is.
#[derive(Clone, Debug)]
pub(crate) enum Who {
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
}

impl From<SessionId> for Named {
    fn from(id: SessionId) -> Self {
        Self {
            digest: id.digest(),
            id,
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

/// The id that the request came with.
#[derive(Default)]
pub(super) enum Came {
    /// It is the one that the session has, if there is a session.
    #[default]
    AsItIs,
    Without,
    /// The session has another one by now, or has ended.
    With(Box<SessionId>),
}

/// What shall happen to the session itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Intent {
    #[default]
    Keep,
    Renew,
    Destroy,
}

/// What the response is to say.
#[derive(Clone, Debug, Default)]
pub(crate) enum CookieAction {
    #[default]
    Leave,
    /// Send the cookie of this id, good until this moment.
    Set(SessionId, Timestamp),
    Remove,
    /// Take a bad signature away, in Keygrip's form.
    Unsign,
}

/// Whether the unit of work can go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Open,
    /// A commit is under way.
    Committing,
    /// A commit was dropped in the middle: whether it is stored is not known.
    Interrupted,
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
    Load(Digest, Epoch),
    /// A commit is under way, and whether what the store says has it in it could not be told.
    Wait,
}

/// What a look at several fields gives.
pub(crate) enum LookAt {
    /// What the request sees.
    Seen(Vec<Option<Bytes>>),
    /// The store must be asked for these first.
    Load(Digest, Epoch, Vec<FieldName>),
    /// As [`Look::Wait`].
    Wait,
}

/// How a field is taken.
pub(crate) enum Taking {
    /// It was the request's own: done.
    Own,
    /// It is stored: whoever removes exactly these bytes has it. What the request made of them goes with it, until it is
    /// [`taken`](super::State::taken) or [not](super::State::not_taken).
    Claim { id: Digest, stored: Bytes },
}

/// When a load began, counted in beginnings and ends of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch(pub(super) u64);

/// What a plan is made by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) expiry: Expiry,
    /// How long a former id works after a renewal.
    pub(crate) grace: Duration,
    pub(crate) now: Timestamp,
}
