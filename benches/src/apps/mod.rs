//! The applications that are compared: the same handlers, over different sessions.

#[cfg(feature = "redis")]
mod actix;
#[cfg(feature = "peers")]
mod axum_session;
mod bare;
#[cfg(feature = "frameworks")]
pub mod frameworks;
mod ours;
#[cfg(all(feature = "redis", feature = "redis-store"))]
mod ours_redis;
#[cfg(feature = "peers")]
pub mod tower_sessions;

pub use ours::{Eight, fjall, layer};

#[cfg(all(feature = "peers", feature = "redis-store"))]
use crate::redis::Redis;
use crate::workload::{SHOW, Workload, prove};
use axum::{Router, body::Body, response::Response, routing::RouterIntoService};
use http::{HeaderValue, Request, Uri, header};
use http_body_util::BodyExt as _;
#[cfg(all(feature = "peers", feature = "postgres"))]
use level_session_servers::postgres::Postgres;
use std::{any::Any, io, net::TcpListener};
use tower_service::Service as _;

/// A ready service, with the cookie of a session in it.
pub struct App {
    pub name: &'static str,
    pub router: Router,
    service: RouterIntoService<Body>,
    cookie: HeaderValue,
    /// Removes its directory, or ends its server, when the application is gone.
    _kept: Option<Kept>,
}

type Kept = Box<dyn Any + Send>;

/// The applications by name: `bare`, the same behind `a layer` that does next to nothing, `fjall`, `memory`, and the peers that were built in.
/// With the peers there are `bridge-memory`, `bridge-fjall`, `bridge-redis` and `bridge-postgres` as well, tower-sessions on
/// our stores, if they are asked for; the last two with the features `redis-store` and `postgres`.
pub const NAMES: &[&str] = &[
    "bare",
    "a layer",
    "fjall",
    "memory",
    #[cfg(feature = "peers")]
    "tower-sessions",
    #[cfg(feature = "peers")]
    "axum_session",
    #[cfg(feature = "sqlite")]
    "tower-sessions-sqlite",
    #[cfg(feature = "sqlite")]
    "tower-sessions-moka-sqlite",
];

impl App {
    /// The application of this name.
    ///
    /// # Errors
    /// If the server that it needs is missing, or does not start.
    ///
    /// # Panics
    /// If there is none, or it does not work.
    pub async fn named(name: &str) -> io::Result<Self> {
        Ok(match name {
            "bare" => Self::new("bare", bare::router(), None).await,
            "a layer" => Self::new("a layer", bare::layered(), None).await,
            "fjall" => {
                let dir = tempfile::tempdir().expect("a temporary directory");
                let router = ours::router(ours::fjall(dir.path()));
                Self::new("fjall", router, Some(Box::new(dir))).await
            }
            "memory" => Self::new("memory", ours::router(ours::memory()), None).await,
            #[cfg(feature = "peers")]
            "tower-sessions" => Self::new("tower-sessions", tower_sessions::memory(), None).await,
            #[cfg(feature = "peers")]
            "bridge-memory" => {
                let store = level_session::MemoryStore::new();
                Self::new("bridge-memory", tower_sessions::bridge(store), None).await
            }
            #[cfg(feature = "peers")]
            "bridge-fjall" => {
                let dir = tempfile::tempdir().expect("a temporary directory");
                let store = level_session::FjallStore::open(dir.path().join("sessions"));
                let router = tower_sessions::bridge(store.expect("a new directory"));
                Self::new("bridge-fjall", router, Some(Box::new(dir))).await
            }
            #[cfg(feature = "peers")]
            "axum_session" => Self::new("axum_session", axum_session::memory().await, None).await,
            #[cfg(feature = "sqlite")]
            "tower-sessions-sqlite" => {
                let dir = tempfile::tempdir().expect("a temporary directory");
                let router = tower_sessions::sqlite(dir.path(), false).await;
                Self::new("tower-sessions-sqlite", router, Some(Box::new(dir))).await
            }
            #[cfg(feature = "sqlite")]
            "tower-sessions-moka-sqlite" => {
                let dir = tempfile::tempdir().expect("a temporary directory");
                let router = tower_sessions::sqlite(dir.path(), true).await;
                Self::new("tower-sessions-moka-sqlite", router, Some(Box::new(dir))).await
            }
            #[cfg(all(feature = "peers", feature = "redis-store"))]
            "bridge-redis" => {
                let server = Redis::start().map_err(|error| {
                    let what = format!("no redis-server ({error}): apt-get install redis-server");
                    io::Error::other(what)
                })?;
                let store = level_session::RedisStore::builder()
                    .safety(level_session::Safety::Ignore)
                    .connect(&format!("redis://127.0.0.1:{}", server.port))
                    .await
                    .map_err(io::Error::other)?;
                let router = tower_sessions::bridge(store);
                Self::new("bridge-redis", router, Some(Box::new(server))).await
            }
            #[cfg(all(feature = "peers", feature = "postgres"))]
            "bridge-postgres" => {
                let server = Postgres::start(&[])?;
                let settings = level_session::PostgresStore::builder(&server.url());
                settings.migrate().await.map_err(io::Error::other)?;
                let store = settings.open().await.map_err(io::Error::other)?;
                let router = tower_sessions::bridge(store);
                Self::new("bridge-postgres", router, Some(Box::new(server))).await
            }
            _ => panic!("there is no application `{name}`: there are {NAMES:?}"),
        })
    }

    #[cfg(feature = "redis")]
    async fn over_redis(port: u16) -> Self {
        let router = tower_sessions::redis(port).await;
        Self::new("tower-sessions-redis", router, None).await
    }

    #[cfg(all(feature = "redis", feature = "redis-store"))]
    async fn ours_over_redis(port: u16) -> Self {
        let router = ours_redis::axum(port).await;
        Self::new("level-session-axum-redis", router, None).await
    }

    async fn new(name: &'static str, router: Router, kept: Option<Kept>) -> Self {
        // As `axum::serve` does: without it, axum makes each handler's service anew for every request.
        let router: Router = router.with_state(());
        let service = router.clone().into_service();
        let mut app = Self {
            name,
            router,
            service,
            cookie: HeaderValue::from_static("none=none"),
            _kept: kept,
        };
        app.begin().await;
        app
    }

    /// The same application again, with a session of its own.
    pub async fn another(&self) -> Self {
        Self::new(self.name, self.router.clone(), None).await
    }

    /// Makes the session, and proves that all else works.
    async fn begin(&mut self) {
        let made = self.ask(Workload::New).await;
        let name = self.name;
        assert!(made.status().is_success(), "{name}: {}", made.status());
        if let Some(cookie) = cookie_of(&made) {
            self.cookie = cookie;
        }
        let made = self.show().await;
        for workload in Workload::ALL {
            let answer = self.ask(workload).await;
            assert!(
                answer.status().is_success(),
                "{name} {workload:?}: {}",
                answer.status()
            );
        }
        if !["bare", "a layer"].contains(&name) {
            let proof = prove(&made, &self.show().await);
            assert_eq!(proof, Ok(()), "{name}");
        }
    }

    async fn show(&mut self) -> String {
        let cookie = self.cookie.clone();
        let shown = self.request(SHOW, Some(cookie)).await.into_body();
        let bytes = shown.collect().await.expect("a body in memory").to_bytes();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The cookies of the session that was made at the start, as a browser would send them.
    pub fn cookie(&self) -> &HeaderValue {
        &self.cookie
    }

    /// One request, through everything.
    pub async fn ask(&mut self, workload: Workload) -> Response {
        let cookie = workload.has_cookie().then(|| self.cookie.clone());
        self.request(workload.path(), cookie).await
    }

    async fn request(&mut self, path: &'static str, cookie: Option<HeaderValue>) -> Response {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = Uri::from_static(path);
        if let Some(cookie) = cookie {
            request.headers_mut().insert(header::COOKIE, cookie);
        }
        match self.service.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// So many requests, one after the other, without tokio's making way for others in between.
    pub async fn ask_often(&mut self, workload: Workload, times: usize) {
        tokio::task::unconstrained(async {
            for _ in 0..times {
                let response = self.ask(workload).await;
                assert!(response.status().is_success());
            }
        })
        .await;
    }
}

/// The pairs of all `Set-Cookie` headers of a response, as a `Cookie` header.
pub fn cookie_of<B>(response: &http::Response<B>) -> Option<HeaderValue> {
    let pairs: Vec<&str> = response
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok()?.split(';').next())
        .collect();
    (!pairs.is_empty()).then(|| HeaderValue::try_from(pairs.join("; ")).expect("was a header"))
}

/// Serves the application of this name, or one of those that only answer over HTTP, until the process ends.
///
/// # Errors
/// If the network or the server at the port `redis` fails; and as [`App::named`].
///
/// # Panics
/// As [`App::named`].
pub async fn serve(name: &str, listener: TcpListener, redis: Option<u16>) -> io::Result<()> {
    let app = match (name, redis) {
        #[cfg(feature = "redis")]
        ("actix" | "actix-session-redis", _) => return actix::serve(listener, redis).await,
        #[cfg(feature = "redis")]
        ("tower-sessions-redis", Some(port)) => App::over_redis(port).await,
        #[cfg(all(feature = "redis", feature = "redis-store"))]
        ("level-session-axum-redis", Some(port)) => App::ours_over_redis(port).await,
        #[cfg(all(feature = "redis", feature = "redis-store"))]
        ("level-session-actix-redis", Some(port)) => {
            return ours_redis::actix(listener, port).await;
        }
        _ => App::named(name).await?,
    };
    listener.set_nonblocking(true)?;
    axum::serve(tokio::net::TcpListener::from_std(listener)?, app.router).await
}
