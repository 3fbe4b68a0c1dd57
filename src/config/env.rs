//! The environment variables, and where their values come from.

use std::{collections::HashMap, ffi::OsString, io, path::Path};

use super::dotenv::{BadLine, assignments};

/// Address or name that the HTTP transports listen on.
pub const MCP_HOST: &str = "FHIR_MCP_HOST";
/// Port that the HTTP transports listen on; 0 takes a free one.
pub const MCP_PORT: &str = "FHIR_MCP_PORT";
/// URL under which clients reach the HTTP transports, when it is not the
/// address they listen on.
pub const MCP_SERVER_URL: &str = "FHIR_MCP_SERVER_URL";
/// Time limit of a call to the FHIR server, in seconds.
pub const MCP_REQUEST_TIMEOUT: &str = "FHIR_MCP_REQUEST_TIMEOUT";
/// Origins of web pages that may call, separated by blanks or commas.
pub const MCP_ALLOWED_ORIGINS: &str = "FHIR_MCP_ALLOWED_ORIGINS";
/// Requests of one caller in a minute; 0 for no limit.
pub const MCP_RATE_LIMIT: &str = "FHIR_MCP_RATE_LIMIT";
/// Addresses of proxies in front, separated by blanks or commas.
pub const MCP_TRUSTED_PROXIES: &str = "FHIR_MCP_TRUSTED_PROXIES";
/// Time limit of a call of an MCP client, in seconds.
pub const MCP_CALL_TIMEOUT: &str = "FHIR_MCP_CALL_TIMEOUT";
/// Issuer of the tokens of MCP clients.
pub const MCP_AUTHORIZATION_SERVER: &str = "FHIR_MCP_AUTHORIZATION_SERVER";
/// Secret that seals client ids and sessions.
pub const MCP_SEAL_KEY: &str = "FHIR_MCP_SEAL_KEY";
/// Base URL of the FHIR server.
pub const SERVER_BASE_URL: &str = "FHIR_SERVER_BASE_URL";
/// Bearer token for the FHIR server.
pub const SERVER_ACCESS_TOKEN: &str = "FHIR_SERVER_ACCESS_TOKEN";
/// Whether MCP clients need no authorization.
pub const SERVER_DISABLE_AUTHORIZATION: &str = "FHIR_SERVER_DISABLE_AUTHORIZATION";
/// OAuth client id at the FHIR server.
pub const SERVER_CLIENT_ID: &str = "FHIR_SERVER_CLIENT_ID";
/// OAuth client secret at the FHIR server.
pub const SERVER_CLIENT_SECRET: &str = "FHIR_SERVER_CLIENT_SECRET";
/// OAuth scopes to ask for, separated by spaces.
pub const SERVER_SCOPES: &str = "FHIR_SERVER_SCOPES";
/// File with a bearer token, read anew for every request.
pub const AUTH_TOKEN_FILE: &str = "FHIR_SERVER_AUTH_TOKEN_FILE";
/// User name for Basic.
pub const AUTH_USERNAME: &str = "FHIR_SERVER_AUTH_USERNAME";
/// Password for Basic.
pub const AUTH_PASSWORD: &str = "FHIR_SERVER_AUTH_PASSWORD";
/// File with the password for Basic.
pub const AUTH_PASSWORD_FILE: &str = "FHIR_SERVER_AUTH_PASSWORD_FILE";
/// Further headers, as a JSON object of texts.
pub const AUTH_HEADERS: &str = "FHIR_SERVER_AUTH_HEADERS";
/// OAuth grant: `authorization_code` or `client_credentials`.
pub const AUTH_GRANT: &str = "FHIR_SERVER_AUTH_GRANT";
/// File with the OAuth client secret.
pub const AUTH_CLIENT_SECRET_FILE: &str = "FHIR_SERVER_AUTH_CLIENT_SECRET_FILE";
/// File with the private key that stands for the OAuth client.
pub const AUTH_PRIVATE_KEY_FILE: &str = "FHIR_SERVER_AUTH_PRIVATE_KEY_FILE";
/// `kid` of that key.
pub const AUTH_KEY_ID: &str = "FHIR_SERVER_AUTH_KEY_ID";
/// Redirect URI of the sign-in on this machine.
pub const AUTH_REDIRECT_URI: &str = "FHIR_SERVER_AUTH_REDIRECT_URI";
/// File with certificates of further authorities.
pub const AUTH_CA_FILE: &str = "FHIR_SERVER_AUTH_CA_FILE";
/// File with the client certificate and its chain.
pub const AUTH_CLIENT_CERT_FILE: &str = "FHIR_SERVER_AUTH_CLIENT_CERT_FILE";
/// File with the private key of the client certificate.
pub const AUTH_CLIENT_KEY_FILE: &str = "FHIR_SERVER_AUTH_CLIENT_KEY_FILE";
/// Whether credentials may travel without TLS, to the FHIR server and to its
/// authorization server.
pub const AUTH_ALLOW_HTTP: &str = "FHIR_SERVER_AUTH_ALLOW_HTTP";

/// What the names of all our variables begin with.
const PREFIX: &str = "FHIR_";

/// The variables that begin with `FHIR_`, by upper-case name.
///
/// Names are looked up without regard to case, a value of blanks counts as
/// unset, and a variable of the process wins over one of a file.
#[derive(Clone, Default)]
pub struct Environment(HashMap<String, String>);

impl Environment {
    /// The variables of the process, and those of a `.env` file that the
    /// process does not set. A missing file is no error.
    ///
    /// # Errors
    /// [`EnvironmentError`] when the file cannot be read, one of its lines
    /// about a `FHIR_` variable cannot be parsed, or a value is not UTF-8.
    pub fn read(file: &Path) -> Result<Self, EnvironmentError> {
        let mut environment = Self::default();
        environment.add_file(file)?;
        environment.add_process(std::env::vars_os())?;
        Ok(environment)
    }

    /// The value of a variable, if it is set and not blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    fn add_file(&mut self, file: &Path) -> Result<(), EnvironmentError> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(reason) => {
                return Err(EnvironmentError::Unreadable {
                    file: file.display().to_string(),
                    reason,
                });
            }
        };
        for assignment in assignments(&text) {
            match assignment {
                Ok((name, value)) => self.set(name, value),
                Err(BadLine { name }) if is_ours(&name) => {
                    return Err(EnvironmentError::Line {
                        file: file.display().to_string(),
                        name,
                    });
                }
                // A file made for other programs may hold lines that only they
                // understand.
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn add_process(
        &mut self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<(), EnvironmentError> {
        let mut ours = Vec::new();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| is_ours(name)) else {
                continue;
            };
            let value = value
                .into_string()
                .map_err(|_| EnvironmentError::Encoding { name: name.into() })?;
            ours.push((name.to_owned(), value));
        }
        // The spelling in capitals sorts last among those that differ in case
        // alone when reversed, and so wins.
        ours.sort_by(|left, right| right.cmp(left));
        for (name, value) in ours {
            self.set(&name, value);
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: String) {
        if is_ours(name) {
            self.0.insert(name.to_ascii_uppercase(), value);
        }
    }
}

impl<N: AsRef<str>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            environment.set(name.as_ref(), value.into());
        }
        environment
    }
}

/// Why the environment could not be read.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// A file that is there but cannot be read.
    #[error("Make {file} readable or remove it: {reason}.")]
    Unreadable {
        /// Path of the file.
        file: String,
        /// What the system said.
        reason: io::Error,
    },
    /// A line that is no assignment. The line itself may hold a secret.
    #[error(
        "Correct the line about {name} in {file}: expected NAME=value, and a quoted value to end with its quote."
    )]
    Line {
        /// Path of the file.
        file: String,
        /// Name of the variable.
        name: String,
    },
    /// A value that is no text.
    #[error("Set {name} to a value in UTF-8.")]
    Encoding {
        /// Name of the variable.
        name: String,
    },
}

fn is_ours(text: &str) -> bool {
    text.get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pairs: &[(&str, &str)]) -> Environment {
        let mut environment = Environment::default();
        let variables = pairs.iter().map(|(n, v)| (n.into(), v.into()));
        environment.add_process(variables).unwrap();
        environment
    }

    #[test]
    fn names_have_no_case_and_blank_is_unset() {
        let environment = process(&[("fhir_mcp_port", "1"), ("FHIR_MCP_HOST", "  ")]);
        assert_eq!(environment.get(MCP_PORT), Some("1"));
        assert_eq!(environment.get(MCP_HOST), None);
    }

    #[test]
    fn capitals_win_over_other_spellings() {
        for pairs in [
            [("FHIR_MCP_PORT", "1"), ("fhir_mcp_port", "2")],
            [("fhir_mcp_port", "2"), ("FHIR_MCP_PORT", "1")],
        ] {
            assert_eq!(process(&pairs).get(MCP_PORT), Some("1"));
        }
    }

    #[test]
    fn a_file_adds_what_the_process_does_not_set() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        std::fs::write(
            &file,
            "# comment\nexport fhir_server_base_url='https://a.example/r4'\nFHIR_MCP_PORT=1\nnot ours at all\n",
        )
        .unwrap();
        let mut environment = Environment::default();
        environment.add_file(&file).unwrap();
        let variables = [("FHIR_MCP_PORT".into(), "2".into())];
        environment.add_process(variables.into_iter()).unwrap();
        assert_eq!(
            environment.get(SERVER_BASE_URL),
            Some("https://a.example/r4")
        );
        assert_eq!(environment.get(MCP_PORT), Some("2"));
    }

    #[test]
    fn a_bad_line_is_named_without_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        std::fs::write(&file, "FHIR_SERVER_ACCESS_TOKEN='canary\n").unwrap();
        let error = Environment::default().add_file(&file).unwrap_err();
        assert!(error.to_string().contains("FHIR_SERVER_ACCESS_TOKEN"));
        assert!(!error.to_string().contains("canary"));
    }
}
