//! What changes between two versions of a resource, by element path.

use crate::mcp::json::Json;

/// Elements of `meta` that the server sets, so that a difference says nothing.
const SET_BY_SERVER: [&str; 2] = ["versionId", "lastUpdated"];

/// A change of one element: added without an old value, removed without a new
/// one.
#[derive(Debug, PartialEq)]
pub(crate) struct Change<'a> {
    /// From the type on: `Patient.name[0].family`.
    pub(crate) path: String,
    pub(crate) old: Option<&'a Json>,
    pub(crate) new: Option<&'a Json>,
}

/// The changes from one version to another, in the order of the new one, what
/// is removed behind.
pub(crate) fn between<'a>(old: &'a Json, new: &'a Json) -> Vec<Change<'a>> {
    let root = new.str("resourceType").unwrap_or("Resource");
    let mut changes = Vec::new();
    compare(root.to_owned(), old, new, &mut changes);
    let meta = format!("{root}.meta");
    changes.retain(|change| match change.path.strip_prefix(&meta) {
        Some("") => !is_set_by_server(change.old) || !is_set_by_server(change.new),
        Some(rest) => !SET_BY_SERVER.contains(&rest.trim_start_matches('.')),
        None => true,
    });
    changes
}

/// Whether there is no `meta`, or one that only the server writes.
fn is_set_by_server(meta: Option<&Json>) -> bool {
    match meta {
        Some(Json::Object(members)) => members
            .iter()
            .all(|(name, _)| SET_BY_SERVER.contains(&name.as_str())),
        Some(_) => false,
        None => true,
    }
}

/// The elements of a resource, each as if it were added, or removed.
pub(crate) fn elements(resource: &Json, is_new: bool) -> Vec<Change<'_>> {
    let root = resource.str("resourceType").unwrap_or("Resource");
    let Json::Object(members) = resource else {
        return Vec::new();
    };
    let told = |name: &str| matches!(name, "resourceType" | "id");
    members
        .iter()
        .filter(|(name, value)| !told(name) && (name != "meta" || !is_set_by_server(Some(value))))
        .map(|(name, value)| Change {
            path: format!("{root}.{name}"),
            old: (!is_new).then_some(value),
            new: is_new.then_some(value),
        })
        .collect()
}

fn compare<'a>(path: String, old: &'a Json, new: &'a Json, changes: &mut Vec<Change<'a>>) {
    match (old, new) {
        _ if old == new => {}
        (Json::Object(before), Json::Object(after)) => {
            for (name, value) in after {
                let path = format!("{path}.{name}");
                match old.get(name) {
                    Some(old) => compare(path, old, value, changes),
                    None => changes.push(added(path, value)),
                }
            }
            for (name, value) in before {
                if new.get(name).is_none() {
                    changes.push(removed(format!("{path}.{name}"), value));
                }
            }
        }
        (Json::Array(before), Json::Array(after)) => compare_lists(&path, before, after, changes),
        _ => changes.push(Change {
            path,
            old: Some(old),
            new: Some(new),
        }),
    }
}

/// What lists have in common at both ends is left out; what is between is
/// compared one by one, with indexes of the new list, and of the old one for
/// what is removed.
fn compare_lists<'a>(
    path: &str,
    before: &'a [Json],
    after: &'a [Json],
    changes: &mut Vec<Change<'a>>,
) {
    let pairs = || before.iter().zip(after);
    let start = pairs().take_while(|(old, new)| old == new).count();
    let shorter = before.len().min(after.len()) - start;
    let backwards = before.iter().rev().zip(after.iter().rev());
    let end = backwards
        .take(shorter)
        .take_while(|(old, new)| old == new)
        .count();
    let middle = |list: &'a [Json]| list.get(start..list.len() - end).unwrap_or_default();
    let (old, new) = (middle(before), middle(after));
    for (index, value) in new.iter().enumerate() {
        let path = format!("{path}[{}]", start + index);
        match old.get(index) {
            Some(old) => compare(path, old, value, changes),
            None => changes.push(added(path, value)),
        }
    }
    for (index, value) in old.iter().enumerate().skip(new.len()) {
        changes.push(removed(format!("{path}[{}]", start + index), value));
    }
}

fn added(path: String, value: &Json) -> Change<'_> {
    Change {
        path,
        old: None,
        new: Some(value),
    }
}

fn removed(path: String, value: &Json) -> Change<'_> {
    Change {
        path,
        old: Some(value),
        new: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str) -> Vec<String> {
        let (old, new) = (Json::parse(old).unwrap(), Json::parse(new).unwrap());
        let text = |value: Option<&Json>| value.map_or("-".to_owned(), Json::to_text);
        between(&old, &new)
            .iter()
            .map(|change| format!("{} {} {}", change.path, text(change.old), text(change.new)))
            .collect()
    }

    #[test]
    fn changes_are_told_by_path() {
        assert_eq!(
            shown(
                r#"{"resourceType":"Patient","meta":{"versionId":"1"},"a":1.0,"b":{"c":true},"d":[1]}"#,
                r#"{"resourceType":"Patient","meta":{"versionId":"2"},"a":1.00,"b":{"e":"x"},"f":[]}"#
            ),
            [
                "Patient.a 1.0 1.00",
                "Patient.b.e - \"x\"",
                "Patient.b.c true -",
                "Patient.f - []",
                "Patient.d [1] -",
            ]
        );
    }

    #[test]
    fn an_item_in_front_is_one_change() {
        let list = |items: &str| format!(r#"{{"resourceType":"Patient","a":[{items}]}}"#);
        assert_eq!(
            shown(&list("1,2,3"), &list("0,1,2,3")),
            ["Patient.a[0] - 0"]
        );
        assert_eq!(shown(&list("0,1,2"), &list("1,2")), ["Patient.a[0] 0 -"]);
        assert_eq!(shown(&list("1,1"), &list("1,1,1")), ["Patient.a[2] - 1"]);
        assert_eq!(shown(&list("1,2,3"), &list("1,9,3")), ["Patient.a[1] 2 9"]);
        assert_eq!(shown(&list("1"), &list("1")), [""; 0]);
    }
}
