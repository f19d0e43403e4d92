//! STUB
use proc_macro::TokenStream;
/// Stub.
#[proc_macro_derive(SessionData, attributes(session))]
pub fn session_data(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
