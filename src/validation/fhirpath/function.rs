//! The functions.

use super::{
    Refusal,
    interpreter::{Collection, Evaluation, Result, Scope, contains, distinct, pattern, refuse},
    number::Number,
    value::Value,
};
use crate::model::fhirpath::{Expr, Function};

impl<'a> Evaluation<'_, 'a> {
    pub(super) fn call(
        &self,
        function: Function,
        mut input: Collection<'a>,
        arguments: &[Expr],
        scope: Scope<'_, 'a>,
    ) -> Result<Collection<'a>> {
        let first = arguments.first();
        // An argument that is no criterion is evaluated outside of the input.
        let other = || match first {
            Some(argument) => self.eval(argument, scope),
            None => Ok(Vec::new()),
        };
        let truth = match function {
            Function::Empty => input.is_empty(),
            Function::Exists => match first {
                Some(criterion) => !self.filter(input, criterion)?.is_empty(),
                None => !input.is_empty(),
            },
            Function::All => match first {
                Some(criterion) => {
                    let len = input.len();
                    self.filter(input, criterion)?.len() == len
                }
                None => true,
            },
            Function::Not => match input.as_slice() {
                [] => return Ok(input),
                [value] => !value.boolean().unwrap_or(true),
                _ => return refuse("one truth value before not()"),
            },
            Function::AllTrue => input.iter().all(|value| value.boolean() == Some(true)),
            Function::AllFalse => input.iter().all(|value| value.boolean() == Some(false)),
            Function::AnyTrue => input.iter().any(|value| value.boolean() == Some(true)),
            Function::AnyFalse => input.iter().any(|value| value.boolean() == Some(false)),
            Function::IsDistinct => {
                let len = input.len();
                distinct(input.into_iter()).len() == len
            }
            Function::SubsetOf => {
                let other = other()?;
                input.iter().all(|value| contains(&other, value))
            }
            Function::SupersetOf => other()?.iter().all(|value| contains(&input, value)),
            Function::HasValue => match input.as_slice() {
                [Value::Primitive(primitive)] => primitive.text().is_some(),
                [Value::Object(_)] | [] => false,
                [_] => true,
                _ => false,
            },
            Function::Count => return Ok(vec![Value::Integer(input.len() as i64)]),
            Function::Where => match first {
                Some(criterion) => return self.filter(input, criterion),
                None => true,
            },
            Function::Select | Function::Repeat => {
                return self.project(input, first, function == Function::Repeat);
            }
            Function::First => {
                input.truncate(1);
                return Ok(input);
            }
            Function::Last => return Ok(input.pop().into_iter().collect()),
            Function::Tail => return Ok(input.into_iter().skip(1).collect()),
            Function::Single => {
                return match input.len() {
                    0 | 1 => Ok(input),
                    _ => refuse("one item before single()"),
                };
            }
            Function::Skip | Function::Take => {
                let count = match first {
                    Some(count) => self.integer(count, scope)?.unwrap_or(0),
                    None => 0,
                };
                let count = usize::try_from(count).unwrap_or(0);
                return Ok(match function {
                    Function::Skip => input.into_iter().skip(count).collect(),
                    _ => input.into_iter().take(count).collect(),
                });
            }
            Function::Distinct => return Ok(distinct(input.into_iter())),
            Function::Union => return Ok(distinct(input.into_iter().chain(other()?))),
            Function::Combine => {
                input.extend(other()?);
                return Ok(input);
            }
            Function::Intersect => {
                let other = other()?;
                input.retain(|value| contains(&other, value));
                return Ok(distinct(input.into_iter()));
            }
            Function::Exclude => {
                let other = other()?;
                input.retain(|value| !contains(&other, value));
                return Ok(input);
            }
            // What it would trace is of no use to who validates.
            Function::Trace => return Ok(input),
            Function::GetValue => {
                input.retain(|value| !matches!(value, Value::Object(_)) && value.text().is_some());
                return Ok(input);
            }
            Function::Children | Function::Descendants => {
                return Ok(children(&input, function == Function::Descendants));
            }
            Function::Extension => {
                let url = match first {
                    Some(url) => self.string(url, scope)?,
                    None => None,
                };
                let mut all = Vec::new();
                for value in &input {
                    value.children(Some("extension"), &mut all);
                }
                all.retain(|value| child_text(value, "url") == url && url.is_some());
                return Ok(all);
            }
            Function::Iif => return self.iif(&input, arguments, scope),
            Function::Resolve => {
                return Ok(input
                    .iter()
                    .filter_map(|value| self.resolve(value))
                    .collect());
            }
            _ => return self.text_function(function, &input, arguments, scope),
        };
        Ok(vec![Value::Boolean(truth)])
    }

    fn filter(&self, input: Collection<'a>, criterion: &Expr) -> Result<Collection<'a>> {
        let mut kept = Vec::new();
        for (index, value) in input.into_iter().enumerate() {
            let scope = Scope {
                this: std::slice::from_ref(&value),
                index: index as i64,
            };
            if self.truth(criterion, scope)? == Some(true) {
                kept.push(value);
            }
        }
        Ok(kept)
    }

    /// `select`, and `repeat`, which goes on with what is new.
    fn project(
        &self,
        mut input: Collection<'a>,
        projection: Option<&Expr>,
        repeat: bool,
    ) -> Result<Collection<'a>> {
        let Some(projection) = projection else {
            return Ok(input);
        };
        let mut all = Vec::new();
        loop {
            let mut found = Vec::new();
            for (index, value) in input.iter().enumerate() {
                let scope = Scope {
                    this: std::slice::from_ref(value),
                    index: index as i64,
                };
                found.extend(self.eval(projection, scope)?);
            }
            if !repeat {
                return Ok(found);
            }
            let before = all.len();
            all = distinct(all.into_iter().chain(found));
            if all.len() == before {
                return Ok(all);
            }
            input = all.iter().skip(before).cloned().collect();
        }
    }

    fn iif(
        &self,
        input: &[Value<'a>],
        arguments: &[Expr],
        outer: Scope<'_, 'a>,
    ) -> Result<Collection<'a>> {
        let scope = Scope {
            this: input,
            index: outer.index,
        };
        let criterion = match arguments.first() {
            Some(criterion) => self.truth(criterion, scope)?,
            None => None,
        };
        match arguments.get(if criterion == Some(true) { 1 } else { 2 }) {
            Some(branch) => self.eval(branch, scope),
            None => Ok(Vec::new()),
        }
    }

    /// A contained resource, or the one that contains this. What is elsewhere
    /// is not looked up.
    fn resolve(&self, value: &Value<'a>) -> Option<Value<'a>> {
        let reference = match value {
            Value::Object(_) => child_text(value, "reference")?,
            _ => value.text()?,
        };
        let id = reference.strip_prefix('#')?;
        if id.is_empty() {
            return Some(Value::Object(self.root));
        }
        let mut contained = Vec::new();
        Value::Object(self.root).children(Some("contained"), &mut contained);
        contained
            .into_iter()
            .find(|resource| child_text(resource, "id").as_deref() == Some(id))
    }

    /// Functions on one item that has a text.
    fn text_function(
        &self,
        function: Function,
        input: &[Value<'a>],
        arguments: &[Expr],
        scope: Scope<'_, 'a>,
    ) -> Result<Collection<'a>> {
        let value = match input {
            [] => return Ok(Vec::new()),
            [value] => value,
            _ => return refuse(format!("one item before {}()", function.name())),
        };
        let Some(text) = value.text() else {
            return match value {
                Value::Object(_) => refuse(format!("a primitive before {}()", function.name())),
                _ => Ok(Vec::new()),
            };
        };
        let argument = |index: usize| match arguments.get(index) {
            Some(argument) => self.string(argument, scope),
            None => Ok(None),
        };
        let result = match function {
            Function::ToString => Some(Value::String(text)),
            Function::ToInteger => match value.boolean() {
                Some(boolean) => Some(Value::Integer(i64::from(boolean))),
                None => text.parse().ok().map(Value::Integer),
            },
            Function::ToDecimal => Number::parse(&text).map(|_| Value::Decimal(text)),
            Function::ToBoolean => match text.to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(Value::Boolean(true)),
                "false" | "f" | "no" | "n" | "0" | "0.0" => Some(Value::Boolean(false)),
                _ => None,
            },
            Function::Length => Some(Value::Integer(text.chars().count() as i64)),
            Function::Upper => Some(Value::String(text.to_uppercase().into())),
            Function::Lower => Some(Value::String(text.to_lowercase().into())),
            Function::Substring => {
                let start = match arguments.first() {
                    Some(start) => self.integer(start, scope)?,
                    None => None,
                };
                let len = match arguments.get(1) {
                    Some(len) => self.integer(len, scope)?,
                    None => None,
                };
                substring(&text, start, len).map(|part| Value::String(part.into()))
            }
            Function::Matches | Function::ReplaceMatches => {
                let Some(pattern) = argument(0)? else {
                    return Ok(Vec::new());
                };
                let replacement = argument(1)?;
                self.with_pattern(&pattern, |regex| match (function, &replacement) {
                    (Function::Matches, _) => Some(Value::Boolean(regex.is_match(&text))),
                    (_, Some(with)) => Some(Value::String(
                        regex.replace_all(&text, with.as_ref()).into_owned().into(),
                    )),
                    (_, None) => None,
                })?
            }
            _ => argument(0)?.and_then(|other| match function {
                Function::StartsWith => Some(Value::Boolean(text.starts_with(other.as_ref()))),
                Function::EndsWith => Some(Value::Boolean(text.ends_with(other.as_ref()))),
                Function::Contains => Some(Value::Boolean(text.contains(other.as_ref()))),
                Function::IndexOf => {
                    let before = text.find(other.as_ref()).and_then(|at| text.get(..at));
                    Some(Value::Integer(
                        before.map_or(-1, |before| before.chars().count() as i64),
                    ))
                }
                Function::Replace => {
                    let with = argument(1).ok().flatten()?;
                    Some(Value::String(text.replace(other.as_ref(), &with).into()))
                }
                _ => None,
            }),
        };
        Ok(result.into_iter().collect())
    }

    fn with_pattern<T>(&self, text: &str, then: impl FnOnce(&regex_lite::Regex) -> T) -> Result<T> {
        let known = self
            .expression
            .patterns
            .iter()
            .find(|(known, _)| known == text);
        match known {
            Some((_, regex)) => Ok(then(regex)),
            None => pattern(text)
                .map(|regex| then(&regex))
                .map_err(Refusal::Evaluation),
        }
    }
}

fn substring(text: &str, start: Option<i64>, len: Option<i64>) -> Option<String> {
    let start = usize::try_from(start?).ok()?;
    let mut rest = text.chars().skip(start).peekable();
    rest.peek()?;
    Some(match len {
        Some(len) => rest.take(usize::try_from(len).unwrap_or(0)).collect(),
        None => rest.collect(),
    })
}

/// The children; with `all` theirs too, level by level. The resources in a
/// bundle are descendants, as are contained ones.
fn children<'a>(input: &[Value<'a>], all: bool) -> Collection<'a> {
    let mut out = Vec::new();
    for value in input {
        value.children(None, &mut out);
    }
    let mut next = 0;
    while all && let Some(value) = out.get(next).cloned() {
        value.children(None, &mut out);
        next += 1;
    }
    out
}

fn child_text<'a>(value: &Value<'a>, name: &str) -> Option<std::borrow::Cow<'a, str>> {
    let mut found = Vec::new();
    value.children(Some(name), &mut found);
    found.first()?.text()
}
