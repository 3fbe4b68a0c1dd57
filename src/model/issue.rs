//! What reading and validation report: [`Issue`], shaped after
//! [`OperationOutcome.issue`](https://hl7.org/fhir/R4/operationoutcome.html).

use std::fmt;

use super::rule::Rule;

/// How bad an issue is, as in the value set
/// [issue-severity](https://hl7.org/fhir/R4/valueset-issue-severity.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// A remark; nothing is wrong.
    Information,
    /// Allowed, and likely a mistake.
    Warning,
    /// The content breaks a rule of the specification.
    Error,
    /// The document could not be read to its end.
    Fatal,
}

impl Severity {
    /// The code as FHIR spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Information => "information",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// Whether content with such an issue must not be passed on as it is.
    pub fn is_error(self) -> bool {
        self >= Self::Error
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kind of an issue, as in the value set
/// [issue-type](https://hl7.org/fhir/R4/valueset-issue-type.html); only the
/// codes that a rule of ours uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IssueType {
    /// The code is not one of the bound value set.
    CodeInvalid,
    /// The content is not valid JSON.
    Invalid,
    /// Nothing is wrong.
    Informational,
    /// A constraint does not hold.
    Invariant,
    /// What is referred to is not there, or not known.
    NotFound,
    /// What it takes to check is not known here.
    NotSupported,
    /// A required element is missing.
    Required,
    /// Wrong shape: unknown element, wrong JSON type, wrong cardinality.
    Structure,
    /// The document is too large or too deep.
    TooCostly,
    /// The lexical form of a value is wrong.
    Value,
}

impl IssueType {
    /// The code as FHIR spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CodeInvalid => "code-invalid",
            Self::Invalid => "invalid",
            Self::Informational => "informational",
            Self::Invariant => "invariant",
            Self::NotFound => "not-found",
            Self::NotSupported => "not-supported",
            Self::Required => "required",
            Self::Structure => "structure",
            Self::TooCostly => "too-costly",
            Self::Value => "value",
        }
    }
}

/// One finding about a document.
///
/// `Display` prints `severity[code] expression: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The rule that found it: its stable code and its issue type.
    pub rule: Rule,
    /// How bad it is; most often the severity of the rule.
    pub severity: Severity,
    /// FHIRPath of the element: choice elements without type suffix, zero-based
    /// indexes for repeating elements (`Observation.component[1].value.value`).
    /// Empty when the issue is about the document as a whole.
    pub expression: String,
    /// Byte offset in the document.
    pub offset: usize,
    /// Line in the document, from 1.
    pub line: u32,
    /// Column in its line, in characters from 1.
    pub column: u32,
    /// What the specification asks for here; a phrase, never empty.
    pub expected: String,
    /// What the document has instead; a phrase, shortened when it is long.
    pub found: String,
}

impl Issue {
    /// The message: what was expected, and what came.
    pub fn message(&self) -> String {
        format!("expected {}, found {}", self.expected, self.found)
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.severity, self.rule.code())?;
        if !self.expression.is_empty() {
            write!(f, " {}", self.expression)?;
        }
        write!(f, ": expected {}, found {}", self.expected, self.found)
    }
}

/// A value together with everything that was found while it was read.
#[derive(Clone, Debug)]
pub struct Reading<T> {
    /// What could be built; `None` only when nothing could (a syntax error, or
    /// a document that is no resource). With errors among the issues the value
    /// is incomplete and must not be passed on as the document.
    pub value: Option<T>,
    /// All issues in document order.
    pub issues: Vec<Issue>,
}

impl<T> Reading<T> {
    /// Whether no issue is an error.
    pub fn is_valid(&self) -> bool {
        self.value.is_some() && !self.issues.iter().any(|issue| issue.severity.is_error())
    }

    /// The value, or the issues if one of them is an error.
    pub fn into_result(self) -> Result<T, Invalid> {
        if self.issues.iter().any(|issue| issue.severity.is_error()) {
            return Err(Invalid {
                issues: self.issues,
            });
        }
        self.value.ok_or(Invalid {
            issues: self.issues,
        })
    }
}

/// A document that breaks at least one rule.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{} issue(s), first: {}", issues.len(), issues.first().map(ToString::to_string).unwrap_or_default())]
pub struct Invalid {
    /// All issues, warnings among them, in document order.
    pub issues: Vec<Issue>,
}
