//! Runs the program, and creates sessions for it to inspect.
#![allow(dead_code, reason = "each test program uses a part of it")]

use http::HeaderMap;
use level_session::{
    Keyring, SessionData, SessionHandle, Sessions,
    store::{Digest, Store},
};
use std::{
    path::Path,
    process::{Command, Stdio},
};

/// A value that must not be printed unless values are requested.
pub(crate) const SECRET: &str = "s3cret-of-a-visitor";

#[derive(SessionData)]
pub(crate) struct Shop {
    #[session(index)]
    pub(crate) user_id: Option<u64>,
    pub(crate) secret: Option<String>,
}

pub(crate) fn sessions(store: impl Store) -> Sessions {
    Sessions::new(store, Keyring::new([[7_u8; 32]]).unwrap())
}

/// Creates a session of this user. Returns its handle and the request headers with its cookie.
pub(crate) async fn sign_in(sessions: &Sessions, user: u64) -> (SessionHandle, HeaderMap) {
    let session = sessions.begin_typed::<Shop>(&HeaderMap::new()).unwrap();
    session.user_id().set(user).unwrap();
    session.secret().set(SECRET).unwrap();
    let mut response = HeaderMap::new();
    sessions.finish(&session, &mut response).await.unwrap();
    let cookie = response["set-cookie"].to_str().unwrap();
    let pair = cookie.split(';').next().unwrap();
    let request = HeaderMap::from_iter([(http::header::COOKIE, pair.parse().unwrap())]);
    (session.handle().unwrap(), request)
}

pub(crate) fn hex(id: Digest) -> String {
    SessionHandle::from(id).to_string()
}

/// The output of the program.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.out.lines().collect()
    }

    /// Each line as JSON.
    pub(crate) fn objects(&self) -> Vec<serde_json::Value> {
        let lines = self.out.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Asserts that the command succeeded and printed no secret.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.ends(0)
    }

    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(!self.out.contains(SECRET), "{self:?}");
        assert!(!self.err.contains(SECRET), "{self:?}");
        self
    }
}

pub(crate) fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_level-session"));
    program.env_remove("LEVEL_SESSION_STORE");
    program
}

pub(crate) fn run(arguments: &[&str]) -> Said {
    let output = program()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// Runs a command on one store.
pub(crate) fn over(store: &str, arguments: &[&str]) -> Said {
    run(&[&["--store", store], arguments].concat())
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
