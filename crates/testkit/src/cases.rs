//! Policies and bodies made from a string of choices, so that a failing case shrinks with its choices.
//!
//! Names, classes and filters come from small alphabets: they are meant to collide.

use std::collections::{BTreeMap, BTreeSet};

use fieldgate::model::Mask;
use serde_json::{Map, Value, json};

/// Choices, one byte each; where they end, the first thing is chosen.
pub struct Choices<'c> {
    bytes: &'c [u8],
}

impl<'c> Choices<'c> {
    pub fn new(bytes: &'c [u8]) -> Self {
        Self { bytes }
    }

    /// A number below `count`.
    pub fn pick(&mut self, count: usize) -> usize {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        usize::from(*first) % count
    }

    pub fn of<T: Clone>(&mut self, options: &[T]) -> T {
        options[self.pick(options.len())].clone()
    }

    /// Whether a thing happens that happens `times` in 16.
    pub fn now_and_then(&mut self, times: usize) -> bool {
        self.pick(16) >= 16 - times
    }
}

/// Bytes that a seed decides (SplitMix64).
pub fn choices_of(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes
}

pub const NAMES: &[&str] = &["a", "b", "c", "d", "é", "x.y"];
const CLASSES: &[&str] = &["f", "k", "n", "r"];
const LEVELS: &[&str] = &["show", "mask", "pseudonym", "blank", "hide"];
/// What scopes mostly grant.
const GRANTS: &[&str] = &["show", "show", "show", "mask", "mask", "pseudonym", "blank", "hide"];
pub const SCOPES: &[&str] = &["s0", "s1", "s2"];
pub const CLIENTS: &[&str] = &["", "c1", "c2"];

const FILTERS: &[&str] = &[
    "@.a",
    "!@.a",
    "@.a == 1",
    "@.b == 'x'",
    "@ == 1",
    "@.a && @.b != 'x'",
    "length(@.a) > 1",
    "count(@[*]) > 1",
    "@.a < 2 || @.c",
    "@.a == null",
    "@.a >= @.b",
    "!(@.c == @.d)",
];

/// A segment of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seg {
    Name(&'static str),
    Any,
    Filter(&'static str),
    Open,
}

pub type Path = Vec<Seg>;

/// A path as an author writes it.
pub fn text(path: &[Seg]) -> String {
    let mut text = String::from("$");
    for seg in path {
        match seg {
            Seg::Name(name) if name.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                text.push_str(&format!(".{name}"))
            }
            Seg::Name(name) => text.push_str(&format!("['{name}']")),
            Seg::Any => text.push_str("[*]"),
            Seg::Filter(filter) => text.push_str(&format!("[?{filter}]")),
            Seg::Open => text.push_str("..*"),
        }
    }
    text
}

/// A policy with one governed route, `r`, of area `m`, and another, `o`, of area `o`.
pub struct Made {
    pub text: String,
    /// The paths of its entries, for bodies that have what is there.
    pub paths: Vec<Path>,
    /// What `r` should come to once its mounts are resolved: path, and what else there is of it.
    pub entries: Vec<Resolved>,
    /// Client and path of every deny.
    pub denies: BTreeSet<(&'static str, String)>,
}

/// An entry by another way than the program's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resolved {
    pub path: String,
    pub classes: BTreeSet<&'static str>,
    /// By scope.
    pub overrides: BTreeMap<&'static str, &'static str>,
}

enum Mounted {
    Leaf { field: Value, classes: BTreeSet<&'static str> },
    Shape(usize),
}

type Fields = Vec<(Path, Mounted)>;

/// Places of a shape or body: path from its root, classes, and (shape, path within it) for every mount on the way.
type Places = Vec<(Path, BTreeSet<&'static str>, Vec<(usize, Path)>)>;

const SHAPES: &[&str] = &["t0", "t1", "t2"];

/// Levels that scopes set for places by name: scope, shape and path within it.
type Overrides = BTreeMap<(&'static str, usize, Path), &'static str>;

/// Makes a policy.
pub fn policy(choices: &mut Choices<'_>) -> Made {
    let classes = classes(choices);
    let drawn = Drawn::new(choices);
    let route = drawn.route(choices);
    let mut overrides = Overrides::new();
    let mut scopes = Map::new();
    for scope in SCOPES {
        scopes.insert((*scope).into(), drawn.scope(choices, scope, &mut overrides));
    }
    let mut denies: BTreeSet<(&'static str, String)> = BTreeSet::new();
    let mut clients = Map::new();
    if choices.now_and_then(11) {
        for client in ["*", "c1"] {
            clients.insert(client.into(), drawn.client(choices, client, &mut denies));
        }
    }
    let shapes: Map<String, Value> =
        SHAPES.iter().zip(&drawn.shapes).map(|(name, shape)| ((*name).into(), written(shape))).collect();
    let mut policy = json!({
        "language": 1,
        "policy": "p",
        "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
        "classes": classes,
        "detectors": {"a-word": {"pattern": "[a-z]{3,}"}},
        "shapes": shapes,
        "routes": {"r": route, "o": {"match": "GET /o", "area": "o", "body": {"$.a": "k"}}},
        "scopes": scopes,
    });
    if choices.now_and_then(2) {
        policy["limits"] = json!({"depth": 3 + choices.pick(4)});
    }
    if !clients.is_empty() {
        policy["clients"] = clients.into();
    }
    let entries = drawn.entries(&overrides);
    let paths = drawn.places.into_iter().map(|(path, ..)| path).collect();
    Made { text: policy.to_string(), paths, entries, denies }
}

fn classes(choices: &mut Choices<'_>) -> Map<String, Value> {
    let mut classes = Map::new();
    for class in CLASSES {
        let blank = choices.of(&[None, None, Some(json!("-")), Some(json!(0)), Some(json!(null)), Some(json!("\"\n"))]);
        classes.insert((*class).into(), blank.map_or(json!({}), |blank| json!({"about": "x", "blank": blank})));
    }
    classes
}

/// Shapes, the body that mounts them, and the places that they come to.
struct Drawn {
    shapes: Vec<Fields>,
    body: Fields,
    places: Places,
}

impl Drawn {
    fn new(choices: &mut Choices<'_>) -> Self {
        let count = 1 + choices.pick(SHAPES.len());
        let mut shapes: Vec<Fields> = Vec::new();
        for index in 0..count {
            shapes.push(fields(choices, (index + 1)..count, 3, 3));
        }
        let mut body = fields(choices, 0..count, 2, 2);
        // Most routes mount their first shape at the root or at the elements of an array.
        let root: Path = choices.of(&[vec![], vec![Seg::Any], vec![Seg::Name("a"), Seg::Any], vec![Seg::Name("b")]]);
        if !body.iter().any(|(path, _)| *path == root) {
            body.push((root, Mounted::Shape(0)));
        }
        let places = expand(&shapes, &body);
        Self { shapes, body, places }
    }

    /// The path of something that is often an array.
    fn array(&self, choices: &mut Choices<'_>) -> Path {
        let (path, ..) = choices.of(&self.places);
        let length = path.iter().position(|seg| matches!(seg, Seg::Filter(_) | Seg::Open)).unwrap_or(path.len());
        let any = path[..length].iter().position(|seg| *seg == Seg::Any).unwrap_or(length);
        path[..any].to_vec()
    }

    /// Elements of something that is often an array.
    fn filtered(&self, choices: &mut Choices<'_>) -> String {
        let mut path = self.array(choices);
        path.push(Seg::Filter(choices.of(FILTERS)));
        text(&path)
    }

    /// How a policy names a place of the route: (shape, path), of a leaf or of a mount on the way.
    fn name(&self, choices: &mut Choices<'_>) -> Option<(usize, Path)> {
        let (_, _, names) = choices.of(&self.places);
        (!names.is_empty()).then(|| choices.of(&names))
    }

    fn route(&self, choices: &mut Choices<'_>) -> Value {
        let mut route = json!({"match": "GET /r", "area": "m", "body": written(&self.body)});
        if choices.now_and_then(4) {
            route["ceiling"] = ceiling(choices);
        }
        if choices.now_and_then(3) {
            route["rows"] = json!(self.filtered(choices));
        }
        if choices.now_and_then(4) {
            let mut path = self.array(choices);
            path.push(Seg::Any);
            route["max_records"] = json!({"at": text(&path), "max": 1 + choices.pick(3), "over": choices.of(&["truncate", "truncate", "reject"])});
        }
        route
    }

    fn scope(&self, choices: &mut Choices<'_>, scope: &'static str, overrides: &mut Overrides) -> Value {
        let mut grant = Map::new();
        for class in CLASSES {
            if !choices.now_and_then(2) {
                grant.insert((*class).into(), json!(choices.of(GRANTS)));
            }
        }
        let areas = choices.of(&[&["m"][..], &["m", "o"], &["m"], &["m"], &["o"]]);
        let mut made = json!({"areas": areas, "grant": grant});
        let mut named = Map::new();
        for _ in 0..choices.pick(3) {
            let Some((shape, path)) = self.name(choices) else { continue };
            let level = choices.of(LEVELS);
            let paths = named.entry(SHAPES[shape]).or_insert_with(|| json!({}));
            paths[text(&path)] = json!(level);
            overrides.insert((scope, shape, path), level);
        }
        if !named.is_empty() {
            made["fields"] = named.into();
        }
        if choices.now_and_then(2) {
            made["rows"] = json!({"r": self.filtered(choices)});
        }
        if choices.now_and_then(2) {
            made["when"] = choices.of(&[
                json!("always"),
                json!({"any_of": ["s0", "z"]}),
                json!({"all_of": ["s1", "s2"]}),
                json!({"claims": {"acr": ["2"]}}),
            ]);
        }
        made
    }

    fn client(
        &self,
        choices: &mut Choices<'_>,
        client: &'static str,
        denies: &mut BTreeSet<(&'static str, String)>,
    ) -> Value {
        let mut entry = json!({});
        if choices.now_and_then(5) {
            entry["ceiling"] = ceiling(choices);
        }
        if choices.now_and_then(3) {
            entry["scopes"] = json!(choices.of(&[&["s0"][..], &["s1", "s2"], &["s0", "s1"]]));
        }
        let mut deny: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
        for _ in 0..choices.pick(3) {
            let Some((shape, path)) = self.name(choices) else { continue };
            let path = altered(choices, path);
            deny.entry(SHAPES[shape]).or_default().insert(text(&path));
            for mount in mounts_of(&self.shapes, &self.body, shape) {
                let whole: Path = mount.iter().chain(&path).cloned().collect();
                denies.insert((client, text(&whole)));
            }
        }
        if !deny.is_empty() {
            entry["deny"] = json!(deny);
        }
        entry
    }

    /// What the route's entries should come to: of several overrides of a scope at one place, the lowest level.
    fn entries(&self, overrides: &Overrides) -> Vec<Resolved> {
        let rank = |level: &str| LEVELS.iter().position(|one| *one == level);
        let resolved = |(path, classes, names): &(Path, BTreeSet<&'static str>, Vec<(usize, Path)>)| {
            let mut lowest: BTreeMap<&'static str, &'static str> = BTreeMap::new();
            for ((scope, shape, path), level) in overrides {
                if names.contains(&(*shape, path.clone())) {
                    let before = lowest.entry(scope).or_insert(level);
                    if rank(level) > rank(before) {
                        *before = level;
                    }
                }
            }
            Resolved { path: text(path), classes: classes.clone(), overrides: lowest }
        };
        self.places.iter().map(resolved).collect()
    }
}

/// The path, or one nearby: of what holds it, of all elements, of all below, or of some elements.
fn altered(choices: &mut Choices<'_>, mut path: Path) -> Path {
    match choices.pick(6) {
        0 => {
            path.pop();
        }
        1 => {
            if let Some(last) = path.last_mut().filter(|last| **last != Seg::Open) {
                *last = Seg::Any;
            }
        }
        2 if path.last() != Some(&Seg::Open) => {
            path.pop();
            path.push(Seg::Open);
        }
        3 => {
            if let Some(Seg::Any | Seg::Name(_)) = path.last() {
                path.pop();
                path.push(Seg::Filter(choices.of(FILTERS)));
            }
        }
        _ => {}
    }
    path
}

fn fields(choices: &mut Choices<'_>, mountable: std::ops::Range<usize>, most: usize, deepest: usize) -> Fields {
    let mut fields: Fields = Vec::new();
    for _ in 0..(1 + choices.pick(most + 1)) {
        let path = path(choices, deepest);
        let mount = !mountable.is_empty() && choices.now_and_then(6) && path.last() != Some(&Seg::Open);
        let what = if mount { Mounted::Shape(mountable.start + choices.pick(mountable.len())) } else { leaf(choices) };
        if !fields.iter().any(|(known, _)| *known == path) {
            fields.push((path, what));
        }
    }
    fields
}

fn path(choices: &mut Choices<'_>, deepest: usize) -> Path {
    let mut path = Path::new();
    for _ in 0..(1 + choices.pick(deepest)) {
        path.push(match choices.pick(12) {
            0..=7 => Seg::Name(choices.of(NAMES)),
            8..=10 => Seg::Any,
            _ => Seg::Filter(choices.of(FILTERS)),
        });
    }
    if choices.now_and_then(2) {
        path.pop();
        path.push(Seg::Open);
    }
    path
}

fn leaf(choices: &mut Choices<'_>) -> Mounted {
    let mut classes = BTreeSet::from([choices.of(CLASSES)]);
    if choices.now_and_then(3) {
        classes.insert(choices.of(CLASSES));
    }
    let mut field = json!({"class": classes});
    if choices.now_and_then(7) {
        field["mask"] = mask(choices.of(Mask::EACH));
    }
    if choices.now_and_then(5) {
        field["pseudonym"] = choices.of(&[json!("p"), json!("q"), json!({"ns": "p", "link": "all"})]);
    }
    if choices.now_and_then(3) {
        field["blank"] = choices.of(&[json!("gone"), json!(7), json!(null), json!(false)]);
    }
    if choices.now_and_then(2) {
        field["detect"] =
            json!(choices.of(&[&["email"][..], &["card", "email", "phone"], &["iban", "ssn"], &["a-word", "email"]]));
    }
    Mounted::Leaf { field, classes }
}

/// A form as a policy's JSON has it.
fn mask(form: Mask) -> Value {
    match form {
        Mask::First(n) => json!({"first": n}),
        Mask::Last(n) => json!({"last": n}),
        Mask::Ends { first, last } => json!({"first": first, "last": last}),
        Mask::Round(step) => json!({"round": step.digits()}),
        Mask::Email | Mask::Year | Mask::Month | Mask::Initials => json!(form.word()),
    }
}

fn ceiling(choices: &mut Choices<'_>) -> Value {
    let mut ceiling = Map::new();
    for class in CLASSES {
        if choices.now_and_then(3) {
            ceiling.insert((*class).into(), json!(choices.of(LEVELS)));
        }
    }
    if choices.now_and_then(5) {
        ceiling.insert("*".into(), json!(choices.of(LEVELS)));
    }
    ceiling.into()
}

fn written(fields: &Fields) -> Value {
    let mut map = Map::new();
    for (path, what) in fields {
        let what = match what {
            Mounted::Leaf { field, .. } => field.clone(),
            Mounted::Shape(shape) => json!({"shape": SHAPES[*shape]}),
        };
        map.insert(text(path), what);
    }
    map.into()
}

fn expand(shapes: &[Fields], fields: &Fields) -> Places {
    let mut places = Places::new();
    for (path, what) in fields {
        match what {
            Mounted::Leaf { classes, .. } => places.push((path.clone(), classes.clone(), Vec::new())),
            Mounted::Shape(shape) => {
                for (below, classes, mut names) in expand(shapes, &shapes[*shape]) {
                    names.insert(0, (*shape, below.clone()));
                    places.push((path.iter().cloned().chain(below).collect(), classes, names));
                }
            }
        }
    }
    places
}

/// Where a shape is mounted, by whatever way.
fn mounts_of(shapes: &[Fields], fields: &Fields, wanted: usize) -> Vec<Path> {
    let mut mounts = Vec::new();
    for (path, what) in fields {
        let Mounted::Shape(shape) = what else { continue };
        if *shape == wanted {
            mounts.push(path.clone());
        }
        for below in mounts_of(shapes, &shapes[*shape], wanted) {
            mounts.push(path.iter().cloned().chain(below).collect());
        }
    }
    mounts
}

const SCALARS: &[&str] = &[
    "1",
    "null",
    "\"x\"",
    "true",
    "2",
    "\"xy\"",
    "null",
    "\"anna@example.com\"",
    "\"2024-02-29T10:00:00Z\"",
    "1.50",
    "12345.678",
    "-0",
    "1e2",
    "1e400",
    "-1E+400",
    "12345678901234567890",
    "false",
    "\"\"",
    r#""\u0061nna \/ b""#,
    r#""call 4111 1111 1111 1111 \u00e9""#,
    "\"Zoë Ångström\"",
    r#""\ud83d\ude00😀""#,
    "\"+49 176 12345678\"",
    "1",
    "\"x\"",
    "0",
];

/// Makes a body: valid JSON, now and then with a name twice, with or without white space. Mostly it has what the paths
/// lead to.
pub fn body(choices: &mut Choices<'_>, paths: &[Path]) -> String {
    let mut text = String::new();
    let spaced = choices.now_and_then(5);
    let paths: Vec<&[Seg]> = paths.iter().map(Vec::as_slice).collect();
    value(choices, 6, spaced, &paths, &mut text);
    text
}

enum Kind {
    Object,
    Array,
    Scalar,
}

fn value(choices: &mut Choices<'_>, depth: usize, spaced: bool, paths: &[&[Seg]], text: &mut String) {
    space(choices, spaced, text);
    let named: Vec<&str> = paths
        .iter()
        .filter_map(|path| if let Some(Seg::Name(name)) = path.first() { Some(*name) } else { None })
        .collect();
    let any = paths.iter().any(|path| matches!(path.first(), Some(Seg::Any | Seg::Filter(_) | Seg::Open)));
    let ends = paths.iter().any(|path| path.is_empty());
    let mut kinds = vec![Kind::Scalar as u8];
    kinds.extend(if ends { &[Kind::Scalar as u8; 3][..] } else { &[] });
    kinds.extend(if named.is_empty() { &[Kind::Object as u8][..] } else { &[Kind::Object as u8; 9] });
    kinds.extend(if any { &[Kind::Array as u8; 7][..] } else { &[Kind::Array as u8] });
    let kind = if depth == 0 { Kind::Scalar as u8 } else { choices.of(&kinds) };
    if kind == Kind::Object as u8 {
        text.push('{');
        let mut names: Vec<&str> = Vec::new();
        for _ in 0..choices.pick(6) {
            let name =
                if !named.is_empty() && choices.now_and_then(10) { choices.of(&named) } else { choices.of(NAMES) };
            if names.contains(&name) && !(choices.now_and_then(1) && choices.now_and_then(4)) {
                continue;
            }
            if !names.is_empty() {
                text.push(',');
            }
            names.push(name);
            space(choices, spaced, text);
            if choices.now_and_then(1) {
                let escaped: String = name.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
                text.push_str(&format!("\"{escaped}\""));
            } else {
                text.push_str(&format!("\"{name}\""));
            }
            space(choices, spaced, text);
            text.push(':');
            value(choices, depth - 1, spaced, &below(paths, Some(name)), text);
        }
        space(choices, spaced, text);
        text.push('}');
    } else if kind == Kind::Array as u8 {
        text.push('[');
        for index in 0..choices.pick(5) {
            if index > 0 {
                text.push(',');
            }
            value(choices, depth - 1, spaced, &below(paths, None), text);
        }
        space(choices, spaced, text);
        text.push(']');
    } else {
        text.push_str(choices.of(SCALARS));
    }
    space(choices, spaced, text);
}

/// What is left of paths below a member of that name, or an element.
fn below<'p>(paths: &[&'p [Seg]], name: Option<&str>) -> Vec<&'p [Seg]> {
    let mut left = Vec::new();
    for path in paths {
        match path.split_first() {
            Some((Seg::Name(known), rest)) if Some(*known) == name => left.push(rest),
            Some((Seg::Any | Seg::Filter(_), rest)) => left.push(rest),
            Some((Seg::Open, rest)) => left.extend([rest, *path]),
            _ => {}
        }
    }
    left
}

fn space(choices: &mut Choices<'_>, spaced: bool, text: &mut String) {
    if spaced {
        text.push_str(choices.of(&["", " ", "\n", "\t\r "]));
    }
}
