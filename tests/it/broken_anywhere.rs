//! Wherever a datatype stands in a valid resource of any type: a change that
//! breaks one of its constraints is reported, there, and nothing else is.

use std::{fs, path::Path, sync::OnceLock};

use fhir_mcp_server::{
    model::{
        IssueType, Resource,
        object::{Node, Object},
    },
    validation::Validator,
};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// A value in a document.
struct Site {
    document: usize,
    /// Its place as a JSON pointer, and as FHIRPath.
    pointer: String,
    path: String,
    type_name: &'static str,
}

struct Corpus {
    documents: Vec<Value>,
    sites: Vec<Site>,
}

/// What a change of a value of this type makes of it, and what it breaks:
/// the constraint and the path below the value.
fn changes(type_name: &str, old: &Value) -> Vec<(Value, &'static str, &'static str)> {
    let without = |name: &str| {
        let mut new = old.clone();
        new.as_object_mut().expect("an object").remove(name);
        new
    };
    let with = |members: &Value| {
        let mut new = old.clone();
        for (name, value) in members.as_object().expect("an object") {
            new[name] = value.clone();
        }
        new
    };
    let has = |name: &str| old.get(name).is_some();
    let div = |inner: &str| with(&json!({"div": format!("<div xmlns=\"{XHTML}\">{inner}</div>")}));
    match type_name {
        "Quantity" | "Age" | "Duration" | "Distance" | "Count" if has("code") && has("system") => {
            vec![(without("system"), "qty-3", "")]
        }
        "Period" => vec![(
            with(&json!({"start": "2020-01-02", "end": "2020-01-01"})),
            "per-1",
            "",
        )],
        "ContactPoint" if has("value") => vec![(without("system"), "cpt-2", "")],
        "Attachment" => {
            let mut new = without("contentType");
            new["data"] = json!("AAAA");
            vec![(new, "att-1", "")]
        }
        "Range" => vec![(
            json!({"low": {"value": 2, "unit": "x"}, "high": {"value": 1, "unit": "x"}}),
            "rng-2",
            "",
        )],
        "Ratio" if has("numerator") => vec![(without("denominator"), "rat-1", "")],
        "Reference"
            if !old["reference"]
                .as_str()
                .is_some_and(|to| to.starts_with('#')) =>
        {
            vec![(json!({"reference": "#nowhere"}), "ref-1", "")]
        }
        "Timing.repeat" => [
            (json!({"duration": 1}), "tim-1"),
            (json!({"period": 1}), "tim-2"),
            (json!({"duration": -1, "durationUnit": "d"}), "tim-4"),
            (json!({"period": -1, "periodUnit": "d"}), "tim-5"),
            (json!({"periodMax": 2}), "tim-6"),
            (json!({"durationMax": 2, "durationUnit": "d"}), "tim-7"),
            (json!({"countMax": 2}), "tim-8"),
            (
                json!({"timeOfDay": ["10:00:00"], "when": ["MORN"]}),
                "tim-10",
            ),
        ]
        .into_iter()
        .map(|(new, key)| (new, key, ""))
        .collect(),
        "Expression" => vec![(json!({"language": "text/cql"}), "exp-1", "")],
        "Narrative" => vec![
            (div("<script>x</script>"), "txt-1", ".div"),
            (div("<p onclick=\"x\">x</p>"), "txt-1", ".div"),
            (div(" "), "txt-2", ".div"),
        ],
        // Of what may contain resources.
        "" if has("text") && !has("contained") => vec![(
            with(&json!({"contained": [
                {"resourceType": "Basic", "id": "unused", "code": {"text": "x"}},
            ]})),
            "dom-3",
            "",
        )],
        _ => Vec::new(),
    }
}

fn corpus() -> &'static Corpus {
    static CORPUS: OnceLock<Corpus> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let mut corpus = Corpus {
            documents: Vec::new(),
            sites: Vec::new(),
        };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/r4");
        let mut paths: Vec<_> = fs::read_dir(folder)
            .expect("the folder")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|name| name == "json"))
            .collect();
        paths.sort();
        for path in paths {
            let bytes = fs::read(path).expect("a file");
            let reading = Validator::default().read(&bytes);
            let resource = reading.value.expect("a resource");
            // Some examples have warnings of their own.
            if reading
                .issues
                .iter()
                .all(|issue| issue.rule.issue_type() != IssueType::Invariant)
            {
                let name = resource.resource_type().to_owned();
                add_resource(&resource, String::new(), name, &mut corpus);
                corpus
                    .documents
                    .push(serde_json::from_slice(&bytes).expect("JSON"));
            }
        }
        corpus
    })
}

fn add_resource(resource: &Resource, pointer: String, path: String, corpus: &mut Corpus) {
    add(resource.as_object(), &pointer, &path, corpus);
    corpus.sites.push(Site {
        document: corpus.documents.len(),
        pointer,
        path,
        type_name: "",
    });
}

fn add(object: &dyn Object, pointer: &str, path: &str, corpus: &mut Corpus) {
    let definition = object.definition();
    for (index, element) in definition.elements.iter().enumerate() {
        let slot = object.slot(index);
        if slot.is_empty() {
            continue;
        }
        let key = &definition.keys[usize::from(element.first_key) + slot.variant()];
        for (index, node) in slot.iter().enumerate() {
            let (pointer, path) = match element.many {
                true => (
                    format!("{pointer}/{}/{index}", key.name),
                    format!("{path}.{}[{index}]", element.name),
                ),
                false => (
                    format!("{pointer}/{}", key.name),
                    format!("{path}.{}", element.name),
                ),
            };
            match node {
                Node::Object(inner) => {
                    add(inner, &pointer, &path, corpus);
                    corpus.sites.push(Site {
                        document: corpus.documents.len(),
                        pointer,
                        path,
                        type_name: inner.definition().name,
                    });
                }
                // What is contained may be referred to no more afterwards.
                Node::Resource(inner) if element.name == "resource" => {
                    add_resource(inner, pointer, path, corpus);
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn exactly_what_was_broken_is_reported(site in any::<Index>(), change in any::<Index>()) {
        let corpus = corpus();
        let site = site.get(&corpus.sites);
        let mut document = corpus.documents[site.document].clone();
        let value = document.pointer_mut(&site.pointer).expect("the value");
        let changes = changes(site.type_name, value);
        prop_assume!(!changes.is_empty());
        let (new, key, below) = change.get(&changes);
        *value = new.clone();
        let reading = Validator::default().read(document.to_string().as_bytes());
        let found: Vec<String> = reading
            .issues
            .iter()
            .filter(|issue| issue.rule.issue_type() == IssueType::Invariant)
            .map(|issue| format!("{} {}", issue.rule.code(), issue.expression))
            .collect();
        prop_assert_eq!(found, [format!("{key} {}{below}", site.path)]);
    }
}
