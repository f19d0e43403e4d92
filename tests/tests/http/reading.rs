//! Reading the cookie (rows R), through real HTTP where it matters.

use crate::site::{Answer, get_page, layer, pages, post_page, send, signed_in, site};
use axum::{
    body::Body,
    http::{HeaderValue, Method, Request, StatusCode, Version},
    routing::post,
};
use http::header::COOKIE;
use http_body_util::BodyExt as _;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use level_session::{Keyring, Result, Session, Sessions, store::MemoryStore};
use level_session_tests::visitor::{App, Visitor};
use std::sync::Arc;

/// A request over HTTP/2, with hyper's client and server.
async fn over_http2(router: axum::Router, cookies: &[Vec<u8>]) -> Answer {
    let (near, far) = tokio::io::duplex(1 << 20);
    let server = tokio::spawn(async move {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .max_header_list_size(1 << 20)
            .serve_connection(TokioIo::new(far), TowerToHyperService::new(router))
            .await
    });
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(near))
            .await
            .unwrap();
    let driver = tokio::spawn(connection);
    let mut request = Request::new(Body::empty());
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = "http://shop.example/user".parse().unwrap();
    for line in cookies {
        let value = HeaderValue::from_bytes(line).unwrap();
        request.headers_mut().append(COOKIE, value);
    }
    let response = sender.send_request(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    driver.abort();
    server.abort();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

/// Prevents: visitors who are signed out by HTTP/2, which sends each cookie in a separate line (R01, R02, R07).
#[tokio::test]
async fn the_cookie_is_found_in_whichever_line_http2_puts_it() {
    let app = App::new();
    let router = site(&app);
    let visitor = signed_in(&router).await;
    let ours = format!("__Host-s={}", visitor.cookie().unwrap()).into_bytes();
    let forged = format!("__Host-s={}", visitor.cookie().unwrap().replace('.', ".A"));
    let neighbours: [&[u8]; 6] = [
        b"theme=dark",
        b"bytes=\xFF\xFE\x80",
        b"nameless",
        b"quoted=\"a",
        forged.as_bytes(),
        b"__host-s=lower; __Host-s=; =",
    ];
    for at in 0..=neighbours.len() {
        let mut lines: Vec<Vec<u8>> = neighbours.iter().map(|line| line.to_vec()).collect();
        lines.insert(at, ours.clone());
        let answer = over_http2(router.clone(), &lines).await;
        assert_eq!(answer.text(), "Some(7)", "line {at}");
        let joined = lines.join(&b"; "[..]);
        let answer = over_http2(router.clone(), &[joined]).await;
        assert_eq!(answer.text(), "Some(7)", "one line, place {at}");
    }
    let answer = over_http2(router, &neighbours.map(<[u8]>::to_vec)).await;
    assert_eq!(answer.text(), "None", "without ours nobody is signed in");
}

/// Prevents: an invalid second cookie that signs the visitor out, or the attacker in (R02).
#[tokio::test]
async fn of_several_cookies_of_our_name_the_first_that_verifies_is_used() {
    let app = App::new();
    let router = site(&app);
    let mut ann = signed_in(&router).await;
    post_page(&router, &mut ann, "/visit").await;
    let bob = signed_in(&router).await;
    let (a, b) = (ann.cookie().unwrap(), bob.cookie().unwrap());
    let visits = async |cookies: &str| {
        let value = HeaderValue::from_str(cookies).unwrap();
        let answer = send(&router, Method::GET, "/visits", [(COOKIE, value)]).await;
        assert_eq!(answer.cookies(), [""; 0]);
        answer.text().to_owned()
    };
    let bad = format!("{}x", &a[..a.len() - 1]);
    assert_eq!(visits(&format!("__Host-s={a}; __Host-s={b}")).await, "1");
    assert_eq!(visits(&format!("__Host-s={b}; __Host-s={a}")).await, "0");
    assert_eq!(visits(&format!("__Host-s={bad}; __Host-s={a}")).await, "1");
    assert_eq!(visits(&format!("__Host-s=; __Host-s={a}")).await, "1");
}

/// Prevents: a variant of the name or the value that one program accepts as the cookie and another does not (R03, R04,
/// R05, R06, R09).
#[tokio::test]
async fn the_cookie_has_one_spelling() {
    let app = App::new();
    let router = site(&app);
    let visitor = signed_in(&router).await;
    let good = visitor.cookie().unwrap();
    let (id, tag) = good.split_once('.').unwrap();
    let user = async |header: Vec<u8>| {
        let value = HeaderValue::from_bytes(&header).unwrap();
        let answer = send(&router, Method::GET, "/user", [(COOKIE, value)]).await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.text().to_owned()
    };
    for header in [
        format!("__Host-s={good}"),
        format!("  \t__Host-s\t= {good}\t ;"),
        format!("q=\"a;__Host-s={good};b\""),
        format!("a=1;;__Host-s={good}"),
    ] {
        assert_eq!(user(header.clone().into()).await, "Some(7)", "{header:?}");
    }
    for header in [
        format!("__host-s={good}"),
        format!("__HOST-s={good}"),
        format!("__Host-S={good}"),
        format!("__Host%2Ds={good}"),
        format!("%5F_Host-s={good}"),
        format!("__Host-s={id}%2E{tag}"),
        format!("__Host-s=\"{good}\""),
        format!("\u{a0}__Host-s={good}"),
        format!("__Host-s\u{2003}={good}"),
        format!("__Host-s={good}\u{a0}"),
        format!("$Version=1, __Host-s={good}"),
        format!("s={good}"),
        format!("__Secure-s={good}"),
        format!("__Host-s={id}"),
        format!("__Host-s={id}."),
        format!("__Host-s={id}.{}", &tag[..42]),
        format!("__Host-s={good}="),
    ] {
        assert_eq!(user(header.clone().into()).await, "None", "{header:?}");
    }
}

/// Prevents: an id in a URL, visible to logs, proxies and referrers, that signs a user in (R08).
#[tokio::test]
async fn an_id_is_accepted_from_the_cookie_header_alone() {
    let app = App::new();
    let router = site(&app);
    let visitor = signed_in(&router).await;
    let good = visitor.cookie().unwrap();
    for path in [
        format!("/user?__Host-s={good}"),
        format!("/user?sid={good}"),
        format!("/user;__Host-s={good}"),
    ] {
        let answer = send(&router, Method::GET, &path, []).await;
        assert_ne!(answer.text(), "Some(7)", "{path}");
    }
    let request = Request::post("/user")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!("__Host-s={good}")))
        .unwrap();
    let router = pages()
        .route(
            "/whose",
            post(async |session: Session| session.is_live().await.map(|live| live.to_string())),
        )
        .layer(layer(&app));
    let (mut parts, body) = request.into_parts();
    parts.uri = "/whose".parse().unwrap();
    let response = tower::ServiceExt::oneshot(router, Request::from_parts(parts, body));
    let body = response.await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "false");
}

/// Prevents: all users signed out by a new key, and an old key that is never replaced (R10).
#[tokio::test]
async fn a_cookie_signed_by_an_older_key_is_accepted_and_sent_again() -> Result<()> {
    let store: Arc<MemoryStore> = Arc::default();
    let site_with = |keys: &[[u8; 32]]| {
        let keyring = Keyring::new(keys).unwrap();
        site(&App {
            sessions: Sessions::new(store.clone(), keyring),
            ..App::new()
        })
    };
    let (old, new) = ([1; 32], [2; 32]);
    let (before, during, after) = (site_with(&[old]), site_with(&[new, old]), site_with(&[new]));
    let mut visitor = signed_in(&before).await;
    let first = visitor.clone();
    let answer = get_page(&during, &mut visitor, "/plain").await;
    assert_eq!(
        answer.cookies(),
        [""; 0],
        "nothing is sent for a page that does not look at the session"
    );
    let answer = get_page(&during, &mut visitor, "/user").await;
    assert_eq!(answer.text(), "Some(7)");
    assert_eq!(answer.cookies().len(), 1);
    assert_ne!(visitor, first);
    let again = visitor.clone();
    let answer = get_page(&during, &mut visitor, "/user").await;
    assert_eq!(answer.cookies(), [""; 0], "once");
    assert_eq!(visitor, again);
    for (mut visitor, user) in [(visitor, "Some(7)"), (first, "None")] {
        let answer = get_page(&after, &mut visitor, "/user").await;
        assert_eq!(answer.text(), user);
    }
    Ok(())
}

/// Prevents: the cookie of one deployment, application or purpose accepted by another one with the same key (R11).
#[tokio::test]
async fn a_cookie_of_another_name_is_worthless() {
    let store: Arc<MemoryStore> = Arc::default();
    let site_of = |name: &'static str, keygrip: bool| {
        let config = level_session::CookieConfig::builder().name(name);
        let config = if keygrip { config.keygrip() } else { config };
        let keyring = Keyring::new([[7; 32]]).unwrap();
        let builder = Sessions::builder(store.clone(), keyring);
        let sessions = builder.cookie(config.build().unwrap()).build().unwrap();
        site(&App {
            sessions,
            ..App::new()
        })
    };
    let names = [("a", false), ("ab", false), ("b", false), ("a", true)];
    for (name, keygrip) in names {
        let mut visitor = Visitor::new();
        post_page(&site_of(name, keygrip), &mut visitor, "/sign-in").await;
        let value = visitor.jar[name].clone();
        for (other, other_form) in names {
            let mut jar = visitor.jar.clone();
            jar.insert(other.to_owned(), value.clone());
            if other != name {
                jar.remove(name);
            }
            let answer = get_page(&site_of(other, other_form), &mut Visitor { jar }, "/user").await;
            let same = (other, other_form) == (name, keygrip);
            assert_eq!(answer.text() == "Some(7)", same, "{name} as {other}");
        }
    }
}

/// Prevents: a form that another site has submitted (R12).
#[tokio::test]
async fn a_form_needs_the_token_of_its_session() {
    async fn pay(session: Session, token: String) -> Result<StatusCode> {
        Ok(match session.verify_csrf(&token).await? {
            true => StatusCode::OK,
            false => StatusCode::FORBIDDEN,
        })
    }
    let app = App::new();
    let router = pages().route("/pay", post(pay)).layer(layer(&app));
    let pay = async |visitor: &Visitor, token: &str| {
        let mut request = Request::post("/pay")
            .body(Body::from(token.to_owned()))
            .unwrap();
        request.headers_mut().extend(visitor.request());
        let response = tower::ServiceExt::oneshot(router.clone(), request).await;
        response.unwrap().status()
    };
    let mut ann = signed_in(&router).await;
    let bob = signed_in(&router).await;
    let token = get_page(&router, &mut ann, "/token")
        .await
        .text()
        .to_owned();
    assert_eq!(pay(&ann, &token).await, StatusCode::OK);
    for (visitor, token) in [(&ann, ""), (&ann, &token[1..]), (&bob, &*token)] {
        assert_eq!(pay(visitor, token).await, StatusCode::FORBIDDEN);
    }
    assert_eq!(pay(&Visitor::new(), &token).await, StatusCode::FORBIDDEN);
    post_page(&router, &mut ann, "/sign-in").await;
    assert_eq!(pay(&ann, &token).await, StatusCode::FORBIDDEN, "renewed");
    // A new visitor's token is valid with the cookie of the same response.
    let mut stranger = Visitor::new();
    let token = get_page(&router, &mut stranger, "/token").await;
    assert_eq!(pay(&stranger, token.text()).await, StatusCode::OK);
}
