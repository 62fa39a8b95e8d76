//! `docs/design.md`: the worked masks of the lexer are what the lexer makes. (The validator's and the walker's are held beside
//! them: `src/json/validator/tests.rs`, `src/rewrite/walker/tests.rs`.) `UPDATE_GOLDENS=1 cargo test --test design` writes them.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]

use std::fs;
use std::path::Path;

use fieldgate::json::Texts;
use fieldgate::json::lexer::{Block, Lexer, Tokens};
use fieldgate::json::simd::BLOCK;

/// Two blocks: in a name there is an escape, and the last string goes on from one into the other.
const BLOCKS: [&[u8; BLOCK]; 2] = [
    br#"{"id":"A-1", "e\"x":[1,-2.5e3,true],"ok":null,"note":"\u00e9: go"#,
    br#" on, {not} [a] token\\","n":12}                                 "#,
];

fn rows(tokens: &Tokens) -> [(&'static str, u64); 16] {
    [
        ("quote_open", tokens.quote_open),
        ("quote_close", tokens.quote_close),
        ("interior", tokens.interior),
        ("open", tokens.open),
        ("close", tokens.close),
        ("comma", tokens.comma),
        ("colon", tokens.colon),
        ("white", tokens.white),
        ("scalar", tokens.scalar),
        ("scalar_start", tokens.scalar_start),
        ("scalar_after", tokens.scalar_after),
        ("escape", tokens.escape),
        ("escaped", tokens.escaped),
        ("separator", tokens.separator),
        ("control", tokens.control),
        ("non_ascii", tokens.non_ascii),
    ]
}

#[test]
fn the_masks_of_the_lexer_are_those_of_the_design() {
    let mut lexer = Lexer::new(Texts::One);
    let mut out = String::new();
    for block in BLOCKS {
        let tokens = lexer.lex(Block::whole(block));
        out.push_str(&format!("```text\n{:13}{}\n", "", String::from_utf8_lossy(block).trim_end()));
        let (set, empty): (Vec<_>, Vec<_>) = rows(&tokens).into_iter().partition(|(_, mask)| *mask != 0);
        let width = String::from_utf8_lossy(block).trim_end().len();
        for (name, mask) in set {
            let bits: String = (0..width).map(|bit| if (mask >> bit) & 1 == 1 { '1' } else { '.' }).collect();
            out.push_str(&format!("{name:13}{bits}\n"));
        }
        let empty: Vec<&str> = empty.into_iter().map(|(name, _)| name).collect();
        out.push_str(&format!("(nothing in {})\n```\n", empty.join(", ")));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/design.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- lexer -->\n").unwrap();
    let (now, after) = rest.split_once("<!-- /lexer -->").unwrap();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(&path, format!("{before}<!-- lexer -->\n{out}<!-- /lexer -->{after}")).unwrap();
        return;
    }
    assert_eq!(now, out, "docs/design.md: run with UPDATE_GOLDENS=1");
}
