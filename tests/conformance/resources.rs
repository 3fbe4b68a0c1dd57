//! Resources that the suite reads.

use rmcp::{ErrorData, model::*};
use serde_json::json;

use crate::fixtures::{PNG, built};

pub(crate) fn list() -> Vec<Resource> {
    [
        ("static-text", "text/plain"),
        ("static-binary", "image/png"),
        ("watched-resource", "text/plain"),
    ]
    .map(|(name, media_type)| {
        built(json!({
            "uri": format!("test://{name}"),
            "name": name,
            "description": "A resource for testing",
            "mimeType": media_type,
        }))
    })
    .into()
}

pub(crate) fn templates() -> Vec<ResourceTemplate> {
    vec![built(json!({
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "A resource template for testing",
        "mimeType": "application/json",
    }))]
}

pub(crate) fn read(uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let id = uri
        .strip_prefix("test://template/")
        .and_then(|rest| rest.strip_suffix("/data"));
    let contents = match (uri, id) {
        ("test://static-text", _) => json!({
            "mimeType": "text/plain",
            "text": "This is the content of the static text resource.",
        }),
        ("test://static-binary", _) => json!({ "mimeType": "image/png", "blob": PNG }),
        ("test://watched-resource", _) => {
            json!({ "mimeType": "text/plain", "text": "Watched." })
        }
        (_, Some(id)) => {
            let data = json!({
                "id": id, "templateTest": true, "data": format!("Data for ID: {id}")
            });
            json!({ "mimeType": "application/json", "text": data.to_string() })
        }
        _ => {
            return Err(ErrorData::resource_not_found(
                "Resource not found",
                Some(json!({ "uri": uri })),
            ));
        }
    };
    let mut contents = contents;
    contents["uri"] = uri.into();
    Ok(built(
        json!({ "resultType": "complete", "contents": [contents] }),
    ))
}
