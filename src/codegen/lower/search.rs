//! Search expressions: the small part of FHIRPath that R4's search parameters
//! use becomes steps. Anything else is refused.

use super::super::{
    Error,
    ir::{Component, Path, SearchParameter, Step},
    parse,
};

/// Lowers one search parameter.
pub(super) fn parameter(parameter: &parse::SearchParameter) -> Result<SearchParameter, Error> {
    let subject = &parameter.url;
    let mut paths = Vec::new();
    for alternative in alternatives(parameter.expression.as_deref().unwrap_or_default()) {
        let path = path(alternative, true, subject)?;
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let components = parameter.component.iter().map(|component| {
        let paths = alternatives(&component.expression).map(|text| path(text, false, subject));
        Ok(Component {
            definition: component.definition.clone(),
            paths: paths.collect::<Result<_, Error>>()?,
        })
    });
    let mut descriptions = parameter.descriptions.clone();
    if !parameter.description.is_empty() {
        descriptions.insert(String::new(), parameter.description.clone());
    }
    for text in descriptions.values_mut() {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    Ok(SearchParameter {
        code: parameter.code.clone(),
        url: parameter.url.clone(),
        kind: parameter.kind.clone(),
        descriptions,
        base: parameter.base.clone(),
        target: parameter.target.clone(),
        paths,
        components: components.collect::<Result<_, Error>>()?,
    })
}

fn alternatives(expression: &str) -> impl Iterator<Item = &str> {
    expression
        .split('|')
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// One alternative; `rooted` when it starts with the name of a type.
fn path(text: &str, rooted: bool, subject: &str) -> Result<Path, Error> {
    let refuse = |what: &str| Error::new(subject, format!("`{text}`: {what} is not understood"));
    let mut inner = text;
    // Parentheses around the whole, as in `(Observation.value as Quantity)`.
    while let Some(stripped) = inner.strip_prefix('(') {
        let Some(close) = stripped.find(')') else {
            return Err(refuse("an open parenthesis"));
        };
        let (group, rest) = stripped.split_at(close);
        let rest = rest.get(1..).unwrap_or_default();
        if rest.is_empty() {
            inner = group;
        } else {
            let mut path = path(group, rooted, subject)?;
            path.steps
                .extend(steps(rest.trim_start_matches('.'), &refuse)?);
            return Ok(path);
        }
    }
    if let Some((first, second)) = inner.split_once(" and ") {
        let mut path = path(first, rooted, subject)?;
        let same = second.strip_suffix(" != false").map(str::trim);
        if path.steps.pop() != Some(Step::Exists) || first.strip_suffix(".exists()") != same {
            return Err(refuse("`and`"));
        }
        path.steps.push(Step::ExistsAndNotFalse);
        return Ok(path);
    }
    let (inner, of_type) = match inner.split_once(" as ") {
        Some((inner, of_type)) => (inner.trim(), Some(of_type.trim())),
        None => (inner, None),
    };
    let (root, rest) = if rooted || inner.starts_with('%') {
        inner.split_once('.').unwrap_or((inner, ""))
    } else {
        ("", inner)
    };
    let mut steps = steps(rest, &refuse)?;
    steps.extend(of_type.map(fhir_type));
    Ok(Path {
        root: root.to_owned(),
        steps,
    })
}

/// The type of `as`: R4 writes `DateTime` once where it means `dateTime`.
fn fhir_type(name: &str) -> Step {
    Step::OfType(if name == "DateTime" {
        "dateTime".to_owned()
    } else {
        name.to_owned()
    })
}

fn steps(text: &str, refuse: &dyn Fn(&str) -> Error) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['.', '(', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if !name.chars().all(|char| char.is_ascii_alphanumeric()) || name.is_empty() {
            return Err(refuse(name));
        }
        if let Some(arguments) = after.strip_prefix('(') {
            // The only nested parentheses are those of resolve().
            let close = match arguments.strip_prefix("resolve()") {
                Some(inner) => inner.find(')').map(|close| close + "resolve()".len()),
                None => arguments.find(')'),
            };
            let Some(close) = close else {
                return Err(refuse("an open parenthesis"));
            };
            let (argument, after) = arguments.split_at(close);
            steps.push(function(name, argument).ok_or_else(|| refuse(name))?);
            rest = after.get(1..).unwrap_or_default();
        } else {
            steps.push(Step::Child(name.to_owned()));
            rest = after;
        }
        if let Some(index) = rest.strip_prefix('[') {
            let Some((number, after)) = index.split_once(']') else {
                return Err(refuse("["));
            };
            steps.push(Step::Index(number.parse().map_err(|_| refuse("["))?));
            rest = after;
        }
        rest = match rest.strip_prefix('.') {
            Some(rest) => rest,
            None if rest.is_empty() => rest,
            None => return Err(refuse(rest)),
        };
    }
    Ok(steps)
}

fn function(name: &str, argument: &str) -> Option<Step> {
    match name {
        "exists" if argument.is_empty() => Some(Step::Exists),
        "as" => Some(fhir_type(argument)),
        "where" => match argument.strip_prefix("resolve() is ") {
            Some(resource) => Some(Step::WhereResolves(resource.to_owned())),
            None => {
                let (child, text) = argument.split_once('=')?;
                let text = text.trim().strip_prefix('\'')?.strip_suffix('\'')?;
                Some(Step::WhereEquals(child.trim().to_owned(), text.to_owned()))
            }
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps_of(text: &str) -> Vec<Step> {
        path(text, true, "test").expect("a path").steps
    }

    #[test]
    fn compiles_the_forms_of_r4() {
        let child = |name: &str| Step::Child(name.to_owned());
        assert_eq!(
            steps_of("Patient.name.given"),
            [child("name"), child("given")]
        );
        assert_eq!(
            steps_of("(Observation.value as Quantity)"),
            [child("value"), Step::OfType("Quantity".into())]
        );
        assert_eq!(
            steps_of("Condition.onset.as(Age)"),
            [child("onset"), Step::OfType("Age".into())]
        );
        assert_eq!(
            steps_of("Patient.telecom.where(system='email')"),
            [
                child("telecom"),
                Step::WhereEquals("system".into(), "email".into())
            ]
        );
        assert_eq!(
            steps_of("Condition.subject.where(resolve() is Patient)"),
            [child("subject"), Step::WhereResolves("Patient".into())]
        );
        assert_eq!(
            steps_of("Bundle.entry[0].resource"),
            [child("entry"), Step::Index(0), child("resource")]
        );
        assert_eq!(
            steps_of("Patient.deceased.exists() and Patient.deceased != false"),
            [child("deceased"), Step::ExistsAndNotFalse]
        );
        assert_eq!(
            steps_of("(Goal.x as CodeableConcept).text"),
            [
                child("x"),
                Step::OfType("CodeableConcept".into()),
                child("text")
            ]
        );
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "Patient.name.first()",
            "Patient.a + Patient.b",
            "Patient.a.where(b > 1)",
            "(Patient.a",
        ] {
            assert!(path(text, true, "test").is_err(), "{text}");
        }
    }
}
