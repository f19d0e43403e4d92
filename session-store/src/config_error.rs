//! A setting that cannot be used: found when the application starts, not when a visitor arrives.

use std::{borrow::Cow, error::Error as StdError, fmt};

/// Why a setting was refused: which one, what is wrong with it, the rule that says so, and what to do.
///
/// It never shows a key or a password. It becomes an [`Error`](crate::Error) of the kind
/// [`Config`](crate::ErrorKind::Config) with `?`.
///
/// ```
/// use level_session_store::ConfigError;
///
/// let refused = ConfigError::new("the prefix", "it is empty: give it 1 to 200 characters");
/// assert_eq!(refused.setting(), "the prefix");
/// assert_eq!(refused.to_string(), "the prefix: it is empty: give it 1 to 200 characters");
/// ```
pub struct ConfigError {
    setting: Cow<'static, str>,
    problem: Cow<'static, str>,
    rule: Option<&'static str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ConfigError {
    /// A refusal of this setting, for this reason.
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

    /// The section or row that the refusal comes from.
    #[must_use]
    pub fn by(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }

    /// What the refusal follows from.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// The setting that was refused, such as `cookie name` or the name of an environment variable.
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
