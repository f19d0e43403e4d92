//! A page about the session itself: its times, its handle, and all its fields.

use crate::{
    page::{frame, page},
    session::{Shop, Theme},
};
use axum::response::Redirect;
use level_session::{Clock, Result, Session};
use maud::{Markup, html};
use std::time::Duration;

/// This page writes nothing, so a new visitor who opens it first gets no session and no cookie.
pub(crate) async fn show(session: Session<Shop>) -> Result<Markup> {
    let now = Clock::system().now();
    let times = session.created_at().await?.zip(session.expires_at().await?);
    let handle = session.log_id().unwrap_or_default();
    // The untyped view needs no declared type, and includes the fields of other structs.
    let all = session.get_all().await?;
    let json = serde_json::to_string_pretty(&all).unwrap_or_else(|problem| problem.to_string());
    page(
        &session,
        "This session",
        html! {
            @if let Some((created, expires)) = times {
                dl {
                    dt { "Started" } dd { (about(now.since(created))) " ago" }
                    dt { "Ends" } dd { "in " (about(expires.since(now))) ", unless it is used before then" }
                    dt { "Handle" } dd { code { (handle) } ", which identifies it in the log only" }
                }
            } @else {
                p.lead { "You have no session yet: nothing is stored, and no cookie is set." }
            }
            h2 { "All fields, as JSON" }
            pre tabindex="0" { code id="fields" { (json) } }
            form method="post" action="/session/end" { button.quiet { "Forget me" } }
        },
    )
    .await
}

/// Ends the session and removes the cookie. A notice would begin a new session, so there is none.
pub(crate) async fn end(session: Session<Shop>) -> Result<Redirect> {
    session.destroy()?;
    Ok(Redirect::to("/goodbye"))
}

/// A page outside the session layer.
pub(crate) async fn goodbye() -> Markup {
    frame(
        "Goodbye",
        Theme::System,
        html! {},
        html! { p.lead { "Your session is gone, and so is its cookie. " a href="/" { "Come again." } } },
    )
}

/// A rounded duration for people, in the largest unit of which it has at least two.
pub(crate) fn about(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let fits = |(length, _): &&(u64, _)| seconds.saturating_add(length / 2) >= 2 * length;
    let (length, unit) = units.iter().find(fits).unwrap_or(&units[3]);
    match seconds.saturating_add(length / 2) / length {
        1 => format!("1 {unit}"),
        count => format!("{count} {unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_the_unit_that_fits() {
        let said = |seconds| about(Duration::from_secs(seconds));
        assert_eq!(said(0), "0 seconds");
        assert_eq!(said(1), "1 second");
        assert_eq!(said(89), "89 seconds");
        assert_eq!(said(90), "2 minutes");
        assert_eq!(said(14 * 86_400 - 1), "14 days");
        assert_eq!(about(Duration::MAX), format!("{} days", u64::MAX / 86_400));
    }
}
