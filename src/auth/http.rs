//! HTTP towards authorization servers: small JSON documents, no redirects.

use std::time::Duration;

use reqwest::{
    Response,
    header::{ACCEPT, CACHE_CONTROL, HeaderMap},
    redirect, retry,
};
use url::Url;

use super::error::AuthError;
use crate::client::{
    Tls,
    credential::Headers,
    error::innermost,
    service_base::{host_and_port, is_loopback},
};

/// Largest body, counted after decompression.
const MAX_BODY: usize = 1024 * 1024;
/// Time to connect, at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for a whole exchange, at most.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long a document is believed whose server does not say, and at most.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// A client for authorization servers; clones share connections.
#[derive(Clone, Debug)]
pub struct AuthHttp(reqwest::Client);

/// A JSON document and how long it may be kept.
#[derive(Debug)]
pub struct Document {
    /// The body as it came.
    pub body: Vec<u8>,
    /// By `Cache-Control`, an hour at most.
    pub max_age: Duration,
}

impl AuthHttp {
    /// Sets up a client. No proxy is used when `near`, the server that the
    /// authorization is for, is this very machine.
    ///
    /// # Errors
    /// [`AuthError::Setup`].
    pub fn new(tls: &Tls, near: &Url) -> Result<Self, AuthError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!(
                env!("CARGO_PKG_NAME"),
                "/",
                env!("CARGO_PKG_VERSION")
            ))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false);
        if is_loopback(near) {
            builder = builder.no_proxy();
        }
        let client = tls.apply(builder)?.build();
        client
            .map(Self)
            .map_err(|error| AuthError::Setup(innermost(&error)))
    }

    /// Gets a JSON document.
    ///
    /// # Errors
    /// [`AuthError::Connection`], [`AuthError::Unusable`] when it is too large,
    /// and [`AuthError::Status`] for any status but 200.
    pub async fn get(&self, url: &Url, what: &'static str) -> Result<Document, AuthError> {
        self.get_with(url, &Headers::new(), what).await
    }

    /// The same with headers, which the caller knows to be for this URL.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_with(
        &self,
        url: &Url,
        headers: &Headers,
        what: &'static str,
    ) -> Result<Document, AuthError> {
        let request = self.0.get(url.clone()).header(ACCEPT, "application/json");
        let response = headers
            .iter()
            .fold(request, |request, (name, value)| {
                request.header(name.clone(), value.clone())
            })
            .send()
            .await
            .map_err(|error| connection(what, url, &error))?;
        let status = response.status().as_u16();
        if status != 200 {
            let host = host_and_port(url);
            return Err(AuthError::Status { what, host, status });
        }
        let max_age = max_age(response.headers());
        let body = read(response, what, url).await?;
        Ok(Document { body, max_age })
    }

    /// Sends a request to a token endpoint.
    ///
    /// # Errors
    /// As [`get`](Self::get); an error status with a JSON body is an answer.
    pub async fn post(
        &self,
        request: oauth2::HttpRequest,
        url: &Url,
        what: &'static str,
    ) -> Result<oauth2::HttpResponse, AuthError> {
        let (parts, body) = request.into_parts();
        let response = self
            .0
            .request(parts.method, url.clone())
            .headers(parts.headers)
            .body(body)
            .send()
            .await
            .map_err(|error| connection(what, url, &error))?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = read(response, what, url).await?;
        let is_json = serde_json::from_slice::<&serde_json::value::RawValue>(&body).is_ok();
        if status != 200 && !is_json {
            return Err(AuthError::Status {
                what,
                host: host_and_port(url),
                status: status.as_u16(),
            });
        }
        let mut answer = oauth2::HttpResponse::new(body);
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok(answer)
    }
}

async fn read(mut response: Response, what: &'static str, url: &Url) -> Result<Vec<u8>, AuthError> {
    let mut body = Vec::new();
    let mut chunk = response.chunk().await;
    while let Some(bytes) = chunk.map_err(|error| connection(what, url, &error))? {
        if bytes.len() > MAX_BODY - body.len() {
            return Err(AuthError::Unusable {
                what,
                host: host_and_port(url),
                reason: format!("it is larger than {MAX_BODY} bytes"),
            });
        }
        body.extend_from_slice(&bytes);
        chunk = response.chunk().await;
    }
    Ok(body)
}

fn connection(what: &'static str, url: &Url, error: &reqwest::Error) -> AuthError {
    AuthError::Connection {
        what,
        host: host_and_port(url),
        cause: innermost(error),
    }
}

/// By the first directive that says something
/// ([RFC 9111 §5.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2)).
fn max_age(headers: &HeaderMap) -> Duration {
    let values = headers.get_all(CACHE_CONTROL).iter();
    let text: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    let text = text.join(",").to_ascii_lowercase();
    for directive in text.split(',').map(str::trim) {
        if matches!(directive, "no-store" | "no-cache") {
            return Duration::ZERO;
        }
        if let Some(seconds) = directive.strip_prefix("max-age=")
            && let Ok(seconds) = seconds.trim_matches('"').parse()
        {
            return Duration::from_secs(seconds).min(MAX_AGE);
        }
    }
    MAX_AGE
}
