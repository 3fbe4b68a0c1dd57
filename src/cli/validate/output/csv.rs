//! CSV as in [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180): a header, CRLF,
//! quotes where they are needed.

use std::io::{self, Write};

use super::{
    super::{
        check::Document,
        report::{File, Sink, Summary},
    },
    Output,
};

const HEADER: &str =
    "file,line,column,offset,severity,code,type,resource,expression,expected,found\r\n";

/// Writes a line for each issue.
#[derive(Default)]
pub(super) struct Csv {
    begun: bool,
}

impl Csv {
    fn begin(&mut self, sink: &mut Sink) -> io::Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            sink.write_all(HEADER.as_bytes())?;
        }
        Ok(())
    }
}

impl Output for Csv {
    fn document(&mut self, file: &File, document: &Document, sink: &mut Sink) -> io::Result<()> {
        self.begin(sink)?;
        for issue in &document.issues {
            if sink.admits(1) {
                let fields = [
                    &*file.name,
                    &issue.line.to_string(),
                    &issue.column.to_string(),
                    &issue.offset.to_string(),
                    issue.severity.as_str(),
                    issue.rule.code(),
                    issue.rule.issue_type().as_str(),
                    document.reference.as_deref().unwrap_or_default(),
                    &issue.expression,
                    &issue.expected,
                    &issue.found,
                ];
                write!(sink, "{}\r\n", fields.map(field).join(","))?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, _summary: &Summary, sink: &mut Sink) -> io::Result<()> {
        self.begin(sink)
    }
}

fn field(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn only_what_needs_quotes_has_them() {
        assert_eq!(field("a b"), "a b");
        assert_eq!(field("a,b"), "\"a,b\"");
        assert_eq!(field("a \"b\""), "\"a \"\"b\"\"\"");
        assert_eq!(field("a\nb"), "\"a\nb\"");
    }
}
