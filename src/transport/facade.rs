//! The endpoints of [`Facade`]: requests in, pages, redirects and JSON out.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::Value;
use url::Url;

use crate::auth::facade::{
    AUTHORIZE, CALLBACK, CONSENT, Facade, OAuthError, Outcome, REGISTER, REVOKE, TOKEN, WELL_KNOWN,
};

/// Size limit of a form or of client metadata in bytes.
pub(super) const MAX_BODY: usize = 64 * 1024;

/// Of a page. No `form-action`: browsers apply it to the redirects that follow a
/// form too, and those lead to the FHIR server's authorization server.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

/// The routes.
pub(super) fn router(facade: Facade) -> Router {
    let base = Url::parse(facade.issuer()).ok();
    let base = base
        .as_ref()
        .map_or("", |url| url.path())
        .trim_end_matches('/');
    let mut paths = vec![WELL_KNOWN.to_owned()];
    // Old clients look below the path of the MCP endpoint.
    for path in [base.to_owned(), "/mcp".to_owned(), format!("{base}/mcp")] {
        let path = format!("{WELL_KNOWN}{path}");
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let mut router = Router::new();
    for path in paths {
        router = router.route(&path, get(metadata));
    }
    router
        .route(REGISTER, post(register))
        .route(AUTHORIZE, get(authorize))
        .route(CONSENT, post(decide))
        .route(CALLBACK, get(callback))
        .route(TOKEN, post(token))
        .route(REVOKE, post(revoke))
        .with_state(facade)
}

async fn metadata(State(facade): State<Facade>) -> Response {
    let caching = HeaderValue::from_static("public, max-age=300");
    ([(header::CACHE_CONTROL, caching)], Json(facade.metadata())).into_response()
}

async fn register(State(facade): State<Facade>, body: Bytes) -> Response {
    answer(facade.register(&body), StatusCode::CREATED, false)
}

async fn authorize(
    State(facade): State<Facade>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    browser(facade.authorize(&query, &cookies(&headers)).await)
}

async fn decide(State(facade): State<Facade>, headers: HeaderMap, form: String) -> Response {
    browser(facade.decide(&form, &cookies(&headers)).await)
}

async fn callback(
    State(facade): State<Facade>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    browser(facade.callback(&query, &cookies(&headers)).await)
}

async fn token(State(facade): State<Facade>, headers: HeaderMap, form: String) -> Response {
    let authorization = authorization(&headers);
    let result = facade.token(authorization, &form).await;
    answer(result, StatusCode::OK, authorization.is_some())
}

async fn revoke(State(facade): State<Facade>, headers: HeaderMap, form: String) -> Response {
    let authorization = authorization(&headers);
    let result = facade.revoke(authorization, &form).await;
    let result = result.map(|()| Value::Object(serde_json::Map::new()));
    answer(result, StatusCode::OK, authorization.is_some())
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()
}

/// All cookies; HTTP/2 and some clients split them over several headers.
fn cookies(headers: &HeaderMap) -> String {
    let values = headers.get_all(header::COOKIE).iter();
    let texts: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    texts.join("; ")
}

/// JSON that nobody keeps; RFC 6749, section 5.
fn answer(result: Result<Value, OAuthError>, success: StatusCode, basic: bool) -> Response {
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let error = match result {
        Ok(value) => return (success, no_store, Json(value)).into_response(),
        Err(error) => error,
    };
    tracing::info!(
        code = error.code,
        "refused a client of the authorization server"
    );
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, no_store, Json(error.body())).into_response();
    if status == StatusCode::UNAUTHORIZED && basic {
        let challenge = HeaderValue::from_static("Basic realm=\"FHIR MCP Server\"");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// What a browser gets: kept nowhere, shown in no frame.
fn browser(outcome: Outcome) -> Response {
    let (mut response, cookie) = match outcome {
        Outcome::Page {
            status,
            html,
            cookie,
        } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            let html_type = HeaderValue::from_static("text/html; charset=utf-8");
            let page = (status, [(header::CONTENT_TYPE, html_type)], html);
            (page.into_response(), cookie)
        }
        // 303: whatever came, a form with a decision too, goes on as a GET.
        Outcome::Redirect { url, cookie } => match HeaderValue::from_str(&url) {
            Ok(url) => {
                let location = [(header::LOCATION, url)];
                ((StatusCode::SEE_OTHER, location).into_response(), cookie)
            }
            Err(_) => (StatusCode::BAD_GATEWAY.into_response(), cookie),
        },
    };
    let headers = response.headers_mut();
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        headers.insert(header::SET_COOKIE, cookie);
    }
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // A code in the URL goes to no other site. Not `no-referrer`: with it,
        // browsers send forms with the origin `null`.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
