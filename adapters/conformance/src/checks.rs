//! The promises. All checks share a server, and each has its own client.

use crate::{
    Traits,
    client::Client,
    server::{Server, wait},
};
use std::thread;

type Check = fn(&mut Server, Traits);

macro_rules! checks {
    ($($name:ident)*) => {
        /// Every promise, by its name.
        pub(crate) const ALL: &[(&str, Check)] = &[$((stringify!($name), $name)),*];
    };
}

checks! {
    a_request_that_does_not_use_its_session_gets_no_cookie
    what_was_written_is_there_with_the_next_request
    a_response_that_used_the_session_is_not_for_shared_caches
    headers_of_the_handler_s_own_stay
    every_cookie_line_is_looked_at
    a_renewed_session_has_a_new_id_and_the_old_one_is_dead
    what_ended_stays_ended
    an_answer_of_4xx_stores_and_5xx_and_408_do_not
    a_panic_stores_nothing
    an_error_is_an_opaque_500_and_stores_nothing
    a_session_that_ended_meanwhile_is_a_409
    parallel_writers_lose_nothing
    a_client_that_goes_away
    a_body_reads_the_session_and_does_not_write
    a_head_request_leaves_a_flash_where_it_is
    two_layers_of_one_cookie_are_one_session
    two_cookies_are_two_sessions
    outside_of_the_middleware_there_is_no_session
    sessions_outlive_a_restart
    sessions_outlive_a_kill
}

fn a_request_that_does_not_use_its_session_gets_no_cookie(server: &mut Server, _: Traits) {
    let answer = server.client().get("/act/nothing");
    assert_eq!((answer.status, &*answer.body), (200, "done"));
    for header in ["set-cookie", "vary"] {
        assert_eq!(answer.first(header), None, "{answer:?}");
    }
    let answer = server.client().get("/act/read");
    assert_eq!(answer.body, "0 0", "a new visitor");
    assert_eq!(
        answer.first("set-cookie"),
        None,
        "the request only read: {answer:?}"
    );
}

fn what_was_written_is_there_with_the_next_request(server: &mut Server, _: Traits) {
    let mut client = server.client();
    client.text("/act/add");
    client.text("/act/add");
    assert_eq!(client.text("/act/read"), "2 2");
    assert_eq!(server.client().text("/act/read"), "0 0", "another visitor");
}

fn a_response_that_used_the_session_is_not_for_shared_caches(server: &mut Server, _: Traits) {
    let mut client = server.client();
    let made = client.get("/act/add");
    assert_eq!(made.all("set-cookie").count(), 1, "{made:?}");
    assert!(made.lists("cache-control", "no-store"), "{made:?}");
    assert!(made.lists("vary", "cookie"), "{made:?}");
    assert!(client.get("/act/read").lists("vary", "cookie"));
}

fn headers_of_the_handler_s_own_stay(server: &mut Server, _: Traits) {
    let mut client = server.client();
    let answer = client.get("/act/own");
    assert!(answer.lists("vary", "accept-language"), "{answer:?}");
    assert!(answer.lists("vary", "cookie"), "{answer:?}");
    let names: Vec<_> = client.jar.keys().map(String::as_str).collect();
    assert_eq!(names, ["__Host-s", "lang", "theme"], "{answer:?}");
    assert_eq!(answer.all("set-cookie").count(), 3, "{answer:?}");
    assert_eq!(client.text("/act/read"), "1 1");
}

/// A header may come in several lines, and its bytes need not be text.
fn every_cookie_line_is_looked_at(server: &mut Server, _: Traits) {
    let mut client = server.client();
    client.text("/act/add");
    let ours = &client.jar["__Host-s"];
    let mut lines = b"Cookie: theme=\xff\xfe\r\nCookie: lang=en; __Host-s=forged\r\n".to_vec();
    lines.extend(format!("Cookie: a=1; __Host-s={ours}\r\n").into_bytes());
    let answer = client.open_with("GET", "/act/read", &lines).answer();
    assert_eq!(answer.expect("an answer").body, "1 1");
}

fn a_renewed_session_has_a_new_id_and_the_old_one_is_dead(server: &mut Server, _: Traits) {
    let mut client = server.client();
    client.text("/act/add");
    let mut old = client.clone();
    client.text("/act/renew");
    assert_ne!(client.jar, old.jar);
    assert_eq!(client.text("/act/read"), "1 1");
    assert_eq!(old.text("/act/read"), "0 0");
}

fn what_ended_stays_ended(server: &mut Server, _: Traits) {
    let mut client = server.client();
    client.text("/act/add");
    let mut thief = client.clone();
    let answer = client.get("/act/destroy");
    assert_eq!(answer.status, 200);
    assert!(client.jar.is_empty(), "the cookie is removed: {answer:?}");
    assert_eq!(thief.text("/act/read"), "0 0");
    let stolen = thief.jar.clone();
    thief.text("/act/add");
    assert_ne!(thief.jar, stolen, "a separate session, with a new id");
    thief.jar = stolen;
    assert_eq!(thief.text("/act/read"), "0 0");
}

fn an_answer_of_4xx_stores_and_5xx_and_408_do_not(server: &mut Server, _: Traits) {
    let mut client = server.client();
    let mut counted = 0;
    for (status, stores) in [
        (302, true),
        (400, true),
        (401, true),
        (404, true),
        (408, false),
        (422, true),
        (500, false),
        (503, false),
    ] {
        assert_eq!(client.get(&format!("/act/add-{status}")).status, status);
        counted += u32::from(stores);
        assert_eq!(
            client.text("/act/read"),
            format!("{counted} {counted}"),
            "{status}"
        );
    }
    let before = client.jar.clone();
    for failing in ["/act/renew-500", "/act/destroy-503"] {
        let answer = client.get(failing);
        assert_eq!(answer.first("set-cookie"), None, "{answer:?}");
    }
    assert_eq!(client.jar, before);
    assert_eq!(client.text("/act/read"), "5 5", "neither has happened");
}

fn a_panic_stores_nothing(server: &mut Server, _: Traits) {
    let mut client = server.client();
    client.text("/act/add");
    if let Some(answer) = client.try_get("/act/panic") {
        assert_eq!(answer.status, 500, "{answer:?}");
        assert_eq!(answer.first("set-cookie"), None, "{answer:?}");
    }
    assert_eq!(client.text("/act/read"), "1 1", "the server continues");
}

fn an_error_is_an_opaque_500_and_stores_nothing(server: &mut Server, _: Traits) {
    let mut client = server.client();
    client.text("/act/add");
    let answer = client.get("/act/error");
    assert_eq!(answer.status, 500, "{answer:?}");
    for word in ["list", "session", "field", "number", "store"] {
        let body = answer.body.to_lowercase();
        assert!(!body.contains(word), "{word:?} in {body}");
    }
    assert_eq!(client.text("/act/read"), "1 1");
}

/// How many requests are waiting at the gate, and how many were cancelled there.
fn waiting(client: &mut Client) -> (usize, usize) {
    let text = client.text("/act/waiting");
    let (waiting, cancelled) = text.split_once(' ').expect("two numbers");
    let number = |text: &str| text.parse().expect("a number");
    (number(waiting), number(cancelled))
}

fn wait_for(client: &mut Client, number: usize) {
    wait("no request arrives at the gate, or leaves it", || {
        waiting(client).0 == number
    });
}

fn a_session_that_ended_meanwhile_is_a_409(server: &mut Server, _: Traits) {
    let mut client = server.client();
    let mut gate = server.client();
    client.text("/act/add");
    let slow = client.open("GET", "/act/wait");
    wait_for(&mut gate, 1);
    let mut other_tab = client.clone();
    other_tab.text("/act/destroy");
    gate.text("/act/release");
    let answer = slow.answer().expect("an answer");
    assert_eq!(answer.status, 409, "{answer:?}");
    assert_eq!(answer.body, "", "nothing of the handler's response is sent");
    assert!(answer.lists("cache-control", "no-store"), "{answer:?}");
    assert_eq!(client.text("/act/read"), "0 0");
}

fn parallel_writers_lose_nothing(server: &mut Server, _: Traits) {
    const WRITERS: usize = 8;
    const EACH: usize = 25;
    let mut client = server.client();
    client.text("/act/add");
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            let mut writer = client.clone();
            scope.spawn(move || (0..EACH).for_each(|_| drop(writer.text("/act/add"))));
        }
    });
    let all = WRITERS * EACH + 1;
    assert_eq!(client.text("/act/read"), format!("{all} {all}"));
}

fn a_client_that_goes_away(server: &mut Server, traits: Traits) {
    let mut client = server.client();
    let mut gate = server.client();
    client.text("/act/add");
    let (_, cancelled) = waiting(&mut gate);
    drop({
        let slow = client.open("GET", "/act/wait");
        wait_for(&mut gate, 1);
        slow
    });
    if traits.serves_the_gone {
        gate.text("/act/release");
        wait("its changes are not stored", || {
            client.text("/act/read") == "2 2"
        });
        assert_eq!(waiting(&mut gate), (0, cancelled));
    } else {
        wait_for(&mut gate, 0);
        assert_eq!(waiting(&mut gate), (0, cancelled + 1));
        assert_eq!(client.text("/act/read"), "1 1");
    }
}

fn a_body_reads_the_session_and_does_not_write(server: &mut Server, _: Traits) {
    let mut client = server.client();
    let mut gate = server.client();
    client.text("/act/add");
    let mut late = client.open("GET", "/late");
    let head = late.head().expect("a head");
    assert_eq!(head.status, 200);
    assert!(
        head.lists("vary", "cookie"),
        "the session may still be read: {head:?}"
    );
    wait_for(&mut gate, 1);
    client.text("/act/add");
    gate.text("/act/release");
    let body = late.body(&head);
    assert_eq!(body, "the head has left\n2 Err(Closed)");
    assert_eq!(client.text("/act/read"), "2 2");
}

fn a_head_request_leaves_a_flash_where_it_is(server: &mut Server, _: Traits) {
    let mut client = server.client();
    client.text("/act/notice");
    let head = client
        .open("HEAD", "/act/show")
        .answer()
        .expect("an answer");
    assert_eq!((head.status, &*head.body), (200, ""));
    assert_eq!(client.text("/act/show"), "well done");
    assert_eq!(client.text("/act/show"), "");
}

fn two_layers_of_one_cookie_are_one_session(server: &mut Server, _: Traits) {
    let mut client = server.client();
    let answer = client.get("/nested/add");
    client.receive(&answer);
    assert_eq!(answer.all("set-cookie").count(), 1, "{answer:?}");
    assert_eq!(client.get("/nested/renew").all("set-cookie").count(), 1);
    assert_eq!(client.text("/nested/read"), "1 1");
    assert_eq!(client.text("/act/read"), "1 1");
    client.get("/nested/add-500");
    assert_eq!(client.text("/act/read"), "1 1");
}

fn two_cookies_are_two_sessions(server: &mut Server, _: Traits) {
    let mut client = server.client();
    client.text("/act/add");
    assert_eq!(client.text("/two"), "2 1");
    assert_eq!(client.text("/two"), "3 2");
    assert_eq!(client.jar.len(), 2, "{:?}", client.jar.keys());
    assert_eq!(client.text("/act/read"), "3 1");
    client.jar.remove("__Host-s");
    assert_eq!(client.text("/two"), "1 3");
}

fn outside_of_the_middleware_there_is_no_session(server: &mut Server, traits: Traits) {
    if traits.is_everywhere {
        return;
    }
    let mut client = server.client();
    let answer = client.get("/outside/read");
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(!answer.body.contains("middleware"), "{answer:?}");
    assert_eq!(client.text("/optional"), "none");
}

fn sessions_outlive_a_restart(server: &mut Server, _: Traits) {
    let mut client = server.client();
    client.text("/act/add");
    server.stop();
    client.address = server.address();
    assert_eq!(client.text("/act/read"), "1 1");
}

fn sessions_outlive_a_kill(server: &mut Server, _: Traits) {
    let mut client = server.client();
    client.text("/act/add");
    let mut ended = client.clone();
    client.text("/act/renew");
    server.kill();
    client.address = server.address();
    ended.address = client.address;
    assert_eq!(client.text("/act/read"), "1 1");
    assert_eq!(ended.text("/act/read"), "0 0", "ended sessions stay ended");
}
