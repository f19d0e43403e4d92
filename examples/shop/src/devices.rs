//! The devices on which a user is signed in: list them, sign out one or all others, and notify open pages.

use crate::{Shared, about::about, page::page, session::Shop};
use axum::{
    Form,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{
        IntoResponse, Redirect, Response,
        sse::{Event, Sse},
    },
};
use futures_util::stream;
use level_session::{Clock, Found, Result, Session, SessionHandle, Sessions};
use maud::{Markup, html};
use serde::Deserialize;
use std::convert::Infallible;

/// Lists the user's sessions: the current one first, then the others by last use.
pub(crate) async fn list(
    session: Session<Shop>,
    State(sessions): State<Sessions>,
) -> Result<Response> {
    let Some(user) = session.user_id().await? else {
        return Ok(Redirect::to("/sign-in").into_response());
    };
    let mut all = Vec::new();
    let mut listing = sessions.find(Shop::USER_ID, &user).with(Shop::DEVICE);
    while let Some(page) = listing.next_page().await? {
        all.extend(page);
    }
    all.sort_by_key(|found| {
        (
            !found.is_current(&session),
            std::cmp::Reverse(found.last_seen()),
        )
    });
    let rows = all.iter().map(|found| row(found, &session));
    let rows: Vec<_> = rows.collect::<Result<_>>()?;
    let content = html! {
        table {
            thead { tr { th scope="col" { "Device" } th scope="col" { "Last seen" } th scope="col" {} } }
            tbody id="devices" { @for row in rows { (row) } }
        }
        form method="post" action="/devices/end-others" {
            button.quiet id="end-others" { "Sign out everywhere else" }
        }
        script src="/devices.js" {}
    };
    Ok(page(&session, "Where you are signed in", content)
        .await?
        .into_response())
}

fn row(found: &Found, session: &Session<Shop>) -> Result<Markup> {
    let ago = Clock::system().now().since(found.last_seen());
    let device = found.get(Shop::DEVICE)?;
    Ok(html! {
        tr {
            th scope="row" { (device.as_deref().unwrap_or("an unknown device")) }
            td { (about(ago)) " ago" }
            td {
                @if found.is_current(session) {
                    "this device"
                } @else {
                    form method="post" action="/devices/end" {
                        input type="hidden" name="session" value=(found.handle());
                        button.link { "Sign out" }
                    }
                }
            }
        }
    })
}

#[derive(Deserialize)]
pub(crate) struct End {
    session: SessionHandle,
}

/// Ends one of the user's own sessions. A handle of another user's session has no effect.
pub(crate) async fn end(session: Session<Shop>, Form(form): Form<End>) -> Result<Redirect> {
    let ended = session.end_other(Shop::USER_ID, &form.session).await?;
    session.say(match ended {
        true => "That device is signed out.",
        false => "That device was signed out already.",
    })?;
    Ok(Redirect::to("/devices"))
}

/// Ends all other sessions of the user, in the commit of this request.
pub(crate) async fn end_others(session: Session<Shop>) -> Result<Redirect> {
    session.end_others(Shop::USER_ID).await?;
    session.say("You are signed out everywhere else.")?;
    Ok(Redirect::to("/devices"))
}

/// Notifies an open page when its session has ended. Without a signed-in user it responds with 204, after which the
/// browser does not reconnect.
pub(crate) async fn events(
    session: Session<Shop>,
    State(shared): State<Shared>,
) -> Result<Response> {
    if session.user_id().await?.is_none() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let session = session.detach()?;
    let mut closing = shared.closing;
    let told = stream::once(async move {
        tokio::select! {
            _ = session.ended() => {}
            _ = closing.changed() => return Ok(Event::default().comment("the shop is closing")),
        }
        Ok::<_, Infallible>(Event::default().event("ended").data("signed out"))
    });
    Ok(Sse::new(told).into_response())
}

pub(crate) async fn script() -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/javascript")],
        include_str!("devices.js"),
    )
}
