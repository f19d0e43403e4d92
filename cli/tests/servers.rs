//! Runs the program on real servers while an application uses them.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod kit;

use kit::{SECRET, over, run, sessions, sign_in};
use level_session::{PostgresStore, RedisStore, SessionHandle, Sessions};
use level_session_servers::{
    postgres::Postgres,
    redis::{Server, programs},
};
use std::collections::BTreeSet;

fn handles(out: &str) -> BTreeSet<String> {
    let lines = out.lines().filter(|line| !line.starts_with(' '));
    lines.map(|line| line[..64].to_owned()).collect()
}

/// The test for every server. `damage` breaks a value of a session, `forget` removes all index entries, `keeps` makes the store
/// keep a session too long, and `kept` is the finding for that.
async fn inspect(
    url: &str,
    application: &Sessions,
    damage: impl Fn(SessionHandle),
    forget: impl Fn(),
    keeps: impl Fn(SessionHandle),
    kept: &str,
) {
    let (mut all, mut requests) = (Vec::new(), Vec::new());
    for user in [7, 7, 8] {
        let (handle, request) = sign_in(application, user).await;
        all.push(handle);
        requests.push(request);
    }
    let texts: Vec<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!(
        handles(&over(url, &["list"]).ok().out),
        texts.iter().cloned().collect()
    );
    let found = over(url, &["find", "user_id", "7", "--fields"]).ok();
    assert_eq!(handles(&found.out), texts[..2].iter().cloned().collect());
    let shown = over(url, &["show", &texts[2], "--values"]);
    assert!(shown.code == 0 && shown.out.contains(SECRET), "{shown:?}");
    let said = over(url, &["verify", "--index", "user_id"]).ok();
    assert_eq!(said.out, "verified: 3, findings: 0\n");

    // A session that the program ends has ended for the application as well.
    over(url, &["end", &texts[2]]).ok();
    assert!(application.show(&all[2]).await.unwrap().is_none());
    over(url, &["end", &texts[2]]).ends(1);
    assert_eq!(over(url, &["count"]).ok().out, "2 sessions live\n");

    forget();
    let said = over(url, &["verify", "--index", "user_id"]).ends(1);
    assert_eq!(said.lines().len(), 3, "{said:?}");
    assert!(said.out.contains("has no entry"), "{said:?}");
    over(url, &["reindex", "user_id"]).ok();
    over(url, &["verify", "--index", "user_id"]).ok();
    let found = over(url, &["find", "user_id", "7"]).ok();
    assert_eq!(handles(&found.out), texts[..2].iter().cloned().collect());

    keeps(all[1]);
    let said = over(url, &["verify"]).ends(1);
    let found = format!("{}  {kept}", texts[1]);
    assert!(said.out.starts_with(&found), "{said:?}");
    assert_eq!(said.lines().len(), 2, "{said:?}");
    // The next use of the session restores its correct expiry.
    let request = requests[1].clone();
    let session = application.begin_typed::<kit::Shop>(&request).unwrap();
    session.touch().unwrap();
    application
        .finish(&session, &mut http::HeaderMap::new())
        .await
        .unwrap();
    over(url, &["verify"]).ok();

    damage(all[0]);
    let said = over(url, &["verify"]).ends(1);
    assert!(
        said.out.starts_with(&format!("{}  secret: ", texts[0])),
        "{said:?}"
    );
    assert_eq!(said.lines().len(), 2, "{said:?}");
    let said = over(url, &["end-all", "user_id", "7"]).ok();
    assert_eq!(said.out, "2 sessions ended\n");
    over(url, &["sweep"]).ok();
    over(url, &["verify"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_in_redis_are_inspected_while_they_are_used() {
    let servers = programs();
    if servers.is_empty() {
        println!("skipped: there is no Redis and no Valkey on this machine");
    }
    for (name, path) in servers {
        println!("on {name}");
        let server = Server::start(&path, &[]).unwrap();
        let application = sessions(RedisStore::connect(&server.url()).await.unwrap());
        let damage = |session: SessionHandle| {
            let script = "local id = string.gsub(ARGV[1], '..', function(hex) \
                          return string.char(tonumber(hex, 16)) end) \
                          for _, key in ipairs(redis.call('KEYS', '*')) do \
                          if string.sub(key, -32) == id then redis.call('HSET', key, '.secret', 'xx') \
                          return 'damaged' end end";
            let said = server.say(&["EVAL", script, "0", &session.to_string()]);
            assert_eq!(said.unwrap().trim(), "damaged");
        };
        let forget = || {
            let script = "for _, key in ipairs(redis.call('KEYS', '*')) do \
                          if redis.call('TYPE', key).ok == 'zset' then redis.call('DEL', key) end end \
                          return 'forgotten'";
            let said = server.say(&["EVAL", script, "0"]);
            assert_eq!(said.unwrap().trim(), "forgotten");
        };
        let keeps = |session: SessionHandle| {
            let script = "local id = string.gsub(ARGV[1], '..', function(hex) \
                          return string.char(tonumber(hex, 16)) end) \
                          for _, key in ipairs(redis.call('KEYS', '*')) do \
                          if string.sub(key, -32) == id then return tostring(redis.call('PERSIST', key)) end end";
            let said = server.say(&["EVAL", script, "0", &session.to_string()]);
            assert_eq!(said.unwrap().trim(), "1");
        };
        let found = "has no time to live";
        inspect(&server.url(), &application, damage, forget, keeps, found).await;
        redis_is_told_what_is_not_indexed(&server, &application).await;
        let url = server.url();
        server.kill();
        // An unavailable server is not reported as damage.
        let said = over(&url, &["verify"]).ends(2);
        assert_eq!(said.out, "");
    }
}

/// Finds missing entries without the application's types, and reports nothing for ended sessions.
async fn redis_is_told_what_is_not_indexed(server: &Server, application: &Sessions) {
    let (handle, _) = sign_in(application, 5).await;
    let (ended, _) = sign_in(application, 5).await;
    application.end(&ended).await.unwrap();
    over(&server.url(), &["verify"]).ok();
    let script = "local id = string.gsub(ARGV[1], '..', function(hex) \
                  return string.char(tonumber(hex, 16)) end) \
                  local removed = 0 \
                  for _, key in ipairs(redis.call('KEYS', '*')) do \
                  if redis.call('TYPE', key).ok == 'zset' then \
                  removed = removed + redis.call('ZREM', key, id) end end return tostring(removed)";
    let said = server.say(&["EVAL", script, "0", &handle.to_string()]);
    assert_eq!(said.unwrap().trim(), "1");
    let said = over(&server.url(), &["verify"]).ends(1);
    let found = format!("{handle}  user_id: has no entry in the index: `reindex` creates it");
    assert_eq!(said.lines(), [&*found, "verified: 1, findings: 1"]);
    over(&server.url(), &["reindex", "user_id"]).ok();
    over(&server.url(), &["verify"]).ok();
    over(&server.url(), &["end", &handle.to_string()]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_in_postgres_are_inspected_while_they_are_used_and_copied_from_redis() {
    let postgres = match Postgres::start(&["fsync=off"]) {
        Ok(postgres) => postgres,
        Err(cause) => {
            println!("skipped: {cause}");
            return;
        }
    };
    let url = postgres.url();
    let said = over(&url, &["list"]).ends(2);
    assert!(!said.err.is_empty() && !said.err.contains(&url), "{said:?}");
    PostgresStore::builder(&url).migrate().await.unwrap();
    let application = sessions(PostgresStore::connect(&url).await.unwrap());
    let sql = |sql: &str| drop(postgres.psql(sql).unwrap());
    let damage = |session: SessionHandle| {
        sql(&format!(
            "UPDATE level_session.session SET fields = jsonb_set(fields, '{{secret}}', '\"AAAA\"') \
             WHERE digest = '\\x{session}'"
        ));
    };
    let forget = || sql("UPDATE level_session.session SET entries = '{}'");
    let keeps = |session: SessionHandle| {
        sql(&format!(
            "UPDATE level_session.session SET due = due + 3600000000 WHERE digest = '\\x{session}'"
        ));
    };
    let found = "is examined by the sweep after its deadline";
    inspect(&url, &application, damage, forget, keeps, found).await;
    let (handle, _) = sign_in(&application, 9).await;
    sql(&format!(
        "UPDATE level_session.session SET fields = fields - 'user_id' WHERE digest = '\\x{handle}'"
    ));
    let said = over(&url, &["verify"]).ends(1);
    let found = format!("{handle}  user_id: has an index entry and is not there");
    assert!(said.lines()[0].starts_with(&found), "{said:?}");
    assert_eq!(said.lines().len(), 2, "{said:?}");
    over(&url, &["end", &handle.to_string()]).ok();

    let Some((_, path)) = programs().into_iter().next() else {
        println!("skipped: there is no Redis to copy from");
        return;
    };
    let server = Server::start(&path, &[]).unwrap();
    let there = sessions(RedisStore::connect(&server.url()).await.unwrap());
    let (handle, _) = sign_in(&there, 9).await;
    let said = run(&["copy", &server.url(), &url, "--index", "user_id"]).ok();
    assert_eq!(said.out, "copied: 1, left alone: 0, failed: 0\n");
    let found = over(&url, &["find", "user_id", "9"]).ok();
    assert_eq!(handles(&found.out), BTreeSet::from([handle.to_string()]));
}

#[test]
fn a_password_is_not_shown() {
    for url in [
        format!("redis://:{SECRET}@127.0.0.1:1"),
        format!("postgres://shop:{SECRET}@127.0.0.1:1/shop"),
        format!("postgres://shop:{SECRET}@[/shop"),
    ] {
        let said = over(&url, &["list"]).ends(2);
        assert!(!said.err.is_empty());
        // Nor if the URL comes from an environment variable, nor in the help.
        let mut program = kit::program();
        program.env("LEVEL_SESSION_STORE", &url).arg("--help");
        let help = String::from_utf8(program.output().unwrap().stdout).unwrap();
        assert!(help.contains("LEVEL_SESSION_STORE") && !help.contains(SECRET));
        let mut program = kit::program();
        let by_name = program.env("OLD_STORE", &url);
        let output = by_name
            .args(["--store", "env:OLD_STORE", "list"])
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(err, said.err, "it is the same store");
        assert_eq!(output.status.code(), Some(2));
    }
}
