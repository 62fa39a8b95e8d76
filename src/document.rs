//! [`PolicyDoc`]: what an author wrote, untrusted, as a tree that knows where each of its nodes is written.
//!
//! Three readers make one: YAML (not in the plugin), JSON, and a protobuf `Struct`. Nothing here knows what a policy means.

#[cfg(not(target_os = "wasi"))]
pub mod disk;
#[cfg(not(target_os = "wasi"))]
pub mod foreign;
#[cfg(not(target_os = "wasi"))]
mod include;
pub(crate) mod json;
pub(crate) mod lookalike;
mod structure;
#[cfg(not(target_os = "wasi"))]
pub mod yaml;

use std::rc::Rc;

use crate::diagnostic::{Diagnostic, Sources, Span};

#[cfg(not(target_os = "wasi"))]
pub use disk::Disk;
#[cfg(not(target_os = "wasi"))]
pub use include::{Files, is_utf16, load};
pub use json::{json_document, to_json};
pub(crate) use structure::document as struct_document;

/// Containers open at once in a policy; the language needs seven.
const MAX_DEPTH: usize = 32;

/// Containers open at once in a file that is not a policy: Envoy's own configuration needs some thirty.
#[cfg(not(target_os = "wasi"))]
const MAX_FOREIGN_DEPTH: usize = 120;

/// Largest policy, in bytes: what a worker may spend on reading its configuration.
const MAX_BYTES: usize = 8 << 20;

/// A policy as written: untrusted.
#[derive(Debug, Clone)]
pub struct PolicyDoc {
    /// The merged tree; always a map.
    pub(crate) root: Node,
    /// What its spans point into.
    pub(crate) sources: Rc<Sources>,
    /// What the reader found wrong with it, for `check` to report with the rest.
    pub(crate) found: Vec<Diagnostic>,
}

impl PolicyDoc {
    /// A tree that stands in another file: its spans point into what that was read from.
    #[cfg(not(target_os = "wasi"))]
    #[must_use]
    pub fn of_tree(root: Node) -> Self {
        Self { root, sources: Rc::default(), found: Vec::new() }
    }

    /// What the document's spans point into.
    #[must_use]
    pub fn sources(&self) -> &Rc<Sources> {
        &self.sources
    }

    /// The root map's node.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }
}

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where.
    pub span: Span,
    /// What.
    pub value: Tree,
}

/// A value as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// Members in the order written, without repeats.
    Map(Vec<Member>),
    /// Elements.
    List(Vec<Node>),
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number, by its JSON spelling (RFC 8259 §6).
    Number(Rc<str>),
    /// What the reader refused, and has said so: nothing more is said of it.
    Refused,
    /// A string.
    Text {
        /// The string.
        text: Rc<str>,
        /// Whether YAML wrote it without quotes.
        plain: bool,
    },
}

/// A member of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub key: Rc<str>,
    /// Where the name is written.
    pub key_span: Span,
    /// Its value.
    pub node: Node,
}

impl Node {
    /// The members, if it is a map.
    #[must_use]
    pub fn members(&self) -> Option<&[Member]> {
        match &self.value {
            Tree::Map(members) => Some(members),
            _ => None,
        }
    }

    /// The elements, if it is a list.
    #[must_use]
    pub fn elements(&self) -> Option<&[Node]> {
        match &self.value {
            Tree::List(elements) => Some(elements),
            _ => None,
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Tree::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The member of that name, if it is a map that has one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.members()?.iter().find(|member| &*member.key == key).map(|member| &member.node)
    }

    /// What kind it is of, with its article, for a sentence.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Tree::Map(_) => "a map",
            Tree::List(_) => "a list",
            Tree::Null | Tree::Refused => "nothing",
            Tree::Bool(_) => "a boolean",
            Tree::Number(_) => "a number",
            Tree::Text { .. } => "a string",
        }
    }
}
