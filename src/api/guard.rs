//! Which requests are answered: those that are addressed to this host, come from no page but the peer's own,
//! and carry the token or the cookie of a logged-in browser.
//!
//! The `Host` check stops a page whose host name was made to resolve to 127.0.0.1. The `Origin` check stops
//! pages of other origins, since browsers send it with every request that could do harm. A browser takes all
//! ports of this machine for one site, so `SameSite` alone would not keep another local server's pages out.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, uri::Authority};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use super::assets::Asset;
use super::error::ApiError;
use super::login::Login;
use super::token::Token;
use crate::node::wall_clock;

/// What requests are checked against.
#[derive(Clone)]
pub(super) struct Gate {
    pub token: Token,
    /// Logged-in browsers; `None` if the service has no browsers.
    pub login: Option<Arc<Login>>,
    /// The files that are served without authentication.
    pub page: &'static [Asset],
}

/// Puts the guard in front of every route, the fallbacks included.
pub(super) fn protect(router: Router, gate: Gate) -> Router {
    router.layer(middleware::from_fn_with_state(Arc::new(gate), guard))
}

async fn guard(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let mut response = match gate.check(&request) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    for (name, value) in UNLESS_SET {
        let value = HeaderValue::from_static(value);
        headers.entry(HeaderName::from_static(name)).or_insert(value);
    }
    response
}

const ALWAYS: [(&str, &str); 3] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Headers of all responses but the page's files: not cached, and never run as a script or page.
const UNLESS_SET: [(&str, &str); 2] = [
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
];

impl Gate {
    fn check(&self, request: &Request) -> Result<(), ApiError> {
        let headers = request.headers();
        let Some(host) = single(headers, header::HOST).filter(|host| is_loopback(host)) else {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "foreign-host",
                "this API is for this machine: ask for 127.0.0.1, [::1] or localhost",
            ));
        };
        let origin = headers.contains_key(header::ORIGIN).then(|| single(headers, header::ORIGIN));
        let own = origin.map(|origin| origin.is_some_and(|origin| is_own(origin, host)));
        if own == Some(false) {
            return Err(foreign_origin());
        }
        if self.is_open(request.method(), request.uri().path()) {
            return Ok(());
        }
        if headers.contains_key(header::AUTHORIZATION) {
            let right = single(headers, header::AUTHORIZATION).is_some_and(|value| self.token.admits(value));
            return if right { Ok(()) } else { Err(wrong_token()) };
        }
        let cookie = single(headers, header::COOKIE);
        let known = match (&self.login, cookie) {
            (Some(login), Some(cookie)) => login.admits(cookie, wall_clock()),
            _ => false,
        };
        if !known {
            return Err(wrong_token());
        }
        // A browser sends the cookie with requests that any page makes. A request that is not known to come
        // from the peer's own page may only read, and only if no other page caused it.
        let site = single(headers, HeaderName::from_static("sec-fetch-site"));
        let from_page = own == Some(true) || site == Some(b"same-origin");
        let by_hand = own.is_none() && matches!(site, None | Some(b"none"));
        let reads =
            matches!(*request.method(), Method::GET | Method::HEAD) && !headers.contains_key(header::UPGRADE);
        if from_page || (reads && by_hand) { Ok(()) } else { Err(foreign_origin()) }
    }

    /// The page's files hold no secret, and a browser that is logging in has no cookie yet.
    fn is_open(&self, method: &Method, path: &str) -> bool {
        match *method {
            Method::GET | Method::HEAD => self.page.iter().any(|asset| asset.path == path),
            Method::POST => self.login.is_some() && path == super::routes::SESSION,
            _ => false,
        }
    }
}

fn foreign_origin() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "foreign-origin", "this API does not answer pages of other origins")
}

fn wrong_token() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "wrong-token",
        "the header `Authorization: Bearer TOKEN` is missing or wrong; the token is in api.json in the data directory; \
         a browser is let in by `peer open`",
    )
}

fn is_own(origin: &[u8], host: &[u8]) -> bool {
    origin.strip_prefix(b"http://").is_some_and(|origin| origin.eq_ignore_ascii_case(host))
}

/// The value of a header that occurs exactly once.
fn single(headers: &HeaderMap, name: header::HeaderName) -> Option<&[u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

fn is_loopback(host: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(host) else { return false };
    // A user name before the host is not allowed in a Host header.
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::super::error::Envelope;
    use super::*;

    fn gate(token: &Token) -> Gate {
        Gate { token: token.clone(), login: None, page: &[] }
    }

    async fn ask(token: &Token, headers: &[(&str, &str)], path: &str) -> (StatusCode, String) {
        let router = Router::new()
            .route("/v1", get(async || "open"))
            .fallback(async || ApiError::new(StatusCode::NOT_FOUND, "no-such-route", "?"));
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response =
            protect(router, gate(token)).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let code = serde_json::from_slice::<Envelope>(&bytes).map(|envelope| envelope.error.code);
        (status, code.unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned()))
    }

    #[tokio::test]
    async fn the_token_opens_from_every_loopback_name() {
        let token = Token::random().unwrap();
        let bearer = token.bearer();
        for host in ["127.0.0.1:4000", "127.1.2.3", "localhost", "LOCALHOST:1", "[::1]:4000", "[::1]"] {
            let answer = ask(&token, &[("host", host), ("authorization", &bearer)], "/v1").await;
            assert_eq!(answer, (StatusCode::OK, "open".to_owned()), "{host}");
        }
    }

    #[tokio::test]
    async fn other_hosts_are_refused_even_with_the_token() {
        let token = Token::random().unwrap();
        let bearer = token.bearer();
        let hosts = [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1:4000",
            "[2001:db8::1]",
            "user@localhost",
            "",
            "a b",
        ];
        for host in hosts {
            let answer = ask(&token, &[("host", host), ("authorization", &bearer)], "/v1").await;
            assert_eq!(answer, (StatusCode::FORBIDDEN, "foreign-host".to_owned()), "{host:?}");
        }
        let none = ask(&token, &[("authorization", &bearer)], "/v1").await;
        assert_eq!(none.1, "foreign-host");
        let two =
            ask(&token, &[("host", "localhost"), ("host", "evil"), ("authorization", &bearer)], "/v1").await;
        assert_eq!(two.1, "foreign-host");
    }

    #[tokio::test]
    async fn every_origin_but_the_own_is_refused() {
        let token = Token::random().unwrap();
        let bearer = token.bearer();
        let with = async |origin: &str| {
            let headers = [("host", "localhost:1"), ("authorization", bearer.as_str()), ("origin", origin)];
            ask(&token, &headers, "/v1").await.1
        };
        for origin in [
            "https://evil.example",
            "null",
            "",
            "http://localhost",
            "http://localhost:2",
            "https://localhost:1",
        ] {
            assert_eq!(with(origin).await, "foreign-origin", "{origin}");
        }
        assert_eq!(with("http://localhost:1").await, "open");
    }

    #[tokio::test]
    async fn a_missing_or_wrong_token_is_refused_on_every_path() {
        let token = Token::random().unwrap();
        let other = Token::random().unwrap().bearer();
        let good = token.bearer();
        let short = &good[..good.len() - 1];
        for path in ["/v1", "/nothing/here"] {
            assert_eq!(ask(&token, &[("host", "localhost")], path).await.0, StatusCode::UNAUTHORIZED);
            for wrong in [other.as_str(), short, "Bearer", "Basic YTpi", ""] {
                let answer = ask(&token, &[("host", "localhost"), ("authorization", wrong)], path).await;
                assert_eq!(answer, (StatusCode::UNAUTHORIZED, "wrong-token".to_owned()), "{wrong}");
            }
            let twice = [("host", "localhost"), ("authorization", &*good), ("authorization", &*good)];
            assert_eq!(ask(&token, &twice, path).await.1, "wrong-token");
        }
    }
}
