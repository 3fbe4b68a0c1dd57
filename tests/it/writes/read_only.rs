//! Who may not write does not: nothing but GET reaches the FHIR server.

use fhir_mcp_server::mcp::{Options, WriteInteraction, WriteOptions};
use serde_json::{Value, json};

use super::{Answer, Client, Connection, Recorder, allowing, allowing_with, call, calls};

/// The number that the project asks for.
const WANTED: usize = 40;

/// Everything that a client can call to write, and more.
fn attempts() -> Vec<(&'static str, Value)> {
    let payload = json!({"resourceType": "Patient", "active": false});
    let mut attempts: Vec<_> = calls()
        .into_iter()
        .map(|(tool, arguments, _)| (tool, arguments))
        .collect();
    attempts.extend([
        ("create", json!({"type": "Patient", "payload": payload, "operation": "$validate"})),
        ("update", json!({"type": "Patient", "id": "1", "payload": payload, "operation": "$meta-add"})),
        ("delete", json!({"type": "Patient", "id": "1", "operation": "$expunge"})),
        ("create", json!({"type": "Bundle", "payload": {"resourceType": "Bundle", "type": "transaction"}})),
        ("patch", json!({"type": "Patient", "id": "1"})),
        ("transaction", json!({"type": "Bundle"})),
        ("DELETE", json!({"type": "Patient", "id": "1"})),
        ("read", json!({"type": "Patient", "id": "1", "operation": "$everything"})),
        ("read", json!({"type": "Patient", "id": "1", "operation": "$expunge", "searchParam": {"_method": "DELETE"}})),
        ("search", json!({"type": "Patient", "searchParam": {"_id": "1"}})),
        ("validate", json!({"resource": payload})),
        ("validate", json!({"reference": "Patient/1"})),
        ("get_capabilities", json!({"type": "Patient"})),
        ("describe", json!({"type": "Patient"})),
        ("get_user", json!({})),
    ]);
    attempts
}

/// Options under which none of the calls may write, and tools that they offer.
fn settings() -> Vec<(&'static str, Options, &'static [&'static str], Answer)> {
    let all: &[&str] = &["create", "update", "delete"];
    let without_confirmation = WriteOptions {
        without_confirmation: true,
        ..WriteOptions::default()
    };
    vec![
        ("default", Options::default(), &[], Answer::Accept),
        (
            "no confirmation, but no leave either",
            Options {
                writes: without_confirmation.clone(),
                ..Options::default()
            },
            &[],
            Answer::Accept,
        ),
        (
            "other types alone",
            allowing_with(WriteOptions {
                types: vec!["Observation".to_owned(), "Condition".to_owned()],
                ..without_confirmation
            }),
            all,
            Answer::Accept,
        ),
        (
            "a client that cannot ask",
            allowing(),
            all,
            Answer::Unsupported,
        ),
        ("a user who declines", allowing(), all, Answer::Decline),
    ]
}

#[tokio::test]
async fn nothing_but_get_is_sent() {
    let recorder = Recorder::start().await;
    let mut count = 0;
    for (name, options, offered, answer) in settings() {
        let server = recorder.server(options);
        for how in [Connection::ModernLines, Connection::LegacyLines] {
            let client = Client::connect(&server, how, answer).await;
            let tools = client.service.list_all_tools().await.unwrap();
            let writing: Vec<&str> = tools
                .iter()
                .map(|tool| tool.name.as_ref())
                .filter(|name| ["create", "update", "delete"].contains(name))
                .collect();
            assert_eq!(writing, offered, "{name}");
            for (tool, arguments) in attempts() {
                let result = client.call(call(tool, &arguments)).await;
                let writes = ["create", "update", "delete"].contains(&tool);
                if writes {
                    assert!(
                        !matches!(result, Ok((true, _))),
                        "{name}: {tool} {arguments}"
                    );
                }
                if writes && offered.is_empty() {
                    let error = result.unwrap_err().to_string();
                    assert!(error.contains("--allow-writes"), "{name}: {error}");
                }
                assert_eq!(recorder.writes(), [""; 0], "{name}: {tool} {arguments}");
                count += 1;
            }
        }
    }
    println!("read-only matrix: {count} cases");
    assert!(count >= WANTED);
}

#[tokio::test]
async fn kinds_of_writes_are_allowed_one_by_one() {
    use WriteInteraction::{Create, Delete, Operation, Update};
    let sets: [&[WriteInteraction]; 8] = [
        &[Create],
        &[Update],
        &[Delete],
        &[Create, Update],
        &[Create, Operation],
        &[Update, Operation],
        &[Delete, Operation],
        &[Create, Update, Delete],
    ];
    let mut count = 0;
    for set in sets {
        let recorder = Recorder::start().await;
        let server = recorder.server(allowing_with(WriteOptions {
            interactions: set.to_vec(),
            without_confirmation: true,
            ..WriteOptions::default()
        }));
        let client = Client::connect(&server, Connection::ModernLines, Answer::Unsupported).await;
        for (tool, arguments) in attempts() {
            let kind = match tool {
                "create" => Create,
                "update" => Update,
                "delete" => Delete,
                _ => continue,
            };
            let before = recorder.writes().len();
            let result = client.call(call(tool, &arguments)).await;
            let is_operation = arguments.get("operation").is_some();
            let allowed = set.contains(&kind) && (!is_operation || set.contains(&Operation));
            let sent = recorder.writes().len() - before;
            assert_eq!(sent, usize::from(allowed), "{set:?}: {tool} {arguments}");
            if !set.contains(&kind) {
                let error = result.unwrap_err().to_string();
                assert!(error.contains("--write-interactions"), "{error}");
            }
            count += 1;
        }
    }
    println!("kinds of writes: {count} cases");
}

#[tokio::test]
async fn types_are_allowed_one_by_one() {
    let recorder = Recorder::start().await;
    let server = recorder.server(allowing_with(WriteOptions {
        types: vec!["Patient".to_owned()],
        without_confirmation: true,
        ..WriteOptions::default()
    }));
    let client = Client::connect(&server, Connection::ModernLines, Answer::Unsupported).await;
    let basic = json!({"resourceType": "Basic", "code": {"text": "x"}});
    for (tool, arguments) in [
        ("create", json!({"type": "Basic", "payload": basic})),
        ("create", json!({"type": "Patient", "payload": basic})),
        (
            "update",
            json!({"type": "Basic", "id": "1", "payload": basic}),
        ),
        ("delete", json!({"type": "Basic", "id": "1"})),
        (
            "create",
            json!({"type": "Basic", "payload": basic, "operation": "$validate"}),
        ),
        (
            "create",
            json!({"type": "Patient", "payload": basic, "operation": "Basic"}),
        ),
        (
            "update",
            json!({"type": "Patient", "id": "1", "payload": basic, "operation": "Basic"}),
        ),
        (
            "delete",
            json!({"type": "Patient", "id": "1", "operation": "Basic"}),
        ),
        (
            "delete",
            json!({"type": "Patient", "id": "1", "operation": "_history"}),
        ),
    ] {
        let (succeeded, text) = client.call(call(tool, &arguments)).await.unwrap();
        assert!(!succeeded, "{tool} {arguments}: {text}");
        assert_eq!(recorder.writes(), [""; 0], "{tool} {arguments}");
    }
    for (tool, arguments, sent) in calls() {
        let (succeeded, text) = client.call(call(tool, &arguments)).await.unwrap();
        assert!(succeeded, "{tool}: {text}");
        assert_eq!(recorder.writes().last().unwrap(), sent);
    }
}
