//! The evaluation of a tree: operators, variables and paths.

use std::cmp::Ordering;

use super::{Expression, Refusal, number::Number, value::Value};
use crate::model::{
    fhirpath::{Expr, Function, Op, SyntaxError},
    object::{Node, Object},
};

pub(super) type Collection<'a> = Vec<Value<'a>>;
pub(super) type Result<T> = std::result::Result<T, Refusal>;

/// Compiles the patterns that stand in a tree as literals.
pub(super) fn patterns(
    tree: &Expr,
    out: &mut Vec<(String, regex_lite::Regex)>,
) -> std::result::Result<(), SyntaxError> {
    match tree {
        Expr::Call(input, function, arguments) => {
            patterns(input, out)?;
            for argument in arguments {
                patterns(argument, out)?;
            }
            if let (Function::Matches | Function::ReplaceMatches, Some(Expr::String(text))) =
                (function, arguments.first())
            {
                let compiled = pattern(text).map_err(|reason| SyntaxError { offset: 0, reason })?;
                out.push((text.clone(), compiled));
            }
        }
        Expr::Member(input, _)
        | Expr::Negative(input)
        | Expr::Is(input, _)
        | Expr::As(input, _) => {
            patterns(input, out)?;
        }
        Expr::At(a, b) | Expr::Binary(_, a, b) => {
            patterns(a, out)?;
            patterns(b, out)?;
        }
        _ => {}
    }
    Ok(())
}

/// A pattern in the dialect of FHIRPath: `.` takes line ends too, `\s` is the
/// white space of XML Schema, which is ASCII.
pub(super) fn pattern(text: &str) -> std::result::Result<regex_lite::Regex, String> {
    regex_lite::RegexBuilder::new(text)
        .dot_matches_new_line(true)
        .build()
        .map_err(|error| format!("the pattern {text:?} ({error})"))
}

/// The result of a constraint as a truth value.
pub(super) fn truth(
    expression: &Expression,
    context: Node<'_>,
    resource: &dyn Object,
    root: &dyn Object,
    extension: Option<&dyn Object>,
) -> Result<Option<bool>> {
    let Some(context) = Value::of(context) else {
        return Ok(None);
    };
    let evaluation = Evaluation {
        expression,
        context: context.clone(),
        resource,
        root,
        extension,
    };
    let scope = Scope {
        this: std::slice::from_ref(&context),
        index: 0,
    };
    let result = evaluation.eval(&expression.tree, scope)?;
    evaluation.one_truth(&result)
}

/// One evaluation of an expression.
pub(super) struct Evaluation<'e, 'a> {
    pub(super) expression: &'e Expression,
    context: Value<'a>,
    pub(super) resource: &'a dyn Object,
    pub(super) root: &'a dyn Object,
    /// `%extension`, where the expression is of the definition of one.
    extension: Option<&'a dyn Object>,
}

/// What `$this` and `$index` are.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s, 'a> {
    pub(super) this: &'s [Value<'a>],
    pub(super) index: i64,
}

pub(super) fn refuse<T>(expected: impl Into<String>) -> Result<T> {
    Err(Refusal::Evaluation(expected.into()))
}

impl<'a> Evaluation<'_, 'a> {
    pub(super) fn eval(&self, expr: &Expr, scope: Scope<'_, 'a>) -> Result<Collection<'a>> {
        Ok(match expr {
            Expr::Empty => Vec::new(),
            Expr::Boolean(value) => vec![Value::Boolean(*value)],
            Expr::String(text) => vec![Value::String(text.clone().into())],
            Expr::Number(text) => vec![match text.parse() {
                Ok(integer) => Value::Integer(integer),
                Err(_) => Value::Decimal(text.clone().into()),
            }],
            Expr::Temporal(text) => vec![match text.strip_prefix('T') {
                Some(time) => Value::Time(time.to_owned().into()),
                None => Value::Temporal(text.clone().into()),
            }],
            Expr::Quantity(value, unit) => {
                vec![Value::Quantity(value.clone().into(), unit.clone().into())]
            }
            Expr::Variable(name) => vec![self.variable(name)?],
            Expr::This => scope.this.to_vec(),
            Expr::Index => vec![Value::Integer(scope.index)],
            Expr::Name(name) => match scope.this {
                // A path may start with the type of its context.
                [value @ Value::Object(_)]
                    if name.starts_with(|char: char| char.is_ascii_uppercase())
                        && value.is(name) =>
                {
                    vec![value.clone()]
                }
                this => member(this, name),
            },
            Expr::Member(input, name) => member(&self.eval(input, scope)?, name),
            Expr::Call(input, function, arguments) => {
                let input = self.eval(input, scope)?;
                self.call(*function, input, arguments, scope)?
            }
            Expr::At(input, index) => {
                let index = self.integer(index, scope)?;
                let input = self.eval(input, scope)?;
                let item = index.and_then(|index| input.into_iter().nth(index.try_into().ok()?));
                item.into_iter().collect()
            }
            Expr::Negative(input) => match self.eval(input, scope)?.as_slice() {
                [] => Vec::new(),
                [value] => self.arithmetic(Op::Minus, &Value::Integer(0), value)?,
                _ => return refuse("one number after -"),
            },
            Expr::Is(input, name) => match self.eval(input, scope)?.as_slice() {
                [] => Vec::new(),
                [value] => vec![Value::Boolean(value.is(name))],
                _ => return refuse("one item before is"),
            },
            // The published constraints use `as` on collections: it filters.
            Expr::As(input, name) => {
                let mut input = self.eval(input, scope)?;
                input.retain(|value| value.is(name));
                input
            }
            Expr::Binary(op, left, right) => self.binary(*op, left, right, scope)?,
        })
    }

    fn variable(&self, name: &str) -> Result<Value<'a>> {
        Ok(match name {
            "resource" => Value::Object(self.resource),
            "rootResource" => Value::Object(self.root),
            "context" => self.context.clone(),
            "extension" if let Some(extension) = self.extension => Value::Object(extension),
            "ucum" => Value::String("http://unitsofmeasure.org".into()),
            "sct" => Value::String("http://snomed.info/sct".into()),
            "loinc" => Value::String("http://loinc.org".into()),
            _ => match (name.strip_prefix("vs-"), name.strip_prefix("ext-")) {
                (Some(rest), _) => {
                    Value::String(format!("http://hl7.org/fhir/ValueSet/{rest}").into())
                }
                (_, Some(rest)) => {
                    Value::String(format!("http://hl7.org/fhir/StructureDefinition/{rest}").into())
                }
                _ => return refuse(format!("a variable that is defined, not %{name}")),
            },
        })
    }

    /// The truth of an expression, as the operands of `and` are taken.
    pub(super) fn truth(&self, expr: &Expr, scope: Scope<'_, 'a>) -> Result<Option<bool>> {
        self.one_truth(&self.eval(expr, scope)?)
    }

    /// A collection as a truth value: one item that is no boolean is true.
    fn one_truth(&self, values: &[Value<'a>]) -> Result<Option<bool>> {
        match values {
            [] => Ok(None),
            [Value::Primitive(primitive)] if primitive.type_name() == "boolean" => {
                Ok(primitive.text().map(|text| text == "true"))
            }
            [value] => Ok(Some(value.boolean().unwrap_or(true))),
            _ => refuse("one truth value"),
        }
    }

    pub(super) fn integer(&self, expr: &Expr, scope: Scope<'_, 'a>) -> Result<Option<i64>> {
        match self.eval(expr, scope)?.as_slice() {
            [] => Ok(None),
            [value] => match value.number().and_then(Number::as_integer) {
                Some(integer) => Ok(Some(integer)),
                None => refuse("an integer"),
            },
            _ => refuse("one integer"),
        }
    }

    /// The text of an expression that has one item at most.
    pub(super) fn string(
        &self,
        expr: &Expr,
        scope: Scope<'_, 'a>,
    ) -> Result<Option<std::borrow::Cow<'a, str>>> {
        match self.eval(expr, scope)?.as_slice() {
            [] => Ok(None),
            [value] => Ok(value.text()),
            _ => refuse("one string"),
        }
    }

    fn binary(
        &self,
        op: Op,
        left: &Expr,
        right: &Expr,
        scope: Scope<'_, 'a>,
    ) -> Result<Collection<'a>> {
        if let Op::And | Op::Or | Op::Xor | Op::Implies = op {
            let left = self.truth(left, scope)?;
            if let (Op::And | Op::Implies, Some(false)) | (Op::Or, Some(true)) = (op, left) {
                return Ok(vec![Value::Boolean(op != Op::And)]);
            }
            let right = self.truth(right, scope)?;
            return Ok(logic(op, left, right)
                .map(Value::Boolean)
                .into_iter()
                .collect());
        }
        let (left, right) = (self.eval(left, scope)?, self.eval(right, scope)?);
        let truth = match op {
            Op::Union => return Ok(distinct(left.into_iter().chain(right))),
            Op::Concatenate => {
                let text = |values: &[Value<'a>]| match values {
                    [] => Ok(String::new()),
                    [value] => Ok(value.text().unwrap_or_default().into_owned()),
                    _ => refuse("one string on each side of &"),
                };
                return Ok(vec![Value::String((text(&left)? + &text(&right)?).into())]);
            }
            Op::Equal => equal(&left, &right),
            Op::NotEqual => equal(&left, &right).map(|equal| !equal),
            Op::Equivalent => Some(equivalent(&left, &right)),
            Op::NotEquivalent => Some(!equivalent(&left, &right)),
            Op::In => is_in(&left, &right)?,
            Op::Contains => is_in(&right, &left)?,
            Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => {
                match (left.as_slice(), right.as_slice()) {
                    ([left], [right]) => match left.compare(right) {
                        Ok(order) => order.map(|order| matches_order(op, order)),
                        Err(expected) => return refuse(expected),
                    },
                    ([], _) | (_, []) => None,
                    _ => return refuse(format!("one item on each side of {}", op.name())),
                }
            }
            _ => {
                return match (left.as_slice(), right.as_slice()) {
                    ([left], [right]) => self.arithmetic(op, left, right),
                    ([], _) | (_, []) => Ok(Vec::new()),
                    _ => refuse(format!("one item on each side of {}", op.name())),
                };
            }
        };
        Ok(truth.map(Value::Boolean).into_iter().collect())
    }

    fn arithmetic(&self, op: Op, left: &Value<'a>, right: &Value<'a>) -> Result<Collection<'a>> {
        let (Some(a), Some(b)) = (left.number(), right.number()) else {
            return match (op, left.text(), right.text()) {
                (Op::Plus, Some(a), Some(b)) => Ok(vec![Value::String(a + b)]),
                _ => refuse(format!("numbers on both sides of {}", op.name())),
            };
        };
        if let (Some(a), Some(b)) = (a.as_integer(), b.as_integer()) {
            let result = match op {
                Op::Plus => a.checked_add(b),
                Op::Minus => a.checked_sub(b),
                Op::Times => a.checked_mul(b),
                Op::Div => a.checked_div(b),
                Op::Mod => a.checked_rem(b),
                _ => None,
            };
            if result.is_some() || matches!(op, Op::Div | Op::Mod) {
                return Ok(result.map(Value::Integer).into_iter().collect());
            }
        }
        let (a, b) = (a.approximate(), b.approximate());
        let result = match op {
            Op::Plus => a + b,
            Op::Minus => a - b,
            Op::Times => a * b,
            Op::Div => (a / b).trunc(),
            Op::Mod => a % b,
            _ => a / b,
        };
        let value = result
            .is_finite()
            .then(|| Value::Decimal(result.to_string().into()));
        Ok(value.into_iter().collect())
    }
}

fn member<'a>(input: &[Value<'a>], name: &str) -> Collection<'a> {
    let mut out = Vec::new();
    for value in input {
        value.children(Some(name), &mut out);
    }
    out
}

/// Logic with three values.
fn logic(op: Op, a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match op {
        Op::And => match (a, b) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            _ => Some(a? && b?),
        },
        Op::Or => match (a, b) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            _ => Some(a? || b?),
        },
        Op::Implies => logic(Op::Or, a.map(|a| !a), b),
        _ => Some(a? != b?),
    }
}

pub(super) fn matches_order(op: Op, order: Ordering) -> bool {
    match op {
        Op::Less => order.is_lt(),
        Op::LessOrEqual => order.is_le(),
        Op::Greater => order.is_gt(),
        _ => order.is_ge(),
    }
}

fn equal(left: &[Value<'_>], right: &[Value<'_>]) -> Option<bool> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    if left.len() != right.len() {
        return Some(false);
    }
    let mut all = Some(true);
    for (a, b) in left.iter().zip(right) {
        all = logic(Op::And, all, a.equals(b));
    }
    all
}

/// `~`: in any order, texts without regard to case and white space.
fn equivalent(left: &[Value<'_>], right: &[Value<'_>]) -> bool {
    let fold = |text: &str| {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        words.join(" ")
    };
    let same = |a: &Value<'_>, b: &Value<'_>| {
        a.equals(b) == Some(true)
            || match (a.text(), b.text()) {
                (Some(a), Some(b)) => fold(&a) == fold(&b),
                _ => false,
            }
    };
    left.len() == right.len() && left.iter().all(|a| right.iter().any(|b| same(a, b)))
}

fn is_in<'a>(item: &[Value<'a>], list: &[Value<'a>]) -> Result<Option<bool>> {
    match item {
        [] => Ok(None),
        [item] => Ok(Some(contains(list, item))),
        _ => refuse("one item that is in a list"),
    }
}

pub(super) fn contains(list: &[Value<'_>], item: &Value<'_>) -> bool {
    list.iter().any(|other| other.equals(item) == Some(true))
}

/// The items without those that are equal to an earlier one.
pub(super) fn distinct<'a>(values: impl Iterator<Item = Value<'a>>) -> Collection<'a> {
    let mut seen = std::collections::HashSet::new();
    let mut out: Collection<'a> = Vec::new();
    for value in values {
        // Texts by hash, so that long lists of ids take linear time.
        let new = match &value {
            Value::String(text) => seen.insert(text.clone()),
            Value::Primitive(primitive) if is_text(primitive.type_name()) => match primitive.text()
            {
                Some(text) => seen.insert(text),
                None => true,
            },
            other => !contains(&out, other),
        };
        if new {
            out.push(value);
        }
    }
    out
}

fn is_text(type_name: &str) -> bool {
    matches!(
        type_name,
        "string" | "code" | "id" | "uri" | "url" | "canonical" | "markdown" | "oid" | "uuid"
    )
}
