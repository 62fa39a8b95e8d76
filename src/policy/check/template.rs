//! `match`: a method and a path template (rules 3 and 4).

use super::read::Reader;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::Node;
use crate::document::lookalike;
use crate::model::{Template, TemplateSegment};

/// Which requests a route is for.
pub(super) struct Matched {
    pub(super) method: String,
    pub(super) template: Template,
    pub(super) span: Span,
}

const ONE: &str = "write a method and a path: `GET /accounts/{accountId}`";

/// `match`: a method and a path (rules 3 and 4).
pub(super) fn matched(reader: &mut Reader, node: &Node) -> Option<Matched> {
    let text = reader.text(node, "`match`")?;
    let Some((method, path)) = text.split_once(' ') else {
        reader.push(
            Diagnostic::at(Code::RoutePath, node.span, format!("`match: {text}` is not a method and a path")).help(ONE),
        );
        return None;
    };
    let fault = |message: String, help: String| Diagnostic::at(Code::RoutePath, node.span, message).help(help);
    // RFC 9110 §5.6.2: a token. Methods are case-sensitive (§9.1).
    let token = !method.is_empty()
        && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    // No method of the registry has another sign than a hyphen: such a one was meant as several, or as any.
    let token = token && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    let finding = if !token {
        let several = method.contains([',', '|', '*']).then(|| "write a route for each method".to_owned());
        let help = lookalike::first(method).map(lookalike::Lookalike::help).or(several);
        Some(fault(format!("`{method}` is not an HTTP method"), help.unwrap_or_else(|| ONE.to_owned())))
    } else if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
        Some(fault(
            format!("methods are case-sensitive: `{method}` matches no usual request"),
            format!("write `{} {path}`", method.to_ascii_uppercase()),
        ))
    } else if method == "HEAD" {
        Some(fault(
            "HEAD requests use the GET route".to_owned(),
            format!("write `GET {path}`, or take the route out if there is one for GET"),
        ))
    } else if matches!(method, "CONNECT" | "TRACE") {
        Some(fault(
            format!("`{method}` cannot be filtered"),
            "leave the route out: such requests are refused".to_owned(),
        ))
    } else {
        None
    };
    let refused = finding.is_some();
    reader.found.extend(finding);
    match template(path) {
        Ok(template) if !refused => Some(Matched { method: method.to_owned(), template, span: node.span }),
        Ok(_) => None,
        Err((message, help)) => {
            let help = lookalike::first(path).map_or(help, lookalike::Lookalike::help);
            reader.push(fault(message, help));
            None
        }
    }
}

/// A path template's segments, each literal in canonical percent-encoding (rules 3 and 4).
pub(super) fn template(path: &str) -> Result<Template, (String, String)> {
    let fault = |message: String, help: &str| Err((message, help.to_owned()));
    let Some(rest) = path.strip_prefix('/') else {
        return fault(format!("the path `{path}` does not start with `/`"), "write `GET /path`, with one space");
    };
    if path.contains('?') {
        return fault(
            format!("the path `{path}` has a query"),
            "list the parameters that callers may send: `query: [page]`",
        );
    }
    if path.contains('#') {
        return fault(format!("the path `{path}` has a fragment"), "leave it out: clients never send one");
    }
    let (rest, trailing_slash) = match rest.strip_suffix('/') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    if rest.is_empty() {
        // `/` is one empty segment at the end: no segments and a trailing slash.
        return if trailing_slash {
            fault(
                format!("the path `{path}` has an empty segment"),
                "leave one slash out: such a path matches no route",
            )
        } else {
            Ok(Template { segments: Vec::new(), trailing_slash: true })
        };
    }
    let mut segments: Vec<TemplateSegment> = Vec::new();
    let count = rest.split('/').count();
    for (index, text) in rest.split('/').enumerate() {
        let segment = segment(path, text)?;
        if let Some(name) = segment.parameter()
            && segments.iter().any(|known| known.parameter() == Some(name))
        {
            return fault(format!("the path `{path}` has `{{{name}}}` twice"), "give each parameter its own name");
        }
        if matches!(segment, TemplateSegment::Rest(_)) && index.saturating_add(1) < count {
            return fault(
                format!("`{text}` in the path `{path}` is not the last segment"),
                "end the path with it: what comes after it could be a part of it",
            );
        }
        segments.push(segment);
    }
    Ok(Template { segments, trailing_slash })
}

fn segment(path: &str, text: &str) -> Result<TemplateSegment, (String, String)> {
    let fault = |message: String, help: String| Err((message, help));
    if text.is_empty() {
        return fault(
            format!("the path `{path}` has an empty segment"),
            "leave one slash out: such a path matches no route".to_owned(),
        );
    }
    if matches!(text, "." | "..") {
        return fault(
            format!("the path `{path}` has the segment `{text}`"),
            "write the path that is meant: such a path matches no route".to_owned(),
        );
    }
    if text.contains(['{', '}']) {
        return parameter(text);
    }
    literal(text)?;
    Ok(TemplateSegment::Literal(text.to_owned()))
}

/// A segment with a parameter.
fn parameter(text: &str) -> Result<TemplateSegment, (String, String)> {
    let fault = |message: String, help: String| Err((message, help));
    let parts = text.split_once('{').and_then(|(before, rest)| {
        let (name, after) = rest.split_once('}')?;
        Some((before, name, after))
    });
    let Some((before, name, after)) = parts else {
        return fault(
            format!("the segment `{text}` has a brace without its other one"),
            "write a parameter in braces: `{name}`".to_owned(),
        );
    };
    if [before, after].iter().any(|text| text.contains(['{', '}'])) {
        return fault(
            format!("the segment `{text}` has more than one parameter"),
            "make them one, with literal text before and after it: `{name}.json`".to_owned(),
        );
    }
    let (stem, several) = match name.strip_suffix('+') {
        Some(stem) => (stem, true),
        None => (name, false),
    };
    let ok = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if stem.is_empty() || !stem.chars().all(ok) {
        let plain: String = stem.chars().filter(|c| ok(*c)).collect();
        let help = if stem.contains('*') && !plain.is_empty() {
            format!("write `{{{plain}+}}` as the last segment: it stands for one or more segments")
        } else {
            "name it with letters, digits, `_`, `-` and `.`: `{accountId}`".to_owned()
        };
        return fault(format!("`{{{name}}}` is not a parameter"), help);
    }
    match (before, after, several) {
        ("", "", true) => Ok(TemplateSegment::Rest(stem.to_owned())),
        ("", "", false) => Ok(TemplateSegment::Parameter(stem.to_owned())),
        (_, _, true) => fault(
            format!("the segment `{text}` has text beside a parameter of several segments"),
            format!("write `{{{stem}+}}` alone, or `{before}{{{stem}}}{after}` for one segment"),
        ),
        (_, _, false) => {
            literal(before)?;
            literal(after)?;
            Ok(TemplateSegment::Part { before: before.to_owned(), name: stem.to_owned(), after: after.to_owned() })
        }
    }
}

/// Literal text of a segment: in canonical percent-encoding.
fn literal(text: &str) -> Result<(), (String, String)> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => encoded(text, [bytes.next(), bytes.next()])?,
            b';' => {
                return Err((
                    format!("the segment `{text}` has a `;`"),
                    "take it out: a request with it matches no route (rule 3)".to_owned(),
                ));
            }
            // RFC 3986 §3.3: pchar.
            _ if unreserved(byte) || b"!$&'()*+,=:@".contains(&byte) => {}
            _ => return Err(unencoded(text)),
        }
    }
    Ok(())
}

/// The two bytes after a `%` of a segment.
fn encoded(text: &str, digits: [Option<u8>; 2]) -> Result<(), (String, String)> {
    let hex = |digit: Option<u8>| {
        digit
            .filter(|digit| digit.is_ascii_digit() || (b'A'..=b'F').contains(digit))
            .and_then(|digit| char::from(digit).to_digit(16))
    };
    let [high, low] = digits.map(hex);
    let value = high.zip(low).map(|(high, low)| high.wrapping_mul(16).wrapping_add(low));
    match value.and_then(|value| u8::try_from(value).ok()) {
        None => Err((
            format!("the segment `{text}` has a percent-encoding that is not two upper-case hexadecimal digits"),
            "write `%` and two of 0-9, A-F".to_owned(),
        )),
        Some(b'/' | b'\\' | 0) => Err((
            format!("the segment `{text}` has an encoded slash, backslash or NUL"),
            "take it out: a request with it matches no route (rule 3)".to_owned(),
        )),
        Some(byte) if unreserved(byte) => Err((
            format!("the segment `{text}` encodes a character that needs no encoding (RFC 3986 §2.3)"),
            format!("write `{}` as it is", char::from(byte)),
        )),
        Some(_) => Ok(()),
    }
}

/// The fault of a segment with a character that has to be encoded, and the segment with it encoded.
fn unencoded(text: &str) -> (String, String) {
    let message = format!("the segment `{text}` has a character that has to be encoded");
    if text.contains(['[', '(', '+', '^', '\\', '*']) {
        let help = "write a parameter if it stands for any segment, `{id}`: paths have no regular expressions";
        return (message, help.to_owned());
    }
    let encoded: String = text
        .bytes()
        .map(|byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    (message, format!("write the segment as `{encoded}`"))
}

/// RFC 3986 §2.3.
fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}
