//! Signing in and out.

use crate::{page::page, session::Shop};
use axum::{
    Form,
    http::{HeaderMap, StatusCode, header::USER_AGENT},
    response::{IntoResponse as _, Redirect, Response},
};
use level_session::{Lifetime, Result, Session};
use maud::{Markup, html};
use serde::Deserialize;

pub(crate) struct User {
    pub(crate) id: u32,
    pub(crate) name: &'static str,
    password: &'static str,
}

/// Three users to try. A real application stores salted hashes (Argon2id) and limits the number of attempts.
const USERS: [User; 3] = [
    User {
        id: 1,
        name: "Ada",
        password: "lovelace",
    },
    User {
        id: 2,
        name: "Grace",
        password: "hopper",
    },
    User {
        id: 3,
        name: "Alan",
        password: "turing",
    },
];

impl User {
    pub(crate) fn find(id: u32) -> Option<&'static Self> {
        USERS.iter().find(|user| user.id == id)
    }

    fn check(form: &SignIn) -> Option<&'static Self> {
        let name = form.name.trim();
        USERS
            .iter()
            .find(|user| user.name.eq_ignore_ascii_case(name) && user.password == form.password)
    }
}

#[derive(Deserialize)]
pub(crate) struct SignIn {
    name: String,
    password: String,
    /// A checkbox: browsers send it only if it is ticked.
    remember: Option<String>,
}

pub(crate) async fn form(session: Session<Shop>) -> Result<Markup> {
    sign_in_page(&session, None).await
}

pub(crate) async fn sign_in(
    session: Session<Shop>,
    headers: HeaderMap,
    Form(form): Form<SignIn>,
) -> Result<Response> {
    let Some(user) = User::check(&form) else {
        let page = sign_in_page(&session, Some(&form.name)).await?;
        return Ok((StatusCode::FORBIDDEN, page).into_response());
    };
    let agent = headers.get(USER_AGENT).and_then(|it| it.to_str().ok());
    session
        .sign_in(user, agent.unwrap_or("an unknown device"))
        .await?;
    let remember = form.remember.is_some();
    session.set_lifetime(remember.then(Lifetime::longest))?;
    Ok(Redirect::to("/").into_response())
}

pub(crate) async fn sign_out(session: Session<Shop>) -> Result<Redirect> {
    session.sign_out()?;
    Ok(Redirect::to("/"))
}

/// `refused` is the name from the failed attempt, if there was one.
async fn sign_in_page(session: &Session<Shop>, refused: Option<&str>) -> Result<Markup> {
    page(
        session,
        "Sign in",
        html! {
            @if refused.is_some() {
                p.refusal role="alert" { "The name or the password is wrong. Please try again." }
            }
            form.stack method="post" action="/sign-in" {
                label for="name" { "Name" }
                input id="name" name="name" value=(refused.unwrap_or_default()) autocomplete="username" required;
                label for="password" { "Password" }
                input id="password" name="password" type="password" autocomplete="current-password" required;
                label.choice { input name="remember" type="checkbox"; "Remember me on this device" }
                button { "Sign in" }
            }
            p { "This is a demonstration. You can sign in as any of these users:" }
            table.narrow {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Password" } } }
                tbody {
                    @for user in &USERS {
                        tr { th scope="row" { (user.name) } td { code { (user.password) } } }
                    }
                }
            }
        },
    )
    .await
}
