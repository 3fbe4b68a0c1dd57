//! The `.env` format, as far as single lines go.
//!
//! Files made for the Python server stay valid: a value needs no quotes because
//! it has blanks, which the parsers on crates.io refuse.

/// Why a line is no assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// What the line begins with; the rest may hold a secret.
    pub(super) name: String,
}

/// The assignments of a file in order: `NAME=value`, `export NAME=value`.
///
/// A value ends with the line or before a comment (`#` after a blank). In
/// double quotes `\n`, `\t`, `\"` and `\\` are escapes, in single quotes `\'`
/// and `\\`. Nothing is substituted.
pub(super) fn assignments(
    text: &str,
) -> impl Iterator<Item = Result<(&str, String), BadLine>> + '_ {
    text.trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(assignment)
}

fn assignment(line: &str) -> Result<(&str, String), BadLine> {
    let line = line
        .strip_prefix("export")
        .filter(|rest| rest.starts_with([' ', '\t']))
        .map_or(line, str::trim_start);
    let bad = || BadLine {
        name: line
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect(),
    };
    let (name, rest) = line.split_once('=').ok_or_else(bad)?;
    let value = value(rest.trim_start()).ok_or_else(bad)?;
    Ok((name.trim_end(), value))
}

fn value(text: &str) -> Option<String> {
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return Some(without_comment(text).to_owned());
    };
    let mut value = String::new();
    let mut characters = text.chars().skip(1);
    loop {
        match characters.next()? {
            c if c == quote => break,
            '\\' => match characters.next()? {
                'n' if quote == '"' => value.push('\n'),
                't' if quote == '"' => value.push('\t'),
                c if c == quote || c == '\\' => value.push(c),
                c => value.extend(['\\', c]),
            },
            c => value.push(c),
        }
    }
    let rest: String = characters.collect();
    let rest = rest.trim_start();
    (rest.is_empty() || rest.starts_with('#')).then_some(value)
}

fn without_comment(text: &str) -> &str {
    let comment = text
        .match_indices('#')
        .find(|(at, _)| text[..*at].ends_with([' ', '\t']) || *at == 0);
    comment.map_or(text, |(at, _)| &text[..at]).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Result<(String, String), BadLine> {
        let mut all = assignments(line);
        let result = all.next().expect("one line");
        assert!(all.next().is_none());
        result.map(|(name, value)| (name.to_owned(), value))
    }

    #[test]
    fn values_as_people_write_them() {
        for (line, value) in [
            ("A=b", "b"),
            ("A = b ", "b"),
            ("export A=b", "b"),
            ("\u{feff}A=b", "b"),
            ("A=", ""),
            ("A=user/*.read patient/*.read", "user/*.read patient/*.read"),
            ("A=b # comment", "b"),
            ("A=#comment", ""),
            ("A=b#c", "b#c"),
            ("A=b=c", "b=c"),
            ("A='b # $c \\n' # d", "b # $c \\n"),
            (r#"A="b \"c\"\n""#, "b \"c\"\n"),
            ("A=$b", "$b"),
            ("A=ü", "ü"),
        ] {
            let expected = ("A".to_owned(), value.to_owned());
            assert_eq!(one(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn bad_lines_are_named_without_their_value() {
        for line in ["A", "A canary", "A='canary", "A=\"canary\" more"] {
            let name = "A".to_owned();
            assert_eq!(one(line), Err(BadLine { name }), "{line}");
        }
    }

    #[test]
    fn comments_and_empty_lines_are_skipped() {
        let all: Vec<_> = assignments("# A=1\n\n  \r\nB=2\r\n").collect();
        assert_eq!(all, [Ok(("B", "2".to_owned()))]);
    }
}
