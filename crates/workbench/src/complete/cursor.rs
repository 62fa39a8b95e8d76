//! Where in a policy a cursor is: the keys above it, and whether a key or a value is written there.
//!
//! It goes by indentation and, on the cursor's own line, by brackets: while somebody types, a file is seldom YAML.

/// What is written at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// A key of the map that the keys lead to.
    Key,
    /// A value, or an element of the list, at these keys.
    Value,
}

/// A cursor's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// From the root.
    pub keys: Vec<String>,
    /// What is written there.
    pub slot: Slot,
    /// The whole word at the cursor, without quotes.
    pub word: String,
    /// Of the word, what stands before the cursor, in bytes of the text.
    pub typed: std::ops::Range<usize>,
    /// Whether a quote is open before the cursor.
    pub quoted: bool,
}

/// One open bracket, or the line itself.
#[derive(Debug, Default)]
struct Level {
    key: Option<String>,
    is_list: bool,
}

impl Cursor {
    /// The place of a byte; none in a comment.
    pub fn at(text: &str, at: usize) -> Option<Self> {
        let start = text.get(..at)?.rfind('\n').map_or(0, |end| end.saturating_add(1));
        let line = text.get(start..)?.lines().next().unwrap_or_default();
        let before = text.get(start..at)?;
        let mut words = Words { rest: before, at: start };
        let (indent, is_item) = words.indent();
        let mut levels = vec![Level::default()];
        let mut word = Word { text: String::new(), start: at, quoted: false };
        while let Some(token) = words.next(levels.len() > 1) {
            match token {
                Token::Comment => return None,
                Token::Open(is_list) => levels.push(Level { key: None, is_list }),
                Token::Close => {
                    levels.pop();
                }
                Token::Comma => {
                    if let Some(level) = levels.last_mut() {
                        level.key = None;
                    }
                }
                Token::Key(key) => {
                    if let Some(level) = levels.last_mut() {
                        level.key = Some(key);
                    }
                }
                Token::Word(found) => word = found,
            }
        }
        let dash = line.len().saturating_sub(line.trim_start().len());
        let mut keys = above(text.get(..start)?, if is_item { dash } else { indent }, is_item);
        let last = levels.last()?;
        let slot = if last.is_list || last.key.is_some() || (is_item && levels.len() == 1 && !line.contains(": ")) {
            Slot::Value
        } else {
            Slot::Key
        };
        keys.extend(levels.iter().filter_map(|level| level.key.clone()));
        let typed = word.start..at;
        let rest = text.get(at..)?;
        let ends = |c: char| match word.quoted {
            true => matches!(c, '"' | '\'' | '\n'),
            false => c.is_whitespace() || (levels.len() > 1 && matches!(c, ',' | '}' | ']')) || c == ':',
        };
        let after = rest.find(ends).and_then(|end| rest.get(..end)).unwrap_or(rest);
        Some(Self { keys, slot, word: word.text + after, typed, quoted: word.quoted })
    }
}

/// The keys that a line stands below, from the root; of an item, `indent` is its dash's.
fn above(before: &str, indent: usize, is_item: bool) -> Vec<String> {
    let mut keys = Vec::new();
    // An item may stand as far left as its key.
    let (mut indent, mut is_item) = (indent, is_item);
    for line in before.lines().rev() {
        let mut words = Words { rest: line, at: 0 };
        let (own, starts_item) = words.indent();
        let dash = line.len().saturating_sub(line.trim_start().len());
        if line.trim_start().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        if own < indent || (is_item && own == indent && !starts_item) {
            if let Some(Token::Key(key)) = words.next(false) {
                keys.push(key);
            }
            (indent, is_item) = (if starts_item { dash } else { own }, starts_item);
        } else if starts_item && dash < indent && own <= indent {
            // A key of the same item: what holds the item is looked for next.
            (indent, is_item) = (dash, true);
        }
        if indent == 0 && !is_item {
            break;
        }
    }
    keys.reverse();
    keys
}

#[derive(Debug)]
enum Token {
    Open(bool),
    Close,
    Comma,
    Key(String),
    /// What the text ends in the middle of, or right after.
    Word(Word),
    Comment,
}

#[derive(Debug)]
struct Word {
    text: String,
    start: usize,
    quoted: bool,
}

/// The tokens of a part of a line.
struct Words<'t> {
    rest: &'t str,
    /// Where that begins in the whole text.
    at: usize,
}

impl Words<'_> {
    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
        self.at = self.at.saturating_add(bytes);
    }

    /// Goes over white space and the dash of an item: how far in the line's first word is, and whether it is an item's.
    fn indent(&mut self) -> (usize, bool) {
        let whole = self.rest.len();
        let blank = |rest: &str| rest.len().saturating_sub(rest.trim_start_matches(' ').len());
        self.skip(blank(self.rest));
        let is_item = self.rest == "-" || self.rest.starts_with("- ");
        if is_item {
            self.skip(1);
            self.skip(blank(self.rest));
        }
        (whole.saturating_sub(self.rest.len()), is_item)
    }

    fn next(&mut self, in_flow: bool) -> Option<Token> {
        let spaces = self.rest.len().saturating_sub(self.rest.trim_start().len());
        let is_apart = spaces > 0 || self.at == 0;
        self.skip(spaces);
        let first = self.rest.chars().next()?;
        let single = match first {
            '{' | '[' => Some(Token::Open(first == '[')),
            '}' | ']' if in_flow => Some(Token::Close),
            ',' if in_flow => Some(Token::Comma),
            '#' if is_apart => Some(Token::Comment),
            _ => None,
        };
        if single.is_some() {
            self.skip(1);
            return single;
        }
        let start = self.at;
        let (text, length, quoted) = match first {
            '"' | '\'' => {
                let inner = self.rest.get(1..).unwrap_or_default();
                match inner.find(first) {
                    Some(end) => (inner.get(..end).unwrap_or_default(), end.saturating_add(2), false),
                    None => (inner, self.rest.len(), true),
                }
            }
            _ => {
                let mut ends = self.rest.char_indices().filter(|(at, c)| {
                    let after = self.rest.get(at.saturating_add(1)..).unwrap_or_default();
                    (*c == ':' && (after.is_empty() || after.starts_with(' '))) || (in_flow && ",}]{[".contains(*c))
                });
                let end = ends.next().map_or(self.rest.len(), |(at, _)| at);
                (self.rest.get(..end).unwrap_or_default(), end, false)
            }
        };
        let text = text.to_owned();
        self.skip(length);
        if !quoted && self.rest.starts_with(':') {
            self.skip(1);
            return Some(Token::Key(text.trim_end().to_owned()));
        }
        if self.rest.is_empty() {
            let start = if quoted { start.saturating_add(1) } else { start };
            return Some(Token::Word(Word { text, start, quoted }));
        }
        // A value that is over: nothing is left to say of it.
        self.next(in_flow)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Slot};

    /// `|` is the cursor.
    fn place(text: &str) -> Option<(String, Slot, String)> {
        let at = text.find('|')?;
        let cursor = Cursor::at(&text.replacen('|', "", 1), at)?;
        Some((cursor.keys.join("/"), cursor.slot, cursor.word))
    }

    #[test]
    fn a_cursor_knows_its_keys() {
        type Place<'t> = Option<(&'t str, Slot, &'t str)>;
        let rows: [(&str, Place<'_>); 25] = [
            ("|", Some(("", Slot::Key, ""))),
            ("cla|", Some(("", Slot::Key, "cla"))),
            ("cla|sses:\n", Some(("", Slot::Key, "classes"))),
            ("classes:\n  |", Some(("classes", Slot::Key, ""))),
            ("classes:\n  a: {|", Some(("classes/a", Slot::Key, ""))),
            ("classes:\n  a: {about: \"x\", bl|", Some(("classes/a", Slot::Key, "bl"))),
            ("routes:\n  r:\n    area: |", Some(("routes/r/area", Slot::Value, ""))),
            ("routes:\n  r:\n    area: acc|ounts\n", Some(("routes/r/area", Slot::Value, "accounts"))),
            ("shapes:\n  s:\n    $.a: |", Some(("shapes/s/$.a", Slot::Value, ""))),
            ("shapes:\n  s:\n    $.a: {class: [x, y|", Some(("shapes/s/$.a/class", Slot::Value, "y"))),
            ("shapes:\n  s:\n    $.a: {class: x}  # o|h", None),
            ("# a|", None),
            (
                "scopes:\n  care.read:\n    grant: {key: sh|ow, x: mask}",
                Some(("scopes/care.read/grant/key", Slot::Value, "show")),
            ),
            ("scopes:\n  care.read:\n    grant: {key: show, |", Some(("scopes/care.read/grant", Slot::Key, ""))),
            (
                "scopes:\n  s:\n    fields: {account: {\"$.li|nes[*]\": mask}}",
                Some(("scopes/s/fields/account", Slot::Key, "$.lines[*]")),
            ),
            ("scopes:\n  s:\n    areas: [a, |", Some(("scopes/s/areas", Slot::Value, ""))),
            ("scopes:\n  s:\n    areas:\n      - a|", Some(("scopes/s/areas", Slot::Value, "a"))),
            ("scopes:\n  s:\n    areas:\n    - a\n    - b|", Some(("scopes/s/areas", Slot::Value, "b"))),
            ("a:\n  b: 1\n\n# c\n  d: |", Some(("a/d", Slot::Value, ""))),
            ("tests:\n  - name: x\n    request: {scopes: [|", Some(("tests/request/scopes", Slot::Value, ""))),
            ("tests:\n  - name: x\n    expect:\n      $.a|", Some(("tests/expect", Slot::Key, "$.a"))),
            ("tests:\n- name: x\n  |", Some(("tests", Slot::Key, ""))),
            ("tests:\n  - name: x\n    expect: y\n  - name: |", Some(("tests/name", Slot::Value, ""))),
            ("a: {b: c}\nd: |", Some(("d", Slot::Value, ""))),
            ("s: {'a: b': |", Some(("s/a: b", Slot::Value, ""))),
        ];
        for (text, expected) in rows {
            let expected = expected.map(|(keys, slot, word)| (keys.to_owned(), slot, word.to_owned()));
            assert_eq!(place(text), expected, "{text}");
        }
    }
}
