//! MCP clients: who they say they are, and where answers to them may go.

use url::Url;

use super::{Facade, OAuthError, parameters::Parameters};
use crate::{
    auth::seal::{equal, hash},
    client::service_base::is_loopback,
};

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The `client_id`.
    pub id: String,
    /// The name that it gave itself, of visible characters alone.
    pub name: Option<String>,
    /// Where answers may go.
    pub redirect_uris: Vec<String>,
    /// Whether it has a secret.
    pub confidential: bool,
    /// The host of its metadata document, which vouches for the rest; `None`
    /// for one that registered itself.
    pub document_host: Option<String>,
}

impl Client {
    /// Whether an answer may go to this URI: one of its own, to the letter. Of
    /// a loopback URI the port may differ, since a native client takes whatever
    /// port is free (RFC 8252, section 7.3).
    pub fn may_redirect_to(&self, uri: &str) -> bool {
        self.redirect_uris
            .iter()
            .any(|own| own == uri || same_but_for_the_port(own, uri))
    }
}

fn same_but_for_the_port(own: &str, uri: &str) -> bool {
    let (Some(own), Some(uri)) = (loopback(own), loopback(uri)) else {
        return false;
    };
    own.host() == uri.host() && own.path() == uri.path() && own.query() == uri.query()
}

fn loopback(uri: &str) -> Option<Url> {
    let url = redirect_uri(uri)?;
    (url.scheme() == "http").then_some(url)
}

/// A URI that answers may go to at all: https, or http on this machine, without
/// user name and fragment.
pub(super) fn redirect_uri(uri: &str) -> Option<Url> {
    let url = Url::parse(uri).ok()?;
    let allowed = match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_loopback(&url),
        _ => false,
    };
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    // Characters that the parser drops or repairs would make the URI another.
    let clean = uri
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (allowed && plain && clean).then_some(url)
}

/// A name as it may be shown: without control, formatting and direction
/// characters, one blank at a time, at most 60 characters.
pub(super) fn visible_name(name: &str) -> Option<String> {
    let visible: String = name
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .collect();
    let words: Vec<&str> = visible.split_ascii_whitespace().collect();
    let name: String = words.join(" ").chars().take(60).collect();
    (!name.is_empty()).then_some(name)
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

impl Facade {
    /// The client with this id.
    ///
    /// # Errors
    /// `invalid_client` when there is none; `temporarily_unavailable` when its
    /// metadata document cannot be had now.
    pub(super) async fn client(&self, id: &str) -> Result<Client, OAuthError> {
        if id.starts_with("https://") || id.starts_with("http://") {
            return self.options.documents.client(id, self.now()).await;
        }
        self.registered(id).ok_or_else(|| {
            OAuthError::new(
                "invalid_client",
                "This server does not know the client_id. Register again.",
            )
        })
    }

    /// The client that sends a request to the token or revocation endpoint; by
    /// `Authorization: Basic`, or by parameters of the form.
    ///
    /// # Errors
    /// `invalid_client` when the secret is missing or wrong, too.
    pub(super) async fn authenticated(
        &self,
        authorization: Option<&str>,
        form: &Parameters,
    ) -> Result<Client, OAuthError> {
        let (id, secret) = match authorization {
            Some(header) => {
                let (id, secret) = basic(header).ok_or_else(wrong)?;
                if form.get("client_id").is_some_and(|other| other != id) {
                    return Err(wrong());
                }
                (id, Some(secret))
            }
            None => (
                form.need("client_id")?.to_owned(),
                form.get("client_secret").map(str::to_owned),
            ),
        };
        let client = self.client(&id).await?;
        if client.confidential {
            let owner = self.secret_owner(secret.as_deref().unwrap_or_default());
            if !owner.is_some_and(|owner| equal(&owner, &hash(&id))) {
                return Err(wrong());
            }
        }
        Ok(client)
    }
}

fn wrong() -> OAuthError {
    OAuthError::new(
        "invalid_client",
        "Authenticate with the client_secret that belongs to the client_id, by one method.",
    )
}

/// Id and secret of `Authorization: Basic`, each form-encoded; RFC 6749,
/// section 2.3.1.
fn basic(header: &str) -> Option<(String, String)> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let credentials = STANDARD.decode(credentials.trim()).ok()?;
    let (id, secret) = std::str::from_utf8(&credentials).ok()?.split_once(':')?;
    Some((decoded(id)?, decoded(secret)?))
}

fn decoded(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    let text = percent_encoding::percent_decode_str(&text);
    Some(text.decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(uris: &[&str]) -> Client {
        Client {
            id: "a".into(),
            name: None,
            redirect_uris: uris.iter().map(|uri| (*uri).to_owned()).collect(),
            confidential: false,
            document_host: None,
        }
    }

    #[test]
    fn redirects_match_to_the_letter() {
        let client = client(&["https://a.example/cb?x=1"]);
        assert!(client.may_redirect_to("https://a.example/cb?x=1"));
        for uri in [
            "https://a.example/cb",
            "https://a.example/cb?x=1&y",
            "https://a.example/cb?x=1#",
            "https://a.example/CB?x=1",
            "https://a.example:443/cb?x=1",
            "https://A.example/cb?x=1",
            "https://a.example/x/../cb?x=1",
            "https://a.example.evil.example/cb?x=1",
            "https://a.example@evil.example/cb?x=1",
            "http://a.example/cb?x=1",
            "https://a.example/cb?x=1 ",
        ] {
            assert!(!client.may_redirect_to(uri), "{uri}");
        }
    }

    #[test]
    fn only_the_port_of_loopback_may_differ() {
        let client = client(&[
            "http://127.0.0.1/cb",
            "http://localhost:1/cb",
            "https://localhost/s",
        ]);
        for uri in [
            "http://127.0.0.1:9/cb",
            "http://localhost:2/cb",
            "http://localhost/cb",
        ] {
            assert!(client.may_redirect_to(uri), "{uri}");
        }
        for uri in [
            "http://127.0.0.2:9/cb",
            "http://127.0.0.1:9/cb/x",
            "http://127.0.0.1:9/cb?x",
            "http://127.0.0.1:9@evil.example/cb",
            "http://127.0.0.1.evil.example:9/cb",
            "http://[::1]/cb",
            "https://localhost:2/s",
            "http://u@127.0.0.1:9/cb",
            "http://127.0.0.1:9/cb#x",
            "http://127.0.0.1:9\\@evil.example/cb",
        ] {
            assert!(!client.may_redirect_to(uri), "{uri}");
        }
    }

    #[test]
    fn answers_go_to_https_or_to_this_machine() {
        for uri in [
            "https://a.example/",
            "http://localhost:1/",
            "http://[::1]:1/",
        ] {
            assert!(redirect_uri(uri).is_some(), "{uri}");
        }
        for uri in [
            "http://a.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "custom://callback",
            "https://a.example/#x",
            "https://u:p@a.example/",
            "https://a.example\\@b.example/",
            "https://a.example/\n",
            "/callback",
            "",
        ] {
            assert!(redirect_uri(uri).is_none(), "{uri:?}");
        }
    }

    #[test]
    fn names_are_shown_without_tricks() {
        let name = visible_name(" My\u{202e}\u{200b} \n\u{e0041}Client\u{0} ");
        assert_eq!(name.unwrap(), "My Client");
        assert_eq!(visible_name("\u{200b} \u{feff}"), None);
        assert_eq!(visible_name(&"x".repeat(200)).unwrap().len(), 60);
    }
}
