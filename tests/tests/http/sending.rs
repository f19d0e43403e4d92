//! Sending the cookie (rows C).

use crate::site::{Answer, Site, get_page, layer, pages, post_page, send, signed_in, site};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE, VARY};
use level_session::{CookieConfig, Expiry, Result, Session};
use level_session_tests::visitor::{App, Visitor};
use std::time::Duration;

/// Prevents: a default that is less strict than possible (C01, C03).
#[tokio::test]
async fn the_default_cookie_is_the_strictest_that_serves_every_site() {
    let app = App::new();
    let answer = post_page(&site(&app), &mut Visitor::new(), "/sign-in").await;
    let [cookie] = answer.cookies()[..] else {
        panic!("one cookie: {answer:?}")
    };
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert!(pair.starts_with("__Host-s="));
    let mut attributes: Vec<_> = attributes.split("; ").collect();
    attributes.sort_unstable();
    assert_eq!(
        attributes,
        [
            "HttpOnly",
            "Max-Age=1209600",
            "Path=/",
            "SameSite=Lax",
            "Secure"
        ]
    );
}

/// Prevents: an id in a page, a link, the browser's history or a header that proxies log (C02).
#[tokio::test]
async fn the_id_is_nowhere_in_a_response_but_in_set_cookie() {
    for config in [
        CookieConfig::default(),
        CookieConfig::builder().name("s").keygrip().build().unwrap(),
    ] {
        let app = App::new().with(|sessions| sessions.cookie(config.clone()));
        let router = site(&app);
        let mut visitor = signed_in_by(&router, config.name()).await;
        let pages = [
            (Method::GET, "/plain"),
            (Method::GET, "/user"),
            (Method::GET, "/all"),
            (Method::GET, "/visits"),
            (Method::GET, "/token"),
            (Method::POST, "/visit"),
            (Method::POST, "/sign-in"),
            (Method::POST, "/fail"),
            (Method::POST, "/refuse"),
            (Method::POST, "/sign-out"),
        ];
        let mut answers = Vec::new();
        let mut secrets = Vec::new();
        for (method, page) in pages {
            secrets.extend(visitor.jar.values().cloned());
            let answer = crate::site::visit(&router, &mut visitor, method, page).await;
            secrets.extend(visitor.jar.values().cloned());
            answers.push((page, answer));
        }
        for secret in secrets.iter().flat_map(|secret| secret.split('.')) {
            assert!(secret.len() >= 32);
            for (page, answer) in &answers {
                let text = answer.all_but_cookies();
                let found = text
                    .windows(secret.len())
                    .any(|part| part == secret.as_bytes());
                assert!(!found, "{page}: {answer:?}");
                assert!(!format!("{:?}", answer.headers).contains(secret), "{page}");
            }
        }
    }
}

async fn signed_in_by(router: &Router, name: &str) -> Visitor {
    let mut visitor = Visitor::new();
    post_page(router, &mut visitor, "/sign-in").await;
    assert!(visitor.jar.contains_key(name));
    visitor
}

/// Prevents: a panic or an overflow for a session that lives longer than a cookie may (C05).
#[tokio::test]
async fn no_timeout_breaks_max_age() {
    const DAYS_400: u64 = 400 * 24 * 60 * 60;
    for (seconds, expected) in [
        (1, 1),
        (DAYS_400 - 1, DAYS_400 - 1),
        (DAYS_400 + 1, DAYS_400),
        (u64::MAX / 1_000, DAYS_400),
        (u64::MAX, DAYS_400),
    ] {
        let expiry =
            Expiry::idle(Duration::from_secs(seconds)).with_absolute(Duration::from_secs(seconds));
        let app = App::new().with_expiry(expiry);
        let answer = post_page(&site(&app), &mut Visitor::new(), "/sign-in").await;
        let [cookie] = answer.cookies()[..] else {
            panic!("{seconds}: {answer:?}")
        };
        let attribute = format!("; Max-Age={expected}");
        assert!(
            format!("{cookie};").contains(&format!("{attribute};")),
            "{cookie}"
        );
    }
}

/// Prevents: two cookies of the same name, of which different browsers keep different ones (C08).
#[tokio::test]
async fn one_cookie_of_our_name_whatever_the_handler_did() {
    async fn meddle(session: Session<Site>, headers: HeaderMap) -> Result<impl IntoResponse> {
        match headers.get("then").and_then(|value| value.to_str().ok()) {
            Some("write") => session.visits().add(1)?,
            Some("renew") => session.renew()?,
            Some("destroy") => session.destroy()?,
            _ => {}
        }
        let mut given = HeaderMap::new();
        for cookie in [
            "__Host-s=one; Path=/",
            "theme=dark; Path=/",
            " __Host-s =two",
            "__Host-s=three; Secure; Path=/",
            "__Host-sx=another; Path=/",
        ] {
            given.append(SET_COOKIE, HeaderValue::from_static(cookie));
        }
        Ok((given, "meddled"))
    }
    let app = App::new();
    let router = pages().route("/meddle", post(meddle)).layer(layer(&app));
    for known in [false, true] {
        for then in ["nothing", "write", "renew", "destroy"] {
            let mut headers = match known {
                true => signed_in(&router).await.request(),
                false => HeaderMap::new(),
            };
            headers.insert("then", HeaderValue::from_static(then));
            let headers = headers.iter().map(|(n, v)| (n.clone(), v.clone()));
            let answer = send(&router, Method::POST, "/meddle", headers).await;
            let ours: Vec<_> = answer
                .cookies()
                .into_iter()
                .filter(|cookie| cookie.split('=').next().unwrap().trim() == "__Host-s")
                .collect();
            assert_eq!(ours.len(), 1, "known: {known}, {then}: {answer:?}");
            let says_something = match then {
                "nothing" => false,
                "write" => !known,
                _ => known,
            };
            let by_hand = ours[0].starts_with("__Host-s=three");
            assert_eq!(by_hand, !says_something, "known: {known}, {then}: {ours:?}");
            let others = answer.cookies().len() - 1;
            assert_eq!(others, 2, "those of other names are left: {answer:?}");
        }
    }
}

/// Prevents: a session that the browser ends, or keeps, against the server's decision (C10).
#[tokio::test]
async fn a_browser_session_cookie_expires_at_the_server_all_the_same() {
    let config = CookieConfig::builder().browser_session().build().unwrap();
    let app = App::new()
        .with_expiry(Expiry::idle(Duration::from_secs(60)))
        .with(|sessions| sessions.cookie(config.clone()));
    let router = site(&app);
    let mut visitor = Visitor::new();
    let answer = post_page(&router, &mut visitor, "/sign-in").await;
    let [cookie] = answer.cookies()[..] else {
        panic!("{answer:?}")
    };
    assert!(
        !cookie.contains("Max-Age") && !cookie.contains("Expires"),
        "{cookie}"
    );
    app.sleep(60);
    let answer = get_page(&router, &mut visitor, "/user").await;
    assert_eq!(answer.text(), "None", "the browser restored its tabs");
}

/// A page with these cache headers, which uses its session as instructed.
async fn cached_page(
    app: &App,
    visitor: &Visitor,
    page: &'static str,
    given: &'static [(&'static str, &'static str)],
) -> Answer {
    let headers: HeaderMap = given
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect();
    let stream = headers.clone();
    let streamed = async move |session: Session<Site>| {
        session.user().await?;
        let frames = Body::new(http_body_util::Full::new(axum::body::Bytes::from("frame")));
        Ok::<_, level_session::Error>((stream, frames))
    };
    let not_modified = headers.clone();
    let router = Router::new()
        .route(
            "/set",
            get({
                let headers = headers.clone();
                async move |session: Session<Site>| {
                    session.visits().add(1)?;
                    session.renew()?;
                    Ok::<_, level_session::Error>((headers, "page"))
                }
            }),
        )
        .route(
            "/remove",
            get({
                let headers = headers.clone();
                async move |session: Session<Site>| {
                    session.destroy()?;
                    Ok::<_, level_session::Error>((headers, "page"))
                }
            }),
        )
        .route(
            "/read",
            get({
                let headers = headers.clone();
                async move |session: Session<Site>| {
                    session.user().await?;
                    Ok::<_, level_session::Error>((headers, "page"))
                }
            }),
        )
        .route(
            "/not-modified",
            get(async move |session: Session<Site>| {
                session.user().await?;
                Ok::<_, level_session::Error>((StatusCode::NOT_MODIFIED, not_modified))
            }),
        )
        .route("/stream", get(streamed))
        .route("/none", get(async move || (headers, "page")))
        .layer(layer(app));
    get_page(&router, &mut visitor.clone(), page).await
}

fn all<'a>(answer: &'a Answer, name: &HeaderName) -> Vec<&'a str> {
    let values = answer.headers.get_all(name).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

/// Prevents: one visitor's cookie served to all visitors from a shared cache (C12).
#[tokio::test]
async fn a_response_that_sets_the_cookie_is_not_kept_by_shared_caches() {
    const CC: &str = "cache-control";
    type Table = &'static [(
        &'static [(&'static str, &'static str)],
        &'static [&'static str],
    )];
    let table: Table = &[
        (&[], &["no-store"]),
        (&[(CC, "public, max-age=3600")], &["no-store"]),
        (&[(CC, "max-age=0")], &["no-store"]),
        (&[(CC, "no-cache")], &["no-store"]),
        (&[(CC, "s-maxage=60"), (CC, "public")], &["no-store"]),
        // Already as strict.
        (&[(CC, "no-store")], &["no-store"]),
        (&[(CC, "private")], &["private"]),
        (&[(CC, "PRIVATE, max-age=60")], &["PRIVATE, max-age=60"]),
        (
            &[(CC, "max-age=60 ,\tprivate ")],
            &["max-age=60 ,\tprivate"],
        ),
        (
            &[(CC, "max-age=60"), (CC, "No-Store")],
            &["max-age=60", "No-Store"],
        ),
        // Looks as if it were.
        (&[(CC, "private=\"x-field\"")], &["no-store"]),
        (&[(CC, "ext=\"a, private, b\", public")], &["no-store"]),
        (&[(CC, "privately")], &["no-store"]),
        (&[(CC, "x-no-store")], &["no-store"]),
    ];
    let app = App::new();
    let visitor = signed_in(&site(&app)).await;
    for (given, expected) in table {
        for page in ["/set", "/remove"] {
            let visitor = match page {
                "/remove" => signed_in(&site(&app)).await,
                _ => Visitor::new(),
            };
            let answer = cached_page(&app, &visitor, page, given).await;
            assert_eq!(answer.cookies().len(), 1);
            let found = all(&answer, &CACHE_CONTROL);
            let trimmed: Vec<_> = found.iter().map(|value| value.trim()).collect();
            assert_eq!(trimmed, *expected, "{page}: {given:?}");
        }
        // If no cookie is set, the application decides about caching.
        for page in ["/read", "/none"] {
            let answer = cached_page(&app, &visitor, page, given).await;
            assert_eq!(answer.cookies(), [""; 0]);
            let said: Vec<_> = given.iter().map(|(_, value)| *value).collect();
            assert_eq!(all(&answer, &CACHE_CONTROL), said, "{page}: {given:?}");
        }
    }
}

/// Prevents: one visitor's page served to another from a cache (C12).
#[tokio::test]
async fn a_response_that_depended_on_the_session_says_so() {
    const V: &str = "vary";
    type Table = &'static [(
        &'static [(&'static str, &'static str)],
        &'static [&'static str],
    )];
    let table: Table = &[
        (&[], &["Cookie"]),
        (&[(V, "Accept-Encoding")], &["Accept-Encoding", "Cookie"]),
        (
            &[(V, "Accept, Origin"), (V, "Range")],
            &["Accept, Origin", "Range", "Cookie"],
        ),
        (
            &[(V, "X-Cookie, Cookies")],
            &["X-Cookie, Cookies", "Cookie"],
        ),
        // Already present.
        (&[(V, "*")], &["*"]),
        (&[(V, "Accept"), (V, "*")], &["Accept", "*"]),
        (&[(V, "Accept , cOOKIE")], &["Accept , cOOKIE"]),
    ];
    let app = App::new();
    let visitor = signed_in(&site(&app)).await;
    for (given, expected) in table {
        for page in ["/read", "/set", "/remove", "/not-modified", "/stream"] {
            for visitor in [&visitor, &Visitor::new()] {
                // A response to a new visitor depends on the absence of the cookie.
                let visitor = match page {
                    "/remove" => &signed_in(&site(&app)).await,
                    "/set" => &Visitor::new(),
                    _ => visitor,
                };
                let answer = cached_page(&app, visitor, page, given).await;
                assert_eq!(all(&answer, &VARY), *expected, "{page}: {given:?}");
            }
        }
        let answer = cached_page(&app, &visitor, "/none", given).await;
        let said: Vec<_> = given.iter().map(|(_, value)| *value).collect();
        assert_eq!(all(&answer, &VARY), said);
    }
}

/// Prevents: a cookie sent in the clear because of a header about the connection's security (C13).
#[tokio::test]
async fn no_header_of_a_request_changes_the_cookie() {
    let app = App::new();
    let router = site(&app);
    let plain = send(&router, Method::POST, "/visit", []).await;
    let attributes = |answer: &Answer| {
        let [cookie] = answer.cookies()[..] else {
            panic!("{answer:?}")
        };
        cookie.split_once(';').unwrap().1.to_owned()
    };
    let expected = attributes(&plain);
    assert!(expected.contains("; Secure"));
    for (name, value) in [
        ("x-forwarded-proto", "http"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-ssl", "off"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-prefix", "/evil"),
        ("forwarded", "proto=http;host=evil.example"),
        ("x-url-scheme", "http"),
        ("front-end-https", "off"),
        ("host", "evil.example"),
        ("origin", "http://evil.example"),
    ] {
        let header = (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        let answer = send(&router, Method::POST, "/visit", [header]).await;
        assert_eq!(attributes(&answer), expected, "{name}: {value}");
    }
    // And none of them is accepted as an id.
    let visitor = signed_in(&router).await;
    let id = HeaderValue::from_str(visitor.cookie().unwrap()).unwrap();
    for name in ["x-session-id", "authorization", "cookie2", "set-cookie"] {
        let header = (HeaderName::from_static(name), id.clone());
        let answer = send(&router, Method::GET, "/user", [header]).await;
        assert_eq!(answer.text(), "None", "{name}");
    }
    let header = (COOKIE, visitor.request()[COOKIE].clone());
    let answer = send(&router, Method::GET, "/user", [header]).await;
    assert_eq!(answer.text(), "Some(7)");
}
