//! The session without a declared type: its life cycle, and its fields by key.

use super::{SessionData, unit::UnitOfWork, updated::Updated};
use crate::{
    changes::Change,
    ending::{self, Sought},
    error::{Error, ErrorKind, Result},
    handle::SessionHandle,
    runtime::EndReason,
    store::{
        Bytes, FieldName, Lifetime, Timestamp,
        schema::{AsKey, FieldDef, FieldKey, Key, Schema},
    },
    value::{self, Value},
};
use serde::{Serialize, de::DeserializeOwned, ser::SerializeMap};
use std::{collections::BTreeMap, fmt, ops::Deref, sync::Arc};

/// The session without a declared type: its life cycle, and its fields by key.
///
/// Every typed session dereferences to it, and both are one: what a typed accessor writes, [`get`](Self::get) reads.
/// A declared field accepts only a value of its type, by whatever way it comes.
///
/// Clones are the same session and the same unit of work.
#[derive(Clone)]
pub struct UntypedSession(Arc<UnitOfWork>);

impl UntypedSession {
    pub(crate) fn new(unit: UnitOfWork) -> Self {
        Self(Arc::new(unit))
    }

    pub(crate) fn unit(&self) -> &UnitOfWork {
        &self.0
    }

    #[cfg(feature = "tower")]
    pub(crate) fn shared_unit(&self) -> Arc<UnitOfWork> {
        self.0.clone()
    }

    /// Whether there are other handles on the same unit of work.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    // ---- fields by key

    /// Reads a field: `None` where nothing is stored.
    ///
    /// ```
    /// # use level_session::{Result, Session, Value};
    /// # async fn handler(session: Session) -> Result<()> {
    /// let referrer = session.get::<String>("referrer").await?;
    /// let anything = session.get::<Value>("cart").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if what is stored is no `T`: it names the field, what it holds and what was wanted.
    /// [`ErrorKind::Misuse`] for a key that begins with `level-session:`, which belongs to the library.
    /// [`ErrorKind::Store`], [`ErrorKind::Gone`], [`ErrorKind::Closed`].
    pub async fn get<T: DeserializeOwned>(&self, key: impl AsKey<T>) -> Result<Option<T>> {
        let name = own(key.name())?;
        let bytes = self.0.read(&name).await?;
        decode(&name, bytes.as_ref(), self.0.now())
    }

    /// Every field that is stored, declared or not, as a map that serde can serialize. The library's own fields are not
    /// among them.
    ///
    /// A damaged field does not take the others with it: see [`AllFields::damaged`].
    ///
    /// # Errors
    /// [`ErrorKind::Store`], [`ErrorKind::Gone`], [`ErrorKind::Closed`].
    pub async fn get_all(&self) -> Result<AllFields> {
        let fields = self.0.read_all().await?;
        Ok(AllFields::of(fields, self.0.now()))
    }

    /// Sets a field. [`Value::Null`] is a value as well.
    ///
    /// # Errors
    /// [`ErrorKind::Type`] if the field is declared with another type; [`ErrorKind::Encode`] if the value cannot be
    /// stored; [`ErrorKind::Misuse`] for a key that begins with `level-session:`; [`ErrorKind::Gone`],
    /// [`ErrorKind::Closed`].
    pub fn set<T: Serialize>(&self, key: impl AsKey<T>, value: T) -> Result<()> {
        let name = own(key.name())?;
        let def = self.definition(&name);
        let setting = UnitOfWork::setting(
            def.map(|(_, def)| def),
            &name,
            || self.0.now(),
            |out| value::encode(&value, out),
        )?;
        if let Some((schema, def)) = def {
            check(schema, def, &setting.bytes)?;
        }
        self.0.lock().change(&name, Change::Set(setting))
    }

    /// Removes a field; no error if it is not there.
    ///
    /// The Node ancestor's `del` of nothing removes every field: that is [`clear`](Self::clear).
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] for a key that begins with `level-session:`; [`ErrorKind::Gone`], [`ErrorKind::Closed`].
    #[doc(alias = "remove")]
    #[doc(alias = "delete")]
    pub fn del(&self, key: impl FieldKey) -> Result<()> {
        self.0.lock().change(&own(key.name())?, Change::Remove)
    }

    /// Changes a field, or that there is one: `change` runs on what the request sees, and again on the latest value
    /// if another request changed it meanwhile. So no update is lost, and `change` should do nothing but change the
    /// value.
    ///
    /// ```
    /// # use level_session::{Result, Session};
    /// # async fn handler(session: Session) -> Result<()> {
    /// let see = |seen: &mut Option<Vec<String>>| seen.get_or_insert_default().push("tea".to_owned());
    /// session.update("seen", see).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// It gives what `change` returned for the value that the request sees. Where that must be what was stored in the
    /// end, use [`update_tracked`](Self::update_tracked).
    ///
    /// # Errors
    /// Those of [`get`](Self::get) and [`set`](Self::set).
    pub async fn update<T, R>(
        &self,
        key: impl AsKey<T>,
        change: impl FnMut(&mut Option<T>) -> R + Send + 'static,
    ) -> Result<R>
    where
        T: Serialize + DeserializeOwned,
        R: Send + 'static,
    {
        Ok(self.update_tracked(key, change).await?.into_inner())
    }

    /// As [`update`](Self::update), and says what `change` returned when it ran last: after the commit that is the run
    /// whose value was stored. See [`Field::update_tracked`](crate::Field::update_tracked).
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn update_tracked<T, R>(
        &self,
        key: impl AsKey<T>,
        mut change: impl FnMut(&mut Option<T>) -> R + Send + 'static,
    ) -> Result<Updated<R>>
    where
        T: Serialize + DeserializeOwned,
        R: Send + 'static,
    {
        let name = own(key.name())?;
        let def = self.definition(&name);
        let field = name.clone();
        let updated = Updated::new();
        let latest = updated.share();
        let step = move |bytes: Option<&Bytes>, now| {
            let mut value = decode::<T>(&field, bytes, now)?;
            let result = change(&mut value);
            let setting = match value {
                None => None,
                Some(value) => {
                    let setting = UnitOfWork::setting(
                        def.map(|(_, def)| def),
                        &field,
                        || now,
                        |out| value::encode(&value, out),
                    )?;
                    if let Some((schema, def)) = def {
                        check(schema, def, &setting.bytes)?;
                    }
                    Some(setting)
                }
            };
            latest.put(result);
            Ok(setting)
        };
        self.0.update(&name, Box::new(step)).await?;
        Ok(updated)
    }

    /// Takes a field out of the session, at once and whatever becomes of the request: of any number of concurrent
    /// takers one gets the value, the others get `None`. For one-time codes and OAuth's `state`.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub async fn take<T: DeserializeOwned>(&self, key: impl AsKey<T>) -> Result<Option<T>> {
        let name = own(key.name())?;
        let bytes = self
            .0
            .take(&name, |bytes| {
                decode::<T>(&name, Some(bytes), self.0.now()).map(drop)
            })
            .await?;
        decode(&name, bytes.as_ref(), self.0.now())
    }

    // ---- life cycle

    /// Gives the session a new id when the request ends, and keeps its data; the old id is dead in the same step.
    /// Call it at sign-in and at every change of privilege (ASVS 7.2.4). The absolute timeout starts anew.
    ///
    /// To drop what a former visitor left behind, [`clear`](Self::clear) as well.
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Closed`]; [`ErrorKind::Misuse`] on a [detached](Self::detach) handle, which
    /// cannot send the new cookie.
    #[doc(alias = "regenerate")]
    #[doc(alias = "cycle_id")]
    pub fn renew(&self) -> Result<()> {
        self.refuse_detached()?;
        self.0.lock().renew()
    }

    fn refuse_detached(&self) -> Result<()> {
        match self.0.is_detached() {
            false => Ok(()),
            true => Err(Error::new(
                ErrorKind::Misuse,
                "a detached handle has no response that could carry a new cookie: renew in a request",
            )),
        }
    }

    /// Ends the session when the request ends: every field, its index entries, its id, and the cookie. A request that
    /// is at work on it gets [`ErrorKind::Gone`] and cannot bring it back.
    ///
    /// Where the browser sends several session cookies, the sessions of all of them end, of the first four with a good
    /// signature. A session that has ended already
    /// (it had expired, or a double click got there first) is as good as ended: that is a success, and the cookie is
    /// removed. There is one exception: if the session was renewed in the last minute, it lives under another id, and its
    /// new cookie may be in the browser by now. The removal could meet that one, so the request gets
    /// [`ErrorKind::Gone`], and the visitor can sign out again.
    ///
    /// The request sees an empty session from now on. What it writes after that begins a new session, in the same
    /// atomic step: a "you are signed out" notice, say.
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Closed`].
    #[doc(alias = "flush")]
    #[doc(alias = "invalidate")]
    #[doc(alias = "logout")]
    pub fn destroy(&self) -> Result<()> {
        self.0.lock().destroy()
    }

    /// Removes every field, and keeps the session and its id. The library's own fields stay as well.
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Closed`].
    #[doc(alias = "delAll")]
    pub fn clear(&self) -> Result<()> {
        self.0.lock().clear()
    }

    /// Chooses how long this session lives, from this commit on and in place of the deployment's timeouts: "remember me",
    /// or a public computer. Renewals keep it; `None` goes back to the deployment's. A session that signs in has a
    /// new id, so it is [renewed](Self::renew) as well.
    ///
    /// A [`Lifetime`] says also whether the cookie outlives the browser, in place of the cookie's settings: it does,
    /// unless it is [`transient`](Lifetime::with_transient).
    ///
    /// ```
    /// use level_session::{Expiry, Lifetime, Result, Session};
    /// use std::time::Duration;
    ///
    /// # async fn sign_in(session: Session, remember_me: bool) -> Result<()> {
    /// let lifetime: Lifetime = match remember_me {
    ///     true => Expiry::idle(Duration::from_secs(90 * 24 * 3600)).into(),
    ///     false => Lifetime::from(Expiry::nist_aal2()).with_transient(true),
    /// };
    /// session.set_lifetime(lifetime)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`renew`](Self::renew).
    #[doc(alias = "remember_me")]
    pub fn set_lifetime(&self, lifetime: impl Into<Option<Lifetime>>) -> Result<()> {
        self.refuse_detached()?;
        self.0.lock().set_lifetime(lifetime.into())
    }

    /// Ends the other sessions that have the value that this one has in a field, which is declared `#[session(index)]`:
    /// all other sessions of the user, for a change of the password. They end in the commit of this request, in the same
    /// step, or nothing of either is stored; no sign-in and no renewal at the same time escapes it. Nothing if the field is not
    /// set.
    ///
    /// ```
    /// # use level_session::{Result, Session, SessionData};
    /// # #[derive(SessionData)]
    /// # struct Shop { #[session(index)] user_id: Option<u64> }
    /// async fn change_password(session: Session<Shop>) -> Result<()> {
    ///     // .. in the database of users, first: nobody signs in by the old password from now on
    ///     session.renew()?;
    ///     session.end_others(Shop::USER_ID).await
    /// }
    /// ```
    ///
    /// That the password changes in another database is no part of the commit: change it first. If the commit fails then,
    /// the others live on, and the request has an error to show: let the user try again, or call
    /// [`Sessions::end_all`](crate::Sessions::end_all).
    ///
    /// The commit holds all of them at once: where there may be thousands, call
    /// [`Sessions::end_all_but`](crate::Sessions::end_all_but) first. On a store without
    /// [exact limits](crate::store::Abilities::exact_limits) see there.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] for a field that is no index; those of reading it. The commit fails with
    /// [`ErrorKind::Contended`] if another request gives the field another value meanwhile.
    pub async fn end_others<T>(&self, key: Key<T>) -> Result<()> {
        ending::must_be_index(&key.def())?;
        let name = FieldName::from_static(key.name());
        match self.0.read(&name).await? {
            Some(value) => self.0.lock().end_others(&name, value),
            None => Ok(()),
        }
    }

    /// Ends another session that has the value that this one has in a field, which is declared `#[session(index)]`: one of
    /// the user's own, from a devices page. It ends at once, and whether it did is the answer: `false` for one that has
    /// ended already, and for one of someone else, which is left alone. This session's own handle ends it as well, as
    /// from outside: to sign out, [`destroy`](Self::destroy) it.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] for a field that is no index; those of reading it; [`ErrorKind::Contended`].
    pub async fn end_other<T>(&self, key: Key<T>, session: &SessionHandle) -> Result<bool> {
        ending::must_be_index(&key.def())?;
        let name = FieldName::from_static(key.name());
        let Some(value) = self.0.read(&name).await? else {
            return Ok(false);
        };
        let user = Sought::new(name, value)?;
        let reason = EndReason::OtherSession;
        ending::end(&self.0.runtime, session.digest(), Some(&user), reason).await
    }

    /// Drops everything that was changed and is not stored: fields, `renew`, `destroy` and the like. What was read stays
    /// read. For a handler that goes on after its [`commit`](Self::commit) was refused.
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Closed`].
    #[doc(alias = "rollback")]
    pub fn discard(&self) -> Result<()> {
        self.0.lock().discard()
    }

    /// Restarts the idle timeout, even if it was restarted a moment ago.
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Closed`].
    pub fn touch(&self) -> Result<()> {
        self.0.lock().touch()
    }

    /// Forgets what was read, so that it is read anew when it is asked for: a request reads each field once. What was
    /// changed stays wanted.
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Closed`].
    #[doc(alias = "refresh")]
    pub fn reload(&self) -> Result<()> {
        self.0.lock().reload()
    }

    /// Stores everything that was changed, at once, without waiting for the end of the request. What the request does
    /// afterwards is stored at its end.
    ///
    /// Other tasks of the request may go on meanwhile: what they write is stored by the next commit, and what they read
    /// waits until this one is over. If the future is dropped, the commit goes on with whatever uses the session next, at
    /// the latest with the end of the request.
    ///
    /// # Errors
    /// [`ErrorKind::Gone`] if the session ended meanwhile, [`ErrorKind::Store`], [`ErrorKind::Overflow`],
    /// [`ErrorKind::Contended`], [`ErrorKind::Random`], [`ErrorKind::Closed`]: everything is wanted as before, and
    /// nothing is stored, unless [`Error::may_be_stored`] says otherwise. So does an earlier commit that was dropped, and
    /// of which nobody knows whether it is stored: its error is given once.
    #[doc(alias = "save")]
    pub async fn commit(&self) -> Result<()> {
        self.0.commit().await
    }

    /// The same session with a unit of work of its own, for what goes on after the response: a WebSocket, server-sent
    /// events, a spawned task. What it changes is stored by its own [`commit`](Self::commit) only. It makes no session:
    /// a commit that would is refused, with [`ErrorKind::Gone`] where the session had ended before, and with
    /// [`ErrorKind::Misuse`] for what is written after its own `destroy`, or for a visitor without a session. Such a
    /// visitor's handle reads nothing, and is none of the session that another request may make.
    ///
    /// A field is read once per unit of work, and each commit ends one: what is read after it is read anew, also where
    /// there was nothing to store. So check a right with every message, and `commit` or [`reload`](Self::reload) between
    /// them, or the first answer holds for as long as the connection lasts.
    ///
    /// Its commits keep the session alive, but cannot send the cookie again: the browser gets that with the next
    /// request that uses the session.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] if this request makes the session and has not committed it yet; [`ErrorKind::Gone`],
    /// [`ErrorKind::Closed`].
    pub fn detach(&self) -> Result<Self> {
        self.0.detach().map(Self::new)
    }

    /// Returns when the session has ended: at once when it is destroyed or renewed through this process or has expired,
    /// or through any process if the store tells of that ([`Abilities::tells_ended`](crate::store::Abilities)), else
    /// within a minute. For a connection that outlives its request (ASVS 4.4.4): [`detach`](Self::detach), and end the
    /// connection when this returns. A request that renews its own session goes on watching it under its new id.
    ///
    /// It also returns when the application closes, by [`Sessions::end_connections`](crate::Sessions::end_connections) or
    /// [`Sessions::close`](crate::Sessions::close), and when the store is closed. For a visitor without a session it waits
    /// for nothing else.
    ///
    /// ```
    /// # use level_session::{Result, Session};
    /// # async fn message() -> Option<String> { None }
    /// # async fn handler(session: Session) -> Result<()> {
    /// let session = session.detach()?;
    /// tokio::spawn(async move {
    ///     loop {
    ///         tokio::select! {
    ///             _ = session.ended() => break, // signed out: close the connection
    ///             Some(message) = message() => { /* .. */ }
    ///         }
    ///     }
    /// });
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`] if the store cannot be read; the connection should end then as well.
    pub async fn ended(&self) -> Result<()> {
        self.0.ended().await
    }

    /// A token against cross-site request forgery for a form of this page, bound to the session: put it into a hidden
    /// field, and [`verify_csrf`](Self::verify_csrf) what comes back. It is 86 characters of base64url, another one
    /// at every call; all of them fit until the session is renewed (ASVS 3.5.1). A visitor without a session gets
    /// one. Call it after [`renew`](Self::renew), not before.
    ///
    /// # Errors
    /// [`ErrorKind::Random`], [`ErrorKind::Store`], [`ErrorKind::Gone`], [`ErrorKind::Closed`].
    pub async fn csrf_token(&self) -> Result<String> {
        self.0.csrf_token().await
    }

    /// Whether `token` is one of the session that the request came with; compared in constant time. `false` for a
    /// visitor without a session.
    ///
    /// # Errors
    /// [`ErrorKind::Store`], [`ErrorKind::Gone`], [`ErrorKind::Closed`].
    pub async fn verify_csrf(&self, token: &str) -> Result<bool> {
        self.0.verify_csrf(token).await
    }

    /// Whether there is a stored session: `false` for a new visitor.
    ///
    /// # Errors
    /// [`ErrorKind::Store`], [`ErrorKind::Gone`], [`ErrorKind::Closed`].
    pub async fn is_live(&self) -> Result<bool> {
        Ok(self.0.meta().await?.is_some())
    }

    /// When the session was made; `None` for a new visitor.
    ///
    /// # Errors
    /// As [`is_live`](Self::is_live).
    pub async fn created_at(&self) -> Result<Option<Timestamp>> {
        Ok(self.0.meta().await?.map(|meta| meta.created))
    }

    /// When the session ends unless it is used before; `None` for a new visitor.
    ///
    /// # Errors
    /// As [`is_live`](Self::is_live).
    pub async fn expires_at(&self) -> Result<Option<Timestamp>> {
        Ok(self.0.meta().await?.map(|meta| meta.lease.deadline()))
    }

    /// A few characters that identify the session in a log and are of no use for anything else; `None` for a new
    /// visitor.
    #[must_use]
    pub fn log_id(&self) -> Option<String> {
        self.0.digest().map(|digest| digest.short())
    }

    /// What names the session in public, until it is renewed: see [`SessionHandle`]. `None` for a new visitor.
    #[must_use]
    pub fn handle(&self) -> Option<SessionHandle> {
        self.0.digest().map(SessionHandle::new)
    }

    /// A typed handle on the same session and the same unit of work.
    ///
    /// # Errors
    /// [`ErrorKind::Clash`] if another struct that this application uses claims one of its keys.
    pub fn typed<T: SessionData>(&self) -> Result<super::Session<T>> {
        self.0.runtime.register(T::SCHEMA)?;
        Ok(super::Session::over(self.clone()))
    }

    fn definition(&self, name: &str) -> Option<(&'static Schema, &'static FieldDef)> {
        self.0.runtime.definition(name)
    }
}

/// The most bytes of a key. Every record lists its session's keys, so a long one costs each request.
const MAX_KEY_BYTES: usize = 1024;

/// A key that is the application's.
fn own(name: FieldName) -> Result<FieldName> {
    let refused = if name.is_reserved() {
        "keys that begin with `level-session:` belong to the library: choose another key"
    } else if name.is_empty() {
        "a key is empty: give it a name"
    } else if name.len() > MAX_KEY_BYTES {
        return Err(Error::new(
            ErrorKind::Misuse,
            format!(
                "a key has {} bytes, and {MAX_KEY_BYTES} at most are allowed: keep what is long in the value",
                name.len()
            ),
        ));
    } else {
        return Ok(name);
    };
    Err(Error::new(ErrorKind::Misuse, refused).on(name))
}

pub(crate) fn decode<T: DeserializeOwned>(
    name: &FieldName,
    bytes: Option<&Bytes>,
    now: Timestamp,
) -> Result<Option<T>> {
    let Some(bytes) = bytes else { return Ok(None) };
    let read = || {
        value::open(bytes)?
            .live(now)
            .map(|body| body.decode())
            .transpose()
    };
    read().map_err(|cause: value::ValueError| Error::of_value(cause, name.clone()))
}

/// Refuses a value that the field's declaration could not read.
fn check(schema: &Schema, def: &FieldDef, bytes: &Bytes) -> Result<()> {
    let read = || value::open(bytes).and_then(|stored| def.check(&stored.body()));
    read().map_err(|cause| {
        let declared = format!(
            "is declared as `{}` in `{}`",
            def.type_name(),
            schema.type_name()
        );
        let cause = cause.of_given();
        Error::new(ErrorKind::Type, format!("{declared}, and {cause}")).on(def.key())
    })
}

impl fmt::Debug for UntypedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Every field of a session, by key: a map, and what could not be read.
///
/// ```
/// # use level_session::{Result, Session};
/// /// An admin page.
/// async fn everything(session: Session) -> Result<axum::Json<level_session::AllFields>> {
///     let all = session.get_all().await?;
///     for error in all.damaged() {
///         eprintln!("{error}");
///     }
///     Ok(axum::Json(all))
/// }
/// ```
pub struct AllFields {
    fields: BTreeMap<String, Value>,
    damaged: Vec<Error>,
}

impl AllFields {
    pub(crate) fn of(fields: impl IntoIterator<Item = (FieldName, Bytes)>, now: Timestamp) -> Self {
        let mut all = Self {
            fields: BTreeMap::new(),
            damaged: Vec::new(),
        };
        for (name, bytes) in fields {
            match decode(&name, Some(&bytes), now) {
                Ok(Some(value)) => drop(all.fields.insert(name.to_string(), value)),
                Ok(None) => {}
                Err(error) => all.damaged.push(error),
            }
        }
        all
    }

    /// One error for each field that is stored and cannot be read.
    #[must_use]
    pub fn damaged(&self) -> &[Error] {
        &self.damaged
    }

    /// The map itself.
    #[must_use]
    pub fn into_map(self) -> BTreeMap<String, Value> {
        self.fields
    }
}

impl Deref for AllFields {
    type Target = BTreeMap<String, Value>;
    fn deref(&self) -> &Self::Target {
        &self.fields
    }
}

impl IntoIterator for AllFields {
    type Item = (String, Value);
    type IntoIter = std::collections::btree_map::IntoIter<String, Value>;
    fn into_iter(self) -> Self::IntoIter {
        self.fields.into_iter()
    }
}

impl Serialize for AllFields {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl fmt::Debug for AllFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllFields")
            .field("fields", &self.fields.keys())
            .field("damaged", &self.damaged)
            .finish()
    }
}
