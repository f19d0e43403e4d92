//! Several structs in one session. `Shop` nests the `AuthSession` of a library; `Survey` is independent of both. Each
//! struct has its own keys. To see them, run:
//!
//! ```text
//! cargo run -p two-structs
//! curl -b jar -c jar http://127.0.0.1:3000/add/tea
//! curl -b jar -c jar -X POST http://127.0.0.1:3000/sign-in/7
//! curl -b jar -c jar -X POST http://127.0.0.1:3000/survey/5
//! curl -b jar -c jar http://127.0.0.1:3000/session
//! ```

use auth_session::AuthSession;
use axum::{
    Json, Router,
    extract::Path,
    http::StatusCode,
    routing::{get, post},
};
use level_session::{
    CookieConfig, Keyring, MemoryStore, Result, Session, SessionData, SessionLayer, Sessions, Value,
};
use std::{collections::BTreeMap, error::Error};

/// The application's own data.
#[derive(SessionData)]
#[session(namespace = "shop")]
struct Shop {
    /// The contents of the cart.
    #[session(default)]
    cart: Vec<String>,
    /// The signed-in user: the fields of a library.
    #[session(nest)]
    auth: AuthSession,
}

/// The data of another part of the application.
#[derive(SessionData)]
#[session(namespace = "survey")]
struct Survey {
    stars: Option<u8>,
}

async fn add(session: Session<Shop>, Path(sku): Path<String>) -> Result<String> {
    let cart = session.cart();
    cart.update(move |cart| cart.push(sku.clone())).await?;
    Ok(format!("{} in the cart\n", session.cart().await?.len()))
}

/// Calls the library's methods through the struct that nests its data.
async fn sign_in(session: Session<Shop>, Path(user): Path<u64>) -> Result<(StatusCode, String)> {
    if !session.auth().may_try().await? {
        return Ok((StatusCode::TOO_MANY_REQUESTS, "too many attempts\n".into()));
    }
    if user == 0 {
        session.auth().attempt_failed()?;
        return Ok((StatusCode::FORBIDDEN, "there is no user 0\n".into()));
    }
    session.auth().sign_in(user).await?;
    Ok((StatusCode::OK, format!("you are user {user}\n")))
}

/// Two structs of one session in one handler. Their changes are stored in one commit.
async fn rate(
    auth: Session<AuthSession>,
    survey: Session<Survey>,
    Path(stars): Path<u8>,
) -> Result<(StatusCode, &'static str)> {
    if auth.user_id().await?.is_none() {
        auth.after_sign_in("/survey")?;
        return Ok((StatusCode::UNAUTHORIZED, "sign in first\n"));
    }
    survey.stars().set(stars)?;
    Ok((StatusCode::OK, "thank you\n"))
}

/// Shows all fields of all structs.
async fn show(session: Session) -> Result<Json<BTreeMap<String, Value>>> {
    Ok(Json(session.get_all().await?.into_map()))
}

fn app() -> std::result::Result<Router, Box<dyn Error>> {
    let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
        .cookie(CookieConfig::for_development())
        // If two structs use the same key, `build` fails here, instead of a visitor's request later.
        .data::<Shop>()
        .data::<Survey>()
        .build()?;
    Ok(Router::new()
        .route("/add/{sku}", get(add))
        .route("/sign-in/{user}", post(sign_in))
        .route("/survey/{stars}", post(rate))
        .route("/session", get(show))
        .layer(SessionLayer::from(sessions)))
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app()?).await?)
}

#[cfg(test)]
mod tests;
