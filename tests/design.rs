//! `docs/design.md`: the worked masks of the lexer are what the lexer makes. (The validator's and the walker's are held beside
//! them: `src/json/validator/tests.rs`, `src/rewrite/walker/tests.rs`.) And the figures of `docs/performance.md` are those of the
//! committed results. `UPDATE_GOLDENS=1 cargo test --test design` writes both.

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
    holds("docs/design.md", "lexer", &out);
}

#[test]
fn the_figures_of_the_page_are_those_of_the_committed_results() {
    for part in ["native", "v8", "envoy"] {
        let results = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("benches/results/{part}.txt"));
        let figures = fs::read_to_string(results).unwrap();
        let foreign: Vec<&str> =
            figures.lines().filter(|line| line.contains("Killed") || line.contains("Segmentation fault")).collect();
        assert!(foreign.is_empty(), "no figures of {part}: {foreign:?}");
        holds("docs/performance.md", part, &format!("```text\n{}\n```\n", figures.trim_end()));
    }
}

/// A page shows this between the two marks of this name.
fn holds(page: &str, mark: &str, wanted: &str) {
    let (opens, closes) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(&opens).unwrap();
    let (now, after) = rest.split_once(&closes).unwrap();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(&path, format!("{before}{opens}{wanted}{closes}{after}")).unwrap();
        return;
    }
    assert_eq!(now, wanted, "{page}: run with UPDATE_GOLDENS=1");
}
