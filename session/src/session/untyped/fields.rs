//! Fields by key, declared or not.

use super::UntypedSession;
#[cfg(doc)]
use crate::value::Value;
use crate::{
    changes::Change,
    error::{Error, ErrorKind, Result},
    session::{all_fields::AllFields, unit::UnitOfWork, updated::Updated},
    store::{
        Bytes, FieldName, Timestamp,
        schema::{AsKey, FieldDef, FieldKey, Schema},
    },
    value,
};
use serde::{Serialize, de::DeserializeOwned};

impl UntypedSession {
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

    /// Like [`update`](Self::update), but returns an [`Updated`] with the result of the latest run. After a successful
    /// commit, that is the run whose value was stored. See [`Field::update_tracked`](crate::Field::update_tracked).
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
