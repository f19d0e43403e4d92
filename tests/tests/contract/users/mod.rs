//! Finding, listing, ending and limiting the sessions of a user, and the lifetime of a session (requirements L08, L09, L15).

mod ending;
mod finding;
mod lifetimes;
mod limits;
mod processes;
mod racing;

use crate::Shop;
use level_session::{Session, SessionData, SessionHandle, Sessions, store::Store};
use level_session_tests::visitor::{App, Visitor};
use std::sync::Arc;

type Shopping = Session<Shop>;

/// Users with limits.
#[derive(SessionData)]
#[session(namespace = "member")]
struct Member {
    /// At most three sessions: a further one ends the oldest.
    #[session(index, limit = 3)]
    user: Option<String>,
    /// At most two sessions: a further one is rejected.
    #[session(index, limit = 2, when_full = "refuse")]
    seat: Option<u32>,
    /// A field that a rejected commit must not store.
    note: Option<String>,
}

type Membership = Session<Member>;

async fn sign_in(app: &App, user: u64) -> Visitor {
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.user_id().set(user))
        .await
        .unwrap();
    visitor
}

/// The user as whom this browser is signed in.
async fn user(app: &App, visitor: &mut Visitor) -> Option<u64> {
    app.request(visitor, async |s: Shopping| s.user_id().await)
        .await
        .unwrap()
}

/// The handle of this browser's session.
fn handle(app: &App, visitor: &Visitor) -> SessionHandle {
    app.begin::<Shop>(visitor).handle().unwrap()
}

/// The handles of a user's sessions, in order.
async fn found(sessions: &Sessions, user: u64) -> Vec<SessionHandle> {
    let mut found = Vec::new();
    let mut listing = sessions.find(Shop::USER_ID, &user).page_size(3);
    while let Some(page) = listing.next_page().await.unwrap() {
        assert!((1..=3).contains(&page.len()), "a page of {}", page.len());
        found.extend(page.iter().map(level_session::Found::handle));
    }
    found.sort_unstable();
    found
}

fn sorted(mut handles: Vec<SessionHandle>) -> Vec<SessionHandle> {
    handles.sort_unstable();
    handles
}

/// A shared store that can be wrapped.
type Shared = Arc<dyn Store>;
