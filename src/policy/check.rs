//! [`check`]: from what an author wrote to a policy that is valid by construction, or to everything that is wrong with it.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::digest::digest;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Span};
use crate::document::{PolicyDoc, Tree};
use crate::model::moment::Moment;
use crate::model::{Client, PolicySet, Scope};

mod budgets;
mod classes;
mod content;
mod counting;
mod detectors;
mod forms;
mod headers;
mod read;
mod resolve;
mod routes;
mod scopes;
mod settings;
mod shapes;
mod template;
#[cfg(test)]
mod tests;

use classes::Declared;
use read::{Reader, Section};
use resolve::Resolver;
use scopes::{ClientDraft, ScopeDraft};

const KEYS: [&str; 18] = [
    "language",
    "policy",
    "include",
    "hosts",
    "identity",
    "defaults",
    "limits",
    "head",
    "classes",
    "detectors",
    "shapes",
    "routes",
    "scopes",
    "clients",
    "budgets",
    "canaries",
    "key",
    "drift",
];

/// Most of each kind of thing; identifiers are 16 bits wide.
const MAX_THINGS: usize = 8192;

/// Checks a document: every finding of one look at it, and a policy only if none of them is an error. The policy is the
/// same whenever it is checked.
///
/// # Errors
/// All diagnostics, warnings and notes among them, if at least one is an error.
///
/// # Examples
///
/// ```
/// use std::collections::BTreeMap;
///
/// use fieldgate::policy;
///
/// let mut files = BTreeMap::from([("accounts.yaml".to_owned(), "\
/// language: 1
/// policy: accounts
/// identity: {source: jwt_authn, payload: jwt, client: azp, scopes: scope}
/// classes: {reference: {about: Status}}
/// routes: {get-account: {match: \"GET /accounts/{id}\", area: accounts, body: {$.status: reference}}}
/// scopes: {care.read: {areas: [accounts], grant: {reference: show}}}
/// ".to_owned())]);
/// let (policy, warnings) = policy::check(&policy::load(&files, "accounts.yaml")?)?;
/// assert_eq!(policy.routes.len(), 1);
/// assert!(warnings.is_empty());
///
/// // A misspelt class is an error, with its place.
/// files.values_mut().for_each(|text| *text = text.replace("grant: {reference:", "grant: {referense:"));
/// let found = policy::check(&policy::load(&files, "accounts.yaml")?).map(|_| ()).unwrap_err();
/// assert!(found.to_string().contains("accounts.yaml:6:49: error[FG012]"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check(doc: &PolicyDoc) -> Result<(PolicySet, Diagnostics), Diagnostics> {
    check_at(doc, None)
}

/// Judges a document, as [`check`] does, at a moment, for what is to be said of dates (rule 38).
///
/// # Errors
/// As [`check`]: all that is wrong with it.
pub fn check_at(doc: &PolicyDoc, now: Option<Moment>) -> Result<(PolicySet, Diagnostics), Diagnostics> {
    let mut reader = Reader { found: doc.found.clone(), classes: Section::Read };
    let policy = policy(&mut reader, doc);
    finish(policy, reader.found, doc, now)
}

/// A path of a route.
#[cfg(not(target_os = "wasi"))]
pub(super) fn path_template(path: &str) -> Option<crate::model::Template> {
    template::template(path).ok()
}

fn finish(
    policy: Option<PolicySet>,
    mut found: Vec<Diagnostic>,
    doc: &PolicyDoc,
    now: Option<Moment>,
) -> Result<(PolicySet, Diagnostics), Diagnostics> {
    // There are no lints in the plugin.
    #[cfg(target_os = "wasi")]
    let _ = now;
    #[cfg(not(target_os = "wasi"))]
    if let Some(policy) = &policy {
        super::lint::lint(policy, doc, now, &mut found);
    }
    if policy.is_none() && found.is_empty() {
        // Cannot be: whatever keeps a policy from being made is reported. But then it must not load (rule 39).
        found.push(Diagnostic::nowhere(Code::WrongKind, "the policy cannot be made"));
    }
    let found = Diagnostics::new(found, Rc::clone(&doc.sources));
    match policy {
        Some(policy) if !found.has_errors() => Ok((policy, found)),
        _ => Err(found),
    }
}

fn policy(reader: &mut Reader, doc: &PolicyDoc) -> Option<PolicySet> {
    let root = &doc.root;
    // Where a missing key is reported: the document's first key.
    let place = root.members().and_then(<[_]>::first).map_or(root.span, |member| member.key_span);
    language(reader, doc, place)?;
    let keys = reader.keys(root, "a policy", &KEYS);
    if let Some(member) = keys.member("include") {
        reader.push(
            Diagnostic::at(
                Code::Include,
                member.key_span,
                "`include` in a document that is not the root file of a policy on disk",
            )
            .help("includes are resolved by `fieldgate render`"),
        );
    }
    let name = reader
        .required(&keys, "policy", "the policy", place, "give it a name: `policy: customer-accounts`")
        .and_then(|node| reader.text(node, "`policy`").filter(|text| reader.name(text, node.span, "policy")))
        .map(str::to_owned);
    let hosts = settings::hosts(reader, keys.get("hosts"));
    let identity = settings::identity(reader, keys.get("identity"), place);
    let limits = settings::limits(reader, keys.get("limits"));
    let head = settings::head(reader, keys.get("head"));

    let classes = classes::classes(reader, keys.get("classes"));
    let content_types = keys.get("defaults").and_then(|node| node.get("content_types"));
    let content_types = content_types.map(|node| content::json_types(reader, node)).unwrap_or_default();
    let detectors = detectors::detectors(reader, keys.get("detectors"));
    let headers = keys.get("defaults").and_then(|node| node.get("headers"));
    let declared = Declared { classes: &classes, detectors: &detectors, headers };
    let defaults = settings::defaults(reader, declared, keys.get("defaults"));
    let shapes = shapes::shapes(reader, declared, keys.get("shapes"));
    let shape_names: Vec<(&str, Span)> = shapes.iter().map(|shape| (shape.name, shape.span)).collect();
    if keys.get("routes").is_none() {
        reader.push(
            Diagnostic::at(Code::MissingKey, place, "the policy has no `routes`, so it would refuse every request")
                .help("name at least one: `routes: {get-account: {match: GET /accounts/{accountId}, …}}`"),
        );
    }
    let routes = routes::routes(reader, declared, &shape_names, keys.get("routes"));
    let scopes = scopes::scopes(reader, &classes, identity.as_ref(), keys.get("scopes"));
    let clients_place = keys.member("clients").map_or(place, |member| member.key_span);
    let clients = scopes::clients(reader, &classes, keys.get("clients"), clients_place);
    for (count, what) in
        [(classes.len(), "classes"), (routes.len(), "routes"), (scopes.len(), "scopes"), (clients.len(), "clients")]
    {
        if count > MAX_THINGS {
            reader.push(Diagnostic::at(
                Code::TooMuch,
                place,
                format!("{count} {what}: at most {MAX_THINGS} are possible"),
            ));
            return None;
        }
    }
    let resolver = Resolver {
        content_types: &content_types,
        shapes: &shapes,
        routes: &routes,
        scopes: &scopes,
        clients: &clients,
    };
    resolver.areas(reader);
    resolver.client_scopes(reader, identity.as_ref());
    resolver.names(reader);
    resolver.scope_rows_exist(reader);
    let known = budgets::KnownNames {
        identity: identity.as_ref(),
        classes: &classes,
        clients: &clients,
        areas: resolver.known_areas(),
        namespaces: resolver.namespaces(),
    };
    let budgets = budgets::budgets(reader, &known, keys.get("budgets"));
    let canaries = budgets::canaries(reader, &known, keys.member("canaries"));
    let key = budgets::key(reader, keys.get("key"));
    let drift = settings::drift(reader, keys.get("drift"));
    let routes = resolver.routes(reader);
    counting::routes(reader, &budgets, &routes, &known.namespaces, keys.get("routes"));
    let any_client = clients.iter().position(|client| client.name == "*").and_then(scopes::client_id);
    Some(PolicySet {
        name: name?,
        digest: digest(doc).into(),
        hosts,
        identity: identity?,
        defaults,
        limits,
        head,
        detectors: detectors.into_iter().filter_map(|draft| draft.detector).collect(),
        classes,
        routes,
        scopes: scopes.into_iter().map(scope).collect(),
        clients: clients.into_iter().map(client).collect(),
        any_client,
        budgets,
        canaries,
        key,
        drift,
    })
}

/// An unknown language refuses to load, and nothing more is said of such a document (rule 2).
fn language(reader: &mut Reader, doc: &PolicyDoc, place: Span) -> Option<()> {
    let help = "this version of fieldgate knows `language: 1`";
    let Some(node) = doc.root.get("language") else {
        let version = doc.root.members().unwrap_or_default().iter().find(|member| &*member.key == "version");
        if doc.root.members().is_none() {
            reader.map(&doc.root, "the policy");
        } else if let Some(version) = version {
            reader.push(
                Diagnostic::at(Code::MissingKey, version.key_span, "the policy says its `version`, not its `language`")
                    .help("call it `language: 1`"),
            );
        } else {
            reader.push(Diagnostic::at(Code::MissingKey, place, "the policy does not say its `language`").help(help));
        }
        return None;
    };
    match &node.value {
        Tree::Number(text) if &**text == "1" => Some(()),
        Tree::Text { text, .. } if &**text == "1" => {
            reader.push(
                Diagnostic::at(Code::UnknownLanguage, node.span, "`language` is the string `1`, not the number")
                    .help("write it without quotes: `language: 1`"),
            );
            None
        }
        Tree::Number(text) | Tree::Text { text, .. } => {
            reader.push(
                Diagnostic::at(Code::UnknownLanguage, node.span, format!("unknown language `{text}`")).help(help),
            );
            None
        }
        _ => {
            reader.push(
                Diagnostic::at(Code::UnknownLanguage, node.span, format!("`language` is {}", node.kind())).help(help),
            );
            None
        }
    }
}

fn scope(draft: ScopeDraft<'_>) -> Scope {
    let areas: BTreeSet<String> = draft.areas.iter().map(|(area, _)| (*area).to_owned()).collect();
    Scope {
        name: draft.name.to_owned(),
        when: draft.when,
        areas: areas.into_iter().collect(),
        grant: draft.grant,
        grant_spans: draft.grant_spans,
        span: draft.span,
    }
}

fn client(draft: ClientDraft<'_>) -> Client {
    let scopes = draft.scopes.map(|scopes| scopes.into_iter().map(|(name, _)| name.to_owned()).collect());
    Client { name: draft.name.to_owned(), scopes, ceiling: draft.ceiling, span: draft.span }
}
