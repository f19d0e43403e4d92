//! A statement and its parameters.

use bytes::{BufMut as _, BytesMut};
use std::{
    error::Error,
    fmt::{self, Write as _},
};
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type, to_sql_checked};

/// The text of a statement under construction, and the parameters of its placeholders. A text is prepared once per
/// connection, so it must not contain a session's data.
#[derive(Default)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) params: Vec<Param>,
}

impl Statement {
    /// Adds a parameter and returns its placeholder.
    pub(crate) fn bind(&mut self, param: Param) -> Place {
        self.params.push(param);
        Place(self.params.len())
    }

    pub(crate) fn push(&mut self, sql: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.sql.write_fmt(sql);
    }

    pub(crate) fn types(&self) -> Vec<Type> {
        self.params.iter().map(Param::ty).collect()
    }
}

/// A placeholder of a parameter.
#[derive(Clone, Copy)]
pub(crate) struct Place(usize);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.0)
    }
}

/// A parameter of a statement. The client logs parameters with `Debug`: this implementation shows nothing (requirement
/// S08).
#[derive(Clone)]
pub(crate) enum Param {
    Digest([u8; 32]),
    ManyBytes(Vec<Vec<u8>>),
    /// The text of a JSON document.
    Json(String),
    Texts(Vec<String>),
    Text(String),
    Number(i64),
    MaybeNumber(Option<i64>),
    Numbers(Vec<i64>),
    Flag(bool),
}

impl Param {
    fn ty(&self) -> Type {
        match self {
            Self::Digest(_) => Type::BYTEA,
            Self::ManyBytes(_) => Type::BYTEA_ARRAY,
            Self::Json(_) => Type::JSONB,
            Self::Texts(_) => Type::TEXT_ARRAY,
            Self::Text(_) => Type::TEXT,
            Self::Number(_) | Self::MaybeNumber(_) => Type::INT8,
            Self::Numbers(_) => Type::INT8_ARRAY,
            Self::Flag(_) => Type::BOOL,
        }
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl ToSql for Param {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Digest(bytes) => bytes.as_slice().to_sql(ty, out),
            Self::ManyBytes(many) => many.to_sql(ty, out),
            Self::Json(text) => {
                out.put_u8(JSONB_VERSION);
                out.put_slice(text.as_bytes());
                Ok(IsNull::No)
            }
            Self::Texts(texts) => texts.to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Number(number) => number.to_sql(ty, out),
            Self::MaybeNumber(number) => number.to_sql(ty, out),
            Self::Numbers(numbers) => numbers.to_sql(ty, out),
            Self::Flag(flag) => flag.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }

    to_sql_checked!();
}

/// The first byte of a jsonb value on the wire.
const JSONB_VERSION: u8 = 1;

/// The text of a received jsonb value.
pub(crate) struct JsonText<'r>(pub(crate) &'r [u8]);

impl<'r> FromSql<'r> for JsonText<'r> {
    fn from_sql(_: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        match raw.split_first() {
            Some((&JSONB_VERSION, text)) => Ok(Self(text)),
            _ => Err("unknown jsonb version".into()),
        }
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSONB
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client logs the parameters of every statement at the `debug` level.
    #[test]
    fn a_parameter_shows_nothing() {
        for param in [
            Param::Digest([0xAB; 32]),
            Param::Json("hunter2".to_owned()),
            Param::ManyBytes(vec![b"hunter2".to_vec()]),
            Param::Texts(vec!["hunter2".to_owned()]),
        ] {
            assert_eq!(format!("{param:?}"), "..");
        }
    }
}
