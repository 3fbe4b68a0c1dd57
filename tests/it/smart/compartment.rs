//! What a session for one patient asks for.

use fhir_mcp_server::{auth::compartment::PatientCompartment, client::Interaction};
use serde_json::json;

use crate::support::cases::{Case, case};

const P: PatientCompartment<'_> = PatientCompartment("p1");

fn pairs(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    parameters.iter().map(pair).collect()
}

/// The parameters of a search as it is sent; `None` when it is refused.
fn search(resource_type: &str, parameters: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    let search = Interaction::Search {
        resource_type: resource_type.to_owned(),
        parameters: pairs(parameters),
    };
    match P.confine(&search).ok()?.into_owned() {
        Interaction::Search { parameters, .. } => Some(parameters),
        other => panic!("{other:?}"),
    }
}

fn read(resource_type: &str, id: &str, operation: Option<&str>) -> bool {
    P.confine(&Interaction::Read {
        resource_type: resource_type.to_owned(),
        id: id.to_owned(),
        operation: operation.map(ToOwned::to_owned),
        parameters: Vec::new(),
    })
    .is_ok()
}

fn page(link: &str) -> bool {
    let link = link.to_owned();
    P.confine(&Interaction::NextPage { link }).is_ok()
}

fn create(resource_type: &str, operation: Option<&str>, subject: &str) -> bool {
    let body = json!({"resourceType": resource_type, "subject": {"reference": subject}});
    P.confine(&Interaction::Create {
        resource_type: resource_type.to_owned(),
        operation: operation.map(ToOwned::to_owned),
        parameters: Vec::new(),
        body: body.to_string(),
    })
    .is_ok()
}

fn update(resource_type: &str, id: Option<&str>, subject: &str) -> bool {
    let body = json!({"resourceType": resource_type, "id": id.unwrap_or("p1"), "subject": {"reference": subject}});
    P.confine(&Interaction::Update {
        resource_type: resource_type.to_owned(),
        id: id.map(ToOwned::to_owned),
        operation: None,
        parameters: Vec::new(),
        if_match: None,
        body: body.to_string(),
    })
    .is_ok()
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = searches();
    cases.extend(includes());
    cases.extend(instances());
    cases.extend(pages());
    cases
}

fn searches() -> Vec<Case> {
    vec![
        case!("a search without a patient gets one", {
            let sent = search("Observation", &[("code", "x")]).unwrap();
            assert_eq!(sent, pairs(&[("code", "x"), ("patient", "p1")]));
        }),
        case!("one that names the patient stays as it is", {
            for value in ["p1", "Patient/p1", "https://fhir.example/r4/Patient/p1"] {
                assert_eq!(
                    search("Observation", &[("patient", value)]).unwrap().len(),
                    1
                );
            }
        }),
        case!("another patient is refused", {
            assert!(search("Observation", &[("patient", "p2")]).is_none())
        }),
        case!("also as a subject", {
            assert!(search("Observation", &[("subject", "Patient/p2")]).is_none())
        }),
        case!("also by a URL", {
            assert!(
                search(
                    "Observation",
                    &[("subject", "https://x.example/Patient/p2")]
                )
                .is_none()
            );
        }),
        case!("also beside the right one", {
            assert!(search("Observation", &[("patient", "p1,p2")]).is_none())
        }),
        case!("also a second time", {
            assert!(search("Observation", &[("patient", "p1"), ("patient", "p2")]).is_none());
        }),
        case!("also with a type as modifier", {
            assert!(search("Observation", &[("subject:Patient", "p2")]).is_none());
        }),
        case!("a subject that is no patient is narrowed", {
            let sent = search("Observation", &[("subject", "Group/g")]).unwrap();
            assert!(sent.contains(&("patient".to_owned(), "p1".to_owned())));
        }),
        case!("a chain is narrowed", {
            let sent = search("Observation", &[("patient.name", "x")]).unwrap();
            assert!(sent.contains(&("patient".to_owned(), "p1".to_owned())));
        }),
        case!("a search for patients finds this one alone", {
            let sent = search("Patient", &[("name", "x")]).unwrap();
            assert!(sent.contains(&("_id".to_owned(), "p1".to_owned())));
        }),
        case!("another id of a patient is refused", {
            assert!(search("Patient", &[("_id", "p2")]).is_none())
        }),
        case!("a reverse chain is narrowed", {
            let sent = search("Patient", &[("_has:Observation:patient:code", "x")]).unwrap();
            assert_eq!(sent.last().unwrap().0, "_id");
        }),
        case!("tasks are not in the compartment, and narrowed", {
            assert!(
                search("Task", &[])
                    .unwrap()
                    .iter()
                    .any(|(name, _)| name == "patient")
            );
        }),
        case!("groups are narrowed by their members", {
            let sent = search("Group", &[]).unwrap();
            assert_eq!(sent, pairs(&[("member", "Patient/p1")]));
        }),
        case!("practitioners are nobody's", {
            assert_eq!(search("Practitioner", &[("name", "x")]).unwrap().len(), 1);
        }),
        case!("bundles cannot be narrowed", {
            assert!(search("Bundle", &[]).is_none())
        }),
    ]
}

fn includes() -> Vec<Case> {
    vec![
        case!("the performer may be included", {
            assert!(
                search(
                    "Observation",
                    &[("_include", "Observation:performer:Practitioner")]
                )
                .is_some()
            );
        }),
        case!("and the patient", {
            assert!(search("Observation", &[("_include", "Observation:patient")]).is_some());
        }),
        case!("linked patients may not", {
            assert!(search("Patient", &[("_include", "Patient:link")]).is_none())
        }),
        case!("nor linked ones in reverse", {
            assert!(search("Patient", &[("_revinclude", "Patient:link")]).is_none())
        }),
        case!("nor everything", {
            assert!(search("Observation", &[("_include", "*")]).is_none())
        }),
        case!("nor every reference of a type", {
            assert!(search("Observation", &[("_include", "Observation:*")]).is_none());
        }),
        case!("nor what included resources refer to", {
            assert!(search("Observation", &[("_include:iterate", "Patient:link")]).is_none());
        }),
        case!("nor a focus that may be a patient", {
            assert!(search("Observation", &[("_include", "Observation:focus")]).is_none());
        }),
        case!("what points to records of the patient may", {
            assert!(search("Patient", &[("_revinclude", "Observation:patient")]).is_some());
        }),
        case!("what points to others may not", {
            assert!(search("Practitioner", &[("_revinclude", "Observation:performer")]).is_none());
        }),
    ]
}

fn instances() -> Vec<Case> {
    vec![
        case!("the patient may be read", {
            assert!(read("Patient", "p1", None))
        }),
        case!("another may not", { assert!(!read("Patient", "p2", None)) }),
        case!("nor their history", {
            assert!(!read("Patient", "p2", Some("_history")))
        }),
        case!("nor everything of them", {
            assert!(!read("Patient", "p2", Some("$everything")))
        }),
        case!("everything of the patient may", {
            assert!(read("Patient", "p1", Some("$everything")))
        }),
        case!("the compartment of the patient may", {
            assert!(read("Patient", "p1", Some("Observation")))
        }),
        case!("that of another may not", {
            assert!(!read("Patient", "p2", Some("Observation")))
        }),
        case!("everything of a practitioner may not", {
            assert!(!read("Practitioner", "1", Some("$everything")))
        }),
        case!("nor all records around them", {
            assert!(!read("Practitioner", "1", Some("*")))
        }),
        case!("a record of the patient may be added", {
            assert!(create("Observation", None, "Patient/p1"))
        }),
        case!("one of another may not", {
            assert!(!create("Observation", None, "Patient/p2"))
        }),
        case!("nor another patient", {
            assert!(!create("Patient", None, ""))
        }),
        case!("an operation on a type may not", {
            assert!(!create("Patient", Some("$match"), ""))
        }),
        case!("but validation", {
            assert!(create("Observation", Some("$validate"), "Patient/p2"))
        }),
        case!("the patient may be changed", {
            assert!(update("Patient", Some("p1"), ""))
        }),
        case!("another may not be changed", {
            assert!(!update("Patient", Some("p2"), ""))
        }),
        case!("a record may not be given to another", {
            assert!(!update("Observation", Some("1"), "Patient/p2"))
        }),
        case!("another may not be deleted", {
            let delete = |id: &str| Interaction::Delete {
                resource_type: "Patient".to_owned(),
                id: Some(id.to_owned()),
                operation: None,
                parameters: Vec::new(),
                if_match: None,
            };
            assert!(P.confine(&delete("p1")).is_ok() && P.confine(&delete("p2")).is_err());
        }),
        case!("a conditional delete is narrowed", {
            let delete = Interaction::Delete {
                resource_type: "Observation".to_owned(),
                id: None,
                operation: None,
                parameters: pairs(&[("code", "x")]),
                if_match: None,
            };
            let sent = format!("{:?}", P.confine(&delete).unwrap());
            assert!(sent.contains("p1"), "{sent}");
        }),
        case!("a record of another that came all the same is kept back", {
            let of = |subject: &str| json!({"resourceType": "Observation", "subject": {"reference": subject}});
            assert!(P.excludes(&of("Patient/p2")));
            assert!(P.excludes(&of("https://x.example/Patient/p2")));
            assert!(!P.excludes(&of("Patient/p1")) && !P.excludes(&of("Group/g")));
            assert!(!P.excludes(&json!({"resourceType": "Practitioner", "id": "p2"})));
        }),
        case!("also within a Bundle, and in Parameters", {
            let of = |subject: &str| json!({"resourceType": "Observation", "subject": {"reference": subject}});
            let bundle = |resource| json!({"resourceType": "Bundle", "entry": [{"resource": of("Patient/p1")}, {"resource": resource}]});
            assert!(!P.excludes_any(&bundle(of("Patient/p1"))));
            assert!(P.excludes_any(&bundle(of("Patient/p2"))));
            assert!(P.excludes_any(&bundle(bundle(of("Patient/p2")))));
            let parameters = |resource| json!({"resourceType": "Parameters", "parameter": [{"name": "a", "part": [{"name": "b", "resource": resource}]}]});
            assert!(P.excludes_any(&parameters(of("Patient/p2"))));
            assert!(!P.excludes_any(&parameters(of("Patient/p1"))));
        }),
    ]
}

fn pages() -> Vec<Case> {
    vec![
        case!("the next page of a narrowed search is taken", {
            assert!(page("https://h/fhir/Observation?patient=p1&_page=2"));
            assert!(page("Observation?subject=Patient/p1&patient=p1"));
        }),
        case!("and one that only the server understands", {
            assert!(page("https://h/fhir?_getpages=abc&_getpagesoffset=20"));
            assert!(page("https://h/fhir/Observation?ct=abc"));
        }),
        case!("a made-up one is not", {
            assert!(!page("https://h/fhir/Observation?code=x"));
            assert!(!page("Observation?patient=p2"));
            assert!(!page("Patient?name=x&_count=100&_sort=name"));
        }),
        case!("nor one in another compartment", {
            assert!(!page("https://h/fhir/Patient/p2/Observation?_page=2"));
            assert!(!page("Patient/p2"));
        }),
        case!("the patient's own compartment is", {
            assert!(page("https://h/fhir/Patient/p1/$everything?_page=2"));
        }),
    ]
}
