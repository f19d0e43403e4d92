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
/// Every typed session dereferences to it, and both are the same session: [`get`](Self::get) reads the value that a
/// typed accessor wrote. A declared field accepts only a value of its type, whichever way it is set.
///
/// Clones share the session and the unit of work.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
/// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
/// # let session = sessions.begin(&http::HeaderMap::new());
/// session.set("theme", "dark")?; // visible to this request
/// session.commit().await?; // and now to every request
/// assert_eq!(session.get::<String>("theme").await?.as_deref(), Some("dark"));
/// # Ok(()) }
/// ```
///
/// # Errors
/// Most methods can fail in one of these ways. In a handler, pass the error on with `?`: it becomes a response with the
/// [status](Error::status) in the last column.
///
/// | kind | when | what to do | status |
/// |---|---|---|---|
/// | [`Gone`](ErrorKind::Gone) | the session was destroyed, renewed or has expired since the request began | nothing was stored: let the visitor start again | 409 |
/// | [`Closed`](ErrorKind::Closed) | the response has been sent | call [`detach`](Self::detach) before the response is sent, and use that handle | 500 |
/// | [`Store`](ErrorKind::Store) | the store cannot be reached, read or written | let the client try again, unless [`Error::may_be_stored`] | 500 |
/// | [`Decode`](ErrorKind::Decode) | a stored value is not of the requested type | read it with its former type, or remove the field | 500 |
/// | [`Misuse`](ErrorKind::Misuse) | the call cannot work where it is made | the message says how to change the code | 500 |
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

    /// Whether other handles on the same unit of work exist.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    // ---- fields by key

    /// Reads a field; `None` if nothing is stored.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// use level_session::Value;
    ///
    /// session.set("referrer", "newsletter")?;
    /// let referrer: Option<String> = session.get("referrer").await?;
    /// assert_eq!(referrer.as_deref(), Some("newsletter"));
    /// assert_eq!(session.get::<Value>("absent").await?, None); // `Value` reads every type
    /// assert!(session.get::<u64>("referrer").await.is_err()); // holds a string
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::Decode`] if the stored value is not a `T`. The message names the field, the stored type and the
    ///   requested one. Read it with its former type or as a [`Value`], or remove it with [`del`](Self::del).
    /// - [`ErrorKind::Misuse`] if the key begins with `level-session:`, which is reserved: choose another key.
    /// - [`ErrorKind::Store`], [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    pub async fn get<T: DeserializeOwned>(&self, key: impl AsKey<T>) -> Result<Option<T>> {
        let name = own(key.name())?;
        let bytes = self.0.read(&name).await?;
        decode(&name, bytes.as_ref(), self.0.now())
    }

    /// Reads every stored field, declared or not, into a map that serde can serialize. Reserved fields
    /// (`level-session:..`) are left out.
    ///
    /// A damaged field does not fail the call: see [`AllFields::damaged`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// session.set("visits", 3)?;
    /// let all = session.get_all().await?;
    /// assert_eq!(all.len(), 2);
    /// assert_eq!(all["visits"], 3_u64.into());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`], [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    pub async fn get_all(&self) -> Result<AllFields> {
        let fields = self.0.read_all().await?;
        Ok(AllFields::of(fields, self.0.now()))
    }

    /// Sets a field. The value is stored when the request ends, or with the next [`commit`](Self::commit); until then only
    /// this request sees it. [`Value::Null`] is a value like any other.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// session.set("items", vec!["tea", "salt"])?;
    /// assert_eq!(session.get::<Vec<String>>("items").await?.unwrap().len(), 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::Type`] if the field is declared with another type: set a value of the declared type.
    /// - [`ErrorKind::Encode`] if the value's `Serialize` fails, or the value is larger than 1 MiB or too deeply nested:
    ///   keep it in a database and its key in the session.
    /// - [`ErrorKind::Misuse`] if the key is reserved (`level-session:..`), empty or too long: choose another key.
    /// - [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
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

    /// Removes a field. Removing a field that is not stored is no error.
    ///
    /// In level-session for Node, `del` without a key removes every field: that is [`clear`](Self::clear).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("referrer", "newsletter")?;
    /// session.del("referrer")?;
    /// assert_eq!(session.get::<String>("referrer").await?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::Misuse`] if the key is reserved (`level-session:..`): choose another key.
    /// - [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    #[doc(alias = "remove")]
    #[doc(alias = "delete")]
    pub fn del(&self, key: impl FieldKey) -> Result<()> {
        self.0.lock().change(&own(key.name())?, Change::Remove)
    }

    /// Updates, inserts or removes a field. `change` runs on the value that this request sees, and runs again on the latest
    /// value if another request has changed the field by the time this one is stored. So no update is lost, and `change`
    /// should have no other effect than its change of the value.
    ///
    /// Returns what `change` returned in its first run. If you need the result of the run whose value was stored, use
    /// [`update_tracked`](Self::update_tracked).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// let other = { session.set("n", 1_u64)?; session.commit().await?; session.detach()? };
    /// for handle in [&session, &other] { // two requests at the same time
    ///     handle.update("n", |n: &mut Option<u64>| *n.get_or_insert(0) += 1).await?;
    /// }
    /// session.commit().await?;
    /// other.commit().await?; // runs the closure again
    /// assert_eq!(other.get::<u64>("n").await?, Some(3));
    /// # Ok(()) }
    /// ```
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

    /// Like [`update`](Self::update), but returns a handle on the result of the latest run. After a successful commit, that
    /// is the run whose value was stored. See [`Field::update_tracked`](crate::Field::update_tracked).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// let take_one = |left: &mut Option<u64>| match left {
    ///     Some(left) if *left > 0 => { *left -= 1; true }
    ///     _ => false,
    /// };
    /// session.set("credits", 1_u64)?;
    /// let taken = session.update_tracked("credits", take_one).await?;
    /// session.commit().await?;
    /// assert!(taken.get());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`update`](Self::update).
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

    /// Reads a field and removes it from the stored session at once, without waiting for the end of the request. If several
    /// requests take the same field, exactly one gets the value and the others get `None`. The field stays removed even if
    /// the request fails. Use it for one-time codes and the `state` of OAuth.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("code", "271828")?;
    /// session.commit().await?;
    /// let other = session.detach()?; // another request
    /// assert_eq!(session.take::<String>("code").await?.as_deref(), Some("271828"));
    /// assert_eq!(other.take::<String>("code").await?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`get`](Self::get). After an error the value has not been handed out; after one with
    /// [`Error::may_be_stored`] it may be removed all the same: issue a new code.
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

    /// Gives the session a new id when the request is stored and keeps its fields. The old id stops working in the same
    /// atomic step. Call it at sign-in and at every change of privilege (ASVS 7.2.4). The absolute timeout starts again.
    ///
    /// To drop the fields of a previous visitor as well, call [`clear`](Self::clear) too.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("cart", ["tea"])?;
    /// session.commit().await?;
    /// let before = session.handle();
    ///
    /// session.renew()?;
    /// session.set("user_id", 7)?;
    /// session.commit().await?;
    /// assert_ne!(session.handle(), before);
    /// assert!(session.get::<Vec<String>>("cart").await?.is_some());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::Misuse`] on a [detached](Self::detach) handle, which has no response to send the new cookie with:
    ///   renew the session in a request.
    /// - [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
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
                "a detached handle has no response to send a new cookie with: renew the session in a request",
            )),
        }
    }

    /// Ends the session when the request is stored: its fields, its index entries, its id and the cookie. Any other request
    /// on this session gets [`ErrorKind::Gone`] and cannot bring the session back.
    ///
    /// From now on this request sees an empty session. Fields written after `destroy` begin a new session in the same atomic
    /// step: for a "you are signed out" notice, for example.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("user_id", 7)?;
    /// session.commit().await?;
    /// let other = session.detach()?; // another request
    ///
    /// session.destroy()?;
    /// assert_eq!(session.get::<u64>("user_id").await?, None);
    /// session.commit().await?;
    /// other.set("theme", "dark")?;
    /// assert!(other.commit().await.is_err()); // the session is gone
    /// # Ok(()) }
    /// ```
    ///
    /// If the browser sends several session cookies, every session among the first four with a valid signature ends. Ending a
    /// session that has already ended (it expired, or the user clicked twice) is a success and removes the cookie, with one
    /// exception: if the session was renewed within the last minute, it lives on under a new id, and its new cookie may
    /// already be in the browser. Removing the cookie could then remove the new one, so the request gets
    /// [`ErrorKind::Gone`] and the visitor can sign out again.
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    #[doc(alias = "flush")]
    #[doc(alias = "invalidate")]
    #[doc(alias = "logout")]
    pub fn destroy(&self) -> Result<()> {
        self.0.lock().destroy()
    }

    /// Removes every field but keeps the session and its id. Reserved fields (`level-session:..`) stay.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// session.set("referrer", "newsletter")?;
    /// session.clear()?;
    /// assert!(session.get_all().await?.is_empty());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    #[doc(alias = "delAll")]
    pub fn clear(&self) -> Result<()> {
        self.0.lock().clear()
    }

    /// Chooses how long this session lives, from this commit on and instead of the configured timeouts: for "remember me", or
    /// for a public computer. Renewals keep the lifetime; `None` returns to the configured timeouts. A session that signs in
    /// should get a new id too, so call [`renew`](Self::renew) as well.
    ///
    /// [`max_lifetime`](crate::SessionsBuilder::max_lifetime) limits the choice, also after it was made.
    /// [`Lifetime::longest`] is always as long as that limit, so it follows changes of the setting in both directions.
    ///
    /// A [`Lifetime`] also decides whether the cookie outlives the browser, whatever the cookie's settings say: it does,
    /// unless the lifetime is [`transient`](Lifetime::with_transient).
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
    /// session.renew()?;
    /// session.set_lifetime(lifetime)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`renew`](Self::renew); [`ErrorKind::Misuse`] for a lifetime that never ends if no `max_lifetime` is set.
    #[doc(alias = "remember_me")]
    pub fn set_lifetime(&self, lifetime: impl Into<Option<Lifetime>>) -> Result<()> {
        self.refuse_detached()?;
        let lifetime = lifetime.into();
        if self.0.runtime.lifetimes.never_ends(lifetime) {
            return Err(Error::new(
                ErrorKind::Misuse,
                "the chosen lifetime never ends: choose a shorter one, or bound it with `SessionsBuilder::max_lifetime`",
            ));
        }
        self.0.lock().set_lifetime(lifetime)
    }

    /// Ends all other sessions that have this session's value in a field declared `#[session(index)]`: all other
    /// sessions of the user, after a change of the password. They end in the commit of this request, in the same step;
    /// if it fails, none of them ends. No concurrent sign-in or renewal escapes it. Does nothing if the field is not
    /// set.
    ///
    /// ```
    /// # use level_session::{Result, Session, SessionData};
    /// # #[derive(SessionData)]
    /// # struct Shop { #[session(index)] user_id: Option<u64> }
    /// async fn change_password(session: Session<Shop>) -> Result<()> {
    ///     // .. in the database of users, first: from now on the old password signs nobody in
    ///     session.renew()?;
    ///     session.end_others(Shop::USER_ID).await
    /// }
    /// ```
    ///
    /// The change of the password in another database is not part of the commit, so make it first. If the commit then
    /// fails, the other sessions live on, and the request returns an error: let the user try again, or call
    /// [`Sessions::end_all`](crate::Sessions::end_all).
    ///
    /// The commit contains all of these sessions: if there may be thousands, call
    /// [`Sessions::end_all_but`](crate::Sessions::end_all_but) first. That method also describes stores without
    /// [exact limits](crate::store::Abilities::exact_limits).
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] for a field that is not indexed; those of reading the field. The commit fails with
    /// [`ErrorKind::Contended`] if another request changes the field's value meanwhile.
    pub async fn end_others<T>(&self, key: Key<T>) -> Result<()> {
        ending::must_be_index(&key.def())?;
        let name = FieldName::from_static(key.name());
        match self.0.read(&name).await? {
            Some(value) => self.0.lock().end_others(&name, value),
            None => Ok(()),
        }
    }

    /// Ends another session that has the same value as this one in a field declared `#[session(index)]`: another session of
    /// the same user, chosen on a page of devices. It ends at once. Returns `false` if that session had already ended or
    /// belongs to another user; such a session is left alone. This session's own handle ends this session too, as an end from
    /// outside: to sign out, call [`destroy`](Self::destroy).
    ///
    /// ```
    /// # use level_session::{Result, Session, SessionData, SessionHandle};
    /// # #[derive(SessionData)] struct Shop { #[session(index)] user_id: Option<u64> }
    /// /// The user has chosen one of their devices.
    /// async fn sign_out_device(session: Session<Shop>, device: SessionHandle) -> Result<&'static str> {
    ///     match session.end_other(Shop::USER_ID, &device).await? {
    ///         true => Ok("signed out"),
    ///         false => Ok("that device had signed out already"),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::Misuse`] if the field is not declared `#[session(index)]`: add the attribute.
    /// - [`ErrorKind::Contended`] if other requests kept changing that session: try again.
    /// - Those of reading the field.
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

    /// Drops every change that is not stored yet, including `renew` and `destroy`. Values that were read stay read. Use it in
    /// a handler that continues after its [`commit`](Self::commit) was refused.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// session.destroy()?;
    /// session.discard()?;
    /// session.commit().await?; // nothing to store
    /// assert!(!session.is_live().await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    #[doc(alias = "rollback")]
    pub fn discard(&self) -> Result<()> {
        self.0.lock().discard()
    }

    /// Restarts the idle timeout, even if it was restarted a moment ago.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// session.commit().await?;
    ///
    /// session.touch()?;
    /// session.commit().await?; // the session now lives two more weeks
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    pub fn touch(&self) -> Result<()> {
        self.0.lock().touch()
    }

    /// Forgets the values that this request has read, so that the next read asks the store again: a request otherwise reads
    /// each field once. Changes that are not stored yet are kept.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// session.commit().await?;
    /// let page = session.detach()?; // a WebSocket, for example
    /// page.get::<String>("theme").await?;
    ///
    /// session.set("theme", "light")?;
    /// session.commit().await?;
    /// page.reload()?;
    /// assert_eq!(page.get::<String>("theme").await?.as_deref(), Some("light"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    #[doc(alias = "refresh")]
    pub fn reload(&self) -> Result<()> {
        self.0.lock().reload()
    }

    /// Stores every change at once, in one atomic step, without waiting for the end of the request. Later changes are stored
    /// at the end of the request.
    ///
    /// Other tasks of the same request may continue meanwhile: their writes are stored by the next commit, and their reads
    /// wait until this commit is done. If the future is dropped, the commit is completed by the next use of the session, or
    /// at the latest by the end of the request.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("order", 17)?;
    /// session.commit().await?; // stored, even if the request fails later
    /// assert!(session.is_live().await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// After an error nothing is stored and every change is kept, to be stored by the next commit, unless
    /// [`Error::may_be_stored`] says that the outcome is unknown. To continue without the changes, call
    /// [`discard`](Self::discard).
    /// - [`ErrorKind::Gone`]: the session ended meanwhile. Let the visitor start again.
    /// - [`ErrorKind::Store`]: the store failed. Let the client try again.
    /// - [`ErrorKind::Overflow`]: a counter would leave the range of its type.
    /// - [`ErrorKind::Contended`]: other requests kept changing a field of an `update`. Try again.
    /// - [`ErrorKind::TooLarge`], [`ErrorKind::Full`]: a limit that the application set is exceeded.
    /// - [`ErrorKind::Random`]: the operating system's random generator failed.
    /// - [`ErrorKind::Closed`]: the response has been sent. Use a [detached](Self::detach) handle.
    ///
    /// If an earlier commit was dropped and its outcome is unknown, its error is returned once.
    #[doc(alias = "save")]
    pub async fn commit(&self) -> Result<()> {
        self.0.commit().await
    }

    /// Returns the same session with a unit of work of its own, for work that continues after the response: a WebSocket,
    /// server-sent events, a spawned task. Its changes are stored by its own [`commit`](Self::commit) and by nothing else.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("user_id", 7)?;
    /// session.commit().await?; // a new session must be stored first
    ///
    /// let session = session.detach()?;
    /// let task = tokio::spawn(async move {
    ///     session.set("report", "ready")?;
    ///     session.commit().await
    /// });
    /// task.await.expect("the task ends")?;
    /// # Ok(()) }
    /// ```
    ///
    /// A field is read once per unit of work, and each commit begins a new one, even if there was nothing to store. On a
    /// long-lived connection, check permissions with every message, and call `commit` or [`reload`](Self::reload) between
    /// messages; otherwise the first answer is reused for as long as the connection lasts.
    ///
    /// Commits of a detached handle keep the session alive but cannot send the cookie again: the browser gets it with the
    /// next request that uses the session.
    ///
    /// A detached handle never creates a session. A commit that would create one fails: with [`ErrorKind::Gone`] if the
    /// session ended elsewhere, and with [`ErrorKind::Misuse`] for changes after its own `destroy` or for a visitor without a
    /// session. A handle detached for a visitor without a session reads nothing, and does not follow a session that another
    /// request creates for that visitor.
    ///
    /// # Errors
    /// - [`ErrorKind::Misuse`] if this request creates the session and has not committed it yet: call
    ///   [`commit`](Self::commit) first.
    /// - [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    pub fn detach(&self) -> Result<Self> {
        self.0.detach().map(Self::new)
    }

    /// Returns when the session has ended. It returns at once if the session expires, or is destroyed or renewed through this
    /// process, or through any process if the store reports that ([`Abilities::tells_ended`](crate::store::Abilities));
    /// otherwise within a minute. Use it for a connection that outlives its request (ASVS 4.4.4): [`detach`](Self::detach),
    /// and close the connection when this returns. A request that renews its own session keeps watching it under the
    /// new id.
    ///
    /// It also returns when the application shuts down, by [`Sessions::end_connections`](crate::Sessions::end_connections) or
    /// [`Sessions::close`](crate::Sessions::close), and when the store is closed. For a visitor without a session it returns
    /// only then.
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
    /// [`ErrorKind::Store`] if the store cannot be read: close the connection then as well.
    pub async fn ended(&self) -> Result<()> {
        self.0.ended().await
    }

    /// Returns a token against cross-site request forgery for a form on this page, bound to the session. Put it into a hidden
    /// field and pass the submitted value to [`verify_csrf`](Self::verify_csrf). It is 86 characters of base64url and differs
    /// with every call; every token stays valid until the session is renewed (ASVS 3.5.1). A visitor without a session gets
    /// one. Call it after [`renew`](Self::renew), not before.
    ///
    /// ```
    /// # use level_session::{Result, Session};
    /// async fn form(session: Session) -> Result<String> {
    ///     let token = session.csrf_token().await?;
    ///     Ok(format!(r#"<form method="post"><input type="hidden" name="csrf" value="{token}">"#))
    /// }
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::Random`] if the operating system's random generator failed.
    /// - [`ErrorKind::Store`], [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    pub async fn csrf_token(&self) -> Result<String> {
        self.0.csrf_token().await
    }

    /// Returns whether `token` was issued for the session that this request came with. Tokens are compared in constant time.
    /// Returns `false` for a visitor without a session.
    ///
    /// ```
    /// # use level_session::{Result, Session};
    /// # async fn transfer() -> Result<()> { Ok(()) }
    /// async fn submit(session: Session, form_token: String) -> Result<&'static str> {
    ///     if !session.verify_csrf(&form_token).await? {
    ///         return Ok("this form has expired, please send it again");
    ///     }
    ///     transfer().await?;
    ///     Ok("done")
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`], [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    pub async fn verify_csrf(&self, token: &str) -> Result<bool> {
        self.0.verify_csrf(token).await
    }

    /// Returns whether there is a stored session: `false` for a new visitor.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// assert!(!session.is_live().await?);
    /// session.set("theme", "dark")?;
    /// session.commit().await?;
    /// assert!(session.is_live().await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`], [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    pub async fn is_live(&self) -> Result<bool> {
        Ok(self.0.meta().await?.is_some())
    }

    /// Returns when the session was created; `None` for a new visitor.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// assert_eq!(session.created_at().await?, None);
    /// session.set("theme", "dark")?;
    /// session.commit().await?;
    /// assert!(session.created_at().await?.is_some());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`is_live`](Self::is_live).
    pub async fn created_at(&self) -> Result<Option<Timestamp>> {
        Ok(self.0.meta().await?.map(|meta| meta.created))
    }

    /// Returns when the session expires unless it is used before then, by the timeouts in force today; `None` for a new
    /// visitor.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// session.commit().await?;
    /// let (from, until) = (session.created_at().await?.unwrap(), session.expires_at().await?.unwrap());
    /// assert_eq!(until.since(from).as_secs(), 14 * 24 * 3600); // the default: two weeks
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`is_live`](Self::is_live).
    pub async fn expires_at(&self) -> Result<Option<Timestamp>> {
        let meta = self.0.meta().await?;
        Ok(meta.map(|meta| self.0.runtime.lifetimes.deadline(&meta.lease)))
    }

    /// Returns a few characters that identify the session in a log and are useless for anything else; `None` for a new
    /// visitor.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// session.commit().await?;
    /// println!("session {}: order 17 placed", session.log_id().unwrap());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn log_id(&self) -> Option<String> {
        self.0.digest().map(|digest| digest.short())
    }

    /// Returns the public name of the session, which changes when the session is renewed: see [`SessionHandle`]. `None` for a
    /// new visitor.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// assert_eq!(session.handle(), None);
    /// session.set("theme", "dark")?;
    /// session.commit().await?;
    /// let handle = session.handle().unwrap();
    /// assert!(sessions.end(&handle).await?); // from anywhere in the application
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn handle(&self) -> Option<SessionHandle> {
        self.0.digest().map(SessionHandle::new)
    }

    /// Returns a typed handle on the same session and the same unit of work.
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { user_id: Option<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("user_id", 7_u64)?;
    /// let shop: Session<Shop> = session.typed()?;
    /// assert_eq!(shop.user_id().await?, Some(7));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Clash`] if another struct of this application claims one of its keys: give one of them a
    /// `#[session(namespace = "..")]`.
    pub fn typed<T: SessionData>(&self) -> Result<super::Session<T>> {
        self.0.runtime.register(T::SCHEMA)?;
        Ok(super::Session::over(self.clone()))
    }

    fn definition(&self, name: &str) -> Option<(&'static Schema, &'static FieldDef)> {
        self.0.runtime.definition(name)
    }
}

/// The maximum length of a key in bytes. Every record lists its session's keys, so a long one costs each request.
const MAX_KEY_BYTES: usize = 1024;

/// Converts a key, which must not be reserved.
fn own(name: FieldName) -> Result<FieldName> {
    let refused = if name.is_reserved() {
        "keys beginning with `level-session:` are reserved: choose another key"
    } else if name.is_empty() {
        "the key is empty: choose a name"
    } else if name.len() > MAX_KEY_BYTES {
        return Err(Error::new(
            ErrorKind::Misuse,
            format!(
                "the key has {} bytes, more than the limit of {MAX_KEY_BYTES}: put long data into the value",
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

/// Rejects a value that the field's declaration could not read.
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

/// Every field of a session by key, and the errors of fields that could not be read.
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

    /// One error for each field that is stored but cannot be read.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// assert!(session.get_all().await?.damaged().is_empty());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn damaged(&self) -> &[Error] {
        &self.damaged
    }

    /// The fields as a plain map.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// let map = session.get_all().await?.into_map();
    /// assert_eq!(map.keys().collect::<Vec<_>>(), ["theme"]);
    /// # Ok(()) }
    /// ```
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
