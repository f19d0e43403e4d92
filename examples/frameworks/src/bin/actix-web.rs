//! The shop on actix-web.

use actix_web::{
    App, HttpServer, Result, get, post,
    web::{Html, Redirect},
};
use frameworks::Shop;
use level_session::Session;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = frameworks::sessions()?;
    let shop = sessions.clone();
    let app = move || {
        App::new()
            .wrap(shop.clone())
            .service(page)
            .service(sign_in)
            .service(add)
            .service(sign_out)
    };
    let server = HttpServer::new(app).bind(frameworks::address()?)?;
    server.addrs().into_iter().for_each(frameworks::announce);
    server.run().await?;
    Ok(sessions.close().await?)
}

#[get("/")]
async fn page(session: Session<Shop>) -> Result<Html> {
    Ok(Html::new(frameworks::page(session).await?))
}

#[post("/sign-in")]
async fn sign_in(session: Session<Shop>) -> Result<Redirect> {
    frameworks::sign_in(session).await?;
    Ok(Redirect::to("/").see_other())
}

#[post("/add")]
async fn add(session: Session<Shop>) -> Result<Redirect> {
    frameworks::add(session).await?;
    Ok(Redirect::to("/").see_other())
}

#[post("/sign-out")]
async fn sign_out(session: Session<Shop>) -> Result<Redirect> {
    frameworks::sign_out(session).await?;
    Ok(Redirect::to("/").see_other())
}
