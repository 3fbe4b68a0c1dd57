//! All rules for Rust names: how FHIR names become types, fields and variants.

use std::collections::{BTreeMap, BTreeSet};

use super::Error;

/// Keywords of edition 2024, strict and reserved, that may be raw identifiers.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

/// Keywords that may not.
const NEVER_RAW: &[&str] = &["crate", "self", "Self", "super", "_"];

/// Words for the characters of codes that are no letters or digits.
const SYMBOLS: &[(char, &str)] = &[
    ('<', "Less"),
    ('>', "Greater"),
    ('=', "Equal"),
    ('!', "Not"),
    ('+', "Plus"),
    ('*', "Star"),
    ('%', "Percent"),
    ('&', "And"),
    ('~', "Tilde"),
    ('$', "Dollar"),
];

/// A type name from a path: `Patient.contact` → `PatientContact`.
pub fn type_name(path: &str) -> String {
    path.split('.').map(capitalised).collect()
}

/// The name of a choice enum: `Observation.component` and `value` →
/// `ObservationComponentValue`.
pub fn choice_name(path: &str, element: &str) -> String {
    type_name(path) + &capitalised(element)
}

/// A field name: `birthDate` → `birth_date`, `type` → `r#type`.
pub fn field_name(element: &str) -> String {
    escape(snake_case(element))
}

/// A constant name: `Patient.contact` → `PATIENT_CONTACT`.
pub fn constant_name(path: &str) -> String {
    snake_case(&type_name(path)).to_uppercase()
}

/// A module name: `Patient` → `patient`.
pub fn module_name(path: &str) -> String {
    escape(snake_case(path))
}

/// The suffix of a choice property, which is also the variant of its enum:
/// `dateTime` → `DateTime`.
pub fn capitalised(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + chars.as_str()
    })
}

/// The name of an enum from the last part of the URL of its value set.
pub fn enum_name(value_set: &str) -> String {
    let name: String = words(value_set).map(capitalised).collect();
    guard_digit(name)
}

/// Names for the variants of the codes of one value set, in their order.
/// Codes that differ in case or in signs only get names that keep them apart;
/// what collides even then is refused.
pub fn variant_names(value_set: &str, codes: &[&str]) -> Result<Vec<String>, Error> {
    let known: BTreeSet<&str> = codes.iter().copied().collect();
    if known.len() < codes.len() {
        return Err(Error::new(value_set, "a code stands twice"));
    }
    let mut names: Vec<String> = codes.iter().map(|code| variant(code)).collect();
    for strategy in [spelled_out, with_code_points] {
        let mut taken = BTreeSet::new();
        for (name, code) in names.iter_mut().zip(codes) {
            if !taken.insert(name.clone()) {
                *name = strategy(code);
            }
        }
    }
    refuse_collisions(value_set, names.iter().zip(codes.iter().copied()))?;
    Ok(names)
}

/// Fails when two things would have the same name, and lists them.
pub fn refuse_collisions<'a>(
    subject: &str,
    names: impl Iterator<Item = (&'a String, &'a str)>,
) -> Result<(), Error> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, origin) in names {
        if let Some(other) = seen.insert(name, origin) {
            return Err(Error::new(
                subject,
                format!("{other:?} and {origin:?} would both be named {name}"),
            ));
        }
    }
    Ok(())
}

/// A variant from the words of a code: `entered-in-error` → `EnteredInError`.
fn variant(code: &str) -> String {
    let mut name = String::new();
    let mut start = true;
    for char in code.chars() {
        if char.is_ascii_alphanumeric() {
            if start {
                name.extend(char.to_uppercase());
            } else {
                name.push(char);
            }
            start = false;
        } else {
            // A separator between digits keeps them apart: 4.0.1 → V4_0_1.
            if char == '.' && name.ends_with(|last: char| last.is_ascii_digit()) {
                name.push('_');
            }
            name.push_str(
                SYMBOLS
                    .iter()
                    .find(|(symbol, _)| *symbol == char)
                    .map_or("", |(_, word)| word),
            );
            start = true;
        }
    }
    guard_digit(name)
}

/// A variant that keeps apart what [`variant`] does not: signs become words.
fn spelled_out(code: &str) -> String {
    let mut name = String::new();
    for char in code.chars() {
        match char {
            '-' => name.push_str("Dash"),
            '_' => name.push_str("Underscore"),
            '.' => name.push_str("Dot"),
            '/' => name.push_str("Slash"),
            ' ' => name.push_str("Space"),
            _ if char.is_ascii_alphanumeric() => name.push(char),
            _ => name.push_str(
                SYMBOLS
                    .iter()
                    .find(|(symbol, _)| *symbol == char)
                    .map_or("", |(_, word)| word),
            ),
        }
    }
    if name.starts_with(|first: char| first.is_ascii_lowercase()) {
        name.insert_str(0, "Lower");
    }
    guard_digit(name)
}

/// The last resort: the code points of what is no letter or digit.
fn with_code_points(code: &str) -> String {
    let mut name = String::from("Code");
    for char in code.chars() {
        if char.is_ascii_alphanumeric() {
            name.push(char);
        } else {
            name.push_str(&format!("_{:X}_", u32::from(char)));
        }
    }
    name
}

fn guard_digit(name: String) -> String {
    if name.is_empty() || NEVER_RAW.contains(&name.as_str()) {
        return name + "_";
    }
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        format!("V{name}")
    } else {
        name
    }
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|char: char| !char.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// `birthDate` → `birth_date`, `fooURLBar` → `foo_url_bar`.
fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, char) in chars.iter().enumerate() {
        if !char.is_ascii_alphanumeric() {
            snake.push('_');
            continue;
        }
        let before = index.checked_sub(1).and_then(|before| chars.get(before));
        let word_starts = char.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase()
                        && chars.get(index + 1).is_some_and(char::is_ascii_lowercase))
            });
        if word_starts {
            snake.push('_');
        }
        snake.extend(char.to_lowercase());
    }
    if snake.starts_with(|first: char| first.is_ascii_digit()) {
        format!("_{snake}")
    } else {
        snake
    }
}

fn escape(name: String) -> String {
    if NEVER_RAW.contains(&name.as_str()) {
        name + "_"
    } else if KEYWORDS.contains(&name.as_str()) {
        format!("r#{name}")
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_escaped() {
        for keyword in KEYWORDS {
            assert_eq!(field_name(keyword), format!("r#{keyword}"));
        }
        for keyword in ["crate", "self", "super"] {
            assert_eq!(field_name(keyword), format!("{keyword}_"));
        }
        assert_eq!(
            variant_names("x", &["self", "Self"])
                .expect("names")
                .first()
                .map(String::as_str),
            Some("Self_")
        );
    }

    #[test]
    fn fields_are_snake_case() {
        for (fhir, rust) in [
            ("birthDate", "birth_date"),
            ("fooURLBar", "foo_url_bar"),
            ("udiCarrier", "udi_carrier"),
            ("carrierAIDC", "carrier_aidc"),
            ("carrierHRF", "carrier_hrf"),
            ("id", "id"),
            ("1st", "_1st"),
            ("type", "r#type"),
        ] {
            assert_eq!(field_name(fhir), rust);
        }
    }

    #[test]
    fn paths_become_types_and_constants() {
        assert_eq!(type_name("Claim.item.subDetail"), "ClaimItemSubDetail");
        assert_eq!(
            constant_name("Claim.item.subDetail"),
            "CLAIM_ITEM_SUB_DETAIL"
        );
        assert_eq!(
            choice_name("Observation.component", "value"),
            "ObservationComponentValue"
        );
    }

    #[test]
    fn nasty_codes_get_distinct_names() {
        let codes = [
            "<", "<=", ">=", ">", "4.0.1", "40.1", "401", "a-b", "aB", "ab", "AB", "in", "!=", "",
            "a b", "ä",
        ];
        let names = variant_names("nasty", &codes).expect("names");
        assert_eq!(
            names.iter().take(5).map(String::as_str).collect::<Vec<_>>(),
            ["Less", "LessEqual", "GreaterEqual", "Greater", "V4_0_1"]
        );
        for name in &names {
            assert!(
                name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_'),
                "{name}"
            );
        }
    }

    #[test]
    fn collisions_are_refused() {
        let error = variant_names("set", &["a", "a"]).expect_err("the same code twice");
        assert_eq!(error.reason, "a code stands twice");
        // Three strategies give these two the same name.
        let error = variant_names("set", &["a", "A", "Code A", "CodeA"]).expect_err("a collision");
        assert!(
            error.reason.contains("would both be named CodeA"),
            "{error}"
        );
        let fields = ["name".to_owned(), "name".to_owned()];
        let error = refuse_collisions("Type", fields.iter().zip(["name", "Name"]));
        let error = error.expect_err("the same name twice");
        assert_eq!(
            error.to_string(),
            "Type: \"name\" and \"Name\" would both be named name"
        );
    }
}
