//! A setting that cannot be used: found when the application starts, not when a visitor arrives.

use crate::error::{Error, ErrorKind};
use std::{borrow::Cow, error::Error as StdError, fmt};

/// Why a setting was refused: which one, what is wrong with it, the rule that says so, and what to do.
///
/// It never shows a key. It becomes an [`Error`] of the kind [`Config`](ErrorKind::Config) with `?`.
///
/// ```
/// use level_session::{CookieConfig, SameSite};
///
/// let refused = CookieConfig::builder().name("s").same_site(SameSite::None).secure(false).build().unwrap_err();
/// assert_eq!(refused.setting(), "cookie SameSite");
/// assert!(refused.to_string().contains("without `Secure`"));
/// ```
pub struct ConfigError {
    setting: Cow<'static, str>,
    problem: Cow<'static, str>,
    rule: Option<&'static str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ConfigError {
    pub(crate) fn new(
        setting: impl Into<Cow<'static, str>>,
        problem: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            setting: setting.into(),
            problem: problem.into(),
            rule: None,
            source: None,
        }
    }

    /// The section or row that the refusal comes from.
    #[must_use]
    pub(crate) fn by(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }

    #[must_use]
    pub(crate) fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// The setting that was refused, such as `cookie name` or the name of an environment variable.
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// Where the rule is written, such as a section of an RFC, if it is one that others have made.
    #[must_use]
    pub fn rule(&self) -> Option<&'static str> {
        self.rule
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.problem)?;
        match self.rule {
            Some(rule) => write!(f, " ({rule})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ConfigError");
        out.field("setting", &self.setting)
            .field("problem", &self.problem);
        if let Some(rule) = self.rule {
            out.field("rule", &rule);
        }
        if let Some(source) = &self.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for ConfigError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

impl From<ConfigError> for Error {
    fn from(refused: ConfigError) -> Self {
        let error = Self::new(ErrorKind::Config, refused.to_string());
        match refused.source {
            Some(cause) => error.because(cause),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_which_setting_why_and_by_which_rule() {
        let refused = ConfigError::new("cookie path", "it is empty: write `/`").by("RFC 9999, 1");
        assert_eq!(
            refused.to_string(),
            "cookie path: it is empty: write `/` (RFC 9999, 1)"
        );
    }

    #[test]
    fn it_becomes_an_error_of_the_crate_and_keeps_its_cause() {
        let cause = std::io::Error::other("the disk is gone");
        let error: Error = ConfigError::new("keys", "cannot be read")
            .because(cause)
            .into();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.to_string(), "keys: cannot be read");
        assert_eq!(error.source().unwrap().to_string(), "the disk is gone");
    }
}
