//! Prevents: an id, a cookie, a signing key or a field's value in a log, where backups, colleagues and tools can read
//! it (S08).
//!
//! The test runs a broad journey with every kind of failure, at TRACE level and with fjall's log, and checks the
//! `Debug` output of every public type. It is a separate binary, because it captures the process's logs.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod journey;
mod types;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use level_session::SessionData;
use level_session_tests::visitor::Visitor;
use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex},
};
use tracing_subscriber::fmt::MakeWriter;

/// The session data of the journey.
#[derive(Debug, Default, SessionData)]
pub(crate) struct Account {
    /// A private number.
    #[session(index)]
    pub(crate) card: Option<u64>,
    /// A private text.
    #[session(default)]
    pub(crate) diary: String,
    /// A private sum.
    #[session(counter)]
    pub(crate) balance: u64,
    /// Shown once.
    #[session(flash)]
    pub(crate) notice: Option<String>,
    #[session(flash)]
    pub(crate) notices: Vec<String>,
}

pub(crate) const CARD: u64 = 4_929_123_412_341;
pub(crate) const DIARY: &str = "dear-diary-nobody-reads-this";
pub(crate) const BALANCE: u64 = 7_310_571;
pub(crate) const KEY: &str = "the-signing-key-that-nobody-knows";
pub(crate) const OLD_KEY: &str = "the-former-key-that-nobody-knows.";

/// The secrets in every encoding that a log could contain.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Arc<Mutex<BTreeSet<String>>>);

impl Secrets {
    fn new() -> Self {
        let secrets = Self::default();
        for text in [DIARY, KEY, OLD_KEY] {
            secrets.add(text.as_bytes());
        }
        for number in [CARD, BALANCE] {
            secrets.0.lock().unwrap().insert(number.to_string());
        }
        secrets
    }

    pub(crate) fn add(&self, bytes: &[u8]) {
        assert!(bytes.len() >= 8, "too short to be told apart");
        let list = |bytes: &[u8]| {
            format!("{:?}", &bytes[..8])
                .trim_matches(['[', ']'])
                .to_owned()
        };
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let mut all = self.0.lock().unwrap();
        all.extend([
            hex(&bytes[..8]),
            hex(&bytes[..8]).to_uppercase(),
            list(bytes),
            STANDARD.encode(&bytes[..6]),
            URL_SAFE_NO_PAD.encode(&bytes[..6]),
            bytes[..8].escape_ascii().to_string(),
        ]);
        all.extend(std::str::from_utf8(bytes).ok().map(str::to_owned));
    }

    /// The cookies of a visitor: the id and the signature, as text and as bytes.
    pub(crate) fn add_cookies(&self, visitor: &Visitor) {
        for part in visitor.jar.values().flat_map(|value| value.split('.')) {
            self.add(part.as_bytes());
            self.add(&URL_SAFE_NO_PAD.decode(part).unwrap());
        }
    }

    fn found_in(&self, text: &str) -> Option<String> {
        let all = self.0.lock().unwrap();
        assert!(all.len() > 50, "the journey has given secrets away");
        all.iter().find(|secret| text.contains(&**secret)).cloned()
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn nothing_that_is_printed_shows_an_id_a_cookie_a_key_or_a_value() {
    let log = Log::default();
    tracing_log::LogTracer::init().unwrap();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let secrets = Secrets::new();

    journey::over_memory(&secrets).await;
    journey::over_fjall(&secrets).await;
    let printed = types::all(&secrets).await;

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for expected in [
        "request rejected: its session ended while it was being handled",
        "request failed: its session could not be stored",
        "request failed: session error",
        "a session observer panicked",
        "a session is left unswept",
        "other users of this machine can read",
        "level_session",
        "fjall", // its own records
    ] {
        assert!(
            logged.contains(expected),
            "the journey did not pass {expected:?}"
        );
    }
    if let Some(secret) = secrets.found_in(&logged) {
        let line = logged.lines().find(|line| line.contains(&secret));
        panic!("logged: {secret:?} in {line:?}");
    }
    for (what, text) in printed {
        assert_eq!(secrets.found_in(&text), None, "{what} prints {text}");
    }
}
