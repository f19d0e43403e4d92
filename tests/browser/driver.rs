//! A minimal client for WebDriver (W3C), over plain HTTP.

use hyper::Request;
use level_session_tests::{http::send, process::Server};
use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

/// WebDriver's key for the id of an element (section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A headless Chromium with a new profile. When this is dropped, it ends with the driver that started it.
pub(crate) struct Browser {
    driver: Server,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser. If it is not installed, prints a note and returns `None`.
    pub(crate) async fn start() -> Option<Self> {
        for program in ["chromium", "chromedriver"] {
            if Command::new(program).arg("--version").output().is_err() {
                eprintln!("skipped: there is no `{program}` on this machine");
                return None;
            }
        }
        let mut command = Command::new("chromedriver");
        // ChromeDriver was started successfully on port 12345.
        let driver = Server::start(command.arg("--port=0"), |line| {
            let port = line.rsplit_once("successfully on port ")?.1;
            let port = port.trim_end_matches('.').parse().ok()?;
            Some(SocketAddr::from(([127, 0, 0, 1], port)))
        });
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut args: Vec<String> = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--window-size=1100,900",
        ]
        .map(str::to_owned)
        .into();
        args.push(format!("--user-data-dir={}", profile.path().display()));
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": args},
        }}});
        let opened = call(driver.address(), "POST", "/session", Some(wanted)).await;
        let session = text(&opened["sessionId"]);
        Some(Self {
            driver,
            session,
            _profile: profile,
        })
    }

    pub(crate) async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    pub(crate) async fn url(&self) -> String {
        text(&self.get("/url").await)
    }

    /// Clicks the first element that the selector finds.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        let path = format!("/element/{element}/click");
        self.post(&path, json!({})).await;
    }

    /// Clicks the first element that the selector finds, and waits for the next page: the click itself may return
    /// before the browser leaves the current page.
    pub(crate) async fn follow(&self, selector: &str) {
        self.script("window.isTheOldPage = true").await;
        self.click(selector).await;
        let arrived = json!({
            "script": "return !window.isTheOldPage && document.readyState === 'complete'",
            "args": [],
        });
        let path = format!("/session/{}/execute/sync", self.session);
        for _ in 0..500 {
            let said = try_call(self.driver.address(), "POST", &path, Some(&arrived)).await;
            if said == Ok(Value::Bool(true)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no page follows a click on {selector}");
    }

    /// Waits until the page's event stream is open.
    pub(crate) async fn listens(&self) {
        for _ in 0..500 {
            if self.script("events.readyState").await == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the page opens no stream of events");
    }

    /// Waits until the page has navigated to this one by itself.
    pub(crate) async fn arrives_at(&self, url: &str) {
        for _ in 0..500 {
            if self.url().await == url {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the page stays at {}", self.url().await);
    }

    pub(crate) async fn type_into(&self, selector: &str, keys: &str) {
        let element = self.find(selector).await;
        let keys = json!({ "text": keys });
        self.post(&format!("/element/{element}/value"), keys).await;
    }

    /// The visible text of the first element that the selector finds.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let element = self.find(selector).await;
        text(&self.get(&format!("/element/{element}/text")).await)
    }

    /// The number of elements that the selector finds.
    pub(crate) async fn count(&self, selector: &str) -> usize {
        let query = json!({"using": "css selector", "value": selector});
        let found = self.post("/elements", query).await;
        found.as_array().expect("a list").len()
    }

    /// Evaluates an expression in the page.
    pub(crate) async fn script(&self, expression: &str) -> Value {
        let script = json!({"script": format!("return {expression}"), "args": []});
        self.post("/execute/sync", script).await
    }

    /// The cookies of the page, including those that scripts cannot read.
    pub(crate) async fn cookies(&self) -> Vec<Value> {
        let cookies = self.get("/cookie").await;
        cookies.as_array().expect("a list").clone()
    }

    pub(crate) async fn forget_cookies(&self) {
        let path = format!("/session/{}/cookie", self.session);
        call(self.driver.address(), "DELETE", &path, None).await;
    }

    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height});
        self.post("/window/rect", size).await;
    }

    /// Saves a screenshot in `$SCREENSHOTS`, if it is set.
    pub(crate) async fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("SCREENSHOTS") else {
            return;
        };
        let path = Path::new(&folder).join(format!("{name}.png.base64"));
        let picture = text(&self.get("/screenshot").await);
        std::fs::write(path, picture).expect("a folder for pictures");
    }

    async fn find(&self, selector: &str) -> String {
        let query = json!({"using": "css selector", "value": selector});
        text(&self.post("/element", query).await[ELEMENT])
    }

    async fn get(&self, path: &str) -> Value {
        let path = format!("/session/{}{path}", self.session);
        call(self.driver.address(), "GET", &path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let path = format!("/session/{}{path}", self.session);
        call(self.driver.address(), "POST", &path, Some(body)).await
    }
}

/// Ends the browser, also if the test has failed: otherwise it would outlive its driver.
impl Drop for Browser {
    fn drop(&mut self) {
        let Ok(mut driver) = TcpStream::connect(self.driver.address()) else {
            return;
        };
        let _ = driver.set_read_timeout(Some(Duration::from_secs(10)));
        let request = format!(
            "DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            self.session
        );
        let _ = driver.write_all(request.as_bytes());
        let _ = driver.read(&mut [0]); // the driver responds when the browser has ended
    }
}

async fn call(driver: SocketAddr, method: &str, path: &str, body: Option<Value>) -> Value {
    try_call(driver, method, path, body.as_ref())
        .await
        .unwrap_or_else(|said| panic!("{method} {path}: {said:#}"))
}

/// The driver's result, or its error.
async fn try_call(
    driver: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Value> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(body)
        .expect("a method, a path and a header");
    let answer = send(driver, request).await;
    let mut said: Value = serde_json::from_str(&answer.body).expect("JSON");
    let value = said["value"].take();
    if answer.status.is_success() {
        Ok(value)
    } else {
        Err(value)
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}
