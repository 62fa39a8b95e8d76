//! The breach replayed: what a harvester gets of 37 million accounts in 41 days, under budgets whose results were worked out
//! before.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where it stands"
)]

use fieldgate::caller::Caller;
use fieldgate::model::moment::Moment;
use fieldgate::model::{PolicySet, RouteId};
use fieldgate::policy;
use fieldgate_workbench::fault::Fault;
use fieldgate_workbench::replay::{
    Harvest, Harvester, Patience, ReplayCase, Replayed, SweepRow, Tally, Upstream, at_most, best_route, best_scope,
    counted, sweep, windows,
};
use serde_json::{Value, json};

const DAY: u64 = 86_400;

/// The harvest of 2022/23, from an odd second of a day's last hour.
fn case() -> ReplayCase {
    ReplayCase { accounts: 37_000_000, seconds: 41 * DAY, from: Moment::parse("2022-11-24T23:17:43Z").unwrap() }
}

/// A policy with a list of accounts, pages of up to 100, and these budgets: each max, and per.
fn policy_of(budgets: &[(u64, &str)]) -> Value {
    let budget = |max: u64, per: &str| {
        json!({"areas": ["a"], "count": {"distinct": "customer"}, "per": per, "max": max, "store": "local",
            "steps": {"80%": "mask", "95%": "pseudonym", "100%": "reject"}})
    };
    let budgets: serde_json::Map<String, Value> =
        budgets.iter().map(|(max, per)| (format!("per-{per}"), budget(*max, per))).collect();
    json!({
        "language": 1, "policy": "replayed",
        "identity": {"source": "jwt_authn", "payload": "verified_jwt", "client": "azp", "scopes": "scope"},
        "classes": {"key": {"about": "ids"}, "name": {"about": "names"}},
        "shapes": {"account": {
            "$.id": {"class": "key", "pseudonym": "customer", "subject": "customer"},
            "$.name": {"class": "name", "mask": "initials"},
        }},
        "routes": {
            "one": {"match": "GET /accounts/{id}", "area": "a", "body": {"$": {"shape": "account"}}},
            "list": {
                "match": "GET /accounts", "area": "a", "query": ["limit"], "body": {"$.items[*]": {"shape": "account"}},
                "max_records": {"at": "$.items[*]", "max": 100, "over": "truncate", "query": "limit"},
            },
        },
        "scopes": {
            "little": {"areas": ["a"], "grant": {"key": "pseudonym", "name": "mask"}},
            "all": {"areas": ["a"], "grant": {"key": "show", "name": "show"}},
        },
        "budgets": budgets,
    })
}

fn checked(document: &Value) -> PolicySet {
    policy::from_json(document.to_string().as_bytes()).unwrap_or_else(|found| panic!("{found:?}")).0
}

fn harvester(route: &str) -> Harvester {
    Harvester {
        route: route.to_owned(),
        client: "harvester".to_owned(),
        scopes: vec!["all".to_owned()],
        claims: json!({}),
    }
}

fn played(document: &Value, route: &str, case: ReplayCase, setting: SweepRow) -> Result<Harvest, Fault> {
    let set = checked(document);
    let route = set.routes.iter().find(|one| one.name == route).unwrap();
    let upstream = Upstream::new(&set, route, None)?;
    let replayed = Replayed::new(document.to_string());
    let all = sweep(&replayed, &upstream, &harvester(&route.name), case, &[setting], |_| ())?;
    Ok(all.into_iter().next().unwrap())
}

fn setting(clients: u32, page: u64, patience: Patience) -> SweepRow {
    SweepRow { clients, page, patience }
}

/// What was worked out before: budgets, clients, page; customers, those at full view, and the share in percent.
type Row = (&'static str, &'static [(u64, &'static str)], u32, u64, (u64, u64, &'static str));

fn comes_out(rows: &[Row]) {
    for (claim, budgets, clients, page, (customers, full, share)) in rows.iter().copied() {
        let document = policy_of(budgets);
        let harvest = played(&document, "list", case(), setting(clients, page, Patience::Window)).unwrap();
        assert_eq!((harvest.total.customers, harvest.total.at_full_view()), (customers, full), "{claim}");
        let percent = harvest.total.customers as f64 * 100.0 / 37e6;
        assert_eq!(format!("{percent:.3}"), share, "{claim}");
        assert_eq!(harvest.total.by_ceiling.iter().sum::<u64>(), customers, "{claim}: each under one ceiling");
        let mut course = Tally::default();
        harvest.course.values().for_each(|moment| course.add(moment));
        assert_eq!(course, harvest.total, "{claim}: the course adds up");
        assert!(harvest.course.keys().all(|second| *second < 41 * DAY), "{claim}: nothing after the end");
    }
}

#[test]
fn the_harvests_under_several_budgets_are_as_they_were_worked_out_before() {
    comes_out(&[
        ("a day's budget bounds the hours", &[(500, "1h"), (2_000, "1d")], 1, 100, (82_500, 53_700, "0.223")),
        (
            "a month's bounds the days",
            &[(500, "1h"), (2_000, "1d"), (20_000, "30d")],
            1,
            100,
            (40_000, 21_100, "0.108"),
        ),
        ("the shipped numbers", &[(200, "1h"), (800, "1d")], 1, 20, (33_000, 21_480, "0.089")),
        ("with a month's", &[(200, "1h"), (800, "1d"), (12_000, "30d")], 1, 20, (21_600, 12_600, "0.058")),
        ("an agent's", &[(20, "1h"), (80, "1d")], 1, 4, (3_300, 2_148, "0.009")),
        ("two clients", &[(200, "1h"), (800, "1d"), (12_000, "30d")], 2, 20, (43_200, 25_200, "0.117")),
    ]);
}

#[test]
fn the_budgets_arithmetic_bounds_every_harvest() {
    let case = ReplayCase { seconds: 3 * DAY, ..case() };
    for (claim, budgets, page, patience, customers) in [
        ("a whole window each time", &[(200, "1h"), (800, "1d")][..], 20, Patience::Window, 3 * 800 + 200),
        ("odd pages shrink until they fit", &[(200, "1h"), (800, "1d")], 77, Patience::Window, 3 * 800 + 200),
        ("who gives up has one window", &[(200, "1h"), (800, "1d")], 20, Patience::Gone, 200),
        ("who keeps to the full view has that alone", &[(200, "1h"), (800, "1d")], 20, Patience::View, 160 + 3 * 640),
        ("an hour's budget alone", &[(500, "1h")], 100, Patience::Window, 73 * 500),
        ("a day's budget alone", &[(100, "1d")], 7, Patience::Window, 400),
    ] {
        let document = policy_of(budgets);
        let set = checked(&document);
        let harvest = played(&document, "list", case, setting(1, page, patience)).unwrap();
        assert_eq!(harvest.total.customers, customers, "{claim}");
        if patience == Patience::View {
            assert_eq!(harvest.total.at_full_view(), customers, "{claim}: all of it");
        }
        let route = (0u16..).map(RouteId).zip(&set.routes).find(|(_, route)| route.name == "list").unwrap().0;
        let caller = Caller::new(&set, "harvester", vec!["all".to_owned()], Value::Null);
        let most = at_most(&set, route, &caller, case, (1, 1)).unwrap();
        assert!(customers <= most, "{claim}: {customers} of at most {most}");
    }
    assert_eq!((windows(case, DAY), windows(case, 3600), windows(case, 30 * DAY)), (4, 73, 1));
    assert_eq!((windows(self::case(), DAY), windows(self::case(), 3600)), (42, 985));
}

/// A record of two customers counts once under a budget of records, and each of the two was let out.
#[test]
fn a_record_of_several_customers_is_bounded_and_valued_as_such() {
    let case = ReplayCase { accounts: 100_001, seconds: 2 * DAY, ..case() };
    let mut document = policy_of(&[(100, "1d")]);
    document["budgets"]["per-1d"]["count"] = json!({"records": true});
    document["shapes"]["account"] = json!({
        "$.a.id": {"class": "key", "subject": "customer"}, "$.b.id": {"class": "key", "subject": "customer"}, "$.b.name": "name",
    });
    let set = checked(&document);
    let (id, route) = (0u16..).map(RouteId).zip(&set.routes).find(|(_, route)| route.name == "list").unwrap();
    let upstream = Upstream::new(&set, route, None).unwrap();
    let caller = Caller::new(&set, "harvester", vec!["all".to_owned()], Value::Null);
    let harvest = played(&document, "list", case, setting(1, 10, Patience::Window)).unwrap();
    let values = harvest.total.shown + harvest.total.lowered;
    assert_eq!((harvest.total.customers, values), (600, 900), "three windows of 100 records");
    assert_eq!(at_most(&set, id, &caller, case, (1, upstream.places())), Some(600));
    // Three values of each two customers, and the last has a record of its own.
    assert_eq!((upstream.places(), upstream.values(100_000), upstream.values(100_001)), (2, 150_000, 150_003));
}

#[test]
fn one_account_at_a_time_is_as_much_as_by_pages() {
    let case = ReplayCase { seconds: 2 * DAY, ..case() };
    let document = policy_of(&[(200, "1h"), (800, "1d")]);
    let one = played(&document, "one", case, setting(1, 1, Patience::Window)).unwrap();
    let pages = played(&document, "list", case, setting(1, 10, Patience::Window)).unwrap();
    assert_eq!(one.total, pages.total, "customers, steps and values alike");
    assert_eq!((one.answered, pages.answered), (1800, 180));
    // Each window's end is one refusal, and a page that does not fit is asked for again by halves.
    assert!(pages.refused > one.refused);
}

#[test]
fn a_step_that_leaves_nothing_to_see_is_waited_for_as_a_full_budget_is() {
    let case = ReplayCase { seconds: DAY, ..case() };
    let mut document = policy_of(&[(200, "1h")]);
    document["budgets"]["per-1h"]["steps"] = json!({"80%": "mask", "95%": "hide"});
    let harvest = played(&document, "list", case, setting(1, 10, Patience::Window)).unwrap();
    assert_eq!((harvest.total.customers, harvest.total.at_full_view()), (25 * 190, 25 * 160));
    let gone = played(&document, "list", case, setting(1, 10, Patience::Gone)).unwrap();
    assert_eq!((gone.total.customers, gone.refused), (190, 1));
}

#[test]
fn a_sweep_is_what_each_of_its_rows_is_alone() {
    let case = ReplayCase { seconds: DAY, ..case() };
    let document = policy_of(&[(200, "1h"), (800, "1d")]);
    let set = checked(&document);
    let route = set.routes.iter().find(|one| one.name == "list").unwrap();
    let upstream = Upstream::new(&set, route, None).unwrap();
    let rows = [Patience::Gone, Patience::Window, Patience::View].map(|patience| setting(2, 20, patience));
    let replayed = Replayed::new(document.to_string());
    let mut heard = 0;
    let together =
        sweep(&replayed, &upstream, &harvester("list"), case, &rows, |share| heard = heard.max(share)).unwrap();
    for (row, harvest) in rows.iter().zip(together) {
        assert_eq!(harvest, played(&document, "list", case, *row).unwrap(), "{row:?}");
    }
    assert!(heard <= 100);
}

#[test]
fn without_a_budget_all_leaves_and_it_is_multiplied() {
    let document = policy_of(&[]);
    for (route, page, accounts) in [("one", 1, 37_000_000), ("list", 100, 37_000_000), ("list", 100, 1_050)] {
        let case = ReplayCase { accounts, ..case() };
        let harvest = played(&document, route, case, setting(3, page, Patience::Window)).unwrap();
        assert_eq!((harvest.total.customers, harvest.total.at_full_view()), (accounts, accounts));
        assert_eq!(harvest.total.shown, accounts * 2, "two values of each");
        assert!(harvest.multiplied);
    }
}

#[test]
fn fewer_accounts_than_budgets_let_out_are_had_to_the_last() {
    let case = ReplayCase { accounts: 1_001, ..case() };
    for clients in [1, 3, 10] {
        let harvest =
            played(&policy_of(&[(200, "1h")]), "list", case, setting(clients, 100, Patience::Window)).unwrap();
        assert_eq!(harvest.total.customers, 1_001, "{clients} clients");
    }
}

#[test]
fn what_no_budget_is_to_blame_for_is_said() {
    let document = policy_of(&[(200, "1h")]);
    let set = checked(&document);
    let route = best_route(&set).unwrap();
    assert_eq!((route.name.as_str(), counted(&set).as_deref()), ("list", Some("customer")));
    let upstream = Upstream::new(&set, route, None).unwrap();
    let replayed = Replayed::new(document.to_string());
    assert_eq!(best_scope(&replayed, &upstream, &harvester("list")).unwrap(), "all", "not the scope that shows less");
    let blind = Harvester { scopes: Vec::new(), ..harvester("list") };
    let fault = sweep(&replayed, &upstream, &blind, case(), &[setting(1, 1, Patience::Window)], |_| ()).unwrap_err();
    assert!(fault.message.contains("gets no answer on `list`"), "{}", fault.message);
    let mut rows = document;
    rows["routes"]["list"]["rows"] = json!("$.items[?@.name == 'Bo']");
    let fault = played(&rows, "list", case(), setting(1, 10, Patience::Window)).unwrap_err();
    assert!(fault.help.contains("--body"), "{fault:?}");
    // The customer of the sample is each customer in turn, and what is around the records stays.
    let sample = json!({"items": [{"name": "Bo", "id": "x"}, {"name": "Cy", "id": "y"}], "total": 2});
    let upstream = Upstream::new(&set, route, Some(sample)).unwrap();
    let page = upstream.page(7, 2);
    assert_eq!(page.target, "/accounts?limit=2");
    let body: Value = serde_json::from_slice(&page.body).unwrap();
    let expected = json!({"items": [{"name": "Bo", "id": "A00000007"}, {"name": "Bo", "id": "A00000008"}], "total": 2});
    assert_eq!(body, expected);
    assert!(Upstream::new(&set, route, Some(json!({"items": []}))).is_err(), "nobody is in it");
}
