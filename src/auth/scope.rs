//! The scopes of this server, in tokens that MCP clients show. They say what a
//! client may do here; what the user may do at the FHIR server is another
//! matter, and both must allow.

use std::fmt;

/// Scope to read.
pub const READ: &str = "fhir.read";
/// Scope to write; it implies [`READ`].
pub const WRITE: &str = "fhir.write";

/// A set of scopes of this server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    /// `fhir.read`, by itself or implied.
    pub read: bool,
    /// `fhir.write`.
    pub write: bool,
}

impl Scopes {
    /// `fhir.read`.
    pub const READ: Self = Self {
        read: true,
        write: false,
    };
    /// `fhir.write`, and with it `fhir.read`.
    pub const WRITE: Self = Self {
        read: true,
        write: true,
    };

    /// Our scopes among those of a token or a request, separated by blanks.
    pub fn parse(scope: &str) -> Self {
        let has = |name| scope.split_ascii_whitespace().any(|scope| scope == name);
        Self {
            read: has(READ) || has(WRITE),
            write: has(WRITE),
        }
    }

    /// What both allow.
    pub fn and(self, other: Self) -> Self {
        Self {
            read: self.read && other.read,
            write: self.write && other.write,
        }
    }

    /// Whether nothing is allowed.
    pub fn is_empty(self) -> bool {
        !self.read && !self.write
    }

    /// Whether all of `other` is allowed.
    pub fn covers(self, other: Self) -> bool {
        self.and(other) == other
    }

    /// The names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [(self.read, READ), (self.write, WRITE)]
            .into_iter()
            .filter_map(|(has, name)| has.then_some(name))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_implies_read() {
        assert_eq!(Scopes::parse("openid fhir.write"), Scopes::WRITE);
        assert_eq!(Scopes::parse("fhir.read"), Scopes::READ);
        assert_eq!(Scopes::WRITE.to_string(), "fhir.read fhir.write");
    }

    #[test]
    fn only_whole_names_count() {
        for scope in ["", "fhir.reader", "xfhir.read", "FHIR.READ", "fhir"] {
            assert!(Scopes::parse(scope).is_empty(), "{scope}");
        }
    }
}
