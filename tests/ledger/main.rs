//! The ledger: what it reads of records that the core wrote, what it answers, and what it says that it does not know.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where it stands"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::rc::Rc;

use fieldgate::budget::MemoryStore;
use fieldgate::caller::Caller;
use fieldgate::exchange::{BodyDirective, End, Exchange, HeadDirective, Headers, RequestDirective};
use fieldgate::model::moment::Moment;
use fieldgate::program::Program;
use fieldgate::report::Stamp;
use fieldgate::transform::PseudonymKey;
use fieldgate_workbench::ledger::{Broken, Client, Ledger, Line, Question, Tags, read};
use serde_json::{Value, json};

mod doubts;

/// The key of the transcripts: nobody's secret.
const KEY: &str = "ZmllbGRnYXRlIHRlc3Qga2V5LCBub3QgYSBzZWNyZXQ=";

fn tags() -> Tags {
    Tags::new(&PseudonymKey::from_base64(KEY).unwrap())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One request of the day: when, what, who, with which scope; what the upstream answers.
struct Asked<'a>(u64, &'a str, &'a str, &'a str, &'a str, &'a str);

/// A line of the reference bootstrap's access log, as the core writes the record.
fn line(program: &Rc<Program>, store: &mut MemoryStore, asked: &Asked<'_>) -> String {
    let Asked(second, id, target, client, scope, body) = asked;
    let now = Moment::parse("2026-11-28T14:00:00Z").unwrap().0 + second;
    let headers = |pairs: &[(&str, &str)]| -> Headers {
        pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
    };
    let mut exchange = Exchange::new(Rc::clone(program));
    let caller = Caller::new(program.policy(), client, vec![(*scope).to_owned()], Value::Null);
    let request = headers(&[(":method", "GET"), (":path", target), (":authority", "api"), ("x-request-id", id)]);
    let mut directive = exchange.on_request(&request, caller, Some(Moment(now)));
    if directive == RequestDirective::Reserve {
        directive = exchange.reserve(End::Last, Some(Moment(now)), store);
    }
    let mut status = "200".to_owned();
    if let RequestDirective::Refuse(problem) = &directive {
        status = problem.status.to_string();
    } else {
        let head = headers(&[(":status", "200"), ("content-type", "application/json")]);
        assert!(!matches!(exchange.on_response_head(&head, End::More), HeadDirective::Refuse(_)));
        let ended = exchange.on_response_body(body.as_bytes(), body.len(), End::Last);
        if let BodyDirective::Refuse(problem) = ended {
            status = problem.status.to_string();
        }
        exchange.taken();
    }
    exchange.settle(Some(Moment(now)), store);
    let record = String::from_utf8(exchange.record(Some(Stamp(now * 1000 + 7))).line()).unwrap();
    let start = (now - Moment::parse("2026-11-28T14:00:00Z").unwrap().0) as usize;
    let clock = format!("2026-11-28T14:{:02}:{:02}.001Z", start / 60, start % 60);
    format!("{clock} {id} {status} via_upstream {record}\n")
}

/// A day at the shipped policy.
fn log() -> String {
    let path = root().join("policies/telco.yaml");
    let (policy, _) = fieldgate::policy::from_yaml(&path).unwrap_or_else(|found| panic!("{found}"));
    let program = Rc::new(Program::new(policy, Some(PseudonymKey::from_base64(KEY).unwrap())).unwrap());
    let account = |id: &str| {
        json!({"id": id, "status": "active", "email": "ana@example.com", "holder": {"name": "Ana Lopez"}}).to_string()
    };
    let invoices = r#"{"items": [{"id": "I-1", "status": "paid", "total": 12.5}, {"id": "I-2", "status": "open"}]}"#;
    let (one, two, three) = (account("ACC-1"), account("ACC-2"), account("ACC-3"));
    let nobody = json!({"status": "active", "email": "x@example.com"}).to_string();
    let mut store = MemoryStore::default();
    [
        Asked(1, "r-01", "/accounts/ACC-1", "care-app", "care.read", &one),
        Asked(62, "r-02", "/accounts/ACC-2", "care-app", "care.read", &two),
        Asked(70, "r-03", "/accounts/ACC-1/invoices", "care-app", "care.read", invoices),
        Asked(81, "r-04", "/accounts/ACC-1", "acme-partner", "partner.verify", &one),
        Asked(95, "r-05", "/accounts/ACC-3", "acme-partner", "partner.verify", &three),
        Asked(99, "r-06", "/accounts/ACC-3?fields=all", "care-app", "care.read", ""),
        Asked(130, "r-07", "/accounts/ACC-3", "care-app", "care.read", "{\"id\": \"ACC-3\", "),
        Asked(140, "r-08", "/accounts/ACC-9", "care-app", "care.read", &nobody),
        Asked(700, "r-09", "/accounts/ACC-2", "care-app", "care.read", &two),
    ]
    .iter()
    .map(|asked| line(&program, &mut store, asked))
    .collect()
}

#[test]
fn the_log_of_the_transcripts_is_what_the_core_writes() {
    let trapped = "2026-11-28T14:05:00.002Z r-99 200 wasm_fail_stream -\n";
    let written = log() + trapped;
    let path = root().join("tests/cli/ledger/access.log");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &written).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), written, "run with UPDATE_GOLDENS=1");
}

fn asked(question: Question, time: (Option<&str>, Option<&str>), key: bool, lines: &str) -> Ledger {
    let time = (time.0.map(str::to_owned), time.1.map(str::to_owned));
    let mut ledger = Ledger::new(question, time, key.then(tags), None);
    lines.lines().for_each(|line| ledger.take(read(line.as_bytes())));
    ledger
}

const ALWAYS: (Option<&str>, Option<&str>) = (None, None);

#[test]
fn a_client_s_answer_has_each_person_once_with_what_was_seen() {
    let ledger = asked(Question::Client("care-app".to_owned()), ALWAYS, true, &log());
    let ids: HashMap<u128, String> = ["ACC-1", "ACC-2", "ACC-3", "ACC-9"]
        .into_iter()
        .filter_map(|id| Some((ledger.is_exposed("customer", id)?, id.to_owned())))
        .collect();
    let mut seen = BTreeMap::new();
    for named in ledger.subjects(&ids) {
        let what: Vec<String> = named.what.iter().map(|(class, level)| format!("{class} {level}")).collect();
        seen.insert(named.id.unwrap(), (named.exposure.responses, named.exposure.first.clone(), what.join(", ")));
    }
    let both = "contact show, identity show, key show, reference show";
    let row = |responses: u64, first: &str, what: &str| (responses, first.to_owned(), what.to_owned());
    let expected = BTreeMap::from([
        (
            "ACC-1".to_owned(),
            row(2, "2026-11-28T14:00:01", "contact show, financial blank, identity show, key show, reference show"),
        ),
        ("ACC-2".to_owned(), row(2, "2026-11-28T14:01:02", both)),
    ]);
    assert_eq!(seen, expected, "what was refused or malformed is nobody's");
    let sum = ledger.summary();
    assert_eq!((sum.lines, sum.records, sum.left, sum.unknown), (9, 7, 5, 1), "ACC-9's answer names nobody");
    assert_eq!(sum.last.as_deref(), Some("2026-11-28T14:11:40"));
}

#[test]
fn a_client_s_answer_is_of_the_time_that_was_asked_for() {
    let window = (Some("2026-11-28T14:01:02"), Some("2026-11-28T14:11:40"));
    let ledger = asked(Question::Client("care-app".to_owned()), window, true, &log());
    let responses: Vec<u64> = ledger.subjects(&HashMap::new()).iter().map(|named| named.exposure.responses).collect();
    assert_eq!(responses, [1, 1], "from is in it, to is not");
}

#[test]
fn a_person_s_answer_has_each_response_it_was_in() {
    let ledger = asked(Question::Subject("ACC-1".to_owned()), ALWAYS, true, &log());
    let seen: Vec<(String, &str)> =
        ledger.releases().iter().map(|release| (release.request.clone(), release.route.as_str())).collect();
    let expected = [("r-01", "get-account"), ("r-03", "list-invoices"), ("r-04", "get-account")];
    assert_eq!(seen, expected.map(|(id, route)| (id.to_owned(), route)));
    let others: Vec<u64> = ledger.releases().iter().map(|release| release.others).collect();
    assert_eq!(others, [0, 0, 0], "each is about one person");
    assert_eq!(ledger.releases()[2].client, Client::Named("acme-partner".to_owned()));
    let other = asked(Question::Subject("ACC-4".to_owned()), ALWAYS, true, &log());
    assert!(other.releases().is_empty());
}

#[test]
fn clients_are_ordered_by_people() {
    let ledger = asked(Question::Top, ALWAYS, false, &log());
    let top: Vec<(String, u64, u64)> =
        ledger.top().iter().map(|(client, top)| (client.to_string(), top.subjects, top.responses)).collect();
    let care = format!("tag {:032x}", tags().of_client("care-app"));
    let mut expected = [("acme-partner".to_owned(), 2, 2), (care, 2, 5)];
    expected.sort_by_key(|(_, subjects, responses)| std::cmp::Reverse((*subjects, *responses)));
    assert_eq!(top, expected);
}

#[test]
fn a_client_without_a_name_in_the_log_is_found_by_its_tag_or_said() {
    let tag = format!("{:032x}", tags().of_client("care-app"));
    let by_tag = asked(Question::Client(tag), ALWAYS, false, &log());
    assert_eq!((by_tag.distinct(), by_tag.summary().unnamed), (2, 0));
    let with_key = asked(Question::Client(format!("{:032x}", tags().of_client("care-app"))), ALWAYS, true, &log());
    assert_eq!(with_key.distinct(), 2, "a tag is one with a key at hand too");
    let by_name = asked(Question::Client("care-app".to_owned()), ALWAYS, false, &log());
    assert_eq!((by_name.distinct(), by_name.summary().unnamed), (0, 7), "without a key nobody can tell");
}

#[test]
fn records_of_another_key_are_said() {
    let other = log().replace(&format!("\"key\":\"{}\"", tags().key()), "\"key\":\"00000000\"");
    let ledger = asked(Question::Client("care-app".to_owned()), ALWAYS, true, &other);
    assert_eq!(ledger.summary().other_key, 9);
    let ours = asked(Question::Client("care-app".to_owned()), ALWAYS, true, &log());
    assert_eq!(ours.summary().other_key, 0);
}

#[test]
fn each_line_is_what_it_is() {
    let record = log().lines().next().unwrap().split_once(" {").map(|(_, rest)| format!("{{{rest}")).unwrap();
    let cut = &record[..record.len() - 1];
    let rows: [(&str, String, Line); 20] = [
        ("nothing", String::new(), Line::Empty),
        ("spaces", "  ".to_owned(), Line::Empty),
        (
            "the VM had trapped",
            "2026-11-28T14:05:00.002Z r 200 wasm_fail_stream -".to_owned(),
            Line::Unwritten(Some("2026-11-28T14:05:00".to_owned())),
        ),
        (
            "a request that the gate refused",
            "2026-11-28T14:05:00.002Z r 403 rbac_access_denied_matched_policy[none] -".to_owned(),
            Line::Gated,
        ),
        (
            "the gate's words in another place",
            "2026-11-28T14:05:00.002Z r 403 rbac_access_denied_matched_policy[none] 200 wasm_fail_stream -".to_owned(),
            Line::Unwritten(Some("2026-11-28T14:05:00".to_owned())),
        ),
        ("a dash in the record's place", "10.0.0.1 GET / 503 -".to_owned(), Line::Unwritten(None)),
        ("a dash elsewhere", "10.0.0.1 - 503 x".to_owned(), Line::Broken(Broken::NoRecord)),
        ("another log's line", "hello".to_owned(), Line::Broken(Broken::NoRecord)),
        (
            "Envoy's own log",
            "[2026-11-28 14:04:21.123][17][info][main] starting main dispatch loop".to_owned(),
            Line::Empty,
        ),
        (
            "Envoy's own log, with a dash",
            "[2026-11-28 14:04:21.123][17][warning][wasm] wasm log: -".to_owned(),
            Line::Empty,
        ),
        (
            "an access log that begins with a bracket",
            "[2026-11-28T14:04:21.123Z] \"GET /accounts/1\" 503 x".to_owned(),
            Line::Broken(Broken::NoRecord),
        ),
        (
            "nearly Envoy's own log",
            "[2026-11-28 14:04:21.123][x][info][main] hello".to_owned(),
            Line::Broken(Broken::NoRecord),
        ),
        ("cut off", cut.to_owned(), Line::Broken(Broken::NotJson)),
        ("a later format", record.replace("{\"fieldgate\":1", "{\"fieldgate\":2"), Line::Broken(Broken::Format)),
        ("a time that is none", "{\"fieldgate\":1,\"time\":\"noon\"}".to_owned(), Line::Broken(Broken::Member("time"))),
        ("a start after it", format!("{record} {{\"fieldgate\":1}}"), Line::Broken(Broken::Several)),
        (
            "a tag that is none",
            "{\"fieldgate\":1,\"subjects\":{\"customer\":[\"ACC-1\"]}}".to_owned(),
            Line::Broken(Broken::Member("subjects")),
        ),
        (
            "a tag that is cut off",
            "{\"fieldgate\":1,\"subjects\":{\"customer\":[\"4b88db90\"]}}".to_owned(),
            Line::Broken(Broken::Member("subjects")),
        ),
        (
            "a client that is none",
            "{\"fieldgate\":1,\"client\":{\"tag\":\"care\"}}".to_owned(),
            Line::Broken(Broken::Member("client")),
        ),
        (
            "a count that is none",
            "{\"fieldgate\":1,\"fields\":{\"contact\":{\"show\":-1}}}".to_owned(),
            Line::Broken(Broken::Member("fields")),
        ),
    ];
    for (claim, line, expected) in rows {
        assert_eq!(read(line.as_bytes()), expected, "{claim}");
    }
    let within = read(format!("before {record} \"after\" {{\"x\":1}}").as_bytes());
    assert!(matches!(within, Line::Record(_)), "what stands around it does not matter");
    let bad = [b"\xff\xfe ".as_slice(), record.as_bytes()].concat();
    assert!(matches!(read(&bad), Line::Record(_)), "whatever bytes");
}

#[test]
fn lines_that_nobody_wrote_are_in_every_answer() {
    let lines =
        "2026-11-28T14:05:00.002Z r 200 wasm_fail_stream -\n2026-11-29T14:05:00Z r 200 wasm_fail_stream -\n-\nx -\n";
    for question in [Question::Client("a".to_owned()), Question::Subject("b".to_owned()), Question::Top] {
        let ledger = asked(question, (None, Some("2026-11-29T00:00:00")), true, lines);
        assert_eq!(ledger.summary().unwritten, 2, "that of the next day is not, one without a time is");
        assert_eq!(ledger.summary().broken, 1);
    }
}

#[test]
fn sets_of_classes_are_joined() {
    let record = |classes: &str| {
        format!(
            "{{\"fieldgate\":1,\"digest\":\"{:064x}\",\"client\":\"c\",\"outcome\":\"released\",\"fields\":{{{classes}}},\"subjects\":{{\"p\":[\"{:032x}\"]}}}}\n",
            1, 7
        )
    };
    let lines = [
        record("\"a\":{\"show\":1,\"hide\":3}"),
        record("\"b\":{\"mask\":1}"),
        record("\"a\":{\"hide\":1}"),
        record("\"a\":{\"show\":2}"),
    ];
    let ledger = asked(Question::Client("c".to_owned()), ALWAYS, false, &lines.concat());
    let all = ledger.subjects(&HashMap::new());
    let text = |class: &str, level: &str| (class.to_owned(), level.to_owned());
    assert_eq!(*all[0].what, BTreeSet::from([text("a", "show"), text("b", "mask")]), "what is hidden was not seen");
    assert_eq!((all.len(), all[0].exposure.responses), (1, 4));
    assert!(!ledger.values().contains_key(&text("a", "hide")), "nor counted");
    assert_eq!(ledger.summary().timeless, 4);
}

#[test]
fn what_a_route_that_only_reports_let_through_has_left_at_full_view() {
    let record = |more: &str| {
        format!("{{\"fieldgate\":1,\"digest\":\"{:064x}\",\"client\":\"c\",\"mode\":\"reported\",{more}}}\n", 1)
    };
    let subject = format!("\"subjects\":{{\"p\":[\"{:032x}\"]}}", 7);
    let fields = r#""fields":{"a":{"hide":3},"b":{"mask":1,"show":1}}"#;
    let text = |class: &str, level: &str, count: u64| ((class.to_owned(), level.to_owned()), count);
    // The rest of the record; whether something left; records that are nobody's, people, and values by class and level.
    type Row<'a> = (&'a str, String, u64, u64, usize, BTreeMap<(String, String), u64>);
    let rows: [Row<'_>; 8] = [
        (
            "would have left in part",
            format!(r#""outcome":"released",{fields},{subject}"#),
            1,
            0,
            1,
            BTreeMap::from([text("a", "show", 3), text("b", "show", 2)]),
        ),
        ("would have been refused", r#""outcome":"refused","status":200"#.to_owned(), 1, 1, 0, BTreeMap::new()),
        (
            "would have been refused with records",
            r#""outcome":"refused","unknown":4"#.to_owned(),
            1,
            4,
            0,
            BTreeMap::new(),
        ),
        (
            "ended while the report was not done",
            format!(r#""outcome":"unanswered","status":200,"records":1,{fields},{subject}"#),
            1,
            0,
            1,
            BTreeMap::from([text("a", "show", 3), text("b", "show", 2)]),
        ),
        ("ended so, with nothing but people", format!(r#""outcome":"unanswered",{subject}"#), 1, 0, 1, BTreeMap::new()),
        (
            "ended so, with nobody's records",
            r#""outcome":"unanswered","unknown":2"#.to_owned(),
            1,
            2,
            0,
            BTreeMap::new(),
        ),
        ("no upstream answered", r#""outcome":"unanswered","status":503"#.to_owned(), 0, 0, 0, BTreeMap::new()),
        ("nothing came to see", r#""outcome":"unseen""#.to_owned(), 0, 0, 0, BTreeMap::new()),
    ];
    for (claim, more, left, unknown, distinct, values) in rows {
        let ledger = asked(Question::Client("c".to_owned()), ALWAYS, false, &record(&more));
        let sum = ledger.summary();
        assert_eq!((sum.left, sum.reported, sum.unknown), (left, left, unknown), "{claim}");
        assert_eq!((ledger.distinct(), ledger.values()), (distinct, &values), "{claim}");
    }
    for outcome in ["refused", "unanswered"] {
        let enforced = record(&format!("\"outcome\":\"{outcome}\",{fields}")).replace("reported", "enforced");
        assert_eq!(asked(Question::Client("c".to_owned()), ALWAYS, false, &enforced).summary().left, 0, "{outcome}");
    }
}
