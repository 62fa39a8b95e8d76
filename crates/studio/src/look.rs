//! What is wrong with a policy, and what each caller gets of a body under it.

use std::collections::BTreeSet;
use std::rc::Rc;

use fieldgate::diagnostic::{Diagnostics, Severity, catalogue};
use fieldgate::exchange::{Answer, Mode, Response};
use fieldgate::model::{ClientId, PolicySet, Route, RouteBody, StepEffect};
use fieldgate::program::{Program, Way};
use fieldgate::refusal::Problem;
use fieldgate_workbench::cells;
use fieldgate_workbench::found;
use fieldgate_workbench::invented;
use fieldgate_workbench::loaded::Loaded;
use fieldgate_workbench::preview::{self, Asked, meaning};
use fieldgate_workbench::suite::verdict::Asker;
use fieldgate_workbench::suite::{budgets, run};
use serde_json::{Map, Value, json};

use crate::callers::{self, Asking};
use crate::marked::{self, Explained};
use crate::question::{Places, headers, now, policy, response, text, used};

/// Answers `look`.
pub(crate) fn look(question: &Value) -> Result<Value, String> {
    let mut answer = Map::new();
    let one = policy(question);
    let diagnostics = match &one {
        Ok(one) => &one.diagnostics,
        Err(diagnostics) => diagnostics,
    };
    answer.insert("check".to_owned(), found::document(std::slice::from_ref(diagnostics)));
    answer.insert("marks".to_owned(), marks(diagnostics).into());
    if let Ok(one) = &one {
        answer.insert("policy".to_owned(), about(&one.policy));
        views(question, one, &mut answer)?;
    }
    Ok(Value::Object(answer))
}

/// What is said of a policy, as the editor draws it.
fn marks(diagnostics: &Diagnostics) -> Vec<Value> {
    let mut places = Places::new(diagnostics.sources());
    diagnostics
        .items()
        .iter()
        .map(|item| {
            let fix = item.fix(diagnostics.sources());
            let fix = fix.map(|fix| json!({"at": places.of(fix.span), "text": fix.text}));
            let labels: Vec<Value> =
                item.labels.iter().map(|label| json!({"at": places.of(label.span), "text": label.text})).collect();
            let page = catalogue::page(item.code);
            json!({
                "code": item.code.to_string(),
                "severity": match item.severity() {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                    Severity::Note => "info",
                },
                "message": item.message,
                "here": item.here,
                "help": item.help,
                "why": page.map(|page| page.why),
                "at": item.span.map(|span| places.of(span)),
                "labels": labels,
                "fix": fix,
            })
        })
        .collect()
}

/// What the page lets choose from.
fn about(policy: &PolicySet) -> Value {
    let routes: Vec<Value> = policy
        .routes
        .iter()
        .map(|route| {
            let made = match &route.body {
                RouteBody::Governed(governed) => Some(format!("{:#}", invented::body(governed.entries.iter()))),
                RouteBody::Pass(_) => None,
            };
            json!({
                "name": route.name,
                "match": cells::match_text(route),
                "request": format!("{} {}", route.method, route.template.example("0")),
                "sample": made,
            })
        })
        .collect();
    let names = |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect::<Vec<_>>();
    let steps = policy.budgets.iter().flat_map(|budget| &budget.steps).map(|step| step.percent);
    let full = (!policy.budgets.is_empty()).then_some(100);
    json!({
        "name": policy.name,
        "routes": routes,
        "scopes": names(&mut policy.scopes.iter().map(|scope| scope.name.as_str())),
        "clients": names(&mut policy.clients.iter().map(|client| client.name.as_str()).filter(|name| *name != "*")),
        "steps": steps.chain(full).collect::<BTreeSet<u8>>(),
    })
}

/// The request: the one that the page has, else one that the named route takes, else one for the first route.
fn asked(question: &Value, policy: &PolicySet) -> Result<Asked, String> {
    let authority = policy.hosts.first().cloned().unwrap_or_else(|| "localhost".to_owned());
    let headers = headers(question, "headers");
    let request = text(question, "request").trim();
    if !request.is_empty() {
        let (method, target) = request.split_once(' ').unwrap_or((request, ""));
        let target = target.trim();
        if !target.starts_with('/') || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err("a request is a method and a path: GET /accounts/42?page=2".to_owned());
        }
        return Ok(Asked { authority, method: method.to_owned(), target: target.to_owned(), headers });
    }
    let named = policy.routes.iter().find(|route| route.name == text(question, "route"));
    let route = named.or_else(|| policy.routes.first()).ok_or("the policy has no route")?;
    Ok(Asked { authority, method: route.method.clone(), target: route.template.example("0"), headers })
}

fn views(question: &Value, one: &Loaded, answer: &mut Map<String, Value>) -> Result<(), String> {
    let policy = &one.policy;
    let mut seen = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    let found = asked(question, policy).and_then(|asked| Ok((asked, callers::of(policy, question)?)));
    let (asked, callers) = match found {
        Ok(found) => found,
        Err(fault) => {
            seen("fault", fault.into());
            return Ok(());
        }
    };
    let key = run::test_key().map_err(|fault| fault.to_string())?;
    let fresh = || Program::new(policy.clone(), Some(key.clone())).map(Rc::new).map_err(|missing| missing.to_string());
    let whole = fresh()?;
    let way = whole.way(&asked.authority, &asked.method, &asked.target);
    let route = match way {
        Ok(Way::Governed(id)) => policy.routes.get(usize::from(id.0)),
        _ => None,
    };
    seen(
        "asked",
        json!({"request": format!("{} {}", asked.method, asked.target), "route": route.map(|route| &route.name)}),
    );
    let governed = route.and_then(|route| match &route.body {
        RouteBody::Governed(governed) => Some((route, governed)),
        RouteBody::Pass(_) => None,
    });
    let mut explained = governed.map(|(route, governed)| Explained::new(one, route, governed));
    let mut upstream = response(question);
    if asked.method == "HEAD" {
        upstream.body.clear();
    }
    // A program remembers what it has read of budgets and canaries: where it counts, each caller has its own. At a share of the
    // budgets it counts nothing, and is the same for all of a client.
    let counts = policy.canaries.is_some() || (used(question).is_none() && !policy.budgets.is_empty());
    let mut at_share: Vec<(Option<ClientId>, Rc<Program>)> = Vec::new();
    let mut drawn = Vec::new();
    for asking in callers {
        let entry = asking.caller.entry;
        let kept = at_share.iter().find(|(other, _)| *other == entry && !counts).map(|(_, program)| Rc::clone(program));
        let program = match kept {
            Some(program) => program,
            None if !counts && used(question).is_none() => Rc::clone(&whole),
            None => {
                let made = preview::program(policy, &asking.caller, used(question), Some(key.clone()), &asked);
                let program = Rc::new(made.map_err(|missing| missing.to_string())?);
                at_share.push((entry, Rc::clone(&program)));
                program
            }
        };
        drawn.push(view(question, (one, route), &asked, asking, &program, &upstream, explained.as_mut()));
    }
    seen("views", drawn.into());
    let notes = governed.map(|(route, _)| notes(one, route, question)).unwrap_or_default();
    seen("notes", notes.into());
    seen("fields", explained.map(|explained| explained.all).unwrap_or_default().into());
    Ok(())
}

/// What a reader of the views has to know besides.
fn notes(one: &Loaded, route: &Route, question: &Value) -> Vec<String> {
    let client = Some(text(question, "client")).filter(|client| !client.is_empty());
    let client = fieldgate_workbench::suite::verdict::client_entry(&one.policy, client);
    let all = cells::of(&one.policy, client);
    let own = all.iter().find(|cells| cells.route.name == route.name);
    own.map(|own| cells::notes(&one.policy, own, (client, used(question)), cells::Narrowed::default()))
        .unwrap_or_default()
}

fn view(
    question: &Value,
    (one, route): (&Loaded, Option<&Route>),
    asked: &Asked,
    asking: Asking,
    program: &Rc<Program>,
    upstream: &Response,
    explained: Option<&mut Explained<'_>>,
) -> Value {
    let policy = &one.policy;
    let Asking { name, caller } = asking;
    let mut view = Map::new();
    let mut put = |name: &str, value: Value| view.insert(name.to_owned(), value);
    put("name", name.into());
    put("scopes", json!(caller.scopes));
    put("claims", caller.claims.clone());
    put("client", json!(&*caller.client));
    let step =
        used(question).zip(route).and_then(|(used, route)| budgets::effect_at(policy, route, caller.entry, used));
    if let Some((id, step)) = step {
        let budget = policy.budget(id).map_or("", |budget| budget.name.as_str());
        put("budget", json!({"name": budget, "effect": budgets::effect_text(step.then)}));
        if step.then == StepEffect::Reject {
            // When the window ends depends on when it began: at the latest after the whole of it.
            let window = policy.budget(id).map_or(0, |budget| budget.per.seconds);
            let problem = Problem::of_budget(budget, u32::try_from(window).unwrap_or(u32::MAX));
            put("status", problem.status.into());
            put("headers", problem.headers().map(|(name, value)| json!([name, value])).collect());
            put("body", problem.body.into());
            let help = format!("budget {budget} is full; `retry-after` is at most its window");
            put("refused", json!({"reason": "budget", "means": meaning("budget"), "help": help}));
            return Value::Object(view);
        }
    }
    let (client, scopes, claims) = (Rc::clone(&caller.client), caller.scopes.clone(), caller.claims.clone());
    let answer = preview::answer(program, asked, caller, now(question), upstream);
    put("status", answer.status.into());
    let header =
        |(name, value): &(Vec<u8>, Vec<u8>)| json!([String::from_utf8_lossy(name), String::from_utf8_lossy(value)]);
    put("headers", answer.headers.iter().map(header).collect());
    put("body", String::from_utf8_lossy(&answer.body).into());
    if let Some(refusal) = answer.report.refusal {
        let help = preview::reason(refusal, program, asked);
        let reason = refusal.reason();
        put("refused", json!({"reason": reason, "said": refusal.to_string(), "means": meaning(reason), "help": help}));
        return Value::Object(view);
    }
    if let Some(note) = note(&answer, route, upstream) {
        put("note", note.into());
    }
    let counts = answer.report.counts;
    put(
        "counts",
        json!({
            "shown": counts.shown, "detected": counts.detected, "masked": counts.masked,
            "pseudonymised": counts.pseudonymised, "blanked": counts.blanked, "hidden": counts.hidden,
        }),
    );
    if let Some(explained) = explained {
        explained.step = step;
        let asker = Asker { client: Some(&*client).filter(|id| !id.is_empty()), scopes: &scopes, claims: &claims };
        let enforced = answer.report.mode == Mode::Enforced;
        let judged = enforced && (200..300).contains(&upstream.status);
        put("lines", json!(marked::lines(explained, asker, &upstream.body, &answer.body, judged)));
    }
    Value::Object(view)
}

/// What else there is to say of an answer.
fn note(answer: &Answer, route: Option<&Route>, upstream: &Response) -> Option<String> {
    let Some(route) = route else {
        return Some("passed untouched: no rule of the policy speaks about this request".to_owned());
    };
    if let Mode::Reported { would_refuse } = answer.report.mode {
        let until = route.report_until.map(|day| day.to_string()).unwrap_or_default();
        let then = match would_refuse {
            Some(refusal) => format!("it would be refused with {}", refusal.status()),
            None => "fields would be withheld as counted above".to_owned(),
        };
        return Some(format!("only reports until {until}, so the response passes unchanged; enforced, {then}"));
    }
    if !(200..300).contains(&upstream.status) {
        return Some("an error's body keeps only what `errors.show` names, whoever asks (rule 29)".to_owned());
    }
    (answer.report.counts.shape_mismatch > 0).then(|| {
        "an object or array is where the policy has a value, or the reverse: nothing of it comes out (rule 12)"
            .to_owned()
    })
}
