//! The private structs that serde_json passes to other formats.
//!
//! With serde_json's feature `arbitrary_precision` a number is a struct that contains the number's text. A `RawValue`
//! is always a struct that contains a JSON text. Any crate of a build can turn the feature on for all crates, so it
//! must not change stored values: a number is stored as a number. If neither an integer of 128 bits nor an `f64` can
//! represent it exactly, it is stored as the struct, from which serde_json reads all digits. A `RawValue` is stored as
//! its text.

/// The name of the struct of a number, and of its only field.
pub(super) const NUMBER: &str = "$serde_json::private::Number";
/// The name of the struct of a `RawValue`, and of its only field.
pub(super) const RAW: &str = "$serde_json::private::RawValue";

/// A private struct of serde_json.
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

/// The number of a JSON text, if a number of this format is exactly equal.
pub(super) fn number(text: &str) -> Option<Number> {
    if let Ok(n) = text.parse() {
        return Some(Number::Uint(n));
    }
    match text.parse() {
        Ok(n) if n < 0 => return Some(Number::Int(n)),
        _ => {}
    }
    let float: f64 = text.parse().ok().filter(|float: &f64| float.is_finite())?;
    // JSON would show this float as the shortest text that is parsed to it.
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
