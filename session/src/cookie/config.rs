//! What the cookie looks like.

use super::rules;
use crate::store::ConfigError;
use std::borrow::Cow;

const DEFAULT_NAME: &str = "__Host-s";
const DEVELOPMENT_NAME: &str = "s";

/// The name and attributes of the session cookie, checked: a configuration that exists is one that browsers accept.
///
/// The default is the strictest that works for every site (ASVS 3.3.1 to 3.3.4): `__Host-s`, `Secure`, `HttpOnly`,
/// `Path=/`, `SameSite=Lax`, no `Domain`, kept by the browser for as long as the session lives unused. Nobody but
/// this host over HTTPS can set a cookie of such a name, so no neighbouring subdomain can plant one.
///
/// A request may bring several cookies of the name, planted by a neighbouring subdomain or left over under another path.
/// The first whose signature verifies is used, in the order in which the browser sent them, so that a bad twin signs
/// nobody out. At most 200 cookies in the form of ours are verified in one request; a browser keeps fewer for a site.
///
/// For `http://localhost` there is [`CookieConfig::for_development`]; for anything else, [`CookieConfig::builder`].
///
/// ```
/// use level_session::{CookieConfig, SameSite};
///
/// let config = CookieConfig::builder().name("__Host-shop").same_site(SameSite::Strict).build()?;
/// assert!(config.is_secure());
///
/// // A configuration that browsers would ignore is refused, with the reason.
/// let refused = CookieConfig::builder().name("__Host-shop").path("/shop").build().unwrap_err();
/// assert_eq!(refused.setting(), "cookie path");
/// # Ok::<(), level_session::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieConfig {
    pub(super) name: Cow<'static, str>,
    pub(super) path: Cow<'static, str>,
    pub(super) domain: Option<Cow<'static, str>>,
    pub(super) same_site: SameSite,
    pub(super) secure: bool,
    pub(super) http_only: bool,
    pub(super) partitioned: bool,
    pub(super) persistent: bool,
    /// The name of the cookie with the signature, if that is a cookie of its own.
    pub(super) signature_name: Option<Cow<'static, str>>,
}

/// With which requests from other sites a browser sends the cookie. It is always written out, since browsers differ
/// in what they take for the default (ASVS 3.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum SameSite {
    /// With none: a visitor who follows a link from elsewhere arrives signed out.
    Strict,
    /// With those that follow a link, and no form, script or frame of another site: the default.
    #[default]
    Lax,
    /// With all of them. It needs `Secure`, and the application needs a protection against forged requests (CSRF).
    None,
}

impl Default for CookieConfig {
    fn default() -> Self {
        Self {
            name: Cow::Borrowed(DEFAULT_NAME),
            path: Cow::Borrowed("/"),
            domain: None,
            same_site: SameSite::Lax,
            secure: true,
            http_only: true,
            partitioned: false,
            persistent: true,
            signature_name: None,
        }
    }
}

impl CookieConfig {
    /// Starts from the default.
    pub fn builder() -> CookieConfigBuilder {
        CookieConfigBuilder {
            config: Self::default(),
            keygrip: false,
        }
    }

    /// For work on one's own machine over `http://localhost`: the name `s`, and no `Secure`.
    ///
    /// Chromium and Firefox accept a `Secure` cookie from `http://localhost`; Safari and plain HTTP clients do not,
    /// so that a sign-in seems to do nothing. The name has no prefix because `__Host-` stands for `Secure`.
    ///
    /// **Not for a server that others reach**: without `Secure` the cookie travels in the clear, and anyone on the
    /// way can take over the session.
    #[must_use]
    pub fn for_development() -> Self {
        Self {
            name: Cow::Borrowed(DEVELOPMENT_NAME),
            secure: false,
            ..Self::default()
        }
    }

    /// The cookie's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path below which it is sent.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The domain whose every host gets it; `None` for the host that set it and no other.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// With which requests from other sites it is sent.
    #[must_use]
    pub fn same_site(&self) -> SameSite {
        self.same_site
    }

    /// Whether it is sent over HTTPS alone.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether scripts in the page cannot read it.
    #[must_use]
    pub fn is_http_only(&self) -> bool {
        self.http_only
    }

    /// Whether a browser keeps one for each top-level site that embeds this one.
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        self.partitioned
    }

    /// Whether it outlives the browser.
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// The name of the second cookie, which holds the signature: see [`CookieConfigBuilder::keygrip`].
    #[must_use]
    pub fn signature_name(&self) -> Option<&str> {
        self.signature_name.as_deref()
    }
}

/// Builds a [`CookieConfig`], starting from its default.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct CookieConfigBuilder {
    config: CookieConfig,
    keygrip: bool,
}

impl CookieConfigBuilder {
    /// The name: a token of visible ASCII (RFC 9110, section 5.6.2). A prefix is a promise that browsers hold one to:
    /// `__Secure-` asks for `Secure`; `__Host-` for `Secure`, the path `/` and no domain; `__Http-` and `__Host-Http-`
    /// for `HttpOnly` besides.
    ///
    /// A change of the name signs everyone out, also with the same keys: the signature covers the name.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.config.name = name.into();
        self
    }

    /// The path below which the cookie is sent. It does not keep other paths of the host from reading it (RFC
    /// 6265bis, section 8.5): it is no protection.
    pub fn path(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.config.path = path.into();
        self
    }

    /// Sends the cookie to this domain and every host below it, and lets every one of them set it: a page on any
    /// subdomain can then plant cookies. It needs a name without `__Host-`.
    pub fn domain(mut self, domain: impl Into<Cow<'static, str>>) -> Self {
        self.config.domain = Some(domain.into());
        self
    }

    /// With which requests from other sites the cookie is sent.
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.config.same_site = same_site;
        self
    }

    /// Whether the cookie is sent over HTTPS alone. `false` lets it travel in the clear: see
    /// [`CookieConfig::for_development`].
    pub fn secure(mut self, secure: bool) -> Self {
        self.config.secure = secure;
        self
    }

    /// Whether the cookie is hidden from scripts. `false` lets any script in the page, also an injected one, take the
    /// session away (ASVS 3.3.4).
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.config.http_only = http_only;
        self
    }

    /// Whether a browser keeps one cookie for each top-level site that embeds this one (CHIPS), for sites that live
    /// in frames of others. It needs `Secure`, and mostly [`SameSite::None`].
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.config.partitioned = partitioned;
        self
    }

    /// Lets the browser forget the cookie when it is closed. The server's expiry is the same as ever, and some
    /// browsers bring such cookies back when they restore their tabs.
    pub fn browser_session(mut self) -> Self {
        self.config.persistent = false;
        self
    }

    /// Reads and writes the pair of cookies that the Node package `cookies` does with `keygrip` and SHA-256, instead
    /// of one signed value: the id in `name`, the signature of `name=id` in `name.sig`. So a Node process with the
    /// same keys (`new Keygrip(keys, "sha256")`) can verify our cookie, and we can verify its.
    ///
    /// Only ids in the form of ours are accepted, 32 characters of base64url. At most 16 cookies of each of the two
    /// names are looked at, every id with every signature. A signature that fits none is removed, as `cookies` does.
    ///
    /// ```
    /// use level_session::CookieConfig;
    ///
    /// let config = CookieConfig::builder().name("s").keygrip().build()?;
    /// assert_eq!(config.signature_name(), Some("s.sig"));
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    pub fn keygrip(mut self) -> Self {
        self.keygrip = true;
        self
    }

    /// Checks the whole.
    ///
    /// # Errors
    /// If browsers would ignore such a cookie or part of it, or if a part could smuggle in an attribute or a header.
    /// The error names the part, the rule, and what to do.
    pub fn build(self) -> Result<CookieConfig, ConfigError> {
        let Self {
            mut config,
            keygrip,
        } = self;
        rules::name(&config)?;
        rules::path(&config)?;
        rules::domain(&config)?;
        rules::prefix(&config)?;
        rules::same_site(&config)?;
        rules::partitioned(&config)?;
        config.signature_name = keygrip.then(|| format!("{}.sig", config.name).into());
        Ok(config)
    }
}
