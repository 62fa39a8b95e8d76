//! What is JSON, byte for byte: rows written after RFC 8259 and the stricter rules, every one whole, at every split and in
//! single bytes; and a random comparison with `serde_json`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use fieldgate::json::Texts;
use fieldgate::json::scanner::validate;
use fieldgate::refusal::{JsonFault, Refusal};
use proptest::prelude::*;

use self::Verdict::{Accept, Reject};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accept,
    /// At that offset.
    Reject(JsonFault, u64),
}

fn verdict(result: Result<(), Refusal>) -> Verdict {
    match result {
        Ok(()) => Accept,
        Err(Refusal::Malformed { fault, offset }) => Reject(fault, offset),
        Err(other) => panic!("not a fault of the text: {other}"),
    }
}

/// Every way in which a row is read: whole, cut in two at every place, byte by byte, and, so that each token meets each
/// place in a block, behind 1 to 70 spaces.
fn read(texts: Texts, depth: u8, body: &[u8]) -> Verdict {
    let whole = verdict(validate(texts, depth, [body]));
    for cut in 0..=body.len() {
        let (a, b) = body.split_at(cut);
        assert_eq!(
            verdict(validate(texts, depth, [a, b])),
            whole,
            "cut at {cut} of {:?}",
            String::from_utf8_lossy(body)
        );
    }
    assert_eq!(verdict(validate(texts, depth, body.chunks(1))), whole, "by bytes: {:?}", String::from_utf8_lossy(body));
    let marked = matches!(whole, Reject(JsonFault::ByteOrderMark, _));
    if texts != Texts::Sequence && !marked {
        for spaces in 1..=70 {
            let moved = [&vec![b' '; spaces][..], body].concat();
            let expected = match whole {
                Accept => Accept,
                Reject(fault, offset) => Reject(fault, offset + spaces as u64),
            };
            assert_eq!(
                verdict(validate(texts, depth, [&moved[..]])),
                expected,
                "behind {spaces} spaces: {:?}",
                String::from_utf8_lossy(body)
            );
        }
    }
    whole
}

fn rows(texts: Texts, rows: &[(&[u8], Verdict)]) {
    for (body, expected) in rows {
        assert_eq!(read(texts, 64, body), *expected, "{:?}", String::from_utf8_lossy(body));
    }
}

const fn syntax(offset: u64) -> Verdict {
    Reject(JsonFault::Syntax, offset)
}

const fn incomplete(offset: u64) -> Verdict {
    Reject(JsonFault::Incomplete, offset)
}

#[test]
fn texts_of_the_grammar_are_accepted() {
    rows(
        Texts::One,
        &[
            (b"{}", Accept),
            (b"[]", Accept),
            (b" \t\r\n{ \n} \t\r\n", Accept),
            (b"[ ]", Accept),
            (br#""""#, Accept),
            (br#""a""#, Accept),
            (b"0", Accept),
            (b"-0", Accept),
            (b"10", Accept),
            (b"-10.05e+7", Accept),
            (b"1E400", Accept),
            (b"0.5", Accept),
            (b"0e1", Accept),
            (b"0E-0", Accept),
            (b"123456789012345678901234567890.00000000000000000000000000000000001", Accept),
            (b"true", Accept),
            (b"false", Accept),
            (b"null ", Accept),
            (br#"{"a":1}"#, Accept),
            (br#"{"a":{"b":[1,"x",true,null,{"c":[]}]},"d":"e"}"#, Accept),
            (br#"[1,-2,3.5,[],{},"",[[]],[{}],{"":[]}]"#, Accept),
            (b"[ 1 , 2 ]", Accept),
            (br#"{ "a" : 1 , "b" : [ ] }"#, Accept),
            (br#""\"\\\/\b\f\n\r\t\u0000\u00e9\uFFFF""#, Accept),
            (br#""\ud83d\ude00 \uD83D\uDE00""#, Accept),
            (br#""\ud800\udc00\uD9AB\uDFFF\udA00\udfff\udbff\udEff\uDBFF\uDCBA""#, Accept),
            (br#""\u0d80\u00d8\ud000\uD7ff\uE000\ucfff""#, Accept),
            (br#""{}[],:{\"}""#, Accept),
            ("\"\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}\u{7f}\"".as_bytes(), Accept),
            ("{\"n\u{e4}me\":\"\u{1f600}\"}".as_bytes(), Accept),
            (br#"{"a":1,"a":2}"#, Accept),
        ],
    );
}

#[test]
fn what_breaks_the_grammar_is_rejected_at_the_byte_that_breaks_it() {
    rows(
        Texts::One,
        &[
            (b"", incomplete(0)),
            (b"  ", incomplete(2)),
            (b"{", incomplete(1)),
            (b"[", incomplete(1)),
            (b"[1", incomplete(2)),
            (b"[1,", incomplete(3)),
            (br#"{"a"#, incomplete(3)),
            (br#"{"a""#, incomplete(4)),
            (br#"{"a":"#, incomplete(5)),
            (br#"{"a":1"#, incomplete(6)),
            (br#"{"a":1,"#, incomplete(7)),
            (br#""a"#, incomplete(2)),
            (br#""a\"#, incomplete(3)),
            (br#""\u12"#, incomplete(5)),
            (br#""\ud800"#, incomplete(7)),
            (b"\"\xc3", incomplete(2)),
            (b"-", incomplete(1)),
            (b"1.", incomplete(2)),
            (b"1e", incomplete(2)),
            (b"1e+", incomplete(3)),
            (b"tru", incomplete(3)),
            (b"]", syntax(0)),
            (b"}", syntax(0)),
            (b",", syntax(0)),
            (b":", syntax(0)),
            (b"[,]", syntax(1)),
            (b"[1,]", syntax(3)),
            (b"[,1]", syntax(1)),
            (b"[1,,2]", syntax(3)),
            (b"[1 2]", syntax(3)),
            (b"[1:2]", syntax(2)),
            (b"[1}", syntax(2)),
            (b"{]", syntax(1)),
            (b"{}}", Reject(JsonFault::Trailing, 2)),
            (br#"["a":1]"#, syntax(4)),
            (br#"["a""b"]"#, syntax(4)),
            (br#"{"a"}"#, syntax(4)),
            (br#"{"a",1}"#, syntax(4)),
            (br#"{"a":}"#, syntax(5)),
            (br#"{"a":,}"#, syntax(5)),
            (br#"{"a"::1}"#, syntax(5)),
            (br#"{"a":1:2}"#, syntax(6)),
            (br#"{"a":"b":2}"#, syntax(8)),
            (br#"{"a":1,}"#, syntax(7)),
            (br#"{"a":1,2}"#, syntax(7)),
            (br#"{"a":1,,"b":2}"#, syntax(7)),
            (br#"{"a":1 "b":2}"#, syntax(7)),
            (br#"{"a" 1}"#, syntax(5)),
            (br#"{"a":1]"#, syntax(6)),
            (br#"{"a":[}"#, syntax(6)),
            (br#"{1:2}"#, syntax(1)),
            (br#"{a:1}"#, syntax(1)),
            (br#"{'a':1}"#, syntax(1)),
            (br#"{[]:1}"#, syntax(1)),
            (br#"{"a":1}{"#, Reject(JsonFault::Trailing, 7)),
            (b"1 2", Reject(JsonFault::Trailing, 2)),
            (b"1,2", Reject(JsonFault::Trailing, 1)),
            (b"[] x", Reject(JsonFault::Trailing, 3)),
            (b"\"a\"\"b\"", Reject(JsonFault::Trailing, 3)),
            (b"{}\0", Reject(JsonFault::Trailing, 2)),
            (b"\0", syntax(0)),
            (b"[\x01]", syntax(1)),
            (b"[\x0b1]", syntax(1)),
            (b"[\xc2\xa01]", syntax(1)),
            (b"/**/1", syntax(0)),
            (b"[1//\n]", syntax(2)),
            (b"[1]#", Reject(JsonFault::Trailing, 3)),
            (br"[\n]", syntax(1)),
            (br#"\"a""#, syntax(0)),
        ],
    );
}

#[test]
fn numbers_and_literal_names_are_spelled_as_the_grammar_says() {
    rows(
        Texts::One,
        &[
            (b"[+1]", syntax(1)),
            (b"[.5]", syntax(1)),
            (b"[01]", syntax(2)),
            (b"[-01]", syntax(3)),
            (b"[00]", syntax(2)),
            (b"[1.]", syntax(3)),
            (b"[1.e1]", syntax(3)),
            (b"[-]", syntax(2)),
            (b"[--1]", syntax(2)),
            (b"[-a]", syntax(2)),
            (b"[1e]", syntax(3)),
            (b"[1e+]", syntax(4)),
            (b"[1e+-1]", syntax(4)),
            (b"[1e1.5]", syntax(4)),
            (b"[1e1e1]", syntax(4)),
            (b"[1.5.5]", syntax(4)),
            (b"[1-1]", syntax(2)),
            (b"[1+1]", syntax(2)),
            (b"[0x10]", syntax(2)),
            (b"[1_000]", syntax(2)),
            (b"[1a]", syntax(2)),
            (b"[1\xff]", Reject(JsonFault::Utf8, 2)),
            (b"[Infinity]", syntax(1)),
            (b"[NaN]", syntax(1)),
            (b"[-Infinity]", syntax(2)),
            (b"[nul]", syntax(4)),
            (b"[nulL]", syntax(4)),
            (b"[nulll]", syntax(5)),
            (b"[null1]", syntax(5)),
            (b"[True]", syntax(1)),
            (b"[truefalse]", syntax(5)),
            (b"[true\"\"]", syntax(5)),
            (b"[1\"\"]", syntax(2)),
            (b"[1[]]", syntax(2)),
            (b"[[]1]", syntax(3)),
            (b"[\"\"1]", syntax(3)),
            (b"[falsy]", syntax(5)),
            (b"[undefined]", syntax(1)),
        ],
    );
}

#[test]
fn strings_hold_neither_controls_nor_unknown_escapes_nor_halves_of_pairs_nor_broken_utf_8() {
    rows(
        Texts::One,
        &[
            (b"\"\x00\"", syntax(1)),
            (b"\"a\nb\"", syntax(2)),
            (b"\"a\tb\"", syntax(2)),
            (b"\"\x1f\"", syntax(1)),
            (br#""\x""#, syntax(2)),
            (br#""\'""#, syntax(2)),
            (br#""\U0061""#, syntax(2)),
            (br#""\u""#, syntax(3)),
            (br#""\ug000""#, syntax(3)),
            (br#""\u0g00""#, syntax(4)),
            (br#""\u00g0""#, syntax(5)),
            (br#""\u000g""#, syntax(6)),
            (br#""\u004/ and so on, far over the end of the first block of sixty-four bytes""#, syntax(6)),
            (br#""\u004: and so on, far over the end of the first block of sixty-four bytes""#, syntax(6)),
            (br#""\u004@ and so on, far over the end of the first block of sixty-four bytes""#, syntax(6)),
            (br#""\u004` and so on, far over the end of the first block of sixty-four bytes""#, syntax(6)),
            (br#""\u+123""#, syntax(3)),
            (br#""\u 123""#, syntax(3)),
            (b"\"\\\n\"", syntax(2)),
            (br#""\ud800""#, Reject(JsonFault::Surrogate, 7)),
            (br#""\udc00""#, Reject(JsonFault::Surrogate, 6)),
            (br#""\ud800x""#, Reject(JsonFault::Surrogate, 7)),
            (br#""\ud800\n""#, Reject(JsonFault::Surrogate, 8)),
            (br#""\ud800\u0061""#, Reject(JsonFault::Surrogate, 12)),
            (br#""\ud800\ud800""#, Reject(JsonFault::Surrogate, 12)),
            (br#""\udbff""#, Reject(JsonFault::Surrogate, 7)),
            (br#""\uDFFF""#, Reject(JsonFault::Surrogate, 6)),
            (br#""\udc00\udc00""#, Reject(JsonFault::Surrogate, 6)),
            (br#""\ud800\udc00\udc00""#, Reject(JsonFault::Surrogate, 18)),
            (br#""\ud800\u0dc0""#, Reject(JsonFault::Surrogate, 12)),
            (br#""\ud800\u""#, syntax(9)),
            (br#""\ud80z""#, syntax(6)),
            (br#""\udc0z""#, syntax(6)),
            (br#""\ud800..dc00""#, Reject(JsonFault::Surrogate, 7)),
            (br#""\ud800\ndc00""#, Reject(JsonFault::Surrogate, 8)),
            (br#""\ud800\uec00""#, Reject(JsonFault::Surrogate, 12)),
            (br#""\ud800\udc0z""#, syntax(12)),
            (br#"{"\udead":1}"#, Reject(JsonFault::Surrogate, 7)),
            (b"\"\x80\"", Reject(JsonFault::Utf8, 1)),
            (b"\"\xc3\"", Reject(JsonFault::Utf8, 2)),
            (b"\"\xc0\x80\"", Reject(JsonFault::Utf8, 1)),
            (b"\"\xc1\xbf\"", Reject(JsonFault::Utf8, 1)),
            (b"\"\xe0\x9f\xbf\"", Reject(JsonFault::Utf8, 2)),
            (b"\"\xed\xa0\x80\"", Reject(JsonFault::Utf8, 2)),
            (b"\"\xf0\x8f\xbf\xbf\"", Reject(JsonFault::Utf8, 2)),
            (b"\"\xf4\x90\x80\x80\"", Reject(JsonFault::Utf8, 2)),
            (b"\"\xf5\x80\x80\x80\"", Reject(JsonFault::Utf8, 1)),
            (b"\"\xff\"", Reject(JsonFault::Utf8, 1)),
            (b"\"\xe2\x82\"", Reject(JsonFault::Utf8, 3)),
            (b"\"\xf0\x9f\x98\"", Reject(JsonFault::Utf8, 4)),
            (b"\"\xf0\x9f\x98\x80\x80\"", Reject(JsonFault::Utf8, 5)),
        ],
    );
}

#[test]
fn byte_order_marks_are_named() {
    rows(
        Texts::One,
        &[
            (b"\xef\xbb\xbf{}", Reject(JsonFault::ByteOrderMark, 0)),
            (b"\xfe\xff\0{\0}", Reject(JsonFault::ByteOrderMark, 0)),
            (b"\xff\xfe{\0}\0", Reject(JsonFault::ByteOrderMark, 0)),
        ],
    );
}

#[test]
fn containers_nest_as_deep_as_the_limit_and_no_deeper() {
    let nested = |open: &str, close: &str, depth: usize| [open.repeat(depth), close.repeat(depth)].concat();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let inner = if open == "[" { "" } else { "1" };
        let body = |depth: usize| [open.repeat(depth), inner.to_owned(), close.repeat(depth)].concat();
        assert_eq!(read(Texts::One, 64, body(64).as_bytes()), Accept);
        let deeper = Reject(JsonFault::Depth, (open.len() * 64) as u64);
        assert_eq!(read(Texts::One, 64, body(65).as_bytes()), deeper);
        assert_eq!(read(Texts::One, 255, body(65).as_bytes()), deeper, "no limit is over 64");
        assert_eq!(read(Texts::One, 3, body(3).as_bytes()), Accept);
        assert_eq!(read(Texts::One, 3, body(4).as_bytes()), Reject(JsonFault::Depth, (open.len() * 3) as u64));
    }
    let many = format!("[{}]", ["[[]]"; 500].join(","));
    assert_eq!(verdict(validate(Texts::One, 3, [many.as_bytes()])), Accept);
    let body = nested("[", "]", 1_000_000);
    assert_eq!(verdict(validate(Texts::One, 64, [body.as_bytes()])), Reject(JsonFault::Depth, 64));
}

#[test]
fn lines_hold_one_text_each() {
    rows(
        Texts::Lines,
        &[
            (b"", Accept),
            (b"\n", Accept),
            (b"{}\n[]\n", Accept),
            (b"{}\n[]", Accept),
            (b"1\n2\n\"a\"\ntrue", Accept),
            (b"\n\n1\r\n\r\n 2 \n", Accept),
            (b"{}{}", Reject(JsonFault::Trailing, 2)),
            (b"1 2\n", Reject(JsonFault::Trailing, 2)),
            (b"{\n}", syntax(1)),
            (b"[1,\n2]", syntax(3)),
            (b"{}\n,\n", syntax(3)),
            (b"{}\n[", incomplete(4)),
            (b"tru\ne", syntax(3)),
            (b"\"a\nb\"", syntax(2)),
        ],
    );
}

#[test]
fn texts_of_a_sequence_stand_behind_record_separators() {
    rows(
        Texts::Sequence,
        &[
            (b"", Accept),
            (b"\x1e{}\n", Accept),
            (b"\x1e{}\n\x1e[1,\n2]\n", Accept),
            (b"\x1e\x1e1\n", Accept),
            (b"\x1e1 \x1e\"a\"\x1e[]", Accept),
            (b"\x1e\n", Accept),
            (b"{}\n", Reject(JsonFault::Trailing, 0)),
            (b"\x1e{}{}\n", Reject(JsonFault::Trailing, 3)),
            (b"\x1e12", incomplete(3)),
            (b"\x1e12\x1e3\n", syntax(3)),
            (b"\x1e[\x1e]", syntax(2)),
            (b"\x1e\"\x1e\"", syntax(2)),
            (b"\x1e[", incomplete(2)),
        ],
    );
    assert_eq!(read(Texts::One, 64, b"\x1e{}"), syntax(0));
}

/// Bytes of JSON, mostly, and some that are not.
fn almost_json() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        20 => prop::sample::select(vec![
            &b"{"[..], b"}", b"[", b"]", b",", b":", b" ", b"\n", b"\"a\"", b"\"a\":", b"\"b\":1,", b"1", b"-0.5e7", b"0",
            b"true", b"false", b"null", b"\"", b"\\", b"\\u00e9", b"\\ud83d\\ude00", b"\"\\\\\"", b"{\"k\":", b"[1,2]", b"{}", b"[]",
            b"\xc3\xa9", b"\xf0\x9f\x98\x80", b"\"longer than it seems\"", b"        ", b"e", b".", b"-",
        ]).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Into::into),
        "\\PC{0,20}".prop_map(Into::into),
        "[\"\\\\\u{0}-\u{20}a\u{e9}]{0,80}".prop_map(Into::into),
    ];
    let value = leaf.prop_recursive(8, 200, 10, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..10).prop_map(Into::into),
            prop::collection::vec(("\\PC{0,10}", inner), 0..10)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    });
    (value, any::<bool>()).prop_map(|(value, pretty)| {
        if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() }
    })
}

/// What `serde_json` says of a body; nothing where it stops at a number beyond the range of a double, which is JSON.
fn reference(body: &[u8]) -> Option<bool> {
    match serde_json::from_slice::<Unread>(body) {
        Err(error) if error.to_string().starts_with("number out of range") => None,
        result => Some(result.is_ok()),
    }
}

/// Read, and not kept: `serde_json` checks the grammar only, as the validator does.
struct Unread;

impl<'de> serde::Deserialize<'de> for Unread {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> serde::de::Visitor<'de> for Any {
            type Value = Unread;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("any value")
            }
            fn visit_bool<E>(self, _: bool) -> Result<Unread, E> {
                Ok(Unread)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Unread, E> {
                Ok(Unread)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Unread, E> {
                Ok(Unread)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Unread, E> {
                Ok(Unread)
            }
            fn visit_str<E>(self, _: &str) -> Result<Unread, E> {
                Ok(Unread)
            }
            fn visit_unit<E>(self) -> Result<Unread, E> {
                Ok(Unread)
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Unread, A::Error> {
                while seq.next_element::<Unread>()?.is_some() {}
                Ok(Unread)
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Unread, A::Error> {
                while map.next_entry::<Unread, Unread>()?.is_some() {}
                Ok(Unread)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

fn agrees(body: &[u8], cuts: &[prop::sample::Index]) {
    let whole = verdict(validate(Texts::One, 64, [body]));
    if let Some(valid) = reference(body) {
        assert_eq!(whole == Accept, valid, "{whole:?} {:?}", String::from_utf8_lossy(body));
    }
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
    places.push(0);
    places.push(body.len());
    places.sort_unstable();
    let chunks = places.windows(2).map(|pair| &body[pair[0]..pair[1]]);
    assert_eq!(verdict(validate(Texts::One, 64, chunks)), whole);
    assert_eq!(verdict(validate(Texts::One, 64, body.chunks(1))), whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn what_is_almost_json_is_judged_as_serde_json_does(body in almost_json(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        agrees(&body, &cuts);
    }

    #[test]
    fn documents_and_their_damaged_kin_are_judged_as_serde_json_does(
        body in document(),
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut body = body.into_bytes();
        if let Some((place, byte)) = damage {
            let place = place.index(body.len());
            body[place] = byte;
        }
        agrees(&body, &cuts);
    }
}
