//! A site that migrates from Node: our cookies are read by the real npm packages `cookies` and `keygrip`, and theirs by
//! us.
//!
//! The test needs `node` and `npm`, and the npm registry on the first run; without the two commands it prints a note
//! and passes.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, SET_COOKIE},
};
use level_session::{CookieConfig, Keyring, Session, Sessions, store::MemoryStore};
use level_session_tests::visitor::Visitor;
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, LazyLock},
};

const OLD: &str = "an old key of thirty-two bytes..";
const NEW: &str = "a new key, which is longer than thirty-two bytes";
const FOREIGN: &str = "the key of somebody else altogether";

/// The Node site.
struct Node {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Node {
    /// `None` if this machine has no Node.
    fn start() -> Option<Self> {
        let runs = |command| {
            let version = Command::new(command).arg("--version").output();
            version.is_ok_and(|output| output.status.success())
        };
        if !runs("node") || !runs("npm") {
            eprintln!("skipped: the exchange with Node needs `node` and `npm` (apt install npm)");
            return None;
        }
        let mut process = Command::new("node")
            .arg("exchange.js")
            .current_dir(&*INSTALLED)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Some(Self {
            process,
            input,
            output,
        })
    }

    fn ask(&mut self, question: &Value) -> (Option<String>, HeaderMap) {
        writeln!(self.input, "{question}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        let lines = answer["cookies"].as_array().unwrap().iter();
        let headers = lines.map(|line| {
            let value = HeaderValue::from_str(line.as_str().unwrap()).unwrap();
            (SET_COOKIE, value)
        });
        let value = answer["value"].as_str().map(str::to_owned);
        (value, headers.collect())
    }

    /// The value that the site reads from a visitor's cookies; the visitor receives its `Set-Cookie` headers.
    fn read(&mut self, keys: &[&str], visitor: &mut Visitor) -> (Option<String>, HeaderMap) {
        let (value, headers) = self.ask(&json!({ "keys": keys, "cookie": header(visitor) }));
        visitor.receive(&expired_is_removed(&headers));
        (value, headers)
    }

    /// The site sets its signed cookie for a visitor.
    fn write(&mut self, keys: &[&str], visitor: &mut Visitor, value: &str) {
        let question = json!({ "keys": keys, "cookie": header(visitor), "value": value });
        let (_, headers) = self.ask(&question);
        visitor.receive(&headers);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder with the script and the packages, installed once for all runs.
static INSTALLED: LazyLock<PathBuf> = LazyLock::new(installed);

fn installed() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("keygrip");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keygrip");
    fs::create_dir_all(&folder).unwrap();
    let wanted = fs::read_to_string(source.join("package.json")).unwrap();
    let is_installed = folder.join("node_modules/keygrip").exists()
        && fs::read_to_string(folder.join("package.json")).is_ok_and(|there| there == wanted);
    fs::copy(source.join("exchange.js"), folder.join("exchange.js")).unwrap();
    if !is_installed {
        fs::write(folder.join("package.json"), wanted).unwrap();
        let quiet = [
            "--no-package-lock",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ];
        let mut npm = Command::new("npm");
        npm.arg("install").args(quiet).current_dir(&folder);
        let output = npm.output().unwrap();
        assert!(
            output.status.success(),
            "npm cannot install the packages: {output:?}"
        );
    }
    folder
}

fn header(visitor: &Visitor) -> String {
    let headers = visitor.request();
    let header = headers.get(COOKIE).map(|value| value.to_str().unwrap());
    header.unwrap_or("").to_owned()
}

/// Node removes a cookie with `expires` only; the cookie jar of these tests supports only `Max-Age`.
fn expired_is_removed(headers: &HeaderMap) -> HeaderMap {
    let all = headers.get_all(SET_COOKIE).iter();
    all.map(|header| {
        let text = header.to_str().unwrap().to_ascii_lowercase();
        let removed = text.contains("expires=thu, 01 jan 1970");
        let suffix = if removed { "; Max-Age=0" } else { "" };
        let text = format!("{}{suffix}", header.to_str().unwrap());
        (SET_COOKIE, HeaderValue::from_str(&text).unwrap())
    })
    .collect()
}

/// Our site, with these keys, over one store.
struct Ours(Arc<MemoryStore>);

impl Ours {
    fn sessions(&self, keys: &[&str]) -> Sessions {
        let config = CookieConfig::builder().name("s").secure(false).keygrip();
        Sessions::builder(self.0.clone(), Keyring::new(keys).unwrap())
            .cookie(config.build().unwrap())
            .build()
            .unwrap()
    }

    async fn sign_in(&self, keys: &[&str]) -> Visitor {
        let mut visitor = Visitor::new();
        let session = self.sessions(keys).begin(&visitor.request());
        session.set("user", 7).unwrap();
        self.end(keys, &session, &mut visitor).await;
        visitor
    }

    async fn user(&self, keys: &[&str], visitor: &mut Visitor) -> (Option<u64>, HeaderMap) {
        let session: Session = self.sessions(keys).begin_typed(&visitor.request()).unwrap();
        let user = session.get("user").await.unwrap();
        (user, self.end(keys, &session, visitor).await)
    }

    async fn end(
        &self,
        keys: &[&str],
        session: &level_session::UntypedSession,
        visitor: &mut Visitor,
    ) -> HeaderMap {
        let mut response = HeaderMap::new();
        let sessions = self.sessions(keys);
        sessions.finish(session, &mut response).await.unwrap();
        visitor.receive(&response);
        response
    }
}

/// Prevents: all users signed out on the day of the migration, or of a rollback.
#[tokio::test]
async fn either_side_reads_what_the_other_has_signed() {
    let Some(mut node) = Node::start() else {
        return;
    };
    let ours = Ours(Arc::default());
    let mut visitor = ours.sign_in(&[NEW]).await;
    let id = visitor.jar["s"].clone();
    let (read, headers) = node.read(&[NEW], &mut visitor);
    assert_eq!(read.as_deref(), Some(&*id), "npm reads ours");
    assert!(headers.is_empty(), "{headers:?}");

    let mut moved = Visitor::new();
    node.write(&[NEW], &mut moved, &id);
    assert_eq!(moved, visitor, "the same two cookies");
    let (user, headers) = ours.user(&[NEW], &mut moved).await;
    assert_eq!(user, Some(7), "we read npm's");
    assert!(!headers.contains_key(SET_COOKIE), "{headers:?}");
}

/// Prevents: a key rotation that one side does not follow.
#[tokio::test]
async fn either_side_signs_again_what_an_older_key_has_signed() {
    let Some(mut node) = Node::start() else {
        return;
    };
    let ours = Ours(Arc::default());
    let rotating: &[&str] = &[NEW, OLD];

    let mut visitor = ours.sign_in(&[OLD]).await;
    let (id, old) = (visitor.jar["s"].clone(), visitor.jar["s.sig"].clone());
    let (read, headers) = node.read(rotating, &mut visitor);
    assert_eq!(read.as_deref(), Some(&*id));
    assert_eq!(headers.len(), 1, "npm signs ours again: {headers:?}");
    assert_ne!(visitor.jar["s.sig"], old);
    let (user, _) = ours.user(&[NEW], &mut visitor).await;
    assert_eq!(user, Some(7));

    let mut visitor = Visitor::new();
    node.write(&[OLD], &mut visitor, &id);
    assert_eq!(visitor.jar["s.sig"], old);
    let (user, headers) = ours.user(rotating, &mut visitor).await;
    assert_eq!(user, Some(7));
    assert!(headers.contains_key(SET_COOKIE), "we sign npm's again");
    let (read, headers) = node.read(&[NEW], &mut visitor);
    assert_eq!(read.as_deref(), Some(&*id));
    assert!(headers.is_empty(), "{headers:?}");
}

/// Prevents: a signature that only one side accepts, and an invalid signature that is never removed.
#[tokio::test]
async fn neither_side_accepts_a_bad_signature_and_either_removes_it() {
    let Some(mut node) = Node::start() else {
        return;
    };
    let ours = Ours(Arc::default());
    let good = ours.sign_in(&[NEW]).await;
    let foreign = ours.sign_in(&[FOREIGN]).await;
    let with = |signature: &str| {
        let mut visitor = good.clone();
        visitor.jar.insert("s.sig".into(), signature.into());
        visitor
    };
    let sig = &good.jar["s.sig"];
    let flipped = format!(
        "{}{}",
        if sig.starts_with('A') { "B" } else { "A" },
        &sig[1..]
    );
    for bad in [with(&flipped), with(&foreign.jar["s.sig"]), foreign] {
        let mut theirs = bad.clone();
        let (read, _) = node.read(&[NEW], &mut theirs);
        assert_eq!(read, None, "{bad:?}");
        assert!(!theirs.jar.contains_key("s.sig"), "npm removes it");

        let mut here = bad.clone();
        let (user, _) = ours.user(&[NEW], &mut here).await;
        assert_eq!(user, None, "{bad:?}");
        assert_eq!(here, theirs, "so do we, and leave the rest alone");
    }
    // A cookie without a signature is not ours to remove.
    let mut unsigned = good.clone();
    unsigned.jar.remove("s.sig");
    let (read, headers) = node.read(&[NEW], &mut unsigned);
    assert_eq!((read, headers.is_empty()), (None, true));
    let (user, headers) = ours.user(&[NEW], &mut unsigned).await;
    assert_eq!((user, headers.contains_key(SET_COOKIE)), (None, false));
}
