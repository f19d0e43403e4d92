//! Frameworks whose traits must be implemented in this crate, since [`Session`](crate::Session) and
//! [`Error`](crate::Error) are its types. Other frameworks have separate crates, with the types of
//! [`adapter_types`](crate::adapter_types).
//!
//! The decisions are made in [`exchange`](crate::exchange); an adapter only carries them out.

#[cfg(feature = "actix-web-4")]
mod actix_web;
#[cfg(feature = "poem-3")]
mod poem;
mod types;

#[cfg(feature = "actix-web-4")]
pub use self::actix_web::ActixWebService;
#[cfg(feature = "poem-3")]
pub use self::poem::PoemEndpoint;
