//! Units of the Unified Code for Units of Measure ([UCUM](https://ucum.org/ucum)),
//! its case-sensitive symbols.
//!
//! `ucum.txt` has the atoms of UCUM 2.2 in the order of codes (see
//! `codegen::ir::code_key`): symbol; `m` if it takes prefixes, `a` if it is
//! arbitrary; the exponents of its dimension over m, s, g, rad, K, C and cd,
//! zeros at the end left out. It is made from the file `ucum-essence.xml` that the UCUM
//! Organization publishes. This product includes all or a portion of the UCUM
//! table, UCUM codes, and UCUM definitions or is derived from it, subject to a
//! license from Regenstrief Institute, Inc. and The UCUM Organization. The UCUM
//! table, codes and definitions are copyright © 1999-2024 Regenstrief Institute,
//! Inc. and the UCUM Organization, Indianapolis, IN; provided "as is".

use super::table::find_entry;

const ATOMS: &str = include_str!("ucum.txt");

const PREFIXES: [&str; 24] = [
    "Y", "Z", "E", "P", "T", "G", "M", "k", "h", "da", "d", "c", "m", "u", "n", "p", "f", "a", "z",
    "y", "Ki", "Mi", "Gi", "Ti",
];

/// How deep parentheses may be.
const MAX_DEPTH: u32 = 16;

/// What a unit measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Exponents over m, s, g, rad, K, C and cd.
    dimension: [i32; 7],
    /// Whether a part of it is arbitrary (`[IU]`): comparable with itself alone.
    arbitrary: bool,
}

impl Unit {
    /// Whether quantities of the two units can be converted into each other.
    pub fn is_commensurable(&self, other: &Self) -> bool {
        self.dimension == other.dimension && !self.arbitrary && !other.arbitrary
    }
}

/// Whether a text is a unit. The most frequent ones are known without parsing.
pub fn is_unit(symbol: &str) -> bool {
    matches!(
        symbol,
        "%" | "/min"
            | "1"
            | "10*12/L"
            | "10*3/uL"
            | "10*6/uL"
            | "10*9/L"
            | "Cel"
            | "L"
            | "U/L"
            | "[degF]"
            | "[in_i]"
            | "[iU]/L"
            | "[lb_av]"
            | "a"
            | "cm"
            | "d"
            | "fL"
            | "g"
            | "g/dL"
            | "g/L"
            | "h"
            | "kg"
            | "kg/m2"
            | "m"
            | "mg"
            | "mg/dL"
            | "min"
            | "mL"
            | "mL/min"
            | "mm[Hg]"
            | "mmol/L"
            | "mo"
            | "ng/mL"
            | "pg"
            | "s"
            | "ug"
            | "umol/L"
            | "wk"
            | "{score}"
    ) || unit(symbol).is_some()
}

/// The unit that a symbol stands for, if it is one.
pub fn unit(symbol: &str) -> Option<Unit> {
    let mut parser = Parser { rest: symbol };
    // A unit may start with the bar: `/min`.
    let inverse = parser.take('/');
    let unit = parser.term(MAX_DEPTH, inverse)?;
    parser.rest.is_empty().then_some(unit)
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn take(&mut self, symbol: char) -> bool {
        let rest = self.rest.strip_prefix(symbol);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let length = self.rest.bytes().take_while(|byte| accept(*byte)).count();
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or_default();
        self.rest = rest;
        taken
    }

    /// Components between `.` and `/`.
    fn term(&mut self, depth: u32, mut inverse: bool) -> Option<Unit> {
        let mut term = Unit::default();
        loop {
            let component = self.component(depth.checked_sub(1)?)?;
            term.arbitrary |= component.arbitrary;
            for (sum, exponent) in term.dimension.iter_mut().zip(component.dimension) {
                let change = if inverse { -exponent } else { exponent };
                *sum = sum.checked_add(change)?;
            }
            if self.take('/') {
                inverse = true;
            } else if self.take('.') {
                inverse = false;
            } else {
                return Some(term);
            }
        }
    }

    /// A term in parentheses, a number, or an atom with its exponent; an
    /// annotation may follow any of them (after parentheses the value sets of the
    /// specification have some) or stand alone.
    fn component(&mut self, depth: u32) -> Option<Unit> {
        let unit = if self.take('(') {
            let term = self.term(depth, false)?;
            self.take(')').then_some(term)?
        } else if self.rest.starts_with('{') {
            Unit::default()
        } else if self.rest.starts_with("10*") || self.rest.starts_with("10^") {
            self.rest = self.rest.get(3..)?;
            self.exponent()?;
            Unit::default()
        } else if self.take_while(|byte| byte.is_ascii_digit()).is_empty() {
            let mut unit = atom(self.symbol())?;
            let exponent = self.exponent()?;
            for sum in &mut unit.dimension {
                *sum = sum.checked_mul(exponent)?;
            }
            unit
        } else {
            Unit::default()
        };
        if self.rest.starts_with('{') {
            self.annotation()?;
        }
        Some(unit)
    }

    /// `{any printable ASCII but braces}`
    fn annotation(&mut self) -> Option<()> {
        self.take('{');
        self.take_while(|byte| matches!(byte, b' '..=b'~') && byte != b'{' && byte != b'}');
        self.take('}').then_some(())
    }

    /// Digits with or without a sign; 1 if there is none.
    fn exponent(&mut self) -> Option<i32> {
        let signed = self.rest.starts_with(['+', '-']);
        let negative = self.take('-');
        if !negative {
            self.take('+');
        }
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        match digits.parse::<i32>() {
            Ok(value) if negative => Some(-value),
            Ok(value) => Some(value),
            Err(_) => (digits.is_empty() && !signed).then_some(1),
        }
    }

    /// A prefix and an atom: everything up to an operator, a digit or a brace;
    /// between square brackets these too.
    fn symbol(&mut self) -> &'a str {
        let mut bracket = false;
        let length = self.rest.bytes().take_while(|byte| {
            match byte {
                b'[' => bracket = true,
                b']' => bracket = false,
                _ => {}
            }
            bracket || !b"./(){}+-0123456789".contains(byte)
        });
        let length = length.count();
        let (symbol, rest) = self.rest.split_at_checked(length).unwrap_or_default();
        self.rest = rest;
        symbol
    }
}

fn atom(symbol: &str) -> Option<Unit> {
    if let Some(entry) = find_entry(ATOMS, b'\n', symbol, true) {
        return Some(parse(entry).0);
    }
    PREFIXES.iter().find_map(|prefix| {
        let entry = find_entry(ATOMS, b'\n', symbol.strip_prefix(prefix)?, true)?;
        let (unit, metric) = parse(entry);
        metric.then_some(unit)
    })
}

/// An atom, and whether it takes prefixes.
fn parse(entry: &str) -> (Unit, bool) {
    let mut fields = entry.split('\t').skip(1);
    let flags = fields.next().unwrap_or_default();
    let exponents = fields.next().unwrap_or_default().split(',');
    let mut unit = Unit {
        arbitrary: flags.contains('a'),
        ..Unit::default()
    };
    for (slot, exponent) in unit.dimension.iter_mut().zip(exponents) {
        *slot = exponent.parse().unwrap_or_default();
    }
    (unit, flags.contains('m'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_atom_is_a_unit() {
        for line in ATOMS.lines() {
            let symbol = line.split('\t').next().expect("a symbol");
            assert!(unit(symbol).is_some(), "{symbol}");
        }
        assert_eq!(ATOMS.lines().count(), 312);
    }

    #[test]
    fn takes_units() {
        for symbol in [
            "1",
            "mg",
            "mm[Hg]",
            "mmol/L",
            "10*3/uL",
            "10*-6",
            "/min",
            "kg/m2",
            "mg/dL",
            "{score}",
            "%",
            "{beats}/min",
            "/min{beats}",
            "m[H2O]",
            "cm[H2O]",
            "[in_i'H2O]",
            "kcal/(8.h)",
            "mL/min/{1.73_m2}",
            "g.m/s2",
            "m.s-2",
            "Cel",
            "[degF]",
            "ug/m3",
            "[iU]/mL",
            "1/d",
            "10^9/L",
            "dB[10.nV]",
            "10*12/L",
            "nmol/10*6{RBC}",
            "/100{WBC}",
            "dag",
            "KiBy",
            "a_j",
        ] {
            assert!(unit(symbol).is_some() && is_unit(symbol), "{symbol}");
        }
    }

    #[test]
    fn refuses_others() {
        for symbol in [
            "",
            "mmHg",
            "beats/min",
            "lbs",
            "kg/",
            "mg//dL",
            "mg dL",
            "(mg",
            "mg)",
            "{score",
            "score}",
            "m-",
            "k%",
            "µg",
            "C elsius",
            "years",
            "10*+",
            "m^2",
            "k[in_i]",
            "mg.",
            "[lb_av",
            "hours",
            "()",
            "{é}",
        ] {
            assert_eq!(unit(symbol), None, "{symbol}");
        }
        assert_eq!(unit(&"(".repeat(10_000)), None);
        assert_eq!(unit("m99999999999"), None);
        assert_eq!(unit("m2147483647.m2147483647"), None);
    }

    #[test]
    fn knows_dimensions() {
        let same = |a, b| {
            let (a, b) = (unit(a).expect(a), unit(b).expect(b));
            a.is_commensurable(&b)
        };
        assert!(same("a", "min") && same("km", "[mi_i]") && same("N", "kg.m/s2"));
        assert!(same("L", "cm3") && same("kcal/(8.h)", "W") && same("/min", "Hz"));
        assert!(!same("a", "m") && !same("m2", "m") && !same("[iU]", "1"));
    }
}
