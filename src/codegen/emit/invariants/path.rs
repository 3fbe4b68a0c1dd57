//! Paths: code that runs a body for each item that an expression gives.

use crate::fhirpath::{Expr, Function, Op};

use super::super::super::{
    ir::{Element, Kind, Model, TypeDef, TypeKind, TypeRef},
    naming,
};

/// Code, or why there is none.
pub(super) type Code = Result<String, String>;

/// What an item is.
#[derive(Clone, Copy)]
pub(super) enum Type<'m> {
    Object(&'m TypeDef),
    /// The value of a choice element, of any of its types.
    Choice(&'m Element),
    /// A primitive element: its FHIR type.
    Primitive(&'m str),
    Resource,
    /// A string of the expression itself.
    Literal,
}

/// An item: the Rust expression of a reference to it.
#[derive(Clone)]
pub(super) struct Item<'m> {
    pub(super) rust: String,
    pub(super) of: Type<'m>,
    /// Whether there may be several.
    pub(super) many: bool,
}

/// What names and variables mean.
#[derive(Clone)]
pub(super) struct Scope<'m> {
    pub(super) this: Item<'m>,
    pub(super) context: Item<'m>,
}

impl<'m> Scope<'m> {
    /// The same, with another `$this`, which is one item.
    pub(super) fn of(&self, item: &Item<'m>) -> Self {
        let this = Item {
            many: false,
            ..item.clone()
        };
        Self {
            this,
            context: self.context.clone(),
        }
    }
}

/// What an item is worth to who asks for it.
pub(super) type Body<'b, 'm> = &'b mut dyn FnMut(&Item<'m>) -> Code;

pub(super) struct Compiler<'m> {
    pub(super) model: &'m Model,
    names: std::cell::Cell<usize>,
}

impl<'m> Compiler<'m> {
    pub(super) fn new(model: &'m Model) -> Self {
        Self {
            model,
            names: std::cell::Cell::new(0),
        }
    }

    /// A name that is used nowhere else in the function.
    pub(super) fn fresh(&self, prefix: &str) -> String {
        self.names.set(self.names.get() + 1);
        format!("{prefix}{}", self.names.get())
    }

    /// Statements that run the body for each item.
    pub(super) fn each(&self, expr: &Expr, scope: &Scope<'m>, body: Body<'_, 'm>) -> Code {
        match expr {
            Expr::This => body(&scope.this),
            Expr::String(text) => body(&Item {
                rust: format!("{text:?}"),
                of: Type::Literal,
                many: false,
            }),
            Expr::Name(name) => match scope.this.of {
                Type::Object(r#type) if r#type.path == *name => body(&scope.this),
                _ => self.child(&scope.this, name, body),
            },
            Expr::Member(input, name) => {
                self.each(input, scope, &mut |item| self.child(item, name, body))
            }
            Expr::Variable(name) => match (name.as_str(), scope.context.of) {
                ("context", _) => body(&scope.context),
                ("resource", Type::Object(r#type)) if r#type.kind == Kind::Resource => {
                    body(&scope.context)
                }
                _ => Err(format!("%{name} here")),
            },
            Expr::As(input, name) => {
                self.each(input, scope, &mut |item| self.cast(item, name, body))
            }
            Expr::Binary(Op::Union, left, right) => {
                let mut body = |item: &Item<'m>| {
                    body(&Item {
                        many: true,
                        ..item.clone()
                    })
                };
                Ok(self.each(left, scope, &mut body)? + &self.each(right, scope, &mut body)?)
            }
            Expr::Call(input, function, arguments) => match (function, arguments.as_slice()) {
                (Function::Trace, _) => self.each(input, scope, body),
                (Function::Where, [criterion]) => self.each(input, scope, &mut |item| {
                    let test = self.truth(criterion, true, &scope.of(item))?;
                    Ok(format!("if {test} {{ {} }}", body(item)?))
                }),
                (Function::Select, [projection]) => self.each(input, scope, &mut |item| {
                    self.select(projection, item, &scope.of(item), body)
                }),
                (Function::First, []) => {
                    let label = self.fresh("'first");
                    let code = self.each(input, scope, &mut |item| {
                        let one = Item {
                            many: false,
                            ..item.clone()
                        };
                        Ok(format!("{} break {label};", body(&one)?))
                    })?;
                    Ok(format!("{label}: {{ {code} }}"))
                }
                (Function::Tail, []) => {
                    let rest = self.fresh("rest");
                    let code = self.each(input, scope, &mut |item| {
                        Ok(format!(
                            "if {rest} {{ {} }} else {{ {rest} = true; }}",
                            body(item)?
                        ))
                    })?;
                    Ok(format!("let mut {rest} = false; {code}"))
                }
                _ => Err(format!("the function {} in a path", function.name())),
            },
            _ => Err("an expression that is no path".to_owned()),
        }
    }

    /// A projection is a path, or a truth value, of which only counts whether
    /// there is one.
    fn select(
        &self,
        projection: &Expr,
        item: &Item<'m>,
        scope: &Scope<'m>,
        body: Body<'_, 'm>,
    ) -> Code {
        let many = item.many;
        match projection {
            Expr::Binary(op, ..) if !matches!(op, Op::Union) => {
                let (yes, no) = (
                    self.truth(projection, true, scope)?,
                    self.truth(projection, false, scope)?,
                );
                let exists = Item {
                    rust: "\"\"".to_owned(),
                    of: Type::Literal,
                    many,
                };
                Ok(format!("if {yes} || {no} {{ {} }}", body(&exists)?))
            }
            _ => self.each(projection, scope, &mut |found| {
                body(&Item {
                    many: many || found.many,
                    ..found.clone()
                })
            }),
        }
    }

    fn child(&self, item: &Item<'m>, name: &str, body: Body<'_, 'm>) -> Code {
        match item.of {
            Type::Object(r#type) => {
                let element = r#type.elements.iter().find(|element| element.name == name);
                match element {
                    Some(element) => self.element(item, element, body),
                    None => Err(format!("{} has no element {name}", r#type.path)),
                }
            }
            Type::Choice(element) => {
                let has = |reference: &&TypeRef| {
                    let target = self.model.types.get(&reference.code);
                    target.is_some_and(|target| {
                        target.elements.iter().any(|child| child.name == name)
                    })
                };
                let types: Vec<&TypeRef> = element.types.iter().filter(has).collect();
                if types.is_empty() {
                    return Err(format!("no type of {} has an element {name}", element.name));
                }
                let mut code = String::new();
                for reference in types {
                    let mut below = |item: &Item<'m>| self.child(item, name, body);
                    code += &self.variant(item, element, reference, &mut below)?;
                }
                Ok(code)
            }
            _ => Err(format!("the element {name} of what is no object")),
        }
    }

    fn element(&self, item: &Item<'m>, element: &'m Element, body: Body<'_, 'm>) -> Code {
        let name = self.fresh("v");
        let field = format!("{}.{}", item.rust, element.field);
        let many = item.many || element.cardinality.many;
        let of = match element.types.as_slice() {
            _ if element.choice => Type::Choice(element),
            [only] => self.type_of(only)?,
            _ => return Err(format!("{} has no type", element.name)),
        };
        let code = body(&Item {
            rust: name.clone(),
            of,
            many,
        })?;
        Ok(match (of, element.cardinality.many) {
            (Type::Primitive(_), true) => {
                format!("for {name} in {field}.iter() {{ if !{name}.is_absent() {{ {code} }} }}")
            }
            (Type::Primitive(_), false) => {
                format!("let {name} = &{field}; if !{name}.is_absent() {{ {code} }}")
            }
            (_, true) => format!("for {name} in {field}.iter() {{ {code} }}"),
            (_, false) => format!("if let Some({name}) = &{field} {{ {code} }}"),
        })
    }

    fn type_of(&self, reference: &'m TypeRef) -> Result<Type<'m>, String> {
        Ok(match reference.kind {
            TypeKind::Primitive | TypeKind::Code(_) => Type::Primitive(&reference.code),
            TypeKind::Resource => Type::Resource,
            TypeKind::Object => match self.model.types.get(&reference.code) {
                Some(target) => Type::Object(target),
                None => return Err(format!("the type {} has no struct", reference.code)),
            },
        })
    }

    /// The value of a choice element, where it is of this type.
    fn cast(&self, item: &Item<'m>, name: &str, body: Body<'_, 'm>) -> Code {
        match item.of {
            Type::Choice(element) => {
                match element
                    .types
                    .iter()
                    .find(|reference| reference.code == name)
                {
                    Some(reference) => self.variant(item, element, reference, body),
                    None => Err(format!("{} is never a {name}", element.name)),
                }
            }
            _ => Err(format!("as {name} on what is no choice element")),
        }
    }

    fn variant(
        &self,
        item: &Item<'m>,
        element: &'m Element,
        reference: &'m TypeRef,
        body: Body<'_, 'm>,
    ) -> Code {
        let name = self.fresh("v");
        let code = body(&Item {
            rust: name.clone(),
            of: self.type_of(reference)?,
            many: item.many,
        })?;
        Ok(format!(
            "if let {}::{}({name}) = {} {{ {code} }}",
            element.choice_enum,
            naming::capitalised(&reference.code),
            item.rust
        ))
    }
}
