//! The service base URL, and the only place that makes URLs below it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use super::{
    error::ClientError,
    interaction::{Interaction, Parameter},
};

/// Longest URL that is sent: what common servers and proxies take at most.
const MAX_URL: usize = 16 * 1024;

/// What stands unencoded in a query. `:`, `,`, `/` and `$` have no meaning
/// there for HTTP, and FHIR servers exist that look for them before decoding.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b',')
    .remove(b'/')
    .remove(b'$')
    .remove(b'*');

/// The [service base URL](https://hl7.org/fhir/R4/http.html#root) of a FHIR
/// server. Every URL that it hands out lies within it.
#[derive(Clone, Debug)]
pub struct ServiceBase {
    /// Path without a trailing slash, no query, no fragment, no user.
    url: Url,
}

impl ServiceBase {
    /// Takes an `http` or `https` URL, with or without trailing slashes.
    ///
    /// # Errors
    /// [`ClientError::InvalidBase`] for other schemes and for a URL with user,
    /// password, query or fragment.
    pub fn new(mut url: Url) -> Result<Self, ClientError> {
        let invalid = |reason| Err(ClientError::InvalidBase { reason });
        if !matches!(url.scheme(), "http" | "https") {
            return invalid("is neither http nor https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return invalid("holds a user name or password");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return invalid("holds a query or a fragment");
        }
        let path = url.path().trim_end_matches('/').to_owned();
        if !path.split('/').all(is_plain_segment) {
            return invalid("has a path with encoded slashes, dots or percent signs");
        }
        url.set_path(&path);
        Ok(Self { url })
    }

    /// The base itself.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Host and port, as they may be shown.
    pub fn host(&self) -> String {
        host_and_port(&self.url)
    }

    /// Whether the base is this very machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// The URL of an interaction.
    ///
    /// # Errors
    /// [`ClientError::InvalidType`], [`ClientError::InvalidId`],
    /// [`ClientError::InvalidOperation`], [`ClientError::UrlTooLong`], and
    /// [`ClientError::OutsideBase`] for a `next` link that leaves the base.
    pub fn resolve(&self, interaction: &Interaction) -> Result<Url, ClientError> {
        let url = match interaction {
            Interaction::Capabilities => {
                let format = [("_format".to_owned(), "json".to_owned())];
                self.below(&["metadata"], &format)?
            }
            Interaction::Search {
                resource_type,
                parameters,
            } => self.instance(resource_type, None, None, parameters)?,
            Interaction::NextPage { link } => self.follow(link)?,
            Interaction::Read {
                resource_type,
                id,
                operation,
                parameters,
            } => self.instance(resource_type, Some(id), operation.as_deref(), parameters)?,
            Interaction::Create {
                resource_type,
                operation,
                parameters,
                ..
            } => self.instance(resource_type, None, operation.as_deref(), parameters)?,
            Interaction::Update {
                resource_type,
                id,
                operation,
                parameters,
                ..
            }
            | Interaction::Delete {
                resource_type,
                id,
                operation,
                parameters,
                ..
            } => self.instance(
                resource_type,
                id.as_deref(),
                operation.as_deref(),
                parameters,
            )?,
        };
        let length = url.as_str().len();
        if length > MAX_URL {
            let limit = MAX_URL;
            return Err(ClientError::UrlTooLong { length, limit });
        }
        // All parts were checked; this holds even if one check were wrong.
        if !self.contains(&url) {
            return Err(ClientError::OutsideBase);
        }
        Ok(url)
    }

    /// Whether a URL has the scheme, host and port of the base, and a path that
    /// stays below it also for a server that decodes it once more.
    pub fn contains(&self, url: &Url) -> bool {
        let prefix = self.url.path().trim_end_matches('/');
        let below = url.path().strip_prefix(prefix);
        url.scheme() == self.url.scheme()
            && url.host() == self.url.host()
            && url.port_or_known_default() == self.url.port_or_known_default()
            && url.username().is_empty()
            && url.password().is_none()
            && below.is_some_and(|rest| {
                (rest.is_empty() || rest.starts_with('/')) && rest.split('/').all(is_plain_segment)
            })
    }

    /// `[base]/[type]{/[id]}{/[operation]}?…`
    fn instance(
        &self,
        resource_type: &str,
        id: Option<&str>,
        operation: Option<&str>,
        parameters: &[Parameter],
    ) -> Result<Url, ClientError> {
        check_type(resource_type)?;
        let mut segments = vec![resource_type];
        if let Some(id) = id {
            check_id(id)?;
            segments.push(id);
        }
        if let Some(operation) = operation {
            check_operation(operation)?;
            segments.extend(operation.split('/'));
        }
        self.below(&segments, parameters)
    }

    fn below(&self, segments: &[&str], parameters: &[Parameter]) -> Result<Url, ClientError> {
        let mut url = self.url.clone();
        url.path_segments_mut()
            .map_err(|()| ClientError::OutsideBase)?
            .pop_if_empty()
            .extend(segments);
        if !parameters.is_empty() {
            let query: Vec<String> = parameters
                .iter()
                .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
                .collect();
            url.set_query(Some(&query.join("&")));
        }
        Ok(url)
    }

    /// A link of the server, absolute or relative to the base.
    fn follow(&self, link: &str) -> Result<Url, ClientError> {
        let mut directory = self.url.clone();
        // With a query alone the link means the base itself, not a folder.
        if !link.starts_with('?') {
            directory
                .path_segments_mut()
                .map_err(|()| ClientError::OutsideBase)?
                .pop_if_empty()
                .push("");
        }
        let mut url = directory
            .join(link)
            .map_err(|_error| ClientError::OutsideBase)?;
        url.set_fragment(None);
        Ok(url)
    }
}

/// Whether the host of a URL is this very machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Host and port of a URL, without path and query.
pub(crate) fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn check_type(resource_type: &str) -> Result<(), ClientError> {
    let capital = resource_type.starts_with(|first: char| first.is_ascii_uppercase());
    let letters = resource_type.chars().all(|char| char.is_ascii_alphabetic());
    if capital && letters && resource_type.len() <= 64 {
        Ok(())
    } else {
        Err(ClientError::InvalidType)
    }
}

fn check_id(id: &str) -> Result<(), ClientError> {
    let allowed = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.');
    // The pattern of an id lets `.` and `..` through, and URLs drop both: a read
    // would become a search of the whole type.
    let dots = matches!(id, "." | "..");
    if !dots && (1..=64).contains(&id.len()) && id.chars().all(allowed) {
        Ok(())
    } else {
        Err(ClientError::InvalidId)
    }
}

fn check_operation(operation: &str) -> Result<(), ClientError> {
    let valid = match operation.split_once('/') {
        Some((history, version)) => history == "_history" && check_id(version).is_ok(),
        None => match operation.strip_prefix('$') {
            Some(name) => {
                name.starts_with(|first: char| first.is_ascii_alphabetic())
                    && name.len() <= 64
                    && name
                        .chars()
                        .all(|char| char.is_ascii_alphanumeric() || char == '-')
            }
            None => matches!(operation, "_history" | "*") || check_type(operation).is_ok(),
        },
    };
    if valid {
        Ok(())
    } else {
        Err(ClientError::InvalidOperation)
    }
}

/// Whether a path segment means the same however often it is decoded, and is
/// no step up: neither `..` nor `..;x`, which some servlet containers take as
/// one, nor a segment with an encoded separator.
fn is_plain_segment(segment: &str) -> bool {
    let decoded: Vec<u8> = percent_decode_str(segment).collect();
    let name = decoded.split(|byte| *byte == b';').next().unwrap_or(&[]);
    !matches!(name, b"." | b"..")
        && !decoded
            .iter()
            .any(|byte| matches!(byte, b'/' | b'\\' | b'%') || byte.is_ascii_control())
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(url: &str) -> ServiceBase {
        ServiceBase::new(url.parse().unwrap()).unwrap()
    }

    fn search(parameters: &[(&str, &str)]) -> Interaction {
        Interaction::Search {
            resource_type: "Patient".to_owned(),
            parameters: parameters
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
        }
    }

    fn read(id: &str, operation: Option<&str>) -> Interaction {
        Interaction::Read {
            resource_type: "Patient".to_owned(),
            id: id.to_owned(),
            operation: operation.map(ToOwned::to_owned),
            parameters: Vec::new(),
        }
    }

    #[test]
    fn urls_have_the_form_of_the_specification() {
        for url in ["https://h/fhir", "https://h/fhir/", "https://h:443/fhir//"] {
            let base = base(url);
            let resolve = |interaction| base.resolve(&interaction).unwrap().to_string();
            assert_eq!(
                resolve(Interaction::Capabilities),
                "https://h/fhir/metadata?_format=json"
            );
            assert_eq!(resolve(search(&[])), "https://h/fhir/Patient");
            assert_eq!(resolve(read("a.b-1", None)), "https://h/fhir/Patient/a.b-1");
            assert_eq!(
                resolve(read("1", Some("_history/2"))),
                "https://h/fhir/Patient/1/_history/2"
            );
            assert_eq!(
                resolve(read("1", Some("$everything"))),
                "https://h/fhir/Patient/1/$everything"
            );
        }
        let root = base("http://h:8080");
        assert_eq!(
            root.resolve(&search(&[])).unwrap().as_str(),
            "http://h:8080/Patient"
        );
    }

    #[test]
    fn parameters_are_encoded_and_keep_their_order() {
        let parameters = [
            ("identifier", "http://s|a b"),
            ("date:missing", "ge2020-01-01T00:00:00+01:00"),
            ("date", "1,2"),
            ("a&b=c", "#?%/é'\""),
        ];
        assert_eq!(
            base("http://h/f")
                .resolve(&search(&parameters))
                .unwrap()
                .query(),
            Some(
                "identifier=http://s%7Ca%20b&date:missing=ge2020-01-01T00:00:00%2B01:00\
                 &date=1,2&a%26b%3Dc=%23%3F%25/%C3%A9%27%22"
            )
        );
    }

    #[test]
    fn a_url_that_servers_would_refuse_is_not_sent() {
        let long = "x".repeat(MAX_URL);
        let result = base("http://h/f").resolve(&search(&[("name", &long)]));
        assert!(matches!(result, Err(ClientError::UrlTooLong { .. })));
    }

    #[test]
    fn links_within_the_base_are_followed() {
        let base = base("https://h/fhir");
        for (link, url) in [
            ("https://h/fhir?_getpages=1", "https://h/fhir?_getpages=1"),
            (
                "https://h:443/fhir/Patient?p=2",
                "https://h/fhir/Patient?p=2",
            ),
            ("https://H/fhir/Patient?p=2#x", "https://h/fhir/Patient?p=2"),
            ("Patient?p=2", "https://h/fhir/Patient?p=2"),
            ("/fhir/Patient?p=2", "https://h/fhir/Patient?p=2"),
            ("?_getpages=1", "https://h/fhir?_getpages=1"),
            ("https://h/x/../fhir/Patient", "https://h/fhir/Patient"),
            (
                "Patient?u=https%3A%2F%2Fe%2F..",
                "https://h/fhir/Patient?u=https%3A%2F%2Fe%2F..",
            ),
        ] {
            let link = link.to_owned();
            let resolved = base.resolve(&Interaction::NextPage { link }).unwrap();
            assert_eq!(resolved.as_str(), url);
        }
    }

    #[test]
    fn links_outside_the_base_are_not_followed() {
        let base = base("https://h/fhir");
        for link in [
            "http://h/fhir/Patient",
            "https://h:8443/fhir/Patient",
            "https://h:443:443/fhir/Patient",
            "https://h.example/fhir/Patient",
            "https://h@example/fhir/Patient",
            "https://user@h/fhir/Patient",
            "https://h/fhirx/Patient",
            "https://h/",
            "https://h/fhir/../admin",
            "https://h/fhir/%2e%2e/admin",
            "https://h/fhir/..%2fadmin",
            "https://h/fhir/..;/admin",
            "https://h/fhir/%252e%252e/admin",
            "https://h/fhir/a%00b",
            r"https://h/fhir\..\admin",
            "//example/fhir/Patient",
            "/Patient?p=2",
            "../Patient",
            "../fhirx",
            r"\\example\fhir",
            "file:///fhir/Patient",
            "data:application/fhir+json,{}",
            "javascript:1",
            "https://",
            "https://[::1]/fhir/Patient",
        ] {
            let interaction = Interaction::NextPage {
                link: link.to_owned(),
            };
            let result = base.resolve(&interaction);
            assert!(
                matches!(result, Err(ClientError::OutsideBase)),
                "{link} gave {result:?}"
            );
        }
    }

    #[test]
    fn a_base_is_a_plain_http_url() {
        for url in [
            "ftp://h/fhir",
            "file:///fhir",
            "mailto:a@b",
            "https://u@h/fhir",
            "https://u:p@h/fhir",
            "https://h/fhir?a=b",
            "https://h/fhir#a",
            "https://h/fhir%2f..",
        ] {
            let result = ServiceBase::new(url.parse().unwrap());
            assert!(
                matches!(result, Err(ClientError::InvalidBase { .. })),
                "{url} gave {result:?}"
            );
        }
    }
}
