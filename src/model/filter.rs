//! [`Filter`]: a filter selector's logical expression (RFC 9535 §2.3.5), and its evaluation on one child.
//!
//! The evaluator is our own because exactness matters here: jsonpath-rust compares numbers with a tolerance and through
//! doubles. It stays the parser, and the tests' oracle where it is right.

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

use serde_json::{Number, Value};

/// A filter selector's logical expression, parsed, well-typed (RFC 9535 §2.4.3) and of the profile (rule 11).
///
/// Two filters are equal if their canonical texts are.
#[derive(Debug, Clone)]
pub struct Filter {
    text: Rc<str>,
    expression: Rc<Expression>,
}

impl Filter {
    pub(super) fn new(expression: Expression) -> Self {
        Self { text: expression.to_string().into(), expression: Rc::new(expression) }
    }

    /// The expression in canonical spelling, without `[?` and `]`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it selects `child`, an element or a member's value, by RFC 9535.
    ///
    /// The work is at most the child's size times the number of queries in the expression.
    #[must_use]
    pub fn selects(&self, child: &Value) -> bool {
        self.expression.holds(child)
    }

    /// Whether no value can be selected by both: each asks that one member equal a literal, and the literals differ.
    #[must_use]
    pub fn excludes(&self, other: &Self) -> bool {
        let theirs = other.expression.asked();
        self.expression
            .asked()
            .iter()
            .any(|(query, literal)| theirs.iter().any(|(other, different)| query == other && !same(literal, different)))
    }

    /// Queries of comparisons that a missing member makes true, and that no existence test on every path there covers (rule 11):
    /// `!=`, the opposite of any other, and `==`, `<=` or `>=` where both sides are missing.
    #[must_use]
    pub fn unguarded(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.expression.unguarded(false, &mut Vec::new(), &mut found);
        found.dedup();
        found
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Filter {}

impl std::hash::Hash for Filter {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Or(Vec<Expression>),
    And(Vec<Expression>),
    Not(Box<Expression>),
    Exists(Query),
    Compare(Operator, Operand, Operand),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Something of ValueType (RFC 9535 §2.4.1).
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Literal(Value),
    /// A singular query: names only.
    Single(Query),
    Length(Box<Operand>),
    Count(Query),
    Value(Query),
}

/// A relative query, `@` and steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query(pub(super) Vec<QueryStep>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum QueryStep {
    Member(String),
    Any,
}

impl Query {
    pub(super) fn is_singular(&self) -> bool {
        self.0.iter().all(|step| matches!(step, QueryStep::Member(_)))
    }

    /// The nodes that it selects.
    fn nodes<'v>(&self, child: &'v Value) -> Vec<&'v Value> {
        let mut nodes = vec![child];
        for step in &self.0 {
            let mut next = Vec::new();
            for node in nodes {
                match (step, node) {
                    (QueryStep::Member(name), Value::Object(members)) => next.extend(members.get(name)),
                    (QueryStep::Any, Value::Object(members)) => next.extend(members.values()),
                    (QueryStep::Any, Value::Array(elements)) => next.extend(elements),
                    _ => {}
                }
            }
            nodes = next;
        }
        nodes
    }

    /// The only node that it selects; `None` is RFC 9535's Nothing.
    fn single<'v>(&self, child: &'v Value) -> Option<&'v Value> {
        match self.nodes(child).as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }
}

/// An operand's value; `None` is RFC 9535's Nothing.
enum Operated<'v> {
    Borrowed(&'v Value),
    Count(usize),
}

impl Operand {
    fn value<'v>(&'v self, child: &'v Value) -> Option<Operated<'v>> {
        match self {
            Self::Literal(value) => Some(Operated::Borrowed(value)),
            Self::Single(query) | Self::Value(query) => query.single(child).map(Operated::Borrowed),
            Self::Count(query) => Some(Operated::Count(query.nodes(child).len())),
            Self::Length(of) => match of.value(child)? {
                Operated::Borrowed(Value::String(text)) => Some(Operated::Count(text.chars().count())),
                Operated::Borrowed(Value::Array(elements)) => Some(Operated::Count(elements.len())),
                Operated::Borrowed(Value::Object(members)) => Some(Operated::Count(members.len())),
                _ => None,
            },
        }
    }
}

impl Expression {
    fn holds(&self, child: &Value) -> bool {
        match self {
            Self::Or(any) => any.iter().any(|expression| expression.holds(child)),
            Self::And(all) => all.iter().all(|expression| expression.holds(child)),
            Self::Not(expression) => !expression.holds(child),
            Self::Exists(query) => !query.nodes(child).is_empty(),
            Self::Compare(operator, left, right) => {
                let (left, right) = (left.value(child), right.value(child));
                match operator {
                    Operator::Equal => equal(left.as_ref(), right.as_ref()),
                    Operator::NotEqual => !equal(left.as_ref(), right.as_ref()),
                    Operator::Less => less(left.as_ref(), right.as_ref()),
                    Operator::Greater => less(right.as_ref(), left.as_ref()),
                    Operator::LessOrEqual => {
                        less(left.as_ref(), right.as_ref()) || equal(left.as_ref(), right.as_ref())
                    }
                    Operator::GreaterOrEqual => {
                        less(right.as_ref(), left.as_ref()) || equal(left.as_ref(), right.as_ref())
                    }
                }
            }
        }
    }

    /// What has to equal a literal wherever it holds.
    fn asked(&self) -> Vec<(&Query, &Value)> {
        match self {
            Self::And(all) => all.iter().flat_map(Self::asked).collect(),
            Self::Compare(Operator::Equal, Operand::Single(query), Operand::Literal(literal))
            | Self::Compare(Operator::Equal, Operand::Literal(literal), Operand::Single(query)) => {
                vec![(query, literal)]
            }
            _ => Vec::new(),
        }
    }

    /// Collects the queries of comparisons that hold where nothing is, of the expression or its opposite, for which no
    /// conjunct beside or above tests existence.
    fn unguarded<'e>(&'e self, is_opposite: bool, known: &mut Vec<&'e Query>, found: &mut Vec<String>) {
        match self {
            Self::Or(parts) | Self::And(parts) => {
                let before = known.len();
                // The opposite of an "or" is the "and" of the opposites (De Morgan).
                if matches!(self, Self::And(_)) != is_opposite {
                    known.extend(parts.iter().filter_map(|part| part.tested(is_opposite)));
                }
                parts.iter().for_each(|part| part.unguarded(is_opposite, known, found));
                known.truncate(before);
            }
            Self::Not(expression) => expression.unguarded(!is_opposite, known, found),
            Self::Compare(operator, left, right) => {
                let queries = [left.query(), right.query()];
                let holds = |of_nothing: bool| of_nothing != is_opposite;
                let one = holds(*operator == Operator::NotEqual);
                let untested = |query: &&Query| !known.iter().any(|tested| tested.0.starts_with(&query.0));
                let missing: Vec<&Query> = queries.into_iter().flatten().filter(untested).collect();
                let both = missing.len() == queries.len() && holds(operator.is_reflexive());
                if one || both {
                    found.extend(missing.iter().map(ToString::to_string));
                }
            }
            Self::Exists(_) => {}
        }
    }

    /// What is there wherever the expression, or its opposite, holds.
    fn tested(&self, is_opposite: bool) -> Option<&Query> {
        match self {
            Self::Exists(query) => (!is_opposite).then_some(query),
            Self::Not(expression) => expression.tested(!is_opposite),
            Self::Or(_) | Self::And(_) | Self::Compare(..) => None,
        }
    }
}

impl Operator {
    /// Whether it holds between a value and itself, and between nothing and nothing.
    fn is_reflexive(self) -> bool {
        matches!(self, Self::Equal | Self::LessOrEqual | Self::GreaterOrEqual)
    }
}

impl Operand {
    /// What of the element it is made of, where that may be missing. A count is a number then, too.
    fn query(&self) -> Option<&Query> {
        match self {
            Self::Single(query) | Self::Value(query) => Some(query).filter(|query| !query.0.is_empty()),
            Self::Length(operand) => operand.query(),
            Self::Literal(_) | Self::Count(_) => None,
        }
    }
}

/// RFC 9535 §2.3.5.2.2 for `==`.
fn equal(left: Option<&Operated<'_>>, right: Option<&Operated<'_>>) -> bool {
    match (left, right) {
        (None, None) => true,
        (Some(Operated::Borrowed(left)), Some(Operated::Borrowed(right))) => same(left, right),
        (Some(left), Some(right)) => compare_numbers(left, right) == Some(Ordering::Equal),
        _ => false,
    }
}

/// RFC 9535 §2.3.5.2.2 for `<`: numbers with numbers, strings with strings by code points, which is UTF-8's byte order.
fn less(left: Option<&Operated<'_>>, right: Option<&Operated<'_>>) -> bool {
    match (left, right) {
        (Some(Operated::Borrowed(Value::String(left))), Some(Operated::Borrowed(Value::String(right)))) => left < right,
        (Some(left), Some(right)) => compare_numbers(left, right) == Some(Ordering::Less),
        _ => false,
    }
}

/// Deep equality with numbers by value.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            Numeric::of(left).compare(Numeric::of(right)) == Some(Ordering::Equal)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| right.get(name).is_some_and(|right| same(left, right)))
        }
        _ => left == right,
    }
}

fn compare_numbers(left: &Operated<'_>, right: &Operated<'_>) -> Option<Ordering> {
    let numeric = |operated: &Operated<'_>| match operated {
        Operated::Count(count) => Some(Numeric::Whole(i128::try_from(*count).unwrap_or(i128::MAX))),
        Operated::Borrowed(Value::Number(number)) => Some(Numeric::of(number)),
        Operated::Borrowed(_) => None,
    };
    numeric(left)?.compare(numeric(right)?)
}

/// A number that compares exactly: whole ones beyond 2^53 are not squeezed into a double unless the other is one.
#[derive(Clone, Copy)]
enum Numeric {
    Whole(i128),
    Double(f64),
}

impl Numeric {
    fn of(number: &Number) -> Self {
        match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => Self::Whole(i128::from(whole)),
            (_, Some(whole), _) => Self::Whole(i128::from(whole)),
            (_, _, Some(double)) => Self::Double(double),
            _ => Self::Double(f64::NAN),
        }
    }

    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(left), Self::Whole(right)) => Some(left.cmp(&right)),
            (left, right) => left.double().partial_cmp(&right.double()),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "only against a double, where RFC 7493 §2.2 promises no more precision"
    )]
    fn double(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Double(double) => double,
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(any) => join(f, any, " || ", |_| false),
            Self::And(all) => join(f, all, " && ", |part| matches!(part, Self::Or(_))),
            Self::Not(expression) => match &**expression {
                Self::Exists(query) => write!(f, "!{query}"),
                other => write!(f, "!({other})"),
            },
            Self::Exists(query) => write!(f, "{query}"),
            Self::Compare(operator, left, right) => {
                let operator = match operator {
                    Operator::Equal => "==",
                    Operator::NotEqual => "!=",
                    Operator::Less => "<",
                    Operator::LessOrEqual => "<=",
                    Operator::Greater => ">",
                    Operator::GreaterOrEqual => ">=",
                };
                write!(f, "{left} {operator} {right}")
            }
        }
    }
}

fn join(
    f: &mut fmt::Formatter<'_>,
    parts: &[Expression],
    between: &str,
    wrapped: fn(&Expression) -> bool,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        if wrapped(part) {
            write!(f, "({part})")?;
        } else {
            write!(f, "{part}")?;
        }
    }
    Ok(())
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(Value::String(text)) => quoted(f, text),
            Self::Literal(value) => write!(f, "{value}"),
            Self::Single(query) => write!(f, "{query}"),
            Self::Length(of) => write!(f, "length({of})"),
            Self::Count(query) => write!(f, "count({query})"),
            Self::Value(query) => write!(f, "value({query})"),
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("@")?;
        self.0.iter().try_for_each(|step| match step {
            QueryStep::Member(name) => member(f, name),
            QueryStep::Any => f.write_str("[*]"),
        })
    }
}

/// A name selector: the shorthand where the name allows it (RFC 9535 §2.5.1.1).
pub(super) fn member(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || (!c.is_ascii() && !c.is_whitespace());
    if name.chars().all(plain) && name.chars().next().is_some_and(|first| !first.is_ascii_digit()) {
        write!(f, ".{name}")
    } else {
        f.write_str("[")?;
        quoted(f, name)?;
        f.write_str("]")
    }
}

/// A string literal in single quotes (RFC 9535 §2.3.1.1).
fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("'")?;
    for c in text.chars() {
        match c {
            '\'' => f.write_str("\\'")?,
            '\\' => f.write_str("\\\\")?,
            '\u{0}'..='\u{1f}' => write!(f, "\\u{:04x}", u32::from(c))?,
            _ => write!(f, "{c}")?,
        }
    }
    f.write_str("'")
}
