//! The profiles of the specification, and how they are found.

use super::*;

#[test]
fn all_profiles_of_the_specification_can_be_loaded() {
    let registry = Registry::default();
    let mut count = 0;
    for url in builtin::urls() {
        let profile = registry.profile(url).expect("a known profile");
        assert!(profile.is_ok(), "{:?}", profile.err());
        count += 1;
    }
    // 44 profiles, SimpleQuantity and MoneyQuantity.
    assert_eq!(count, 46);
}

#[test]
fn a_profile_keeps_only_what_it_tightens() {
    let registry = Registry::default();
    let url = format!("{BASE}bodyweight");
    let profile = registry.profile(&url).expect("known").expect("usable");
    let names: Vec<&str> = profile
        .root
        .children
        .iter()
        .map(|child| child.name.as_str())
        .collect();
    assert!(
        names.contains(&"category") && names.contains(&"value"),
        "{names:?}"
    );
    assert!(
        !names.contains(&"identifier") && !names.contains(&"device"),
        "{names:?}"
    );
    let category = profile.root.child("category").expect("category");
    assert_eq!((category.min, category.slices.len()), (1, 1));
}

/// What a tree asks for, a line for each element.
fn lines(element: &definition::Element, lines: &mut Vec<String>) {
    let types: Vec<String> = element
        .types
        .iter()
        .map(|of| format!("{} {:?} {:?}", of.code, of.profiles, of.targets))
        .collect();
    let keys: Vec<&str> = element
        .invariants
        .iter()
        .map(|invariant| invariant.constraint.key)
        .collect();
    lines.push(format!(
        "{} {}..{:?} {types:?} {:?} {:?} {:?} {keys:?} {:?} {}",
        element.id,
        element.min,
        element.max,
        element.fixed,
        element.pattern,
        element.binding,
        element
            .slicing
            .as_ref()
            .map(|slicing| &slicing.discriminators),
        element.must_support,
    ));
    for below in element.slices.iter().chain(&element.children) {
        self::lines(below, lines);
    }
}

/// How many definitions differ, in what changes nothing: a snapshot repeats on a
/// slice what holds for all values, names SimpleQuantity where the base does, adds
/// a version to value sets, and unfolds what the profile of an extension says.
const DIFFERENT_WORDS: usize = 20;

/// The differentials of the specification's own profiles and extensions give
/// what their snapshots say. Opt-in, as `FHIR_EXAMPLES_DIR` is.
#[test]
fn differentials_give_what_snapshots_say() {
    let Some(folder) = std::env::var_os("FHIR_EXAMPLES_DIR") else {
        return;
    };
    let registry = Registry::default();
    let mut base = |url: &str| Ok(registry.profile(url).expect("a known base")?.root.clone());
    let (mut compared, mut differing, mut refused) = (0, Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if !name.starts_with("StructureDefinition-") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a file");
        let mut definition: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        if definition["derivation"] != "constraint" {
            continue;
        }
        let mut written = |definition: &serde_json::Value| {
            let profile = load::build(definition, &mut base);
            let mut written = Vec::new();
            match profile {
                Ok(profile) => lines(&profile.root, &mut written),
                Err(error) => refused.push(error.to_string()),
            }
            written.sort();
            written
        };
        let snapshot = written(&definition);
        let members = definition.as_object_mut().expect("an object");
        members.remove("snapshot");
        compared += 1;
        if snapshot != written(&definition) {
            differing.push(name.into_owned());
        }
    }
    assert_eq!(compared, 441);
    // A slice that nothing tells apart from others.
    let untold = "FamilyMemberHistory.condition:Condition: a slice of an element without slicing";
    assert!(
        matches!(refused.as_slice(), [only] if only.ends_with(untold)),
        "{refused:#?}"
    );
    assert_eq!(differing.len(), DIFFERENT_WORDS, "{differing:?}");
}

/// A definition of a profile of Observation.
fn observation(elements: serde_json::Value) -> serde_json::Value {
    serde_json::json!({
        "url": "http://example.org/p",
        "type": "Observation",
        "baseDefinition": format!("{BASE}Observation"),
        "differential": {"element": elements}
    })
}

#[test]
fn what_a_differential_must_not_say_is_refused() {
    let registry = Registry::default();
    let cases = [
        (
            r#"[{"path": "Observation.colour", "min": 1}]"#,
            "no element colour",
        ),
        (
            r#"[{"path": "Observation.code", "min": 0}]"#,
            "min 0 is less",
        ),
        (
            r#"[{"path": "Observation.code", "max": "2"}]"#,
            "max 2 is more",
        ),
        (
            r#"[{"path": "Observation.note", "sliceName": "a"}]"#,
            "a slice of an element without slicing",
        ),
        (
            r#"[{"id": "Observation.note:a.text", "path": "Observation.note.text"}]"#,
            "the slice a is not defined before it",
        ),
        (
            r#"[{"id": "Observation.value[x]:a/b", "path": "Observation.value[x]"}]"#,
            "the slice a is not defined before it",
        ),
        (
            r#"[{"path": "Observation.note", "slicing": {"discriminator": [{"type": "value", "path": "text"}], "rules": "open"}},
                {"id": "Observation.note:a", "path": "Observation.note", "sliceName": "a"},
                {"id": "Observation.note:a/b", "path": "Observation.note", "sliceName": "a/b"}]"#,
            "a slice of an element without slicing",
        ),
        (
            r#"[{"path": "Observation.value[x]", "type": [{"code": "Address"}]}]"#,
            "the type Address is none of the base",
        ),
        (
            r#"[{"path": "Observation.value[x].extension", "min": 1}]"#,
            "several of its types",
        ),
        (
            r#"[{"path": "Observation.note", "slicing": {"discriminator": [{"type": "value", "path": "a.where(b)"}], "rules": "open"}}]"#,
            "the path a.where(b) is not understood",
        ),
    ];
    for (elements, reason) in cases {
        let definition = observation(serde_json::from_str(elements).expect("JSON"));
        let mut base = |url: &str| Ok(registry.profile(url).expect("known")?.root.clone());
        let error = load::build(&definition, &mut base).expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}");
    }
}

/// What an Observation lacks of a profile: `rule place`.
fn lacks(elements: serde_json::Value, members: serde_json::Value) -> Vec<String> {
    let registry = Registry::default();
    let mut base = |url: &str| Ok(registry.profile(url).expect("known")?.root.clone());
    let profile = load::build(&observation(elements), &mut base).expect("a profile");
    let mut document = members;
    document["resourceType"] = "Observation".into();
    document["status"] = "final".into();
    document["code"] = serde_json::json!({"text": "x"});
    let reading = crate::model::Resource::from_slice(document.to_string().as_bytes());
    assert!(reading.is_valid(), "{:?}", reading.issues);
    let resource = reading.value.expect("a resource");
    let subject = Subject {
        registry: &registry,
        memo: &RefCell::default(),
        resource: resource.as_object(),
        complete: true,
        must_support: false,
        judged: &walk::Judged::default(),
        waiting: None,
    };
    let value = Value::root(Node::Object(resource.as_object()));
    let found = walk::check(subject, &Arc::new(profile), value, &Place::ROOT, 0);
    found
        .iter()
        .map(|finding| format!("{} {}", finding.rule.code(), finding.below))
        .collect()
}

#[test]
fn slices_are_told_apart_by_what_is_there() {
    let elements = serde_json::json!([
        {"id": "Observation.component", "path": "Observation.component", "slicing": {
            "discriminator": [{"type": "exists", "path": "interpretation"}], "rules": "closed"}},
        {"id": "Observation.component:with", "path": "Observation.component",
            "sliceName": "with", "max": "1"},
        {"id": "Observation.component:with.interpretation",
            "path": "Observation.component.interpretation", "min": 1},
        {"id": "Observation.component:without", "path": "Observation.component",
            "sliceName": "without", "min": 1},
        {"id": "Observation.component:without.interpretation",
            "path": "Observation.component.interpretation", "max": "0"},
    ]);
    let with = serde_json::json!({"code": {"text": "a"}, "interpretation": [{"text": "b"}]});
    let without = serde_json::json!({"code": {"text": "a"}});
    for (component, expected) in [
        (vec![&with, &without, &without], 0),
        (vec![&without], 0),
        (vec![&with], 1),
        (vec![&with, &with, &without], 1),
        (vec![&with, &with], 2),
    ] {
        let members = serde_json::json!({"component": component});
        let found = lacks(elements.clone(), members.clone());
        assert_eq!(found.len(), expected, "{members}: {found:?}");
        let cardinality = |text: &String| text.starts_with("profile-cardinality component");
        assert!(found.iter().all(cardinality), "{found:?}");
    }
}

#[test]
fn values_of_no_slice_stand_at_the_end_where_a_profile_says_so() {
    let elements = serde_json::json!([
        {"id": "Observation.note", "path": "Observation.note", "slicing": {
            "discriminator": [{"type": "value", "path": "text"}], "rules": "openAtEnd"}},
        {"id": "Observation.note:a", "path": "Observation.note", "sliceName": "a"},
        {"id": "Observation.note:a.text", "path": "Observation.note.text",
            "fixedMarkdown": "a"},
    ]);
    let notes = |texts: &[&str]| {
        let notes: Vec<_> = texts
            .iter()
            .map(|text| serde_json::json!({"text": text}))
            .collect();
        lacks(elements.clone(), serde_json::json!({"note": notes}))
    };
    assert_eq!(notes(&["a", "a", "x", "y"]), [""; 0]);
    assert_eq!(notes(&["a", "x", "a"]), ["profile-slicing note[2]"]);
}

#[test]
fn slices_are_told_apart_by_the_profile_of_what_a_reference_resolves_to() {
    let url = format!("{BASE}bodyweight");
    let elements = serde_json::json!([
        {"id": "Observation.hasMember", "path": "Observation.hasMember", "slicing": {
            "discriminator": [{"type": "profile", "path": "resolve()"}], "rules": "open"}},
        {"id": "Observation.hasMember:weight", "path": "Observation.hasMember",
            "sliceName": "weight", "min": 1,
            "type": [{"code": "Reference", "targetProfile": [url]}]},
    ]);
    let member = |unit: &str| {
        serde_json::json!({
            "contained": [{
                "resourceType": "Observation", "id": "w", "status": "final",
                "category": [{"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                    "code": "vital-signs"
                }]}],
                "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
                "subject": {"reference": "Patient/1"},
                "effectiveDateTime": "2020-01-01",
                "valueQuantity": {"value": 70, "unit": unit, "code": unit,
                    "system": "http://unitsofmeasure.org"}
            }],
            "hasMember": [{"reference": "#w"}]
        })
    };
    assert_eq!(lacks(elements.clone(), member("kg")), [""; 0]);
    assert_eq!(
        lacks(elements.clone(), member("cm")),
        ["profile-cardinality hasMember"]
    );
}

#[test]
fn slices_are_sliced_again() {
    let by = |path: &str, rules: &str| serde_json::json!({"discriminator": [{"type": "value", "path": path}], "rules": rules});
    // Of the notes with one author one at least, and no other time but two.
    let elements = serde_json::json!([
        {"id": "Observation.note", "path": "Observation.note",
            "slicing": by("author", "open")},
        {"id": "Observation.note:ana", "path": "Observation.note", "sliceName": "ana",
            "max": "3", "slicing": by("time", "closed")},
        {"id": "Observation.note:ana.author[x]", "path": "Observation.note.author[x]",
            "min": 1, "fixedString": "Ana"},
        {"id": "Observation.note:ana/early", "path": "Observation.note",
            "sliceName": "ana/early", "min": 1, "max": "1"},
        {"id": "Observation.note:ana/early.time", "path": "Observation.note.time",
            "min": 1, "fixedDateTime": "2020"},
        {"id": "Observation.note:ana/early.text", "path": "Observation.note.text",
            "maxLength": 1},
        {"id": "Observation.note:ana/late", "path": "Observation.note",
            "sliceName": "ana/late"},
        {"id": "Observation.note:ana/late.time", "path": "Observation.note.time",
            "min": 1, "fixedDateTime": "2021"},
    ]);
    let notes = |notes: &[(&str, &str, &str)]| {
        let notes = notes.iter().map(|(author, time, text)| {
            serde_json::json!({"authorString": author, "time": time, "text": text})
        });
        let notes: Vec<_> = notes.collect();
        lacks(elements.clone(), serde_json::json!({"note": notes}))
    };
    let early = ("Ana", "2020", "x");
    assert_eq!(notes(&[early, ("Ana", "2021", "longer")]), [""; 0]);
    assert_eq!(notes(&[("Ben", "2019", "x"), early]), [""; 0]);
    assert_eq!(notes(&[("Ana", "2021", "x")]), ["profile-cardinality note"]);
    assert_eq!(notes(&[("Ben", "2020", "x")]), ["profile-cardinality note"]);
    assert_eq!(notes(&[early, early]), ["profile-cardinality note"]);
    assert_eq!(
        notes(&[("Ana", "2020", "longer")]),
        ["profile-length note[0].text"]
    );
    assert_eq!(
        notes(&[("Ben", "2019", "x"), early, ("Ana", "2022", "x")]),
        ["profile-slicing note[2]"]
    );
    let late = ("Ana", "2021", "x");
    assert_eq!(
        notes(&[early, late, late, late]),
        ["profile-cardinality note"]
    );
    assert_eq!(
        lacks(elements.clone(), serde_json::json!({})),
        ["profile-cardinality note"]
    );
}

/// A maxValueSet holds whatever the strength of the binding.
#[test]
fn no_code_leaves_the_maximum_value_set() {
    const GENDER: &str = "http://hl7.org/fhir/administrative-gender";
    let binding = serde_json::json!({"strength": "example", "extension": [{
        "url": "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet",
        "valueCanonical": "http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"
    }]});
    let elements = serde_json::json!([
        {"id": "Observation.meta.tag", "path": "Observation.meta.tag", "binding": binding},
        {"id": "Observation.category", "path": "Observation.category", "binding": binding},
    ]);
    let coding = |code: &str| serde_json::json!({"system": GENDER, "code": code});
    let other = serde_json::json!({"system": "http://example.org/x", "code": "male"});
    for (good, bad) in [
        (vec![coding("male")], vec![coding("none")]),
        (vec![coding("male")], vec![other.clone()]),
        (vec![other.clone(), coding("male")], vec![other]),
    ] {
        let category = |codings: &[serde_json::Value]| {
            let members = serde_json::json!({"category": [{"coding": codings}]});
            lacks(elements.clone(), members)
        };
        assert_eq!(category(&good), [""; 0], "{good:?}");
        assert_eq!(category(&bad), ["profile-binding category[0]"], "{bad:?}");
    }
    let text = serde_json::json!({"category": [{"text": "male"}]});
    assert_eq!(
        lacks(elements.clone(), text),
        ["profile-binding category[0]"]
    );
    let tag = |code: &str| {
        let members = serde_json::json!({"meta": {"tag": [coding(code)]}});
        lacks(elements.clone(), members)
    };
    assert_eq!(tag("male"), [""; 0]);
    assert_eq!(tag("none"), ["profile-binding meta.tag[0]"]);
}
