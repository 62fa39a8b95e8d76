//! What a log leaves open, and what a caller may have written into it.

use std::collections::BTreeMap;

use fieldgate::report::{Outcome, Record, Stamp};
use fieldgate_workbench::ledger::{Alert, Broken, Client, Line, Question, read};

use super::{ALWAYS, asked, tags};

/// When records of these tests are settled.
const TIME: &str = "2026-11-28T14:00:01.007Z";

/// A record with these members.
fn record(members: &str) -> String {
    format!("{{\"fieldgate\":1,\"time\":\"{TIME}\",{members}}}")
}

/// A line with it, as the shipped format has one.
fn line(id: &str, record: &str) -> String {
    format!("2026-11-28T14:00:01.001Z {id} 200 via_upstream {record}\n")
}

/// What [`read`] makes of a line: the request of its record and whether that is alone, or else what it is.
fn told(line: &str) -> String {
    match read(line.as_bytes()) {
        Line::Record(record) => {
            format!("{}{}", record.text("request"), if record.contested { ", contested" } else { "" })
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn a_caller_s_text_is_not_taken_for_the_record() {
    let real = record(r#""request":"real","outcome":"released","fields":{"contact":{"show":3}}"#);
    let forged = record(r#""request":"forged","outcome":"released","client":"somebody-else""#);
    let named = record(r#""request":"real","outcome":"released","fields":{"fieldgate":{"show":3}},"subjects":{}"#);
    let start = "{\"fieldgate\":";
    let unwritten = "Unwritten(Some(\"2026-11-28T14:00:01\"))";
    let several = format!("{:?}", Line::Broken(Broken::Several));
    let rows: [(&str, String, &str); 16] = [
        ("a start before it", line(start, &real), "real"),
        ("a start with a format", line("{\"fieldgate\":1,", &real), "real"),
        ("many starts before it", line(&start.repeat(63), &real), "real"),
        ("more than anybody looks at", line(&start.repeat(64), &real), "real, contested"),
        ("more of them behind it", line("r", &format!("{real} {}", start.repeat(64))), &several),
        ("a whole one before it", line(&forged, &real), "real, contested"),
        ("two of them", line(&format!("{forged} {forged}"), &real), "real, contested"),
        (
            "one that holds it",
            line("r", &format!("{},\"x\":{real}}}", forged.trim_end_matches('}'))),
            "real, contested",
        ),
        ("a whole one, and it is cut off", line(&forged, &real[..real.len() - 1]), &several),
        ("a whole one, and it is of a later format", line(&forged, &real.replace(":1,", ":2,")), &several),
        ("a whole one, and nothing in its place", line(&forged, "-"), unwritten),
        (
            "a whole one, and the plugin's VM had trapped",
            format!("2026-11-28T14:00:01.001Z {forged} 200 wasm_fail_stream -"),
            unwritten,
        ),
        (
            "a whole one, and the gate refused it",
            format!("2026-11-28T14:00:01.001Z {forged} 403 rbac_access_denied_matched_policy[none] -"),
            "Gated",
        ),
        ("a class whose name is that of a start", line("r", &named), "real"),
        ("the words of a VM that had trapped", line("wasm_fail_stream", &real), "real"),
        ("the gate's words", line("403 rbac_access_denied_matched_policy[none] -", &real), "real"),
    ];
    for (claim, line, expected) in rows {
        assert_eq!(told(&line), expected, "{claim}");
    }
    let lines = line(&forged, &real) + &line("r", &real);
    for question in [Question::Client("a".to_owned()), Question::Subject("b".to_owned()), Question::Top] {
        assert_eq!(asked(question, ALWAYS, true, &lines).summary().contested, 1, "it is said in each answer");
    }
}

/// What a shipped format prints of a request id, in bytes.
const PRINTED: usize = 64;

#[test]
fn no_record_is_whole_in_what_is_printed_of_a_request_id() {
    // Records as short as they can be, and shorter than any that the plugin writes.
    let digest = format!("{:064x}", 1);
    let rows = [
        record(r#""outcome":"cut""#),
        format!("{{\"fieldgate\":1,\"outcome\":\"cut\",\"digest\":\"{digest}\"}}"),
        String::from_utf8(Record::unconfigured(Some(Stamp(1000))).line()).unwrap(),
    ];
    for row in rows {
        assert!(matches!(read(row.as_bytes()), Line::Record(_)), "{row}");
        assert!(row.len() > PRINTED, "{row}");
    }
    for row in [
        r#"{"fieldgate":1}"#,
        r#"{"fieldgate":1,"outcome":"cut"}"#,
        r#"{"fieldgate":1,"outcome":"refused","reason":"host"}"#,
        r#"{"fieldgate":1,"outcome":"","time":"2026-11-28T14:00:01.007Z"}"#,
        r#"{"fieldgate":1,"outcome":"cut","time":"2026-11-28T14:00:01Z"}"#,
        r#"{"fieldgate":1,"outcome":"cut","time":"2026-11-28T14:00:01"}"#,
        r#"{"fieldgate":1,"outcome":"cut","digest":"0"}"#,
        r#"{"fieldgate":1,"outcome":"cut","policy":"p","client":"victim"}"#,
    ] {
        assert!(row.len() <= PRINTED, "{row} tells nothing");
        assert!(matches!(read(row.as_bytes()), Line::Broken(Broken::Member(_))), "{row}");
    }
    // All that stand before a record bound what a caller wrote.
    for file in ["envoy/envoy.yaml", "docs/operations.md", "crates/cli/src/render/envoy.rs"] {
        let text = std::fs::read_to_string(super::root().join(file)).unwrap();
        let formats: Vec<&str> = text.lines().filter(|line| line.contains("%START_TIME% ")).collect();
        assert!(!formats.is_empty(), "{file}");
        for format in formats {
            assert!(format.contains(&format!("%REQ(X-REQUEST-ID):{PRINTED}% ")), "{file}: {format}");
            assert_eq!(format.matches("%REQ(").count(), 1, "{file}: {format}");
        }
    }
}

#[test]
fn what_every_outcome_is_called_is_read() {
    for outcome in Outcome::ALL {
        let line = record(&format!("\"outcome\":\"{}\"", outcome.word()));
        assert!(matches!(read(line.as_bytes()), Line::Record(_)), "{line}");
    }
}

#[test]
fn responses_of_callers_whom_no_record_names_may_be_a_client_s() {
    // A record's members; what is counted: records of the client, passed, and of unknown callers.
    let rows = [
        ("passed", r#""mode":"passed","outcome":"passed""#, (0, 1, 0)),
        ("released", r#""mode":"enforced","outcome":"released","unknown":1"#, (0, 0, 1)),
        ("cut", r#""mode":"enforced","outcome":"cut""#, (0, 0, 1)),
        ("only reported", r#""mode":"reported","outcome":"refused""#, (0, 0, 1)),
        ("refused", r#""mode":"enforced","outcome":"refused""#, (0, 0, 0)),
        ("unanswered", r#""mode":"enforced","outcome":"unanswered""#, (0, 0, 0)),
        ("never seen", r#""outcome":"unseen""#, (0, 0, 0)),
        ("another client's", r#""client":"other","mode":"enforced","outcome":"released""#, (0, 0, 0)),
        ("its own", r#""client":"c","mode":"enforced","outcome":"released""#, (1, 0, 0)),
    ];
    for (claim, members, expected) in rows {
        let lines = line("r", &record(members));
        let ledger = asked(Question::Client("c".to_owned()), ALWAYS, true, &lines);
        let sum = ledger.summary();
        assert_eq!((sum.records, sum.passed, sum.callers), expected, "{claim}");
        let later = asked(Question::Client("c".to_owned()), (Some("2026-11-29T00:00:00"), None), true, &lines);
        assert_eq!(
            (later.summary().passed, later.summary().callers),
            (0, 0),
            "{claim}: of the time that was asked for"
        );
    }
}

#[test]
fn canaries_that_left_are_an_alert_by_client() {
    let got = |client: &str, outcome: &str, canaries: &str| {
        line(
            "r",
            &record(&format!("{client}\"mode\":\"enforced\",\"outcome\":\"{outcome}\",\"canaries\":[{canaries}]")),
        )
    };
    let (one, two) = ("\"6f0d3b9a41c27e58\"", "\"6f0d3b9a41c27e58\",\"0000000000000001\"");
    let lines = [
        got("\"client\":\"a\",", "released", one),
        got("\"client\":\"a\",", "cut", two),
        got("\"client\":\"b\",", "released", one),
        got("", "released", one),
        got("\"client\":\"c\",", "refused", one),
    ]
    .concat();
    let alert = |canaries: u64, responses: u64| Alert { canaries, responses };
    let (a, b) = (Client::Named("a".to_owned()), Client::Named("b".to_owned()));
    let all = BTreeMap::from([(a.clone(), alert(3, 2)), (b, alert(1, 1)), (Client::Unknown, alert(1, 1))]);
    let of_a = BTreeMap::from([(a, alert(3, 2)), (Client::Unknown, alert(1, 1))]);
    for (question, expected) in
        [(Question::Top, &all), (Question::Subject("x".to_owned()), &all), (Question::Client("a".to_owned()), &of_a)]
    {
        assert_eq!(asked(question, ALWAYS, true, &lines).alerts(), expected);
    }
    let later = asked(Question::Top, (Some("2026-11-29T00:00:00"), None), true, &lines);
    assert!(later.alerts().is_empty(), "of the time that was asked for");
    let broken = record(r#""outcome":"released","canaries":"6f0d3b9a41c27e58""#);
    assert_eq!(read(broken.as_bytes()), Line::Broken(Broken::Member("canaries")));
}

#[test]
fn records_of_another_key_do_not_depend_on_the_order_of_lines() {
    let of = |key: &str| line("r", &record(&format!("\"key\":\"{key}\",\"outcome\":\"released\",\"client\":\"c\"")));
    let ours = tags().key();
    let (one, three) = (of(&ours), of("11111111").repeat(3));
    for lines in [
        format!("{one}{three}"),
        format!("{three}{one}"),
        format!("{}{one}{}", of("11111111"), of("11111111").repeat(2)),
    ] {
        let question = || Question::Client("c".to_owned());
        assert_eq!(asked(question(), ALWAYS, true, &lines).summary().other_key, 3, "than the key at hand");
        assert_eq!(asked(question(), ALWAYS, false, &lines).summary().other_key, 1, "than that of most, without a key");
        assert_eq!(asked(Question::Top, ALWAYS, false, &lines).keys()["11111111"], 3);
    }
    let only = asked(Question::Client("c".to_owned()), ALWAYS, true, &three);
    assert_eq!(only.summary().other_key, 3, "the key at hand made none");
}

#[test]
fn a_line_that_nobody_wrote_counts_if_its_request_began_before_the_end() {
    let lines = "2026-11-28T13:59:50.000Z r 200 wasm_fail_stream -\n2026-11-28T14:30:00.000Z r 200 wasm_fail_stream -\n\
                 2026-11-28T15:00:00.000Z r 200 wasm_fail_stream -\n";
    let window = (Some("2026-11-28T14:00:00"), Some("2026-11-28T15:00:00"));
    assert_eq!(
        asked(Question::Top, window, true, lines).summary().unwritten,
        2,
        "the first may have gone on into the time"
    );
}
