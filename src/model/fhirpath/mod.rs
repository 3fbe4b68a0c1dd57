//! [FHIRPath N1](http://hl7.org/fhirpath/N1/): the expressions of constraints
//! as a tree.
//!
//! The generator includes these files by path: they need nothing but the
//! standard library. What a tree means is in `validation::fhirpath`, which
//! interprets it, and in `codegen::emit::invariants`, which compiles it.

mod ast;
mod lexer;
mod parser;

pub use ast::{Expr, Function, Op};
pub use parser::{SyntaxError, parse};
