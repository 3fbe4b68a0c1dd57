//! Which HTTP requests may come in at all: protection against
//! [DNS rebinding](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#security-warning).
//!
//! A web page can make a browser send requests to a server on the same machine.
//! It cannot choose the `Host` and `Origin` headers that the browser sends.

use std::net::SocketAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use url::Url;

/// Names of this machine that reach a loopback address.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The hosts and origins that requests may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Host names and addresses, IPv6 ones in brackets, without port.
    hosts: Vec<String>,
    /// Origins with their port: `http://localhost:8000`.
    origins: Vec<String>,
}

impl Access {
    /// The loopback names, `address` itself and the host of `public_url`; as
    /// origins the same, over plain HTTP at the port of `address`, and the
    /// origin of `public_url`.
    pub fn new(address: SocketAddr, public_url: Option<&Url>) -> Self {
        let own_host = match address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        let mut hosts: Vec<String> = LOOPBACK_HOSTS.map(str::to_owned).into();
        if !hosts.contains(&own_host) {
            hosts.push(own_host);
        }
        let mut origins: Vec<String> = hosts
            .iter()
            .map(|host| format!("http://{host}:{}", address.port()))
            .collect();
        if let Some(url) = public_url {
            hosts.extend(url.host_str().map(str::to_owned));
            origins.extend(origin_with_port(url));
        }
        Self { hosts, origins }
    }

    /// The same with the origins of other web pages that may call.
    pub fn with_origins(mut self, origins: &[Url]) -> Self {
        self.origins
            .extend(origins.iter().filter_map(origin_with_port));
        self
    }

    /// The hosts, as the MCP library takes them.
    pub(super) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The origins, as the MCP library takes them.
    pub(super) fn origins(&self) -> &[String] {
        &self.origins
    }

    /// Whether a request with these headers may come in.
    ///
    /// # Errors
    /// [`Refusal`] with the header that forbids it. A request without `Origin`
    /// comes from no web page.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = single(headers, &header::HOST)
            .and_then(|host| host.parse::<Authority>().ok())
            .ok_or(Refusal::Host)?;
        if !self
            .hosts
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(host.host()))
        {
            return Err(Refusal::Host);
        }
        if !headers.contains_key(header::ORIGIN) {
            return Ok(());
        }
        let origin = single(headers, &header::ORIGIN)
            .and_then(|origin| Url::parse(origin).ok())
            .and_then(|origin| origin_with_port(&origin))
            .ok_or(Refusal::Origin)?;
        if self.origins.contains(&origin) {
            Ok(())
        } else {
            Err(Refusal::Origin)
        }
    }
}

/// Why a request may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was sent to a name that is not ours.
    #[error(
        "The Host header names another server. Use localhost, or set FHIR_MCP_SERVER_URL to the URL that clients use."
    )]
    Host,
    /// It comes from a web page of another site.
    #[error(
        "The Origin header names another site. Set FHIR_MCP_SERVER_URL if the site is this server's own, FHIR_MCP_ALLOWED_ORIGINS if it may call this one."
    )]
    Origin,
}

/// Lets a request pass or answers 403.
pub(super) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            tracing::warn!(?refusal, "refused a request");
            (StatusCode::FORBIDDEN, refusal.to_string()).into_response()
        }
    }
}

/// The value of a header that stands once.
fn single<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn origin_with_port(url: &Url) -> Option<String> {
    let port = url.port_or_known_default()?;
    Some(format!("{}://{}:{port}", url.scheme(), url.host_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        let public = Url::parse("https://mcp.example.org/fhir").unwrap();
        Access::new("127.0.0.1:8000".parse().unwrap(), Some(&public))
    }

    fn check(headers: &[(&'static str, &'static str)]) -> Result<(), Refusal> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        // `collect` would keep the last of two equal names only.
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: header::HeaderName = name;
            map.append(name, value);
        }
        access().check(&map)
    }

    #[test]
    fn loopback_and_configured_hosts_may_come_in() {
        for host in [
            "localhost",
            "localhost:8000",
            "LOCALHOST:8000",
            "127.0.0.1:8000",
            "[::1]:8000",
            "mcp.example.org",
        ] {
            assert_eq!(check(&[("host", host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn other_hosts_may_not() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8000",
            "example.org",
            "::1",
            "0.0.0.0:8000",
            "localhost/",
            "",
        ] {
            assert_eq!(check(&[("host", host)]), Err(Refusal::Host), "{host}");
        }
        assert_eq!(check(&[]), Err(Refusal::Host));
        let twice = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(check(&twice), Err(Refusal::Host));
    }

    #[test]
    fn own_origins_may_come_in() {
        for origin in [
            "http://localhost:8000",
            "http://127.0.0.1:8000",
            "http://[::1]:8000",
            "https://mcp.example.org",
            "https://mcp.example.org:443",
        ] {
            let headers = [("host", "localhost:8000"), ("origin", origin)];
            assert_eq!(check(&headers), Ok(()), "{origin}");
        }
    }

    #[test]
    fn other_origins_may_not() {
        for origin in [
            "http://evil.example",
            "http://localhost",
            "http://localhost:3000",
            "https://localhost:8000",
            "http://mcp.example.org",
            "https://mcp.example.org.evil.example",
            "null",
            "file://",
            "",
        ] {
            let headers = [("host", "localhost:8000"), ("origin", origin)];
            assert_eq!(check(&headers), Err(Refusal::Origin), "{origin}");
        }
    }
}
