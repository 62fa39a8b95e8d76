//! The matrix as one self-contained page: no network, every cell explains itself. The page draws from the data that stands in it;
//! what comes from a policy is only ever text there, never markup.

use std::collections::{BTreeSet, HashMap};

use fieldgate::diagnostic::{Sources, Span};
use fieldgate::model::ClientId;
use fieldgate::policy::PolicySet;
use fieldgate_workbench::suite::reasons;
use fieldgate_workbench::suite::verdict::{client_entry, word};
use serde_json::{Value, json};

use super::parts::in_part;
use super::{Arguments, wanted};
use crate::cells::{self, FieldCells, Narrowed, RouteCells};
use crate::load::Loaded;

const PAGE: &str = include_str!("page.html");

/// The page for these policies.
pub(super) fn page(loaded: &[Loaded], arguments: &Arguments) -> String {
    let data: Vec<Value> = loaded.iter().map(|one| policy(one, arguments)).collect();
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

fn policy(one: &Loaded, arguments: &Arguments) -> Value {
    let policy = &one.policy;
    let mut explanations = Explanations::default();
    let scopes = arguments.scopes_of(policy);
    let named = policy.clients.iter().map(|client| client.name.as_str()).filter(|name| *name != "*");
    let names: Vec<Option<&str>> = match arguments.client.as_deref() {
        Some(only) => vec![Some(only)],
        None => std::iter::once(None).chain(named.map(Some)).collect(),
    };
    let any_other = arguments.cells_of(policy, client_entry(policy, None));
    let shares = shares(policy, arguments);
    let mut clients = Vec::new();
    for name in names {
        // By share, by route.
        let cells: Vec<Vec<Value>> = shares
            .iter()
            .map(|used| {
                let own = arguments.cells_at(policy, client_entry(policy, name), *used);
                let whose = (client_entry(policy, name), *used);
                own.iter().map(|route| cells_of(one, route, &scopes, whose, &mut explanations)).collect()
            })
            .collect();
        clients.push(json!({"name": name.unwrap_or("any other"), "cells": cells}));
    }
    let client = client_entry(policy, arguments.client.as_deref());
    let named: Vec<Value> = shares
        .iter()
        .map(|used| {
            let shown = Narrowed { scopes: Some(&scopes), classes: &arguments.classes };
            let notes: Vec<_> = any_other.iter().map(|of| cells::notes(policy, of, (client, *used), shown)).collect();
            let name = used.map_or_else(|| "nothing".to_owned(), |used| format!("{used}%"));
            json!({"name": name, "notes": notes})
        })
        .collect();
    let routes: Vec<Value> = any_other
        .iter()
        .map(|cells| {
            let fields: Vec<Value> = cells
                .fields
                .iter()
                .map(|field| {
                    let forms = cells::forms_by_level(&field.forms);
                    let all = field.forms.to_string();
                    json!({"path": field.path, "classes": field.classes, "forms": forms, "all": all})
                })
                .collect();
            json!({"name": cells.route.name, "match": cells::match_text(cells.route), "fields": fields})
        })
        .collect();
    let classes = policy.classes.iter().map(|class| class.name.as_str());
    let scope_names = scopes.iter().filter_map(|index| policy.scopes.get(*index)).map(|scope| scope.name.as_str());
    json!({
        "name": policy.name,
        "file": one.name,
        "classes": classes.filter(|name| wanted(&arguments.classes, name)).collect::<Vec<_>>(),
        "scopes": scope_names.collect::<Vec<_>>(),
        "routes": routes,
        "shares": named,
        "clients": clients,
        "reasons": explanations.all,
        "passed": cells::untouched(policy, |name| wanted(&arguments.routes, name)),
    })
}

/// How much of each budget is used in the views that the page has: nothing, and where each step begins; or what is asked for.
fn shares(policy: &PolicySet, arguments: &Arguments) -> Vec<Option<u8>> {
    if arguments.used.is_some() {
        return vec![arguments.used];
    }
    let steps = policy.budgets.iter().flat_map(|budget| &budget.steps).map(|step| step.percent);
    // A full budget refuses, whether a step says so or not.
    let full = (!policy.budgets.is_empty()).then_some(100);
    let all: BTreeSet<u8> = steps.chain(full).collect();
    std::iter::once(None).chain(all.into_iter().map(Some)).collect()
}

/// By field, by scope: the level and its explanation, or null where the scope does not act.
fn cells_of(
    one: &Loaded,
    cells: &RouteCells<'_>,
    scopes: &[usize],
    whose: (Option<ClientId>, Option<u8>),
    explanations: &mut Explanations,
) -> Value {
    let mut cell = |field: &FieldCells, index: usize| match field.verdicts.get(index).unwrap_or(&None) {
        Some(verdict) => {
            let mut said: Vec<Value> = reasons(&one.policy, cells.governed, verdict, Some(one.doc.root()))
                .into_iter()
                .map(|reason| {
                    let place = reason.span.map(|span| explanations.place(&one.sources, span).to_owned());
                    json!([format!("{}: {}", reason.topic, reason.text), place, reason.decides])
                })
                .collect();
            let parts = in_part(&one.policy, cells, field, index, whose);
            said.extend(parts.into_iter().map(|part| json!([format!("in part: {part}"), null, false])));
            json!([word(verdict.level), explanations.index(said.into())])
        }
        None => Value::Null,
    };
    cells.fields.iter().map(|field| scopes.iter().map(|index| cell(field, *index)).collect::<Value>()).collect()
}
