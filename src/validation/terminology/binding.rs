//! What a binding asks of codings, by its strength
//! ([strength](https://hl7.org/fhir/R4/terminologies.html#strength)).

use super::{memo::Memo, quoted};
use crate::model::{
    Coding, Rule, Severity,
    definition::{BindingDef, BindingStrength},
    reader::At,
    terminology::{Membership, member, value_set},
};

/// Checks the codings of a concept, or the one of an element; whether a warning
/// or an error came of it.
pub(super) fn check(
    codings: &[Coding],
    binding: &BindingDef,
    memo: &mut Memo,
    at: &mut At<'_, '_>,
) -> bool {
    if let Some(max) = binding.max_value_set
        && of_set(codings, max, memo) == Membership::NotMember
    {
        report(Rule::MaxBinding, None, max, codings, at);
        return true;
    }
    if binding.strength == BindingStrength::Example
        || of_set(codings, binding.value_set, memo) != Membership::NotMember
    {
        return false;
    }
    let (rule, severity) = match binding.strength {
        BindingStrength::Required => (Rule::RequiredBinding, None),
        BindingStrength::Extensible if comes_from_elsewhere(codings, binding.value_set) => {
            (Rule::ExtensibleBinding, Some(Severity::Information))
        }
        BindingStrength::Extensible => (Rule::ExtensibleBinding, None),
        // Nothing is lost where there is only text.
        _ if codings.is_empty() => return false,
        _ => (Rule::PreferredBinding, None),
    };
    report(rule, severity, binding.value_set, codings, at);
    severity.unwrap_or(rule.severity()) >= Severity::Warning
}

/// The rule that a code without a system breaks, and what it asks for.
pub(super) fn failed(code: &str, binding: &BindingDef, memo: &mut Memo) -> Option<(Rule, String)> {
    let mut outside = |set: &'static str| {
        let found = || member(set, None, code);
        // No system has an empty name.
        let membership = match memo.finding(set.as_ptr() as usize, ["", code, ""]) {
            Some(finding) => *finding.get_or_insert_with(found),
            None => found(),
        };
        membership == Membership::NotMember
    };
    if let Some(max) = binding.max_value_set
        && outside(max)
    {
        return Some((Rule::MaxBinding, expected(Rule::MaxBinding, "code", max)));
    }
    let rule = match binding.strength {
        BindingStrength::Required => Rule::RequiredBinding,
        BindingStrength::Extensible => Rule::ExtensibleBinding,
        BindingStrength::Preferred => Rule::PreferredBinding,
        BindingStrength::Example => return None,
    };
    let set = binding.value_set;
    outside(set).then(|| (rule, expected(rule, "code", set)))
}

/// What the rule of a binding asks for.
pub(super) fn expected(rule: Rule, what: &str, value_set: &str) -> String {
    let rest = match rule {
        Rule::ExtensibleBinding => ", if one of its codes applies",
        Rule::PreferredBinding => ", if possible",
        _ => "",
    };
    format!("a {what} of {value_set}{rest}")
}

/// Whether one of the codings is of a value set.
fn of_set(codings: &[Coding], value_set: &'static str, memo: &mut Memo) -> Membership {
    let mut result = Membership::NotMember;
    for coding in codings {
        match one_of_set(coding, value_set, memo) {
            Membership::Member => return Membership::Member,
            Membership::Unknown => result = Membership::Unknown,
            Membership::NotMember => {}
        }
    }
    result
}

fn one_of_set(coding: &Coding, value_set: &'static str, memo: &mut Memo) -> Membership {
    match (coding.system.as_deref(), coding.code.as_deref()) {
        (Some(system), Some(code)) => {
            let found = || member(value_set, Some(system), code);
            // Bindings are static: the address stands for the text.
            let question = value_set.as_ptr() as usize;
            match memo.finding(question, [system, code, ""]) {
                Some(finding) => *finding.get_or_insert_with(found),
                None => found(),
            }
        }
        // An extension says why there is none.
        _ if coding.system.element.is_some() || coding.code.element.is_some() => {
            Membership::Unknown
        }
        _ => Membership::NotMember,
    }
}

/// Whether all codings are of systems that the value set has no code of: then
/// only a reader can tell whether one of its codes would have applied.
fn comes_from_elsewhere(codings: &[Coding], url: &str) -> bool {
    !codings.is_empty()
        && value_set(url).is_some_and(|set| {
            codings.iter().all(|coding| {
                let system = coding.system.as_deref();
                system.is_some_and(|system| !set.includes_system(system))
            })
        })
}

#[cold]
fn report(
    rule: Rule,
    severity: Option<Severity>,
    value_set: &str,
    codings: &[Coding],
    at: &mut At<'_, '_>,
) {
    let found = match codings {
        [] => "no coding".to_owned(),
        [one] => name(one),
        [first, ..] => format!("{} codings, the first {}", codings.len(), name(first)),
    };
    let expected = expected(rule, "coding", value_set);
    at.report(rule, severity.unwrap_or(rule.severity()), expected, found);
}

/// `"system|code"`
fn name(coding: &Coding) -> String {
    match (coding.system.as_deref(), coding.code.as_deref()) {
        (_, None) => "a coding without a code".to_owned(),
        (None, Some(code)) => format!("the code {} without a system", quoted(code)),
        (Some(system), Some(code)) => quoted(&format!("{system}|{code}")),
    }
}
