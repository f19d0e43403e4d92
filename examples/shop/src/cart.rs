//! The cart.

use crate::{
    page::{not_found, page},
    session::Shop,
    stock::{Product, price},
};
use axum::{
    Form,
    response::{IntoResponse as _, Redirect, Response},
};
use level_session::{Result, Session};
use maud::{Markup, html};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Item {
    sku: String,
}

/// Adds one.
pub(crate) async fn add(session: Session<Shop>, Form(item): Form<Item>) -> Result<Response> {
    let Some(product) = Product::find(&item.sku) else {
        return Ok(not_found(session).await);
    };
    // If another tab has changed the cart in the meantime, the closure runs again on the latest cart.
    session.cart().update(|cart| cart.add(product)).await?;
    session.say(format!("{} is in your cart.", product.name))?;
    Ok(Redirect::to("/").into_response())
}

/// Removes one.
pub(crate) async fn remove(session: Session<Shop>, Form(item): Form<Item>) -> Result<Response> {
    let Some(product) = Product::find(&item.sku) else {
        return Ok(not_found(session).await);
    };
    session.cart().update(|cart| cart.remove(product)).await?;
    Ok(Redirect::to("/cart").into_response())
}

/// Shows the cart.
pub(crate) async fn show(session: Session<Shop>) -> Result<Markup> {
    let cart = session.cart().await?;
    page(
        &session,
        "Your cart",
        html! {
            @if cart.is_empty() {
                p.lead { "It is empty. " a href="/" { "Have a look at the shelves." } }
            } @else {
                table {
                    thead { tr { th scope="col" { "Article" } th.number scope="col" { "Quantity" } th.number scope="col" { "Price" } th { span.hidden { "Change" } } } }
                    tbody {
                        @for (product, quantity) in cart.lines() {
                            tr {
                                th scope="row" { (product.name) }
                                td.number { (quantity) }
                                td.number { (price(product.cents * quantity)) }
                                td.number {
                                    form method="post" action="/cart/remove" {
                                        button.quiet name="sku" value=(product.sku)
                                            aria-label={ "Remove one " (product.name) } { "Remove one" }
                                    }
                                }
                            }
                        }
                    }
                    tfoot { tr { th scope="row" { "Total" } td {} td.number { (price(cart.total())) } td {} } }
                }
                form method="post" action="/checkout" { button { "Order" } }
            }
        },
    )
    .await
}
