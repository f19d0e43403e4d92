//! Promises that cannot be tested from outside a process, or that need inner middleware.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use level_session::{Keyring, MemoryStore, RequestSessions, Result, Session, Sessions};

fn sessions() -> Sessions {
    Sessions::new(MemoryStore::new(), Keyring::generate().unwrap())
}

mod actix {
    use super::*;
    use actix_web::{
        App, HttpMessage as _, HttpResponse,
        body::BoxBody,
        dev::{Service as _, ServiceRequest, ServiceResponse},
        error::ErrorUnauthorized,
        http::header::{COOKIE, SET_COOKIE},
        middleware::{Next, from_fn},
        test::{TestRequest, init_service},
        web,
    };

    async fn add(session: Session) -> Result<HttpResponse> {
        session.set("count", 1)?;
        Ok(HttpResponse::Ok().finish())
    }

    /// Prevents a cookie in a log of headers: a copied header could forget that it is sensitive.
    #[actix_web::test]
    async fn the_cookie_stays_sensitive() {
        let app = App::new().wrap(sessions()).route("/", web::get().to(add));
        let app = init_service(app).await;
        let answer = app.call(TestRequest::get().to_request()).await.unwrap();
        let cookie = answer.headers().get(SET_COOKIE).unwrap();
        assert!(cookie.is_sensitive());
        assert!(!format!("{answer:?}").contains("__Host-s="), "{answer:?}");
    }

    /// Prevents an inner guard from counting failed sign-ins in vain, and an error response without the cookie.
    #[actix_web::test]
    async fn an_error_of_a_middleware_within_is_answered_as_its_status_says() {
        let sessions = sessions();
        let guard = from_fn(async |request: ServiceRequest, _: Next<BoxBody>| {
            let extensions = request.extensions();
            let present = extensions.get::<RequestSessions>().unwrap();
            present.session::<()>()?.set("failed", 1)?;
            Err::<ServiceResponse, _>(ErrorUnauthorized("no"))
        });
        let app = App::new()
            .wrap(guard)
            .wrap(sessions.clone())
            .route("/", web::get().to(add));
        let app = init_service(app).await;
        let error = app.call(TestRequest::get().to_request()).await.unwrap_err();
        let answer = error.error_response();
        assert_eq!(answer.status(), 401);
        let cookie = answer.headers().get(SET_COOKIE).unwrap();
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        let mut request = http::HeaderMap::new();
        request.insert(COOKIE.as_str(), pair.parse().unwrap());
        let stored = sessions.begin(&request).get::<u32>("failed").await.unwrap();
        assert_eq!(stored, Some(1));
    }
}

mod poem_errors {
    use super::*;
    use poem::{
        Endpoint as _, EndpointExt as _, Request, Response, Route,
        error::NotFoundError,
        handler,
        http::{StatusCode, Uri},
    };

    #[handler]
    async fn refuse(session: Session) -> poem::Result<()> {
        session.set("failed", 1)?;
        Err(poem::Error::from_status(StatusCode::UNAUTHORIZED))
    }

    async fn get(path: &'static str) -> Response {
        let app = Route::new().at("/refuse", refuse).with(sessions());
        let app = app.catch_error(async |_: NotFoundError| {
            let response = Response::builder().status(StatusCode::NOT_FOUND);
            response.body("our own page")
        });
        let request = Request::builder().uri(Uri::from_static(path)).finish();
        app.get_response(request).await
    }

    /// Prevents the middleware from converting an error into a response, so that the application's error page is not
    /// used.
    #[tokio::test]
    async fn an_error_stays_one_for_endpoints_further_out() {
        let answer = get("/nowhere").await;
        let page = answer.into_body().into_string().await.unwrap();
        assert_eq!(page, "our own page");
    }

    /// Prevents an error response that stores from lacking the session's cookie.
    #[tokio::test]
    async fn an_error_that_stores_brings_the_cookie() {
        let answer = get("/refuse").await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert!(answer.headers().contains_key("set-cookie"));
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.headers()["vary"], "Cookie");
    }
}
