//! Budgets over whole exchanges: what a harvester tries, row by row (rules 34 to 37).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where it stands"
)]

use std::rc::Rc;

use fieldgate::budget::{MemoryStore, Shared, StoreFailure, SubjectKey, Swap, Value};
use fieldgate::caller::Caller;
use fieldgate::exchange::{
    Answer, BodyDirective, End, Exchange, HeadDirective, Headers, Mode, Request, RequestDirective, Response,
    respond_with,
};
use fieldgate::model::Level;
use fieldgate::model::moment::Moment;
use fieldgate::program::{InPath, Program};
use fieldgate::refusal::Refusal;
use fieldgate::transform::PseudonymKey;
use serde_json::json;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NOON: u64 = 1_800_000_000 / 86_400 * 86_400 + 12 * 3600;

fn key() -> PseudonymKey {
    PseudonymKey::from_base64(KEY).unwrap()
}

/// A policy whose budget is `budget` over `hour: {…}`.
fn policy(budgets: &serde_json::Value, canaries: &serde_json::Value) -> serde_json::Value {
    let mut policy = json!({
        "language": 1, "policy": "test",
        "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
        "defaults": {"errors": {"show": ["title"]}, "headers": {"classify": {"x-msisdn": "open"}}},
        "classes": {
            "key": {"about": "ids", "cost": 1}, "open": {"about": "open", "cost": 4}, "closed": {"about": "closed"},
        },
        "shapes": {"account": {
            "$.id": {"class": "key", "pseudonym": "customer", "subject": "customer"},
            "$.name": {"class": "open", "mask": "initials"},
            "$.state": "open",
            "$.secret": "closed",
        }},
        "routes": {
            "one": {"match": "GET /accounts/{id}", "area": "a", "body": {"$": {"shape": "account"}}},
            "list": {
                "match": "GET /accounts", "area": "a", "query": ["limit"],
                "body": {"$.items[*]": {"shape": "account"}, "$.next": "open"},
                "rows": "$.items[?@.state && @.state != 'draft']",
                "max_records": {"at": "$.items[*]", "max": 10, "over": "truncate", "query": "limit"},
            },
            "calls": {
                "match": "GET /accounts/{id}/calls", "area": "a", "subject": {"customer": "{id}"},
                "body": {"$.calls[*].to": "open"},
            },
            "write": {
                "match": "POST /accounts/{id}", "area": "a", "subject": {"customer": "{id}"},
                "body": {"$": {"shape": "account"}},
            },
            "elsewhere": {"match": "GET /other/{id}", "area": "b", "body": {"$": {"shape": "account"}}},
        },
        "scopes": {
            "full": {"areas": ["a", "b"], "grant": {"key": "show", "open": "show"}},
            "blind": {"areas": ["a"], "grant": {"open": "show"}},
            "deaf": {"areas": ["a"], "grant": {"closed": "show"}},
        },
        "clients": {"*": {}, "acme": {}},
        "budgets": budgets,
    });
    if !canaries.is_null() {
        policy["canaries"] = canaries.clone();
    }
    policy
}

fn hour(max: u64) -> serde_json::Value {
    json!({"hour": {
        "areas": ["a"], "count": {"distinct": "customer"}, "per": "1h", "max": max,
        "steps": {"80%": "mask", "95%": "pseudonym", "100%": "reject"}, "store": "local",
    }})
}

fn program(policy: &serde_json::Value) -> Rc<Program> {
    let checked = fieldgate::policy::from_json(policy.to_string().as_bytes());
    let (policy, _) = checked.unwrap_or_else(|found| panic!("{found}"));
    Rc::new(Program::new(policy, Some(key())).unwrap())
}

/// A caller, a store, and a clock.
struct World {
    program: Rc<Program>,
    store: MemoryStore,
    now: u64,
    client: String,
    scope: &'static str,
    claims: serde_json::Value,
}

fn world(policy: &serde_json::Value) -> World {
    World {
        program: program(policy),
        store: MemoryStore::default(),
        now: NOON,
        client: "acme".to_owned(),
        scope: "full",
        claims: json!({}),
    }
}

fn account(id: &serde_json::Value) -> serde_json::Value {
    json!({"id": id, "name": "Ana Lopez", "state": "active", "secret": "s"})
}

impl World {
    fn caller(&self) -> Caller {
        Caller::new(self.program.policy(), &self.client, vec![self.scope.to_owned()], self.claims.clone())
    }

    fn request(&self, method: &str, target: &str) -> Request {
        Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            caller: self.caller(),
            now: Some(Moment(self.now)),
        }
    }

    fn send(&mut self, method: &str, target: &str, status: u16, headers: Headers, body: &str) -> Answer {
        let response = Response { status, headers, body: body.as_bytes().to_vec() };
        let request = self.request(method, target);
        respond_with(&Rc::clone(&self.program), request, &response, &mut self.store)
    }

    fn get(&mut self, target: &str, body: &serde_json::Value) -> Answer {
        self.send("GET", target, 200, Vec::new(), &body.to_string())
    }

    /// One account by its number.
    fn one(&mut self, number: u64) -> Answer {
        let id = format!("ACC-{number}");
        self.get(&format!("/accounts/{id}"), &account(&json!(id)))
    }

    fn page(&mut self, target: &str, numbers: impl IntoIterator<Item = u64>) -> Answer {
        let items: Vec<_> = numbers.into_iter().map(|number| account(&json!(format!("ACC-{number}")))).collect();
        self.get(target, &json!({"items": items, "next": "n"}))
    }

    /// What the budget has counted in the window that it is now, if it has counted anything.
    fn used(&mut self) -> u64 {
        self.used_on("one")
    }

    fn used_on(&mut self, name: &str) -> u64 {
        let (budgets, caller) = (self.program.budgets().unwrap(), self.caller());
        let route = (0u16..).map(fieldgate::model::RouteId).zip(&self.program.policy().routes);
        let (route, _) = route.into_iter().find(|(_, route)| route.name == name).unwrap();
        let demand = budgets.demands(self.program.policy(), route, &caller, "/accounts/x/calls", InPath::Nobody)[0];
        budgets.books().head(demand.budget, demand.tag, self.now, &mut self.store).map_or(0, |head| head.used)
    }

    /// What the budget has counted, and what is reserved.
    fn counted(&mut self) -> (u64, u64) {
        let budgets = self.program.budgets().unwrap();
        let caller = self.caller();
        let route = (0u16..).map(fieldgate::model::RouteId).zip(&self.program.policy().routes);
        let (route, _) = route.into_iter().find(|(_, route)| route.name == "one").unwrap();
        let demand = budgets.demands(self.program.policy(), route, &caller, "/accounts/x", InPath::Nobody)[0];
        let head = budgets.books().head(demand.budget, demand.tag, self.now, &mut self.store).unwrap();
        (head.used, head.reserved)
    }
}

#[test]
fn the_ladder_goes_down_and_ends_in_429() {
    let mut world = world(&policy(&hour(20), &json!(null)));
    let names: Vec<String> = (0..25)
        .map(|number| {
            let answer = world.one(number);
            match answer.status {
                200 => serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()["name"].to_string(),
                status => status.to_string(),
            }
        })
        .collect();
    let seen = |name: &str| names.iter().filter(|seen| *seen == name).count();
    assert_eq!(seen("\"Ana Lopez\""), 16, "up to 80 %");
    assert_eq!(seen("\"A.L.\""), 3, "up to 95 %");
    assert_eq!(seen("null"), 1, "at pseudonym a name has no form");
    assert_eq!(seen("429"), 5);
    let refused = world.one(99);
    let header = |name: &str| refused.headers.iter().find(|(known, _)| known == name.as_bytes()).unwrap().1.clone();
    assert_eq!(header("retry-after"), b"3600");
    assert_eq!(header("content-type"), b"application/problem+json");
    let problem: serde_json::Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(problem["budget"], "hour");
    assert!(!String::from_utf8_lossy(&refused.body).contains("20"), "no counts");
    let calls = world.get("/accounts/ACC-3/calls", &json!({"calls": []}));
    assert_eq!(calls.status, 200, "a known account stays free where the path names it");
    assert_eq!(world.counted(), (20, 0));
    world.now += 3600;
    assert_eq!(world.one(99).status, 200, "in the next window");
    assert_eq!(world.counted(), (1, 0));
}

#[test]
fn what_a_harvester_tries_is_counted() {
    type Try = fn(&mut World);
    let rows: [(&str, Try, u64); 26] = [
        ("an account counts once", |w| drop([w.one(1), w.one(1), w.one(2)]), 2),
        ("HEAD releases nothing", |w| drop(w.send("HEAD", "/accounts/ACC-1", 200, Vec::new(), "")), 0),
        (
            "an error releases nothing",
            |w| drop(w.send("GET", "/accounts/ACC-1", 404, Vec::new(), "{\"title\":\"x\"}")),
            0,
        ),
        (
            "a body that is refused releases nothing",
            |w| drop(w.send("GET", "/accounts/ACC-1", 200, Vec::new(), "{")),
            0,
        ),
        (
            "a record without a subject counts each time",
            |w| {
                for _ in 0..3 {
                    w.get("/accounts/ACC-1", &json!({"name": "Ana", "state": "active"}));
                }
            },
            3,
        ),
        (
            "a null subject counts each time",
            |w| {
                drop([
                    w.get("/accounts/ACC-1", &account(&json!(null))),
                    w.get("/accounts/ACC-1", &account(&json!(null))),
                ])
            },
            2,
        ),
        ("an object for a subject counts", |w| drop(w.get("/accounts/ACC-1", &account(&json!({"id": "ACC-1"})))), 1),
        ("a boolean for a subject counts", |w| drop(w.get("/accounts/ACC-1", &account(&json!(true)))), 1),
        (
            "escapes are the text",
            |w| {
                w.one(1);
                w.send("GET", "/accounts/ACC-1", 200, Vec::new(), r#"{"id":"\u0041CC-1","state":"active"}"#);
            },
            1,
        ),
        (
            "a number is its string",
            |w| drop([w.get("/accounts/1", &account(&json!(1))), w.get("/accounts/1", &account(&json!("1")))]),
            1,
        ),
        ("a page counts its records", |w| drop(w.page("/accounts", 0..7)), 7),
        ("an account of a page is known", |w| drop([w.page("/accounts", 0..7), w.one(3)]), 7),
        ("pages that overlap count once", |w| drop([w.page("/accounts", 0..7), w.page("/accounts", 5..9)]), 9),
        ("records over max_records are not released", |w| drop(w.page("/accounts", 0..50)), 10),
        ("a smaller page is cut at what it asked for", |w| drop(w.page("/accounts?limit=3", 0..50)), 3),
        (
            "rows that are left out are not released",
            |w| {
                let mut items: Vec<_> = (0..4).map(|number| account(&json!(number))).collect();
                items[1]["state"] = json!("draft");
                items[2]["state"] = json!(null);
                w.get("/accounts", &json!({"items": items}));
            },
            3,
        ),
        (
            "who sees no subject is counted by it all the same",
            |w| {
                w.scope = "blind";
                drop([w.one(1), w.one(1), w.page("/accounts", 0..3)]);
            },
            3,
        ),
        (
            "nothing visible, nothing asked",
            |w| {
                w.scope = "none";
                assert_eq!(w.one(1).status, 403);
            },
            0,
        ),
        (
            "a path names whose calls they are",
            |w| {
                for id in ["ACC-1", "ACC-1", "ACC%2D2"] {
                    w.get(&format!("/accounts/{id}/calls"), &json!({"calls": [{"to": "1"}, {"to": "2"}]}));
                }
            },
            1,
        ),
        (
            "a path and a body name the same",
            |w| {
                w.get("/accounts/ACC-1/calls", &json!({"calls": [{"to": "1"}]}));
                w.one(1);
            },
            1,
        ),
        (
            "an answer to a write counts",
            |w| drop(w.send("POST", "/accounts/ACC-1", 201, Vec::new(), r#"{"id":"x","state":"active"}"#)),
            1,
        ),
        ("another area is another matter", |w| drop(w.get("/other/ACC-1", &account(&json!("ACC-1")))), 0),
        (
            "a header that shows counts on HEAD and in errors",
            |w| {
                let header = || vec![(b"x-msisdn".to_vec(), b"+34600".to_vec())];
                w.send("HEAD", "/accounts/ACC-1", 200, header(), "");
                w.send("GET", "/accounts/ACC-1", 404, header(), "{}");
            },
            2,
        ),
        ("an array that holds nothing releases nobody", |w| drop(w.get("/accounts", &json!({"items": []}))), 0),
        (
            "an element that is no account is one more",
            |w| drop(w.get("/accounts", &json!({"items": [{"state": "a"}, [{"state": "b"}], {"state": "c"}]}))),
            2,
        ),
        (
            "lines of accounts are cut at the one that was reserved",
            |w| {
                let lines = [account(&json!(1)), account(&json!(2))].map(|line| line.to_string()).join("\n");
                let ndjson = vec![(b"content-type".to_vec(), b"application/x-ndjson".to_vec())];
                assert_eq!(w.send("GET", "/accounts/1", 200, ndjson, &lines).status, 403);
            },
            0,
        ),
    ];
    for (claim, attempt, expected) in rows {
        let mut world = world(&policy(&hour(100), &json!(null)));
        attempt(&mut world);
        world.scope = "full";
        assert_eq!(world.counted(), (expected, 0), "{claim}");
    }
}

/// Where all records count, those that a body lists do, whomever the path names.
#[test]
fn a_list_counts_each_of_its_records_whomever_the_path_names() {
    let calls = |count: u64| json!({"calls": (0..count).map(|n| json!({"id": n, "to": "1"})).collect::<Vec<_>>()});
    let rows = [
        ("a list of others' records", calls(7), 7),
        ("more than the page", calls(30), 10),
        ("one without an id", json!({"calls": [{"to": "1"}, {"id": 2, "to": "2"}]}), 2),
        ("an empty list is the one whom the path names", calls(0), 1),
    ];
    for (claim, body, expected) in rows {
        let budgets =
            json!({"hour": {"areas": ["c"], "count": {"records": true}, "per": "1h", "max": 100, "store": "local"}});
        let mut policy = policy(&budgets, &json!(null));
        policy["routes"]["calls"] = json!({
            "match": "GET /accounts/{id}/calls", "area": "c", "subject": {"customer": "{id}"},
            "body": {"$.calls[*].to": "open", "$.calls[*].id": {"class": "key", "subject": "line"}},
            "max_records": {"at": "$.calls[*]", "max": 10, "over": "truncate"},
        });
        policy["scopes"]["full"]["areas"] = json!(["a", "c"]);
        let mut world = world(&policy);
        assert_eq!(world.get("/accounts/ACC-1/calls", &body).status, 200, "{claim}");
        assert_eq!(world.used_on("calls"), expected, "{claim}");
    }
}

/// A header that follows a class costs what a member of the body does, whoever asks for it and however.
#[test]
fn a_header_that_shows_costs() {
    let rows = [
        ("it shows, without a body", "full", "HEAD", 200, "x-msisdn", "", 4),
        ("it shows beside an error", "full", "GET", 404, "x-msisdn", "{}", 4),
        ("it shows beside a body", "full", "GET", 200, "x-msisdn", r#"{"id":"ACC-1"}"#, 5),
        ("its class is not granted", "narrow", "GET", 200, "x-msisdn", r#"{"id":"ACC-1"}"#, 1),
        ("it is blanked", "blanked", "GET", 200, "x-msisdn", r#"{"id":"ACC-1"}"#, 1),
        ("it follows no class", "full", "HEAD", 200, "etag", "", 0),
        ("the body is refused", "full", "GET", 200, "x-msisdn", "{", 0),
    ];
    for (claim, scope, method, status, name, body, expected) in rows {
        let budgets =
            json!({"hour": {"areas": ["a"], "count": {"cost": true}, "per": "1h", "max": 100, "store": "local"}});
        let mut policy = policy(&budgets, &json!(null));
        policy["scopes"]["narrow"] = json!({"areas": ["a"], "grant": {"key": "show"}});
        policy["scopes"]["blanked"] = json!({"areas": ["a"], "grant": {"key": "show", "open": "blank"}});
        let mut world = world(&policy);
        world.scope = scope;
        world.send(method, "/accounts/ACC-1", status, headers(&[(name, "+34600")]), body);
        assert_eq!(world.used(), expected, "{claim}");
    }
}

/// What is charged afterwards is charged when it has left: a response that outlives its window is not free.
#[test]
fn a_response_that_outlives_its_window_is_charged() {
    let minute = |count: serde_json::Value| json!({"hour": {"areas": ["a"], "count": count, "per": "1m", "max": 9, "store": "local"}});
    let cost = || minute(json!({"cost": true}));
    // The budget, how many seconds each response lasts, how many begin in a minute's last second, and what is used at the end.
    let rows = [
        ("one that ends in its window", cost(), 0, 2, 18),
        ("one that ends in the next", cost(), 1, 1, 9),
        ("several that do", cost(), 1, 3, 27),
        ("one that ends in the one after the next", cost(), 61, 1, 9),
        ("what was reserved counts where it was", minute(json!({"distinct": "customer"})), 1, 1, 0),
    ];
    for (claim, budget, lasts, count, expected) in rows {
        let mut world = world(&policy(&budget, &json!(null)));
        world.now += 59;
        let (request, head) = (
            headers(&[(":method", "GET"), (":path", "/accounts/ACC-1"), (":authority", "api.example")]),
            headers(&[(":status", "200"), ("content-type", "application/json"), ("content-length", "74")]),
        );
        let body = r#"{"id":"ACC-1","name":"Ana Lopez","state":"active","secret":"s","more":""  }"#;
        let mut exchanges: Vec<Exchange> = Vec::new();
        for _ in 0..count {
            let mut exchange = Exchange::new(Rc::clone(&world.program));
            let (caller, now) = (world.caller(), Some(Moment(world.now)));
            let directive = exchange.begin((&request, End::Last), caller, now, &mut world.store, |_| false);
            assert!(matches!(directive, RequestDirective::Forward { .. }), "{claim}");
            exchange.on_response_head(&head, End::More);
            exchange.on_response_body(body.as_bytes(), body.len(), End::Last);
            exchange.taken();
            exchanges.push(exchange);
        }
        for exchange in &mut exchanges {
            exchange.settle(Some(Moment(world.now + lasts)), &mut world.store);
        }
        world.now += lasts;
        assert_eq!(world.used(), expected, "{claim}");
        assert_eq!(world.one(2).status, if expected < 9 { 200 } else { 429 }, "{claim}");
    }
}

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

#[test]
fn what_left_before_the_host_failed_counts() {
    let account = account(&json!("ACC-1")).to_string();
    let long = format!(r#"{{"id":"ACC-1","name":"{}","#, "Ana ".repeat(30_000));
    let (json, pdf) = ("application/json", "application/pdf");
    // What comes, and whether the host does what it is told with it.
    type Part<'a> = (&'a str, bool);
    let rows: [(&str, &str, &[Part<'_>], u64); 7] = [
        ("nothing had come", json, &[], 0),
        ("the part was not written", json, &[(&long, false)], 0),
        ("a part was", json, &[(&long, true)], 1),
        ("the whole body was", json, &[(&account, true)], 1),
        ("the whole body was not", json, &[(&account, false)], 0),
        ("content that is not looked at, and did not go", pdf, &[("%PDF-1.7 ", false)], 0),
        ("content that is not looked at, and went", pdf, &[("%PDF-1.7 ", true)], 1),
    ];
    for (claim, content, parts, expected) in rows {
        let mut policy = policy(&hour(100), &json!(null));
        policy["routes"]["one"]["other_content"] = json!({"pass": [pdf]});
        let mut world = world(&policy);
        let mut exchange = Exchange::new(Rc::clone(&world.program));
        let request = headers(&[(":method", "GET"), (":path", "/accounts/ACC-1"), (":authority", "api.example")]);
        let now = Some(Moment(world.now));
        let directive = exchange.begin((&request, End::Last), world.caller(), now, &mut world.store, |_| false);
        assert!(matches!(directive, RequestDirective::Forward { .. }), "{claim}");
        let head = headers(&[(":status", "200"), ("content-type", content), ("transfer-encoding", "chunked")]);
        assert!(matches!(exchange.on_response_head(&head, End::More), HeadDirective::Hold(_)), "{claim}");
        for (part, is_done) in parts {
            let end = if *part == account { End::Last } else { End::More };
            let directive = exchange.on_response_body(part.as_bytes(), part.len(), end);
            assert!(!matches!(directive, BodyDirective::Hold(_) | BodyDirective::Refuse(_)), "{claim}: {directive:?}");
            if *is_done {
                exchange.taken();
            }
        }
        exchange.host_fails();
        exchange.settle(now, &mut world.store);
        assert_eq!(world.counted(), (expected, 0), "{claim}");
    }
}

/// Lists in which filters choose where a subject is.
fn filtered_lists() -> World {
    let mut policy = policy(&hour(100), &json!(null));
    let list = |path: &str, at: &str, body: serde_json::Value| {
        json!({
            "match": format!("GET /{path}"), "area": "a", "body": body,
            "max_records": {"at": at, "max": 10, "over": "truncate"},
        })
    };
    let subject = || json!({"class": "key", "subject": "customer"});
    let lists = [
        list(
            "mixed",
            "$.items[*]",
            json!({
                "$.items[?@.kind=='a'].id": subject(), "$.items[?@.kind=='b'].owner.id": subject(),
                "$.items[*].name": "open", "$.items[*].tags[*]": "open",
            }),
        ),
        list("chosen", "$.items[*]", json!({"$.items[?@.kind=='a'].id": subject(), "$.items[?@.kind].name": "open"})),
        list(
            "nested",
            "$.groups[*].items[*]",
            json!({"$.groups[?@.open==true].items[*].id": subject(), "$.groups[*].items[*].name": "open"}),
        ),
        list("whole", "$.items[*]", json!({"$.items[?@.kind=='a'].id": subject(), "$.items[*]..*": "open"})),
        list("open", "$.items[*]", json!({"$.items[?@.kind=='a'].id": subject(), "$.items..*": "open"})),
    ];
    for (name, list) in ["mixed", "chosen", "nested", "whole", "open"].into_iter().zip(lists) {
        policy["routes"][name] = list;
    }
    world(&policy)
}

#[test]
fn an_element_that_no_filter_selects_is_a_record_all_the_same() {
    let people = |kind: serde_json::Value| {
        let one =
            |number: u64| json!({"kind": kind, "id": format!("C{number}"), "owner": {"id": number}, "name": "Ana"});
        json!({"items": (0..4).map(one).collect::<Vec<_>>()})
    };
    let groups = |open: serde_json::Value| json!({"groups": [{"open": open, "items": [{"id": 1, "name": "Ana"}, {"id": 2, "name": "Bo"}]}]});
    let rows = [
        ("those that the first filter selects count once each", "/mixed", people(json!("a")), 4),
        ("those that the second selects, too", "/mixed", people(json!("b")), 4),
        ("of a kind that no filter knows each is one more", "/mixed", people(json!("c")), 8),
        ("a kind in another case is none", "/mixed", people(json!("A")), 8),
        ("without a kind each is one more", "/mixed", people(json!(null)), 8),
        ("of which nothing leaves, none is", "/mixed", json!({"items": [{"kind": "c", "id": 1}, {}]}), 4),
        ("an element that is no object is none of them", "/mixed", json!({"items": ["Ana", 1, null]}), 0),
        ("what leaves by another filter", "/chosen", people(json!("c")), 8),
        ("what no filter lets leave is not counted", "/chosen", json!({"items": [{"id": 1, "name": "Ana"}]}), 0),
        ("in a list that a filter chose", "/nested", groups(json!(true)), 2),
        ("in a list that no filter chose each is one more", "/nested", groups(json!(false)), 4),
        ("what leaves whole is one more each time", "/whole", people(json!("c")), 8),
        ("what leaves whole with its list, too", "/open", people(json!("c")), 8),
        (
            "the list's members are its elements",
            "/mixed",
            json!({"items": {"x": {"name": "Ana"}, "y": {"name": "Bo"}}}),
            4,
        ),
    ];
    for (claim, target, body, twice) in rows {
        let mut world = filtered_lists();
        assert_eq!(world.get(target, &body).status, 200, "{claim}");
        world.get(target, &body);
        assert_eq!(world.counted(), (twice, 0), "{claim}");
    }
}

#[test]
fn many_names_are_many_keys_and_no_name_is_one() {
    let mut world = world(&policy(&hour(3), &json!(null)));
    for number in 0..3 {
        assert_eq!(world.one(number).status, 200);
    }
    assert_eq!(world.one(3).status, 429);
    world.client = "other".to_owned();
    assert_eq!(world.one(3).status, 200, "each client has its own");
    world.client = String::new();
    for number in 10..13 {
        assert_eq!(world.one(number).status, 200);
    }
    assert_eq!(world.one(13).status, 429, "all without a client id share one");
    let mut budgets = hour(2);
    budgets["hour"]["by"] = json!(["client", {"claim": "sub"}]);
    let mut world = self::world(&policy(&budgets, &json!(null)));
    for (agent, expected) in [("ana", 200), ("ana", 200), ("ana", 429), ("bo", 200)] {
        world.claims = json!({"sub": agent});
        world.now += 1;
        let number = world.now;
        assert_eq!(world.one(number).status, expected, "{agent}");
    }
    world.claims = json!({});
    let number = world.now + 1;
    assert_eq!(world.one(number).status, 200, "who brings no claim has the budget of those who bring none");
}

#[test]
fn parallel_pages_reserve_and_give_back() {
    let mut world = world(&policy(&hour(15), &json!(null)));
    let program = Rc::clone(&world.program);
    let start = |world: &mut World| {
        let mut exchange = Exchange::new(Rc::clone(&program));
        let head = vec![(b":method".to_vec(), b"GET".to_vec()), (b":path".to_vec(), b"/accounts".to_vec())];
        let caller = world.caller();
        assert_eq!(exchange.on_request(&head, caller, Some(Moment(world.now))), RequestDirective::Reserve);
        let directive = exchange.reserve(End::Last, Some(Moment(world.now)), &mut world.store);
        (exchange, directive)
    };
    let (mut first, admitted) = start(&mut world);
    assert!(matches!(admitted, RequestDirective::Forward { .. }));
    assert_eq!(world.counted(), (0, 10));
    let (mut second, refused) = start(&mut world);
    let RequestDirective::Refuse(problem) = refused else { panic!("{refused:?}") };
    assert!(problem.headers().any(|header| header == ("retry-after", "1")), "only a reservation is in the way");
    second.settle(Some(Moment(world.now)), &mut world.store);
    assert_eq!(world.counted(), (0, 10));
    first.settle(Some(Moment(world.now)), &mut world.store);
    assert_eq!(world.counted(), (0, 0), "the caller left before the upstream answered");
    // One that leaves in mid-body has got what was sent.
    let (mut third, _) = start(&mut world);
    let head: Headers =
        vec![(b":status".to_vec(), b"200".to_vec()), (b"transfer-encoding".to_vec(), b"chunked".to_vec())];
    assert!(matches!(third.on_response_head(&head, End::More), HeadDirective::Hold(_)));
    let body = br#"{"items":[{"id":1,"state":"a"},{"id":2,"state":"a"},{"name":"Ana","state":"b"#;
    assert!(matches!(third.on_response_body(body, body.len(), End::More), BodyDirective::Send(_)));
    third.settle(Some(Moment(world.now)), &mut world.store);
    assert_eq!(world.counted(), (2, 0), "two records whole; the third's element waits for its filter and never left");
    third.settle(Some(Moment(world.now)), &mut world.store);
    assert_eq!(world.counted(), (2, 0), "once");
}

#[test]
fn a_reload_between_reservation_and_settlement_loses_nothing() {
    let mut world = world(&policy(&hour(15), &json!(null)));
    world.one(1);
    world.program = program(&policy(&hour(20), &json!(null)));
    world.one(1);
    assert_eq!(world.counted(), (1, 0), "another max is the same count");
    let mut budgets = hour(20);
    budgets["hour"]["per"] = json!("1d");
    world.program = program(&policy(&budgets, &json!(null)));
    assert_eq!(world.counted(), (0, 0), "another window is another count");
}

#[test]
fn several_budgets_bind_together() {
    let mut budgets = hour(100);
    budgets["burst"] = json!({
        "areas": ["a"], "count": {"distinct": "customer"}, "per": "1m", "max": 3,
        "steps": {"50%": "mask", "100%": "reject"}, "store": "local",
    });
    let mut world = world(&policy(&budgets, &json!(null)));
    let levels: Vec<Level> = (0..3).map(|number| world.one(number).account.ceiling).collect();
    assert_eq!(levels, [Level::Show, Level::Mask, Level::Mask], "the lowest ceiling of all");
    let refused = world.one(3);
    assert_eq!((refused.status, refused.account.refused), (429, Some(0)));
    world.now += 60;
    assert_eq!(world.one(3).status, 200);
    let day = world.one(3);
    assert_eq!(day.account.asked, 2);
}

/// Records are reserved; cost is charged once they have left (rule 34b).
#[test]
fn records_and_cost_are_counted() {
    let mut budgets = hour(12);
    budgets["hour"]["count"] = json!({"records": true});
    let mut world = world(&policy(&budgets, &json!(null)));
    world.page("/accounts?limit=5", 0..5);
    world.page("/accounts?limit=5", 0..5);
    assert_eq!(world.counted(), (10, 0), "each time");
    assert_eq!(world.page("/accounts?limit=5", 0..5).status, 429);
    assert_eq!(world.page("/accounts?limit=2", 0..5).status, 200);
    let mut budgets = hour(100);
    budgets["hour"]["count"] = json!({"cost": true});
    let mut world = self::world(&policy(&budgets, &json!(null)));
    world.one(1);
    assert_eq!(world.counted(), (9, 0), "an id for 1, a name and a state for 4");
    for _ in 0..9 {
        world.one(1);
    }
    // Beyond 80 all is masked: half for the name, nothing for a blank state, a quarter for an id's pseudonym; rounded up.
    assert_eq!(world.counted(), (84, 0));
    let masked = world.one(1);
    assert_eq!((masked.status, masked.account.ceiling), (200, Level::Mask));
    assert_eq!(world.counted(), (87, 0));
}

#[test]
fn a_canary_lowers_the_rest_of_the_day() {
    let tag = SubjectKey::derive(&key()).subject("customer", "ACC-666").short();
    let canaries = json!({"customer": [format!("c1_{tag:016x}")], "ceiling": "blank"});
    let mut world = world(&policy(&json!({}), &canaries));
    assert_eq!(world.one(1).account.canaries, 0);
    let hit = world.one(666);
    assert_eq!((hit.status, hit.account.canaries, hit.account.ceiling), (200, 1, Level::Show));
    assert_eq!(world.one(2).account.ceiling, Level::Blank, "from the next request on");
    world.client = "other".to_owned();
    assert_eq!(world.one(2).account.ceiling, Level::Show, "another client is not held to it");
    world.client = "acme".to_owned();
    world.now += 11 * 3600;
    assert_eq!(world.one(2).account.ceiling, Level::Blank, "all day (UTC)");
    world.now += 3600;
    assert_eq!(world.one(2).account.ceiling, Level::Show, "the next day");
    let in_a_page = world.page("/accounts", 660..670);
    assert_eq!(in_a_page.account.canaries, 1, "in a list too");
}

struct Dead;

impl Shared for Dead {
    fn read(&mut self, _: &str) -> Result<Value, StoreFailure> {
        Err(StoreFailure)
    }

    fn swap(&mut self, _: &str, _: &[u8], _: Option<u32>) -> Result<Swap, StoreFailure> {
        Err(StoreFailure)
    }
}

#[test]
fn without_a_store_or_a_clock_nothing_leaves() {
    let canaries = json!({"customer": [format!("c1_{:016x}", 7)], "ceiling": "blank"});
    let response = Response { status: 200, headers: Vec::new(), body: account(&json!(1)).to_string().into_bytes() };
    for (claim, canaries) in [("a budget", json!(null)), ("a budget and canaries", canaries)] {
        let mut world = world(&policy(&hour(15), &canaries));
        let answer = respond_with(&world.program, world.request("GET", "/accounts/1"), &response, &mut Dead);
        assert_eq!((answer.status, answer.account.failures), (503, 1), "{claim}: no store");
        let request = Request { now: None, ..world.request("GET", "/accounts/1") };
        let answer = respond_with(&world.program, request, &response, &mut world.store);
        assert_eq!((answer.status, answer.account.failures), (503, 1), "{claim}: no clock");
    }
}

fn with_service(on_error: &str) -> serde_json::Value {
    let mut budgets = hour(15);
    budgets["hour"]["store"] = json!("rls");
    budgets["hour"]["rls"] = json!({"cluster": "ratelimit", "domain": "fieldgate", "timeout": "200ms"});
    budgets["hour"]["on_error"] = json!(on_error);
    policy(&budgets, &json!(null))
}

#[test]
fn a_service_that_fails_ends_in_on_error() {
    for (on_error, expected) in [("reject", 503), ("local", 200)] {
        for (claim, message) in [("no answer", None), ("no limit", Some(b"\x08\x01\x12\x02\x08\x01".as_slice()))] {
            let mut world = world(&with_service(on_error));
            let mut exchange = Exchange::new(Rc::clone(&world.program));
            let head = vec![(b":method".to_vec(), b"GET".to_vec()), (b":path".to_vec(), b"/accounts/1".to_vec())];
            let caller = world.caller();
            let now = Some(Moment(world.now));
            assert_eq!(exchange.on_request(&head, caller, now), RequestDirective::Reserve);
            let directive = exchange.reserve(End::Last, now, &mut world.store);
            let RequestDirective::Ask(question) = directive else { panic!("{directive:?}") };
            assert_eq!((question.target.as_str(), question.timeout), ("\n\u{b}\n\tratelimit", 200));
            match exchange.on_answer(message, now, &mut world.store) {
                RequestDirective::Refuse(problem) => assert_eq!(problem.status, expected, "{on_error}: {claim}"),
                RequestDirective::Forward { .. } => assert_eq!(expected, 200, "{on_error}: {claim}"),
                other => panic!("{on_error}: {claim}: {other:?}"),
            }
            exchange.settle(now, &mut world.store);
            assert_eq!(exchange.account().failures, 1);
            assert_eq!(world.counted(), (0, 0), "{on_error}: {claim}");
        }
    }
}

#[test]
fn what_the_host_gives_up_while_the_service_is_asked_is_503() {
    let mut world = world(&with_service("reject"));
    let mut exchange = Exchange::new(Rc::clone(&world.program));
    let head = vec![(b":method".to_vec(), b"GET".to_vec()), (b":path".to_vec(), b"/accounts/1".to_vec())];
    let caller = world.caller();
    let now = Some(Moment(world.now));
    assert_eq!(exchange.on_request(&head, caller, now), RequestDirective::Reserve);
    assert!(matches!(exchange.reserve(End::Last, now, &mut world.store), RequestDirective::Ask(_)));
    // As it does when a stream has been idle for too long.
    let reply = vec![(b":status".to_vec(), b"504".to_vec()), (b"content-type".to_vec(), b"text/plain".to_vec())];
    let HeadDirective::Refuse(problem) = exchange.on_response_head(&reply, End::More) else { panic!("it passes") };
    assert_eq!(problem.status, 503);
    assert!(!exchange.is_waiting(), "an answer that comes late is nobody's");
    exchange.settle(now, &mut world.store);
    let record = exchange.record(None);
    assert_eq!((record.refusal, record.status), (Some(Refusal::BudgetStore), Some(503)));
    assert_eq!((world.counted(), exchange.account().failures), ((0, 0), 1));
}

#[test]
fn a_request_body_that_cannot_wait_is_413() {
    let rows = [
        ("no body", End::Last, None, "ask"),
        ("a small one", End::More, Some("16384"), "ask"),
        ("a large one", End::More, Some("16385"), "413"),
        ("one that does not say", End::More, None, "413"),
        ("one that lies badly", End::More, Some("x"), "413"),
    ];
    for (claim, end, length, expected) in rows {
        let mut world = world(&with_service("reject"));
        let mut exchange = Exchange::new(Rc::clone(&world.program));
        let mut head = vec![(b":method".to_vec(), b"POST".to_vec()), (b":path".to_vec(), b"/accounts/1".to_vec())];
        head.extend(length.map(|length| (b"content-length".to_vec(), length.as_bytes().to_vec())));
        let caller = world.caller();
        let now = Some(Moment(world.now));
        assert_eq!(exchange.on_request(&head, caller, now), RequestDirective::Reserve);
        let got = match exchange.reserve(end, now, &mut world.store) {
            RequestDirective::Ask(_) => "ask".to_owned(),
            RequestDirective::Refuse(problem) => problem.status.to_string(),
            other => panic!("{claim}: {other:?}"),
        };
        assert_eq!(got, expected, "{claim}");
    }
}

/// What a caller says in its request never makes a list need less than what it then gets.
#[test]
fn a_page_is_never_longer_than_what_was_reserved_for_it() {
    let rows: [(&str, &str, u64); 13] = [
        ("no size", "", 10),
        ("a smaller page", "?limit=3", 3),
        ("nothing is one", "?limit=0", 1),
        ("a minus is no number", "?limit=-1", 10),
        ("a sign is no other number", "?limit=+3", 3),
        ("more than the most", "?limit=100", 10),
        ("two sizes are none", "?limit=1&limit=100", 10),
        ("two sizes in another order", "?limit=100&limit=1", 10),
        ("a name in escapes is the name", "?%6Cimit=3", 3),
        ("both spellings are two sizes", "?limit=1&%6cimit=100", 10),
        ("a number in escapes is no number", "?limit=%31", 10),
        ("more digits than a number has", "?limit=99999999999999999999999999", 10),
        ("an empty size", "?limit=", 10),
    ];
    for (claim, query, most) in rows {
        let mut world = world(&policy(&hour(100), &json!(null)));
        let program = Rc::clone(&world.program);
        let mut exchange = Exchange::new(program);
        let target = format!("/accounts{query}");
        let head = vec![(b":method".to_vec(), b"GET".to_vec()), (b":path".to_vec(), target.clone().into_bytes())];
        let (caller, now) = (world.caller(), Some(Moment(world.now)));
        assert_eq!(exchange.on_request(&head, caller, now), RequestDirective::Reserve, "{claim}");
        exchange.reserve(End::Last, now, &mut world.store);
        let (_, reserved) = world.counted();
        exchange.settle(now, &mut world.store);
        // An upstream that takes the other reading sends fifty.
        let page = world.page(&target, 0..50);
        let items: serde_json::Value = serde_json::from_slice(&page.body).unwrap();
        let got = items["items"].as_array().unwrap().len() as u64;
        assert_eq!((got, reserved, world.counted()), (most, most, (most, 0)), "{claim}");
    }
}

/// What no budget counts is bounded by nothing that was reserved: lines of accounts go whole.
#[test]
fn lines_of_accounts_go_whole_where_no_budget_counts() {
    let mut world = world(&policy(&hour(100), &json!(null)));
    let lines: Vec<String> = (0..3).map(|number| account(&json!(number)).to_string() + "\n").collect();
    let ndjson = vec![(b"content-type".to_vec(), b"application/x-ndjson".to_vec())];
    let answer = world.send("GET", "/other/1", 200, ndjson, &lines.concat());
    let names = String::from_utf8_lossy(&answer.body).matches("Ana Lopez").count();
    assert_eq!((answer.status, names, world.counted()), (200, 3, (0, 0)));
}

/// A subject in a path is the text that the upstream gets: no other spelling of it matches the route.
#[test]
fn a_path_subject_has_one_spelling() {
    let rows: [(&str, &str, u16, u64); 9] = [
        ("as it is", "/accounts/ACC-1/calls", 200, 1),
        ("an escape that need not be", "/accounts/%41CC-1/calls", 403, 1),
        ("an escape in lower case", "/accounts/ACC%2d1/calls", 403, 1),
        ("a slash behind", "/accounts/ACC-1/calls/", 403, 1),
        ("an encoded slash", "/accounts/ACC-1%2Fcalls", 403, 1),
        ("dots", "/accounts/x/../ACC-1/calls", 403, 1),
        ("a query does not change it", "/accounts/ACC-1/calls?x=1", 400, 1),
        ("another case is another subject", "/accounts/acc-1/calls", 200, 2),
        ("what is no text is one more, each time", "/accounts/%FF/calls", 200, 2),
    ];
    for (claim, target, status, counted) in rows {
        let mut world = world(&policy(&hour(100), &json!(null)));
        world.one(1);
        assert_eq!(world.get(target, &json!({"calls": [{"to": "1"}]})).status, status, "{claim}");
        assert_eq!(world.counted(), (counted, 0), "{claim}");
    }
}

/// Each kind of subject is counted for itself: a record that names its invoice and no customer is one customer more.
#[test]
fn a_record_that_names_another_kind_only_is_one_more_of_this() {
    let mut text = policy(&hour(100), &json!(null));
    text["shapes"]["account"]["$.invoice"] = json!({"class": "key", "pseudonym": "invoice", "subject": "invoice"});
    let account = |id: serde_json::Value, invoice: &str| json!({"id": id, "name": "Ana Lopez", "state": "active", "invoice": invoice});
    let mut world = world(&text);
    world.get("/accounts", &json!({"items": [account(json!(null), "I-1"), account(json!(null), "I-2")]}));
    assert_eq!(world.counted(), (2, 0), "both customers are unknown");
    world.get("/accounts", &json!({"items": [account(json!("A"), "I-1"), account(json!(null), "I-1")]}));
    assert_eq!(world.counted(), (4, 0));
}

/// Whatever stands around a subject, it is counted as what it is: once, of its kind, and never for free.
#[test]
fn what_stands_around_a_subject_does_not_change_whom_it_names() {
    let masked = json!({"class": "open", "subject": "line", "mask": {"last": 3}});
    let line = json!({"class": "key", "subject": "line"});
    let customer = json!({"class": "key", "subject": "customer"});
    // What the account's shape has besides, the scope, the path, its answer; how many customers are counted after one request,
    // and after the same again.
    type Row = (&'static str, serde_json::Value, &'static str, &'static str, serde_json::Value, [u64; 2]);
    let rows: Vec<Row> = vec![
        (
            "no text in the path, and records of another kind in the body",
            json!({"$.calls[*].id": line}),
            "full",
            "/accounts/%FF/calls",
            json!({"calls": [{"to": "1", "id": "L-1"}]}),
            [1, 2],
        ),
        (
            "a member that a filter must see whole",
            json!({"$[?@.public == true].value": "open"}),
            "full",
            "/accounts/1",
            json!({"id": "A", "x": {"public": true, "value": 1}}),
            [1, 1],
        ),
        (
            "two subjects of one record, each in a value that a filter must see",
            json!({"$[?@.public == true].value": "open", "$.from": customer, "$.to": customer}),
            "full",
            "/accounts/1",
            json!({"from": "A", "x": {"public": true, "value": 1}, "to": "B"}),
            [2, 2],
        ),
        (
            "a boolean where a masked subject of another kind stands",
            json!({"$.lines[*]": masked}),
            "full",
            "/accounts/1",
            json!({"lines": [true], "id": "A"}),
            [1, 1],
        ),
        (
            "the same at the step at which it is masked",
            json!({"$.lines[*]": masked}),
            "masked",
            "/accounts/1",
            json!({"lines": [true, false, null, "123456"], "id": "A"}),
            [1, 1],
        ),
        (
            "a record of another kind within the record",
            json!({"$.owner.id": customer, "$.*.num": line}),
            "full",
            "/accounts/1",
            json!({"id": null, "owner": {"id": "A", "num": "1"}}),
            [1, 1],
        ),
    ];
    for (claim, more, scope, target, body, counted) in rows {
        let mut text = policy(&hour(100), &json!(null));
        text["scopes"]["masked"] = json!({"areas": ["a"], "grant": {"key": "show", "open": "mask"}});
        if target.ends_with("calls") {
            text["routes"]["calls"]["body"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        } else {
            text["shapes"]["account"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        let mut world = world(&text);
        world.scope = scope;
        for counted in counted {
            assert_eq!(world.get(target, &body).status, 200, "{claim}");
            assert_eq!(world.counted(), (counted, 0), "{claim}");
        }
    }
}

/// `max_records` bounds the records of its own array: others may have as many as they have.
#[test]
fn records_of_another_kind_in_another_array_do_not_use_up_the_page() {
    let mut text = policy(&hour(100), &json!(null));
    text["routes"]["list"]["body"]["$.items[*].lines[*].msisdn"] = json!({"class": "open", "subject": "line"});
    let mut world = world(&text);
    let item = |number: u32| {
        let lines: Vec<_> = (0..4).map(|line| json!({"msisdn": format!("{number}-{line}")})).collect();
        json!({"id": number, "state": "active", "lines": lines})
    };
    let items: Vec<_> = (0..10).map(item).collect();
    let page = world.get("/accounts", &json!({"items": items}));
    assert_eq!((page.status, world.counted()), (200, (10, 0)));
}

#[test]
fn a_subject_that_is_too_long_is_one_more_each_time() {
    let mut world = world(&policy(&hour(100), &json!(null)));
    let longest = "x".repeat((64 << 10) - 2);
    for _ in 0..2 {
        world.get("/accounts/1", &account(&json!(longest)));
    }
    assert_eq!(world.counted(), (1, 0), "64 KiB with its quotes is a subject");
    for _ in 0..2 {
        world.get("/accounts/1", &account(&json!(format!("{longest}x"))));
    }
    assert_eq!(world.counted(), (3, 0), "a byte more is not read");
}

#[test]
fn routes_in_turn_share_a_budget_and_refused_pages_cost_nothing() {
    let mut world = world(&policy(&hour(20), &json!(null)));
    world.page("/accounts", 0..10);
    for number in 10..15 {
        world.one(number);
        world.get(&format!("/accounts/ACC-{number}/calls"), &json!({"calls": [{"to": "1"}]}));
    }
    assert_eq!(world.counted(), (15, 0), "a list, an account and its calls");
    for _ in 0..50 {
        assert_eq!(world.page("/accounts", 100..110).status, 429, "ten are asked for, five are left");
    }
    assert_eq!(world.counted(), (15, 0), "what was refused has not left");
    assert_eq!(world.page("/accounts?limit=5", 100..105).status, 200, "a smaller page fits");
    assert_eq!(world.counted(), (20, 0));
    for number in 200..250 {
        assert_eq!(world.one(number).status, 429);
    }
    assert_eq!(world.counted(), (20, 0));
}

#[test]
fn a_response_belongs_to_the_window_of_its_admission() {
    let mut world = world(&policy(&hour(20), &json!(null)));
    world.now += 3599;
    let mut exchange = Exchange::new(Rc::clone(&world.program));
    let head = vec![(b":method".to_vec(), b"GET".to_vec()), (b":path".to_vec(), b"/accounts".to_vec())];
    let (caller, now) = (world.caller(), Some(Moment(world.now)));
    exchange.on_request(&head, caller, now);
    assert!(matches!(exchange.reserve(End::Last, now, &mut world.store), RequestDirective::Forward { .. }));
    assert_eq!(world.counted(), (0, 10));
    world.now += 1;
    world.one(1);
    assert_eq!(world.counted(), (1, 0), "the next window has nothing of it");
    let head: Headers = vec![(b":status".to_vec(), b"200".to_vec())];
    exchange.on_response_head(&head, End::More);
    let body = br#"{"items":[{"id":1,"state":"a"}]}"#;
    exchange.on_response_body(body, body.len(), End::Last);
    exchange.settle(Some(Moment(world.now)), &mut world.store);
    assert_eq!(world.counted(), (1, 0), "nor has it when it ends");
}

#[test]
fn a_max_that_is_raised_within_a_window_holds_at_once() {
    let mut world = world(&policy(&hour(3), &json!(null)));
    for number in 0..3 {
        assert_eq!(world.one(number).status, 200);
    }
    assert_eq!(world.one(3).status, 429);
    for (max, more) in [(5, 2), (4, 0), (6, 1)] {
        world.program = program(&policy(&hour(max), &json!(null)));
        let before = world.counted().0;
        let got = (100..110).filter(|number| world.one(number + 10 * max).status == 200).count();
        assert_eq!((got, world.counted().0), (more, before + more as u64), "max {max}");
    }
}

/// A response that was admitted under one policy and ends under the next.
#[test]
fn a_reload_with_open_reservations_gives_them_back() {
    for (claim, max, per, expected) in [
        ("the same policy", 20, "1h", (1, 0)),
        ("another max", 30, "1h", (1, 0)),
        ("another window is another count", 20, "1d", (0, 0)),
    ] {
        let mut world = world(&policy(&hour(20), &json!(null)));
        let mut exchange = Exchange::new(Rc::clone(&world.program));
        let head = vec![(b":method".to_vec(), b"GET".to_vec()), (b":path".to_vec(), b"/accounts".to_vec())];
        let (caller, now) = (world.caller(), Some(Moment(world.now)));
        exchange.on_request(&head, caller, now);
        exchange.reserve(End::Last, now, &mut world.store);
        let mut budgets = hour(max);
        budgets["hour"]["per"] = json!(per);
        world.program = program(&policy(&budgets, &json!(null)));
        let head: Headers = vec![(b":status".to_vec(), b"200".to_vec())];
        exchange.on_response_head(&head, End::More);
        let body = br#"{"items":[{"id":1,"state":"a"}]}"#;
        exchange.on_response_body(body, body.len(), End::Last);
        exchange.settle(now, &mut world.store);
        assert_eq!(world.counted(), expected, "{claim}");
    }
}

/// A route that only reports counts what leaves and refuses nothing (rule 38).
#[test]
fn a_route_that_only_reports_counts_and_never_refuses() {
    let mut text = policy(&hour(3), &json!(null));
    text["routes"]["one"]["report_until"] = json!("2027-03-01");
    let mut world = world(&text);
    let whole = account(&json!("ACC-1")).to_string();
    for number in 0..5 {
        let answer = world.one(number);
        assert_eq!((answer.status, answer.account.ceiling), (200, Level::Show), "{number}");
        assert!(String::from_utf8_lossy(&answer.body).contains("secret"), "it passes as it came: {whole}");
    }
    assert_eq!(world.counted(), (3, 0), "what would have been refused is not counted");
    let would_refuse = Some(Refusal::Budget { budget: 0, retry_after: 3600 });
    assert_eq!(world.one(9).report.mode, Mode::Reported { would_refuse });
    let calls = world.get("/accounts/ACC-9/calls", &json!({"calls": [{"to": "1"}]}));
    assert_eq!(calls.status, 429, "a route that enforces is bound by what has left through the other");
    world.now += 90 * 86_400;
    let answer = world.one(1);
    assert!(!String::from_utf8_lossy(&answer.body).contains("secret"), "from its day on it enforces");
    for number in 2..4 {
        world.one(number);
    }
    assert_eq!(world.one(4).status, 429);
}

#[test]
fn a_canary_in_what_a_route_that_only_reports_would_have_refused_is_a_hit() {
    let tag = SubjectKey::derive(&key()).subject("customer", "ACC-666").short();
    let canaries = json!({"customer": [format!("c1_{tag:016x}")], "ceiling": "blank"});
    let mut text = policy(&hour(100), &canaries);
    text["routes"]["one"]["report_until"] = json!("2027-03-01");
    let whole = account(&json!("ACC-666")).to_string();
    let long = account(&json!("ACC-666")).to_string().replace("Ana Lopez", &"x".repeat(9000));
    // The parts that come; whether the last one ends the body, or the client leaves.
    let rows: [(&str, Vec<&str>, End); 3] = [
        ("no JSON behind it", vec![&whole, " x"], End::Last),
        ("the client leaves while the body would be held back", vec![&whole[..whole.len() - 1]], End::More),
        ("the client leaves in the midst of a long body", vec![&long[..8000], &long[8000..8500]], End::More),
    ];
    for (claim, parts, last) in rows {
        let mut world = world(&text);
        let mut exchange = Exchange::new(Rc::clone(&world.program));
        let pairs = |pairs: &[(&str, &str)]| -> Headers {
            pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
        };
        let now = Some(Moment(world.now));
        let request = pairs(&[(":method", "GET"), (":path", "/accounts/1")]);
        assert!(matches!(exchange.on_request(&request, world.caller(), now), RequestDirective::Forward { .. }));
        let head = pairs(&[(":status", "200"), ("content-type", "application/json"), ("content-length", "10000")]);
        exchange.on_response_head(&head, End::More);
        for (at, part) in parts.iter().enumerate() {
            let end = if at + 1 == parts.len() { last } else { End::More };
            exchange.on_response_body(part.as_bytes(), part.len(), end);
            exchange.taken();
        }
        exchange.settle(now, &mut world.store);
        assert_eq!(exchange.account().canaries, 1, "{claim}");
        let record = String::from_utf8(exchange.record(None).line()).unwrap();
        assert!(record.contains("\"canaries\"") && record.contains("\"subjects\""), "{claim}: {record}");
    }
}

#[test]
fn a_canary_that_leaves_by_a_route_that_only_reports_is_a_hit() {
    let tag = SubjectKey::derive(&key()).subject("customer", "ACC-666").short();
    let canaries = json!({"customer": [format!("c1_{tag:016x}")], "ceiling": "blank"});
    let mut text = policy(&json!({}), &canaries);
    text["routes"]["one"]["report_until"] = json!("2027-03-01");
    let mut world = world(&text);
    assert_eq!(world.one(666).account.canaries, 1);
    assert_eq!(world.one(2).account.ceiling, Level::Show, "the route that reports lowers nothing");
    let page = world.page("/accounts", 0..3);
    assert_eq!(page.account.ceiling, Level::Blank);
}
