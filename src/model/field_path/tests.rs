//! Paths in, places out; filters against children, with jsonpath-rust as the oracle where it is right.

use jsonpath_rust::JsonPath;
use serde_json::{Value, json};

use super::*;

fn path(text: &str) -> FieldPath {
    FieldPath::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
}

fn filter(text: &str) -> Filter {
    match path(&format!("$[?{text}]")).segments.as_slice() {
        [Segment::Filtered(filter)] => filter.clone(),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn every_spelling_of_a_place_is_one_path() {
    for (spelling, canonical) in [
        ("$", "$"),
        ("$.a", "$.a"),
        ("$['a']", "$.a"),
        ("$[\"a\"]", "$.a"),
        ("$[ 'a' ]", "$.a"),
        ("$['\\u0061']", "$.a"),
        ("$.a.*", "$.a[*]"),
        ("$.a[*]", "$.a[*]"),
        ("$.a..*", "$.a..*"),
        ("$.a..[*]", "$.a..*"),
        ("$['a.b']", "$['a.b']"),
        ("$['it\\'s']", "$['it\\'s']"),
        ("$[\"it's\"]", "$['it\\'s']"),
        ("$['']", "$['']"),
        ("$['0']", "$['0']"),
        ("$['*']", "$['*']"),
        ("$['$']", "$['$']"),
        ("$['a\\\\b']", "$['a\\\\b']"),
        ("$['\\u0000\\n']", "$['\\u0000\\u000a']"),
        ("$['\\ud83d\\ude00']", "$.😀"),
        ("$.é", "$.é"),
        ("$['e-mail']", "$['e-mail']"),
        ("$.a[?@.b==1]", "$.a[?@.b == 1]"),
        ("$.a[?(@.b == 1)]", "$.a[?@.b == 1]"),
        ("$.a[? @['b'] == \"x\" ]", "$.a[?@.b == 'x']"),
        ("$.a[?@.b==1&&@.c||!@.d]", "$.a[?@.b == 1 && @.c || !@.d]"),
        ("$.a[?@.b&&(@.c||@.d)]", "$.a[?@.b && (@.c || @.d)]"),
        ("$.a[?!(@.b==1.50)]", "$.a[?!(@.b == 1.5)]"),
        ("$.a[?length(@.b)>=count(@.c.*)]", "$.a[?length(@.b) >= count(@.c[*])]"),
        ("$.a[?value(@.b[*])==null]", "$.a[?value(@.b[*]) == null]"),
        ("$.a[?@==-0]", "$.a[?@ == 0]"),
        ("$.a[?@.b == 1e20]", "$.a[?@.b == 1e+20]"),
        ("$.a[?length(length(@.b)) == 1]", "$.a[?length(length(@.b)) == 1]"),
    ] {
        let parsed = path(spelling);
        assert_eq!(parsed.to_string(), canonical, "{spelling}");
        assert_eq!(path(canonical), parsed, "{canonical} parses back to {spelling}");
    }
}

#[test]
fn a_name_is_never_what_it_only_looks_like() {
    for (text, name) in
        [("$['a.b']", "a.b"), ("$['[0]']", "[0]"), ("$['*']", "*"), ("$['$.a']", "$.a"), ("$['..']", "..")]
    {
        assert_eq!(path(text).segments, [Segment::Member(name.into())], "{text}");
    }
}

#[test]
fn what_is_not_of_the_profile_is_refused() {
    for text in [
        "",
        "a",
        "@.a",
        "$.a ",
        " $.a",
        "$..a",
        "$..['a']",
        "$..*.a",
        "$..[?@.a]",
        "$[0]",
        "$[-1]",
        "$[1:2]",
        "$[::2]",
        "$['a','b']",
        "$[*,*]",
        "$.a[?match(@.b,'c')]",
        "$.a[?search(@.b,'c')]",
        "$.a[?in(@.b,@.c)]",
        "$.a[?@.b in @.c]",
        "$.a[?@[0]]",
        "$.a[?@[0]==1]",
        "$.a[?@..b]",
        "$.a[?@[?@.b]]",
        "$.a[?@['b','c']]",
        "$.a[?@[1:]]",
        "$.a[?$.b]",
        "$.a[?@.b==$.c]",
        "$.a[?count($.b)>1]",
        "$.a[?length(@.b)]",
        "$.a[?!length(@.b)]",
        "$.a[?count(@.b)]",
        "$.a[?length(@.*)>1]",
        "$.a[?count(1)>1]",
        "$.a[?count(length(@.b))>1]",
        "$.a[?value('x')==1]",
        "$.a[?@.*==1]",
        "$.a[?true]",
        "$.a[?1]",
        "$.a[?'a']",
        "$.a[?1==1e400]",
        "$.a[?@.b==9007199254740992]",
        "$.a[?@.b==-9007199254740992]",
        "$.a[?@.b==01]",
        "$.a[?@.b==+1]",
        "$.a[?@.b==.5]",
        "$.a[?@.b==1.]",
        "$.a[?@.b='x']",
        "$.a[?@.b==[1]]",
        "$.a[?@.b=={}]",
        "$.a[?!@.b==1]",
        "$.a[?(@.b]",
        "$.a.",
        "$.a[",
        "$.a]",
        "$.'a'",
        "$.1",
        "$.a-b",
        "$ .a",
        "$. a",
        "$.a .b",
        "$.a[?@. b]",
        "$.a[?@.b c]",
        "$.a[?@.b c == 1]",
        "$.a[?@. b == 1]",
        "$.a[?@.b == - 1]",
        "$.a[?@.b == 1 2]",
        "$.a[?length (@.b) == 1]",
        "$.a b",
        "$['a'",
        "$[a]",
        "$['\\x61']",
        "$['\\ud800']",
        "$['a\u{1}']",
        "$.a\u{a0}",
        "$.a[?@.b\u{a0}]",
        "$.a[?(((((((((@.b)))))))))]",
    ] {
        assert!(FieldPath::parse(text).is_err(), "{text} is accepted");
    }
}

#[test]
fn a_path_over_the_longest_is_refused_before_it_is_parsed() {
    let longest = format!("$.{}", "a".repeat(MAX_LENGTH - 2));
    assert!(FieldPath::parse(&longest).is_ok());
    assert!(FieldPath::parse(&format!("{longest}a")).is_err());
}

#[test]
fn paths_overlap_if_one_scalar_may_be_at_both() {
    for (left, right, overlap) in [
        ("$.a", "$.a", true),
        ("$.a", "$.b", false),
        ("$.a", "$.a.b", false),
        ("$.a[*]", "$.a.b", true),
        ("$.a[*]", "$.a[?@.x]", true),
        ("$.a[?@.x].c", "$.a.b.c", true),
        ("$.a[?@.x].c", "$.a.b.d", false),
        ("$.a[?@.x == 1].c", "$.a[?@.x == 2].c", false),
        ("$.a[?@.x == 1].c", "$.a[?1.0 == @.x].c", true),
        ("$.a[?@.x == 1 && @.y].c", "$.a[?@.z && @.x == 'b'].c", false),
        ("$.a[?@.x == 1].c", "$.a[?@.y == 2].c", true),
        ("$.a[?@.x == 1 || @.y].c", "$.a[?@.x == 2].c", true),
        ("$.a[?@.x == null].c", "$.a[?!@.x].c", true),
        ("$.a..*", "$.a", false),
        ("$.a..*", "$.a.b", true),
        ("$.a..*", "$.a.b.c", true),
        ("$.a..*", "$.b.c", false),
        ("$.a..*", "$.a.b..*", true),
        ("$..*", "$", false),
        ("$..*", "$.a", true),
    ] {
        assert_eq!(path(left).overlaps(&path(right)), overlap, "{left} and {right}");
        assert_eq!(path(right).overlaps(&path(left)), overlap, "{right} and {left}");
    }
}

#[test]
fn a_path_reaches_into_the_places_above_its_own() {
    for (from, place, reaches) in [
        ("$.a.b", "$.a", true),
        ("$.a.b", "$.a.b", true),
        ("$.a.b", "$.a.b.c", false),
        ("$.a.b", "$.c", false),
        ("$.a[*].b", "$.a[?@.x]", true),
        ("$.a..*", "$.a.b.c", true),
        ("$.a..*", "$.a", true),
        ("$.a..*", "$.b", false),
    ] {
        assert_eq!(path(from).reaches_into(&path(place)), reaches, "{from} into {place}");
    }
}

/// One claim: a filter, a child, whether it is selected. RFC 9535 §2.3.5.2.2 unless said.
#[test]
fn filters_select_as_the_standard_says() {
    let rows: &[(&str, &str, Value, bool)] = &[
        ("a member that is there exists", "@.a", json!({"a": null}), true),
        ("a member that is missing does not exist", "@.a", json!({"b": 1}), false),
        ("a scalar has no members", "@.a", json!("a"), false),
        ("an array has no members", "@.a", json!(["a"]), false),
        ("false exists", "@.a", json!({"a": false}), true),
        ("a missing member is not equal to anything", "@.a != 'x'", json!({}), true),
        ("a missing member equals no null", "@.a == null", json!({}), false),
        ("null equals null", "@.a == null", json!({"a": null}), true),
        ("two missing members are equal", "@.a == @.b", json!({}), true),
        ("two missing members are at most each other", "@.a <= @.b", json!({}), true),
        ("two missing members are not less", "@.a < @.b", json!({}), false),
        ("one missing member is not equal to one that is there", "@.a == @.b", json!({"a": 1}), false),
        ("whole and fractional spellings are one number", "@.a == 1", json!({"a": 1.0}), true),
        ("numbers do not equal strings", "@.a == 1", json!({"a": "1"}), false),
        ("true is not one", "@.a == 1", json!({"a": true}), false),
        ("close numbers are not equal", "@.a == 0.1", json!({"a": 0.100_000_000_000_000_02}), false),
        ("tiny numbers are not equal", "@.a == 0", json!({"a": 1e-300}), false),
        (
            "neighbours at the edge of I-JSON are told apart",
            "@.a == 9007199254740991",
            json!({"a": 9_007_199_254_740_990_i64}),
            false,
        ),
        (
            "the largest I-JSON number equals itself",
            "@.a == 9007199254740991",
            json!({"a": 9_007_199_254_740_991_i64}),
            true,
        ),
        (
            "whole numbers beyond I-JSON stay apart from those within",
            "@.a > 9007199254740991",
            json!({"a": u64::MAX}),
            true,
        ),
        ("minus zero is zero", "@.a == 0", json!({"a": -0.0}), true),
        ("numbers are ordered", "@.a < 2", json!({"a": 1.5}), true),
        ("numbers are not ordered against strings", "@.a < 2", json!({"a": "1"}), false),
        ("not ordered either way round", "@.a >= 2", json!({"a": "3"}), false),
        ("strings are ordered by code points", "@.a < 'b'", json!({"a": "a"}), true),
        ("a prefix is less", "@.a < 'ab'", json!({"a": "a"}), true),
        ("the empty string is least", "@.a < 'a'", json!({"a": ""}), true),
        ("code points beyond the BMP come last, unlike in UTF-16", "@.a > '\u{ff5e}'", json!({"a": "\u{1f600}"}), true),
        ("capitals come first", "@.a < 'a'", json!({"a": "Z"}), true),
        ("strings are compared without normalisation", "@.a == '\u{e9}'", json!({"a": "e\u{301}"}), false),
        ("booleans are equal to themselves", "@.a == true", json!({"a": true}), true),
        ("booleans are not ordered", "@.a < true", json!({"a": false}), false),
        ("booleans are at most themselves", "@.a <= true", json!({"a": true}), true),
        ("null is at most null", "@.a <= null", json!({"a": null}), true),
        ("arrays are equal element by element", "@.a == @.b", json!({"a": [1, {"x": 2}], "b": [1.0, {"x": 2}]}), true),
        ("arrays of another order differ", "@.a == @.b", json!({"a": [1, 2], "b": [2, 1]}), false),
        ("objects are equal in any order", "@.a == @.b", json!({"a": {"x": 1, "y": 2}, "b": {"y": 2, "x": 1}}), true),
        ("objects with a member more differ", "@.a == @.b", json!({"a": {"x": 1}, "b": {"x": 1, "y": 2}}), false),
        ("containers are not ordered", "@.a < @.b", json!({"a": [1], "b": [2]}), false),
        ("a child can be a scalar", "@ == 'x'", json!("x"), true),
        ("a child can be a number", "@ > 1", json!(2), true),
        ("the child always exists", "@", json!(null), true),
        ("conjunction", "@.a == 1 && @.b == 2", json!({"a": 1, "b": 2}), true),
        ("conjunction binds tighter than disjunction", "@.a || @.b && @.c", json!({"a": 1}), true),
        ("brackets bind tightest", "(@.a || @.b) && @.c", json!({"a": 1}), false),
        ("negation of a test", "!@.a", json!({"b": 1}), true),
        ("negation of a condition", "!(@.a == 1)", json!({"a": 2}), true),
        ("the length of a string is in code points (§2.4.4)", "length(@.a) == 2", json!({"a": "é😀"}), true),
        ("the length of an array is its elements", "length(@.a) == 2", json!({"a": [1, 2]}), true),
        ("the length of an object is its members", "length(@.a) == 1", json!({"a": {"x": [1, 2]}}), true),
        ("the length of a number is nothing", "length(@.a) == 2", json!({"a": 12}), false),
        (
            "the length of a number is at most that of another: nothing",
            "length(@.a) <= length(@.b)",
            json!({"a": 1}),
            true,
        ),
        ("the length of a literal", "length('abc') == 3", json!(0), true),
        ("the count of nodes (§2.4.5)", "count(@.a[*]) == 3", json!({"a": [1, 2, 3]}), true),
        ("the count of an object's nodes", "count(@.*) == 2", json!({"a": 1, "b": 2}), true),
        ("the count of a missing member is zero", "count(@.a) == 0", json!({}), true),
        ("the value of one node (§2.4.8)", "value(@.a[*]) == 7", json!({"a": [7]}), true),
        ("the value of two nodes is nothing", "value(@.a[*]) == 7", json!({"a": [7, 7]}), false),
        ("the value of no node is nothing", "value(@.a[*]) == @.b", json!({"a": []}), true),
        ("a member of a duplicate-looking name", "@['a.b'] == 1", json!({"a": {"b": 2}, "a.b": 1}), true),
    ];
    for (claim, text, child, selected) in rows {
        assert_eq!(filter(text).selects(child), *selected, "{claim}: {text} on {child}");
    }
}

/// Where jsonpath-rust is right, which is away from numbers that differ by less than 2^-52, it says the same.
#[test]
fn the_evaluator_agrees_with_the_oracle() {
    let queries = ["@", "@.a", "@.b", "@.a.b", "@['a.b']"];
    let literals = ["1", "2.5", "-3", "'x'", "''", "true", "null"];
    let operators = ["==", "!=", "<", "<=", ">", ">="];
    let mut texts: Vec<String> = Vec::new();
    for query in queries {
        texts.extend([query.to_owned(), format!("!{query}")]);
        for operator in operators {
            texts.extend(literals.iter().map(|literal| format!("{query} {operator} {literal}")));
            texts.extend(queries.iter().map(|other| format!("{query} {operator} {other}")));
            texts.push(format!("length({query}) {operator} 1"));
        }
        texts.push(format!("{query} && @.b || !(@.a == 1)"));
    }
    let scalars = [json!(1), json!(2.5), json!(-3), json!("x"), json!(""), json!("y"), json!(true), json!(null)];
    let mut children: Vec<Value> = scalars.to_vec();
    children.extend([
        json!([]),
        json!({}),
        json!([1]),
        json!({"a.b": 1}),
        json!({"a": {"b": 1}}),
        json!({"a": {"b": "x"}, "b": [1, 2]}),
    ]);
    for left in &scalars {
        children.push(json!({ "a": left }));
        children.extend(scalars.iter().map(|right| json!({ "a": left, "b": right })));
    }
    for text in &texts {
        let filter = filter(text);
        for child in &children {
            let document = json!([child]);
            let oracle = document.query(&format!("$[?{text}]")).map(|found| !found.is_empty());
            assert_eq!(Ok(filter.selects(child)), oracle.map_err(|_| ()), "{text} on {child}");
        }
    }
    assert!(texts.len() * children.len() > 15_000);
}

proptest::proptest! {
    #[test]
    fn plain_paths_are_what_the_library_says(text in r"\$(\.[a-zA-Z_][a-zA-Z0-9_]{0,3}|\.(true|null|length|and)|\[\*\]|\.\*|\.|\[|\]|0| |-|\u{e9}){0,6}") {
        if let Some(segments) = plain(&text) {
            proptest::prop_assert_eq!(FieldPath::parse_any(&text), Ok(FieldPath { segments, open: false }));
        }
    }
}

#[test]
fn only_plain_paths_are_read_without_the_library() {
    for text in ["$", "$.a", "$[*]", "$.a_1[*][*].B"] {
        assert!(plain(text).is_some(), "{text}");
    }
    for text in [
        "", "a", "$a", "$.", "$.1", "$.a.", "$.a..b", "$..*", "$.*", "$['a']", "$.a-b", "$.\u{e9}", "$[ *]", "$[*",
        "$.a ", " $",
    ] {
        assert!(plain(text).is_none(), "{text}");
    }
}
