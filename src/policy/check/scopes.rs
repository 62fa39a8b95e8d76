//! Scopes and clients (rules 8, 9, 13, 15, 17).

use super::classes::class;
use super::read::Reader;
use super::settings;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::{Member, Node};
use crate::model::field_path::FieldPath;
use crate::model::{Ceiling, Class, ClientId, Condition, Identity, Level, When};

/// A level that a scope sets for a place by name (rule 15).
pub(super) struct Override<'d> {
    pub(super) shape: &'d str,
    pub(super) shape_span: Span,
    pub(super) path: FieldPath,
    pub(super) span: Span,
    pub(super) level: Level,
}

/// A row condition of a scope, its route still a name (rule 26).
pub(super) struct Rows<'d> {
    pub(super) route: &'d str,
    pub(super) route_span: Span,
    pub(super) node: &'d Node,
}

/// A scope as written, classes resolved.
pub(super) struct ScopeDraft<'d> {
    pub(super) name: &'d str,
    pub(super) span: Span,
    pub(super) when: When,
    pub(super) areas: Vec<(&'d str, Span)>,
    pub(super) grant: Vec<Level>,
    pub(super) grant_spans: Vec<Option<Span>>,
    pub(super) fields: Vec<Override<'d>>,
    pub(super) rows: Vec<Rows<'d>>,
}

/// `scopes`, in name order.
pub(super) fn scopes<'d>(
    reader: &mut Reader,
    classes: &[Class],
    identity: Option<&Identity>,
    node: Option<&'d Node>,
) -> Vec<ScopeDraft<'d>> {
    let Some(node) = node else { return Vec::new() };
    let mut scopes = Vec::new();
    for member in reader.map(node, "`scopes`") {
        let name = &*member.key;
        let what = format!("scope `{name}`");
        reader.name(name, member.key_span, "scope");
        let keys = reader.keys(&member.node, &what, &["when", "areas", "grant", "fields", "rows"]);
        let help = "name the areas it acts on: `areas: [accounts]`";
        let areas = match reader.required(&keys, "areas", &what, member.key_span, help) {
            Some(node) => {
                let areas = reader.texts(node, "`areas`");
                if areas.is_empty() && node.elements().is_some() {
                    reader
                        .push(Diagnostic::at(Code::BadValue, node.span, format!("{what} acts on no area")).help(help));
                }
                areas
            }
            None => Vec::new(),
        };
        let when = keys.get("when").map_or(When::Named, |node| when(reader, identity, node));
        let (grant, grant_spans) = grants(reader, classes, keys.get("grant"), &what);
        let fields = keys.get("fields").map(|node| overrides(reader, node)).unwrap_or_default();
        let rows = keys.get("rows").map(|node| rows(reader, node, &what)).unwrap_or_default();
        scopes.push(ScopeDraft { name, span: member.key_span, when, areas, grant, grant_spans, fields, rows });
    }
    scopes.sort_by(|a, b| a.name.cmp(b.name));
    scopes
}

/// `grant` of a scope, by class: the level, hide where none is named, and where it is written.
fn grants(reader: &mut Reader, classes: &[Class], node: Option<&Node>, what: &str) -> (Vec<Level>, Vec<Option<Span>>) {
    let mut levels = vec![Level::Hide; classes.len()];
    let mut spans = vec![None; classes.len()];
    let Some(node) = node else { return (levels, spans) };
    for granted in reader.map(node, "`grant`") {
        let level = reader.level(&granted.node, &format!("the level of `{}`", granted.key));
        if &*granted.key == "*" {
            let message = format!("{what} grants `*`: a grant names each class");
            reader.push(
                Diagnostic::at(Code::BadValue, granted.key_span, message)
                    .help("name the classes; one that is not named is hidden"),
            );
            continue;
        }
        let class = class(reader, classes, &granted.key, granted.key_span, &format!("{what} grants"));
        let (Some(class), Some(level)) = (class, level) else {
            continue;
        };
        if let Some(slot) = levels.get_mut(usize::from(class.0)) {
            *slot = level;
        }
        if let Some(slot) = spans.get_mut(usize::from(class.0)) {
            *slot = Some(granted.key_span);
        }
    }
    (levels, spans)
}

/// `rows` of a scope, by route.
fn rows<'d>(reader: &mut Reader, node: &'d Node, what: &str) -> Vec<Rows<'d>> {
    if node.text().is_some() {
        let message = format!("`rows` of {what} does not say for which route");
        reader.push(
            Diagnostic::at(Code::WrongKind, node.span, message).help("write `rows: {route-name: \"$.items[?…]\"}`"),
        );
        return Vec::new();
    }
    let members = reader.map(node, "`rows`").iter();
    members.map(|member| Rows { route: &member.key, route_span: member.key_span, node: &member.node }).collect()
}

/// `fields` of a scope: shape to path to level.
fn overrides<'d>(reader: &mut Reader, node: &'d Node) -> Vec<Override<'d>> {
    let mut overrides: Vec<Override> = Vec::new();
    for shape in reader.map(node, "`fields`") {
        for member in reader.map(&shape.node, &format!("`fields` of `{}`", shape.key)) {
            let level = reader.level(&member.node, &format!("the level of `{}`", member.key));
            let path = reader.path(&member.key, member.key_span);
            let (Some(level), Some(path)) = (level, path) else {
                continue;
            };
            if let Some(first) = overrides.iter().find(|known| known.shape == &*shape.key && known.path == path) {
                let first = first.span;
                reader.push(
                    Diagnostic::at(
                        Code::DuplicateKey,
                        member.key_span,
                        format!("`{}` names a place that `fields` names already", member.key),
                    )
                    .label(first, "first here")
                    .help("keep one of them"),
                );
                continue;
            }
            overrides.push(Override {
                shape: &shape.key,
                shape_span: shape.key_span,
                path,
                span: member.key_span,
                level,
            });
        }
    }
    overrides
}

/// `when` (rule 8). One that cannot be read holds for nobody.
fn when(reader: &mut Reader, identity: Option<&Identity>, node: &Node) -> When {
    if let Some(text) = node.text() {
        if text == "always" {
            return When::Always;
        }
        // `always` opens the scope to everybody: it is nothing to be written for any other word.
        let message = format!("`when` cannot be `{text}`");
        let help = "write conditions, as in `when: {any_of: [care.read]}`, or `when: always` if everybody is meant";
        reader.push(Diagnostic::at(Code::BadValue, node.span, message).help(help));
        return never();
    }
    conditions(reader, identity, node).map_or_else(never, When::All)
}

/// What holds for nobody.
fn never() -> When {
    When::All(vec![Condition::AnyOf(Vec::new())])
}

/// The conditions of `when`, one at least; `None` if one of them cannot be read.
fn conditions(reader: &mut Reader, identity: Option<&Identity>, node: &Node) -> Option<Vec<Condition>> {
    let keys = reader.keys(node, "`when`", &["all_of", "any_of", "claims"]);
    let mut conditions = Vec::new();
    for (key, make) in [
        ("all_of", Condition::AllOf as fn(Vec<String>) -> Condition),
        ("any_of", Condition::AnyOf as fn(Vec<String>) -> Condition),
    ] {
        let Some(node) = keys.get(key) else { continue };
        let names: Vec<String> =
            reader.texts(node, &format!("`{key}`")).into_iter().map(|(text, _)| text.to_owned()).collect();
        if names.is_empty() {
            if node.elements().is_some() {
                reader.push(
                    Diagnostic::at(Code::BadValue, node.span, format!("`{key}` names no scope"))
                        .help("name one, or write `when: always` for everybody"),
                );
            }
            return None;
        }
        conditions.push(make(names));
    }
    if let Some(member) = keys.member("claims") {
        conditions.extend(claims(reader, identity, member)?);
    }
    if conditions.is_empty() {
        if node.members().is_some_and(|members| members.is_empty() || keys.get("claims").is_some()) {
            reader.push(
                Diagnostic::at(Code::BadValue, node.span, "`when` has no condition")
                    .help("write `when: always` if everybody is meant"),
            );
        }
        return None;
    }
    Some(conditions)
}

/// `claims` of `when`; `None` if a claim cannot be read.
fn claims(reader: &mut Reader, identity: Option<&Identity>, member: &Member) -> Option<Vec<Condition>> {
    if identity.is_some_and(|identity| !matches!(identity, Identity::JwtAuthn { .. })) {
        let message = "`claims` can be tested only with `source: jwt_authn`";
        reader.push(Diagnostic::at(Code::Incompatible, member.key_span, message).help("use `all_of` or `any_of`"));
    }
    let mut conditions = Vec::new();
    for claim in reader.map(&member.node, "`claims`") {
        let what = format!("claim `{}`", claim.key);
        let path = settings::claim_path(reader, &claim.key, claim.key_span, "claims");
        let values: Vec<String> =
            reader.texts(&claim.node, &what).into_iter().map(|(text, _)| text.to_owned()).collect();
        if values.is_empty() && claim.node.elements().is_some() {
            reader.push(
                Diagnostic::at(Code::BadValue, claim.node.span, format!("{what} has no value, so it never holds"))
                    .help("list the values that the claim may have"),
            );
        }
        match path {
            Some(path) if !values.is_empty() => conditions.push(Condition::Claim(path, values)),
            _ => return None,
        }
    }
    Some(conditions)
}

/// A client's places to hide, shapes still names.
pub(super) struct Deny<'d> {
    pub(super) shape: &'d str,
    pub(super) shape_span: Span,
    pub(super) path: FieldPath,
    pub(super) span: Span,
}

/// A client entry as written.
pub(super) struct ClientDraft<'d> {
    pub(super) name: &'d str,
    pub(super) span: Span,
    pub(super) scopes: Option<Vec<(&'d str, Span)>>,
    pub(super) ceiling: Ceiling,
    pub(super) denies: Vec<Deny<'d>>,
}

/// The id of the client at that place in name order.
pub(super) fn client_id(index: usize) -> Option<ClientId> {
    u16::try_from(index).ok().map(ClientId)
}

/// `clients`, in name order (rule 9).
pub(super) fn clients<'d>(
    reader: &mut Reader,
    classes: &[Class],
    node: Option<&'d Node>,
    place: Span,
) -> Vec<ClientDraft<'d>> {
    let Some(node) = node else { return Vec::new() };
    let mut clients = Vec::new();
    for member in reader.map(node, "`clients`") {
        let what = format!("client `{}`", member.key);
        if member.key.is_empty() || member.key.chars().any(char::is_control) {
            reader.push(
                Diagnostic::at(Code::BadName, member.key_span, format!("{what} cannot be a client id"))
                    .help("a caller without a client id falls under \"*\""),
            );
        }
        let keys = reader.keys(&member.node, &what, &["scopes", "ceiling", "deny"]);
        let scopes = keys.get("scopes").map(|node| reader.texts(node, "`scopes`"));
        let ceiling = keys.get("ceiling").map(|node| ceiling(reader, classes, node, &what)).unwrap_or_default();
        let mut denies: Vec<Deny> = Vec::new();
        if let Some(node) = keys.get("deny") {
            for shape in reader.map(node, "`deny`") {
                for (text, span) in reader.texts(&shape.node, &format!("`deny` of `{}`", shape.key)) {
                    let Some(path) = reader.path(text, span) else {
                        continue;
                    };
                    denies.push(Deny { shape: &shape.key, shape_span: shape.key_span, path, span });
                }
            }
        }
        clients.push(ClientDraft { name: &member.key, span: member.key_span, scopes, ceiling, denies });
    }
    clients.sort_by(|a, b| a.name.cmp(b.name));
    if node.members().is_some() && !clients.iter().any(|client| client.name == "*") {
        reader.push(
            Diagnostic::at(Code::AnyClient, place, "`clients` says nothing of all other clients: `\"*\"` is missing")
                .help(
                    "add `\"*\": {}` if the scopes alone decide for them, or `\"*\": {scopes: []}` if they get nothing",
                ),
        );
    }
    clients
}

/// A ceiling (rule 17): class or `"*"` to level, or one level for all.
pub(super) fn ceiling(reader: &mut Reader, classes: &[Class], node: &Node, what: &str) -> Ceiling {
    let mut ceiling = Ceiling::default();
    if node.text().is_some() {
        ceiling.rest = Some(reader.level(node, "`ceiling`").unwrap_or(Level::Hide));
        return ceiling;
    }
    for member in reader.map(node, "`ceiling`") {
        let level = reader.level(&member.node, &format!("the ceiling of `{}`", member.key)).unwrap_or(Level::Hide);
        if &*member.key == "*" {
            ceiling.rest = Some(level);
        } else if let Some(class) =
            class(reader, classes, &member.key, member.key_span, &format!("{what} has a ceiling for"))
        {
            ceiling.classes.push((class, level));
        }
    }
    ceiling.classes.sort_unstable();
    ceiling
}
