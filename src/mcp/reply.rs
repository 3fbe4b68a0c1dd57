//! What a tool gives back.

use rmcp::model::{CallToolResult, ContentBlock};

use super::{failure::ToolError, json::Json};

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
    is_error: bool,
}

impl Reply {
    /// An answer whose text block is its structured content.
    pub(crate) fn new(structured: Json) -> Self {
        Self {
            structured,
            texts: None,
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

    /// The result on the wire. Text blocks keep the digits of all numbers;
    /// structured content is bound to what `serde_json::Value` can hold, which
    /// is why it names the others as `exactDecimals`.
    pub(crate) fn into_result(self) -> CallToolResult {
        let longest = self.longest();
        if longest > HARD_CAP {
            let too_long = ToolError::TooLong {
                length: longest,
                limit: HARD_CAP,
                advice: "ask for less, for instance with _elements, _summary or _count",
            };
            return Self::new(too_long.outcome()).into_error().into_result();
        }
        let mut result = CallToolResult::structured(self.structured.to_value("", &mut Vec::new()));
        result.content = match &self.texts {
            Some(texts) => texts.iter().map(block).collect(),
            None => vec![block(&self.structured)],
        };
        result.is_error = Some(self.is_error);
        result
    }

    /// Bytes of the longer of structured content and text.
    fn longest(&self) -> usize {
        let texts = self.texts.iter().flatten().map(Json::text_len).sum();
        self.structured.text_len().max(texts)
    }
}

impl From<ToolError> for Reply {
    fn from(error: ToolError) -> Self {
        Self::new(error.outcome()).into_error()
    }
}

fn block(json: &Json) -> ContentBlock {
    ContentBlock::text(json.to_text())
}
