//! [`FieldPath`]: the profile of RFC 9535 that names places in a body (rule 11). The only file that names jsonpath-rust.
//!
//! jsonpath-rust parses; what it parsed is then converted, selector by selector, to what the profile has, so whatever it
//! accepts beyond the standard is refused here.

use std::fmt;
use std::rc::Rc;

use jsonpath_rust::parser::model as jp;
use jsonpath_rust::parser::parse_json_path;
use serde_json::Value;

use super::filter::{self, Expression, Operand, Operator, Query, QueryStep};
use super::path_fault::{self, PathFault};

pub use super::filter::Filter;

#[cfg(test)]
mod tests;

/// Longest path, in bytes: parsing goes back and forth over nested brackets, and nobody reads a longer one.
pub(super) const MAX_LENGTH: usize = 1024;

/// Brackets and parentheses open at once in a path.
const MAX_NESTING: usize = 8;

/// A place, or several, in a body.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldPath {
    /// The steps from the root.
    pub segments: Vec<Segment>,
    /// Whether it ends in `..*`: every scalar below (rule 12).
    pub open: bool,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// The member of that name, as decoded code points.
    Member(Rc<str>),
    /// Every member or element.
    Any,
    /// Every member or element that the filter selects.
    Filtered(Filter),
}

impl Segment {
    /// The step to all among which a filter chooses; one without a filter is that itself.
    #[must_use]
    pub fn without_filter(&self) -> Self {
        match self {
            Self::Filtered(_) => Self::Any,
            Self::Any | Self::Member(_) => self.clone(),
        }
    }
}

impl FieldPath {
    /// Parses a path of the profile; equal places in different spellings give equal paths.
    ///
    /// # Errors
    /// What is wrong, with what to write instead where that can be said.
    pub fn parse(text: &str) -> Result<Self, PathFault> {
        path_fault::before(text, MAX_LENGTH, MAX_NESTING)?;
        match plain(text) {
            Some(segments) => Ok(Self { segments, open: false }),
            None => Self::parse_any(text),
        }
    }

    fn parse_any(text: &str) -> Result<Self, PathFault> {
        let query = parse_json_path(text).map_err(|_| path_fault::guess(text))?;
        let mut segments = Vec::with_capacity(query.segments.len());
        let mut open = false;
        for segment in &query.segments {
            if open {
                return Err(
                    PathFault::profile("`..*` is not the path's last segment").help("name the members on the way")
                );
            }
            match segment {
                jp::Segment::Selector(selector) => segments.push(step(selector)?),
                jp::Segment::Selectors(_) => {
                    return Err(
                        PathFault::profile("it names several members in one bracket").help("write one entry for each")
                    );
                }
                jp::Segment::Descendant(inner) => match &**inner {
                    jp::Segment::Selector(jp::Selector::Wildcard) => open = true,
                    _ => {
                        return Err(PathFault::profile("it searches at any depth").help(
                            "name the members on the way; only `..*` at the very end is possible, and shows all below",
                        ));
                    }
                },
            }
        }
        Ok(Self { segments, open })
    }

    /// The path of `relative` below this one (rule 10). This one's `..*`, if it has one, is lost: mounts have none.
    #[must_use]
    pub fn join(&self, relative: &Self) -> Self {
        let segments = self.segments.iter().chain(&relative.segments).cloned().collect();
        Self { segments, open: relative.open }
    }

    /// Whether some scalar may be at both places, in some body.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (short, long) = if self.segments.len() <= other.segments.len() { (self, other) } else { (other, self) };
        // `..*` speaks of what is below its place, never of the place itself.
        let fits = if short.segments.len() == long.segments.len() { short.open == long.open } else { short.open };
        fits && meet(&short.segments, &long.segments)
    }

    /// Whether every place that the other names is one of this path's, in every body.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.segments.len(), other.segments.len());
        let deep = match (self.open, other.open) {
            (true, true) => theirs >= ours,
            (true, false) => theirs > ours,
            (false, true) => false,
            (false, false) => theirs == ours,
        };
        deep && self.takes_steps_of(other)
    }

    /// Whether each step of this path takes whatever the other's takes there, as far as both go.
    #[must_use]
    pub fn takes_steps_of(&self, other: &Self) -> bool {
        self.segments.iter().zip(&other.segments).all(|(one, other)| *one == Segment::Any || one == other)
    }

    /// Whether this path may name `place` or a place below it, in some body.
    #[must_use]
    pub fn reaches_into(&self, place: &Self) -> bool {
        let deep = self.segments.len() >= place.segments.len() || self.open;
        deep && meet(&self.segments, &place.segments)
    }

    /// The array and the filter of a path that ends in one (rule 26).
    #[must_use]
    pub fn split_filter(&self) -> Option<(Self, &Filter)> {
        match self.segments.split_last() {
            Some((Segment::Filtered(filter), array)) if !self.open => {
                Some((Self { segments: array.to_vec(), open: false }, filter))
            }
            _ => None,
        }
    }

    /// Whether it has a filter.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        self.segments.iter().any(|segment| matches!(segment, Segment::Filtered(_)))
    }
}

/// The steps of a path of nothing but `.name` and `[*]`, names in ASCII letters, digits and `_`; `None` for any other. Nearly
/// all paths are such, and the library takes most of a configuration's time for them.
fn plain(text: &str) -> Option<Vec<Segment>> {
    let mut rest = text.strip_prefix('$')?;
    let mut segments = Vec::new();
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix("[*]") {
            segments.push(Segment::Any);
            rest = behind;
            continue;
        }
        let named = rest.strip_prefix('.')?;
        let end = named.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(named.len());
        let (name, behind) = named.split_at_checked(end)?;
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return None;
        }
        segments.push(Segment::Member(name.into()));
        rest = behind;
    }
    Some(segments)
}

/// Whether the shorter of two step lists can be the start of a path to the same place as the longer.
fn meet(left: &[Segment], right: &[Segment]) -> bool {
    left.iter().zip(right).all(|(left, right)| match (left, right) {
        (Segment::Member(left), Segment::Member(right)) => left == right,
        (Segment::Filtered(left), Segment::Filtered(right)) => !left.excludes(right),
        _ => true,
    })
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for segment in &self.segments {
            match segment {
                Segment::Member(name) => filter::member(f, name)?,
                Segment::Any => f.write_str("[*]")?,
                Segment::Filtered(filter) => write!(f, "[?{}]", filter.as_str())?,
            }
        }
        if self.open { f.write_str("..*") } else { Ok(()) }
    }
}

fn step(selector: &jp::Selector) -> Result<Segment, PathFault> {
    match selector {
        jp::Selector::Name(name) => Ok(Segment::Member(name.as_str().into())),
        jp::Selector::Wildcard => Ok(Segment::Any),
        jp::Selector::Filter(filter) => Ok(Segment::Filtered(Filter::new(expression(filter)?))),
        jp::Selector::Index(index) => Err(index_fault(*index)),
        jp::Selector::Slice(..) => Err(slice_fault()),
    }
}

fn index_fault(index: i64) -> PathFault {
    if index < 0 {
        PathFault::profile(format!("`[{index}]` counts from the end"))
            .help("use `[*]`: an entry speaks about every element")
    } else {
        PathFault::profile(format!("`[{index}]` counts elements"))
            .help("use `[*]`: an entry speaks about every element")
    }
}

fn slice_fault() -> PathFault {
    PathFault::profile("it takes a slice of an array").help("use `[*]`; `max_records` bounds how many elements leave")
}

fn expression(filter: &jp::Filter) -> Result<Expression, PathFault> {
    let all = |parts: &[jp::Filter]| parts.iter().map(expression).collect::<Result<Vec<_>, _>>();
    match filter {
        jp::Filter::Or(parts) => Ok(Expression::Or(all(parts)?)),
        jp::Filter::And(parts) => Ok(Expression::And(all(parts)?)),
        jp::Filter::Atom(jp::FilterAtom::Filter { expr, not }) => Ok(negate(*not, expression(expr)?)),
        jp::Filter::Atom(jp::FilterAtom::Test { expr, not }) => Ok(negate(*not, test(expr)?)),
        jp::Filter::Atom(jp::FilterAtom::Comparison(comparison)) => {
            use jp::Comparison as C;
            let operator = match &**comparison {
                C::Eq(..) => Operator::Equal,
                C::Ne(..) => Operator::NotEqual,
                C::Lt(..) => Operator::Less,
                C::Lte(..) => Operator::LessOrEqual,
                C::Gt(..) => Operator::Greater,
                C::Gte(..) => Operator::GreaterOrEqual,
            };
            let (left, right) = comparison.vals();
            Ok(Expression::Compare(operator, comparable(left)?, comparable(right)?))
        }
    }
}

fn negate(not: bool, expression: Expression) -> Expression {
    if not { Expression::Not(Box::new(expression)) } else { expression }
}

fn test(test: &jp::Test) -> Result<Expression, PathFault> {
    match test {
        jp::Test::RelQuery(segments) => Ok(Expression::Exists(relative(segments)?)),
        jp::Test::AbsQuery(_) => Err(absolute_fault()),
        jp::Test::Function(function) => {
            function_operand(function)?;
            Err(PathFault::profile("it tests a function's result without comparing it")
                .help("compare it: `length(@.a) > 0`"))
        }
    }
}

fn absolute_fault() -> PathFault {
    PathFault::profile("its filter looks at `$`, the whole body")
        .help("start the query with `@`: a filter sees one element at a time")
}

fn relative(segments: &[jp::Segment]) -> Result<Query, PathFault> {
    let step = |segment: &jp::Segment| match segment {
        jp::Segment::Selector(jp::Selector::Name(name)) => Ok(QueryStep::Member(name.clone())),
        jp::Segment::Selector(jp::Selector::Wildcard) => Ok(QueryStep::Any),
        jp::Segment::Selector(jp::Selector::Filter(_)) => Err(PathFault::profile("it has a filter inside a filter")
            .help("write the inner one as a step of the path, or test members directly")),
        jp::Segment::Selector(jp::Selector::Index(_)) => Err(inner_index_fault()),
        jp::Segment::Selector(jp::Selector::Slice(..)) => {
            Err(PathFault::profile("its filter takes a slice of an array").help("test a member, or use `[*]`"))
        }
        jp::Segment::Selectors(_) => Err(PathFault::profile("its filter names several members in one bracket")
            .help("write a test for each and join them with `||`")),
        jp::Segment::Descendant(_) => {
            Err(PathFault::profile("its filter searches at any depth").help("name the members on the way"))
        }
    };
    segments.iter().map(step).collect::<Result<_, _>>().map(Query)
}

fn inner_index_fault() -> PathFault {
    PathFault::profile("its filter looks at an element by its index")
        .help("test a member, or use `[*]`: which element comes first is the upstream's choice")
}

fn comparable(comparable: &jp::Comparable) -> Result<Operand, PathFault> {
    match comparable {
        jp::Comparable::Literal(of) => literal(of),
        jp::Comparable::Function(function) => function_operand(function),
        jp::Comparable::SingularQuery(jp::SingularQuery::Root(_)) => Err(absolute_fault()),
        jp::Comparable::SingularQuery(jp::SingularQuery::Current(segments)) => {
            let step = |segment: &jp::SingularQuerySegment| match segment {
                jp::SingularQuerySegment::Name(name) => Ok(QueryStep::Member(name.clone())),
                jp::SingularQuerySegment::Index(_) => Err(inner_index_fault()),
            };
            segments.iter().map(step).collect::<Result<_, _>>().map(|steps| Operand::Single(Query(steps)))
        }
    }
}

fn literal(literal: &jp::Literal) -> Result<Operand, PathFault> {
    let value = match literal {
        jp::Literal::Int(number) => Value::from(*number),
        jp::Literal::Float(number) => {
            serde_json::Number::from_f64(*number).map(Value::Number).ok_or_else(path_fault::number)?
        }
        jp::Literal::String(text) => Value::from(text.as_str()),
        jp::Literal::Bool(value) => Value::from(*value),
        jp::Literal::Null => Value::Null,
    };
    Ok(Operand::Literal(value))
}

/// A function of ValueType with well-typed arguments (RFC 9535 §2.4.4 to §2.4.8).
fn function_operand(function: &jp::TestFunction) -> Result<Operand, PathFault> {
    match function {
        jp::TestFunction::Length(argument) => value_argument(argument).map(|of| Operand::Length(Box::new(of))),
        jp::TestFunction::Count(argument) => nodes_argument(argument, "count").map(Operand::Count),
        jp::TestFunction::Value(argument) => nodes_argument(argument, "value").map(Operand::Value),
        jp::TestFunction::Match(..) => Err(regex_fault("match")),
        jp::TestFunction::Search(..) => Err(regex_fault("search")),
        jp::TestFunction::Custom(name, _) => Err(path_fault::unknown_function(name)),
    }
}

fn regex_fault(name: &str) -> PathFault {
    PathFault::profile(format!("its filter calls `{name}()`, a regular expression"))
        .help("compare with `==`, one value at a time, joined by `||`")
}

fn value_argument(argument: &jp::FnArg) -> Result<Operand, PathFault> {
    match argument {
        jp::FnArg::Literal(of) => literal(of),
        jp::FnArg::Test(test) => match &**test {
            jp::Test::RelQuery(segments) => {
                let query = relative(segments)?;
                if query.is_singular() {
                    Ok(Operand::Single(query))
                } else {
                    Err(PathFault::profile(format!("`length({query})` asks for the length of several nodes"))
                        .help(format!("use `count({query})` for how many there are")))
                }
            }
            jp::Test::AbsQuery(_) => Err(absolute_fault()),
            jp::Test::Function(function) => function_operand(function),
        },
        jp::FnArg::Filter(_) => Err(PathFault::profile("`length()` of a condition")),
    }
}

fn nodes_argument(argument: &jp::FnArg, name: &str) -> Result<Query, PathFault> {
    match argument {
        jp::FnArg::Test(test) => match &**test {
            jp::Test::RelQuery(segments) => relative(segments),
            jp::Test::AbsQuery(_) => Err(absolute_fault()),
            jp::Test::Function(_) => Err(path_fault::query_wanted(name)),
        },
        jp::FnArg::Literal(_) | jp::FnArg::Filter(_) => Err(path_fault::query_wanted(name)),
    }
}
