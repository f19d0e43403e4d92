//! The products, and the first page.

use crate::{page::page, session::Shop};
use level_session::{Result, Session};
use maud::{Markup, html};

pub(crate) struct Product {
    pub(crate) sku: &'static str,
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) cents: u32,
}

const PRODUCTS: [Product; 6] = [
    Product {
        sku: "assam",
        name: "Assam, second flush",
        about: "Malty and strong; takes milk well.",
        cents: 740,
    },
    Product {
        sku: "darjeeling",
        name: "Darjeeling, first flush",
        about: "Light and flowery, from the first leaves of spring.",
        cents: 1280,
    },
    Product {
        sku: "earl-grey",
        name: "Earl Grey",
        about: "Black tea with the oil of bergamots from Calabria.",
        cents: 690,
    },
    Product {
        sku: "genmaicha",
        name: "Genmaicha",
        about: "Green tea with roasted rice, for the evening.",
        cents: 820,
    },
    Product {
        sku: "rooibos",
        name: "Rooibos",
        about: "From the Cederberg; no caffeine.",
        cents: 560,
    },
    Product {
        sku: "teapot",
        name: "Teapot, \"Short & Stout\"",
        about: "Stoneware, 0.7 l. It refuses to brew coffee.",
        cents: 3450,
    },
];

impl Product {
    pub(crate) fn find(sku: &str) -> Option<&'static Self> {
        PRODUCTS.iter().find(|product| product.sku == sku)
    }
}

pub(crate) fn price(cents: u32) -> String {
    format!("€ {}.{:02}", cents / 100, cents % 100)
}

/// The first page.
pub(crate) async fn list(session: Session<Shop>) -> Result<Markup> {
    session.visits().add(1)?;
    let visits = session.visits().await?;
    page(
        &session,
        "Teas and pots",
        html! {
            p.lead {
                @match visits {
                    1 => "This is the first time you have looked at our shelves.",
                    n => { "You have looked at our shelves " strong id="visits" { (n) } " times." }
                }
            }
            ul.shelf {
                @for product in &PRODUCTS {
                    li.card {
                        div class={ "label " (product.sku) } aria-hidden="true" { (product.name.chars().next().unwrap_or(' ')) }
                        h2 { (product.name) }
                        p { (product.about) }
                        form method="post" action="/cart/add" {
                            span.price { (price(product.cents)) }
                            button name="sku" value=(product.sku)
                                aria-label={ "Add " (product.name) " to the cart" } { "Add to cart" }
                        }
                    }
                }
            }
        },
    )
    .await
}
