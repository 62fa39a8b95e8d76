//! [`Pattern`]: where an expectation looks, and [`Place`]: where something was found.
//!
//! Expectations read what the caller gets. A filter may ask for a member that the caller does not get, and would then
//! select nothing and prove nothing: so a pattern has names, `*` and indexes, and no filters.

use std::fmt;

use serde_json::Value;

/// One step from a value to a child.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PlaceStep {
    /// The member of that name, as decoded code points.
    Member(String),
    /// The element at that index, from 0.
    Element(usize),
}

/// One place in a body: the steps from its root. Displays as an RFC 9535 normalised path, shortened where that is safe.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Place(pub Vec<PlaceStep>);

impl Place {
    /// The place's child.
    #[must_use]
    pub fn child(&self, step: PlaceStep) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The path with every index as `*`: what the place has in common with its siblings.
    #[must_use]
    pub fn general(&self) -> String {
        let mut text = String::from("$");
        for step in &self.0 {
            match step {
                PlaceStep::Member(name) => write_member(&mut text, name),
                PlaceStep::Element(_) => text.push_str("[*]"),
            }
        }
        text
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::from("$");
        for step in &self.0 {
            match step {
                PlaceStep::Member(name) => write_member(&mut text, name),
                PlaceStep::Element(index) => {
                    text.push('[');
                    text.push_str(&index.to_string());
                    text.push(']');
                }
            }
        }
        f.write_str(&text)
    }
}

/// Appends `.name` where RFC 9535 §2.5.1.1 allows the shorthand, else `['name']`.
pub(crate) fn write_member(text: &mut String, name: &str) {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    let plain = name.chars().next().is_some_and(first) && name.chars().all(|c| first(c) || c.is_ascii_digit());
    if plain {
        text.push('.');
        text.push_str(name);
    } else {
        text.push_str("['");
        for c in name.chars() {
            match c {
                '\'' | '\\' => {
                    text.push('\\');
                    text.push(c);
                }
                c if c.is_control() => text.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => text.push(c),
            }
        }
        text.push_str("']");
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Descent {
    Member(String),
    Index(usize),
    Any,
}

/// A path of names, `*` and indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    steps: Vec<Descent>,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternFault {
    /// What is wrong, as the end of a sentence about the path.
    pub what: String,
    /// What to write instead.
    pub help: String,
}

impl PatternFault {
    fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into() }
    }
}

impl Pattern {
    /// Reads a path.
    ///
    /// # Errors
    /// When the text is not a path of names, `*` and indexes counted from the start.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        let Some(mut rest) = text.strip_prefix('$') else {
            return Err(PatternFault::new("does not start at the root", format!("write `$.{text}`")));
        };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, behind) = next_step(rest)?;
            steps.push(step);
            rest = behind;
        }
        Ok(Self { text: text.to_owned(), steps })
    }

    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it names at most one place in any body.
    #[must_use]
    pub fn singular(&self) -> bool {
        self.steps.iter().all(|step| *step != Descent::Any)
    }

    /// Whether it is the root itself.
    #[must_use]
    pub fn root(&self) -> bool {
        self.steps.is_empty()
    }

    /// Every place that it names in `body`, in document order.
    #[must_use]
    pub fn find<'v>(&self, body: &'v Value) -> Vec<(Place, &'v Value)> {
        let mut found = vec![(Place::default(), body)];
        for step in &self.steps {
            let mut next = Vec::new();
            for (place, value) in found {
                match (step, value) {
                    (Descent::Member(name), Value::Object(members)) => {
                        if let Some(child) = members.get(name) {
                            next.push((place.child(PlaceStep::Member(name.clone())), child));
                        }
                    }
                    (Descent::Index(index), Value::Array(elements)) => {
                        if let Some(child) = elements.get(*index) {
                            next.push((place.child(PlaceStep::Element(*index)), child));
                        }
                    }
                    (Descent::Any, Value::Object(members)) => next.extend(
                        members.iter().map(|(name, child)| (place.child(PlaceStep::Member(name.clone())), child)),
                    ),
                    (Descent::Any, Value::Array(elements)) => next.extend(
                        elements
                            .iter()
                            .enumerate()
                            .map(|(index, child)| (place.child(PlaceStep::Element(index)), child)),
                    ),
                    _ => {}
                }
            }
            found = next;
        }
        found
    }

    /// How long each array is of which it takes one element, with the step that takes it: in document order for each step.
    #[must_use]
    pub fn indexed_lengths(&self, body: &Value) -> Vec<(usize, usize)> {
        let steps = self.steps.iter().enumerate().filter(|(_, step)| matches!(step, Descent::Index(_)));
        let before = |(at, _): (usize, _)| {
            let prefix = Self { text: String::new(), steps: self.steps.iter().take(at).cloned().collect() };
            let lengths = prefix.find(body).into_iter().filter_map(|(_, value)| value.as_array().map(Vec::len));
            lengths.map(|length| (at, length)).collect::<Vec<_>>()
        };
        steps.flat_map(before).collect()
    }

    /// Whether `place` is one that it names, or lies below one.
    #[must_use]
    pub fn covers(&self, place: &Place) -> bool {
        place.0.len() >= self.steps.len()
            && self.steps.iter().zip(&place.0).all(|(step, taken)| match (step, taken) {
                (Descent::Member(name), PlaceStep::Member(other)) => name == other,
                (Descent::Index(index), PlaceStep::Element(other)) => index == other,
                (Descent::Any, _) => true,
                _ => false,
            })
    }
}

fn next_step(rest: &str) -> Result<(Descent, &str), PatternFault> {
    if rest.starts_with("..") {
        return Err(PatternFault::new(
            "has a descendant segment",
            "name each place: an expectation is about one of them",
        ));
    }
    if let Some(behind) = rest.strip_prefix(".*") {
        return Ok((Descent::Any, behind));
    }
    if let Some(behind) = rest.strip_prefix('.') {
        let end = behind.find(['.', '[']).unwrap_or(behind.len());
        let (name, behind) = behind.split_at(end);
        if name.is_empty() {
            return Err(PatternFault::new("has a step without a name", "take out the extra `.`"));
        }
        let first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
        if !name.chars().next().is_some_and(first) || !name.chars().all(|c| first(c) || c.is_ascii_digit()) {
            return Err(PatternFault::new(
                format!("has the name `{name}`, which the short form cannot hold"),
                format!("write `['{name}']`"),
            ));
        }
        return Ok((Descent::Member(name.to_owned()), behind));
    }
    let Some(inner) = rest.strip_prefix('[') else {
        return Err(PatternFault::new(
            format!("goes on with `{rest}`"),
            "a step is `.name`, `['name']`, `[*]` or `[0]`",
        ));
    };
    if let Some(behind) = inner.strip_prefix("*]") {
        return Ok((Descent::Any, behind));
    }
    if inner.starts_with('?') {
        return Err(PatternFault::new(
            "has a filter, which may ask for a member that the caller does not get",
            "use `*` with the list of all values (`$.items[*].id: [1, 2]`)",
        ));
    }
    if inner.starts_with(['\'', '"']) {
        return quoted(inner);
    }
    let Some((digits, behind)) = inner.split_once(']') else {
        return Err(PatternFault::new("has a `[` without its `]`", "a step is `.name`, `['name']`, `[*]` or `[0]`"));
    };
    match digits.parse::<usize>() {
        Ok(index) if digits == "0" || !digits.starts_with(['0', '+']) => Ok((Descent::Index(index), behind)),
        _ => Err(PatternFault::new(
            format!("has the selector `[{digits}]`"),
            "a step is `.name`, `['name']`, `[*]` or `[0]`",
        )),
    }
}

/// A quoted name selector (RFC 9535 §2.3.1), from its quote.
fn quoted(inner: &str) -> Result<(Descent, &str), PatternFault> {
    let unfinished = || PatternFault::new("has a quoted name without its end", "write `['name']`");
    let mut chars = inner.char_indices();
    let (_, quote) = chars.next().ok_or_else(unfinished)?;
    let mut name = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, escaped @ ('\\' | '\'' | '"' | '/'))) => name.push(escaped),
                Some((_, 'n')) => name.push('\n'),
                Some((_, 't')) => name.push('\t'),
                _ => {
                    return Err(PatternFault::new(
                        "has an escape that is not known here",
                        "write the character itself",
                    ));
                }
            },
            c if c == quote => {
                let behind = inner.get(at.saturating_add(1)..).unwrap_or("");
                let behind = behind.strip_prefix(']').ok_or_else(unfinished)?;
                return Ok((Descent::Member(name), behind));
            }
            c => name.push(c),
        }
    }
    Err(unfinished())
}

/// What a container holds, with the place of each; nothing of a scalar.
fn children<'v>(place: &Place, value: &'v Value) -> Vec<(Place, &'v Value)> {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, child)| (place.child(PlaceStep::Member(name.clone())), child)).collect()
        }
        Value::Array(elements) => {
            let indexed = elements.iter().enumerate();
            indexed.map(|(index, child)| (place.child(PlaceStep::Element(index)), child)).collect()
        }
        _ => Vec::new(),
    }
}

/// Every scalar of `body` with its place, in document order.
#[must_use]
pub fn scalars(body: &Value) -> Vec<(Place, &Value)> {
    let mut found = Vec::new();
    let mut open = vec![(Place::default(), body)];
    while let Some((place, value)) = open.pop() {
        match value {
            Value::Object(_) | Value::Array(_) => open.extend(children(&place, value).into_iter().rev()),
            _ => found.push((place, value)),
        }
    }
    found
}

/// Every place of `body` but its root, in document order.
#[must_use]
pub fn all_places(body: &Value) -> Vec<Place> {
    let mut found = Vec::new();
    let mut open = vec![(Place::default(), body)];
    while let Some((place, value)) = open.pop() {
        open.extend(children(&place, value).into_iter().rev());
        if !place.0.is_empty() {
            found.push(place);
        }
    }
    found
}

/// The general path of `body` that is nearest to `wanted` in spelling, if one is near.
#[must_use]
pub fn nearest(wanted: &str, body: &Value) -> Option<String> {
    let mut all: Vec<String> = all_places(body).iter().map(Place::general).collect();
    all.sort();
    all.dedup();
    nearest_of(wanted, all.iter().map(String::as_str)).map(str::to_owned)
}

/// Of `known`, the spelling nearest to `wanted`, if it is near enough to be a slip.
pub fn nearest_of<'k>(wanted: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    fieldgate::policy::similar::nearest(wanted, known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(pattern: &str, body: &Value) -> Vec<String> {
        Pattern::parse(pattern).unwrap().find(body).iter().map(|(place, _)| place.to_string()).collect()
    }

    #[test]
    fn a_pattern_finds_names_elements_and_all_children() {
        let body = json!({"a": [{"b": 1}, {"b": 2}, {}], "odd name": {"x": 1}});
        assert_eq!(found("$.a[*].b", &body), ["$.a[0].b", "$.a[1].b"]);
        assert_eq!(found("$.a[1].b", &body), ["$.a[1].b"]);
        assert_eq!(found("$['odd name'].*", &body), ["$['odd name'].x"]);
        assert_eq!(found("$", &body), ["$"]);
        assert!(found("$.a.b", &body).is_empty());
    }

    #[test]
    fn what_a_pattern_cannot_say_is_refused_with_a_way_out() {
        for (text, part) in [
            ("a.b", "root"),
            ("$..a", "descendant"),
            ("$.a[?@.b == 1]", "filter"),
            ("$.a[-1]", "[-1]"),
            ("$.a[01]", "[01]"),
            ("$.a[0:2]", "[0:2]"),
            ("$.odd-name", "['odd-name']"),
            ("$.", "extra"),
            ("$['a", "end"),
            ("$.a[0", "without"),
        ] {
            let fault = Pattern::parse(text).unwrap_err();
            assert!(format!("{} {}", fault.what, fault.help).contains(part), "{text}: {fault:?}");
        }
    }

    #[test]
    fn a_pattern_covers_what_lies_below_it() {
        let pattern = Pattern::parse("$.a[*]").unwrap();
        let place = Pattern::parse("$.a[1].b").unwrap().find(&json!({"a": [0, {"b": 1}]})).remove(0).0;
        assert!(pattern.covers(&place));
        assert!(!Pattern::parse("$.b").unwrap().covers(&place));
        assert!(!Pattern::parse("$.a[1].b.c").unwrap().covers(&place));
    }

    #[test]
    fn a_misspelt_path_finds_its_neighbour() {
        let body = json!({"holder": {"birthDate": "1980-01-01", "name": "x"}});
        assert_eq!(nearest("$.holder.birthdate", &body).as_deref(), Some("$.holder.birthDate"));
        assert_eq!(nearest("$.something.else", &body), None);
        assert_eq!(nearest_of("finacial", ["financial", "identity"]), Some("financial"));
    }
}
