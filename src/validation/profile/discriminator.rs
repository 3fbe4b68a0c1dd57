//! Paths of [discriminators](https://hl7.org/fhir/R4/profiling.html#discriminator):
//! the small part of FHIRPath that they are written in.

/// What tells the slices of an element apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Discriminator {
    pub(super) kind: Kind,
    /// From a value of the element; empty for `$this`.
    pub(super) path: Vec<Step>,
}

/// What is compared ([discriminator-type](https://hl7.org/fhir/R4/valueset-discriminator-type.html)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The value, with what the slice fixes; a pattern is the same in R4.
    Value,
    /// Whether it is there.
    Exists,
    /// Its type.
    Type,
    /// Whether a profile holds.
    Profile,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Child(String),
    /// `extension('url')`
    Extension(String),
    /// `resolve()`
    Resolve,
    /// `ofType(Quantity)`
    OfType(String),
}

impl Discriminator {
    /// The discriminator, or what is wrong with it.
    pub(super) fn new(kind: &str, path: &str) -> Result<Self, String> {
        let kind = match kind {
            "value" | "pattern" => Kind::Value,
            "exists" => Kind::Exists,
            "type" => Kind::Type,
            "profile" => Kind::Profile,
            _ => return Err(format!("the discriminator type {kind} is not understood")),
        };
        Ok(Self {
            kind,
            path: steps(path).ok_or_else(|| format!("the path {path} is not understood"))?,
        })
    }
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        let end = end_of_step(rest);
        let (step, after) = rest.split_at(end);
        rest = after.strip_prefix('.').unwrap_or(after);
        if step == "$this" {
            continue;
        }
        let step = match step.split_once('(') {
            None => Step::Child(step.trim_end_matches("[x]").to_owned()),
            Some((name, argument)) => {
                let argument = argument.strip_suffix(')')?.trim();
                match name {
                    "resolve" if argument.is_empty() => Step::Resolve,
                    "ofType" => Step::OfType(argument.trim_start_matches("FHIR.").to_owned()),
                    "extension" => {
                        let quoted = argument.strip_prefix(['\'', '"'])?;
                        Step::Extension(quoted.strip_suffix(['\'', '"'])?.to_owned())
                    }
                    _ => return None,
                }
            }
        };
        let name = matches!(&step, Step::Child(name)
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if name {
            return None;
        }
        steps.push(step);
    }
    Some(steps)
}

/// Up to the next dot that is outside parentheses.
fn end_of_step(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'.' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_steps() {
        let child = |name: &str| Step::Child(name.to_owned());
        let cases = [
            ("$this", vec![]),
            ("coding.code", vec![child("coding"), child("code")]),
            ("$this.resolve().code", vec![Step::Resolve, child("code")]),
            (
                "value[x].ofType(Quantity)",
                vec![child("value"), Step::OfType("Quantity".into())],
            ),
            (
                "extension('http://example.org/a.b').value",
                vec![
                    Step::Extension("http://example.org/a.b".into()),
                    child("value"),
                ],
            ),
        ];
        for (path, expected) in cases {
            assert_eq!(steps(path), Some(expected), "{path}");
        }
        for path in ["code.where(x=1)", "a b", "extension(1)"] {
            assert_eq!(steps(path), None, "{path}");
        }
    }
}
