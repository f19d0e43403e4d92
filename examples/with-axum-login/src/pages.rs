//! The pages, in plain text.

use crate::{
    Club,
    members::{Members, SignIn},
};
use axum::{
    Form,
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use axum_login::AuthSession;
use axum_messages::Messages;
use level_session::{Result, Session};

type Auth = AuthSession<Members>;

/// Shows the user's name and messages. It creates no session for a visitor without one.
pub(crate) async fn front(auth: Auth, messages: Messages, club: Session<Club>) -> Result<String> {
    let name = auth.user.map_or("a guest", |member| member.name);
    let mut page = format!("you are {name}\n");
    for message in messages {
        page += &format!("{}: {message}\n", message.level);
    }
    if let Some(farewell) = club.farewell().await? {
        page += &format!("{farewell}\n");
    }
    page += &format!("pages: {}\n", club.pages().await?);
    Ok(page)
}

/// A page that counts visits.
pub(crate) async fn read(club: Session<Club>) -> Result<&'static str> {
    club.pages().add(1)?;
    Ok("a page\n")
}

pub(crate) async fn sign_in(
    mut auth: Auth,
    messages: Messages,
    club: Session<Club>,
    Form(form): Form<SignIn>,
) -> Response {
    let Ok(Some(member)) = auth.authenticate(form).await else {
        messages.error("no such member");
        return StatusCode::FORBIDDEN.into_response();
    };
    if let Err(error) = auth.login(&member).await {
        return failed(&error.to_string());
    }
    messages.success(format!("welcome, {}", member.name));
    match club.pages().add(1) {
        Ok(()) => Redirect::to("/").into_response(),
        Err(error) => error.into_response(),
    }
}

pub(crate) async fn sign_out(mut auth: Auth, messages: Messages, club: Session<Club>) -> Response {
    if let Err(error) = auth.logout().await {
        return failed(&error.to_string());
    }
    messages.info("signed out");
    // This write creates a new session for the guest.
    match club.farewell().set("see you") {
        Ok(()) => Redirect::to("/").into_response(),
        Err(error) => error.into_response(),
    }
}

/// A sign-in whose handler fails at the end: none of its changes are stored.
pub(crate) async fn fail(
    auth: Auth,
    messages: Messages,
    club: Session<Club>,
    form: Form<SignIn>,
) -> Response {
    let _ = sign_in(auth, messages, club, form).await;
    failed("the sign-in failed on purpose")
}

fn failed(why: &str) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")).into_response()
}
