//! Names that are told.

use super::*;

#[test]
fn a_name_is_told_if_it_is_spelled_like_a_schemas() {
    let long = "a".repeat(LONGEST_NAME);
    let longer = "a".repeat(LONGEST_NAME + 1);
    let rows = [
        ("a word", "nickname", true),
        ("one letter", "x", true),
        ("words", "date_of-Birth", true),
        ("a low line before", "_id", true),
        ("an at sign before, as type tags have", "@type", true),
        ("a dollar sign before", "$ref", true),
        ("three digits", "iso639", true),
        ("the longest", &long, true),
        ("one longer", &longer, false),
        ("an empty name", "", false),
        ("four digits", "ACC-0042", false),
        ("four digits apart", "a1b2c3d4", false),
        ("a digit before", "42", false),
        ("a hyphen before", "-x", false),
        ("a telephone number", "+447700900123", false),
        ("an address", "ana@example.com", false),
        ("an at sign within", "ana@example", false),
        ("a space", "Ana Silva", false),
        ("a full stop", "ana.silva", false),
        ("a colon", "urn:x", false),
        ("a letter beyond ASCII", "\u{141}ucja", false),
        ("an escape", "caf\\u00e9", false),
        ("a control character", "a\u{7f}", false),
    ];
    for (claim, name, told) in rows {
        assert_eq!(is_plain(name.as_bytes()), told, "{claim}: {name}");
    }
    assert!(!is_plain(b"\xff"), "what is not UTF-8");
}

#[test]
fn the_first_byte_of_a_value_tells_its_type() {
    let rows = [
        ("null", JsonType::Null),
        ("true", JsonType::Boolean),
        ("false", JsonType::Boolean),
        ("-1", JsonType::Number),
        ("0", JsonType::Number),
        ("9.5", JsonType::Number),
        ("\"x\"", JsonType::String),
        ("[]", JsonType::Array),
        ("{}", JsonType::Object),
    ];
    for (value, kind) in rows {
        assert_eq!(value.bytes().next().and_then(JsonType::of), Some(kind), "{value}");
    }
    assert_eq!(JsonType::of(b' '), None, "no value");
}
