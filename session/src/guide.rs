//! The guides, in reading order. Their examples are compiled as doc tests, and most of them are run.
//!
//! 1. [`derive`](mod@derive): every attribute of `#[derive(SessionData)]`, with an example.
//! 2. [`frameworks`]: how to use the library with each framework, and how the frameworks differ.
//! 3. [`tasks`]: a guard for signed-in users, OAuth, connections that close at sign-out, background tasks, containers,
//!    Leptos, Loco and Dioxus.
//! 4. [`users`]: a user's sessions: lists, limits, "remember me", audit logs and metrics.
//! 5. [`practice`]: layer order, forms, tests, backups, from one machine to several.
//! 6. [`coming`]: migrating from tower-sessions and other libraries.
//! 7. [`security`]: every requirement, how it is met, and the tests that check it.

// The guides are pages of the documentation and not a separate book: rustdoc compiles their examples, checks their links
// to the API, and publishes them with the version that they describe.

#[cfg(feature = "derive")]
#[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
#[doc = include_str!("../docs/derive.md")]
pub mod derive {}

#[doc = include_str!("../docs/frameworks.md")]
pub mod frameworks {}

#[doc = include_str!("../docs/guides.md")]
#[doc = "```ignore"]
#[doc = include_str!("../docs/leptos.rs")]
#[doc = "```"]
#[doc = include_str!("../docs/loco.md")]
#[doc = "```ignore"]
#[doc = include_str!("../docs/loco.rs")]
#[doc = "```"]
#[doc = include_str!("../docs/dioxus.md")]
#[doc = "```ignore"]
#[doc = include_str!("../docs/dioxus.rs")]
#[doc = "```"]
pub mod tasks {}

#[doc = include_str!("../docs/users.md")]
pub mod users {}

#[doc = include_str!("../docs/practice.md")]
pub mod practice {}

#[cfg(not(doctest))] // Its examples are run by `level-session-tower-sessions`, which has the bridge.
#[doc = include_str!("../docs/coming.md")]
pub mod coming {}

#[doc = include_str!("../docs/security.md")]
pub mod security {}
