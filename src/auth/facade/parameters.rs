//! Parameters of a request: `application/x-www-form-urlencoded`, each at most
//! once (RFC 6749, section 3.1).

use super::OAuthError;

/// Longest value. A sealed client id with ten redirect URIs is shorter.
const MAX_VALUE: usize = 16 * 1024;

/// The parameters of a query or a form.
#[derive(Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query or a form. A parameter without a value counts as left out.
    ///
    /// # Errors
    /// `invalid_request` when a parameter stands twice or is too long.
    /// `resource` may stand several times; RFC 8707.
    pub(super) fn parse(text: &str) -> Result<Self, OAuthError> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            if value.is_empty() {
                continue;
            }
            if name != "resource" && parameters.iter().any(|(there, _)| *there == name) {
                return Err(invalid("A parameter stands more than once.".to_owned()));
            }
            if value.len() > MAX_VALUE {
                return Err(invalid("A parameter is too long.".to_owned()));
            }
            parameters.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(parameters))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(there, _)| there == name)
            .map(|(_, value)| value.as_str())
    }

    /// # Errors
    /// `invalid_request` when it is missing.
    pub(super) fn need(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name)
            .ok_or_else(|| invalid(format!("The parameter {name} is missing.")))
    }
}

fn invalid(description: String) -> OAuthError {
    OAuthError::new("invalid_request", description)
}
