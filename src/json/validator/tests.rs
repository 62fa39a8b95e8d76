//! What the validator carries from block to block, and its masks, as `docs/design.md` has them: worked rows, held against
//! the code. `UPDATE_GOLDENS=1 cargo test --lib of_the_design -- --test-threads=1` writes them.

#![allow(clippy::arithmetic_side_effects, reason = "tests")]

use super::{Drawn, Validator};
use crate::json::Texts;
use crate::json::lexer::{Block, Lexer, Tokens};
use crate::json::simd::BLOCK;

/// The validator after a text that is less than a block.
fn after(text: &str) -> Validator {
    let (mut lexer, mut validator) = (Lexer::new(Texts::One), Validator::new(Texts::One, 64));
    let mut room = [0; BLOCK];
    if let Some(block) = Block::part(text.as_bytes(), &mut room) {
        let tokens = lexer.lex(block);
        validator.check(block, &tokens).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
    }
    validator
}

/// Holds the part of the page between two marks, or writes it.
pub(in crate::json) fn hold(mark: &str, table: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/design.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (open, close) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let (before, rest) = text.split_once(&open).unwrap();
    let (now, end) = rest.split_once(&close).unwrap();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(path, format!("{before}{open}{table}{close}{end}")).unwrap();
        return;
    }
    assert_eq!(now, table, "docs/design.md: run with UPDATE_GOLDENS=1");
}

/// A mask of a block that holds a text, as the page draws it.
pub(in crate::json) fn bits(mask: u64, block: Block<'_>, text: &str) -> String {
    (0..text.len()).map(|bit| if (mask >> block.shift() >> bit) & 1 == 1 { '1' } else { '.' }).collect()
}

#[test]
fn what_is_carried_is_what_the_table_of_the_design_says() {
    let mut table = String::from(
        "| the text so far | `item` | `owing` | `whole` | `name` | so next comes |\n|---|---|---|---|---|---|\n",
    );
    for (text, next) in [
        ("", "a value"),
        ("{", "a name, or `}`"),
        ("[", "a value, or `]`"),
        ("{\"a", "the rest of the name"),
        ("{\"a\"", "`:`"),
        ("{\"a\":", "a value"),
        ("{\"a\":\"b\"", "`,` or `}`"),
        ("{\"a\":\"b\",", "a name"),
        ("[[],", "a value"),
        ("[\"b\" ", "`,` or `]`"),
        ("{}", "nothing but white space"),
    ] {
        let carried = after(text).after;
        table.push_str(&format!(
            "| `{}` | {} | {} | {} | {} | {next} |\n",
            if text.is_empty() { " " } else { text },
            carried.item,
            carried.owing,
            carried.whole,
            carried.name
        ));
    }
    hold("carried", &table);
}

#[test]
fn what_is_carried_of_a_number_is_what_the_table_of_the_design_says() {
    let mut table = String::from("| the text so far | carried | so next may come |\n|---|---|---|\n");
    for (text, next) in [
        ("[-", "a digit"),
        ("[0", "`.`, `e`, or the end"),
        ("[12", "a digit, `.`, `e`, or the end"),
        ("[1.", "a digit"),
        ("[1.5", "a digit, `e`, or the end"),
        ("[1e", "a digit, `+` or `-`"),
        ("[1e+", "a digit"),
        ("[1e+5", "a digit, or the end"),
    ] {
        // Its fields are the number module's own: their names and values are what it shows of itself.
        let shown = format!("{:?}", after(text).numbers);
        let set: Vec<String> = shown
            .trim_start_matches("Numbers { ")
            .trim_end_matches(" }")
            .split(", ")
            .filter_map(|field| field.strip_suffix(": 1"))
            .map(|field| format!("`{field}`"))
            .collect();
        table.push_str(&format!("| `{text}` | {} | {next} |\n", set.join(", ")));
    }
    hold("numbers", &table);
}

#[test]
fn the_masks_of_the_grammar_are_those_of_the_design() {
    const TEXT: &str = r#"{"a":[1, "b" ,{}],"c":{"d":"e"}}"#;
    let mut room = [0; BLOCK];
    let block = Block::part(TEXT.as_bytes(), &mut room).unwrap();
    let tokens = Lexer::new(Texts::One).lex(block);
    let Tokens { close, colon, .. } = tokens;
    let object = in_objects(TEXT).wrapping_shl(block.shift());
    let mut validator = Validator::new(Texts::One, 64);
    assert!(validator.check(block, &tokens).is_ok());
    let Drawn { item, named, name_close, owing, whole } = validator.drawn;
    let mut out = format!("{:12}{TEXT}\n", "");
    for (name, mask) in [
        ("item", item),
        ("object", object),
        ("named", named),
        ("name_close", name_close),
        ("owing", owing),
        ("whole", whole),
    ] {
        out.push_str(&format!("{name:12}{}\n", bits(mask, block, TEXT)));
    }
    // What the masks are for: a colon exactly where a name has ended, no closing bracket where something is owed.
    assert_eq!(whole & owing, colon);
    assert_eq!(close & owing, 0);
    hold("grammar", &format!("```text\n{out}```\n"));
}

/// Bytes that are directly in an object: a plain loop, for what [`Validator::nesting`] does bracket by bracket.
fn in_objects(text: &str) -> u64 {
    let mut kinds = vec![false];
    let mut mask = 0;
    let mut inside = false;
    for (bit, byte) in text.bytes().enumerate() {
        mask |= u64::from(kinds.last().copied().unwrap_or_default()) << bit;
        match byte {
            b'"' => inside = !inside,
            b'{' | b'[' if !inside => kinds.push(byte == b'{'),
            b'}' | b']' if !inside => drop(kinds.pop()),
            _ => {}
        }
    }
    mask
}
