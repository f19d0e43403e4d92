//! An accessor and its constant have the field's visibility.

mod shop {
    use level_session::SessionData;

    #[derive(SessionData)]
    pub struct Shop {
        secret: Option<u64>,
        pub(super) near: Option<u64>,
        pub open: Option<u64>,
    }
}

fn uses(fields: &shop::ShopFields) {
    let _ = (fields.near(), fields.open(), shop::Shop::NEAR, shop::Shop::OPEN);
    let _ = fields.secret();
    let _ = shop::Shop::SECRET;
}

fn main() {}
