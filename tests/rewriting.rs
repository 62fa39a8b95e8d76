//! Bodies in, bodies out: each row whole, cut in two at every place, byte by byte and at random places, with one outcome.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::rc::Rc;

use fieldgate::caller::Caller;
use fieldgate::json::Texts;
use fieldgate::model::RouteId;
use fieldgate::policy;
use fieldgate::program::{Program, View};
use fieldgate::refusal::{JsonFault, Refusal};
use fieldgate::rewrite::{Counts, Rewriter};
use fieldgate::transform::PseudonymKey;
use serde_json::{Value, json};

/// A view of a route with these keys, for a caller to whom class `s` is shown, `m` masked, `p` a pseudonym, `b` blank
/// and `h` hidden.
fn view(route: Value) -> Rc<View> {
    view_with(route, json!({}))
}

fn view_with(route: Value, top: Value) -> Rc<View> {
    let mut document = json!({
        "language": 1,
        "policy": "rows",
        "identity": {"source": "jwt_authn", "payload": "jwt", "client": "azp", "scopes": "scope"},
        "classes": {
            "s": {"about": "shown"}, "m": {"about": "masked"}, "p": {"about": "pseudonymised"},
            "b": {"about": "blank", "blank": "-"}, "h": {"about": "hidden"},
        },
        "routes": {"r": {"match": "GET /r", "area": "a"}},
        "scopes": {"s1": {"areas": ["a"], "grant": {"s": "show", "m": "mask", "p": "pseudonym", "b": "blank"}}},
    });
    document["routes"]["r"].as_object_mut().unwrap().extend(route.as_object().unwrap().clone());
    document.as_object_mut().unwrap().extend(top.as_object().unwrap().clone());
    let (set, _) = policy::from_json(document.to_string().as_bytes()).unwrap_or_else(|found| panic!("{found}"));
    let key = PseudonymKey::from_base64("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=").unwrap();
    let scopes = vec!["s1".to_owned(), "s2".to_owned()];
    let caller = Caller::new(&set, "client", scopes, Value::Null);
    let program = Program::new(set, Some(key)).unwrap();
    Rc::new(program.view(RouteId(0), &caller).unwrap())
}

type Outcome = Result<(String, Counts), Refusal>;

fn rewrite<'a>(view: &Rc<View>, texts: Texts, chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut rewriter = Rewriter::new(Rc::clone(view), texts);
    let mut released = Vec::new();
    for chunk in chunks {
        let mut out = Vec::new();
        rewriter = rewriter.push(chunk, &mut out)?;
        assert!(out.len() <= 64 * 1024 + chunk.len() * 64, "{} bytes out of {}", out.len(), chunk.len());
        released.extend(out);
    }
    let counts = rewriter.finish(&mut released)?;
    Ok((String::from_utf8(released).unwrap(), counts))
}

/// The one outcome of a body, however it is cut. Where it is refused, the same refusal comes.
fn everyhow(view: &Rc<View>, texts: Texts, body: &[u8]) -> Outcome {
    let whole = rewrite(view, texts, [body]);
    for cut in 0..=body.len() {
        let (a, b) = body.split_at(cut);
        assert_eq!(rewrite(view, texts, [a, b]), whole, "cut at {cut} of {}", String::from_utf8_lossy(body));
    }
    assert_eq!(rewrite(view, texts, body.chunks(1)), whole, "byte by byte: {}", String::from_utf8_lossy(body));
    let mut seed = 0x9E37_79B9_7F4A_7C15u64;
    for _ in 0..8 {
        let mut rest = body;
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (chunk, behind) = rest.split_at(rest.len().min(1 + (seed >> 33) as usize % 90));
            chunks.push(chunk);
            rest = behind;
        }
        assert_eq!(rewrite(view, texts, chunks), whole, "at random: {}", String::from_utf8_lossy(body));
    }
    whole
}

/// Rows of one view: what comes in, what leaves.
fn rows(view: &Rc<View>, rows: &[(&str, &str)]) {
    for (body, expected) in rows {
        let (out, _) =
            everyhow(view, Texts::One, body.as_bytes()).unwrap_or_else(|refusal| panic!("{body}: {refusal}"));
        assert_eq!(out, *expected, "{body}");
        // White space between tokens changes nothing, wherever the tokens stand in a block.
        for spaces in [1, 63, 65] {
            let spread = spread(body, spaces);
            let (out, _) = everyhow(view, Texts::One, spread.as_bytes()).unwrap();
            // Inside an open subtree it may stay.
            assert_eq!(squeeze(&out), squeeze(expected), "{spread}");
        }
    }
}

/// White space around the structural characters outside strings.
fn spread(body: &str, spaces: usize) -> String {
    let space = " ".repeat(spaces);
    let mut spread = String::new();
    let (mut inside, mut escaped) = (false, false);
    for c in body.chars() {
        let structural = !inside && "{}[]:,".contains(c);
        if c == '"' && !escaped {
            inside = !inside;
        }
        escaped = inside && c == '\\' && !escaped;
        if structural {
            spread.push_str(&space);
            spread.push(c);
            spread.push_str(&space);
        } else {
            spread.push(c);
        }
    }
    spread
}

fn squeeze(body: &str) -> String {
    body.replace(' ', "")
}

fn refused(view: &Rc<View>, rows: &[(&str, Refusal)]) {
    for (body, expected) in rows {
        assert_eq!(everyhow(view, Texts::One, body.as_bytes()), Err(*expected), "{body}");
    }
}

#[test]
fn what_no_entry_speaks_of_is_removed_and_the_rest_keeps_order_and_spelling() {
    let view = view(json!({"body": {
        "$.a": "s", "$.b": "s", "$.c.d": "s", "$.c.e[*].f": "s", "$.h": "h", "$['\u{e9} \"x\"']": "s", "$['']": "s",
    }}));
    rows(
        &view,
        &[
            ("{}", "{}"),
            (r#"{"x":1}"#, "{}"),
            (r#"{"a":1}"#, r#"{"a":1}"#),
            (r#"{"a":1,"x":2,"b":3}"#, r#"{"a":1,"b":3}"#),
            (r#"{"x":2,"b":3,"y":[{"a":1}],"a":"1"}"#, r#"{"b":3,"a":"1"}"#),
            (r#"{"b":-0.10e+05,"a":"\u0061\/\ud83d\ude00é"}"#, r#"{"b":-0.10e+05,"a":"\u0061\/\ud83d\ude00é"}"#),
            (r#"{"a":true,"b":false}"#, r#"{"a":true,"b":false}"#),
            (r#"{"a":null,"h":null,"x":null,"c":null}"#, r#"{"a":null,"c":null}"#),
            (r#"{"\u0061":1,"h":2}"#, r#"{"\u0061":1}"#),
            (r#"{"c":{"d":1,"x":2},"d":3}"#, r#"{"c":{"d":1}}"#),
            (r#"{"c":{"e":[{"f":1,"g":2},{"g":3},{},[],4,null]}}"#, r#"{"c":{"e":[{"f":1},{},{},[],null]}}"#),
            (r#"{"a":{"a":1},"b":[1]}"#, "{}"),
            (r#"{"c":[1,{"d":2}]}"#, r#"{"c":[]}"#),
            (r#"{"c":7,"x":"}"}"#, "{}"),
            (r#"{"é \"x\"":1,"":2}"#, r#"{"é \"x\"":1,"":2}"#),
            (r#"{"A":1,"a ":2,"aa":3,"a\u0000":4}"#, "{}"),
            (r#"{"x":{"a":"]}"},"y":"\\","a":"\"}"}"#, r#"{"a":"\"}"}"#),
            (r#"{"x":[[[[{}]]],"[",{"z":[]}],"a":1}"#, r#"{"a":1}"#),
        ],
    );
}

#[test]
fn scalars_take_the_form_of_their_level() {
    let view = view(json!({"body": {
        "$.m": {"class": "m", "mask": {"last": 2}},
        "$.p": {"class": "p", "pseudonym": "ns"},
        "$.b": "b",
        "$.d": {"class": "s", "detect": ["email"]},
    }}));
    rows(
        &view,
        &[
            (r#"{"m":"abcdef","x":0,"b":"secret"}"#, r#"{"m":"****ef","b":"-"}"#),
            (r#"{"m":123456,"b":[1]}"#, r#"{"m":"****56"}"#),
            (r#"{"m":"abc"}"#, r#"{"m":null}"#),
            (r#"{"m":true,"b":null}"#, r#"{"m":null,"b":"-"}"#),
            (r#"{"m":null,"p":null,"d":null}"#, r#"{"m":null,"p":null,"d":null}"#),
            (r#"{"m":{"x":1},"p":[],"b":{}}"#, "{}"),
            (r#"{"d":"write to a@b.example now"}"#, r#"{"d":"write to [email] now"}"#),
            (r#"{"d":"no\u0020mail","x":1,"m":"\u0061\u0062\u0063\u0064"}"#, r#"{"d":"no\u0020mail","m":"****cd"}"#),
            (r#"{"d":12345,"b":12345}"#, r#"{"d":12345,"b":"-"}"#),
        ],
    );
    let (out, counts) = everyhow(&view, Texts::One, br#"{"p":"c-1","m":"abcd","b":1,"x":[1,2],"y":0}"#).unwrap();
    let pseudonym = &out[6..35];
    assert!(pseudonym.starts_with("ps_"), "{out}");
    assert_eq!(out, format!(r#"{{"p":"{pseudonym}","m":"****cd","b":"-"}}"#));
    let expected = Counts { masked: 1, pseudonymised: 1, blanked: 1, hidden: 2, texts: 1, ..Counts::default() };
    assert_eq!(counts, expected);
}

#[test]
fn detectors_of_every_entry_of_a_place_run() {
    let view = view(json!({"body": {
        "$.n": {"class": "s", "detect": ["email"]}, "$.*": {"class": "s", "detect": ["iban"]}, "$..*": "s",
    }}));
    rows(
        &view,
        &[
            (r#"{"n":"a@b.example DE89370400440532013000"}"#, r#"{"n":"[email] [iban]"}"#),
            (r#"{"o":"a@b.example DE89370400440532013000"}"#, r#"{"o":"a@b.example [iban]"}"#),
            (r#"{"o":{"p":"a@b.example"}}"#, r#"{"o":{"p":"a@b.example"}}"#),
        ],
    );
}

#[test]
fn scalars_too_long_to_transform_become_blank() {
    let view = view(json!({"body": {
        "$.m": {"class": "m", "mask": {"last": 2}}, "$.d": {"class": "s", "detect": ["email"]}, "$.s": "s",
    }}));
    let long = "x".repeat(64 << 10);
    let body = format!(r#"{{"m":"{long}","d":"{long}","s":"{long}"}}"#);
    let expected = format!(r#"{{"m":null,"d":null,"s":"{long}"}}"#);
    for size in [1, 63, 1000, 65_535, 65_537, body.len()] {
        let (out, counts) = rewrite(&view, Texts::One, body.as_bytes().chunks(size)).unwrap();
        assert!(out == expected, "in chunks of {size}");
        assert_eq!(counts.blanked, 2);
    }
    let fits = "x".repeat((64 << 10) - 2);
    let (out, _) = rewrite(&view, Texts::One, [format!(r#"{{"m":"{fits}"}}"#).as_bytes()]).unwrap();
    assert_eq!(out, r#"{"m":"****xx"}"#);
}

#[test]
fn shapes_that_the_policy_does_not_expect_are_counted() {
    let view = view(json!({"body": {"$.a": "s", "$.c.d": "s", "$.l[*].k": "s"}}));
    for (body, mismatches) in [
        (r#"{"a":1,"c":{"d":2},"l":[{"k":1}]}"#, 0),
        (r#"{"a":{},"c":1,"l":"x"}"#, 3),
        (r#"{"a":[1],"c":[{"d":1}],"l":[1,{"k":[]}]}"#, 4),
        (r#"{"a":null,"c":null,"l":[null],"x":[]}"#, 0),
    ] {
        let (_, counts) = everyhow(&view, Texts::One, body.as_bytes()).unwrap();
        assert_eq!(counts.shape_mismatch, mismatches, "{body}");
    }
}

#[test]
fn a_scalar_that_an_entry_names_is_in_its_own_place() {
    let view = view(json!({"body": {"$.d..*": "s", "$.d.n": "h", "$.e": "h", "$.e.x": "s", "$.f..*": "s"}}));
    for (body, out, mismatches) in [
        (r#"{"d":{"x":1,"n":2}}"#, r#"{"d":{"x":1}}"#, 0),
        (r#"{"e":"x"}"#, "{}", 0),
        (r#"{"e":{"x":1}}"#, r#"{"e":{"x":1}}"#, 0),
        // `null` is where the container would be, as it was.
        (r#"{"d":{"n":null},"e":null,"f":null}"#, r#"{"d":{"n":null},"e":null,"f":null}"#, 0),
        // What no entry names as a scalar is out of place as before.
        (r#"{"d":1,"f":"x"}"#, "{}", 2),
    ] {
        let (came, counts) = everyhow(&view, Texts::One, body.as_bytes()).unwrap();
        assert_eq!((came.as_str(), counts.shape_mismatch), (out, mismatches), "{body}");
    }
}

#[test]
fn stars_reach_every_member_and_element() {
    let view = view(json!({"body": {"$.map.*": "s", "$.map.known": "h", "$.list[*]": "s", "$.deep[*][*].x": "s"}}));
    rows(
        &view,
        &[
            (
                r#"{"map":{"a":1,"known":2,"b":{"c":3}},"list":[1,"2",[3],{"x":4},null]}"#,
                r#"{"map":{"a":1},"list":[1,"2",null]}"#,
            ),
            (r#"{"deep":[[{"x":1,"y":2}],[],{"k":{"x":3}}]}"#, r#"{"deep":[[{"x":1}],[],{"k":{"x":3}}]}"#),
            (r#"{"map":[1,2],"list":{"a":1}}"#, r#"{"map":[1,2],"list":{"a":1}}"#),
        ],
    );
}

#[test]
fn open_subtrees_pass_as_they_came() {
    let view = view(json!({"body": {"$.o..*": "s", "$.p..*": {"class": "m", "mask": {"last": 1}}}}));
    rows(
        &view,
        &[
            (r#"{"o":{"a":[1,{"b":"}"}],"c":"\""},"x":1}"#, r#"{"o":{"a":[1,{"b":"}"}],"c":"\""}}"#),
            (r#"{"x":1,"o":[[],{},[[]]]}"#, r#"{"o":[[],{},[[]]]}"#),
            (r#"{"o":1,"p":2}"#, "{}"),
            (r#"{"p":{"a":["xyz",{"b":"uvw"}],"c":null}}"#, r#"{"p":{"a":["****z",{"b":"****w"}],"c":null}}"#),
        ],
    );
    let (out, _) = everyhow(&view, Texts::One, b"{ \"o\" : { \"a\" : [ 1 ] } , \"x\" : 2 }").unwrap();
    assert_eq!(out, r#"{"o":{ "a" : [ 1 ] }}"#);
}

#[test]
fn filters_see_elements_and_members_whole() {
    let view = view(json!({"body": {
        "$.c[?@.name == 'score'].value": "s",
        "$.c[*].name": "s",
        "$.m[?@.ok].v": "s",
        "$.n[?@.k > 1].l[?@ != 'x']": "s",
    }}));
    rows(
        &view,
        &[
            (
                r#"{"c":[{"name":"score","value":1},{"name":"other","value":2},{"value":3,"name":"sc\u006fre"},4,"x"]}"#,
                r#"{"c":[{"name":"score","value":1},{"name":"other"},{"value":3,"name":"sc\u006fre"}]}"#,
            ),
            (
                r#"{"m":{"a":{"ok":1,"v":2,"w":3},"b":{"v":4},"c":5,"\u0064":{"v":6,"ok":null}}}"#,
                r#"{"m":{"a":{"v":2},"\u0064":{"v":6}}}"#,
            ),
            (
                r#"{"n":[{"k":2,"l":["x","y",1]},{"k":1,"l":["y"]},{"k":1e400,"l":["z"]}]}"#,
                r#"{"n":[{"l":["y",1]},{"l":["z"]}]}"#,
            ),
            (r#"{"c":[],"m":{},"n":null}"#, r#"{"c":[],"m":{},"n":null}"#),
        ],
    );
    let duplicate = |offset| Refusal::Malformed { fault: JsonFault::DuplicateName, offset };
    refused(
        &view,
        &[(r#"{"c":[{"name":1,"name":2}]}"#, duplicate(16)), (r#"{"c":[1,{"z":{"y":1,"\u0079":2}}]}"#, duplicate(20))],
    );
}

#[test]
fn rows_leave_elements_out_for_all_or_for_one_scope() {
    let body = json!({"$.items[*].id": "s", "$.items[*].n": "m", "$.next": "s"});
    let for_all = view(json!({"body": body, "rows": "$.items[?@.status && @.status != 'draft']"}));
    rows(
        &for_all,
        &[(
            r#"{"items":[{"id":1,"status":"draft"},{"id":2,"status":"x"},{"id":3},{"status":"y","id":4}],"next":5}"#,
            r#"{"items":[{"id":2},{"id":4}],"next":5}"#,
        )],
    );
    let scope = |class: &str, rows: &str| json!({"areas": ["a"], "grant": {class: "show"}, "rows": {"r": rows}});
    let for_scopes = view_with(
        json!({"body": body}),
        json!({"scopes": {"s1": scope("s", "$.items[?@.one]"), "s2": scope("m", "$.items[?@.two]")}}),
    );
    let rest = r#""id":1,"n":2"#;
    rows(
        &for_scopes,
        &[(
            &format!(r#"{{"items":[{{"one":1,{rest}}},{{"two":1,{rest}}},{{"one":1,"two":1,{rest}}},{{{rest}}},5]}}"#),
            r#"{"items":[{"id":1},{"n":2},{"id":1,"n":2}]}"#,
        )],
    );
}

#[test]
fn a_view_that_would_be_full_refuses() {
    // Each combination of filters is a state of its own, and so is each place below it.
    let path = "abcdefghijklmnop".chars().fold(String::new(), |path, name| path + "." + &String::from(name));
    let body: serde_json::Map<String, Value> =
        (0..14).map(|filter| (format!("$.l[?@.f{filter}]{path}"), json!("s"))).collect();
    let view = view(json!({"body": body}));
    let element = |chosen: u32| {
        let names = (0..14).filter(|filter| chosen >> filter & 1 == 1).map(|filter| format!("\"f{filter}\":1"));
        format!("{{{}}}", names.collect::<Vec<_>>().join(","))
    };
    let list = |count: u32| format!(r#"{{"l":[{}]}}"#, (0..count).map(element).collect::<Vec<_>>().join(","));
    assert!(rewrite(&view, Texts::One, [list(500).as_bytes()]).is_ok(), "some combinations");
    assert_eq!(rewrite(&view, Texts::One, [list(8_000).as_bytes()]), Err(Refusal::Internal), "too many");
}

#[test]
fn records_are_counted_after_rows_and_cut_or_refused() {
    let route = |over: &str| {
        json!({
            "body": {"$.items[*].id": "s", "$.t": "s"}, "rows": "$.items[?@.ok]",
            "max_records": {"at": "$.items[*]", "max": 2, "over": over},
        })
    };
    let truncate = view(route("truncate"));
    let body = r#"{"items":[{"id":1,"ok":1},{"id":2},{"id":3,"ok":1},{"id":4,"ok":1},{"id":5}],"t":1}"#;
    rows(&truncate, &[(body, r#"{"items":[{"id":1},{"id":3}],"t":1}"#)]);
    refused(&view(route("reject")), &[(body, Refusal::TooManyRecords)]);
    rows(
        &view(route("reject")),
        &[(r#"{"items":[{"id":1,"ok":1},{"id":4,"ok":1},{"id":5}]}"#, r#"{"items":[{"id":1},{"id":4}]}"#)],
    );

    let plain = view(json!({
        "body": {"$.items[*].id": "s", "$.other": "s"}, "max_records": {"at": "$.items[*]", "max": 1, "over": "truncate"},
    }));
    rows(&plain, &[(r#"{"items":[[],{"id":1},{"id":2}],"other":3}"#, r#"{"items":[[]],"other":3}"#)]);
    let hidden = view(json!({
        "body": {"$.items[*].id": "h", "$.other": "s"}, "max_records": {"at": "$.items[*]", "max": 1, "over": "reject"},
    }));
    rows(&hidden, &[(r#"{"items":[{"id":1}],"other":3}"#, r#"{"other":3}"#)]);
    rows(&hidden, &[(r#"{"items":null,"other":3}"#, r#"{"other":3}"#)]);
    refused(&hidden, &[(r#"{"items":[{"id":1},{"id":2}],"other":3}"#, Refusal::TooManyRecords)]);
}

#[test]
fn a_root_that_would_be_removed_is_refused() {
    let object = view(json!({"body": {"$.a": "s"}}));
    refused(&object, &[("1", Refusal::RootHidden), ("\"a\"", Refusal::RootHidden), ("true", Refusal::RootHidden)]);
    rows(&object, &[("null", "null"), ("[]", "[]"), ("[1,{\"a\":1}]", "[]")]);
    let scalar = view(json!({"body": {"$": "s"}}));
    rows(&scalar, &[("1", "1"), ("\"a\"", "\"a\""), ("null", "null"), ("-1.5e7", "-1.5e7")]);
    refused(&scalar, &[("{}", Refusal::RootHidden), ("[1]", Refusal::RootHidden)]);
    let masked = view(json!({"body": {"$": {"class": "m", "mask": {"first": 1}}}}));
    rows(&masked, &[("12345", "\"1****\""), ("\"abc\"", "\"a****\""), ("null", "null"), ("true", "null")]);
    let hidden = view(json!({"body": {"$": "h"}}));
    refused(&hidden, &[("null", Refusal::RootHidden), ("1", Refusal::RootHidden), ("{}", Refusal::RootHidden)]);
    let walked = view(json!({
        "body": {"$.items[*].id": "h"}, "max_records": {"at": "$.items[*]", "max": 1, "over": "truncate"},
    }));
    refused(&walked, &[(r#"{"items":[{"id":1}]}"#, Refusal::RootHidden), ("[]", Refusal::RootHidden)]);
    let blank = view(json!({"body": {"$": "b"}}));
    rows(&blank, &[("12345", "\"-\""), ("\"abc\"", "\"-\""), ("null", "\"-\"")]);
}

#[test]
fn known_names_come_once_however_they_are_spelled() {
    let view = view(json!({"body": {"$.a": "s", "$.h": "h", "$.c.d": "s", "$.l[*].k": "s"}}));
    let duplicate = |offset| Refusal::Malformed { fault: JsonFault::DuplicateName, offset };
    refused(
        &view,
        &[
            (r#"{"a":1,"a":2}"#, duplicate(7)),
            (r#"{"a":1,"\u0061":2}"#, duplicate(7)),
            (r#"{"h":1,"x":0,"\u0068":2}"#, duplicate(13)),
            (r#"{"c":{"d":1,"d":1}}"#, duplicate(12)),
            (r#"{"l":[{"k":1},{"k":1,"k":2}]}"#, duplicate(21)),
        ],
    );
    rows(
        &view,
        &[
            (r#"{"x":1,"x":2,"a":3}"#, r#"{"a":3}"#),
            (r#"{"x":{"a":1,"a":2},"a":3}"#, r#"{"a":3}"#),
            (r#"{"a":1,"c":{"a":1,"d":2}}"#, r#"{"a":1,"c":{"d":2}}"#),
            (r#"{"l":[{"k":1},{"k":2}]}"#, r#"{"l":[{"k":1},{"k":2}]}"#),
        ],
    );
}

#[test]
fn more_names_than_a_word_has_bits_are_told_apart() {
    let body: serde_json::Map<String, Value> = (0..200).map(|n| (format!("$.field{n}"), json!("s"))).collect();
    let view = view(json!({"body": body}));
    let members: Vec<String> = (0..200).rev().map(|n| format!("\"field{n}\":{n}")).collect();
    let whole = format!("{{{}}}", members.join(","));
    let (out, _) = rewrite(&view, Texts::One, whole.as_bytes().chunks(37)).unwrap();
    assert_eq!(out, whole);
    // In order the first of these is the 59th name, the others are beyond what a word has bits for.
    for name in ["field150", "field2", "field99"] {
        let twice = format!("{{{},\"{name}\":1}}", members.join(","));
        let offset = whole.len() as u64;
        let refusal = Refusal::Malformed { fault: JsonFault::DuplicateName, offset };
        assert_eq!(rewrite(&view, Texts::One, twice.as_bytes().chunks(37)), Err(refusal), "{name}");
    }
}

#[test]
fn several_texts_are_each_rewritten() {
    let view = view(json!({"body": {"$.a": "s"}}));
    for (texts, body, expected) in [
        (Texts::Lines, "{\"a\":1,\"b\":2}\n{\"b\":3}\r\n\n{\"a\":4}", "{\"a\":1}\n{}\n{\"a\":4}\n"),
        (Texts::Lines, "", ""),
        (Texts::Sequence, "\u{1e}{\"a\":1,\"b\":2}\n\u{1e}{\n\"a\":3}\n", "\u{1e}{\"a\":1}\n\u{1e}{\"a\":3}\n"),
    ] {
        assert_eq!(everyhow(&view, texts, body.as_bytes()).map(|(out, _)| out).as_deref(), Ok(expected));
    }
    let scalars = view_with(json!({"body": {"$": {"class": "m", "mask": {"last": 1}}}}), json!({}));
    let (out, counts) = everyhow(&scalars, Texts::Lines, b"12\n\"abc\"\ntrue\nnull\n34").unwrap();
    assert_eq!(out, "\"****2\"\n\"****c\"\nnull\nnull\n\"****4\"\n");
    assert_eq!((counts.texts, counts.masked, counts.blanked, counts.shown), (5, 3, 1, 1));
    let blank = view_with(json!({"body": {"$": "b"}}), json!({}));
    let (out, _) = everyhow(&blank, Texts::Lines, b"12\n\"a b\"\n[]")
        .map_err(|r| assert_eq!(r, Refusal::RootHidden))
        .unwrap_or_default();
    assert_eq!(out, "");
    let (out, _) = everyhow(&blank, Texts::Lines, b"12\n\"a b\"\ntrue").unwrap();
    assert_eq!(out, "\"-\"\n\"-\"\n\"-\"\n");
}

#[test]
fn detectors_of_a_policys_own_cost_one_response_no_more_than_its_effort() {
    // A search for this one takes a third of the effort, whatever it finds.
    let slow = |fields: Value| {
        let fields: serde_json::Map<String, Value> = fields
            .as_array()
            .unwrap()
            .iter()
            .map(|path| (path.as_str().unwrap().to_owned(), json!({"class": "b", "detect": ["slow"]})))
            .collect();
        let top = json!({
            "detectors": {"slow": {"pattern": "#[a-z]*(a?){100}b"}},
            "scopes": {"s1": {"areas": ["a"], "grant": {"b": "show"}}},
        });
        view_with(json!({"body": fields}), top)
    };
    let text = format!("#{}", "a".repeat(1500));
    let spent = |view: &Rc<View>, texts, body: &str, expected: &str, unsearched: u64| {
        let expected = expected.replace("TEXT", &text);
        for part in [usize::MAX, 4096, 100] {
            let body = body.replace("TEXT", &text);
            let (out, counts) = rewrite(view, texts, body.as_bytes().chunks(part.min(body.len()))).unwrap();
            assert_eq!(
                (out.as_str(), counts.unsearched, counts.blanked),
                (&*expected, unsearched, unsearched),
                "{body}"
            );
        }
    };
    let flat = slow(json!(["$.*"]));
    spent(&flat, Texts::One, r#"{"a":"TEXT","b":"TEXT"}"#, r#"{"a":"TEXT","b":"TEXT"}"#, 0);
    let four = r#"{"a":"TEXT","b":"TEXT","c":"TEXT","d":"TEXT"}"#;
    spent(&flat, Texts::One, four, r#"{"a":"TEXT","b":"TEXT","c":"-","d":"-"}"#, 2);
    // What costs nothing is still searched: there is no `#` in it.
    spent(
        &flat,
        Texts::One,
        r#"{"a":"TEXT","b":"TEXT","c":"TEXT","d":"e"}"#,
        r#"{"a":"TEXT","b":"TEXT","c":"-","d":"e"}"#,
        1,
    );
    let lines = "{\"a\":\"TEXT\"}\n{\"a\":\"TEXT\"}\n{\"a\":\"TEXT\"}\n";
    spent(&flat, Texts::Lines, lines, "{\"a\":\"TEXT\"}\n{\"a\":\"TEXT\"}\n{\"a\":\"-\"}\n", 1);
    let held = slow(json!(["$.l[?@.x].y", "$.a", "$.z"]));
    let body = r#"{"a":"TEXT","l":[{"x":1,"y":"TEXT"},{"x":1,"y":"TEXT"}],"z":"TEXT"}"#;
    spent(&held, Texts::One, body, r#"{"a":"TEXT","l":[{"y":"TEXT"},{"y":"-"}],"z":"-"}"#, 2);
}

#[test]
fn nothing_is_kept_back_once_the_root_has_closed() {
    let view = view(json!({"body": {"$.a": "s", "$.m": {"class": "m", "mask": {"last": 1}}, "$.f[?@.x].y": "s"}}));
    let body = br#"{"a":"b","f":[{"x":1,"y":2}],"m":"abc"}"#;
    let mut out = Vec::new();
    let mut rewriter = Rewriter::new(Rc::clone(&view), Texts::One);
    for chunk in body.chunks(1) {
        rewriter = rewriter.push(chunk, &mut out).unwrap();
    }
    let eager = out.len();
    rewriter = rewriter.push(b" \n\t ", &mut out).unwrap();
    rewriter.finish(&mut out).unwrap();
    assert_eq!(out.len(), eager);
    assert_eq!(String::from_utf8(out).unwrap(), r#"{"a":"b","f":[{"y":2}],"m":"****c"}"#);
}

#[test]
fn a_record_over_its_limit_is_refused_where_it_begins() {
    let view = view_with(json!({"body": {"$.f[?@.x].y": "s"}}), json!({"limits": {"record": 100}}));
    let element = |size: usize| format!(r#"{{"x":1,"y":"{}"}}"#, "z".repeat(size - 14));
    for size in [99, 100] {
        let body = format!(r#"{{"f":[{},{}]}}"#, element(20), element(size));
        assert!(everyhow(&view, Texts::One, body.as_bytes()).is_ok(), "{size}");
    }
    for size in [101, 200, 1000] {
        let body = format!(r#"{{"f":[{},{}]}}"#, element(20), element(size));
        assert_eq!(everyhow(&view, Texts::One, body.as_bytes()), Err(Refusal::RecordTooLarge { offset: 27 }), "{size}");
    }
}

#[test]
fn a_record_over_its_limit_is_not_awaited() {
    let view = view_with(json!({"body": {"$.f[?@.x].y": "s"}}), json!({"limits": {"record": 100}}));
    let begun = format!(r#"{{"f":[{{"x":1,"y":"{}"#, "z".repeat(100));
    let (first, second) = begun.as_bytes().split_at(50);
    for chunks in [vec![begun.as_bytes()], vec![first, second]] {
        let mut rewriter = Ok(Rewriter::new(Rc::clone(&view), Texts::One));
        for chunk in chunks {
            rewriter = rewriter.and_then(|rewriter| rewriter.push(chunk, &mut Vec::new()));
        }
        assert_eq!(rewriter.map(drop), Err(Refusal::RecordTooLarge { offset: 6 }));
    }
}

#[test]
fn a_name_too_long_to_keep_is_removed() {
    let view = view(json!({"body": {"$.*": "s"}}));
    for (size, is_kept) in [((64 << 10) - 2, true), ((64 << 10) - 1, false), (200_000, false)] {
        for name in ["n".repeat(size), r"\u0061".repeat(size / 6) + &"n".repeat(size % 6)] {
            let body = format!(r#"{{"{name}":1,"a":2}}"#);
            let expected = if is_kept { body.clone() } else { r#"{"a":2}"#.to_owned() };
            for part in [body.len(), 16_384, 1_000] {
                let (out, _) = rewrite(&view, Texts::One, body.as_bytes().chunks(part)).unwrap();
                assert!(out == expected, "{size} bytes in parts of {part}: {} bytes", out.len());
            }
        }
    }
}

#[test]
fn hostile_shapes_are_refused_or_passed_with_bounded_state() {
    let view = view(json!({"body": {"$.a": "s", "$.o..*": "s", "$.l[*].k": "s"}}));
    let deep = "[".repeat(1_000_000);
    let depth = |offset| Refusal::Malformed { fault: JsonFault::Depth, offset };
    assert_eq!(rewrite(&view, Texts::One, deep.as_bytes().chunks(16_384)), Err(depth(64)));
    let inside = format!(r#"{{"o":{deep}"#);
    assert_eq!(rewrite(&view, Texts::One, inside.as_bytes().chunks(16_384)), Err(depth(5 + 63)));

    let wide = format!(r#"{{"l":[{}]}}"#, vec!["{}"; 1_000_000].join(","));
    let (out, _) = rewrite(&view, Texts::One, wide.as_bytes().chunks(16_384)).unwrap();
    assert!(out == wide);

    let keys: Vec<String> = (0..100_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let keys = format!("{{{},\"a\":1}}", keys.join(","));
    let (out, _) = rewrite(&view, Texts::One, keys.as_bytes().chunks(16_384)).unwrap();
    assert_eq!(out, r#"{"a":1}"#);

    let escapes = format!(r#"{{"{0}":"{0}","a":"{0}"}}"#, r"\u0061".repeat((1 << 20) / 6));
    let (out, _) = rewrite(&view, Texts::One, escapes.as_bytes().chunks(16_384)).unwrap();
    assert_eq!(out, format!(r#"{{"a":"{}"}}"#, r"\u0061".repeat((1 << 20) / 6)));
}

#[test]
fn a_chunk_with_a_fault_is_refused_whatever_stands_before_it() {
    let view = view(json!({"body": {"$.a": "s", "$.f[?@.x].y": "s"}}));
    let syntax = |offset| Refusal::Malformed { fault: JsonFault::Syntax, offset };
    refused(
        &view,
        &[
            (r#"{"a":1,"b":2,}"#, syntax(13)),
            (r#"{"a":1 x,"a":2}"#, syntax(7)),
            (r#"{"a":1,"b":tru}"#, syntax(14)),
            (r#"{"a":01}"#, syntax(6)),
            (r#"{"f":[{"x":1,"y":2},]}"#, syntax(20)),
            (r#"{"a":1"#, Refusal::Malformed { fault: JsonFault::Incomplete, offset: 6 }),
            (r#"{"f":[{"x":1"#, Refusal::Malformed { fault: JsonFault::Incomplete, offset: 12 }),
            (r#"{"a":1}{"a":2}"#, Refusal::Malformed { fault: JsonFault::Trailing, offset: 7 }),
            ("", Refusal::Malformed { fault: JsonFault::Incomplete, offset: 0 }),
        ],
    );
}

#[test]
fn the_largest_route_that_checks_runs() {
    // Sixteen thousand places: as many containers, with a field each.
    let body = |groups: usize| -> serde_json::Map<String, Value> {
        (0..groups).map(|group| (format!("$.g{group}.f"), "s".into())).collect()
    };
    let view = view(json!({"body": body(8_000)}));
    let text = format!(
        "{{{}}}",
        (0..8_000).map(|group| format!(r#""g{group}":{{"f":1,"x":2}}"#)).collect::<Vec<_>>().join(",")
    );
    let (out, counts) = rewrite(&view, Texts::One, [text.as_bytes()]).unwrap();
    assert_eq!((out.len(), counts.shown), (text.len() - 8_000 * r#","x":2"#.len(), 8_000));
    let larger = json!({
        "language": 1,
        "policy": "rows",
        "identity": {"source": "jwt_authn", "payload": "jwt", "client": "azp", "scopes": "scope"},
        "classes": {"s": {"about": "shown"}},
        "routes": {"r": {"match": "GET /r", "area": "a", "body": body(8_001)}},
        "scopes": {"s1": {"areas": ["a"], "grant": {"s": "show"}}},
    });
    let found = policy::from_json(larger.to_string().as_bytes()).unwrap_err();
    assert!(found.to_string().contains("FG019"), "{found}");
}
