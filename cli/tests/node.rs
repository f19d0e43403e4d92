//! Migrates sites from Node: real express-session with connect-redis, and real level-session for Node, create sessions and
//! cookies, `level-session import` imports the sessions, and the visitors keep them.
//!
//! The first two tests need `node` and `npm`, and the npm registry once. Without the two commands they print a message and
//! pass.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod kit;

use http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, SET_COOKIE},
};
use kit::{Said, over, program, text};
use level_session::{Clock, FjallStore, FormerCookie, Keyring, Sessions, UntypedSession};
use level_session_servers::redis::{Cluster, Server, program as server_program};
use serde_json::{Value as Json, json};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::LazyLock,
    time::Duration,
};
use tempfile::TempDir;

const SECRET: &str = "keyboard cat";
const OLD_SECRET: &str = "an older secret";

/// The cookies of a visitor.
#[derive(Clone, Debug, Default, PartialEq)]
struct Jar(BTreeMap<String, String>);

impl Jar {
    fn header(&self) -> String {
        let pairs = self.0.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    fn receive<'a>(&mut self, headers: impl IntoIterator<Item = &'a str>) {
        for header in headers {
            let (name, rest) = header.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            match value.is_empty() {
                true => self.0.remove(name),
                false => self.0.insert(name.to_owned(), value.to_owned()),
            };
        }
    }

    fn only(&self, name: &str) -> Self {
        let pair = self.0.get_key_value(name);
        let pair = pair.map(|(name, value)| (name.clone(), value.clone()));
        Self(pair.into_iter().collect())
    }

    fn with(&self, name: &str, value: &str) -> Self {
        let mut jar = self.clone();
        jar.0.insert(name.to_owned(), value.to_owned());
        jar
    }
}

/// A running Node site, which is killed on drop.
struct Site {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Site {
    /// Returns `None` if Node is not installed.
    fn start(arguments: &[&str]) -> Option<Self> {
        let runs = |command| {
            let version = Command::new(command).arg("--version").output();
            version.is_ok_and(|output| output.status.success())
        };
        if !runs("node") || !runs("npm") {
            eprintln!("skipped: a site on Node needs `node` and `npm` (apt install npm)");
            return None;
        }
        let mut process = Command::new("node")
            .arg("site.js")
            .args(arguments)
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

    /// Sends a request that sets these keys, and returns the content of the session afterwards.
    fn request(&mut self, visitor: &mut Jar, set: Json) -> Json {
        let question = json!({ "cookie": visitor.header(), "set": set });
        writeln!(self.input, "{question}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Json = serde_json::from_str(&line).unwrap();
        let cookies = answer["cookies"].as_array().unwrap();
        visitor.receive(cookies.iter().map(|cookie| cookie.as_str().unwrap()));
        answer["data"].clone()
    }

    /// Creates a new visitor whose session has this content.
    fn visitor(&mut self, set: Json) -> Jar {
        let mut visitor = Jar::default();
        assert_eq!(self.request(&mut visitor, set.clone()), set);
        visitor
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A directory with the scripts and packages, installed once for all runs.
static INSTALLED: LazyLock<PathBuf> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node-sites");
    fs::create_dir_all(&folder).unwrap();
    let package = here.join("tests/node/package.json");
    let wanted = fs::read_to_string(package).unwrap();
    let done = folder.join("installed.json");
    fs::copy(here.join("tests/node/site.js"), folder.join("site.js")).unwrap();
    if fs::read_to_string(&done).is_ok_and(|there| there == wanted) {
        return folder;
    }
    fs::write(folder.join("package.json"), &wanted).unwrap();
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-package-lock", "--ignore-scripts"])
        .args(["--no-audit", "--no-fund"])
        .current_dir(&folder);
    let output = npm.output().unwrap();
    assert!(
        output.status.success(),
        "npm cannot install the packages: {output:?}"
    );
    fs::write(done, wanted).unwrap();
    folder
});

/// The new site, with its own database.
struct Ours {
    folder: TempDir,
    former: FormerCookie,
}

impl Ours {
    fn new(former: FormerCookie) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, former }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("sessions")
    }

    fn import(&self, arguments: &[&str]) -> Said {
        over(text(&self.database()), &[&["import"], arguments].concat())
    }

    /// Imports lines of JSON from standard input.
    fn import_lines(&self, lines: &[String]) -> Said {
        let mut child = program()
            .args(["--store", text(&self.database()), "import", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(lines.join("\n").as_bytes()).unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Starts the application, which runs until the result is closed.
    fn open(&self) -> Open {
        let store = FjallStore::open(self.database()).unwrap();
        let keyring = Keyring::new([[7_u8; 32]]).unwrap();
        let sessions = Sessions::builder(store, keyring)
            .former_cookie(self.former.clone())
            .build();
        Open(sessions.unwrap())
    }
}

struct Open(Sessions);

impl Open {
    fn begin(&self, visitor: &Jar) -> UntypedSession {
        let cookies = HeaderValue::from_str(&visitor.header()).unwrap();
        self.0.begin(&HeaderMap::from_iter([(COOKIE, cookies)]))
    }

    async fn end(&self, session: &UntypedSession, visitor: &mut Jar) -> bool {
        let mut response = HeaderMap::new();
        self.0.finish(session, &mut response).await.unwrap();
        let all = response.get_all(SET_COOKIE).iter();
        visitor.receive(all.map(|header| header.to_str().unwrap()));
        response.contains_key(SET_COOKIE)
    }

    /// Sends a request of a visitor. Returns the content of the session and whether the visitor got a cookie.
    async fn sees(&self, visitor: &mut Jar) -> (Json, bool) {
        let session = self.begin(visitor);
        let data = serde_json::to_value(session.get_all().await.unwrap()).unwrap();
        (data, self.end(&session, visitor).await)
    }

    async fn close(self) {
        self.0.close().await.unwrap();
    }
}

/// The test for every site. `imports` imports its sessions, and `theirs` is the name of its cookie.
async fn visitors_go_on(mut site: Site, ours: &Ours, theirs: &str, imports: impl Fn() -> Said) {
    let cart = json!({ "user": 7, "cart": [{ "sku": "tea", "n": 2 }], "rate": 0.5, "note": null });
    let mut anna = site.visitor(cart.clone());
    let other = site.visitor(json!({ "user": 8 }));
    assert_eq!(site.request(&mut anna, json!({})), cart);
    drop(site);
    let said = imports();
    assert!(
        said.code == 0 && said.out.contains("imported: 2, left alone: 0"),
        "{said:?}"
    );

    // All requests of a page are sent with the former cookie: each sees the session and gets the same cookie.
    let app = ours.open();
    let former = anna.clone();
    let first = app.begin(&former);
    let second = app.begin(&former);
    second.set("theme", "dark").unwrap();
    assert_eq!(first.get::<u64>("user").await.unwrap(), Some(7));
    let mut late = former.clone();
    assert!(app.end(&first, &mut anna).await);
    assert!(app.end(&second, &mut late).await);
    assert_eq!(anna, late);

    let mut cart = cart;
    cart["theme"] = json!("dark");
    let mut mine = anna.only("__Host-s");
    assert_eq!(
        app.sees(&mut mine).await,
        (cart.clone(), false),
        "our cookie alone"
    );
    assert_eq!(
        app.sees(&mut anna).await,
        (cart.clone(), false),
        "both: ours counts"
    );
    assert_eq!(app.sees(&mut other.clone()).await.0, json!({ "user": 8 }));

    // An id with the signature of another id, or with none, is rejected.
    let value = &former.0[theirs];
    let forged = match value.rsplit_once('.') {
        Some((id, _)) => {
            let (_, tag) = other.0[theirs].rsplit_once('.').unwrap();
            [
                former.with(theirs, &format!("{id}.{tag}")),
                former.with(theirs, id),
            ]
        }
        None => [former.with("s.sig", &other.0["s.sig"]), former.only(theirs)],
    };
    for forged in forged {
        assert_eq!(
            app.sees(&mut forged.clone()).await,
            (json!({}), false),
            "{forged:?}"
        );
    }

    // A repeated import changes nothing and revives no session.
    let session = app.begin(&anna);
    session.set("user", 9).unwrap();
    app.end(&session, &mut anna).await;
    let mut leaves = other.clone();
    let session = app.begin(&leaves);
    session.destroy().unwrap();
    app.end(&session, &mut leaves).await;
    app.close().await;
    let said = imports();
    assert!(
        said.code == 0 && said.out.contains("imported: 0, left alone: 2"),
        "{said:?}"
    );
    let app = ours.open();
    cart["user"] = json!(9);
    assert_eq!(app.sees(&mut anna).await.0, cart);
    assert_eq!(
        app.sees(&mut other.clone()).await.0,
        json!({}),
        "signed out"
    );

    // A sign-in renews the id, after which the former site's cookie no longer works.
    let session = app.begin(&anna);
    session.renew().unwrap();
    assert!(app.end(&session, &mut anna).await);
    assert_eq!(app.sees(&mut anna).await.0, cart);
    assert_eq!(app.sees(&mut former.clone()).await.0, json!({}));
    app.close().await;
}

/// Prevents: all users signed out by the migration from express-session with connect-redis.
#[tokio::test]
async fn visitors_of_express_go_on() {
    let redis = Server::start(&server_program("redis").unwrap(), &[]).unwrap();
    let Some(site) = Site::start(&["express", &redis.url(), SECRET, OLD_SECRET]) else {
        return;
    };
    let former = FormerCookie::express("connect.sid", [OLD_SECRET, SECRET]).unwrap();
    let ours = Ours::new(former);
    let url = redis.url();
    visitors_go_on(site, &ours, "connect.sid", || ours.import(&[&url])).await;

    let keys = redis.say(&["DBSIZE"]).unwrap();
    assert!(keys.contains('2'), "the records stay: {keys}");
    ours.import(&[&url, "--remove"]).ok();
    let keys = redis.say(&["DBSIZE"]).unwrap();
    assert!(keys.contains('0'), "and are removed: {keys}");
}

/// The same for level-session for Node.
#[tokio::test]
async fn visitors_of_level_session_for_node_go_on() {
    let database = tempfile::tempdir().unwrap();
    let Some(site) = Site::start(&["level", text(database.path()), SECRET]) else {
        return;
    };
    let ours = Ours::new(FormerCookie::keygrip("s", [SECRET]).unwrap());
    let export = || {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("node/export-level-session.js");
        let output = Command::new("node")
            .arg(script)
            .arg(database.path())
            .current_dir(&*INSTALLED)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let lines = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = lines.lines().map(str::to_owned).collect();
        assert!(lines.iter().all(|line| line.contains("\"expires\":1")));
        ours.import_lines(&lines)
    };
    visitors_go_on(site, &ours, "s", export).await;
}

const ID: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
/// The cookie of [`ID`], signed by Node's `cookie-signature`.
const COOKIE_OF_ID: &str =
    "s%3AAAECAwQFBgcICQoLDA0ODxAREhMUFRYX.N0Id4opwqhaAYcoIYSsRkO1j3rAafXluGboH3Nk7dVc";

fn with_cookie_of_id() -> (Ours, Jar) {
    let former = FormerCookie::express("connect.sid", [SECRET]).unwrap();
    let visitor = Jar::default().with("connect.sid", COOKIE_OF_ID);
    (Ours::new(former), visitor)
}

/// Prevents: a session that expired at the former site and is revived here; a damaged record that stops the import; and a
/// message that shows the content of a session.
#[tokio::test]
async fn what_has_expired_or_is_damaged_is_left_out_and_told() {
    let now = Clock::system().now();
    let ago = now.as_millis() - 1_000;
    let soon = now.after(Duration::from_secs(3600)).as_millis();
    let id = |n: u8| format!("{n:032}");
    let (ours, mut visitor) = with_cookie_of_id();
    let lines = [
        json!({ "id": id(1), "data": { "a": kit::SECRET }, "expires": ago }).to_string(),
        format!(
            "{{\"id\": \"{}\", \"data\": {{\"a\": \"{}\"",
            id(2),
            kit::SECRET
        ),
        String::new(),
        json!({ "id": kit::SECRET, "data": {}, "expires": soon }).to_string(),
        json!({ "id": id(4), "data": kit::SECRET, "expires": soon }).to_string(),
        json!({ "id": id(5), "data": { "level-session:x": 1 }, "expires": soon }).to_string(),
        json!({ "id": ID, "data": { "user": 7 }, "expires": soon }).to_string(),
        json!({ "id": id(7), "data": { "user": 8 } }).to_string(),
    ];
    let said = ours.import_lines(&lines).ends(1);
    assert_eq!(
        said.lines(),
        [
            "record 2: invalid JSON at line 1, column 78",
            "record 3: the id must have 22 to 128 visible ASCII characters",
            "record 4: not a valid session at line 1, column 29",
            "record 5: cannot store the key `level-session:x`: a key must have 1 to 1024 bytes and must not begin with \
             `level-session:`",
            "imported: 2, left alone: 0, expired: 1, failed: 4",
        ]
    );
    assert_eq!(
        over(text(&ours.database()), &["count"]).ok().out,
        "2 sessions live\n"
    );
    let app = ours.open();
    assert_eq!(app.sees(&mut visitor).await, (json!({ "user": 7 }), true));
    app.close().await;
}

/// Prevents: a session for an id that was not imported, because the former site signed its cookie.
#[tokio::test]
async fn an_id_that_was_not_imported_makes_no_session() {
    let (ours, mut visitor) = with_cookie_of_id();
    let app = ours.open();
    assert_eq!(app.sees(&mut visitor).await, (json!({}), false));
    let session = app.begin(&visitor);
    session.set("user", 1).unwrap();
    app.end(&session, &mut visitor).await;
    app.close().await;
    // The new session is stored neither under that id nor under one derived from it, so the import does not skip the record.
    let line = json!({ "id": ID, "data": { "user": 7 } }).to_string();
    let said = ours.import_lines(&[line]).ok();
    assert!(said.out.starts_with("imported: 1"), "{said:?}");
}

/// Prevents: an indexed session that no listing finds; a record without a time to live that expired long ago; and other data
/// under the prefix that is taken for a session.
#[tokio::test]
async fn records_of_connect_redis_as_they_come() {
    let redis = Server::start(&server_program("redis").unwrap(), &[]).unwrap();
    let set = |key: &str, value: Json| {
        redis.say(&["SET", key, &value.to_string()]).unwrap();
    };
    let record = |expires: Json| json!({ "cookie": { "expires": expires }, "user": 7 });
    set(
        &format!("app[1]:{ID}"),
        record(json!("2999-01-01T00:00:00.000Z")),
    );
    set(
        &format!("app[1]:{}", "a".repeat(32)),
        record(json!("2020-01-01T00:00:00.000Z")),
    );
    set(&format!("app[1]:{}", "b".repeat(32)), record(Json::Null));
    set(&format!("app[1]:{}", "c".repeat(32)), json!({ "user": 7 }));
    set(
        &format!("app[1]:{}", "d".repeat(32)),
        record(json!("tomorrow")),
    );
    set(&format!("app1:{}", "e".repeat(32)), record(Json::Null));
    // A use restarts the time to live, but does not update `cookie.expires`.
    let key = format!("app[1]:{}", "f".repeat(32));
    set(&key, record(json!("2020-01-01T00:00:00.000Z")));
    redis.say(&["EXPIRE", &key, "600"]).unwrap();
    redis.say(&["RPUSH", "app[1]:list", "x"]).unwrap();

    let (ours, mut visitor) = with_cookie_of_id();
    let url = redis.url();
    let said = ours
        .import(&[&url, "--redis-prefix", "app[1]:", "--index", "user"])
        .ends(1);
    assert_eq!(
        said.lines().last(),
        Some(&"imported: 3, left alone: 0, expired: 1, failed: 2"),
        "{said:?}"
    );
    for what in ["no key `cookie`", "`cookie.expires` is not a date"] {
        assert!(said.out.contains(what), "{said:?}");
    }
    let found = over(text(&ours.database()), &["find", "user", "7"]).ok();
    assert_eq!(found.lines().len(), 3, "{found:?}");
    let app = ours.open();
    assert_eq!(app.sees(&mut visitor).await, (json!({ "user": 7 }), true));
    app.close().await;
}

/// Prevents: an import of only some of the sessions; and a password in an error.
#[test]
fn what_cannot_be_imported_says_why() {
    let (ours, _) = with_cookie_of_id();
    let said = ours.import(&["/no/such/file"]).ends(2);
    assert!(said.err.contains("cannot open /no/such/file"), "{said:?}");
    let said = ours.import(&["-", "--remove"]).ends(2);
    assert!(
        said.err
            .contains("`--remove` is only valid for connect-redis"),
        "{said:?}"
    );
    let said = ours
        .import(&["redis://user:pass-word@127.0.0.1:1/0"])
        .ends(2);
    assert!(
        said.err.contains("cannot read the sessions from Redis"),
        "{said:?}"
    );
    assert!(!said.err.contains("pass-word"), "{said:?}");

    let cluster = Cluster::start(&server_program("redis").unwrap(), &[]).unwrap();
    let said = ours.import(&[&cluster.nodes()[0].url()]).ends(2);
    assert!(
        said.err.contains("a Redis Cluster is not supported"),
        "{said:?}"
    );
}
