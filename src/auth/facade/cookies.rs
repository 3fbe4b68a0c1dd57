//! The cookies that bind a page to its browser.
//!
//! Under https their names begin with `__Host-`, so that no other host and no
//! plain-text page can set them. Not every browser takes `Secure`, which that
//! prefix needs, from plain http, which is allowed on loopback alone; there the
//! cookie has a plain name.

use std::time::Duration;

/// Names and attributes of the cookies of one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cookies {
    secure: bool,
}

impl Cookies {
    /// For a server that clients reach at this URL.
    pub(super) fn new(base: &str) -> Self {
        Self {
            secure: base.starts_with("https:"),
        }
    }

    /// A value of `Set-Cookie`. No lifetime removes the cookie.
    pub(super) fn set(self, name: &str, value: &str, lifetime: Duration) -> String {
        let name = self.full_name(name);
        let secure = if self.secure { "; Secure" } else { "" };
        let seconds = lifetime.as_secs();
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }

    /// The value in a `Cookie` header. When two differ, somebody else set one:
    /// neither counts.
    pub(super) fn get<'a>(self, header: &'a str, name: &str) -> Option<&'a str> {
        let name = self.full_name(name);
        let mut values = header
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(there, _)| *there == name)
            .map(|(_, value)| value);
        let value = values.next()?;
        values.all(|other| other == value).then_some(value)
    }

    fn full_name(self, name: &str) -> String {
        let prefix = if self.secure { "__Host-" } else { "" };
        format!("{prefix}fhir-mcp-{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_gets_the_host_prefix() {
        let cookies = Cookies::new("https://a.example");
        let set = cookies.set("a", "1", Duration::from_secs(60));
        let all = "__Host-fhir-mcp-a=1; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure";
        assert_eq!(set, all);
        assert_eq!(
            cookies.get("fhir-mcp-a=2; __Host-fhir-mcp-a=1", "a"),
            Some("1")
        );
        assert_eq!(cookies.get("fhir-mcp-a=2", "a"), None);
    }

    #[test]
    fn two_values_count_for_none() {
        let cookies = Cookies::new("http://localhost:1");
        assert_eq!(cookies.get("fhir-mcp-a=1; fhir-mcp-a=2", "a"), None);
        assert_eq!(cookies.get("x=1;fhir-mcp-a=1", "a"), Some("1"));
    }
}
