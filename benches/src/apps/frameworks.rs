//! The cost of the middleware for other frameworks: actix-web and poem in this process, each alone and with sessions.

use super::ours::{self, Eight};
use crate::workload::Workload;
use level_session::{Keyring, Session, Sessions};

/// The frameworks that are counted in addition to axum.
pub const NAMES: [&str; 2] = ["actix-web", "poem"];

fn sessions() -> Sessions {
    Sessions::new(ours::memory(), Keyring::new([[7; 32]]).expect("32 bytes"))
}

/// The pair of a `Set-Cookie` header.
fn pair(header: &[u8]) -> String {
    let text = std::str::from_utf8(header).expect("ASCII");
    text.split(';').next().expect("a pair").to_owned()
}

/// Sends this many requests to one of [`NAMES`], with level-session in memory or without sessions.
///
/// # Panics
/// If there is no such framework, or a request fails.
pub async fn ask_often(framework: &str, with_sessions: bool, workload: Workload, times: usize) {
    tokio::task::unconstrained(async {
        match framework {
            "actix-web" => actix::ask_often(with_sessions, workload, times).await,
            "poem" => on_poem::ask_often(with_sessions, workload, times).await,
            _ => panic!("there is no framework `{framework}`: there are {NAMES:?}"),
        }
    })
    .await;
}

mod actix {
    use super::*;
    use actix_web::{
        App,
        dev::Service as _,
        http::header::{COOKIE, SET_COOKIE},
        test::{TestRequest, init_service},
        web::{self, ServiceConfig},
    };

    fn bare(config: &mut ServiceConfig) {
        for workload in Workload::ALL {
            config.route(workload.path(), web::get().to(async || "ok"));
        }
    }

    fn with(config: &mut ServiceConfig) {
        config
            .route(Workload::Ignored.path(), web::get().to(async || "ok"))
            .route(Workload::ReadOne.path(), web::get().to(ours::read_one))
            .route(Workload::ReadEight.path(), web::get().to(ours::read_eight))
            .route(Workload::WriteOne.path(), web::get().to(ours::write_one))
            .route(Workload::New.path(), web::get().to(ours::new));
    }

    macro_rules! ask {
        ($app:expr, $workload:expr, $cookie:expr) => {{
            let mut request = TestRequest::with_uri($workload.path());
            if let Some(cookie) = $cookie.filter(|_| $workload.has_cookie()) {
                request = request.insert_header((COOKIE, cookie));
            }
            let answer = $app.call(request.to_request()).await.expect("an answer");
            assert!(answer.status().is_success());
            answer
        }};
    }

    macro_rules! ask_often {
        ($app:expr, $workload:expr, $times:expr) => {{
            let app = init_service($app).await;
            let made = ask!(app, Workload::New, None::<&str>);
            let cookie = made.headers().get(SET_COOKIE);
            let cookie = cookie.map_or("none=none".to_owned(), |set| pair(set.as_bytes()));
            for _ in 0..$times {
                ask!(app, $workload, Some(cookie.as_str()));
            }
        }};
    }

    pub(super) async fn ask_often(with_sessions: bool, workload: Workload, times: usize) {
        match with_sessions {
            true => ask_often!(App::new().wrap(sessions()).configure(with), workload, times),
            false => ask_often!(App::new().configure(bare), workload, times),
        }
    }
}

mod on_poem {
    use super::*;
    use poem::{
        Endpoint, EndpointExt as _, IntoResponse, Request, Response, Result, Route, get, handler,
        http::{
            Uri,
            header::{COOKIE, SET_COOKIE},
        },
    };

    #[handler]
    fn ok() -> &'static str {
        "ok"
    }

    #[handler]
    async fn read_one(session: Session<Eight>) -> Result<&'static str> {
        Ok(ours::read_one(session).await?)
    }

    #[handler]
    async fn read_eight(session: Session<Eight>) -> Result<&'static str> {
        Ok(ours::read_eight(session).await?)
    }

    #[handler]
    async fn write_one(session: Session<Eight>) -> Result<&'static str> {
        Ok(ours::write_one(session).await?)
    }

    #[handler]
    async fn new(session: Session<Eight>) -> Result<&'static str> {
        Ok(ours::new(session).await?)
    }

    async fn ask(app: &impl Endpoint, workload: Workload, cookie: &str) -> Response {
        let request = Request::builder().uri(Uri::from_static(workload.path()));
        let request = match workload.has_cookie() {
            true => request.header(COOKIE, cookie),
            false => request,
        };
        let answer = app.call(request.finish()).await.expect("an answer");
        let answer = answer.into_response();
        assert!(answer.status().is_success());
        answer
    }

    async fn times(app: impl Endpoint, workload: Workload, times: usize) {
        let made = ask(&app, Workload::New, "").await;
        let cookie = made.headers().get(SET_COOKIE);
        let cookie = cookie.map_or("none=none".to_owned(), |set| pair(set.as_bytes()));
        for _ in 0..times {
            ask(&app, workload, &cookie).await;
        }
    }

    pub(super) async fn ask_often(with_sessions: bool, workload: Workload, often: usize) {
        let app = Route::new();
        if !with_sessions {
            let all = Workload::ALL.into_iter();
            let app = all.fold(app, |app, workload| app.at(workload.path(), get(ok)));
            return times(app, workload, often).await;
        }
        let app = app
            .at(Workload::Ignored.path(), get(ok))
            .at(Workload::ReadOne.path(), get(read_one))
            .at(Workload::ReadEight.path(), get(read_eight))
            .at(Workload::WriteOne.path(), get(write_one))
            .at(Workload::New.path(), get(new))
            .with(sessions());
        times(app, workload, often).await;
    }
}
