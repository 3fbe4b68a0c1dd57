//! The tree of an expression.

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `{}`
    Empty,
    /// `true`, `false`
    Boolean(bool),
    /// `'text'`
    String(String),
    /// `1`, `1.50`: the text of the number.
    Number(String),
    /// `@2024-01`, `@2024-01-01T08:00:00Z`, `@T08:00`: the text after the `@`.
    Temporal(String),
    /// `5 'mg'`, `2 days`
    Quantity(String, String),
    /// `%resource`: its name.
    Variable(String),
    /// `$this`, and what a function is called on when nothing stands before it.
    This,
    /// `$index`
    Index,
    /// A name that stands first: an element of the context, or its own type.
    Name(String),
    /// `input.name`
    Member(Box<Expr>, String),
    /// `input.function(arguments)`
    Call(Box<Expr>, Function, Vec<Expr>),
    /// `input[index]`
    At(Box<Expr>, Box<Expr>),
    /// `-input`
    Negative(Box<Expr>),
    /// `left op right`
    Binary(Op, Box<Expr>, Box<Expr>),
    /// `input is Type`, `input.is(Type)`: the name without its namespace.
    Is(Box<Expr>, String),
    /// `input as Type`, `input.as(Type)` and `input.ofType(Type)`.
    As(Box<Expr>, String),
}

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is named as in FHIRPath")]
        pub enum $type { $($variant,)* }

        impl $type {
            /// The one with this name.
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

names! {
    /// An operator between two operands.
    Op {
        Implies = "implies",
        Or = "or",
        Xor = "xor",
        And = "and",
        In = "in",
        Contains = "contains",
        Equal = "=",
        NotEqual = "!=",
        Equivalent = "~",
        NotEquivalent = "!~",
        Less = "<",
        LessOrEqual = "<=",
        Greater = ">",
        GreaterOrEqual = ">=",
        Union = "|",
        Plus = "+",
        Minus = "-",
        Concatenate = "&",
        Times = "*",
        Divide = "/",
        Div = "div",
        Mod = "mod",
    }
}

names! {
    /// A function. `is`, `as` and `ofType` are expressions of their own.
    Function {
        All = "all",
        AllFalse = "allFalse",
        AllTrue = "allTrue",
        AnyFalse = "anyFalse",
        AnyTrue = "anyTrue",
        Children = "children",
        Combine = "combine",
        Contains = "contains",
        Count = "count",
        Descendants = "descendants",
        Distinct = "distinct",
        Empty = "empty",
        EndsWith = "endsWith",
        Exclude = "exclude",
        Exists = "exists",
        Extension = "extension",
        First = "first",
        GetValue = "getValue",
        HasValue = "hasValue",
        Iif = "iif",
        IndexOf = "indexOf",
        Intersect = "intersect",
        IsDistinct = "isDistinct",
        Last = "last",
        Length = "length",
        Lower = "lower",
        Matches = "matches",
        Not = "not",
        Repeat = "repeat",
        Replace = "replace",
        ReplaceMatches = "replaceMatches",
        Resolve = "resolve",
        Select = "select",
        Single = "single",
        Skip = "skip",
        StartsWith = "startsWith",
        SubsetOf = "subsetOf",
        Substring = "substring",
        SupersetOf = "supersetOf",
        Tail = "tail",
        Take = "take",
        ToBoolean = "toBoolean",
        ToDecimal = "toDecimal",
        ToInteger = "toInteger",
        ToString = "toString",
        Trace = "trace",
        Union = "union",
        Upper = "upper",
        Where = "where",
    }
}

impl Function {
    /// How many arguments it takes.
    pub const fn arguments(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Exists => 0..=1,
            Self::Iif => 2..=3,
            Self::Replace | Self::ReplaceMatches => 2..=2,
            Self::Substring | Self::Trace => 1..=2,
            Self::All
            | Self::Combine
            | Self::Contains
            | Self::EndsWith
            | Self::Exclude
            | Self::Extension
            | Self::IndexOf
            | Self::Intersect
            | Self::Matches
            | Self::Repeat
            | Self::Select
            | Self::Skip
            | Self::StartsWith
            | Self::SubsetOf
            | Self::SupersetOf
            | Self::Take
            | Self::Union
            | Self::Where => 1..=1,
            _ => 0..=0,
        }
    }
}
