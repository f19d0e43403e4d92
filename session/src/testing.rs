//! Helpers for tests of applications.

use crate::{
    error::Result,
    session::{Session, SessionData},
    sessions::Sessions,
};
use http::{HeaderMap, HeaderValue, header::SET_COOKIE};

/// Creates a session, fills it with `fill`, and returns the `Cookie` header for it, for example of a signed-in user. Each call
/// creates a new session. Pass the same [`Sessions`] that the application under test uses.
///
/// ```
/// use level_session::{Keyring, MemoryStore, Session, SessionData, Sessions, testing};
///
/// #[derive(SessionData)]
/// struct Account {
///     user_id: Option<u64>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = Sessions::new(MemoryStore::new(), Keyring::generate()?);
/// let cookie = testing::cookie_of(&sessions, async |session: &Session<Account>| session.user_id().set(7)).await?;
///
/// let request = http::Request::builder().header("cookie", cookie).body(())?;
/// let session: Session<Account> = sessions.begin_typed(request.headers())?;
/// assert_eq!(session.user_id().await?, Some(7));
/// # Ok(()) }
/// ```
///
/// # Errors
/// Those of `fill` and of the commit.
pub async fn cookie_of<T: SessionData>(
    sessions: &Sessions,
    fill: impl AsyncFnOnce(&Session<T>) -> Result<()>,
) -> Result<HeaderValue> {
    let session = sessions.begin_typed(&HeaderMap::new())?;
    fill(&session).await?;
    let mut response = HeaderMap::new();
    sessions.finish(&session, &mut response).await?;
    let cookies = response.get_all(SET_COOKIE).iter();
    let pairs = cookies.filter_map(|cookie| cookie.as_bytes().split(|byte| *byte == b';').next());
    let pairs: Vec<_> = pairs.collect();
    let mut cookie = HeaderValue::from_bytes(&pairs.join(&b"; "[..])).expect("parts of headers");
    cookie.set_sensitive(true);
    Ok(cookie)
}
