//! This server as a protected resource: its metadata
//! ([RFC 9728](https://www.rfc-editor.org/rfc/rfc9728)), and the challenges
//! that lead a client to a token
//! ([MCP, authorization](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization)).

use futures::future::BoxFuture;
use serde_json::{Value, json};
use url::Url;

use super::{Caller, scope::Scopes};

/// Path of the metadata of a resource without a path.
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
/// Paths of the MCP endpoints, the first of them the one that is named.
pub const ENDPOINTS: [&str; 2] = ["/mcp", "/sse"];

/// The server under the URL that its clients use.
#[derive(Clone, Debug)]
pub struct ProtectedResource {
    /// Without a slash at its end.
    base: String,
    issuer: String,
    supported: Scopes,
}

impl ProtectedResource {
    /// The server at `base`, whose tokens `issuer` gives out. Without
    /// `writes` no scope to write is named.
    pub fn new(base: &Url, issuer: impl Into<String>, writes: bool) -> Self {
        Self {
            base: base.as_str().trim_end_matches('/').to_owned(),
            issuer: issuer.into(),
            supported: if writes { Scopes::WRITE } else { Scopes::READ },
        }
    }

    /// The scopes that mean something here.
    pub fn supported(&self) -> Scopes {
        self.supported
    }

    /// The URL that clients use, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Our URIs: of the MCP endpoints and of the server, with and without a slash
    /// at the end. Tokens for any other are not for us.
    pub fn uris(&self) -> impl Iterator<Item = String> {
        ["", ENDPOINTS[0], ENDPOINTS[1]]
            .into_iter()
            .flat_map(|path| {
                [
                    format!("{}{path}", self.base),
                    format!("{}{path}/", self.base),
                ]
            })
    }

    /// Whether this is one of our URIs.
    pub fn is_ours(&self, uri: &str) -> bool {
        self.uris().any(|ours| ours == uri)
    }

    /// The metadata of the MCP endpoint at this path; RFC 9728, section 2.
    pub fn metadata(&self, endpoint: &str) -> Value {
        json!({
            "resource": format!("{}{endpoint}", self.base),
            "authorization_servers": [self.issuer],
            "scopes_supported": self.supported.names().collect::<Vec<_>>(),
            "bearer_methods_supported": ["header"],
            "resource_name": "FHIR MCP Server",
        })
    }

    /// The value of `WWW-Authenticate` for a request to the endpoint at this
    /// path; RFC 6750, section 3, and RFC 9728, section 5.1.
    pub fn challenge(&self, endpoint: &str, refusal: &Refusal) -> String {
        let mut value = "Bearer ".to_owned();
        let (error, scopes) = match refusal {
            // All that is of use here, at once: some authorization servers give
            // out no scope later that was not asked for at first.
            Refusal::Missing => (None, self.supported),
            Refusal::Invalid(reason) => (Some(("invalid_token", *reason)), self.supported),
            Refusal::Scope(needed) => (
                Some(("insufficient_scope", "the token lacks a scope")),
                *needed,
            ),
            Refusal::Unavailable(_) => return value,
        };
        if let Some((code, description)) = error {
            value += &format!("error=\"{code}\", error_description=\"{description}\", ");
        }
        value += &format!("scope=\"{scopes}\", ");
        let origin_length = self.origin_length();
        let (origin, path) = self.base.split_at(origin_length);
        value + &format!("resource_metadata=\"{origin}{WELL_KNOWN}{path}{endpoint}\"")
    }

    /// Where the path of the base begins.
    fn origin_length(&self) -> usize {
        let host = self.base.find("://").map_or(0, |at| at + 3);
        self.base[host..]
            .find('/')
            .map_or(self.base.len(), |at| host + at)
    }
}

/// Why a request may not come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It has no token.
    Missing,
    /// Its token is none of ours, expired or revoked. The reason is told to the
    /// client.
    Invalid(&'static str),
    /// Its token does not allow what it asks for: all the scopes that do.
    Scope(Scopes),
    /// Tokens cannot be checked now. The reason is for the log.
    Unavailable(String),
}

/// Checks the tokens of MCP clients.
pub trait TokenCheck: std::fmt::Debug + Send + Sync {
    /// Whose token this is.
    fn caller<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Caller, Refusal>>;
}

/// The token of an `Authorization` header; `None` when it is no bearer token.
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty() && !token.contains(' '))
        .then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(base: &str) -> ProtectedResource {
        ProtectedResource::new(&base.parse().unwrap(), "https://as.example", true)
    }

    #[test]
    fn metadata_lies_between_host_and_path() {
        let challenge = resource("https://a.example/fhir").challenge("/mcp", &Refusal::Missing);
        let url = "https://a.example/.well-known/oauth-protected-resource/fhir/mcp";
        assert!(challenge.contains(&format!("resource_metadata=\"{url}\"")));
        let challenge = resource("http://localhost:8000").challenge("/mcp", &Refusal::Missing);
        let url = "http://localhost:8000/.well-known/oauth-protected-resource/mcp";
        assert!(challenge.contains(url), "{challenge}");
    }

    #[test]
    fn a_challenge_names_the_scopes_that_are_of_use() {
        let base = "https://a.example".parse().unwrap();
        for (writes, scopes) in [(false, "fhir.read"), (true, "fhir.read fhir.write")] {
            let resource = ProtectedResource::new(&base, "https://as.example", writes);
            for refusal in [Refusal::Missing, Refusal::Invalid("expired")] {
                let challenge = resource.challenge("/mcp", &refusal);
                let named = format!("scope=\"{scopes}\"");
                assert!(challenge.contains(&named), "{challenge}");
            }
            let challenge = resource.challenge("/mcp", &Refusal::Scope(Scopes::READ));
            assert!(challenge.contains("scope=\"fhir.read\""), "{challenge}");
        }
    }

    #[test]
    fn only_our_uris_are_ours() {
        let resource = resource("https://a.example/fhir/");
        for uri in ["", "/", "/mcp", "/mcp/", "/sse"] {
            assert!(resource.is_ours(&format!("https://a.example/fhir{uri}")));
        }
        for uri in [
            "",
            "https://a.example",
            "https://a.example/fhir/mcp/x",
            "https://a.example/fhirmcp",
            "https://a.example/fhir//mcp",
            "https://a.example.evil.example/fhir/mcp",
            "http://a.example/fhir/mcp",
            "https://a.example/fhir/mcp?x",
        ] {
            assert!(!resource.is_ours(uri), "{uri}");
        }
    }
}
