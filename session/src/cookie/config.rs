//! The configuration of the cookie.

use super::rules;
use crate::store::ConfigError;
use std::borrow::Cow;

const DEFAULT_NAME: &str = "__Host-s";
const DEVELOPMENT_NAME: &str = "s";

/// The name and attributes of the session cookie. They are checked when it is built: cookie settings that browsers would
/// ignore are errors.
///
/// The default is the strictest that works for every site (ASVS 3.3.1 to 3.3.4): `__Host-s`, `Secure`, `HttpOnly`,
/// `Path=/`, `SameSite=Lax`, no `Domain`, kept by the browser for as long as the session lives unused. Only this host can
/// set a cookie with such a name, over HTTPS; a neighbouring subdomain cannot plant one.
///
/// A request may bring several cookies of the name, planted by a neighbouring subdomain or left over under another
/// path. Those with a valid signature are tried, at most four, in the order in which the browser sent them, until one
/// has a session: so an invalid or outdated duplicate signs nobody out. At most 200 candidate cookies are verified per
/// request; a browser keeps fewer for a site.
///
/// For `http://localhost` use [`CookieConfig::for_development`]; for anything else, [`CookieConfig::builder`].
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

/// Which requests from other sites carry the cookie. It is always written out, because browsers differ in their default
/// (ASVS 3.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum SameSite {
    /// No such request: a visitor who follows a link from another site arrives signed out.
    Strict,
    /// Requests that follow a link, but not those of a form, script or frame of another site: the default.
    #[default]
    Lax,
    /// All requests. This requires `Secure`, and the application needs protection against cross-site request forgery.
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
    /// Starts with the defaults.
    ///
    /// ```
    /// use level_session::CookieConfig;
    ///
    /// let config = CookieConfig::builder().name("__Host-shop").build()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    pub fn builder() -> CookieConfigBuilder {
        CookieConfigBuilder {
            config: Self::default(),
            keygrip: false,
        }
    }

    /// For development on `http://localhost`: the name `s`, without `Secure`.
    ///
    /// Chromium and Firefox accept a `Secure` cookie from `http://localhost`; Safari and plain HTTP clients do not, so that a
    /// sign-in seems to have no effect. The name has no prefix because `__Host-` requires `Secure`.
    ///
    /// **Do not use it on a server that others can reach**: without `Secure` the cookie is sent in plain text, and anyone on
    /// the network path can take over the session.
    ///
    /// ```
    /// use level_session::CookieConfig;
    ///
    /// let config = CookieConfig::for_development();
    /// assert_eq!(config.name(), "s");
    /// assert!(!config.is_secure());
    /// ```
    #[must_use]
    pub fn for_development() -> Self {
        Self {
            name: Cow::Borrowed(DEVELOPMENT_NAME),
            secure: false,
            ..Self::default()
        }
    }

    /// The cookie's name.
    ///
    /// ```
    /// assert_eq!(level_session::CookieConfig::default().name(), "__Host-s");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path below which the browser sends the cookie.
    ///
    /// ```
    /// assert_eq!(level_session::CookieConfig::default().path(), "/");
    /// ```
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The domain that receives the cookie with all its subdomains; `None` if only the host that set it does.
    ///
    /// ```
    /// assert_eq!(level_session::CookieConfig::default().domain(), None);
    /// ```
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// Which requests from other sites carry the cookie.
    ///
    /// ```
    /// use level_session::{CookieConfig, SameSite};
    ///
    /// assert_eq!(CookieConfig::default().same_site(), SameSite::Lax);
    /// ```
    #[must_use]
    pub fn same_site(&self) -> SameSite {
        self.same_site
    }

    /// Whether the cookie is sent over HTTPS only.
    ///
    /// ```
    /// assert!(level_session::CookieConfig::default().is_secure());
    /// ```
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether the cookie is hidden from scripts in the page.
    ///
    /// ```
    /// assert!(level_session::CookieConfig::default().is_http_only());
    /// ```
    #[must_use]
    pub fn is_http_only(&self) -> bool {
        self.http_only
    }

    /// Whether a browser keeps a separate cookie for each top-level site that embeds this one.
    ///
    /// ```
    /// assert!(!level_session::CookieConfig::default().is_partitioned());
    /// ```
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        self.partitioned
    }

    /// Whether the cookie outlives the browser.
    ///
    /// ```
    /// assert!(level_session::CookieConfig::default().is_persistent());
    /// ```
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// The name of the second cookie, which holds the signature: see [`CookieConfigBuilder::keygrip`].
    ///
    /// ```
    /// assert_eq!(level_session::CookieConfig::default().signature_name(), None);
    /// ```
    #[must_use]
    pub fn signature_name(&self) -> Option<&str> {
        self.signature_name.as_deref()
    }
}

/// Builds a [`CookieConfig`], starting with the defaults.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct CookieConfigBuilder {
    config: CookieConfig,
    keygrip: bool,
}

impl CookieConfigBuilder {
    /// The name: a token of visible ASCII characters (RFC 9110, section 5.6.2). Browsers enforce what a prefix promises:
    /// `__Secure-` requires `Secure`; `__Host-` requires `Secure`, the path `/` and no domain; `__Http-` and `__Host-Http-`
    /// require `HttpOnly` in addition.
    ///
    /// Changing the name signs everyone out, even with the same keys: the signature covers the name.
    ///
    /// ```
    /// use level_session::CookieConfig;
    ///
    /// let config = CookieConfig::builder().name("__Host-shop").build()?;
    /// assert!(CookieConfig::builder().name("my shop").build().is_err()); // a space
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.config.name = name.into();
        self
    }

    /// The path below which the browser sends the cookie. It is not a protection: pages under other paths of the host can read
    /// the cookie (RFC 6265bis, section 8.5).
    ///
    /// ```
    /// use level_session::CookieConfig;
    ///
    /// let config = CookieConfig::builder().name("__Secure-shop").path("/shop").build()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    pub fn path(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.config.path = path.into();
        self
    }

    /// Sends the cookie to this domain and all its subdomains, each of which can then also set it: a page on any subdomain can
    /// plant cookies. It needs a name without the prefix `__Host-`.
    ///
    /// ```
    /// use level_session::CookieConfig;
    ///
    /// let config = CookieConfig::builder().name("__Secure-shop").domain("example.org").build()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    pub fn domain(mut self, domain: impl Into<Cow<'static, str>>) -> Self {
        self.config.domain = Some(domain.into());
        self
    }

    /// Which requests from other sites carry the cookie.
    ///
    /// ```
    /// use level_session::{CookieConfig, SameSite};
    ///
    /// let config = CookieConfig::builder().same_site(SameSite::Strict).build()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.config.same_site = same_site;
        self
    }

    /// Whether the cookie is sent over HTTPS only. With `false` it is sent in plain text: see
    /// [`CookieConfig::for_development`].
    ///
    /// ```
    /// use level_session::CookieConfig;
    ///
    /// let config = CookieConfig::builder().name("s").secure(false).build()?;
    /// assert!(CookieConfig::builder().secure(false).build().is_err()); // the default name needs it
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    pub fn secure(mut self, secure: bool) -> Self {
        self.config.secure = secure;
        self
    }

    /// Whether the cookie is hidden from scripts. With `false` any script in the page, including an injected one, can steal
    /// the session (ASVS 3.3.4).
    ///
    /// ```
    /// use level_session::CookieConfig;
    ///
    /// let config = CookieConfig::builder().http_only(false).build()?;
    /// assert!(!config.is_http_only());
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.config.http_only = http_only;
        self
    }

    /// Whether a browser keeps a separate cookie for each top-level site that embeds this one (CHIPS), for pages in frames of
    /// other sites. It needs `Secure`, and usually [`SameSite::None`].
    ///
    /// ```
    /// use level_session::{CookieConfig, SameSite};
    ///
    /// let config = CookieConfig::builder().same_site(SameSite::None).partitioned(true).build()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.config.partitioned = partitioned;
        self
    }

    /// Lets the browser forget the cookie when it is closed. The server's timeouts are unaffected, and some browsers restore
    /// such cookies together with their tabs.
    ///
    /// ```
    /// use level_session::CookieConfig;
    ///
    /// let config = CookieConfig::builder().browser_session().build()?;
    /// assert!(!config.is_persistent());
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    pub fn browser_session(mut self) -> Self {
        self.config.persistent = false;
        self
    }

    /// Reads and writes the pair of cookies of the Node package `cookies` with `keygrip` and SHA-256, instead of one signed
    /// value: the id in `name`, the signature of `name=id` in `name.sig`. A Node process with the same keys
    /// (`new Keygrip(keys, "sha256")`) can verify the cookies of this library, and vice versa.
    ///
    /// Only ids in this library's format are accepted, 32 characters of base64url. At most 16 cookies of each of the
    /// two names are considered, every id with every signature. A signature that matches no id is removed, as `cookies`
    /// does.
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

    /// Checks the settings.
    ///
    /// ```
    /// use level_session::CookieConfig;
    ///
    /// assert!(CookieConfig::builder().build().is_ok());
    /// let refused = CookieConfig::builder().domain("example.org").build().unwrap_err();
    /// println!("{refused}"); // which setting, the rule, and what to do
    /// ```
    ///
    /// # Errors
    /// A browser would ignore the cookie or a part of it, or a part could inject an attribute or a header. The error names the
    /// setting, the rule, and what to do.
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
