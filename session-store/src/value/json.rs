//! What serde_json hands to other formats under names of its own.
//!
//! With its feature `arbitrary_precision` a number is a struct with the number's text in it, and a `RawValue` is always
//! one with a text in JSON. A feature that any crate of a build turns on for all of them must not change what a session
//! holds, so a number is stored as the number it is. One that no integer of 128 bits and no `f64` holds stays that
//! struct, which serde_json reads back digit by digit. A `RawValue` is stored as its text.

/// The name of the struct that a number is, and of its one field.
pub(super) const NUMBER: &str = "$serde_json::private::Number";
/// The name of the struct that a `RawValue` is, and of its one field.
pub(super) const RAW: &str = "$serde_json::private::RawValue";

/// Such a struct.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Private {
    Number,
    Raw,
}

impl Private {
    #[inline]
    pub(super) fn of(name: &str) -> Option<Self> {
        if !name.starts_with('$') {
            return None;
        }
        match name {
            NUMBER => Some(Self::Number),
            RAW => Some(Self::Raw),
            _ => None,
        }
    }
}

/// A number of this format.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Uint(u128),
    Int(i128),
    F64(f64),
}

/// The number that a text of JSON stands for, if one of ours is exactly that.
pub(super) fn number(text: &str) -> Option<Number> {
    if let Ok(n) = text.parse() {
        return Some(Number::Uint(n));
    }
    match text.parse() {
        Ok(n) if n < 0 => return Some(Number::Int(n)),
        _ => {}
    }
    let float: f64 = text.parse().ok().filter(|float: &f64| float.is_finite())?;
    // The shortest text that gives this float, which is what JSON would show of it.
    (decimal(text)? == decimal(&format!("{float:e}"))?).then_some(Number::F64(float))
}

/// The digits of a number without the zeros around them, and the power of ten of the first.
fn decimal(text: &str) -> Option<(String, i64)> {
    let text = text.trim_start_matches('-');
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    if significant.is_empty() {
        return Some((String::new(), 0));
    }
    let zeros = all.len() - significant.len();
    let power = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()?;
    let significant = significant.trim_end_matches('0').to_owned();
    Some((significant, power.checked_add(exponent)?))
}
