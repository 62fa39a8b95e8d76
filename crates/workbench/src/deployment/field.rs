//! Reading a message's fields from a tree: the JSON form of protobuf, of which Envoy's YAML is another spelling.

use std::rc::Rc;

use fieldgate::diagnostic::Span;
use fieldgate::document::{Member, Node, Tree};

/// A field's member. The JSON form of protobuf takes its name in two spellings: `stat_prefix` and `statPrefix`. Of several,
/// Envoy takes the last.
pub(super) fn member<'n>(node: &'n Node, name: &str) -> Option<&'n Member> {
    node.members()?
        .iter()
        // Null is as good as not there; what the reader refused is said already.
        .filter(|member| !matches!(member.node.value, Tree::Null | Tree::Refused))
        .rfind(|member| &*member.key == name || (name.contains('_') && *member.key == camel(name)))
}

/// A field's value.
pub(super) fn get<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    member(node, name).map(|member| &member.node)
}

/// A field of a field of a field.
pub(super) fn at<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, name| get(node, name))
}

/// A field's string.
pub(super) fn text<'n>(node: &'n Node, name: &str) -> Option<&'n str> {
    get(node, name).and_then(Node::text)
}

/// Where a boolean field is true.
pub(super) fn set(node: &Node, name: &str) -> Option<Span> {
    get(node, name).filter(|node| truth(node) == Some(true)).map(|node| node.span)
}

/// A boolean, also as the readers of YAML 1.1 that Envoy and Kubernetes have take one: `yes`, `On`; Envoy even in quotes.
pub(super) fn truth(node: &Node) -> Option<bool> {
    let is_one_of = |text: &str, words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match &node.value {
        Tree::Bool(value) => Some(*value),
        Tree::Text { text, .. } if is_one_of(text, ["true", "yes", "on", "y"]) => Some(true),
        Tree::Text { text, .. } if is_one_of(text, ["false", "no", "off", "n"]) => Some(false),
        _ => None,
    }
}

/// Whether it is an enumerator: by its name, which Envoy takes in any case, or by its number.
pub(super) fn is_enumerator(node: &Node, name: &str, value: u64) -> bool {
    node.text().is_some_and(|text| text.replace('-', "_").eq_ignore_ascii_case(name)) || number(node) == Some(value)
}

/// A field's elements; none if it is not there.
pub(super) fn elements<'n>(node: &'n Node, name: &str) -> &'n [Node] {
    get(node, name).and_then(Node::elements).unwrap_or_default()
}

/// A whole number: decimal, hexadecimal, octal, or with an exponent, and also in quotes, as Envoy takes it.
pub(super) fn number(node: &Node) -> Option<u64> {
    let text = match &node.value {
        Tree::Number(text) | Tree::Text { text, .. } => &**text,
        _ => return None,
    };
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok();
    }
    if let Some(digits) =
        text.strip_prefix('0').filter(|digits| !digits.is_empty() && !digits.contains(['.', 'e', 'E']))
    {
        return u64::from_str_radix(digits, 8).ok();
    }
    text.parse().ok().or_else(|| whole(text.parse().ok()?))
}

/// A number that was written with a point or an exponent, if it is whole and exact.
fn whole(value: f64) -> Option<u64> {
    /// The largest that a double tells from its neighbours.
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    let fits = value.fract() == 0.0 && (0.0..=LARGEST).contains(&value);
    fits.then(|| format!("{value:.0}").parse().ok()).flatten()
}

/// Whether it is a number, and that is zero.
pub(super) fn is_zero(node: &Node) -> bool {
    number(node) == Some(0)
}

/// Whether it is a duration of nothing: `0s`, `0.000s`, `-0s`, `0ms`.
pub(super) fn is_zero_duration(node: &Node) -> bool {
    let text = match &node.value {
        Tree::Number(text) | Tree::Text { text, .. } => text.strip_prefix('-').unwrap_or(text),
        _ => return false,
    };
    text.starts_with('0') && !text.contains(|c: char| matches!(c, '1'..='9'))
}

/// `lowerCamelCase` of a `snake_case` name.
pub(super) fn camel(name: &str) -> String {
    let mut upper = false;
    name.chars().fold(String::new(), |mut out, c| {
        if c == '_' {
            upper = true;
        } else if upper {
            out.push(c.to_ascii_uppercase());
            upper = false;
        } else {
            out.push(c);
        }
        out
    })
}

/// What an `Any` is, and its message: the last part of its type's URL, and the fields. A `TypedStruct` is what it wraps.
pub(super) fn unwrap(any: &Node) -> Option<(&str, &Node)> {
    let own = last(text(any, "@type")?);
    if own.ends_with(".TypedStruct") {
        return Some((last(text(any, "type_url")?), get(any, "value")?));
    }
    Some((own, any))
}

fn last(url: &str) -> &str {
    url.rsplit_once('/').map_or(url, |(_, name)| name)
}

/// Whether an `Any` is a message of that name, in any version.
pub(super) fn is(any: &Node, name: &str) -> bool {
    unwrap(any).is_some_and(|(found, _)| found.rsplit_once('.').is_some_and(|(_, found)| found == name))
}

/// A small place that stands for a whole message: its name, else its type, else its first field.
pub(super) fn head(node: &Node) -> Span {
    let named = ["name", "@type"].iter().find_map(|name| get(node, name)).filter(|node| node.text().is_some());
    named.map(|node| node.span).or_else(|| node.members()?.first().map(|member| member.key_span)).unwrap_or(node.span)
}

/// Visits a tree, what holds before what is held.
pub(super) fn walk<'n>(node: &'n Node, see: &mut dyn FnMut(&'n Node)) {
    see(node);
    match &node.value {
        Tree::Map(members) => members.iter().for_each(|member| walk(&member.node, see)),
        Tree::List(elements) => elements.iter().for_each(|element| walk(element, see)),
        _ => {}
    }
}

/// A message with one field, such as what a JSON patch writes.
pub(super) fn message(name: &str, node: &Node) -> Node {
    let member = Member { key: Rc::from(name), key_span: node.span, node: node.clone() };
    Node { span: node.span, value: Tree::Map(vec![member]) }
}

/// Whether a name is one of the plugin's.
pub(super) fn names_fieldgate(text: &str) -> bool {
    text.to_ascii_lowercase().contains("fieldgate")
}

/// What kind of filter it is: `jwt_authn` of `envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication`, or of
/// `envoy.filters.http.jwt_authn` where its configuration is elsewhere.
pub(super) fn kind(filter: &Node) -> &str {
    let typed = get(filter, "typed_config").and_then(unwrap).map(|(name, _)| name);
    let of_type = typed.and_then(|name| name.split_once(".filters.http.")).and_then(|(_, rest)| rest.split('.').next());
    let name = text(filter, "name").unwrap_or_default();
    of_type.or(typed).unwrap_or_else(|| name.strip_prefix("envoy.filters.http.").unwrap_or(name))
}
