//! [`Template`]: the path of a route, and which of two is the more specific (rule 4).

use std::cmp::{Ordering, Reverse};
use std::fmt;

/// A route's path (rule 4): compared as raw segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its segments, without the slashes.
    pub segments: Vec<TemplateSegment>,
    /// Whether it ends in a slash.
    pub trailing_slash: bool,
}

/// One segment of a route's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateSegment {
    /// Exactly these bytes, in canonical percent-encoding.
    Literal(String),
    /// Literal text around one parameter, which is one or more characters: `{id}.json`, `Products({id})`.
    Part {
        /// What stands before the parameter.
        before: String,
        /// The parameter's name.
        name: String,
        /// What stands after it.
        after: String,
    },
    /// `{name}`: exactly one non-empty segment.
    Parameter(String),
    /// `{name+}`: one or more segments. Always the last one.
    Rest(String),
}

/// How specific a segment is; the smaller goes before the larger.
pub(crate) type Rank = (u8, Reverse<usize>);

/// How two templates stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// No path fits both.
    Apart,
    /// Some path fits both, and one of them is the more specific.
    Ordered,
    /// Some path fits both, and neither is the more specific.
    Conflict,
}

impl Template {
    /// The order of routes among those that fit one path: at the first differing segment a literal goes before literal text
    /// with a parameter, of which more literal characters go first, that before `{name}`, and that before `{name+}`.
    #[must_use]
    pub(crate) fn rank(&self) -> Vec<Rank> {
        self.segments.iter().map(TemplateSegment::rank).collect()
    }

    /// Whether both fit the same paths: they are the same but for the names of their parameters.
    #[must_use]
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        self.trailing_slash == other.trailing_slash
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(|(one, other)| one.is_alike(other))
    }

    /// How two templates of one method stand to each other.
    #[must_use]
    pub fn relation(&self, other: &Self) -> Relation {
        if !self.meets(other) {
            return Relation::Apart;
        }
        let differing = self.segments.iter().zip(&other.segments).find(|(one, other)| !one.is_alike(other));
        match differing.map(|(one, other)| one.rank().cmp(&other.rank())) {
            Some(Ordering::Less | Ordering::Greater) => Relation::Ordered,
            Some(Ordering::Equal) | None => Relation::Conflict,
        }
    }

    /// Whether some path fits both.
    fn meets(&self, other: &Self) -> bool {
        if self.trailing_slash != other.trailing_slash {
            return false;
        }
        let (mut ours, mut theirs) = (self.segments.iter(), other.segments.iter());
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return true,
                // Whatever is left of the other is one segment or more.
                (Some(TemplateSegment::Rest(_)), Some(_)) | (Some(_), Some(TemplateSegment::Rest(_))) => return true,
                (Some(one), Some(other)) if one.meets(other) => {}
                _ => return false,
            }
        }
    }

    /// The path with every parameter called `{}`: equal for templates that fit the same paths.
    #[must_use]
    pub fn erased(&self) -> String {
        self.text(|_| "")
    }

    /// A path that fits it.
    #[must_use]
    pub fn example(&self, value: &str) -> String {
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            match segment {
                TemplateSegment::Literal(literal) => path.push_str(literal),
                TemplateSegment::Part { before, after, .. } => path.extend([before.as_str(), value, after]),
                TemplateSegment::Parameter(_) | TemplateSegment::Rest(_) => path.push_str(value),
            }
        }
        self.closed(path)
    }

    fn text(&self, named: impl Fn(&str) -> &str) -> String {
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            match segment {
                TemplateSegment::Literal(literal) => path.push_str(literal),
                TemplateSegment::Part { before, name, after } => {
                    path.push_str(&format!("{before}{{{}}}{after}", named(name)));
                }
                TemplateSegment::Parameter(name) => path.push_str(&format!("{{{}}}", named(name))),
                TemplateSegment::Rest(name) => path.push_str(&format!("{{{}+}}", named(name))),
            }
        }
        self.closed(path)
    }

    fn closed(&self, mut path: String) -> String {
        if self.trailing_slash {
            path.push('/');
        }
        path
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(|name| name))
    }
}

impl TemplateSegment {
    /// The name of its parameter.
    #[must_use]
    pub fn parameter(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Part { name, .. } | Self::Parameter(name) | Self::Rest(name) => Some(name),
        }
    }

    fn rank(&self) -> Rank {
        match self {
            Self::Literal(_) => (0, Reverse(0)),
            Self::Part { before, after, .. } => (1, Reverse(before.len().saturating_add(after.len()))),
            Self::Parameter(_) => (2, Reverse(0)),
            Self::Rest(_) => (3, Reverse(0)),
        }
    }

    /// Whether both are the same but for the name of the parameter.
    fn is_alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(one), Self::Literal(other)) => one == other,
            (Self::Part { before: one, after: end, .. }, Self::Part { before: other_one, after: other_end, .. }) => {
                one == other_one && end == other_end
            }
            (Self::Parameter(_), Self::Parameter(_)) | (Self::Rest(_), Self::Rest(_)) => true,
            (Self::Literal(_) | Self::Part { .. } | Self::Parameter(_) | Self::Rest(_), _) => false,
        }
    }

    /// Whether some segment fits both.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(one), Self::Literal(other)) => one == other,
            (Self::Literal(literal), Self::Part { before, after, .. })
            | (Self::Part { before, after, .. }, Self::Literal(literal)) => between(literal, before, after).is_some(),
            (Self::Part { before: one, after: end, .. }, Self::Part { before: other_one, after: other_end, .. }) => {
                (one.starts_with(other_one.as_str()) || other_one.starts_with(one.as_str()))
                    && (end.ends_with(other_end.as_str()) || other_end.ends_with(end.as_str()))
            }
            (Self::Parameter(_) | Self::Rest(_), _) | (_, Self::Parameter(_) | Self::Rest(_)) => true,
        }
    }
}

/// What stands between two texts in a segment: one or more characters.
#[must_use]
pub fn between<'s>(segment: &'s str, before: &str, after: &str) -> Option<&'s str> {
    segment.strip_prefix(before)?.strip_suffix(after).filter(|part| !part.is_empty())
}
