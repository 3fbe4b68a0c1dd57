//! The shapes that most constraints have, in less code than the general ones:
//! an element of the context that exists, or that is compared with a literal.

use crate::fhirpath::{Expr, Function, Op};

use super::{
    super::super::ir::{Element, Kind, TypeKind},
    path::{Code, Compiler, Scope, Type},
    truth::{PATTERNS, total},
};

impl<'m> Compiler<'m> {
    /// A Rust condition for an expression of one of these shapes.
    pub(super) fn short(
        &self,
        expr: &Expr,
        wanted: bool,
        scope: &Scope<'m>,
    ) -> Result<Option<String>, String> {
        let code = match expr {
            Expr::Call(input, Function::Exists, arguments) if arguments.is_empty() => {
                self.existence(input, wanted, scope)
            }
            Expr::Call(input, Function::Empty, _) => self.existence(input, !wanted, scope),
            Expr::Call(input, Function::Matches, arguments) => {
                let [Expr::String(pattern)] = arguments.as_slice() else {
                    return Ok(None);
                };
                let known = PATTERNS.iter().find(|(known, _)| known == pattern);
                let (_, matcher) = known.ok_or(format!("no function matches {pattern}"))?;
                Some(format!(
                    "matches({}, {matcher}, {wanted})",
                    self.text(input, scope)?
                ))
            }
            Expr::Call(
                input,
                function @ (Function::StartsWith | Function::Contains),
                arguments,
            ) => {
                let [Expr::String(part)] = arguments.as_slice() else {
                    return Ok(None);
                };
                let name = match function {
                    Function::StartsWith => "starts_with",
                    _ => "has_part",
                };
                Some(format!(
                    "{name}({}, {part:?}, {wanted})",
                    self.text(input, scope)?
                ))
            }
            Expr::Binary(Op::In, item, list) => match literals(list) {
                Some(list) => Some(format!(
                    "one_of({}, &[{}], {wanted})",
                    self.text(item, scope)?,
                    list.join(", ")
                )),
                None => None,
            },
            Expr::Binary(op, left, right) => {
                self.short_comparison(*op, left, right, wanted, scope)?
            }
            _ => None,
        };
        Ok(code)
    }

    fn short_comparison(
        &self,
        op: Op,
        left: &Expr,
        right: &Expr,
        wanted: bool,
        scope: &Scope<'m>,
    ) -> Result<Option<String>, String> {
        let equality = matches!(op, Op::Equal | Op::NotEqual);
        let equal = (op == Op::Equal) == wanted;
        Ok(match right {
            Expr::Boolean(value) if equality => Some(self.truth(left, equal == *value, scope)?),
            Expr::String(literal) if equality && self.is_text(left, scope)? => Some(format!(
                "{}({}, {literal:?})",
                if equal { "is" } else { "is_not" },
                self.text(left, scope)?
            )),
            _ if equality && total(left) && total(right) => Some(format!(
                "({} == {})",
                self.truth(left, equal, scope)?,
                self.truth(right, true, scope)?
            )),
            Expr::Binary(Op::And | Op::Or, ..) if equality && total(left) => Some(format!(
                "(if {} {{ {} }} else {{ {} }})",
                self.truth(left, true, scope)?,
                self.truth(right, equal, scope)?,
                self.truth(right, !equal, scope)?
            )),
            _ => {
                let symbol = match (op, wanted) {
                    (Op::Equal, true) | (Op::NotEqual, false) => "==",
                    (Op::NotEqual, true) | (Op::Equal, false) => "!=",
                    (Op::Less, true) | (Op::GreaterOrEqual, false) => "<",
                    (Op::LessOrEqual, true) | (Op::Greater, false) => "<=",
                    (Op::Greater, true) | (Op::LessOrEqual, false) => ">",
                    (Op::GreaterOrEqual, true) | (Op::Less, false) => ">=",
                    _ => return Ok(None),
                };
                match (self.count(left, scope), right) {
                    (Ok(left), Expr::Number(right)) => Some(format!("({left} {symbol} {right})")),
                    _ => None,
                }
            }
        })
    }

    /// Whether an element of the context exists.
    fn existence(&self, input: &Expr, wanted: bool, scope: &Scope<'m>) -> Option<String> {
        let (field, element) = direct(input, scope)?;
        let primitive = is_primitive(element);
        Some(match (primitive, element.cardinality.many, wanted) {
            (_, true, true) => format!("!{field}.is_empty()"),
            (_, true, false) => format!("{field}.is_empty()"),
            (true, false, true) => format!("!{field}.is_absent()"),
            (true, false, false) => format!("{field}.is_absent()"),
            (false, false, true) => format!("{field}.is_some()"),
            (false, false, false) => format!("{field}.is_none()"),
        })
    }

    /// A primitive of the context that does not repeat: its field.
    pub(super) fn field(&self, input: &Expr, scope: &Scope<'m>) -> Option<String> {
        let (field, element) = direct(input, scope)?;
        (is_primitive(element) && !element.cardinality.many).then_some(field)
    }

    /// How often an element of the context stands.
    pub(super) fn length(&self, input: &Expr, scope: &Scope<'m>) -> Option<String> {
        let (field, element) = direct(input, scope)?;
        Some(match (is_primitive(element), element.cardinality.many) {
            (_, true) => format!("{field}.len()"),
            (true, false) => format!("usize::from(!{field}.is_absent())"),
            (false, false) => format!("usize::from({field}.is_some())"),
        })
    }

    /// Whether a path leads to texts.
    fn is_text(&self, expr: &Expr, scope: &Scope<'m>) -> Result<bool, String> {
        let mut text = false;
        let mut look = |item: &super::path::Item<'m>| -> Code {
            text = matches!(
                item.of,
                Type::Primitive(
                    "string" | "code" | "id" | "uri" | "url" | "canonical" | "markdown"
                )
            );
            Ok(String::new())
        };
        // What is no path is compared in the general way.
        Ok(self.each(expr, scope, &mut look).is_ok() && text)
    }
}

/// An element of `$this`, and the Rust expression of its field.
fn direct<'m>(input: &Expr, scope: &Scope<'m>) -> Option<(String, &'m Element)> {
    let (item, name) = match input {
        Expr::Call(input, Function::Trace, _) => return direct(input, scope),
        Expr::Name(name) => (&scope.this, name),
        Expr::Member(input, name) => match (&**input, scope.this.of, scope.context.of) {
            (Expr::Name(first), Type::Object(this), _) if *first == this.path => {
                (&scope.this, name)
            }
            (Expr::Variable(variable), _, Type::Object(context))
                if variable == "context"
                    || variable == "resource" && context.kind == Kind::Resource =>
            {
                (&scope.context, name)
            }
            _ => return None,
        },
        _ => return None,
    };
    let Type::Object(r#type) = item.of else {
        return None;
    };
    let element = r#type
        .elements
        .iter()
        .find(|element| element.name == *name)?;
    Some((format!("{}.{}", item.rust, element.field), element))
}

fn is_primitive(element: &Element) -> bool {
    let kind = element.types.first().map(|reference| &reference.kind);
    !element.choice && matches!(kind, Some(TypeKind::Primitive | TypeKind::Code(_)))
}

/// `'a' | 'b'` as Rust literals.
fn literals(list: &Expr) -> Option<Vec<String>> {
    match list {
        Expr::String(text) => Some(vec![format!("{text:?}")]),
        Expr::Binary(Op::Union, left, right) => {
            let mut list = literals(left)?;
            list.extend(literals(right)?);
            Some(list)
        }
        _ => None,
    }
}
