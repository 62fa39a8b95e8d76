//! What an API says of itself: OpenAPI 3.0, 3.1 and 3.2, Swagger 2.0, and samples of its bodies. Not in the plugin.
//!
//! Descriptions become an [`Api`]: operations, and the fields of their response bodies as a policy would name them.
//! [`skeleton`] writes that as a policy that shows nothing to anybody; [`drift`] compares it with a policy that is there.
//!
//! The documents are walked as they are, without a model of any one version. What they allow is a field, or a place of which
//! is said that it may hold more: nothing is lost without a word. They are untrusted: every walk is bounded, a reference that
//! leads in a circle is cut and said, and none leads out of the description's directory.

use crate::fault::Fault;

use serde_json::Value;

use fieldgate::model::field_path::FieldPath;
use fieldgate::policy::Files;

mod document;
pub mod drift;
mod expand;
mod family;
mod merge;
mod names;
mod operation;
mod parameter;
mod reference;
mod response;
mod sample;
mod schema;
mod server;
pub mod skeleton;
mod suggest;
mod template;

pub use document::Document;
pub use sample::Sample;

/// What an API says of itself.
#[derive(Debug, Clone, Default)]
pub struct Api {
    /// What it calls itself.
    pub title: String,
    /// Its operations, in the order of the document.
    pub operations: Vec<Operation>,
    /// Shapes that bodies mount, none of which holds itself.
    pub shapes: Vec<Shape>,
    /// Scopes that its security schemes define.
    pub scopes: Vec<ApiScope>,
    /// What of it no policy can say: one sentence each.
    pub left_out: Vec<String>,
    /// What else a reviewer has to know of it: one sentence each.
    pub notes: Vec<String>,
}

/// A method on a path.
#[derive(Debug, Clone)]
pub struct Operation {
    /// A name for its route, unique in the API.
    pub name: String,
    /// Upper case.
    pub method: String,
    /// The path template in the policy's spelling, with the server's own path in front.
    pub path: String,
    /// From its first tag, or its path.
    pub area: String,
    /// Query parameters that it takes.
    pub query: Vec<String>,
    /// What its 2xx bodies hold.
    pub body: Vec<Field>,
    /// Scopes that it asks for.
    pub scopes: Vec<String>,
    /// What a reviewer has to know of it.
    pub remarks: Vec<String>,
}

/// A named schema.
#[derive(Debug, Clone)]
pub struct Shape {
    /// A name for it, unique in the API.
    pub name: String,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// A place in a shape or a body.
#[derive(Debug, Clone)]
pub struct Field {
    /// The steps from the root.
    pub steps: Vec<Step>,
    /// What is there.
    pub what: What,
    /// What the description says of it, on one line; empty if nothing.
    pub about: String,
}

/// One step of a field's path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The member of that name.
    Member(String),
    /// Every element of an array.
    Elements,
    /// Every member of a map.
    Members,
}

/// What is at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A string, number or boolean.
    Scalar(Kind),
    /// A shape, by its index in [`Api::shapes`].
    Mount(usize),
    /// Anything: the description does not say.
    Free,
    /// More than a policy can name, and why.
    Cut(String),
}

/// What the description says of a scalar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kind {
    /// `string`, `number`, `boolean`; empty if it does not say.
    pub base: String,
    /// `email`, `date` …; empty if it does not say.
    pub format: String,
    /// Whether it is one of a few values.
    pub listed: bool,
}

/// A scope that a security scheme defines.
#[derive(Debug, Clone)]
pub struct ApiScope {
    /// Its name.
    pub name: String,
    /// What the description says of it.
    pub about: String,
}

/// What of a description is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct WantedOperations<'a> {
    /// The path that the proxy sees in front of every path of the description, instead of the one that it names itself.
    pub prefix: Option<&'a str>,
    /// Only operations whose path, as the proxy sees it, starts so.
    pub under: Option<&'a str>,
    /// Only these operations: by `operationId`, by the route's name, or as `GET /accounts`. With tags, those of either.
    pub operations: &'a [String],
    /// Only operations that have one of these tags.
    pub tags: &'a [String],
}

impl WantedOperations<'_> {
    /// Whether single operations are asked for.
    fn chooses(&self) -> bool {
        !self.operations.is_empty() || !self.tags.is_empty()
    }
}

/// Reads a description that is one file.
///
/// # Errors
/// When it is no OpenAPI 3 and no Swagger 2.0 document, or has no operation of those wanted.
pub fn read(name: &str, text: &str, wanted: WantedOperations<'_>) -> Result<Api, Fault> {
    let files = std::collections::BTreeMap::from([(name.to_owned(), text.to_owned())]);
    read_all(&files, &[name.to_owned()], wanted)
}

/// Reads descriptions as one API, with the files below the directory of each that it refers to. What is the same request in
/// several is one operation, with the fields of all.
///
/// # Errors
/// When one cannot be read or is no OpenAPI 3 and no Swagger 2.0 document, or there is no operation of those wanted.
pub fn read_all(files: &dyn Files, names: &[String], wanted: WantedOperations<'_>) -> Result<Api, Fault> {
    operation::api(&Document::load(files, names)?, wanted)
}

impl Field {
    /// Its path as a policy writes it: `$.items[*].id`, `$.rates.*`.
    #[must_use]
    pub fn path_text(&self) -> String {
        path_text(&self.steps)
    }
}

/// A path as a policy writes it. A map's members are `.*`, an array's elements `[*]`.
fn path_text(steps: &[Step]) -> String {
    use fieldgate::model::field_path::Segment;
    let mut text = "$".to_owned();
    for step in steps {
        match step {
            Step::Elements => text.push_str("[*]"),
            Step::Members => text.push_str(".*"),
            Step::Member(name) => {
                let path = FieldPath { segments: vec![Segment::Member(name.as_str().into())], open: false };
                text.push_str(path.to_string().strip_prefix('$').unwrap_or_default());
            }
        }
    }
    text
}

/// A text of the document on one line, without what a terminal or a comment would take for something else.
fn one_line(text: &str, most: usize) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || unprintable(c)).filter(|w| !w.is_empty()).collect();
    let line = words.join(" ");
    if line.chars().count() <= most {
        return line;
    }
    let short: String = line.chars().take(most).collect();
    format!("{}…", short.trim_end())
}

/// Whether a character shows nothing of itself, or changes how its neighbours are shown: controls, line separators, marks of
/// direction (UAX #9) and the byte-order mark.
fn unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}')
}

/// A string member of an object.
fn text_of<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
