//! What the shop remembers of a visitor.

use crate::{account::User, stock::Product};
use level_session::{Result, SessionData};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the shop remembers of a visitor. Each field is stored under a key of its own, so that requests which change
/// different fields never disturb each other.
#[derive(SessionData)]
#[session(namespace = "shop")]
pub(crate) struct Shop {
    /// The signed-in user. All sessions of a user can be found by it; there are ten at most, and one more ends the one that
    /// signed in first.
    #[session(index, limit = 10)]
    pub(crate) user_id: Option<u32>,
    /// What the browser said it is, when it signed in.
    pub(crate) device: Option<String>,
    /// What is in the cart.
    #[session(default)]
    pub(crate) cart: Cart,
    /// How often the first page was opened. Counters add up: of two requests at once, none is lost.
    #[session(counter)]
    pub(crate) visits: u64,
    /// What the next page says once.
    #[session(flash)]
    pub(crate) notice: Option<String>,
    /// The code that confirms an order. It is gone after ten minutes.
    #[session(ttl = "10m")]
    pub(crate) code: Option<String>,
    /// Light or dark.
    #[session(default)]
    pub(crate) theme: Theme,
    /// The language to be greeted in.
    #[session(default)]
    pub(crate) language: Language,
}

/// The application's own methods stand beside the fields': `session.sign_in(user)`.
impl ShopFields {
    /// Signs a user in: under a new id, so that nobody who knew the old one is signed in as well. A cart that the
    /// visitor has filled before stays; what another user has left behind does not.
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

    /// Ends the session with everything in it. The notice begins a new one.
    pub(crate) fn sign_out(&self) -> Result<()> {
        self.destroy()?;
        self.notice()
            .set("You are signed out, and your cart is gone.")
    }

    /// Says something on the next page.
    pub(crate) fn say(&self, notice: impl Into<String>) -> Result<()> {
        self.notice().set::<String>(notice.into())
    }
}

/// How many of what.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cart(BTreeMap<String, u32>);

impl Cart {
    /// The most of one thing.
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

    /// What is in it and is still sold.
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

/// How the pages look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Theme {
    /// As the visitor's system is set.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub(crate) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// Its name in forms and in the style sheet.
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

    /// Its tag (BCP 47), also in forms.
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
