//! An invalid setting: reported when the application starts, not when a visitor arrives.

use std::{borrow::Cow, error::Error as StdError, fmt};

/// The error of an invalid setting: names the setting, the problem, the rule that it violates, and the remedy.
///
/// It never shows a key or a password. The operator `?` converts it into an [`Error`](crate::Error) of the kind
/// [`Config`](crate::ErrorKind::Config).
///
/// ```
/// use level_session_store::ConfigError;
///
/// let refused = ConfigError::new("the prefix", "is empty: use 1 to 200 characters");
/// assert_eq!(refused.setting(), "the prefix");
/// assert_eq!(refused.to_string(), "the prefix: is empty: use 1 to 200 characters");
/// ```
pub struct ConfigError {
    setting: Cow<'static, str>,
    problem: Cow<'static, str>,
    rule: Option<&'static str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ConfigError {
    /// An error of a setting, with this problem. The message should also say what to do.
    ///
    /// ```
    /// use level_session_store::ConfigError;
    ///
    /// let refused = ConfigError::new("pool size", "is zero: use at least 1");
    /// assert_eq!(refused.to_string(), "pool size: is zero: use at least 1");
    /// ```
    pub fn new(
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

    /// Adds the source of the rule: a section of an RFC, for example.
    ///
    /// ```
    /// use level_session_store::ConfigError;
    ///
    /// let refused = ConfigError::new("cookie path", "is empty: use `/`").by("RFC 6265bis, section 5.1.4");
    /// assert_eq!(refused.rule(), Some("RFC 6265bis, section 5.1.4"));
    /// ```
    #[must_use]
    pub fn by(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }

    /// Adds the cause, as the [`source`](StdError::source).
    ///
    /// ```
    /// use level_session_store::ConfigError;
    /// use std::{error::Error, io};
    ///
    /// let refused = ConfigError::new("key file", "cannot be read").because(io::Error::other("the disk has failed"));
    /// assert_eq!(refused.source().unwrap().to_string(), "the disk has failed");
    /// ```
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// The invalid setting, such as `cookie name` or the name of an environment variable.
    ///
    /// ```
    /// use level_session_store::ConfigError;
    ///
    /// assert_eq!(ConfigError::new("pool size", "is zero").setting(), "pool size");
    /// ```
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// The cause alone.
    #[doc(hidden)]
    #[must_use]
    pub fn into_source(self) -> Option<Box<dyn StdError + Send + Sync>> {
        self.source
    }

    /// The source of the rule, such as a section of an RFC, if it is not a rule of this library.
    ///
    /// ```
    /// use level_session_store::ConfigError;
    ///
    /// assert_eq!(ConfigError::new("pool size", "is zero").rule(), None);
    /// ```
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
}
