//! What passes unfiltered or unproved: pass routes, `any`, headers (rules 5 to 8, 30, 31).

use std::collections::BTreeMap;

use super::super::similar::question;
use super::{Lint, some};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::Node;
use crate::model::field_path::Segment;
use crate::model::media::MediaRange;
use crate::model::{
    Entry, Governed, Identity, OtherContent, QueryRule, Route, RouteBody, TemplateSegment, Unmatched, When,
};
use crate::policy::PolicySet;

/// Query parameters by which many APIs let a caller choose, rename, expand, filter or order by fields, withheld ones too.
const TELLING: [&str; 41] = [
    "$apply",
    "$expand",
    "$filter",
    "$orderby",
    "$search",
    "$select",
    "_fields",
    "_sort",
    "callback",
    "cols",
    "columns",
    "embed",
    "exclude",
    "expand",
    "field",
    "fields",
    "filter",
    "filters",
    "group",
    "group_by",
    "groupby",
    "having",
    "include",
    "jsonp",
    "jsonpath",
    "order",
    "order_by",
    "orderby",
    "populate",
    "projection",
    "q",
    "query",
    "relations",
    "search",
    "select",
    "sort",
    "sort_by",
    "sortby",
    "view",
    "where",
    "with",
];

/// Response headers that may tell what a body withholds (rule 31).
const REVEALING: [&str; 9] = [
    "content-disposition",
    "content-location",
    "link",
    "location",
    "refresh",
    "server-timing",
    "set-cookie",
    "x-total-count",
    "x-total-pages",
];

/// Words in the names of headers that hold personal data, or what is for an upstream's developers.
const PERSONAL: [&str; 10] =
    ["account", "customer", "debug", "email", "iban", "msisdn", "phone", "psu", "subscriber", "user"];

/// Methods of IANA's registry that clients of an API send, and `PURGE`.
const METHODS: [&str; 16] = [
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "QUERY",
    "REPORT",
    "SEARCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LINK",
    "PURGE",
];

/// Members of errors that are for an upstream's developers.
const INTERNALS: [&str; 14] = [
    "backtrace",
    "cause",
    "debug",
    "debuginfo",
    "debugmessage",
    "exception",
    "innererror",
    "query",
    "sql",
    "stack",
    "stacktrace",
    "statement",
    "trace",
    "traceback",
];

/// Members of errors that hold sentences.
const PROSE: [&str; 11] = [
    "description",
    "detail",
    "details",
    "diagnostics",
    "display",
    "errordescription",
    "message",
    "msg",
    "reason",
    "text",
    "usermessage",
];

/// What a sentence of an error may quote, and a detector finds.
const SEARCHED: [&str; 4] = ["card", "email", "iban", "phone"];

fn of_types(ranges: &[MediaRange]) -> String {
    let names: Vec<String> = ranges.iter().map(|range| format!("`{range}`")).collect();
    names.join(" or ")
}

impl Lint<'_> {
    pub(super) fn settings(&mut self) {
        let policy = self.policy;
        self.identity(policy);
        if policy.defaults.unmatched_route == Unmatched::Pass
            && let Some(node) = self.node(&["defaults", "unmatched_route"])
        {
            // Where the policy is limited to some authorities, all requests to the others match no route.
            let which = match policy.hosts.as_slice() {
                [] => "requests that match no route".to_owned(),
                hosts => format!(
                    "requests that match no route, and all to authorities other than {},",
                    some(hosts.iter().map(String::as_str))
                ),
            };
            let message =
                format!("{which} are forwarded untouched, unless their path can be read as a governed route's");
            self.push(
                Diagnostic::at(Code::UnmatchedPass, node.span, message)
                    .help("write `reject`, and `pass: \"why\"` on each route that needs no filter"),
            );
        }
        self.kept_headers(&["defaults", "headers", "keep"], &REVEALING);
        self.errors(policy);
        for route in &policy.routes {
            self.route(route);
        }
        for scope in &policy.scopes {
            if scope.when == When::Always {
                let message = format!("scope `{}` is active for everybody, also without a token", scope.name);
                self.push(Diagnostic::at(Code::PublicScope, scope.span, message));
            }
        }
    }

    /// Headers that are kept for everybody, and may tell what the body withholds.
    fn kept_headers(&mut self, place: &[&str], revealing: &[&str]) {
        for name in self.node(place).and_then(Node::elements).unwrap_or_default() {
            let Some(text) = name.text() else { continue };
            let lower = text.to_ascii_lowercase();
            let (why, help) = if lower == "set-cookie" && revealing.contains(&"set-cookie") {
                (
                    "hands out the upstream's sessions".to_owned(),
                    "leave it out: who holds such a cookie may be able to ask the upstream by another way",
                )
            } else if revealing.contains(&lower.as_str()) {
                (
                    "may tell what the body withholds".to_owned(),
                    "keep it only if its value says nothing that a caller may not know; or give it a class under `classify`",
                )
            } else if let Some(word) = stem_words(&lower).iter().find(|word| PERSONAL.contains(&word.as_str())) {
                (
                    format!("goes to everybody, and its name speaks of `{word}`"),
                    "give it a class under `classify`: a scope that is granted the class gets it",
                )
            } else {
                continue;
            };
            self.push(
                Diagnostic::at(Code::RevealingHeader, name.span, format!("the header `{text}` {why}")).help(help),
            );
        }
    }

    /// Parts of an upstream's error that are written for developers, or in free text.
    fn errors(&mut self, policy: &PolicySet) {
        let missing: Vec<&str> = SEARCHED
            .into_iter()
            .filter(|name| policy.defaults.errors.detect.iter().all(|detector| detector.name() != *name))
            .collect();
        for place in self.node(&["defaults", "errors", "show"]).and_then(Node::elements).unwrap_or_default() {
            let Some(text) = place.text() else { continue };
            let last = text.rsplit(['.', '\'', '[']).find(|part| part.contains(|c: char| c.is_alphanumeric()));
            let name: String =
                last.unwrap_or(text).chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
            let (why, help) = if INTERNALS.contains(&name.as_str()) {
                (
                    "tells how the upstream works, and often what it worked on".to_owned(),
                    "leave it out: callers need a code and a title".to_owned(),
                )
            } else if PROSE.contains(&name.as_str()) && missing.len() == SEARCHED.len() {
                (
                    "is free text, which may quote what a caller may not see".to_owned(),
                    "leave it out, or have it searched: `detect: [card, email, iban, phone]`".to_owned(),
                )
            } else if PROSE.contains(&name.as_str()) && !missing.is_empty() {
                (
                    format!("is free text, and is not searched for {}", some(missing.iter().copied())),
                    "leave it out, or have it searched for all: `detect: [card, email, iban, phone]`".to_owned(),
                )
            } else {
                continue;
            };
            self.push(
                Diagnostic::at(Code::RevealingError, place.span, format!("`{text}` of an error {why}")).help(help),
            );
        }
    }

    fn identity(&mut self, policy: &PolicySet) {
        let Some(node) = self.node(&["identity"]) else { return };
        let place = node.get("source").unwrap_or(node).span;
        let elsewhere = match &policy.identity {
            Identity::JwtAuthn { .. } => return,
            Identity::Mtls => true,
            Identity::TrustedHeader { client, scopes } => {
                let message = format!("the caller is whoever the header `{client}` says");
                self.push(Diagnostic::at(Code::TrustedHeader, place, message).help(
                    "make sure that every way to this Envoy overwrites the header; better use `jwt_authn` or `mtls`",
                ));
                scopes.is_none()
            }
        };
        let named = policy.scopes.iter().any(|scope| scope.when != When::Always);
        if elsewhere && named && policy.clients.iter().all(|client| client.scopes.as_ref().is_none_or(Vec::is_empty)) {
            self.push(
                Diagnostic::at(
                    Code::NoEffect,
                    place,
                    "nobody has a scope: callers get theirs from `clients`, and no entry lists any",
                )
                .help("list them: `clients: {spiffe://…: {scopes: [care.read]}, \"*\": {scopes: []}}`"),
            );
        }
    }

    fn route(&mut self, route: &Route) {
        self.method(route);
        let elsewhere: Vec<&str> = REVEALING.into_iter().filter(|name| *name != "location").collect();
        self.kept_headers(&["routes", &route.name, "headers", "keep"], &elsewhere);
        self.body(route);
        if let Some(node) = self.node(&["routes", &route.name, "query"]) {
            self.query(route, node);
            self.bounds(route, node);
        }
        self.segments(route);
    }

    /// A method that no client sends.
    fn method(&mut self, route: &Route) {
        let name = route.name.as_str();
        if !METHODS.contains(&route.method.as_str())
            && let Some(node) = self.node(&["routes", name, "match"])
        {
            let message =
                format!("no usual request has the method `{}`, so route `{name}` is never used", route.method);
            let help = question(&route.method, METHODS).unwrap_or_else(|| {
                "write GET, POST, PUT, PATCH or DELETE; a route for each where there are several".to_owned()
            });
            self.push(Diagnostic::at(Code::NoEffect, node.span, message).help(help));
        }
    }

    /// Bodies that pass unfiltered: of the whole route, or of some media types.
    fn body(&mut self, route: &Route) {
        let name = route.name.as_str();
        match &route.body {
            RouteBody::Pass(why) => {
                let message = format!("route `{name}` is forwarded untouched: {why}");
                self.push(Diagnostic::at(Code::PassRoute, route.span, message));
            }
            RouteBody::Governed(governed) => {
                if let OtherContent::Pass(ranges) = &governed.other_content
                    && let Some(node) = self.node(&["routes", name, "other_content"])
                {
                    self.push(
                        Diagnostic::at(
                            Code::OtherContentPass,
                            node.span,
                            format!("bodies of route `{name}` pass unfiltered if they are {}", of_types(ranges)),
                        )
                        .help("write `reject` unless whoever may use the route may see all that such a file holds"),
                    );
                }
            }
        }
    }

    /// Query parameters that may choose or rename fields, and routes that take any.
    fn query(&mut self, route: &Route, node: &Node) {
        let name = route.name.as_str();
        if route.query == QueryRule::Any {
            self.push(
                Diagnostic::at(
                    Code::QueryAny,
                    node.span,
                    format!("callers may send any query parameter on route `{name}`"),
                )
                .help("list those that they need: one that selects, renames or filters fields reveals withheld ones"),
            );
        }
        for element in node.elements().unwrap_or_default() {
            let Some(text) = element.text() else { continue };
            let lower = text.to_lowercase();
            let stem = lower.split('[').next().unwrap_or(&lower);
            if TELLING.contains(&stem) {
                self.push(
                    Diagnostic::at(
                        Code::QueryName,
                        element.span,
                        format!("the query parameter `{text}` of route `{name}` may select, rename, filter or order by withheld fields"),
                    )
                    .help("make sure that the upstream applies it only to fields that every caller of the route may see"),
                );
            }
        }
    }

    /// Query parameters that ask for bounds of a field. Both ends of one range are one thing to look at.
    fn bounds(&mut self, route: &Route, node: &Node) {
        let RouteBody::Governed(governed) = &route.body else { return };
        let name = route.name.as_str();
        let mut ranges: BTreeMap<String, (Span, Vec<&str>)> = BTreeMap::new();
        for element in node.elements().unwrap_or_default() {
            let Some(text) = element.text() else { continue };
            if let Some(field) = bounded(stem_words(text), governed) {
                ranges.entry(field).or_insert_with(|| (element.span, Vec::new())).1.push(text);
            }
        }
        for (field, (span, names)) in ranges {
            let (names, it) = match names.as_slice() {
                [one] => (format!("the query parameter `{one}`"), "it"),
                _ => (format!("the query parameters {}", some(names.iter().copied())), "them"),
            };
            self.push(
                Diagnostic::at(
                    Code::QueryName,
                    span,
                    format!("{names} of route `{name}` may ask for bounds of `{field}`, which not every caller sees as it is: who is found tells its value"),
                )
                .help(format!("make sure that the upstream applies {it} only for callers who may see the field")),
            );
        }
    }

    /// Literal segments that look like parameters.
    fn segments(&mut self, route: &Route) {
        let name = route.name.as_str();
        for segment in &route.template.segments {
            let TemplateSegment::Literal(text) = segment else { continue };
            if (text.starts_with(':') && text.len() > 1 || text == "*")
                && let Some(node) = self.node(&["routes", name, "match"])
            {
                let parameter = if text == "*" { "name" } else { text.trim_start_matches(':') };
                self.push(
                    Diagnostic::at(
                        Code::LiteralLooksLikeParameter,
                        node.span,
                        format!("the segment `{text}` of route `{name}` matches only itself"),
                    )
                    .help(format!("write `{{{parameter}}}` if it stands for any segment")),
                );
            }
        }
    }
}

/// Words of a query parameter that ask for more, less or a part of a value.
const BOUNDS: [&str; 22] = [
    "min", "max", "minimum", "maximum", "from", "to", "since", "until", "before", "after", "gt", "gte", "lt", "lte",
    "above", "below", "over", "under", "greater", "less", "contains", "like",
];

/// The words of a parameter's name, in lower case: `min-amount`, `minAmount` and `amount[gte]` have two.
fn stem_words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut lower = false;
    for c in text.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && lower) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The field of a route that a parameter asks bounds of, if the field has a form below show: somebody then sees less of it.
fn bounded(words: Vec<String>, governed: &Governed) -> Option<String> {
    let rest: String = words.iter().filter(|word| !BOUNDS.contains(&word.as_str())).map(String::as_str).collect();
    if rest.is_empty() || !words.iter().any(|word| BOUNDS.contains(&word.as_str())) {
        return None;
    }
    let named = |entry: &&Entry| {
        let names = entry.path.segments.iter().rev().filter_map(|segment| match segment {
            Segment::Member(name) => Some(stem_words(name).concat()),
            _ => None,
        });
        (entry.mask.is_some() || entry.pseudonym.is_some()) && names.take(2).any(|name| name == rest)
    };
    governed.entries.iter().find(named).map(|entry| entry.path.to_string())
}
