//! The parser: precedence climbing over the tokens.

use std::fmt;

use super::{
    ast::{Expr, Function, Op},
    lexer::{Token, tokens},
};

/// How deep a tree may be. Expressions come out of packages, and what walks
/// them recurses.
const MAX_DEPTH: usize = 100;

/// Why a text is no expression that is understood here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where in the text, in bytes.
    pub offset: usize,
    /// What is wrong there.
    pub reason: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}", self.reason, self.offset)
    }
}

impl std::error::Error for SyntaxError {}

/// Parses an expression.
///
/// Errors: what is no FHIRPath, a function that is not known, and what is
/// nested too deeply.
pub fn parse(text: &str) -> Result<Expr, SyntaxError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        end: text.len(),
        nesting: 0,
    };
    let (expr, _) = parser.expression(0)?;
    match parser.peek() {
        None => Ok(expr),
        Some(_) => parser.error("something after the end of the expression"),
    }
}

/// A tree and how deep it is.
type Tree = (Expr, usize);

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    end: usize,
    nesting: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn advance(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.next += 1;
        token
    }

    fn error<T>(&self, reason: impl Into<String>) -> Result<T, SyntaxError> {
        let at = self.tokens.get(self.next).map_or(self.end, |(at, _)| *at);
        Err(SyntaxError {
            offset: at,
            reason: reason.into(),
        })
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(next)) if *next == symbol);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), SyntaxError> {
        match self.symbol(symbol) {
            true => Ok(()),
            false => self.error(format!("no {symbol:?}")),
        }
    }

    fn tree(&self, expr: Expr, below: usize) -> Result<Tree, SyntaxError> {
        match below < MAX_DEPTH {
            true => Ok((expr, below + 1)),
            false => self.error("an expression that is nested too deeply"),
        }
    }

    /// The operator at the cursor, and how strongly it binds.
    fn operator(&self) -> Option<(&'static str, u8)> {
        let text = match self.peek()? {
            Token::Symbol(symbol) => symbol,
            Token::Name(name) => name.as_str(),
            _ => return None,
        };
        Some(match text {
            "implies" => ("implies", 1),
            "or" => ("or", 2),
            "xor" => ("xor", 2),
            "and" => ("and", 3),
            "in" => ("in", 4),
            "contains" => ("contains", 4),
            "=" => ("=", 5),
            "!=" => ("!=", 5),
            "~" => ("~", 5),
            "!~" => ("!~", 5),
            "<" => ("<", 6),
            "<=" => ("<=", 6),
            ">" => (">", 6),
            ">=" => (">=", 6),
            "|" => ("|", 7),
            "is" => ("is", 8),
            "as" => ("as", 8),
            "+" => ("+", 9),
            "-" => ("-", 9),
            "&" => ("&", 9),
            "*" => ("*", 10),
            "/" => ("/", 10),
            "div" => ("div", 10),
            "mod" => ("mod", 10),
            _ => return None,
        })
    }

    fn expression(&mut self, min: u8) -> Result<Tree, SyntaxError> {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH {
            return self.error("an expression that is nested too deeply");
        }
        let (mut left, mut depth) = self.unary()?;
        while let Some((name, strength)) = self.operator()
            && strength > min
        {
            self.next += 1;
            if matches!(name, "is" | "as") {
                let type_name = self.type_name()?;
                let left_box = Box::new(left);
                let expr = match name {
                    "is" => Expr::Is(left_box, type_name),
                    _ => Expr::As(left_box, type_name),
                };
                (left, depth) = self.tree(expr, depth)?;
                continue;
            }
            let Some(op) = Op::named(name) else {
                return self.error("an operator that is not known");
            };
            let (right, below) = self.expression(strength)?;
            let expr = Expr::Binary(op, Box::new(left), Box::new(right));
            (left, depth) = self.tree(expr, depth.max(below))?;
        }
        self.nesting -= 1;
        Ok((left, depth))
    }

    fn unary(&mut self) -> Result<Tree, SyntaxError> {
        let mut negative = false;
        loop {
            if self.symbol("-") {
                negative = !negative;
            } else if !self.symbol("+") {
                break;
            }
        }
        let (expr, depth) = self.postfix()?;
        match negative {
            true => self.tree(Expr::Negative(Box::new(expr)), depth),
            false => Ok((expr, depth)),
        }
    }

    fn postfix(&mut self) -> Result<Tree, SyntaxError> {
        let (mut expr, mut depth) = self.term()?;
        loop {
            if self.symbol(".") {
                (expr, depth) = self.invocation(expr, depth)?;
            } else if self.symbol("[") {
                let (index, below) = self.expression(0)?;
                self.expect("]")?;
                let at = Expr::At(Box::new(expr), Box::new(index));
                (expr, depth) = self.tree(at, depth.max(below))?;
            } else {
                return Ok((expr, depth));
            }
        }
    }

    fn invocation(&mut self, input: Expr, depth: usize) -> Result<Tree, SyntaxError> {
        match self.advance() {
            Some(Token::Name(name)) if self.symbol("(") => self.call(input, depth, &name),
            Some(Token::Name(name) | Token::Delimited(name)) => {
                self.tree(Expr::Member(Box::new(input), name), depth)
            }
            _ => {
                self.next -= 1;
                self.error("no name after a dot")
            }
        }
    }

    fn call(&mut self, input: Expr, depth: usize, name: &str) -> Result<Tree, SyntaxError> {
        let input = Box::new(input);
        if matches!(name, "is" | "as" | "ofType") {
            let type_name = self.type_name()?;
            self.expect(")")?;
            let expr = match name {
                "is" => Expr::Is(input, type_name),
                _ => Expr::As(input, type_name),
            };
            return self.tree(expr, depth);
        }
        let Some(function) = Function::named(name) else {
            return self.error(format!("the function {name}, which is not known"));
        };
        let (mut arguments, mut deepest) = (Vec::new(), depth);
        if !self.symbol(")") {
            loop {
                let (argument, below) = self.expression(0)?;
                arguments.push(argument);
                deepest = deepest.max(below);
                if !self.symbol(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        if !function.arguments().contains(&arguments.len()) {
            return self.error(format!("{name} with {} arguments", arguments.len()));
        }
        self.tree(Expr::Call(input, function, arguments), deepest)
    }

    /// A type name, its namespace left out.
    fn type_name(&mut self) -> Result<String, SyntaxError> {
        loop {
            let (Some(Token::Name(name)) | Some(Token::Delimited(name))) = self.advance() else {
                self.next -= 1;
                return self.error("no name of a type");
            };
            if !self.symbol(".") {
                return Ok(name);
            }
        }
    }

    fn term(&mut self) -> Result<Tree, SyntaxError> {
        let expr = match self.advance() {
            Some(Token::String(text)) => Expr::String(text),
            Some(Token::Number(number)) => self.number(number),
            Some(Token::Temporal(text)) => Expr::Temporal(text),
            Some(Token::Variable(name)) => Expr::Variable(name),
            Some(Token::Special(name)) if name == "this" => Expr::This,
            Some(Token::Special(name)) if name == "index" => Expr::Index,
            Some(Token::Symbol("{")) => {
                self.expect("}")?;
                Expr::Empty
            }
            Some(Token::Symbol("(")) => {
                let inner = self.expression(0)?;
                self.expect(")")?;
                return Ok(inner);
            }
            Some(Token::Name(name)) if self.symbol("(") => {
                return self.call(Expr::This, 1, &name);
            }
            Some(Token::Name(name)) if name == "true" => Expr::Boolean(true),
            Some(Token::Name(name)) if name == "false" => Expr::Boolean(false),
            Some(Token::Name(name) | Token::Delimited(name)) => Expr::Name(name),
            _ => {
                self.next -= 1;
                return self.error("no operand");
            }
        };
        Ok((expr, 1))
    }

    /// A number, a quantity when a unit follows.
    fn number(&mut self, number: String) -> Expr {
        const UNITS: &[&str] = &[
            "year",
            "month",
            "week",
            "day",
            "hour",
            "minute",
            "second",
            "millisecond",
        ];
        let unit = match self.peek() {
            Some(Token::String(unit)) => Some(unit.clone()),
            Some(Token::Name(name)) => {
                let singular = name.strip_suffix('s').unwrap_or(name);
                UNITS.contains(&singular).then(|| singular.to_owned())
            }
            _ => None,
        };
        match unit {
            Some(unit) => {
                self.next += 1;
                Expr::Quantity(number, unit)
            }
            None => Expr::Number(number),
        }
    }
}
