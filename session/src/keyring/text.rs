//! Keys as text: in an environment variable or a file.

use super::{Keyring, MIN_KEY_BYTES, random_key};
use crate::store::ConfigError;
use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::DecodePaddingMode,
    engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD},
};
use std::env::{self, VarError};
use zeroize::Zeroizing;

const PADDING_OPTIONAL: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, PADDING_OPTIONAL);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, PADDING_OPTIONAL);

impl Keyring {
    /// Reads the keys from an environment variable: newest first, separated by commas or white space, each of at least 32
    /// bytes in base64, base64url (padded or not) or hexadecimal. A key of hexadecimal digits only is read as hexadecimal.
    ///
    /// ```no_run
    /// // SESSION_KEYS="new key,old key"
    /// let keyring = level_session::Keyring::from_env("SESSION_KEYS")?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// The variable is not set, or [`Keyring::new`] refuses the keys. The error names the variable and the position of the
    /// key, never its content.
    pub fn from_env(variable: &str) -> Result<Self, ConfigError> {
        let setting = format!("environment variable `{}`", variable.escape_debug());
        match env::var(variable) {
            Ok(text) => Self::from_text(&Zeroizing::new(text), &setting),
            Err(VarError::NotPresent) => Err(ConfigError::new(
                setting,
                format!(
                    "is not set: set it to a key of {MIN_KEY_BYTES} random bytes, such as \
                     `Keyring::generate_key()` or `openssl rand -base64 {MIN_KEY_BYTES}` makes"
                ),
            )),
            // The error of the standard library would show the content.
            Err(VarError::NotUnicode(_)) => Err(ConfigError::new(
                setting,
                "is not text: write each key in base64 or hexadecimal",
            )),
        }
    }

    /// Generates a key as text, 43 characters of base64url, for a `.env` file or a secret store.
    ///
    /// ```
    /// println!("SESSION_KEYS={}", level_session::Keyring::generate_key()?);
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// The operating system's random generator failed.
    pub fn generate_key() -> Result<String, ConfigError> {
        Ok(URL_SAFE_NO_PAD.encode(*random_key()?))
    }

    /// Reads keys that came from `setting`, which the errors name.
    pub(super) fn from_text(text: &str, setting: &str) -> Result<Self, ConfigError> {
        let words = || {
            text.split(|c: char| c == ',' || c.is_whitespace())
                .filter(|word| !word.is_empty())
        };
        let keys = words()
            .enumerate()
            .map(|(i, word)| {
                decode(word).ok_or_else(|| {
                    ConfigError::new(
                        setting.to_owned(),
                        format!(
                            "key {} of {} is neither base64 nor hexadecimal: make one with `Keyring::generate_key()` \
                             or `openssl rand -base64 {MIN_KEY_BYTES}`",
                            i + 1,
                            words().count()
                        ),
                    )
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Self::prepare(&keys, setting).map_err(|refused| match broken_over_lines(text, &keys) {
            Some((nth, bytes)) => ConfigError::new(
                setting.to_owned(),
                format!(
                    "key {nth} of {} has {bytes} bytes, but at least {MIN_KEY_BYTES} random bytes are required: it seems to be \
                     the end of one key that was broken over several lines, as `openssl rand -base64 64` does; write \
                     each key without a line break, or make one that fits into a line with `openssl rand -base64 48`",
                    keys.len()
                ),
            ),
            None => refused,
        })
    }
}

/// The length of the lines that `openssl` and `base64` write.
const LINES: [usize; 2] = [64, 76];

/// A key that is too short and stands behind a full line: its position and its length.
fn broken_over_lines(text: &str, keys: &[Zeroizing<Vec<u8>>]) -> Option<(usize, usize)> {
    let is_separator = |c: char| c == ',' || c.is_whitespace();
    let mut before: Option<&str> = None;
    let mut words = text.split_inclusive(is_separator);
    // Each piece is a word with the separator behind it; one that is a separator alone ends or goes on a gap.
    let mut position = 0;
    words.find_map(|piece| {
        let word = piece.trim_end_matches(is_separator);
        if word.is_empty() {
            before = before.filter(|_| !piece.contains(','));
            return None;
        }
        let bytes = keys.get(position)?.len();
        position += 1;
        let follows_a_line = before.is_some_and(|line| LINES.contains(&line.len()));
        before = (!piece.contains(',')).then_some(word);
        (follows_a_line && bytes < MIN_KEY_BYTES).then_some((position, bytes))
    })
}

/// The bytes of one key.
fn decode(word: &str) -> Option<Zeroizing<Vec<u8>>> {
    // A key in base64 is practically never made of hexadecimal digits alone: 43 characters are with a chance of
    // 1 in 10^20. The other way round a short hexadecimal key would pass as a longer one in base64.
    let bytes = if word.bytes().all(|b| b.is_ascii_hexdigit()) {
        from_hex(word.as_bytes())?
    } else if word.contains(['-', '_']) {
        BASE64_URL.decode(word).ok()?
    } else {
        BASE64.decode(word).ok()?
    };
    Some(Zeroizing::new(bytes))
}

fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    let (pairs, rest) = digits.as_chunks::<2>();
    for &[high, low] in pairs {
        bytes.push(digit(high)? << 4 | digit(low)?);
    }
    rest.is_empty().then_some(bytes)
}
