//! What passes unfiltered or unproved: pass routes, `any`, headers (rules 5 to 8, 30, 31).

use super::super::model::{Identity, OtherContent, QueryRule, RouteBody, TemplateSegment, Unmatched, When};
use super::super::{Node, PolicySet};
use super::{Lint, some};
use crate::diagnostic::{Code, Diagnostic};

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

/// Members of errors that hold free text, without `_` and `-`.
const TALKATIVE: [&str; 20] = [
    "backtrace",
    "cause",
    "causes",
    "context",
    "data",
    "debug",
    "debuginfo",
    "debugmessage",
    "description",
    "detail",
    "details",
    "errordescription",
    "exception",
    "innererror",
    "message",
    "msg",
    "reason",
    "stack",
    "stacktrace",
    "trace",
];

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
        for name in self.node(&["defaults", "headers", "keep"]).and_then(Node::elements).unwrap_or_default() {
            let Some(text) = name.text() else { continue };
            if REVEALING.contains(&text.to_ascii_lowercase().as_str()) {
                self.push(
                    Diagnostic::at(Code::RevealingHeader, name.span, format!("the header `{text}` may tell what the body withholds"))
                        .help("keep it only if its value says nothing that a caller may not know; or give it a class under `classify`"),
                );
            }
        }
        for name in self.node(&["defaults", "errors", "show"]).and_then(Node::elements).unwrap_or_default() {
            let Some(text) = name.text() else { continue };
            let member = text.rsplit('.').next().unwrap_or(text).trim_end_matches("[*]").to_ascii_lowercase();
            if TALKATIVE.contains(&member.replace(['_', '-'], "").as_str()) {
                self.push(
                    Diagnostic::at(
                        Code::TalkativeError,
                        name.span,
                        format!("`{text}` of an error is free text in most upstreams, and may repeat what the body withholds"),
                    )
                    .help("show codes that the upstream makes from a fixed list: `type`, `title`, `status`, `code`"),
                );
            }
        }
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

    fn route(&mut self, route: &super::super::model::Route) {
        let name = route.name.as_str();
        match &route.body {
            RouteBody::Pass(why) => {
                let message = format!("route `{name}` is forwarded untouched: {why}");
                self.push(Diagnostic::at(Code::PassRoute, route.span, message));
            }
            RouteBody::Governed(governed) => {
                if governed.other_content == OtherContent::Pass
                    && let Some(node) = self.node(&["routes", name, "other_content"])
                {
                    self.push(
                        Diagnostic::at(
                            Code::OtherContentPass,
                            node.span,
                            format!("bodies of route `{name}` that are not JSON pass unfiltered"),
                        )
                        .help("write `reject` unless the route also serves files that hold nothing personal"),
                    );
                }
            }
        }
        if let Some(node) = self.node(&["routes", name, "query"]) {
            if route.query == QueryRule::Any {
                self.push(
                    Diagnostic::at(
                        Code::QueryAny,
                        node.span,
                        format!("callers may send any query parameter on route `{name}`"),
                    )
                    .help(
                        "list those that they need: one that selects, renames or filters fields reveals withheld ones",
                    ),
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
