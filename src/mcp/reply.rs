//! What a tool gives back.

use rmcp::model::{CallToolResult, ContentBlock};

use super::{
    failure::ToolError,
    hidden::{self, Found},
    json::Json,
};

/// Bytes of an answer that is cut to measure: 8,000 tokens of 4 bytes.
pub(crate) const BUDGET: usize = 32_000;

/// Bytes of an answer that cannot be cut; characters are never more.
pub(crate) const HARD_CAP: usize = 45_000;

/// The answer of a tool.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Everything that a model must see, an object.
    structured: Json,
    /// Other text blocks than the structured content.
    texts: Option<Vec<Json>>,
    /// Members of the structured content that hold FHIR JSON as it came.
    raw: &'static [&'static str],
    is_error: bool,
}

impl Reply {
    /// An answer whose text block is its structured content.
    pub(crate) fn new(structured: Json) -> Self {
        Self {
            structured,
            texts: None,
            raw: &[],
            is_error: false,
        }
    }

    /// An answer with text blocks of their own, for clients that expect the
    /// FHIR JSON alone.
    pub(crate) fn with_texts(structured: Json, texts: Vec<Json>) -> Self {
        Self {
            texts: Some(texts),
            ..Self::new(structured)
        }
    }

    /// The same, with members whose content is given as it came.
    pub(crate) fn raw(self, members: &'static [&'static str]) -> Self {
        Self {
            raw: members,
            ..self
        }
    }

    /// The same, marked as an error.
    pub(crate) fn into_error(self) -> Self {
        Self {
            is_error: true,
            ..self
        }
    }

    /// The same, not marked as an error.
    pub(crate) fn into_success(self) -> Self {
        Self {
            is_error: false,
            ..self
        }
    }

    /// The same with these members before its own.
    pub(crate) fn beside(self, mut facts: Json) -> Self {
        if let Json::Object(members) = self.structured {
            for (name, value) in members {
                facts.set(&name, value);
            }
        }
        Self {
            structured: facts,
            ..self
        }
    }

    /// The result on the wire, without hidden characters but in what is raw.
    /// Text blocks keep the digits of all numbers; structured content is bound
    /// to what `serde_json::Value` can hold, which is why it names the others as
    /// `exactDecimals`.
    pub(crate) fn into_result(mut self) -> CallToolResult {
        let longest = self.longest();
        if longest > HARD_CAP {
            return too_long(longest);
        }
        self.show_hidden();
        let texts: Vec<String> = match &self.texts {
            Some(texts) => texts.iter().map(Json::to_text).collect(),
            None => vec![self.structured.to_text()],
        };
        let texts: Vec<String> = match self.raw {
            [] => texts,
            // What is raw stays the same document, but nothing in it is unseen.
            _ => texts
                .into_iter()
                .map(|text| hidden::escaped(&text).into_owned())
                .collect(),
        };
        let length = texts.iter().map(String::len).sum();
        if length > HARD_CAP {
            return too_long(length);
        }
        let mut result = CallToolResult::structured(self.structured.to_value("", &mut Vec::new()));
        result.content = texts.into_iter().map(ContentBlock::text).collect();
        result.is_error = Some(self.is_error);
        result
    }

    /// Takes hidden characters out, or says that they are there.
    fn show_hidden(&mut self) {
        let mut found = Found::default();
        match &mut self.structured {
            Json::Object(members) => {
                for (name, value) in members {
                    match self.raw.contains(&name.as_str()) {
                        true => found.note(value, name),
                        false => {
                            found.strip_text(name, "");
                            found.strip(value, name);
                        }
                    }
                }
            }
            other => found.strip(other, ""),
        }
        // Behind the first come our own remarks, which the structured content
        // holds, too: they are not counted twice.
        for text in self.texts.iter_mut().flatten().skip(1) {
            Found::default().strip(text, "");
        }
        if found.is_empty() {
            return;
        }
        tell(&mut self.structured, &found);
        if let Some(texts) = &mut self.texts {
            match texts.as_mut_slice() {
                [_, .., last] => tell(last, &found),
                _ => texts.push(Json::object([(hidden::REPORT, found.report())])),
            }
        }
    }

    /// Bytes of the longer of structured content and text.
    fn longest(&self) -> usize {
        let texts = self.texts.iter().flatten().map(Json::text_len).sum();
        self.structured.text_len().max(texts)
    }
}

/// Adds the report to an answer; to an OperationOutcome as an issue.
fn tell(answer: &mut Json, found: &Found) {
    if answer.str("resourceType") != Some("OperationOutcome") {
        answer.set(hidden::REPORT, found.report());
        return;
    }
    let mut issues = answer.list("issue").to_vec();
    issues.push(Json::object([
        ("severity", Json::text("information")),
        ("code", Json::text("informational")),
        ("diagnostics", Json::text(found.sentence())),
    ]));
    answer.set("issue", Json::Array(issues));
}

fn too_long(length: usize) -> CallToolResult {
    let too_long = ToolError::TooLong {
        length,
        limit: HARD_CAP,
        advice: "ask for less, for instance with _elements, _summary or _count",
    };
    Reply::new(too_long.outcome()).into_error().into_result()
}

impl From<ToolError> for Reply {
    fn from(error: ToolError) -> Self {
        Self::new(error.outcome()).into_error()
    }
}
