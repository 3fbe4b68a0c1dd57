//! Tokens.

use super::parser::SyntaxError;

/// A token and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name or a keyword.
    Name(String),
    /// A name in backticks, never a keyword.
    Delimited(String),
    String(String),
    Number(String),
    /// What follows an `@`.
    Temporal(String),
    /// `%resource`
    Variable(String),
    /// `$this`
    Special(String),
    Symbol(&'static str),
}

const SYMBOLS: &[&str] = &[
    "!=", "!~", "<=", ">=", "(", ")", "[", "]", "{", "}", ".", ",", "=", "~", "<", ">", "|", "+",
    "-", "&", "*", "/",
];

/// The tokens of an expression, each with its offset.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, SyntaxError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space()?;
        let start = lexer.at;
        match lexer.token()? {
            Some(token) => tokens.push((start, token)),
            None => return Ok(tokens),
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error<T>(&self, reason: &str) -> Result<T, SyntaxError> {
        Err(SyntaxError {
            offset: self.at,
            reason: reason.to_owned(),
        })
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|char| !accept(char)).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    fn skip_space(&mut self) -> Result<(), SyntaxError> {
        loop {
            self.take_while(char::is_whitespace);
            if self.rest().starts_with("//") {
                self.take_while(|char| char != '\n');
            } else if self.rest().starts_with("/*") {
                match self.rest().find("*/") {
                    Some(end) => self.at += end + 2,
                    None => return self.error("a comment without an end"),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Option<Token>, SyntaxError> {
        let Some(first) = self.rest().chars().next() else {
            return Ok(None);
        };
        let token = match first {
            '\'' => Token::String(self.quoted('\'')?),
            '`' => Token::Delimited(self.quoted('`')?),
            '%' => {
                self.at += 1;
                match self.rest().chars().next() {
                    Some(quote @ ('`' | '\'')) => Token::Variable(self.quoted(quote)?),
                    _ => Token::Variable(self.name().to_owned()),
                }
            }
            '$' => {
                self.at += 1;
                Token::Special(self.name().to_owned())
            }
            '@' => {
                self.at += 1;
                let part = |char: char| char.is_ascii_digit() || "-+:.TZ".contains(char);
                // A dot that no digit follows calls a function.
                let taken = self.take_while(part);
                let text = taken.trim_end_matches('.');
                self.at -= taken.len() - text.len();
                Token::Temporal(text.to_owned())
            }
            '0'..='9' => Token::Number(self.number().to_owned()),
            _ if first.is_alphabetic() || first == '_' => Token::Name(self.name().to_owned()),
            _ => {
                let rest = self.rest();
                match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
                    Some(symbol) => {
                        self.at += symbol.len();
                        Token::Symbol(symbol)
                    }
                    None => return self.error(&format!("the character {first:?}")),
                }
            }
        };
        Ok(Some(token))
    }

    fn name(&mut self) -> &'a str {
        self.take_while(|char| char.is_alphanumeric() || char == '_')
    }

    fn number(&mut self) -> &'a str {
        let rest = self.rest();
        self.take_while(|char| char.is_ascii_digit());
        let fraction = self.rest().strip_prefix('.').unwrap_or_default();
        if fraction.starts_with(|char: char| char.is_ascii_digit()) {
            self.at += 1;
            self.take_while(|char| char.is_ascii_digit());
        }
        let len = rest.len() - self.rest().len();
        rest.get(..len).unwrap_or_default()
    }

    /// A text between quotes. A backslash before a letter that is no escape
    /// stays: authors forget to double it in patterns.
    fn quoted(&mut self, quote: char) -> Result<String, SyntaxError> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((offset, char)) = chars.next() {
            if char == quote {
                self.at += offset + char.len_utf8();
                return Ok(text);
            }
            if char != '\\' {
                text.push(char);
                continue;
            }
            match chars.next().map(|(_, char)| char) {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some('f') => text.push('\u{c}'),
                Some(char @ ('\\' | '/' | '\'' | '"' | '`')) => text.push(char),
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).map(|(_, char)| char).collect();
                    let code = u32::from_str_radix(&digits, 16).ok();
                    match code.and_then(char::from_u32) {
                        Some(char) => text.push(char),
                        None => return self.error("a \\u that is no character"),
                    }
                }
                Some(char) => text.extend(['\\', char]),
                None => break,
            }
        }
        self.error("a string without an end")
    }
}
