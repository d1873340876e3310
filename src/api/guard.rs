//! Who may ask: requests that are meant for this host, come from no web page, and carry the token.
//!
//! The `Host` check stops a page whose name was made to resolve to 127.0.0.1; the `Origin` check stops
//! pages in general, since browsers send it with every request that could do harm.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header, uri::Authority};
use axum::middleware::{self, Next};
use axum::response::Response;

use super::error::ApiError;
use super::token::Token;

/// Puts the guard in front of every route, the fallbacks included.
pub(super) fn protect(router: Router, token: Token) -> Router {
    router.layer(middleware::from_fn_with_state(Arc::new(token), guard))
}

async fn guard(State(token): State<Arc<Token>>, request: Request, next: Next) -> Result<Response, ApiError> {
    check(request.headers(), &token)?;
    Ok(next.run(request).await)
}

fn check(headers: &HeaderMap, token: &Token) -> Result<(), ApiError> {
    if !single(headers, header::HOST).is_some_and(is_loopback) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "foreign-host",
            "this API is for this machine: ask for 127.0.0.1, [::1] or localhost",
        ));
    }
    if headers.contains_key(header::ORIGIN) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "foreign-origin",
            "this API does not answer web pages",
        ));
    }
    if !single(headers, header::AUTHORIZATION).is_some_and(|value| token.admits(value)) {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "wrong-token",
            "the header `Authorization: Bearer TOKEN` is missing or wrong; the token is in api.json in the data directory",
        ));
    }
    Ok(())
}

/// The value of a header that occurs exactly once.
fn single(headers: &HeaderMap, name: header::HeaderName) -> Option<&[u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

fn is_loopback(host: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(host) else { return false };
    // A user name before the host has no place in a Host header.
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

    async fn ask(token: &Token, headers: &[(&str, &str)], path: &str) -> (StatusCode, String) {
        let router = Router::new()
            .route("/v1", get(async || "open"))
            .fallback(async || ApiError::new(StatusCode::NOT_FOUND, "no-such-route", "?"));
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response =
            protect(router, token.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
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
    async fn every_origin_is_refused() {
        let token = Token::random().unwrap();
        let bearer = token.bearer();
        for origin in ["https://evil.example", "null", "http://localhost", "http://127.0.0.1:4000"] {
            let headers = [("host", "localhost"), ("authorization", bearer.as_str()), ("origin", origin)];
            assert_eq!(ask(&token, &headers, "/v1").await.1, "foreign-origin", "{origin}");
        }
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
