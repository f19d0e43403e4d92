//! The view of a session for operators.

use crate::time::rfc3339;
#[cfg(feature = "router")]
use level_session::Found;
use level_session::{
    FieldName, SessionHandle, Timestamp, Value,
    store::{Bytes, Lifetime, Meta},
};
use serde::{Serialize, Serializer};

/// The view of a session for operators: its handle, its times, and the names and sizes of its fields. It contains values only
/// if they were requested.
#[derive(Serialize)]
#[non_exhaustive]
pub struct Picture {
    /// The public handle.
    pub handle: SessionHandle,
    /// When the session was created.
    #[serde(serialize_with = "moment")]
    pub created: Timestamp,
    /// When the user signed in: when the session was created, or last renewed.
    #[serde(serialize_with = "moment")]
    pub signed_in: Timestamp,
    /// The last recorded use.
    #[serde(serialize_with = "moment")]
    pub last_seen: Timestamp,
    /// When the session expires if it is not used before.
    #[serde(serialize_with = "moment")]
    pub expires: Timestamp,
    /// When the session expires regardless of activity.
    #[serde(
        serialize_with = "some_moment",
        skip_serializing_if = "Option::is_none"
    )]
    pub absolute_deadline: Option<Timestamp>,
    /// Whether a lifetime was chosen for this session ("remember me").
    pub own_lifetime: bool,
    /// The fields by name, if they were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<Field>>,
}

/// A field of a [`Picture`].
#[derive(Serialize)]
#[non_exhaustive]
pub struct Field {
    /// The key of the field.
    #[serde(serialize_with = "name")]
    pub name: FieldName,
    /// The number of stored bytes.
    pub bytes: usize,
    /// When the field's own time to live ends.
    #[serde(
        serialize_with = "some_moment",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires: Option<Timestamp>,
    /// Why the field cannot be read. Never contains the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
    /// The value, if it was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

impl Picture {
    /// Creates a view of a session without its fields.
    #[must_use]
    pub fn new(handle: SessionHandle, meta: &Meta) -> Self {
        let lease = &meta.lease;
        Self {
            handle,
            created: meta.created,
            signed_in: lease.started,
            last_seen: lease.seen,
            expires: lease.deadline(),
            absolute_deadline: lease.absolute_deadline,
            own_lifetime: is_own(lease.lifetime),
            fields: None,
        }
    }

    /// Adds these fields: with their values if `values` is `true`, otherwise only names and sizes.
    #[must_use]
    pub fn with_fields(
        mut self,
        stored: impl IntoIterator<Item = (FieldName, Bytes)>,
        values: bool,
    ) -> Self {
        let fields = stored.into_iter();
        let mut fields: Vec<_> = fields
            .map(|(name, bytes)| Field::new(name, &bytes, values))
            .collect();
        fields.sort_by(|one, other| one.name.cmp(&other.name));
        self.fields = Some(fields);
        self
    }

    /// Creates a view of a session in a listing.
    #[cfg(feature = "router")]
    #[cfg_attr(docsrs, doc(cfg(feature = "router")))]
    #[must_use]
    pub fn of(found: &Found, values: bool) -> Self {
        let picture = Self {
            handle: found.handle(),
            created: found.created_at(),
            signed_in: found.signed_in_at(),
            last_seen: found.last_seen(),
            expires: found.expires_at(),
            absolute_deadline: found.absolute_deadline(),
            own_lifetime: is_own(found.lifetime()),
            fields: None,
        };
        let stored = found.stored();
        picture.with_fields(
            stored.map(|(name, bytes)| (name.clone(), bytes.clone())),
            values,
        )
    }
}

fn is_own(lifetime: Option<Lifetime>) -> bool {
    lifetime.is_some()
}

impl Field {
    fn new(name: FieldName, bytes: &Bytes, values: bool) -> Self {
        let read = Value::from_stored(bytes);
        let mut field = Self {
            bytes: bytes.len(),
            expires: None,
            damaged: None,
            value: None,
            name,
        };
        match read {
            Ok((expires, value)) => {
                field.expires = expires;
                // The library's own fields may contain secrets, for example those of CSRF tokens.
                field.value = (values && !field.name.is_reserved()).then_some(value);
            }
            Err(cause) => field.damaged = Some(cause.to_string()),
        }
        field
    }
}

fn moment<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    rfc3339(*at).serialize(serializer)
}

fn some_moment<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.and_then(rfc3339).serialize(serializer)
}

fn name<S: Serializer>(name: &FieldName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name)
}

/// Shows no values.
impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Picture")
            .field("handle", &self.handle)
            .field("expires", &self.expires)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

/// Does not show the value.
impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Field")
            .field("name", &self.name)
            .field("bytes", &self.bytes)
            .field("damaged", &self.damaged)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use level_session::store::{Digest, Lease};

    fn picture(values: bool) -> Picture {
        let at = Timestamp::from_millis(1_000);
        let meta = Meta::new(at, Lease::new(at, at, Timestamp::MAX, None));
        let stored = |name: &'static str, text: &str| {
            let value = Value::from(text).to_stored(None).expect("it is short");
            (FieldName::from_static(name), value)
        };
        let fields = [
            stored("level-session:own", "s3cret of ours"),
            stored("code", "s3cret"),
            (FieldName::from_static("broken"), Bytes::from(*b"s3cret")),
        ];
        let handle = SessionHandle::from(Digest::from_bytes([1; 32]));
        Picture::new(handle, &meta).with_fields(fields, values)
    }

    #[test]
    fn a_picture_has_values_only_where_they_were_asked_for_and_never_the_librarys_own() {
        let json = |values| serde_json::to_value(picture(values)).expect("it is JSON");
        let (without, with) = (json(false), json(true));
        assert!(!without.to_string().contains("s3cret"), "{without}");
        assert!(!format!("{:?}", picture(true)).contains("s3cret"));
        let names: Vec<_> = with["fields"].as_array().into_iter().flatten().collect();
        assert_eq!(names[0]["name"], "broken");
        assert!(names[0]["damaged"].is_string() && names[0].get("value").is_none());
        assert_eq!(names[1]["value"], "s3cret");
        assert_eq!(names[2]["name"], "level-session:own");
        assert!(names[2].get("value").is_none(), "{with}");
        assert_eq!(with["expires"], serde_json::Value::Null, "never");
        assert_eq!(with["created"], "1970-01-01T00:00:01.000Z");
    }
}
