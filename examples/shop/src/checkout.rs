//! An order, confirmed with a one-time code.

use crate::{page::page, session::Shop, stock::price};
use axum::{
    Form,
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use level_session::{Result, Session};
use maud::{Markup, html};
use serde::Deserialize;

/// Generates a code. A real shop sends it by mail; here the next page shows it.
pub(crate) async fn begin(session: Session<Shop>) -> Result<Response> {
    if session.user_id().await?.is_none() {
        session.say("Please sign in first. Your cart is kept.")?;
        return Ok(Redirect::to("/sign-in").into_response());
    }
    if session.cart().await?.is_empty() {
        return Ok(Redirect::to("/cart").into_response());
    }
    // Six digits from the system's generator.
    let Ok(random) = getrandom::u32() else {
        return Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response());
    };
    session.code().set(format!("{:06}", random % 1_000_000))?;
    Ok(Redirect::to("/checkout").into_response())
}

pub(crate) async fn show(session: Session<Shop>) -> Result<Markup> {
    let code = session.code().await?;
    let total = session.cart().await?.total();
    page(
        &session,
        "Confirm your order",
        html! {
            @if let Some(code) = code {
                p.lead { "Your order comes to " strong { (price(total)) } "." }
                p { "A real shop would now send you a code. Here it is: " code id="sent" { (code) }
                    ". It is valid for one attempt, within ten minutes." }
                form.stack method="post" action="/checkout/confirm" {
                    label for="code" { "Code" }
                    input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" required;
                    button { "Confirm" }
                }
            } @else {
                p.lead { "There is no code, or it has expired." }
                form method="post" action="/checkout" { button { "Get a code" } }
            }
        },
    )
    .await
}

#[derive(Deserialize)]
pub(crate) struct Confirmation {
    code: String,
}

/// `take` returns the code to exactly one request and removes it: a double click places one order, and a wrong code
/// cannot be tried again.
pub(crate) async fn confirm(
    session: Session<Shop>,
    Form(form): Form<Confirmation>,
) -> Result<Redirect> {
    match session.code().take().await? {
        Some(code) if code == form.code.trim() => {
            let ordered = session.cart().take().await?.unwrap_or_default();
            session.say(format!(
                "Thank you. {} articles are on their way.",
                ordered.count()
            ))?;
            Ok(Redirect::to("/"))
        }
        Some(_) => {
            session.say("That was not the code. It is no longer valid: please get a new one.")?;
            Ok(Redirect::to("/checkout"))
        }
        None => Ok(Redirect::to("/checkout")),
    }
}
