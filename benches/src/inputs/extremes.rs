//! What is hardest: nothing but the token that an engine has most work with.

use super::{Input, Kind};

const SIZE: usize = 100_000;

pub(super) fn all() -> Vec<Input> {
    let deep = format!("{}1{}", "[".repeat(63), "]".repeat(63));
    let deep_path = format!("${}", "[*]".repeat(64));
    vec![
        extreme("[1,1,…]", "1", &[("$[*]", "s")]),
        extreme("[1,1,…] hidden", "1", &[("$[*].a", "s")]),
        extreme("[[],[],…]", "[]", &[("$[*][*]", "s")]),
        extreme("[{\"id\":1},…]", "{\"id\":1}", &[("$[*].id", "s")]),
        extreme("[{\"id\":1},…] hidden", "{\"id\":1}", &[("$[*].a", "s")]),
        extreme("[{\"a\":{\"b\":{}}},…]", "{\"a\":{\"b\":{}}}", &[("$[*].a.b.c", "s")]),
        extreme("all escapes", "\"\\u0041\\n\\\\\\\"\\ud83d\\ude00\\/\"", &[("$[*]", "s")]),
        extreme("escaped names", "{\"\\u0061\\u0062\":1}", &[("$[*].ab", "s")]),
        extreme("64 deep", &deep, &[(&deep_path, "s")]),
    ]
}

/// An array of nothing but one element.
fn extreme(name: &'static str, element: &str, paths: &[(&str, &str)]) -> Input {
    let count = SIZE / (element.len() + 1);
    Input::new(name, Kind::Adversarial, format!("[{}]", vec![element; count].join(",")), paths)
}
