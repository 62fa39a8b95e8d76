//! Circles: files that import each other in a loop, so that none can be read before the others.
//!
//! Files are compared as neighbours: what `a/x.rs` imports of `b/y.rs` is an arrow from `a` to `b`. A folder's own file (`a.rs`) is
//! no neighbour of the files in it: it may be made of them, and they share what it has.

use std::collections::{BTreeMap, BTreeSet};

use crate::code;

/// A module's path in its crate, from the root.
type Module = Vec<String>;

/// Neighbours below one module: who imports whom.
type Neighbours = BTreeMap<String, BTreeSet<String>>;

/// The circles of a crate, each with the module that its files are in. Files are named from the crate's `src`.
pub(crate) fn circles<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, Vec<String>)> {
    let files: BTreeMap<Module, &str> = files.map(|(name, text)| (module(name), text)).collect();
    let mut folders: BTreeMap<Module, Neighbours> = BTreeMap::new();
    for (from, text) in &files {
        for path in paths(text) {
            let to = target(from, &path, &files);
            let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            if let (Some(a), Some(b)) = (from.get(shared), to.get(shared)) {
                let folder = folders.entry(from[..shared].to_vec()).or_default();
                folder.entry(a.clone()).or_default().insert(b.clone());
            }
        }
    }
    let all = folders
        .iter()
        .flat_map(|(folder, neighbours)| loops(neighbours).into_iter().map(|circle| (folder.join("::"), circle)));
    all.collect()
}

fn module(name: &str) -> Module {
    let name = name.trim_end_matches(".rs");
    name.split('/').filter(|part| !["lib", "main", "mod"].contains(part)).map(str::to_owned).collect()
}

/// The paths that a file names, in `use` and elsewhere: braces taken apart.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut lines = code(text);
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        let visible = line.strip_prefix("pub").map_or(line, |rest| rest.split_once(' ').map_or("", |(_, rest)| rest));
        let Some(first) = visible.strip_prefix("use ") else {
            found.extend(plain(line));
            continue;
        };
        let mut whole = first.to_owned();
        while !whole.contains(';') {
            let Some(next) = lines.next() else { break };
            whole.push_str(next);
        }
        tree(&[], whole.trim_end_matches(';'), &mut found);
    }
    found
}

/// The paths of a text without `use`.
fn plain(text: &str) -> impl Iterator<Item = Vec<String>> {
    let words = text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':'));
    words.filter(|word| word.contains("::")).map(|word| word.split("::").map(str::to_owned).collect())
}

/// The paths of a tree of imports: `a::{b, c::{d, e}}` is three.
fn tree(stem: &[String], text: &str, found: &mut Vec<Vec<String>>) {
    let (mut depth, mut start) = (0_usize, 0_usize);
    let ends = text.char_indices().chain([(text.len(), ',')]);
    for (at, letter) in ends {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = text[start..at].trim();
                start = (at + 1).min(text.len());
                let (head, inner) = part.split_once('{').unwrap_or((part, ""));
                let head = head.split(" as ").next().unwrap_or_default();
                let names = head.trim().split("::").filter(|name| !name.is_empty()).map(str::to_owned);
                let path: Vec<String> = stem.iter().cloned().chain(names).collect();
                match inner.rsplit_once('}') {
                    Some((inner, _)) => tree(&path, inner, found),
                    None => found.push(path),
                }
            }
            _ => {}
        }
    }
}

/// The file that a path names, or names something of; the one that it is in, where it is no path of the crate.
fn target(from: &Module, path: &[String], files: &BTreeMap<Module, &str>) -> Module {
    let (mut at, mut rest) = (from.clone(), path);
    match path.first().map(String::as_str) {
        Some("crate") => (at, rest) = (Module::new(), &path[1..]),
        Some("self") => rest = &path[1..],
        Some("super") => {
            while let Some((_, after)) = rest.split_first().filter(|(first, _)| *first == "super") {
                at.pop();
                rest = after;
            }
        }
        _ => {}
    }
    for name in rest {
        at.push(name.clone());
        if !files.contains_key(&at) {
            at.pop();
            break;
        }
    }
    at
}

/// Neighbours of which each leads to each other.
fn loops(neighbours: &Neighbours) -> Vec<Vec<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        neighbours.keys().map(|from| (from, reach(from, neighbours))).collect();
    let circles: BTreeSet<Vec<String>> = reached
        .iter()
        .map(|(from, to)| to.iter().filter(|other| reached.get(*other).is_some_and(|back| back.contains(from))))
        .map(|circle| circle.map(|name| (*name).clone()).collect())
        .collect();
    circles.into_iter().filter(|circle| !circle.is_empty()).collect()
}

/// Everything that a neighbour leads to.
fn reach<'n>(from: &String, neighbours: &'n Neighbours) -> BTreeSet<&'n String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&String> = neighbours.get(from).into_iter().flatten().collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(neighbours.get(next).into_iter().flatten());
        }
    }
    reached
}

/// Names and texts.
type Files<'f> = &'f [(&'f str, &'f str)];

#[test]
fn a_circle_is_found() {
    let rows: [(&str, Files<'_>, &[&str]); 6] = [
        ("none", &[("a.rs", "use crate::b::B;"), ("b.rs", "struct B;")], &[]),
        ("two files", &[("a.rs", "use crate::b::B;"), ("b.rs", "fn b() { crate::a::a() }")], &[": a b"]),
        (
            "two files of a folder",
            &[("f.rs", "mod a;"), ("f/a.rs", "use super::{b::B, C};"), ("f/b.rs", "use super::a;")],
            &["f: a b"],
        ),
        ("folders, by files in them", &[("f/a.rs", "use crate::g::b;"), ("g/b.rs", "use crate::{f::a};")], &[": f g"]),
        ("not a folder and its file", &[("f.rs", "use a::A;"), ("f/a.rs", "use super::F;")], &[]),
        (
            "not by a comment or a test",
            &[("a.rs", "use crate::b;"), ("b.rs", "// crate::a\n#[cfg(test)]\nuse crate::a;")],
            &[],
        ),
    ];
    for (claim, files, expected) in rows {
        // A folder's file is needed for its files to be found.
        let known = |name: &str| files.iter().any(|(file, _)| *file == name);
        let folders = ["f.rs", "g.rs"].into_iter().filter(|name| !known(name)).map(|name| (name, ""));
        let found = circles(files.iter().copied().chain(folders));
        let found: Vec<String> =
            found.iter().map(|(folder, circle)| format!("{folder}: {}", circle.join(" "))).collect();
        assert_eq!(found, expected, "{claim}");
    }
}
