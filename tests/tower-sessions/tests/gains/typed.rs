//! The third step: typed fields. Reading and writing a key, which can lose changes, becomes a single change.

use level_session::{Session as Ours, SessionData};
use level_session_tests::visitor::{App, Visitor};
use level_session_tests_tower_sessions::on_memory;
use std::sync::Arc;
use tower_sessions_0_15::{MemoryStore, Session, SessionStore};

#[derive(SessionData)]
struct Shop {
    #[session(counter)]
    visits: u64,
    #[session(default)]
    cart: Vec<String>,
    code: Option<String>,
}

/// Two requests on one session of tower-sessions, both of which have loaded it.
async fn two<S: SessionStore>(store: S) -> (Arc<S>, [Session; 2]) {
    let store = Arc::new(store);
    let session = Session::new(None, store.clone(), None);
    session.insert("visits", 1).await.unwrap();
    session.insert("code", "1234").await.unwrap();
    session.save().await.unwrap();
    let requests = [(); 2].map(|()| Session::new(session.id(), store.clone(), None));
    for request in &requests {
        request.load().await.unwrap();
    }
    (store, requests)
}

async fn counted_by_two<S: SessionStore>(store: S) -> u64 {
    let (store, requests) = two(store).await;
    for request in &requests {
        let visits: u64 = request.get("visits").await.unwrap().unwrap();
        request.insert("visits", visits + 1).await.unwrap();
    }
    for request in &requests {
        request.save().await.unwrap();
    }
    let session = Session::new(requests[0].id(), store, None);
    session.get("visits").await.unwrap().unwrap()
}

/// One of our sessions with the same fields, and two requests on it.
async fn two_of_ours(app: &App, visitor: &mut Visitor) -> [Ours<Shop>; 2] {
    let begin = async |session: Ours<Shop>| {
        session.visits().add(1)?;
        session.code().set("1234")
    };
    app.request(visitor, begin).await.unwrap();
    [app.begin(visitor), app.begin(visitor)]
}

/// Prevents: a visit, or an item in the cart, that a concurrent request overwrites.
#[tokio::test]
async fn of_two_changes_of_one_field_none_is_lost() {
    // Both stores lose a change with a session of tower-sessions.
    assert_eq!(counted_by_two(MemoryStore::default()).await, 2);
    assert_eq!(counted_by_two(on_memory()).await, 2);

    let (app, mut visitor) = (App::new(), Visitor::new());
    let requests = two_of_ours(&app, &mut visitor).await;
    for (request, item) in requests.iter().zip(["tea", "rice"]) {
        assert_eq!(request.visits().await.unwrap(), 1);
        request.visits().add(1).unwrap();
        let put = move |cart: &mut Vec<String>| cart.push(item.to_owned());
        request.cart().update(put).await.unwrap();
    }
    for request in &requests {
        app.finish(request, &mut visitor).await.unwrap();
    }
    let session: Ours<Shop> = app.begin(&visitor);
    assert_eq!(session.visits().await.unwrap(), 3);
    assert_eq!(session.cart().await.unwrap(), ["tea", "rice"]);
}

/// Prevents: a one-time code that two concurrent requests both accept.
#[tokio::test]
async fn a_code_is_taken_once() {
    async fn accepted<S: SessionStore>(store: S) -> usize {
        let (_, requests) = two(store).await;
        let mut accepted = 0;
        for request in &requests {
            let code: Option<String> = request.remove("code").await.unwrap();
            accepted += usize::from(code.is_some());
        }
        for request in &requests {
            request.save().await.unwrap();
        }
        accepted
    }
    assert_eq!(accepted(MemoryStore::default()).await, 2);
    assert_eq!(accepted(on_memory()).await, 2);

    let (app, mut visitor) = (App::new(), Visitor::new());
    let requests = two_of_ours(&app, &mut visitor).await;
    let mut accepted = 0;
    for request in &requests {
        accepted += usize::from(request.code().take().await.unwrap().is_some());
    }
    assert_eq!(accepted, 1);
}
