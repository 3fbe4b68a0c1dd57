//! Lines with indentation.

use std::fmt::Write;

/// Collects the text of one file.
#[derive(Debug, Default)]
pub(super) struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// One line at the current depth.
    pub(super) fn line(&mut self, line: &str) {
        if !line.is_empty() {
            let _ = write!(self.text, "{:1$}", "", self.depth * 4);
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// `head {`, what `body` writes one level deeper, `tail`.
    pub(super) fn block(&mut self, head: &str, tail: &str, body: impl FnOnce(&mut Self)) {
        self.line(head);
        self.depth += 1;
        body(self);
        self.depth -= 1;
        self.line(tail);
    }

    /// A doc comment. Brackets and angles are escaped for rustdoc.
    pub(super) fn doc(&mut self, text: &str) {
        let text = text
            .replace('[', "\\[")
            .replace(']', "\\]")
            .replace('<', "&lt;");
        self.line(format!("/// {text}").trim_end());
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// A string literal.
pub(super) fn literal(text: &str) -> String {
    format!("{text:?}")
}

/// `&["a", "b"]`
pub(super) fn literals<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    let list: Vec<String> = texts.into_iter().map(|text| literal(text)).collect();
    format!("&[{}]", list.join(", "))
}
