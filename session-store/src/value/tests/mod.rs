//! Tests of the format from the outside: values are read back unchanged, and their bytes are as specified.

mod evolution;
mod golden;
mod hostile;
mod json;
mod lenient;
mod roundtrip;
mod same_bytes;
mod secrecy;
mod stored;

use super::{Body, Buffer, ValueError, encode};
use serde::{Serialize, de::DeserializeOwned};

fn bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Buffer::new();
    encode(value, &mut out).unwrap();
    out.to_vec()
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ValueError> {
    Body(bytes).decode()
}

/// Writes one type and reads another.
fn as_type<T: DeserializeOwned>(value: &(impl Serialize + ?Sized)) -> Result<T, ValueError> {
    read(&bytes(value))
}

/// The error message when a value cannot be read as a `T`.
fn refusal<T: DeserializeOwned>(value: &(impl Serialize + ?Sized)) -> String {
    match as_type::<T>(value) {
        Ok(_) => panic!("was read as {}", std::any::type_name::<T>()),
        Err(error) => error.to_string(),
    }
}
