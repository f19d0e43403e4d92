//! Which session a handler gets: the value that middleware attaches to a request.

use crate::{
    error::{Error, ErrorKind, Result},
    runtime::Runtime,
    session::{Session, SessionData, UntypedSession},
};
use std::{any::TypeId, fmt, sync::Arc};

/// The sessions of a request, as middleware attaches them to it: see [`Exchange::within`](crate::Exchange::within).
///
/// Most requests have one, which is used for every struct. A request that passed middleware of several
/// [`Sessions`](crate::Sessions), with cookies of different names, has several. Then the session of a struct is the one
/// whose `Sessions` declares it with [`data`](crate::SessionsBuilder::data), and a struct that none or several of them
/// declare is an error: a value is never stored in a session that was not chosen for it.
///
/// A route that lacks the middleware of one of them has only the other session, which is used for every struct.
#[derive(Clone)]
pub struct RequestSessions(Present);

#[derive(Clone)]
enum Present {
    One(UntypedSession),
    /// From the outermost to the innermost.
    Several(Arc<[UntypedSession]>),
    /// Two have the same cookie name, which is this one.
    Clash(Arc<str>),
}

impl RequestSessions {
    pub(super) fn of_one(session: UntypedSession) -> Self {
        Self(Present::One(session))
    }

    /// These and one more, or `None` if the session's `Sessions` is among them.
    pub(super) fn and(&self, session: &UntypedSession) -> Option<Self> {
        let runtime = &session.unit().runtime;
        let outer = match &self.0 {
            Present::One(session) => std::slice::from_ref(session),
            Present::Several(sessions) => sessions,
            Present::Clash(_) => return None,
        };
        if outer
            .iter()
            .any(|other| Arc::ptr_eq(&other.unit().runtime, runtime))
        {
            return None;
        }
        let name = runtime.cookie.name();
        if outer
            .iter()
            .any(|other| other.unit().runtime.cookie.name() == name)
        {
            return Some(Self(Present::Clash(name.into())));
        }
        let sessions = outer.iter().chain([session]).cloned().collect();
        Some(Self(Present::Several(sessions)))
    }

    /// Returns the session of the struct `T`.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] if the request has several sessions and `T` is declared by none of them, or by several, or if
    /// two of them have one cookie; [`ErrorKind::Clash`] if another struct claims one of its keys.
    pub fn session<T: SessionData>(&self) -> Result<Session<T>> {
        match &self.0 {
            Present::One(session) => session.typed(),
            Present::Several(sessions) => choose::<T>(sessions)?.typed(),
            Present::Clash(cookie) => Err(Error::new(
                ErrorKind::Misuse,
                format!(
                    "two layers of different `Sessions` around this route have the cookie `{cookie}`: make both from clones of one \
                     `Sessions`, or give one of them a cookie of another name"
                ),
            )),
        }
    }
}

fn choose<T: SessionData>(sessions: &[UntypedSession]) -> Result<&UntypedSession> {
    let declares = |runtime: &Runtime| runtime.declared.contains(&TypeId::of::<T>());
    let mut chosen = sessions.iter().filter(|one| declares(&one.unit().runtime));
    if let (Some(one), None) = (chosen.next(), chosen.next()) {
        return Ok(one);
    }
    let cookies = sessions.iter().map(|one| one.unit().runtime.cookie.name());
    let cookies: Vec<_> = cookies.map(|name| format!("`{name}`")).collect();
    let name = match T::SCHEMA.type_name() {
        "()" => "a `Session` without a struct".to_owned(),
        name => format!("`{name}`"),
    };
    Err(Error::new(
        ErrorKind::Misuse,
        format!(
            "this route has several sessions, with the cookies {}, and none is chosen for {name}: declare the \
             struct with `.data::<..>()` on the builder of exactly one of them",
            cookies.join(" and ")
        ),
    ))
}

impl<T: SessionData> Session<T> {
    /// Returns the session that middleware attached to a request's extensions: for handlers of tower, hyper, warp and
    /// tonic, and for your own extractors.
    ///
    /// ```
    /// # use level_session::{Result, Session, SessionData};
    /// #[derive(SessionData)]
    /// struct Shop {
    ///     user_id: Option<u64>,
    /// }
    ///
    /// async fn user<B>(request: &http::Request<B>) -> Result<Option<u64>> {
    ///     let session = Session::<Shop>::from_extensions(request.extensions())?;
    ///     session.user_id().await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::no_middleware`] if there is none; those of [`RequestSessions::session`].
    pub fn from_extensions(extensions: &http::Extensions) -> Result<Self> {
        match extensions.get::<RequestSessions>() {
            Some(present) => present.session(),
            None => Err(Error::no_middleware()),
        }
    }
}

impl fmt::Debug for RequestSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_tuple("RequestSessions");
        match &self.0 {
            Present::One(session) => out.field(session),
            Present::Several(sessions) => out.field(sessions),
            Present::Clash(cookie) => out.field(cookie),
        };
        out.finish()
    }
}
