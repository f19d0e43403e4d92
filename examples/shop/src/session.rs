//! The session data of the shop.

use crate::{account::User, stock::Product};
use level_session::{Result, SessionData};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The session data of a visitor. Each field is stored under its own key, so requests that change different fields do not
/// conflict.
#[derive(SessionData)]
#[session(namespace = "shop")]
pub(crate) struct Shop {
    /// The signed-in user. The index finds all sessions of a user. A user has at most ten; the eleventh sign-in ends the
    /// session that signed in first.
    #[session(index, limit = 10)]
    pub(crate) user_id: Option<u32>,
    /// The `User-Agent` header of the sign-in.
    pub(crate) device: Option<String>,
    /// The contents of the cart.
    #[session(default)]
    pub(crate) cart: Cart,
    /// How often the first page was opened. A counter loses no addition of concurrent requests.
    #[session(counter)]
    pub(crate) visits: u64,
    /// A message that the next page shows once.
    #[session(flash)]
    pub(crate) notice: Option<String>,
    /// The code that confirms an order. It expires after ten minutes.
    #[session(ttl = "10m")]
    pub(crate) code: Option<String>,
    /// Light or dark.
    #[session(default)]
    pub(crate) theme: Theme,
    /// The language of the greeting.
    #[session(default)]
    pub(crate) language: Language,
}

/// The application's own methods, called like those of the fields: `session.sign_in(user)`.
impl ShopFields {
    /// Signs a user in under a new id, so that an attacker who knew the old id is not signed in too. A cart that an
    /// anonymous visitor has filled is kept; the data of another user is removed.
    pub(crate) async fn sign_in(&self, user: &User, device: &str) -> Result<()> {
        if self.user_id().await?.is_some_and(|other| other != user.id) {
            self.clear()?;
        }
        self.renew()?;
        self.user_id().set(user.id)?;
        self.device()
            .set(device.chars().take(200).collect::<String>())?;
        self.notice()
            .set(format!("Welcome, {}. It is good to see you.", user.name))
    }

    /// Ends the session with all its fields. The notice begins a new session.
    pub(crate) fn sign_out(&self) -> Result<()> {
        self.destroy()?;
        self.notice()
            .set("You are signed out, and your cart is gone.")
    }

    /// Shows a message on the next page.
    pub(crate) fn say(&self, notice: impl Into<String>) -> Result<()> {
        self.notice().set::<String>(notice.into())
    }
}

/// The quantity of each product, by SKU.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cart(BTreeMap<String, u32>);

impl Cart {
    /// The maximum quantity of one product.
    const MOST: u32 = 99;

    pub(crate) fn add(&mut self, product: &Product) {
        let quantity = self.0.entry(product.sku.to_owned()).or_default();
        *quantity = (*quantity + 1).min(Self::MOST);
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, product: &Product) {
        if let Some(quantity) = self.0.get_mut(product.sku) {
            *quantity = quantity.saturating_sub(1);
        }
        self.0.retain(|_, quantity| *quantity > 0);
    }

    /// The products in the cart that are still sold, and their quantities.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&'static Product, u32)> {
        self.0
            .iter()
            .filter_map(|(sku, quantity)| Some((Product::find(sku)?, *quantity)))
    }

    pub(crate) fn count(&self) -> u32 {
        self.lines().map(|(_, quantity)| quantity).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// In cents.
    pub(crate) fn total(&self) -> u32 {
        self.lines()
            .map(|(product, quantity)| product.cents * quantity)
            .sum()
    }
}

/// The colours of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Theme {
    /// The setting of the visitor's system.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub(crate) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// The name in forms and in the style sheet.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// The languages that the shop greets in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    #[default]
    En,
    De,
    Fr,
}

impl Language {
    pub(crate) const ALL: [Self; 3] = [Self::En, Self::De, Self::Fr];

    /// The language tag (BCP 47), also used in forms.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Fr => "fr",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::De => "Deutsch",
            Self::Fr => "Français",
        }
    }

    pub(crate) fn greeting(self) -> &'static str {
        match self {
            Self::En => "Good day",
            Self::De => "Guten Tag",
            Self::Fr => "Bonjour",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cart_holds_no_nothings_and_at_most_99_of_one_thing() {
        let tea = Product::find("assam").unwrap();
        let mut cart = Cart::default();
        cart.remove(tea);
        assert!(cart.is_empty());
        (0..200).for_each(|_| cart.add(tea));
        assert_eq!((cart.count(), cart.total()), (99, 99 * tea.cents));
        (0..99).for_each(|_| cart.remove(tea));
        assert!(cart.0.is_empty());
    }

    #[test]
    fn what_is_no_longer_sold_is_no_longer_in_the_cart() {
        let cart = Cart(BTreeMap::from([("discontinued".to_owned(), 3)]));
        assert!(cart.is_empty());
    }
}
