//! What becomes of what is found: which find goes first, how the string is written, what the search may cost.

#![allow(clippy::arithmetic_side_effects, reason = "small numbers")]

mod found;

use proptest::prelude::*;

use std::rc::Rc;

use super::*;
use crate::diagnostic::Span;
use crate::model::CustomDetector;
use crate::model::pattern::Pattern;

const ALL: &[BuiltIn] = &BuiltIn::ALL;

fn built_in(detectors: &[BuiltIn]) -> Vec<Detector> {
    detectors.iter().copied().map(Detector::BuiltIn).collect()
}

fn shown(detectors: &[BuiltIn], token: &str) -> String {
    shown_by(&built_in(detectors), token)
}

fn custom(name: &str, pattern: &str) -> Detector {
    let span = Span { file: 0, start: 0, end: 0 };
    let pattern = Pattern::parse(pattern).unwrap();
    Detector::Custom(Rc::new(CustomDetector { name: name.to_owned(), about: String::new(), pattern, span }))
}

fn shown_by(detectors: &[Detector], token: &str) -> String {
    let mut out = b"before".to_vec();
    let searched = detect(detectors, token.as_bytes(), &mut { Effort::RESPONSE }, &mut out);
    let changed = out.strip_prefix(b"before") != Some(token.as_bytes());
    assert!(matches!(searched, Searched::Clean | Searched::Replaced), "{token}");
    assert!(searched == Searched::Replaced || !changed, "{token}");
    String::from_utf8(out.strip_prefix(b"before").expect("what was there stays").to_vec()).unwrap()
}

/// Rows of text before and after, for one detector.
fn holds(detector: BuiltIn, rows: &[(&str, &str)]) {
    for (text, expected) in rows {
        let token = serde_json::to_string(text).unwrap();
        assert_eq!(shown(&[detector], &token), serde_json::to_string(expected).unwrap(), "{detector:?} in {text}");
    }
}

fn leaves(detector: BuiltIn, texts: &[&str]) {
    for text in texts {
        holds(detector, &[(text, text)]);
    }
}

#[test]
fn leftmost_then_longest_then_by_name() {
    let rows = [
        ("anna@example.com 4111 1111 1111 1111 +4917612345678", "[email] [card] [phone]"),
        ("DE89 3704 0044 0532 0130 00 123-45-6789", "[iban] [ssn]"),
        // Two finds begin at one byte: the longer one wins.
        ("+14155550123@example.com", "[email]"),
        ("4111111111111111@example.com", "[email]"),
        ("+4111111111111111", "+[card]"),
        ("", ""),
        ("nothing here", "nothing here"),
    ];
    for (text, expected) in rows {
        assert_eq!(shown(ALL, &format!("\"{text}\"")), format!("\"{expected}\""), "{text}");
    }
}

#[test]
fn only_what_is_asked_for_is_looked_for() {
    let token = r#""anna@example.com 4111111111111111""#;
    assert_eq!(shown(&[BuiltIn::Card], token), r#""anna@example.com [card]""#);
    assert_eq!(shown(&[BuiltIn::Email], token), r#""[email] 4111111111111111""#);
    assert_eq!(shown(&[], token), token);
}

#[test]
fn a_string_without_finds_keeps_its_spelling() {
    for token in [r#""a\/b\u0041\u00e9 é""#, r#""""#, r#""\ud83d\ude00 12""#, "12.50", "true", "false"] {
        assert_eq!(shown(ALL, token), token);
    }
}

#[test]
fn a_string_with_finds_is_written_with_the_fewest_escapes() {
    assert_eq!(shown(ALL, r#""\u0041\/\n\"\u00e9: anna\u0040example.com""#), r#""A/\n\"é: [email]""#);
    assert_eq!(shown(ALL, r#""\u0034111111111111111""#), r#""[card]""#);
}

#[test]
fn a_policys_own_detector_takes_part_as_the_others_do() {
    let case = || custom("case", r"(?i)\bcase[- ]?\d{4,8}\b");
    let digits = || custom("digits", r"\d+");
    let all = |more: &[Detector]| [&built_in(ALL), more].concat();
    let rows: [(&str, Vec<Detector>, &str, &str); 12] = [
        ("it finds text without a digit", vec![custom("name", "Ana|Bo")], "Ana and Bo", "[name] and [name]"),
        ("it finds nothing", vec![case()], "in any case 123", "in any case 123"),
        ("it knows its own shape", vec![case()], "CASE-12345, case 1234", "[case], [case]"),
        ("leftmost first", all(&[case()]), "case 1234 a@b.com", "[case] [email]"),
        ("longest of those that start together", all(&[digits()]), "4111111111111111", "[card]"),
        ("longest, also if it is the other", all(&[custom("x", r"\d{16} .")]), "4111111111111111 y", "[x]"),
        ("then by name", vec![custom("b", "abc"), custom("a", "abc")], "abc", "[a]"),
        ("a name before a built-in's", all(&[custom("a", r"\d{16}")]), "4111111111111111", "[a]"),
        ("a name after a built-in's", all(&[custom("z", r"\d{16}")]), "4111111111111111", "[card]"),
        ("what another has taken is gone", vec![custom("a", "ab"), custom("b", "bc")], "abc bc", "[a]c [b]"),
        ("it sees what stands before", vec![custom("a", "x"), custom("b", r"\bc")], "xc c", "[a]c [b]"),
        ("it prefers its first alternative", vec![custom("a", "a|ab")], "ab", "[a]b"),
    ];
    for (claim, detectors, text, expected) in rows {
        assert_eq!(shown_by(&detectors, &format!("\"{text}\"")), format!("\"{expected}\""), "{claim}");
    }
}

#[test]
fn a_match_that_is_empty_where_it_stands_is_passed_over() {
    let detectors = [custom("x", r"[a0_]|\b{start}")];
    assert_eq!(shown_by(&detectors, r#""q a éq""#), r#""q [x] éq""#);
}

#[test]
fn all_strings_and_detectors_of_a_response_draw_on_one_effort() {
    // Each search looks through the whole text before it settles on one character.
    let slow = |name: &str| custom(name, "a.*b|a");
    let token = |length| format!("\"{}\"", "a".repeat(length));
    let rows: [(&str, Vec<Detector>, usize, usize, bool); 6] = [
        ("one string that is cheap", vec![slow("x")], 1 << 7, 1, true),
        ("one string that is not", vec![slow("x")], 1 << 10, 1, false),
        ("many strings that are cheap one by one", vec![slow("x")], 1 << 7, 50, false),
        ("many detectors that are cheap one by one", (0..9).map(|n| slow(&format!("x{n}"))).collect(), 300, 1, false),
        ("a string that cannot be looked through", vec![custom("x", "[a-z0-9._-]{1,64}#")], 1 << 16, 1, false),
        ("a string in which no find can begin", vec![custom("x", "#[a-z0-9._-]{1,64}")], 1 << 16, 50, true),
    ];
    for (claim, detectors, length, times, done) in rows {
        let mut effort = Effort::RESPONSE;
        let mut out = b"before".to_vec();
        let mut last = Searched::Clean;
        for _ in 0..times {
            out.truncate(6);
            last = detect(&detectors, token(length).as_bytes(), &mut effort, &mut out);
        }
        assert_eq!(last != Searched::Exhausted, done, "{claim}");
        assert_eq!(out == b"before", !done, "{claim}");
        if !done {
            // What is spent is spent for every later string, but for those that cost nothing.
            let email = [custom("x", "a#"), Detector::BuiltIn(BuiltIn::Email)];
            assert_eq!(detect(&email, br#""aa""#, &mut effort, &mut out), Searched::Exhausted, "{claim}");
            assert_eq!(detect(&email, br#""b@c.de""#, &mut effort, &mut out), Searched::Replaced, "{claim}");
        }
    }
}

#[test]
fn what_is_no_token_is_a_misfit() {
    let mut out = Vec::new();
    for token in [&b"null"[..], b"", b"\"", b"{}", b"\"\xff\""] {
        assert_eq!(detect(&built_in(ALL), token, &mut { Effort::RESPONSE }, &mut out), Searched::Misfit);
    }
    assert_eq!(out, b"");
}

#[test]
fn long_texts_of_near_misses_take_linear_time() {
    // Quadratic work on any of these would take many seconds.
    for part in [
        "@",
        "a",
        "a@",
        "a@b.",
        "1",
        "1 ",
        "1-",
        "0",
        "+",
        "(",
        "+1",
        "DE89 ",
        "DE89",
        "d8",
        "12-",
        "4111 ",
        "01.02.2024 ",
        "é",
        "aaaa.",
        "+49 (0",
        "-",
    ] {
        let token = format!("\"{}\"", part.repeat((1 << 17) / part.len()));
        shown(ALL, &token);
    }
}

proptest! {
    #[test]
    fn every_text_stays_a_string_and_what_was_found_is_gone(text in "([0-9]{1,5}|[-+ ./(),@#]|[a-eA-E]{1,3}|DE89|\\.com|[éß\u{a0}\\\\\"])*") {
        let token = serde_json::to_string(&text).unwrap();
        let once = shown(ALL, &token);
        serde_json::from_str::<String>(&once).unwrap();
        if once == token {
            prop_assert_eq!(&shown(ALL, &once), &once);
        }
    }

    #[test]
    fn finds_come_in_order_and_stand_on_characters(text in "([0-9]{1,5}|[-+ ./()@]|[a-e]{1,3}|\\.com|[éß\u{a0}])*") {
        let mut from = 0;
        let detectors = built_in(ALL);
        let mut effort = Effort::RESPONSE;
        let mut finds = Finds::new(&detectors, &text, &mut effort).unwrap();
        while let Some(find) = finds.next().unwrap() {
            prop_assert!(find.start >= from && find.end > find.start);
            prop_assert!(text.get(find.start..find.end).is_some());
            from = find.end;
        }
    }

    #[test]
    fn a_find_is_found_wherever_it_stands(before in "[a-z]{0,8}( |: |, )", after in "( |, |; |\\. )[a-z]{0,8}") {
        for (text, name) in [
            ("anna@example.com", "[email]"), ("4111 1111 1111 1111", "[card]"), ("DE89 3704 0044 0532 0130 00", "[iban]"),
            ("+49 176 12345678", "[phone]"), ("415-555-0123", "[phone]"), ("123-45-6789", "[ssn]"),
        ] {
            prop_assert_eq!(shown(ALL, &format!("\"{before}{text}{after}\"")), format!("\"{before}{name}{after}\""));
        }
    }
}
