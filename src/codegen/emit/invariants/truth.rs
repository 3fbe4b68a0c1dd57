//! Truth values: code that says whether an expression is true, or whether it
//! is false. With the two of them three-valued logic needs no third value.

use crate::fhirpath::{Expr, Function, Op};

use super::{
    super::super::naming,
    path::{Code, Compiler, Item, Scope, Type},
};

/// What two operands are compared as.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Boolean,
    Number,
    Temporal,
    Text,
}

/// Patterns and the functions that match them; those without `^` and `$` are
/// meant for the whole text, or they would ask for nothing.
pub(super) const PATTERNS: &[(&str, &str)] = &[
    ("[A-Z]([A-Za-z0-9_]){0,254}", "is_name"),
    (r"^[a-zA-Z0-9\/\-_\[\]\@]+$", "is_slice_name"),
    (
        r#"[^\s\.,:;\'"\/|?!@#$%&*()\[\]{}]{1,64}(\.[^\s\.,:;\'"\/|?!@#$%&*()\[\]{}]{1,64}(\[x\])?(\:[^\s\.]+)?)*"#,
        "is_element_path",
    ),
    (
        r"[A-Za-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*(\[x])?)*",
        "is_plain_element_path",
    ),
    ("^[a-zA-Z0-9]+$", "is_type_name"),
    (r"^[a-zA-Z0-9\.]+$", "is_dotted_type_name"),
    (
        r"^http:\/\/hl7\.org\/fhirpath\/System\.[A-Z][A-Za-z]+$",
        "is_system_type",
    ),
];

impl<'m> Compiler<'m> {
    /// A Rust condition: the expression is true (or false, if that is wanted).
    pub(super) fn truth(&self, expr: &Expr, wanted: bool, scope: &Scope<'m>) -> Code {
        if let Some(code) = self.short(expr, wanted, scope)? {
            return Ok(code);
        }
        Ok(match expr {
            Expr::Boolean(value) => (*value == wanted).to_string(),
            Expr::Binary(op @ (Op::And | Op::Or | Op::Implies), left, right) => {
                let left = self.truth(
                    left,
                    if *op == Op::Implies { !wanted } else { wanted },
                    scope,
                )?;
                let right = self.truth(right, wanted, scope)?;
                let and = (*op == Op::And) == wanted;
                format!("({left} {} {right})", if and { "&&" } else { "||" })
            }
            Expr::Binary(Op::Xor, left, right) => {
                let (yes, no) = (
                    self.truth(left, true, scope)?,
                    self.truth(left, false, scope)?,
                );
                let (a, b) = (
                    self.truth(right, !wanted, scope)?,
                    self.truth(right, wanted, scope)?,
                );
                match total(left) && total(right) {
                    true => format!("({yes} == {a})"),
                    false => format!("({yes} && {a} || {no} && {b})"),
                }
            }
            Expr::Call(input, Function::Not, _) => self.truth(input, !wanted, scope)?,
            Expr::Call(_, Function::Iif, arguments) => {
                let [criterion, rest @ ..] = arguments.as_slice() else {
                    return Err("iif without a criterion".to_owned());
                };
                let branch = |branch: Option<&Expr>| match branch {
                    Some(branch) => self.truth(branch, wanted, scope),
                    None => Ok("false".to_owned()),
                };
                let criterion = self.truth(criterion, true, scope)?;
                let (yes, no) = (branch(rest.first())?, branch(rest.get(1))?);
                format!("(if {criterion} {{ {yes} }} else {{ {no} }})")
            }
            Expr::Call(input, function, arguments) if total(expr) => {
                let code = self.test(input, *function, arguments, scope)?;
                match (wanted, *function == Function::Empty) {
                    (true, false) | (false, true) => code,
                    _ => format!("!{code}"),
                }
            }
            _ => format!("({} == Some({wanted}))", self.option(expr, scope)?),
        })
    }

    /// A function that always says true or false; of `empty()` its opposite.
    fn test(
        &self,
        input: &Expr,
        function: Function,
        arguments: &[Expr],
        scope: &Scope<'m>,
    ) -> Code {
        let label = self.fresh("'l");
        Ok(match (function, arguments) {
            (Function::Exists | Function::Empty, criterion) => {
                let code = self.each(input, scope, &mut |item| {
                    let found = format!("break {label} true;");
                    Ok(match criterion.first() {
                        None => found,
                        Some(criterion) => {
                            let test = self.truth(criterion, true, &scope.of(item))?;
                            format!("if {test} {{ {found} }}")
                        }
                    })
                })?;
                format!("({label}: {{ {code} false }})")
            }
            (Function::All, [criterion]) => {
                let code = self.each(input, scope, &mut |item| {
                    let test = self.truth(criterion, true, &scope.of(item))?;
                    Ok(format!("if !{test} {{ break {label} false; }}"))
                })?;
                format!("({label}: {{ {code} true }})")
            }
            (Function::HasValue, _) => {
                let code = self.each(input, scope, &mut |item| match item.of {
                    Type::Primitive(_) => {
                        Ok(format!("break {label} {}.value.is_some();", item.rust))
                    }
                    _ => Err("hasValue() of what is no primitive".to_owned()),
                })?;
                format!("({label}: {{ {code} false }})")
            }
            _ => {
                // The projection may be a text made of several.
                let (input, projection) = match input {
                    Expr::Call(input, Function::Select, arguments) => (&**input, arguments.first()),
                    _ => (input, None),
                };
                let code = self.each(input, scope, &mut |item| {
                    let scope = scope.of(item);
                    let text = match projection {
                        Some(projection) => self.text(projection, &scope)?,
                        None => self.item_text(item)?,
                    };
                    Ok(format!("seen.add({text});"))
                })?;
                format!("{{ let mut seen = Distinct::default(); {code} seen.holds() }}")
            }
        })
    }

    /// An `Option<bool>`.
    fn option(&self, expr: &Expr, scope: &Scope<'m>) -> Code {
        Ok(match expr {
            _ if total(expr) => format!("Some({})", self.truth(expr, true, scope)?),
            Expr::Binary(Op::In, item, list) => self.is_in(item, list, scope)?,
            Expr::Binary(Op::Contains, list, item) => self.is_in(item, list, scope)?,
            Expr::Binary(
                op @ (Op::Equal
                | Op::NotEqual
                | Op::Less
                | Op::LessOrEqual
                | Op::Greater
                | Op::GreaterOrEqual),
                left,
                right,
            ) => self.comparison(*op, left, right, scope)?,
            Expr::Is(input, name) => self.first(input, scope, &mut |item| match item.of {
                Type::Choice(element) => {
                    let of = |code: &str| code.eq_ignore_ascii_case(name);
                    let variant = element.types.iter().find(|reference| of(&reference.code));
                    let variant = variant.ok_or(format!("{} is never a {name}", element.name))?;
                    let variant = naming::capitalised(&variant.code);
                    let choice = &element.choice_enum;
                    Ok(format!(
                        "Some(matches!({}, {choice}::{variant}(_)))",
                        item.rust
                    ))
                }
                Type::Resource if self.model.resources.contains(name) => Ok(format!(
                    "Some(matches!({}, Resource::{name}(_)))",
                    item.rust
                )),
                _ => Err(format!("is {name} here")),
            })?,
            // Anything else by both of its sides.
            Expr::Binary(op, ..) if *op != Op::Union => {
                let (yes, no) = (
                    self.truth(expr, true, scope)?,
                    self.truth(expr, false, scope)?,
                );
                format!("if {yes} {{ Some(true) }} else if {no} {{ Some(false) }} else {{ None }}")
            }
            Expr::Call(_, Function::Matches | Function::StartsWith | Function::Contains, _) => {
                let (yes, no) = (
                    self.truth(expr, true, scope)?,
                    self.truth(expr, false, scope)?,
                );
                format!("if {yes} {{ Some(true) }} else if {no} {{ Some(false) }} else {{ None }}")
            }
            _ => self.first(expr, scope, &mut |item| match item.of {
                Type::Primitive("boolean") => Ok(format!("{}.value", item.rust)),
                _ => Err("a truth value that is no boolean".to_owned()),
            })?,
        })
    }

    fn is_in(&self, item: &Expr, list: &Expr, scope: &Scope<'m>) -> Code {
        let text = self.text(item, scope)?;
        let label = self.fresh("'l");
        let code = self.each(list, scope, &mut |other| {
            let other = self.item_text(other)?;
            Ok(format!(
                "if {other}.as_deref() == Some(&*sought) {{ break {label} true; }}"
            ))
        })?;
        Ok(format!("{text}.map(|sought| {label}: {{ {code} false }})"))
    }

    fn comparison(&self, op: Op, left: &Expr, right: &Expr, scope: &Scope<'m>) -> Code {
        let kinds = (self.kind(left, scope)?, self.kind(right, scope)?);
        let test = match op {
            Op::Equal => "is_eq",
            Op::NotEqual => "is_ne",
            Op::Less => "is_lt",
            Op::LessOrEqual => "is_le",
            Op::Greater => "is_gt",
            _ => "is_ge",
        };
        let both = |value: &dyn Fn(&Expr) -> Code, function: &str| {
            let (left, right) = (value(left)?, value(right)?);
            Ok(format!(
                "{function}({left}, {right}).map(|order| order.{test}())"
            ))
        };
        match (kinds, right) {
            ((Kind::Boolean, Kind::Boolean), _) => both(&|expr| self.option(expr, scope), "order"),
            ((Kind::Number, Kind::Number), _) => {
                both(&|expr| self.number(expr, scope), "order_numbers")
            }
            ((Kind::Temporal, Kind::Temporal), _) => {
                both(&|expr| self.text(expr, scope), "order_dates")
            }
            ((Kind::Text, Kind::Text), Expr::String(literal)) => {
                let text = self.text(left, scope)?;
                let not = if op == Op::NotEqual { "!" } else { "=" };
                Ok(format!("{text}.map(|text| text {not}= {literal:?})"))
            }
            ((Kind::Text, Kind::Text), _) => both(&|expr| self.text(expr, scope), "order"),
            _ => Err("a comparison of different types".to_owned()),
        }
    }

    fn kind(&self, expr: &Expr, scope: &Scope<'m>) -> Result<Kind, String> {
        Ok(match expr {
            Expr::Number(_) | Expr::Binary(Op::Plus, ..) => Kind::Number,
            Expr::Call(_, Function::Count | Function::ToInteger, _) => Kind::Number,
            Expr::String(_) | Expr::Binary(Op::Concatenate, ..) => Kind::Text,
            Expr::Call(_, Function::ToString, _) => Kind::Text,
            Expr::Variable(name) if name == "ucum" => Kind::Text,
            Expr::Boolean(_) | Expr::Is(..) | Expr::Binary(..)
                if !matches!(expr, Expr::Binary(Op::Union, ..)) =>
            {
                Kind::Boolean
            }
            _ if total(expr) => Kind::Boolean,
            _ => {
                let mut kind = None;
                self.each(expr, scope, &mut |item| {
                    kind = Some(match item.of {
                        Type::Primitive("boolean") => Kind::Boolean,
                        Type::Primitive("integer" | "decimal" | "positiveInt" | "unsignedInt") => {
                            Kind::Number
                        }
                        Type::Primitive("date" | "dateTime" | "instant") => Kind::Temporal,
                        Type::Primitive(_) | Type::Literal => Kind::Text,
                        _ => return Err("a comparison of objects".to_owned()),
                    });
                    Ok(String::new())
                })?;
                kind.ok_or("a comparison with nothing")?
            }
        })
    }

    /// An `Option<Number>`.
    fn number(&self, expr: &Expr, scope: &Scope<'m>) -> Code {
        match expr {
            Expr::Number(text) if text.parse::<u32>().is_ok() => {
                Ok(format!("Some(Number::integer({text}))"))
            }
            Expr::Call(_, Function::Count, _) | Expr::Binary(Op::Plus, ..) => Ok(format!(
                "Some(Number::integer({} as i64))",
                self.count(expr, scope)?
            )),
            Expr::Call(input, Function::ToInteger, _) => {
                Ok(format!("to_integer({})", self.text(input, scope)?))
            }
            _ => Ok(format!("number({})", self.text(expr, scope)?)),
        }
    }

    /// A `usize`.
    pub(super) fn count(&self, expr: &Expr, scope: &Scope<'m>) -> Code {
        match expr {
            Expr::Binary(Op::Plus, left, right) => Ok(format!(
                "{} + {}",
                self.count(left, scope)?,
                self.count(right, scope)?
            )),
            Expr::Call(input, Function::Count, _) => {
                if let Some(length) = self.length(input, scope) {
                    return Ok(length);
                }
                let code = self.each(input, scope, &mut |_| Ok("count += 1;".to_owned()))?;
                Ok(format!("{{ let mut count = 0_usize; {code} count }}"))
            }
            _ => Err("a sum of what are no counts".to_owned()),
        }
    }

    /// An `Option<Cow<str>>`.
    pub(super) fn text(&self, expr: &Expr, scope: &Scope<'m>) -> Code {
        match expr {
            Expr::Variable(name) if name == "ucum" => Ok("literal(UCUM)".to_owned()),
            Expr::Call(input, Function::ToString, _) => self.text(input, scope),
            Expr::Binary(Op::Concatenate, left, right) => Ok(format!(
                "concatenate({}, {})",
                self.text(left, scope)?,
                self.text(right, scope)?
            )),
            _ => self.first(expr, scope, &mut |item| self.item_text(item)),
        }
    }

    fn item_text(&self, item: &Item<'m>) -> Code {
        match item.of {
            Type::Primitive(_) => Ok(format!("text({})", bare(&item.rust))),
            Type::Literal => Ok(format!("literal({})", item.rust)),
            _ => Err("the text of an object".to_owned()),
        }
    }

    /// An `Option` out of the one item that a path gives.
    fn first(
        &self,
        expr: &Expr,
        scope: &Scope<'m>,
        value: &mut dyn FnMut(&Item<'m>) -> Code,
    ) -> Code {
        if let Expr::This = expr {
            return value(&scope.this);
        }
        if let Some(field) = self.field(expr, scope) {
            // Without a value it gives none, as what is absent does.
            let mut code = String::new();
            self.each(expr, scope, &mut |item| {
                code = value(&Item {
                    rust: format!("(&{field})"),
                    many: false,
                    ..item.clone()
                })?;
                Ok(String::new())
            })?;
            return Ok(code);
        }
        let label = self.fresh("'l");
        let code = self.each(expr, scope, &mut |item| match item.many {
            true => Err("many items where one is asked for".to_owned()),
            false => Ok(format!("break {label} {};", value(item)?)),
        })?;
        Ok(format!("({label}: {{ {code} None }})"))
    }
}

/// `&it.name` without the parentheses that a field needs after it.
fn bare(rust: &str) -> &str {
    let inside = rust
        .strip_prefix('(')
        .and_then(|rust| rust.strip_suffix(')'));
    inside.unwrap_or(rust)
}

/// Whether an expression is always true or false, never empty.
pub(super) fn total(expr: &Expr) -> bool {
    match expr {
        Expr::Boolean(_) => true,
        Expr::Call(input, Function::Not, _) => total(input),
        Expr::Call(_, function, _) => matches!(
            function,
            Function::Exists
                | Function::Empty
                | Function::All
                | Function::IsDistinct
                | Function::HasValue
        ),
        Expr::Binary(Op::And | Op::Or | Op::Xor | Op::Implies, left, right) => {
            total(left) && total(right)
        }
        _ => false,
    }
}
