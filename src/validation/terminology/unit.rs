//! Units of quantities: UCUM, and the bindings of Age, Distance and Duration
//! ([Quantity](https://hl7.org/fhir/R4/datatypes.html#Quantity)).

use super::{binding, quoted};
use crate::model::{
    Quantity, Rule, Severity,
    definition::BindingStrength,
    object::{Node, Object},
    reader::At,
    terminology::{Membership, UNITS, is_unit, member},
};

/// Checks a Quantity or one of its specialisations.
pub(super) fn check(object: &dyn Object, at: &mut At<'_, '_>) {
    if let Some(quantity) = object.as_any().downcast_ref::<Quantity>() {
        if let Some(code) = quantity.code.as_deref()
            && quantity.system.as_deref() == Some(UNITS)
        {
            ucum(code, at);
        }
        return;
    }
    let text = |name| match object.get(name)?.get(0) {
        Node::Primitive(primitive) => primitive.text(),
        _ => None,
    };
    // That there is a code is a constraint of these types.
    let (Some(system), Some(code)) = (text("system"), text("code")) else {
        return;
    };
    if !bound(object, &system, &code, at) && system == UNITS {
        ucum(&code, at);
    }
}

/// Checks the binding of the type; whether it was reported.
fn bound(object: &dyn Object, system: &str, code: &str, at: &mut At<'_, '_>) -> bool {
    let Some(bound) = object.definition().binding else {
        return false;
    };
    let outside = |set| member(set, Some(system), code) == Membership::NotMember;
    let (rule, set) = match bound.max_value_set {
        Some(max) if outside(max) => (Rule::MaxBinding, max),
        _ if !outside(bound.value_set) => return false,
        _ => match bound.strength {
            BindingStrength::Required => (Rule::RequiredBinding, bound.value_set),
            BindingStrength::Extensible => (Rule::ExtensibleBinding, bound.value_set),
            BindingStrength::Preferred => (Rule::PreferredBinding, bound.value_set),
            BindingStrength::Example => return false,
        },
    };
    let found = quoted(&format!("{system}|{code}"));
    let expected = binding::expected(rule, "unit", set);
    at.report_below("code", rule, rule.severity(), expected, found);
    true
}

fn ucum(code: &str, at: &mut At<'_, '_>) {
    if !is_unit(code) {
        let expected = "a UCUM unit".to_owned();
        at.report_below(
            "code",
            Rule::Ucum,
            Severity::Warning,
            expected,
            quoted(code),
        );
    }
}
