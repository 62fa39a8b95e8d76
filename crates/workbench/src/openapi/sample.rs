//! [`Sample`]: the fields of bodies that were seen. Of values only their kind is kept, never a byte.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Field, Kind, Step, What};
use crate::fault::Fault;

/// Places of one sample.
const MAX_PLACES: usize = 20_000;

/// Bodies of one kind.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The file's name.
    pub name: String,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// What was seen at a place, in all bodies together.
#[derive(Default)]
struct Seen {
    scalar: Option<Kind>,
    members: Vec<(String, Seen)>,
    elements: Option<Box<Seen>>,
    empty_array: bool,
    empty_object: bool,
}

impl Sample {
    /// Reads one JSON text, or several in a row.
    ///
    /// # Errors
    /// When it is not JSON. The message holds no part of it.
    pub fn read(name: &str, text: &str) -> Result<Self, Fault> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut seen = Seen::default();
        let mut any = false;
        for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
            let value = value.map_err(|error| {
                Fault::new(
                    format!("{name} is not JSON: line {}, column {}", error.line(), error.column()),
                    "a sample is a response body, as it came",
                )
            })?;
            any = true;
            seen.look(&value);
        }
        if !any {
            return Err(Fault::new(format!("{name} is empty"), "a sample is a response body, as it came"));
        }
        let mut fields = Vec::new();
        seen.fields(&mut Vec::new(), &mut fields);
        if fields.len() >= MAX_PLACES {
            return Err(Fault::new(
                format!("{name} has more than {MAX_PLACES} different fields"),
                "a map whose names are data is best described by hand: `$.byId.*.name`",
            ));
        }
        Ok(Self { name: name.to_owned(), fields })
    }
}

impl Seen {
    fn look(&mut self, value: &Value) {
        match value {
            Value::Null => {}
            Value::Bool(_) => self.kind("boolean", ""),
            Value::Number(_) => self.kind("number", ""),
            Value::String(text) => self.kind("string", format(text)),
            Value::Array(elements) => {
                self.empty_array |= elements.is_empty();
                for element in elements {
                    self.elements.get_or_insert_default().look(element);
                }
            }
            Value::Object(members) if names_are_data(members.keys()) => {
                for member in members.values() {
                    self.elements.get_or_insert_default().look(member);
                }
            }
            Value::Object(members) => {
                self.empty_object |= members.is_empty();
                // A body has few names at a place: a list keeps their order.
                let mut places: BTreeMap<String, usize> =
                    self.members.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)).collect();
                for (name, member) in members {
                    let index = *places.entry(name.clone()).or_insert_with(|| {
                        self.members.push((name.clone(), Self::default()));
                        self.members.len().saturating_sub(1)
                    });
                    if let Some((_, seen)) = self.members.get_mut(index) {
                        seen.look(member);
                    }
                }
            }
        }
    }

    fn kind(&mut self, base: &str, format: &str) {
        let kind =
            self.scalar.get_or_insert_with(|| Kind { base: base.to_owned(), format: format.to_owned(), listed: false });
        if kind.base != base {
            kind.base = String::new();
        }
        if kind.format != format {
            kind.format = String::new();
        }
    }

    fn fields(&self, at: &mut Vec<Step>, fields: &mut Vec<Field>) {
        if fields.len() >= MAX_PLACES {
            return;
        }
        let mut add = |at: &[Step], what| fields.push(Field { steps: at.to_vec(), what, about: String::new() });
        // An empty array or object is one, whatever will be in it.
        let below = match (&self.elements, self.members.is_empty()) {
            (None, _) if self.empty_array => Some(Step::Elements),
            (None, true) if self.empty_object => Some(Step::Members),
            _ => None,
        };
        match &self.scalar {
            Some(kind) => add(at, What::Scalar(kind.clone())),
            None if self.members.is_empty() && self.elements.is_none() && below.is_none() => add(at, What::Free),
            None => {}
        }
        if let Some(step) = below {
            add(&[at.as_slice(), &[step]].concat(), What::Free);
        }
        for (name, seen) in &self.members {
            at.push(Step::Member(name.clone()));
            seen.fields(at, fields);
            at.pop();
        }
        if let Some(seen) = &self.elements {
            at.push(Step::Elements);
            seen.fields(at, fields);
            at.pop();
        }
    }
}

/// Whether the names of an object look like data: several, and each with an `@`, or mostly digits.
fn names_are_data<'n>(names: impl Iterator<Item = &'n String>) -> bool {
    let mut count = 0_usize;
    for name in names {
        let digits = name.chars().filter(char::is_ascii_digit).count();
        if !(name.contains('@') || digits.saturating_mul(2) >= name.chars().count()) {
            return false;
        }
        count = count.saturating_add(1);
    }
    count > 1
}

/// The format of a string, as OpenAPI calls it.
fn format(text: &str) -> &'static str {
    let bytes = text.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let date = |at: &[u8]| {
        at.len() == 10
            && at.iter().enumerate().all(|(i, b)| if matches!(i, 4 | 7) { *b == b'-' } else { b.is_ascii_digit() })
    };
    if text
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.') && !text.contains(' '))
    {
        "email"
    } else if date(bytes) {
        "date"
    } else if bytes.get(..10).is_some_and(date) && bytes.get(10) == Some(&b'T') {
        "date-time"
    } else if text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) {
        "uuid"
    } else if text.starts_with('+')
        && digits >= 8
        && bytes.iter().all(|byte| byte.is_ascii_digit() || b"+ -()".contains(byte))
    {
        "phone"
    } else if (15..=34).contains(&text.len())
        && bytes.iter().take(2).all(u8::is_ascii_uppercase)
        && bytes.iter().skip(2).take(2).all(u8::is_ascii_digit)
        && bytes.iter().all(u8::is_ascii_alphanumeric)
    {
        "iban"
    } else {
        ""
    }
}
