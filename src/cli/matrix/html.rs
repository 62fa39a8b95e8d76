//! The matrix as one self-contained page: no network, every cell explains itself. The page draws from the data that stands in it;
//! what comes from a policy is only ever text there, never markup.

use std::collections::HashMap;

use fieldgate::diagnostic::{Sources, Span};
use fieldgate::policy::model::RouteBody;
use fieldgate::suite::reasons;
use fieldgate::suite::verdict::{Verdict, client_entry, word};
use serde_json::{Value, json};

use crate::cli::cells::{self, RouteCells};
use crate::cli::load::Loaded;

const PAGE: &str = include_str!("page.html");

/// The page for these policies.
pub(super) fn page(loaded: &[Loaded]) -> String {
    let data: Vec<Value> = loaded.iter().map(policy).collect();
    // `<` would let a policy's text end the script element; JSON has another spelling for it (RFC 8259 §7).
    let data = Value::from(data).to_string().replace('<', "\\u003c");
    PAGE.replacen("@DATA@", &data, 1)
}

/// Explanations, each once: cells point at them.
#[derive(Default)]
struct Explanations {
    known: HashMap<String, usize>,
    all: Vec<Value>,
    /// Places by span: counting lines takes time, and thousands of cells share a few hundred places.
    places: HashMap<Span, String>,
}

impl Explanations {
    fn place(&mut self, sources: &Sources, span: Span) -> &str {
        self.places.entry(span).or_insert_with(|| sources.location(span).to_string())
    }

    fn index(&mut self, explanation: Value) -> usize {
        let next = self.all.len();
        let index = *self.known.entry(explanation.to_string()).or_insert(next);
        if index == next {
            self.all.push(explanation);
        }
        index
    }
}

fn policy(one: &Loaded) -> Value {
    let policy = &one.policy;
    let mut explanations = Explanations::default();
    let named: Vec<&str> =
        policy.clients.iter().map(|client| client.name.as_str()).filter(|name| *name != "*").collect();
    let mut clients = Vec::new();
    let any = cells::of(policy, client_entry(policy, None));
    for name in std::iter::once(None).chain(named.into_iter().map(Some)) {
        let own = cells::of(policy, client_entry(policy, name));
        let cells: Vec<Value> = own.iter().map(|route| cells_of(one, route, &mut explanations)).collect();
        clients.push(json!({"name": name.unwrap_or("any other"), "cells": cells}));
    }
    let routes: Vec<Value> = any
        .iter()
        .map(|cells| {
            let fields: Vec<Value> =
                cells.fields.iter().map(|field| json!({"path": field.path, "classes": field.classes})).collect();
            let notes: Vec<String> = cells
                .governed
                .rows
                .iter()
                .map(|rule| {
                    let scope = rule.scope.and_then(|id| policy.scopes.get(usize::from(id.0)));
                    let whom = scope.map_or("everybody", |scope| scope.name.as_str());
                    format!("Rows for {whom}: {}[?{}]", rule.array, rule.filter.as_str())
                })
                .collect();
            json!({"name": cells.route.name, "match": cells::match_text(cells.route), "fields": fields, "notes": notes})
        })
        .collect();
    let passed: Vec<String> = policy
        .routes
        .iter()
        .filter_map(|route| match &route.body {
            RouteBody::Pass(why) => {
                Some(format!("{} {} is forwarded untouched: {why}", route.name, cells::match_text(route)))
            }
            RouteBody::Governed(_) => None,
        })
        .collect();
    json!({
        "name": policy.name,
        "file": one.name,
        "classes": policy.classes.iter().map(|class| class.name.as_str()).collect::<Vec<_>>(),
        "scopes": policy.scopes.iter().map(|scope| scope.name.as_str()).collect::<Vec<_>>(),
        "routes": routes,
        "clients": clients,
        "reasons": explanations.all,
        "passed": passed,
    })
}

/// By field, by scope: the level and its explanation, or null where the scope does not act.
fn cells_of(one: &Loaded, cells: &RouteCells<'_>, explanations: &mut Explanations) -> Value {
    let mut cell = |verdict: &Option<Verdict>| match verdict {
        Some(verdict) => {
            let said: Vec<Value> = reasons(&one.policy, cells.governed, verdict, Some(one.doc.root()))
                .into_iter()
                .map(|reason| {
                    let place = reason.span.map(|span| explanations.place(&one.sources, span).to_owned());
                    json!([format!("{}: {}", reason.topic, reason.text), place, reason.decides])
                })
                .collect();
            json!([word(verdict.level), explanations.index(said.into())])
        }
        None => Value::Null,
    };
    cells.fields.iter().map(|field| field.verdicts.iter().map(&mut cell).collect::<Value>()).collect()
}
