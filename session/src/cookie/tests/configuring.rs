//! Requirements C01, C03, C06, C07: invalid settings are errors when the configuration is built, with the reason.

use super::*;

fn builder() -> CookieConfigBuilder {
    CookieConfig::builder()
}

/// A builder whose name has no prefix.
fn plain() -> CookieConfigBuilder {
    builder().name("s")
}

#[test]
fn the_default_is_the_strict_one() {
    // Requirement C01. The default and the preset are created without `build`, so this test checks them with it.
    let default = builder().build().unwrap();
    assert_eq!(default, CookieConfig::default());
    assert_eq!(default.name(), "__Host-s");
    assert_eq!((default.path(), default.domain()), ("/", None));
    assert_eq!(default.same_site(), SameSite::Lax);
    assert!(default.is_secure() && default.is_http_only() && default.is_persistent());
    assert!(!default.is_partitioned());

    let development = plain().secure(false).build().unwrap();
    assert_eq!(development, CookieConfig::for_development());
}

#[test]
fn refused_with_the_reason() {
    let long = |n: usize| "n".repeat(n);
    #[rustfmt::skip]
    let table = [
        // C01: the rules of the prefixes, in any case, as browsers compare them.
        (builder().secure(false),                                  "cookie Secure",      "prefix"),
        (builder().path("/app"),                                   "cookie path",        "`__Host-`"),
        (builder().domain("example.org"),                          "cookie domain",      "`__Host-`"),
        (builder().name("__hOsT-s").path("/app"),                  "cookie path",        "`__Host-`"),
        (builder().name("__HOST-s").secure(false),                 "cookie Secure",      "prefix"),
        (builder().name("__Secure-s").secure(false),               "cookie Secure",      "prefix"),
        (builder().name("__SECURE-s").secure(false),               "cookie Secure",      "prefix"),
        (builder().name("__Http-s").secure(false),                 "cookie Secure",      "prefix"),
        (builder().name("__Http-s").http_only(false),              "cookie HttpOnly",    "prefix"),
        (builder().name("__Host-Http-s").http_only(false),         "cookie HttpOnly",    "prefix"),
        (builder().name("__host-http-s").path("/app"),             "cookie path",        "`__Host-`"),
        (builder().name("__Host-Http-s").domain("example.org"),    "cookie domain",      "`__Host-`"),
        // C03.
        (plain().same_site(SameSite::None).secure(false),          "cookie SameSite",    "without `Secure`"),
        (plain().partitioned(true).secure(false),                  "cookie Partitioned", "without `Secure`"),
        // C06.
        (plain().name(long(4021)),                                 "cookie name",        "at most 4020"),
        (plain().name(long(4021)).keygrip(),                       "cookie name",        "at most 4020"),
        (plain().path(format!("/{}", long(1024))),                 "cookie path",        "1024"),
        // C07: names.
        (plain().name(""),                                         "cookie name",        "empty"),
        (plain().name("s\r\nSet-Cookie: a"),                       "cookie name",        "'\\r'"),
        (plain().name("s\n"),                                      "cookie name",        "'\\n'"),
        (plain().name("s;Domain"),                                 "cookie name",        "';'"),
        (plain().name("s,t"),                                      "cookie name",        "','"),
        (plain().name("s=t"),                                      "cookie name",        "'='"),
        (plain().name(" s"),                                       "cookie name",        "' '"),
        (plain().name("s\t"),                                      "cookie name",        "'\\t'"),
        (plain().name("s\0"),                                      "cookie name",        "'\\0'"),
        (plain().name("s\x7f"),                                    "cookie name",        "'\\u{7f}'"),
        (plain().name("\"s\""),                                    "cookie name",        "'\"'"),
        (plain().name("süß"),                                      "cookie name",        "'ü'"),
        (plain().name("__Hostä"),                                  "cookie name",        "'ä'"),
        // C07: paths.
        (plain().path(""),                                         "cookie path",        "begin with `/`"),
        (plain().path("app"),                                      "cookie path",        "begin with `/`"),
        (plain().path("/a; Domain=example.org"),                   "cookie path",        "';'"),
        (plain().path("/a\r\nX: y"),                               "cookie path",        "'\\r'"),
        (plain().path("/a,b"),                                     "cookie path",        "','"),
        (plain().path("/a b"),                                     "cookie path",        "' '"),
        (plain().path("/a?b"),                                     "cookie path",        "'?'"),
        (plain().path("/ä"),                                       "cookie path",        "percent-encode"),
        (plain().path("/\0"),                                      "cookie path",        "'\\0'"),
        // C07: domains.
        (plain().domain(""),                                       "cookie domain",      "not a host name"),
        (plain().domain("example.org; Path=/"),                    "cookie domain",      "';'"),
        (plain().domain("example.org\r\n"),                        "cookie domain",      "'\\r'"),
        (plain().domain("a.org,b.org"),                            "cookie domain",      "','"),
        (plain().domain("https://example.org"),                    "cookie domain",      "':'"),
        (plain().domain("bücher.example"),                         "cookie domain",      "`xn--`"),
        (plain().domain(".example.org"),                           "cookie domain",      "begins with a dot"),
        (plain().domain("example.org."),                           "cookie domain",      "not a host name"),
        (plain().domain("example..org"),                           "cookie domain",      "not a host name"),
        (plain().domain("-example.org"),                           "cookie domain",      "not a host name"),
        (plain().domain(format!("{}.org", long(64))),              "cookie domain",      "not a host name"),
        (plain().domain(format!("{}org", "abc.".repeat(63))),      "cookie domain",      "not a host name"),
        (plain().domain("localhost"),                              "cookie domain",      "single label"),
        (plain().domain("127.0.0.1"),                              "cookie domain",      "address"),
    ];
    for (builder, setting, why) in table {
        let shown = format!("{builder:?}");
        let refused = builder.build().expect_err(&shown);
        assert_eq!(refused.setting(), setting, "{shown}");
        assert!(refused.to_string().contains(why), "{refused}");
        assert!(refused.rule().is_some(), "{refused}");
        assert!(
            !refused.to_string().contains(|c: char| c.is_control()),
            "{refused:?}"
        );
    }
}

#[test]
fn accepted_up_to_the_limits() {
    #[rustfmt::skip]
    let table = [
        plain().name("n".repeat(4020)),
        plain().name("n".repeat(4020)).keygrip(),
        plain().name("!#$%&'*+-.^_`|~09azAZ"),
        plain().path(format!("/{}", "p".repeat(1023))),
        plain().path("/%20/a=b/*"),
        plain().domain("a.xn--bcher-kva.example"),
        plain().domain(format!("{}.example", "n".repeat(63))),
        plain().http_only(false).secure(false),
        plain().same_site(SameSite::None),
        builder().partitioned(true).same_site(SameSite::None),
        builder().name("__Secure-s").path("/app").domain("example.org"),
        builder().name("__Http-s").path("/app").domain("example.org"),
        builder().name("__Host-Http-s"),
        builder().name("__Host"),
    ];
    for builder in table {
        let shown = format!("{builder:?}");
        builder.build().expect(&shown);
    }
}
