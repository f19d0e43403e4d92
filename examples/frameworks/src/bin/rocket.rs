//! The shop on Rocket. The fairing closes the sessions when Rocket shuts down.

use frameworks::Shop;
use level_session_rocket::{Result, Session, SessionFairing};
use rocket::{
    Config, get, post,
    response::{Redirect, content::RawHtml},
    routes,
};

#[rocket::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = frameworks::sessions()?;
    let address = frameworks::address()?;
    let config = Config {
        address: address.ip(),
        port: address.port(),
        ..Config::default()
    };
    rocket::custom(config)
        .attach(SessionFairing::from(sessions))
        .mount("/", routes![page, sign_in, add, sign_out])
        .launch()
        .await?;
    Ok(())
}

#[get("/")]
async fn page(session: Session<Shop>) -> Result<RawHtml<String>> {
    Ok(RawHtml(frameworks::page(session.into_inner()).await?))
}

#[post("/sign-in")]
async fn sign_in(session: Session<Shop>) -> Result<Redirect> {
    frameworks::sign_in(session.into_inner()).await?;
    Ok(Redirect::to("/"))
}

#[post("/add")]
async fn add(session: Session<Shop>) -> Result<Redirect> {
    frameworks::add(session.into_inner()).await?;
    Ok(Redirect::to("/"))
}

#[post("/sign-out")]
async fn sign_out(session: Session<Shop>) -> Result<Redirect> {
    frameworks::sign_out(session.into_inner()).await?;
    Ok(Redirect::to("/"))
}
