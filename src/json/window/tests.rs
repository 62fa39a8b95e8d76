//! Lists of tokens against the lexer's masks, and numbers and literal names against the validator.

#![allow(clippy::arithmetic_side_effects, reason = "tests")]

use super::{BLOCK, DENSE, Listed, WINDOW, Window};
use crate::json::Texts;
use crate::json::lexer::{Block, Lexer};
use crate::json::scanner::validate;
use crate::json::validator::tests::hold;

fn starts(listed: Listed<'_>) -> Vec<usize> {
    (0..).map(|index| listed.start(index)).take_while(|start| *start != Listed::NOWHERE).collect()
}

/// First bytes of tokens, by the lexer.
fn by_masks(text: &[u8]) -> Vec<usize> {
    let mut lexer = Lexer::new(Texts::One);
    let mut found = Vec::new();
    for (at, bytes) in text.chunks(BLOCK).enumerate() {
        let mut whole = [b' '; BLOCK];
        whole[..bytes.len()].copy_from_slice(bytes);
        let tokens = lexer.lex(Block::whole(&whole));
        let mask = tokens.quote_open | tokens.open | tokens.close | tokens.comma | tokens.colon | tokens.scalar_start;
        found.extend((0..BLOCK).filter(|bit| (mask >> bit) & 1 == 1).map(|bit| at * BLOCK + bit));
    }
    found
}

#[test]
fn a_list_has_every_token_once_and_in_order() {
    let text = r#"{"a": [1, -2.5e3 ,true, {} ],"b\"":"\\", "long name \u00e9 over a block's end, and on":null}"#;
    for spaces in 0..70 {
        let text = " ".repeat(spaces) + text + &" ".repeat(spaces) + text;
        let mut window = Window::default();
        let listed = window.list(text.as_bytes(), 0);
        assert_eq!(listed.looked(), text.len());
        assert_eq!(starts(listed), by_masks(text.as_bytes()), "behind {spaces}");
    }
}

#[test]
fn a_list_ends_with_the_window_and_before_a_block_that_stops_it() {
    let plain = "\"abc\" : 12, ".repeat(1000);
    let mut window = Window::default();
    assert_eq!(window.list(plain.as_bytes(), 0).looked(), WINDOW);
    let dense = format!("{}{}", &plain[..BLOCK * 3], ",".repeat(DENSE + 1));
    assert_eq!(window.list(dense.as_bytes(), 0).looked(), BLOCK * 3);
    for fault in ["\"\u{1}\"", "\"\\x\"", "\"\\ud800\""] {
        let text = format!("{}{fault}{plain}", &plain[..BLOCK * 2]);
        assert_eq!(window.list(text.as_bytes(), 0).looked(), BLOCK * 2, "{fault}");
    }
    let text = [&plain.as_bytes()[..BLOCK], b"\"\xff\"", plain.as_bytes()].concat();
    let listed = window.list(&text, 0);
    assert_eq!(listed.looked(), BLOCK);
    assert_eq!(starts(listed), by_masks(&plain.as_bytes()[..BLOCK]));
}

#[test]
fn a_number_or_literal_name_is_one_where_the_validator_says_so() {
    let parts = [
        "",
        "-",
        "+",
        "0",
        "1",
        "00",
        "12",
        "1234567",
        "12345678",
        "1234567890123",
        ".",
        "e",
        "E",
        "e-",
        "true",
        "nul",
        "l",
        "false",
        "x",
    ];
    let mut right = 0;
    let pairs: Vec<String> = parts.iter().flat_map(|a| parts.map(|b| [*a, b].concat())).collect();
    for scalar in pairs.iter().flat_map(|a| pairs.iter().map(|b| [a.as_str(), b].concat()).collect::<Vec<_>>()) {
        // A block of nearly nothing but a number is not listed.
        if scalar.is_empty() || scalar.len() > 40 {
            continue;
        }
        for white in ["", " ", "\n\t\r  "] {
            let text = format!("[{scalar}{white}]          ");
            let mut window = Window::default();
            let end = window.list(text.as_bytes(), 0).scalar_end(1);
            let is_right = validate(Texts::One, 64, [text.as_bytes()]).is_ok();
            assert_eq!(end, is_right.then_some(1 + scalar.len()), "{text}");
            right += u32::from(is_right);
        }
    }
    assert!(right > 1000, "{right}");
}

#[test]
fn a_token_that_may_go_on_is_not_whole() {
    for text in ["[12", "[12 ", "[true", "[\"abc", "[\"abc\" "] {
        let text = format!("{}{text}", " ".repeat(20));
        let mut window = Window::default();
        let listed = window.list(text.as_bytes(), 0);
        assert!(!listed.is_scalar(1) && listed.scalar_end(1).is_none(), "{text}");
    }
}

#[test]
fn the_tokens_of_a_window_are_those_of_the_design() {
    const TEXT: &str = r#"{"id":"A-1", "x":[1, true],"e\"":null, "n":{} }"#;
    let mut window = Window::default();
    let listed = window.list(TEXT.as_bytes(), 0);
    let starts = starts(listed);
    let marks: String = (0..TEXT.len()).map(|at| if starts.contains(&at) { '1' } else { '.' }).collect();
    let bytes: String = (0..starts.len()).map(|index| char::from(listed.byte(index))).collect();
    hold("lane", &format!("```text\n{:9}{TEXT}\n{:9}{marks}\n{:9}{bytes}\n```\n", "", "starts", "bytes"));
}
