//! Prevents: a stolen phone that cannot be signed out since the Redis server has reached its `maxmemory` (L08, F09).

use level_session::{RedisStore, Safety, Session, SessionData, store::Store};
use level_session_servers::redis::{Server, program};
use level_session_tests::visitor::{App, Visitor};
use std::{sync::Arc, time::Duration};

#[derive(SessionData)]
struct Shop {
    #[session(index)]
    user_id: Option<u64>,
    #[session(counter)]
    visits: u64,
}

type Shopping = Session<Shop>;

async fn sign_in(app: &App, user: u64) -> Visitor {
    let mut visitor = Visitor::new();
    let signed_in = app.request(&mut visitor, async |s: Shopping| s.user_id().set(user));
    signed_in.await.expect("a sign-in");
    visitor
}

async fn user(app: &App, visitor: &mut Visitor) -> Option<u64> {
    let read = app.request(visitor, async |s: Shopping| s.user_id().await);
    read.await.expect("a read")
}

#[tokio::test]
async fn every_kind_of_sign_out_works_while_the_server_is_full() {
    let Some(program) = program("redis") else {
        eprintln!("skipped: there is no redis-server, as `tests/run` says");
        return;
    };
    let server = Server::start(&program, &[]).expect("redis-server starts");
    let store = RedisStore::builder()
        .safety(Safety::Ignore)
        .response_timeout(Duration::from_secs(10))
        .connect_timeout(Duration::from_secs(10))
        .connect(&server.url())
        .await
        .expect("a store on it");
    let app = App::over(Arc::new(store) as Arc<dyn Store>);
    let mut visitors = Vec::new();
    for _ in 0..5 {
        visitors.push(sign_in(&app, 7).await);
    }
    let mut stranger = sign_in(&app, 8).await;
    // A use is due now. It cannot be recorded, but the request must not fail.
    app.sleep(600);
    let full = |most: &str| {
        let set = server.say(&["CONFIG", "SET", "maxmemory", most]);
        assert_eq!(set.expect("an answer"), "+OK\n");
    };
    full("1");
    let visit = async |s: Shopping| s.visits().add(1);
    let refused = app
        .request(&mut stranger, visit)
        .await
        .expect_err("it is full");
    assert!(!refused.may_be_stored(), "{refused:?}");

    let [first, second, third, fourth, fifth] = &mut visitors[..] else {
        unreachable!("there are five");
    };
    let out = app.request(first, async |s: Shopping| s.destroy());
    out.await.expect("one signs out");
    assert_eq!(user(&app, first).await, None);

    let others = app.request(second, async |s: Shopping| {
        s.end_others(Shop::USER_ID).await
    });
    others.await.expect("all others are signed out");
    for other in [third, fourth, fifth] {
        assert_eq!(user(&app, other).await, None);
    }
    assert_eq!(user(&app, second).await, Some(7));
    let others = app.request(second, async |s: Shopping| {
        s.end_others(Shop::USER_ID).await
    });
    others.await.expect("there are none");

    let ended = app.sessions.end_all(Shop::USER_ID, &7).await;
    assert_eq!(ended.expect("all are signed out"), 1);
    assert_eq!(user(&app, second).await, None);
    let ended = app.sessions.end_all(Shop::USER_ID, &7).await;
    assert_eq!(ended.expect("there are none"), 0);
    assert_eq!(user(&app, &mut stranger).await, Some(8));

    full("0");
    app.request(&mut stranger, visit)
        .await
        .expect("it has room again");
}
