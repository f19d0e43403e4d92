//! The applications of the guides, as printed there.

pub mod dioxus {
    include!("stock.rs");
    include!("../../../session/docs/dioxus.rs");
}

pub mod leptos {
    include!("stock.rs");
    include!("../../../session/docs/leptos.rs");
}

pub mod loco {
    use level_session::{Keyring, MemoryStore};

    fn open() -> level_session::Result<Sessions> {
        let keys = Keyring::generate().expect("the system has random bytes");
        Ok(Sessions::new(MemoryStore::new(), keys))
    }

    /// Another service, which fails for soup.
    async fn reserve(item: &str) -> Result<()> {
        assert_ne!(item, "soup");
        Ok(())
    }

    include!("../../../session/docs/loco.rs");
}
