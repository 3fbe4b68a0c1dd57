//! FHIR interactions over HTTP.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use fhir_sdk::version::FhirR4B;
use reqwest::{
    Method, RequestBuilder, Response,
    header::{
        ACCEPT, CONTENT_LOCATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH,
        LOCATION, RETRY_AFTER,
    },
    redirect, retry,
};
use tokio::time::Instant;
use tracing::{Instrument, field::Empty};
use url::Url;

use super::{
    audit::Attempt,
    call::{Call, Trail},
    capability::{Capabilities, CapabilityCache},
    credential::{Credential, Headers},
    error::{ClientError, innermost},
    interaction::{Answer, Interaction},
    retry::{Backoff, asks_to_retry, parse_retry_after},
    service_base::{ServiceBase, host_and_port},
    tls::Tls,
};

/// The media type of FHIR JSON.
const FHIR_JSON: HeaderValue = HeaderValue::from_static("application/fhir+json");
/// Time to connect, at most; the configured time limit applies to the whole.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What an [`HttpClient`] needs to know.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// The [service base URL](https://hl7.org/fhir/R4/http.html#root).
    pub base: Url,
    /// Lets requests in; its headers are sent to this base alone.
    pub credential: Option<Arc<dyn Credential>>,
    /// Time limit of an interaction, repeats and waits included.
    pub timeout: Duration,
    /// Size limit of a body in bytes, counted after decompression.
    pub max_body: usize,
    /// `User-Agent` header.
    pub user_agent: String,
    /// Roots and client certificate beyond the defaults.
    pub tls: Tls,
}

impl HttpOptions {
    /// No credential, 30 seconds, 10 MiB.
    pub fn new(base: Url) -> Self {
        Self {
            base,
            credential: None,
            timeout: Duration::from_secs(30),
            max_body: 10 * 1024 * 1024,
            user_agent: concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned(),
            tls: Tls::default(),
        }
    }
}

/// A client of one FHIR server; clones share connections and caches.
///
/// No request leaves the base, redirects are not followed, and only what GET
/// asks for is ever sent twice. Dropping the future of a call ends the call.
#[derive(Clone, Debug)]
pub struct HttpClient {
    shared: Arc<Shared>,
    credential: Option<Arc<dyn Credential>>,
    trail: Trail,
}

#[derive(Debug)]
struct Shared {
    base: ServiceBase,
    /// Checks the origin once more and adds the correlation ids. Its repeats are
    /// off, since they include writes that timed out; its authorization
    /// callback is not used, since it keeps one header for all callers.
    fhir: fhir_sdk::client::Client<FhirR4B>,
    timeout: Duration,
    max_body: usize,
    capabilities: CapabilityCache,
}

/// An interaction as it is sent.
struct Request<'a> {
    interaction: &'a Interaction,
    call: Call,
    method: Method,
    url: Url,
    body: Option<&'a str>,
    /// The only version that a write may replace.
    if_match: Option<&'a str>,
    /// Whether unknown search parameters are an error
    /// (<https://hl7.org/fhir/R4/search.html#errors>).
    strict: bool,
}

impl HttpClient {
    /// Sets up a client; sends nothing.
    ///
    /// # Errors
    /// [`ClientError::InvalidBase`] and [`ClientError::Setup`].
    pub fn new(options: HttpOptions) -> Result<Self, ClientError> {
        let base = ServiceBase::new(options.base)?;
        let mut http = reqwest::Client::builder()
            .user_agent(options.user_agent)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false);
        if base.is_loopback() {
            http = http.no_proxy();
        }
        let http = options.tls.apply(http)?;
        let http = http.build().map_err(|error| ClientError::Setup {
            cause: innermost(&error),
        })?;
        let fhir = fhir_sdk::client::Client::builder()
            .base_url(base.url().clone())
            .client(http)
            .request_settings(fhir_sdk::client::RequestSettings::default().retries(0))
            // Bodies are judged by what they hold, not by what their media type claims.
            .allow_version_mismatch()
            .build()
            .map_err(|error| ClientError::Setup {
                cause: error.to_string(),
            })?;
        Ok(Self {
            shared: Arc::new(Shared {
                base,
                fhir,
                timeout: options.timeout,
                max_body: options.max_body,
                capabilities: CapabilityCache::default(),
            }),
            credential: options.credential,
            trail: Trail::default(),
        })
    }

    /// The same client on behalf of someone else; connections and caches are
    /// shared.
    pub fn with_credential(&self, credential: Arc<dyn Credential>) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            credential: Some(credential),
            trail: self.trail.clone(),
        }
    }

    /// On whose behalf it sends.
    pub fn credential(&self) -> Option<&Arc<dyn Credential>> {
        self.credential.as_ref()
    }

    pub(super) fn trail(&mut self) -> &mut Trail {
        &mut self.trail
    }

    /// The service base.
    pub fn base(&self) -> &ServiceBase {
        &self.shared.base
    }

    /// Sends an interaction. Any HTTP status but a redirect is an answer.
    ///
    /// # Errors
    /// All of [`ClientError`] but those of [`HttpClient::new`].
    pub async fn send(&self, interaction: &Interaction) -> Result<Answer, ClientError> {
        let request = Request {
            interaction,
            call: self.trail.call(),
            method: method(interaction),
            url: self.shared.base.resolve(interaction)?,
            body: body(interaction),
            if_match: match interaction {
                Interaction::Update { if_match, .. } | Interaction::Delete { if_match, .. } => {
                    if_match.as_deref()
                }
                _ => None,
            },
            strict: matches!(interaction, Interaction::Search { .. }),
        };
        let deadline = Instant::now() + self.shared.timeout;
        let sending = async {
            if !matches!(interaction, Interaction::Capabilities) {
                return self.send_patiently(&request, true, deadline).await;
            }
            // The CapabilityStatement is public on most servers. Gateways in
            // front of others say 403 where a header is missing.
            let answer = self.send_patiently(&request, false, deadline).await?;
            if matches!(answer.status, 401 | 403) && self.credential.is_some() {
                return self.send_patiently(&request, true, deadline).await;
            }
            Ok(answer)
        };
        let span = tracing::debug_span!(
            "fhir",
            request_id = %request.call.id(),
            method = %request.method,
            status = Empty,
            bytes = Empty,
        );
        let answer = tokio::time::timeout_at(deadline, sending)
            .instrument(span.clone())
            .await
            .unwrap_or(Err(ClientError::Timeout {
                after: self.shared.timeout,
            }));
        if let Ok(answer) = &answer {
            span.record("status", answer.status)
                .record("bytes", answer.body.len());
        }
        match &answer {
            Ok(answer) => tracing::debug!(
                request_id = %request.call.id(),
                method = %request.method,
                status = answer.status,
                bytes = answer.body.len(),
                "FHIR server answered"
            ),
            Err(error) => tracing::debug!(
                request_id = %request.call.id(),
                method = %request.method,
                %error,
                "no FHIR answer"
            ),
        }
        answer
    }

    /// The server's capabilities, at most ten minutes old.
    ///
    /// # Errors
    /// Those of [`send`](Self::send), and [`ClientError::Capabilities`].
    pub async fn capabilities(&self) -> Result<Arc<Capabilities>, ClientError> {
        let fetch =
            async || Capabilities::from_answer(&self.send(&Interaction::Capabilities).await?);
        // The time limit holds also for a caller who waits for the fetch of another.
        let after = self.shared.timeout;
        tokio::time::timeout(after, self.shared.capabilities.get(fetch))
            .await
            .unwrap_or(Err(ClientError::Timeout { after }))
    }

    /// Sends a request, and a GET again as long as that makes sense.
    async fn send_patiently(
        &self,
        request: &Request<'_>,
        authorized: bool,
        deadline: Instant,
    ) -> Result<Answer, ClientError> {
        let mut backoff = Backoff::new();
        loop {
            let result = self.send_once(request, authorized).await;
            let (again, retry_after) = match &result {
                Ok(answer) => (asks_to_retry(answer.status), answer.retry_after),
                Err(error) => (error.is_transient(), None),
            };
            if !again || request.method != Method::GET {
                return result;
            }
            let remaining = deadline.saturating_duration_since(Instant::now());
            match backoff.next(retry_after, remaining) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return result,
            }
        }
    }

    /// Sends a request; once more when the FHIR server refuses the credential
    /// and there is a better one. A request that was refused was not performed,
    /// so that holds for writes, too.
    async fn send_once(
        &self,
        request: &Request<'_>,
        authorized: bool,
    ) -> Result<Answer, ClientError> {
        let Some(credential) = self.credential.as_ref().filter(|_| authorized) else {
            return self.send_with(request, &Headers::new()).await;
        };
        let headers = credential.headers().await?;
        let answer = self.send_with(request, &headers).await?;
        if answer.status == 401 && credential.refused(&headers).await? {
            let headers = credential.headers().await?;
            return self.send_with(request, &headers).await;
        }
        Ok(answer)
    }

    /// Sends a request, and writes it to the audit log.
    async fn send_with(
        &self,
        request: &Request<'_>,
        credential: &Headers,
    ) -> Result<Answer, ClientError> {
        let Some(audit) = &self.trail.audit else {
            return self.exchange(request, credential).await;
        };
        let grant = match &self.credential {
            Some(own) if !credential.is_empty() => own.grant().await.ok(),
            _ => None,
        };
        let pending = audit.begin(Attempt {
            interaction: request.interaction,
            url: &request.url,
            base: &self.shared.base,
            call: &request.call,
            grant,
        })?;
        let result = self.exchange(request, credential).await;
        pending.end(&result)?;
        result
    }

    async fn exchange(
        &self,
        request: &Request<'_>,
        credential: &Headers,
    ) -> Result<Answer, ClientError> {
        let Shared {
            base,
            fhir,
            max_body,
            ..
        } = &*self.shared;
        let response = fhir
            .send_custom_request(|http| {
                let builder = http
                    .request(request.method.clone(), request.url.clone())
                    .header(ACCEPT, FHIR_JSON);
                self.authorize(with_details(builder, request), &request.url, credential)
            })
            .await
            .map_err(|error| ClientError::from_fhir(&error, &base.host()))?;
        if response.status().is_redirection() {
            return Err(redirected(&response, &request.url));
        }
        let mut answer = head(response.status().as_u16(), response.headers());
        answer.body = read_body(response, *max_body, &base.host()).await?;
        Ok(answer)
    }

    /// Attaches the credential: the only place that does, and only below the base.
    fn authorize(&self, builder: RequestBuilder, url: &Url, headers: &Headers) -> RequestBuilder {
        if !self.shared.base.contains(url) {
            return builder;
        }
        headers.iter().fold(builder, |builder, (name, value)| {
            builder.header(name.clone(), value.clone())
        })
    }
}

fn method(interaction: &Interaction) -> Method {
    match interaction {
        Interaction::Capabilities
        | Interaction::Search { .. }
        | Interaction::NextPage { .. }
        | Interaction::Read { .. } => Method::GET,
        Interaction::Create { .. } => Method::POST,
        Interaction::Update { .. } => Method::PUT,
        Interaction::Delete { .. } => Method::DELETE,
    }
}

fn body(interaction: &Interaction) -> Option<&str> {
    match interaction {
        Interaction::Create { body, .. } | Interaction::Update { body, .. } => Some(body),
        _ => None,
    }
}

fn with_details(mut builder: RequestBuilder, request: &Request<'_>) -> RequestBuilder {
    if let Some(id) = request.call.header() {
        builder = builder
            .header("x-request-id", id.clone())
            .header("x-correlation-id", id);
    }
    if request.strict {
        builder = builder.header("prefer", "handling=strict");
    }
    if let Some(version) = request.if_match {
        builder = builder.header(IF_MATCH, version);
    }
    if let Some(body) = request.body {
        builder = builder
            .header(CONTENT_TYPE, FHIR_JSON)
            .body(body.to_owned());
    }
    builder
}

fn redirected(response: &Response, from: &Url) -> ClientError {
    let location = text(response.headers(), &LOCATION);
    ClientError::Redirect {
        status: response.status().as_u16(),
        host: location
            .and_then(|location| from.join(&location).ok())
            .map(|url| host_and_port(&url)),
    }
}

/// All of an answer but its body.
fn head(status: u16, headers: &HeaderMap) -> Answer {
    let content_type = text(headers, &CONTENT_TYPE).and_then(|value| {
        let media_type = value.split(';').next()?.trim().to_ascii_lowercase();
        (!media_type.is_empty()).then_some(media_type)
    });
    Answer {
        status,
        content_type,
        location: text(headers, &LOCATION).or_else(|| text(headers, &CONTENT_LOCATION)),
        etag: text(headers, &ETAG),
        retry_after: text(headers, &RETRY_AFTER)
            .and_then(|value| parse_retry_after(&value, SystemTime::now())),
        body: Vec::new(),
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// Reads a body chunk by chunk, and no further than the limit: what comes out
/// of the decompression is counted, so that a small bomb cannot fill the memory.
async fn read_body(
    mut response: Response,
    limit: usize,
    host: &str,
) -> Result<Vec<u8>, ClientError> {
    let announced = response.content_length().unwrap_or(0);
    if announced > limit as u64 {
        return Err(ClientError::TooLarge { limit });
    }
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| ClientError::from_http(&error, host))?
    {
        if chunk.len() > limit - body.len() {
            return Err(ClientError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
