//! [`Document`]: a description as a tree, and what its references point at.

use serde_json::Value;

use super::Fault;
use fieldgate::policy::yaml;

/// Largest description, in bytes. The largest public ones are under 20 MiB.
const MAX_BYTES: usize = 64 << 20;

/// References that lead to references: none needs more.
const MAX_HOPS: usize = 32;

/// A description as a tree.
#[derive(Debug, Clone)]
pub struct Document {
    pub(super) root: Value,
    pub(super) version: Version,
}

/// Which language it is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Swagger2,
    OpenApi3,
}

impl Document {
    /// Reads JSON or YAML.
    ///
    /// # Errors
    /// When it is neither, or no description of a version that is known.
    pub fn parse(name: &str, text: &str) -> Result<Self, Fault> {
        let root = tree(name, text)?;
        let version = version(name, &root)?;
        Ok(Self { root, version })
    }

    /// What a reference of this document points at (RFC 6901); `None` if it leads nowhere or out of the document.
    pub(super) fn target(&self, reference: &str) -> Option<&Value> {
        let pointer = reference.strip_prefix('#')?;
        if !pointer.contains('%') {
            return self.root.pointer(pointer);
        }
        self.root.pointer(&percent_decoded(pointer)?)
    }

    /// The value itself, or what it refers to.
    pub(super) fn resolved<'v>(&'v self, value: &'v Value) -> Option<&'v Value> {
        let mut value = value;
        for _ in 0..MAX_HOPS {
            match value.get("$ref").and_then(Value::as_str) {
                Some(reference) => value = self.target(reference)?,
                None => return Some(value),
            }
        }
        None
    }
}

/// A URI fragment's text (RFC 3986 §2.1).
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let value = digit(bytes.next())?.checked_mul(16)?.checked_add(digit(bytes.next())?)?;
        out.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(out).ok()
}

/// A JSON or YAML text as a tree; JSON by its first character.
pub(super) fn tree(name: &str, text: &str) -> Result<Value, Fault> {
    if text.len() > MAX_BYTES {
        return Err(Fault::new(
            format!("{name} is over {} MiB", MAX_BYTES >> 20),
            "cut it down to the paths that the proxy serves",
        ));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with(['{', '[']) || std::path::Path::new(name).extension().is_some_and(|e| e == "json")
    {
        return serde_json::from_str(text).map_err(|error| {
            Fault::new(
                format!("{name} is not JSON: line {}, column {}", error.line(), error.column()),
                "look at the line; a file that is YAML has a name that ends in `.yaml`",
            )
        });
    }
    yaml::value(text).map_err(|fault| Fault::new(format!("{name} is not YAML: {fault}"), "look at the line"))
}

fn version(name: &str, root: &Value) -> Result<Version, Fault> {
    let help = "OpenAPI 3.0 and 3.1 and Swagger 2.0 can be read; for a sample of a body, use `--samples`";
    // YAML reads `swagger: 2.0` as a number.
    let said = |key: &str| match root.get(key) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    match (said("openapi"), said("swagger")) {
        (Some(version), _) if version.starts_with("3.") => Ok(Version::OpenApi3),
        (_, Some(version)) if version == "2.0" || version == "2" => Ok(Version::Swagger2),
        (Some(version), _) => {
            Err(Fault::new(format!("{name} is OpenAPI `{}`, which is not known", super::one_line(&version, 20)), help))
        }
        (_, Some(version)) => {
            Err(Fault::new(format!("{name} is Swagger `{}`, which is not known", super::one_line(&version, 20)), help))
        }
        (None, None) => {
            Err(Fault::new(format!("{name} is no API description: it has neither `openapi` nor `swagger`"), help))
        }
    }
}
