//! The tables below the views: who sees what, who gains and loses, and what a suite's rows come to. And completion.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use fieldgate::budget::MemoryStore;
use fieldgate::diagnostic::{Diagnostics, Span};
use fieldgate::model::{RouteBody, ScopeId};
use fieldgate::policy;
use fieldgate::program::{Program, Way};
use fieldgate_workbench::loaded::Loaded;
use fieldgate_workbench::suite::parts::{Part, raised};
use fieldgate_workbench::suite::verdict::{client_entry, word};
use fieldgate_workbench::suite::{self, Bodies, Case, Judgement, budgets, run};
use fieldgate_workbench::{cells, changes, complete as completion, found};
use serde_json::{Value, json};

use crate::marked::Explained;
use crate::question::{self, Places, byte, files, now, text, used};

fn broken(diagnostics: &Diagnostics) -> Value {
    json!({"check": found::document(std::slice::from_ref(diagnostics))})
}

/// Answers `matrix`: by route, each field's level for each scope, with its explanation.
pub(crate) fn matrix(question: &Value) -> Result<Value, String> {
    let one = match question::policy(question) {
        Ok(one) => one,
        Err(diagnostics) => return Ok(broken(&diagnostics)),
    };
    let policy = &one.policy;
    let client = client_entry(policy, Some(text(question, "client")).filter(|client| !client.is_empty()));
    let routes = cells::of(policy, client).into_iter().map(|cells| {
        let mut explained = Explained::new(&one, cells.route, cells.governed);
        explained.step = used(question).and_then(|used| budgets::effect_at(policy, cells.route, client, used));
        let fields: Vec<Value> = cells
            .fields
            .iter()
            .map(|field| {
                let entry = cells.governed.entries.get(field.entry).map(|entry| &entry.path);
                let levels = (0u16..).map(ScopeId).zip(&field.verdicts).map(|(id, verdict)| {
                    verdict.clone().map(|verdict| {
                        let verdict = explained.stepped(verdict);
                        let level = word(verdict.level);
                        let stepped = |verdict| explained.stepped(verdict);
                        let parts = entry.map(|path| raised(policy, cells.governed, path, (client, &[id]), stepped));
                        let parts: Vec<String> = parts.iter().flatten().map(Part::said).collect();
                        json!([level, explained.index_with(&field.path, verdict, &parts)])
                    })
                });
                json!({"path": field.path, "classes": field.classes, "cells": levels.collect::<Vec<_>>()})
            })
            .collect();
        json!({
            "name": cells.route.name,
            "match": cells::match_text(cells.route),
            "fields": fields,
            "notes": cells::notes(policy, &cells, (client, used(question)), cells::Narrowed::default()),
            "explained": explained.all,
        })
    });
    let routes: Vec<Value> = routes.collect();
    Ok(json!({
        "scopes": policy.scopes.iter().map(|scope| scope.name.as_str()).collect::<Vec<_>>(),
        "routes": routes,
        "untouched": cells::untouched(policy, |_| true),
    }))
}

/// Answers `diff`: `old` is a policy as the question itself is one.
pub(crate) fn diff(question: &Value) -> Result<Value, String> {
    let old = question.get("old").ok_or("a `diff` has an `old` policy")?;
    match (question::policy(old), question::policy(question)) {
        (Ok(old), Ok(new)) => Ok(changes::document(&changes::of_two(&old.policy, &new))),
        (Err(diagnostics), _) => Ok(json!({"broken": "old", "check": broken(&diagnostics)})),
        (_, Err(diagnostics)) => Ok(json!({"broken": "new", "check": broken(&diagnostics)})),
    }
}

/// Answers `suite`: the rows, each with what it comes to.
pub(crate) fn suite(question: &Value) -> Result<Value, String> {
    let one = match question::policy(question) {
        Ok(one) => one,
        Err(diagnostics) => return Ok(broken(&diagnostics)),
    };
    let asked = question.get("suite").ok_or("there is no suite")?;
    let given = asked.get("bodies").and_then(Value::as_object);
    let bodies: BTreeMap<String, Vec<u8>> = given
        .into_iter()
        .flatten()
        .filter_map(|(name, body)| Some((name.clone(), body.as_str()?.as_bytes().to_vec())))
        .collect();
    let read = suite::read_with(Path::new(text(asked, "name")), text(asked, "text"), Bodies::Given(&bodies));
    let suite = match read {
        Ok(suite) => suite,
        Err(diagnostics) => return Ok(broken(&diagnostics)),
    };
    let key = run::test_key().map_err(|fault| fault.to_string())?;
    let program =
        || Program::new(one.policy.clone(), Some(key.clone())).map(Rc::new).map_err(|missing| missing.to_string());
    let now = suite.now.or_else(|| now(question));
    let mut rows = Vec::new();
    let mut places = (Places::new(&one.sources), Places::new(&suite.sources));
    let whole = program()?;
    for case in &suite.cases {
        let (judgement, _) = run::row(&program()?, one.doc.root(), case, case.now.or(now), &mut MemoryStore::default());
        let mut row = drawn(&case.name, case.span, &judgement, &mut places);
        if let Some(members) = row.as_object_mut() {
            members.insert("asks".to_owned(), asks(&one, &whole, case));
        }
        rows.push((case.span, row));
    }
    for sequence in &suite.sequences {
        let judgement = run::sequence(&program()?, one.doc.root(), sequence, sequence.now.or(now));
        rows.push((sequence.span, drawn(&sequence.name, sequence.span, &judgement, &mut places)));
    }
    rows.sort_by_key(|(span, _)| *span);
    Ok(json!({"rows": rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>()}))
}

/// What a row asks, for the page to ask it too.
fn asks(one: &Loaded, program: &Program, case: &Case) -> Value {
    let authority = one.policy.hosts.first().map_or("localhost", String::as_str);
    let route = match program.way(authority, &case.request.method, &case.request.path) {
        Ok(Way::Governed(id)) => one.policy.routes.get(usize::from(id.0)),
        _ => None,
    };
    json!({
        "request": format!("{} {}", case.request.method, case.request.path),
        "route": route.filter(|route| matches!(route.body, RouteBody::Governed(_))).map(|route| &route.name),
        "scopes": case.request.scopes,
        "client": case.request.client,
        "claims": case.request.claims,
        "response": {
            "status": case.response.status,
            "headers": case.response.headers.iter().map(|(name, value)| json!([name, value])).collect::<Vec<_>>(),
            "body": String::from_utf8_lossy(&case.response.body),
        },
    })
}

fn drawn(name: &str, span: Span, judgement: &Judgement, places: &mut (Places<'_>, Places<'_>)) -> Value {
    let findings: Vec<Value> = judgement
        .findings
        .iter()
        .map(|finding| {
            let because: Vec<Value> = finding
                .because
                .iter()
                .map(|(text, span)| json!({"text": text, "at": span.map(|span| places.0.of(span))}))
                .collect();
            json!({
                "subject": finding.subject, "expected": finding.expected, "got": finding.got, "because": because,
                "perhaps": finding.perhaps.as_ref().map(|(text, _)| text), "at": places.1.of(finding.span),
            })
        })
        .collect();
    json!({"name": name, "at": places.1.of(span), "findings": findings})
}

/// Answers `complete`: what may be written at a place of a file, in the editor's units.
pub(crate) fn complete(question: &Value) -> Result<Value, String> {
    let (files, root) = (files(question), text(question, "root"));
    let file = files.get(text(question, "file")).ok_or("there is no such file")?;
    let unit = question.get("at").and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
    // While a key is typed the text is seldom YAML: then the last one that was is asked for its names.
    let last = question.get("last").map(question::files);
    let doc = policy::load(&files, root).ok().or_else(|| policy::load(&last?, root).ok());
    let Some((typed, items)) = completion::completion(doc.as_ref(), file, byte(file, unit)) else {
        return Ok(json!({"items": []}));
    };
    let units = |at: usize| file.get(..at).map_or(0, |before| before.encode_utf16().count());
    let items: Vec<Value> = items
        .into_iter()
        .map(|item| json!({"label": item.label, "detail": item.about, "name": item.is_name, "apply": item.written}))
        .collect();
    Ok(json!({"from": units(typed.start), "to": units(typed.end), "items": items}))
}
