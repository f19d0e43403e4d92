//! The types that a framework's crate must define itself.

/// Defines `Session<T>`, `Error` and `Result<T>` for a crate that integrates level-session into a web framework.
///
/// Rust lets a crate implement a framework's traits only for its own types. These wrap [`Session`](crate::Session) and
/// [`Error`](crate::Error) and dereference to them. `Session<T>` has `into_inner`; a [`crate::Error`] converts into an
/// `Error` with `?`. Within the crate, `Session(session)` and `Error(error)` construct one, and `.0` is the wrapped
/// value.
///
/// ```
/// use level_session::SessionData;
///
/// level_session::adapter_types! {
///     /// A [`level_session::Session`], as an argument of a handler.
///     pub struct Session;
///
///     /// A [`level_session::Error`], as a response.
///     pub struct Error;
/// }
///
/// /// The extractor's trait of some framework.
/// trait Extract: Sized {
///     fn extract(request: &http::Extensions) -> Result<Self>;
/// }
///
/// impl<T: SessionData> Extract for Session<T> {
///     fn extract(request: &http::Extensions) -> Result<Self> {
///         Ok(Session(level_session::Session::from_extensions(request)?))
///     }
/// }
///
/// let error = Session::<()>::extract(&http::Extensions::new()).unwrap_err();
/// assert_eq!(error.status(), 500);
/// ```
#[macro_export]
macro_rules! adapter_types {
    (
        $(#[$session:meta])* pub struct Session;
        $(#[$error:meta])* pub struct Error;
    ) => {
        $(#[$session])*
        pub struct Session<T: $crate::SessionData = ()>($crate::Session<T>);

        impl<T: $crate::SessionData> Session<T> {
            /// The wrapped session, for functions that do not depend on the framework.
            #[must_use]
            pub fn into_inner(self) -> $crate::Session<T> {
                self.0
            }
        }

        impl<T: $crate::SessionData> ::core::ops::Deref for Session<T> {
            type Target = $crate::Session<T>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl<T: $crate::SessionData> ::core::fmt::Debug for Session<T> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Debug::fmt(&self.0, f)
            }
        }

        $(#[$error])*
        #[derive(Debug)]
        pub struct Error($crate::Error);

        impl ::core::convert::From<$crate::Error> for Error {
            fn from(error: $crate::Error) -> Self {
                Self(error)
            }
        }

        impl ::core::ops::Deref for Error {
            type Target = $crate::Error;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        /// The result of a handler that uses its session.
        pub type Result<T, E = Error> = ::core::result::Result<T, E>;
    };
}
