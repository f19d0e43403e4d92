//! The parts that all pages share.

use crate::{
    account::User,
    session::{Shop, Theme},
};
use axum::{
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse, Response},
};
use level_session::{Result, Session};
use maud::{DOCTYPE, Markup, html};

/// A page of the shop, with the user's name, the size of the cart, and the notice, which is shown once.
pub(crate) async fn page(session: &Session<Shop>, title: &str, content: Markup) -> Result<Markup> {
    let user = session.user_id().await?.and_then(User::find);
    let language = session.language().await?;
    let in_cart = session.cart().await?.count();
    let notice = session.notice().await?;
    let top = html! {
        nav aria-label="Main" {
            a href="/" { "Shop" }
            a href="/cart" { "Cart (" span id="in-cart" { (in_cart) } ")" }
            a href="/preferences" { "Preferences" }
            a href="/session" { "This session" }
            @if let Some(user) = user {
                a href="/devices" { "Devices" }
                span.who lang=(language.tag()) { (language.greeting()) ", " (user.name) }
                form method="post" action="/sign-out" { button.link { "Sign out" } }
            } @else {
                a href="/sign-in" { "Sign in" }
            }
        }
    };
    let content = html! {
        @if let Some(notice) = notice { p.notice role="status" { (notice) } }
        h1 { (title) }
        (content)
    };
    Ok(frame(title, session.theme().await?, top, content))
}

/// The frame around every page, with or without a session.
pub(crate) fn frame(title: &str, theme: Theme, top: Markup, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" data-theme=(theme.name()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " - Leaf & Kettle" }
                link rel="stylesheet" href="/style.css";
                link rel="icon" href="data:,";
            }
            body {
                a.skip href="#main" { "Skip to content" }
                header { a.brand href="/" { "Leaf & Kettle" } (top) }
                main id="main" { (content) }
            }
        }
    }
}

pub(crate) async fn not_found(session: Session<Shop>) -> Response {
    let content = html! { p.lead { "There is nothing here. " a href="/" { "Back to the shop." } } };
    let page = page(&session, "Not found", content).await;
    (StatusCode::NOT_FOUND, page).into_response()
}

pub(crate) async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css")], include_str!("style.css"))
}

/// Headers of every response. The pages load nothing from other origins, so the policy allows none.
pub(crate) async fn harden(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 3] = [
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'",
        ),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in HEADERS {
        let headers = response.headers_mut();
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
