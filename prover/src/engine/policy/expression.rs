//! The expressions of rules: `leverage <= 3 and (symbol in whitelist or 0.5 <= score <= 1)`.
//!
//! Grammar, loosest first, all operators but comparisons associative:
//!
//! ```text
//! or         = and { "or" and }
//! and        = not { "and" not }
//! not        = "not" not | "(" or ")" | comparison
//! comparison = operand relation operand [ relation operand ]   a second relation makes a range: lo <= x <= hi
//!            | operand [ "not" ] "in" ( name | "{" literal { "," literal } "}" )
//! relation   = "<=" | "<" | ">=" | ">" | "==" | "!="
//! operand    = number | string | name [ "[" index "]" ]
//! ```
//!
//! Names are letters, digits, `_` and `.`; strings stand in single quotes or double ones. Depth and length are bounded.

use super::{PolicyError, Position};

/// An expression of bits.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Compare {
        left: Operand,
        relation: Relation,
        right: Operand,
    },
    Member {
        operand: Operand,
        set: Set,
    },
}

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operand {
    pub(super) at: Position,
    pub(super) what: Term,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    Number(f64),
    Text(String),
    /// A feature, an output, a field of the metadata, a threshold or an aggregate; with an element's index.
    Name(String, Option<usize>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Set {
    Named(String, Position),
    Literal(Vec<Operand>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Relation {
    /// The relation of (r, l) where this one is that of (l, r).
    pub(super) fn swapped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }

    fn of(symbol: &str) -> Option<Self> {
        Some(match symbol {
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            _ => return None,
        })
    }
}

/// Reads an expression; `at` is where each byte of the text stands in the policy file.
///
/// # Errors
/// The first thing that does not fit, where it stands.
pub(super) fn parse(text: &str, at: &dyn Fn(usize) -> Position) -> Result<Expression, PolicyError> {
    let tokens = tokens(text, at)?;
    let end = at(text.len());
    let mut parser = Parser {
        tokens: &tokens,
        next: 0,
        end,
    };
    if tokens.is_empty() {
        return Err(PolicyError::at(
            at(0),
            "the rule is empty; write a condition such as \"leverage <= 3\"",
        ));
    }
    let expression = parser.or(0)?;
    match parser.peek() {
        None => Ok(expression),
        Some(token) => Err(PolicyError::at(
            token.at,
            format!(
                "{} is out of place; join conditions with and, or",
                token.shown()
            ),
        )),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Lexeme {
    Number(f64),
    Text(String),
    Name(String),
    Symbol(&'static str),
}

#[derive(Clone, Debug)]
struct Token {
    at: Position,
    lexeme: Lexeme,
}

impl Token {
    fn shown(&self) -> String {
        match &self.lexeme {
            Lexeme::Number(v) => format!("\"{v}\""),
            Lexeme::Text(text) => format!("\"'{text}'\""),
            Lexeme::Name(name) => format!("\"{name}\""),
            Lexeme::Symbol(symbol) => format!("\"{symbol}\""),
        }
    }
}

/// Longer symbols before their beginnings.
const SYMBOLS: [&str; 14] = [
    "<=", ">=", "==", "!=", "<", ">", "(", ")", "{", "}", "[", "]", ",", "=",
];

fn tokens(text: &str, at: &dyn Fn(usize) -> Position) -> Result<Vec<Token>, PolicyError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return Ok(tokens);
        };
        let here = at(text.len() - rest.len());
        if tokens.len() == MAX_TOKENS {
            return Err(PolicyError::at(
                here,
                format!("a rule has more than {MAX_TOKENS} words; split it"),
            ));
        }
        let (lexeme, length) = if first == '"' || first == '\'' {
            let Some(length) = rest[1..].find(first) else {
                return Err(PolicyError::at(
                    here,
                    "the text is not closed; end it with the quote it began with",
                ));
            };
            (Lexeme::Text(rest[1..=length].to_owned()), length + 2)
        } else if first.is_ascii_digit() || first == '-' || first == '+' || first == '.' {
            number(rest, here)?
        } else if first.is_alphabetic() || first == '_' {
            let inside = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
            let length = rest.find(|c| !inside(c)).unwrap_or(rest.len());
            (Lexeme::Name(rest[..length].to_owned()), length)
        } else {
            let Some(symbol) = SYMBOLS.iter().find(|s| rest.starts_with(**s)) else {
                return Err(PolicyError::at(
                    here,
                    format!("\"{first}\" means nothing here"),
                ));
            };
            if *symbol == "=" {
                return Err(PolicyError::at(
                    here,
                    "\"=\" means nothing here; write == to compare",
                ));
            }
            (Lexeme::Symbol(symbol), symbol.len())
        };
        tokens.push(Token { at: here, lexeme });
        rest = &rest[length..];
    }
}

/// A decimal number; underscores may part its digits.
fn number(rest: &str, here: Position) -> Result<(Lexeme, usize), PolicyError> {
    let mut length = 0;
    let mut before = ' ';
    for c in rest.chars() {
        let sign = (c == '-' || c == '+') && (length == 0 || before == 'e' || before == 'E');
        if !(sign || c.is_ascii_alphanumeric() || c == '.' || c == '_') {
            break;
        }
        before = c;
        length += c.len_utf8();
    }
    let digits = rest[..length].replace('_', "");
    match digits.parse::<f64>() {
        Ok(v) if v.is_finite() => Ok((Lexeme::Number(v), length)),
        _ => Err(PolicyError::at(
            here,
            format!("\"{}\" is no number", &rest[..length]),
        )),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    next: usize,
    end: Position,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.next)
    }

    fn here(&self) -> Position {
        self.peek().map_or(self.end, |token| token.at)
    }

    /// Takes a word or a symbol, if it is next.
    fn take(&mut self, word: &str) -> bool {
        let found = match self.peek().map(|token| &token.lexeme) {
            Some(Lexeme::Name(name)) => name == word,
            Some(Lexeme::Symbol(symbol)) => *symbol == word,
            _ => false,
        };
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), PolicyError> {
        if self.take(symbol) {
            return Ok(());
        }
        Err(PolicyError::at(
            self.here(),
            format!("\"{symbol}\" is missing here"),
        ))
    }

    fn or(&mut self, depth: usize) -> Result<Expression, PolicyError> {
        if depth == MAX_DEPTH {
            return Err(PolicyError::at(
                self.here(),
                format!("parentheses nest deeper than {MAX_DEPTH}"),
            ));
        }
        let mut any = vec![self.and(depth)?];
        while self.take("or") {
            any.push(self.and(depth)?);
        }
        Ok(single(any, Expression::Or))
    }

    fn and(&mut self, depth: usize) -> Result<Expression, PolicyError> {
        let mut all = vec![self.not(depth)?];
        while self.take("and") {
            all.push(self.not(depth)?);
        }
        Ok(single(all, Expression::And))
    }

    fn not(&mut self, depth: usize) -> Result<Expression, PolicyError> {
        let mut odd = false;
        while self.take("not") {
            odd = !odd;
        }
        let inner = if self.take("(") {
            let inner = self.or(depth + 1)?;
            self.expect(")")?;
            inner
        } else {
            self.comparison()?
        };
        Ok(match odd {
            true => Expression::Not(Box::new(inner)),
            false => inner,
        })
    }

    fn comparison(&mut self) -> Result<Expression, PolicyError> {
        let operand = self.operand()?;
        let negated = self.take("not");
        if self.take("in") {
            let set = self.set()?;
            let member = Expression::Member { operand, set };
            return Ok(match negated {
                true => Expression::Not(Box::new(member)),
                false => member,
            });
        }
        if negated {
            return Err(PolicyError::at(self.here(), "\"in\" is missing after not"));
        }
        let Some(relation) = self.relation() else {
            return Err(PolicyError::at(
                self.here(),
                "a comparison is missing here; write <=, <, >=, >, ==, != or in",
            ));
        };
        let middle = self.operand()?;
        let compare = |left: &Operand, relation, right: &Operand| Expression::Compare {
            left: left.clone(),
            relation,
            right: right.clone(),
        };
        let first = compare(&operand, relation, &middle);
        let Some(second) = self.relation() else {
            return Ok(first);
        };
        let last = self.operand()?;
        Ok(Expression::And(vec![
            first,
            compare(&middle, second, &last),
        ]))
    }

    fn relation(&mut self) -> Option<Relation> {
        let Some(Lexeme::Symbol(symbol)) = self.peek().map(|token| &token.lexeme) else {
            return None;
        };
        let relation = Relation::of(symbol)?;
        self.next += 1;
        Some(relation)
    }

    fn set(&mut self) -> Result<Set, PolicyError> {
        let at = self.here();
        if let Some(Lexeme::Name(name)) = self.peek().map(|token| &token.lexeme) {
            self.next += 1;
            return Ok(Set::Named(name.clone(), at));
        }
        if !self.take("{") {
            return Err(PolicyError::at(
                at,
                "a set is missing here: a name of [sets], or {A, B}",
            ));
        }
        let mut members = Vec::new();
        while !self.take("}") {
            if !members.is_empty() {
                self.expect(",")?;
            }
            let member = self.operand()?;
            if matches!(member.what, Term::Name(..)) {
                return Err(PolicyError::at(
                    member.at,
                    "a set holds numbers and quoted texts",
                ));
            }
            members.push(member);
        }
        if members.is_empty() {
            return Err(PolicyError::at(
                at,
                "the set is empty, so that nothing would be in it",
            ));
        }
        Ok(Set::Literal(members))
    }

    fn operand(&mut self) -> Result<Operand, PolicyError> {
        let at = self.here();
        let Some(token) = self.peek() else {
            return Err(PolicyError::at(
                at,
                "the rule ends too early: a name or a number is missing",
            ));
        };
        let what = match &token.lexeme {
            Lexeme::Number(v) => Term::Number(*v),
            Lexeme::Text(text) => Term::Text(text.clone()),
            Lexeme::Name(name) if !KEYWORDS.contains(&name.as_str()) => {
                Term::Name(name.clone(), None)
            }
            _ => {
                return Err(PolicyError::at(
                    at,
                    format!(
                        "{} stands where a name or a number is missing",
                        token.shown()
                    ),
                ))
            }
        };
        self.next += 1;
        let Term::Name(name, None) = &what else {
            return Ok(Operand { at, what });
        };
        if !self.take("[") {
            return Ok(Operand { at, what });
        }
        let index = match self.peek().map(|token| &token.lexeme) {
            Some(Lexeme::Number(v)) if v.fract() == 0.0 && (0.0..1e6).contains(v) => *v as usize,
            _ => {
                return Err(PolicyError::at(
                    self.here(),
                    "an index is a whole number from 0 on",
                ))
            }
        };
        self.next += 1;
        self.expect("]")?;
        Ok(Operand {
            at,
            what: Term::Name(name.clone(), Some(index)),
        })
    }
}

fn single(mut all: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match all.len() {
        1 => all.pop().expect("one expression"),
        _ => many(all),
    }
}

const KEYWORDS: [&str; 4] = ["and", "or", "not", "in"];
const MAX_TOKENS: usize = 4096;
const MAX_DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Expression, PolicyError> {
        parse(text, &|offset| Position {
            line: 1,
            column: offset + 1,
        })
    }

    fn name(name: &str) -> Term {
        Term::Name(name.into(), None)
    }

    #[test]
    fn and_binds_tighter_than_or() {
        let Ok(Expression::Or(any)) = read("a < 1 or b < 2 and not c < 3") else {
            panic!("an or");
        };
        assert!(matches!(&any[0], Expression::Compare { .. }));
        let Expression::And(all) = &any[1] else {
            panic!("an and");
        };
        assert!(matches!(&all[1], Expression::Not(_)));
    }

    #[test]
    fn ranges_are_two_comparisons() {
        let Ok(Expression::And(both)) = read("-1e3 <= x[2] < 1_000.5") else {
            panic!("two comparisons");
        };
        let x = Term::Name("x".into(), Some(2));
        let Expression::Compare {
            left,
            relation,
            right,
        } = &both[0]
        else {
            panic!("a comparison");
        };
        assert_eq!(
            (&left.what, *relation, &right.what),
            (&Term::Number(-1e3), Relation::LessOrEqual, &x)
        );
        let Expression::Compare {
            left,
            relation,
            right,
        } = &both[1]
        else {
            panic!("a comparison");
        };
        assert_eq!(
            (&left.what, *relation, &right.what),
            (&x, Relation::Less, &Term::Number(1000.5))
        );
    }

    #[test]
    fn sets_are_named_or_listed() {
        let Ok(Expression::Member {
            operand,
            set: Set::Named(set, _),
        }) = read("symbol in whitelist")
        else {
            panic!("a set");
        };
        assert_eq!((operand.what, set.as_str()), (name("symbol"), "whitelist"));
        let Ok(Expression::Not(member)) = read("symbol not in {'A', \"B-C\"}") else {
            panic!("a set");
        };
        let Expression::Member {
            set: Set::Literal(members),
            ..
        } = *member
        else {
            panic!("a list");
        };
        assert_eq!(members[1].what, Term::Text("B-C".into()));
    }

    #[test]
    fn mistakes_are_told_where_they_stand() {
        for (text, column, part) in [
            ("", 1, "empty"),
            ("   ", 1, "empty"),
            ("a <", 4, "ends too early"),
            ("a = 3", 3, "=="),
            ("a <= 3 b", 8, "out of place"),
            ("a", 2, "comparison is missing"),
            ("(a < 1", 7, "\")\" is missing"),
            ("a in {}", 6, "empty"),
            ("a in {b}", 7, "quoted"),
            ("a in 3", 6, "set is missing"),
            ("a < 1e", 5, "no number"),
            ("a < 'x", 5, "not closed"),
            ("a < $", 5, "means nothing"),
            ("a[x] < 1", 3, "whole number"),
            ("a < and", 5, "stands where"),
            ("a not 3", 7, "\"in\" is missing"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(
                error.position.map(|p| p.column),
                Some(column),
                "{text}: {error}"
            );
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
        let deep = "(".repeat(100) + "a < 1" + &")".repeat(100);
        assert!(read(&deep).unwrap_err().to_string().contains("deeper"));
        let long = "a < 1 and ".repeat(2000) + "a < 1";
        assert!(read(&long).unwrap_err().to_string().contains("split"));
    }
}
