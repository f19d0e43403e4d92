//! A sharded store: a session stays in its place.

use crate::Shop;
use level_session::{
    ErrorKind, Session,
    store::{Commit, Digest, Home, Outcome, Step, Store, StoreFuture, Wrapper},
};
use level_session_tests::{
    over_every_store,
    visitor::{App, Visitor},
};
use std::sync::Arc;

type Shopping = Session<Shop>;

/// A store of 64 places, each like a separate machine: a commit cannot be atomic across places.
struct Sharded(Arc<dyn Store>);

impl Wrapper for Sharded {
    fn inner(&self) -> &dyn Store {
        &self.0
    }

    fn wrap_home(&self, id: Digest) -> Home {
        // A store that has homes keeps them.
        match self.0.home(Digest::from_bytes([0xff; 32])) {
            Home::ONLY => Home::new(u16::from(id.as_bytes()[5] % 64)),
            _ => self.0.home(id),
        }
    }

    fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        if let Step::Renew { to, .. } = commit.step {
            assert_eq!(self.wrap_home(to), self.wrap_home(commit.id));
        }
        self.0.commit(commit)
    }
}

/// Prevents: a renewal that a sharded store cannot make atomically (S01, L01).
#[tokio::test]
async fn a_renewal_stays_in_its_home() {
    over_every_store(async |store| {
        let app = App::over(Arc::new(Sharded(store)));
        let mut visitor = Visitor::new();
        app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
            .await
            .unwrap();
        let mut token: Option<String> = None;
        for round in 0..8 {
            token = app
                .request(&mut visitor, async |s: Shopping| {
                    if let Some(token) = &token {
                        assert!(s.verify_csrf(token).await?, "the form of round {round}");
                    }
                    match round % 4 {
                        0 => s.user_id().set(round)?, // it is sent without a read
                        1 => drop(s.user_id().await?),
                        _ => {}
                    }
                    if round == 6 {
                        s.destroy()?;
                        s.user_id().set(6)?;
                        return Ok(None);
                    }
                    s.renew()?;
                    match round % 2 {
                        0 => Ok(None),
                        _ => s.csrf_token().await.map(Some), // which draws the id early
                    }
                })
                .await
                .unwrap();
        }
        let user = app.request(&mut visitor, async |s: Shopping| s.user_id().await);
        assert_eq!(user.await.unwrap(), Some(6));
    })
    .await;
}

/// Prevents: a request that draws ids forever, because none has the required home.
#[tokio::test]
async fn a_generator_that_never_gives_an_id_of_the_home_is_an_error() {
    let app = App::over(Arc::new(Sharded(Arc::new(
        level_session::MemoryStore::new(),
    ))));
    let mut visitor = Visitor::new();
    app.request(&mut visitor, async |s: Shopping| s.user_id().set(7))
        .await
        .unwrap();
    // At least one of the two ids has another home than the session.
    let mut errors = Vec::new();
    for seed in [1, 2] {
        let app = app
            .clone()
            .with(|sessions| sessions.id_source(move || Ok([seed; 24])));
        let renewed = app.request(&mut visitor, async |s: Shopping| s.renew());
        errors.extend(renewed.await.err());
    }
    assert!(!errors.is_empty());
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Random);
        assert!(error.to_string().contains("generator"), "{error}");
    }
}
