//! Metadata documents of clients
//! ([OAuth Client ID Metadata Document](https://datatracker.ietf.org/doc/html/draft-ietf-oauth-client-id-metadata-document)):
//! the `client_id` is the URL of a document that says who the client is.
//!
//! Anyone can make this server fetch such a URL. It fetches from public
//! addresses only, over https, without redirects and proxies, little and not for
//! long.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde::Deserialize;
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::{Client, OAuthError, client::visible_name, registration::check_redirect_uris};
use crate::auth::address::is_public;

/// Size limit of a document in bytes.
const MAX_DOCUMENT: usize = 16 * 1024;
/// Time limit of a fetch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Fetches at once.
const MAX_FETCHES: usize = 8;
/// Documents that are kept.
const MAX_KEPT: usize = 256;
/// How long, in seconds.
const KEPT_FOR: u64 = 60 * 60;

/// Where documents may come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses, over https.
    #[default]
    Internet,
    /// Loopback addresses too, and there over http: for development and tests.
    Loopback,
}

/// Fetches documents, and keeps them for an hour.
#[derive(Debug)]
pub struct ClientDocuments {
    reach: Reach,
    http: reqwest::Client,
    fetches: Semaphore,
    kept: Mutex<HashMap<String, (u64, Client)>>,
}

#[derive(Deserialize)]
struct Document {
    client_id: String,
    client_name: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: Option<String>,
}

impl ClientDocuments {
    /// Nothing is fetched before a client comes.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(reach: Reach) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("fhir-mcp-server/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .dns_resolver(PublicAddresses { reach })
            .build()?;
        Ok(Self {
            reach,
            http,
            fetches: Semaphore::new(MAX_FETCHES),
            kept: Mutex::default(),
        })
    }

    /// The client that a document describes.
    pub(super) async fn client(&self, id: &str, now: u64) -> Result<Client, OAuthError> {
        if let Some(client) = self.kept(id, now) {
            return Ok(client);
        }
        let url = self.document_url(id).ok_or_else(|| {
            invalid(
                "A client_id that is a URL is the https URL of a client metadata document on a public host, with a path and without user name and fragment.",
            )
        })?;
        let document = self.fetch(url.clone()).await?;
        let client = client(id, &url, document)?;
        self.keep(&client, now);
        Ok(client)
    }

    fn document_url(&self, id: &str) -> Option<Url> {
        let url = Url::parse(id).ok()?;
        // One spelling alone: dot segments, default ports and capitals in the
        // host would let two ids mean one document.
        let plain = url.as_str() == id
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
            && url.path() != "/";
        let reachable = match (url.scheme(), self.reach, url.host()?) {
            ("https", _, Host::Domain(_)) => true,
            ("http" | "https", Reach::Loopback, Host::Ipv4(address)) => address.is_loopback(),
            _ => false,
        };
        (plain && reachable).then_some(url)
    }

    async fn fetch(&self, url: Url) -> Result<Document, OAuthError> {
        let Ok(_permit) = self.fetches.try_acquire() else {
            return Err(unavailable("Too many clients come at once. Try again."));
        };
        let failed = |error: reqwest::Error| {
            tracing::debug!(error = %error.without_url(), "no client metadata document");
            unavailable("The client metadata document cannot be fetched.")
        };
        let request = self.http.get(url).header("Accept", "application/json");
        let mut response = request.send().await.map_err(failed)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(invalid(
                "The client metadata document is not there: its URL must answer 200, without a redirect.",
            ));
        }
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(failed)? {
            if body.len() + part.len() > MAX_DOCUMENT {
                return Err(invalid("The client metadata document is over 16 KiB."));
            }
            body.extend_from_slice(&part);
        }
        serde_json::from_slice(&body)
            .map_err(|_error| invalid("The client metadata document is no JSON of a client."))
    }

    fn kept(&self, id: &str, now: u64) -> Option<Client> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, client) = kept.get(id)?;
        (*until > now).then(|| client.clone())
    }

    fn keep(&self, client: &Client, now: u64) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, (until, _)| *until > now);
        }
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(client.id.clone(), (now + KEPT_FOR, client.clone()));
    }
}

fn client(id: &str, url: &Url, document: Document) -> Result<Client, OAuthError> {
    if document.client_id != id {
        return Err(invalid(
            "The client metadata document is about another client_id than its own URL.",
        ));
    }
    // A document that everyone can read holds no secret.
    if document
        .token_endpoint_auth_method
        .is_some_and(|method| method != "none")
    {
        return Err(invalid(
            "A client with a metadata document is public here: token_endpoint_auth_method is none.",
        ));
    }
    check_redirect_uris(&document.redirect_uris)?;
    Ok(Client {
        id: id.to_owned(),
        name: document.client_name.as_deref().and_then(visible_name),
        redirect_uris: document.redirect_uris,
        confidential: false,
        document_host: url.host_str().map(str::to_owned),
    })
}

fn invalid(description: &str) -> OAuthError {
    OAuthError::new("invalid_client", description)
}

fn unavailable(description: &str) -> OAuthError {
    OAuthError::new("temporarily_unavailable", description)
}

/// Resolves names to addresses that may be connected to. The check is on the
/// addresses that are then used, so that no second answer of a name server can
/// differ from the first.
#[derive(Clone, Copy, Debug)]
struct PublicAddresses {
    reach: Reach,
}

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.reach;
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0))
                .await?
                .filter(|address| may_reach(reach, address.ip()))
                .collect();
            if addresses.is_empty() {
                return Err(io::Error::other("the name has no public address").into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn may_reach(reach: Reach, address: IpAddr) -> bool {
    is_public(address) || (reach == Reach::Loopback && address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_urls_of_documents_are_fetched() {
        let documents = ClientDocuments::new(Reach::Internet).unwrap();
        for id in [
            "http://a.example/c.json",
            "https://a.example/",
            "https://a.example",
            "https://a.example/c.json#x",
            "https://u:p@a.example/c.json",
            "https://a.example/x/../c.json",
            "https://A.example/c.json",
            "https://a.example:443/c.json",
            "https://127.0.0.1/c.json",
            "https://[::1]/c.json",
            "https://2130706433/c.json",
            "https://169.254.169.254/latest/meta-data",
            "ftp://a.example/c.json",
        ] {
            assert!(documents.document_url(id).is_none(), "{id}");
        }
        assert!(documents.document_url("https://a.example/c.json").is_some());
    }

    #[tokio::test]
    async fn names_of_this_machine_resolve_to_nothing() {
        let name: Name = "localhost".parse().unwrap();
        let internet = PublicAddresses {
            reach: Reach::Internet,
        };
        assert!(internet.resolve(name).await.is_err());
    }
}
