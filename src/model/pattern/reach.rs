//! [`Reach`]: what a pattern's text alone tells of its matches: how many states a search steps through, which bytes a match
//! begins with and holds, and how long one can be.
//!
//! The regex crate keeps its program to itself, so the text is read once more, for these four things. Each is an upper
//! bound: more states, more bytes and longer matches than there are only cost speed. A text that is not understood has
//! [`Reach::ANY`], which bounds nothing.

/// Bytes that a pattern can meet: each of ASCII by itself, all others as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes {
    ascii: u128,
    others: bool,
}

impl Bytes {
    const NONE: Self = Self { ascii: 0, others: false };
    const ALL: Self = Self { ascii: u128::MAX, others: true };

    fn of(char: char) -> Self {
        Self::NONE.with(char, char)
    }

    /// These, and those of the characters from `first` to `last`.
    fn with(mut self, first: char, last: char) -> Self {
        self.others |= !last.is_ascii();
        let last = u32::from(last).min(127);
        for code in u32::from(first)..=last {
            self.ascii |= 1 << code;
        }
        self
    }

    fn or(self, other: Self) -> Self {
        Self { ascii: self.ascii | other.ascii, others: self.others || other.others }
    }

    /// All characters but these. Of those beyond ASCII some may be left whichever are meant.
    fn not(self) -> Self {
        Self { ascii: !self.ascii, others: true }
    }

    /// These letters in both cases.
    fn folded(self) -> Self {
        let small: u128 = 0x07ff_fffe << 96;
        let capital: u128 = 0x07ff_fffe << 64;
        let ascii = self.ascii | ((self.ascii & small) >> 32) | ((self.ascii & capital) << 32);
        Self { ascii, ..self }
    }

    pub(super) fn holds(self, byte: u8) -> bool {
        match 1u128.checked_shl(u32::from(byte)) {
            Some(bit) => self.ascii & bit != 0,
            None => self.others,
        }
    }
}

/// What a pattern can match, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    /// Steps that a search takes for one character, at most: a state is one, and a class one more for each four ranges.
    pub(super) states: u32,
    /// Whether it can match without a character.
    empty: bool,
    /// The bytes that a match can begin with.
    pub(super) first: Bytes,
    /// The bytes that a match can hold.
    pub(super) bytes: Bytes,
    /// Bytes of the longest match; `usize::MAX` if there is no longest.
    pub(super) longest: usize,
}

impl Reach {
    /// Any match whatever, of a program of the largest size.
    pub(super) const ANY: Self =
        Self { states: 4096, empty: true, first: Bytes::ALL, bytes: Bytes::ALL, longest: usize::MAX };

    const EMPTY: Self = Self { states: 1, empty: true, first: Bytes::NONE, bytes: Bytes::NONE, longest: 0 };

    /// What a pattern that the regex crate takes can match.
    pub(super) fn of(pattern: &str) -> Self {
        let mut reader = PatternReader { rest: pattern, flags: Flags::default(), depth: 0 };
        match reader.alternation() {
            // The capture of the whole, and the match.
            Some(reach) if reader.rest.is_empty() => Self { states: reach.states.saturating_add(3), ..reach },
            _ => Self::ANY,
        }
    }

    /// One character out of a class of `ranges` ranges; a character by itself has none.
    fn one(bytes: Bytes, ranges: u32) -> Self {
        let longest = if bytes.others { 4 } else { 1 };
        Self { states: ranges.div_ceil(4).saturating_add(1), empty: false, first: bytes, bytes, longest }
    }

    fn then(self, next: Self) -> Self {
        Self {
            states: self.states.saturating_add(next.states),
            empty: self.empty && next.empty,
            first: if self.empty { self.first.or(next.first) } else { self.first },
            bytes: self.bytes.or(next.bytes),
            longest: self.longest.saturating_add(next.longest),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            states: self.states.saturating_add(other.states).saturating_add(1),
            empty: self.empty || other.empty,
            first: self.first.or(other.first),
            bytes: self.bytes.or(other.bytes),
            longest: self.longest.max(other.longest),
        }
    }

    /// Repeated: each copy has its states and the branch around it.
    fn repeated(self, least: u32, most: Option<u32>) -> Self {
        let copies = most.unwrap_or(least.saturating_add(1)).max(1);
        let longest = match most.and_then(|most| usize::try_from(most).ok()) {
            Some(most) => self.longest.saturating_mul(most),
            None if self.longest == 0 => 0,
            None => usize::MAX,
        };
        let states = self.states.saturating_add(1).saturating_mul(copies).saturating_add(2);
        Self { states, empty: self.empty || least == 0, longest, ..self }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    /// `i`: both cases of a letter.
    fold: bool,
    /// `s`: a dot is any character.
    dot_all: bool,
}

/// Reads a pattern from its start. `None` is a text that is not understood.
struct PatternReader<'p> {
    rest: &'p str,
    flags: Flags,
    depth: u32,
}

/// Groups that are followed into each other; the regex crate takes fewer.
const DEEPEST: u32 = 64;

impl PatternReader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let char = chars.next()?;
        self.rest = chars.as_str();
        Some(char)
    }

    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn alternation(&mut self) -> Option<Reach> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEEPEST {
            return None;
        }
        let mut all = self.sequence()?;
        while self.eat("|") {
            all = all.or(self.sequence()?);
        }
        self.depth = self.depth.saturating_sub(1);
        Some(all)
    }

    fn sequence(&mut self) -> Option<Reach> {
        let mut all = Reach::EMPTY;
        while let Some(char) = self.peek() {
            if matches!(char, '|' | ')') {
                break;
            }
            let Some(mut item) = self.item()? else { continue };
            while let Some((least, most)) = self.repetition()? {
                item = item.repeated(least, most);
            }
            all = all.then(item);
        }
        Some(all)
    }

    /// One item without its repetition; `Some(None)` where only flags were set.
    fn item(&mut self) -> Option<Option<Reach>> {
        let reach = match self.next()? {
            '(' => return self.group(),
            '[' => self.class()?,
            '\\' => self.escape()?,
            '.' if self.flags.dot_all => Reach::one(Bytes::ALL, 1),
            // Without flag `s` not a line feed, and with flag `R` not a carriage return: one that is let in does no harm.
            '.' => Reach::one(Bytes::of('\n').not(), 2),
            '^' | '$' => Reach::EMPTY,
            '?' | '*' | '+' | '{' => return None,
            char => self.char(char),
        };
        Some(Some(reach))
    }

    fn char(&self, char: char) -> Reach {
        let bytes = Bytes::of(char);
        if self.flags.fold { Reach::one(bytes.folded(), 2) } else { Reach::one(bytes, 0) }
    }

    fn group(&mut self) -> Option<Option<Reach>> {
        let flags = self.flags;
        let captures = if self.eat("?P<") || self.eat("?<") {
            while self.next()? != '>' {}
            2
        } else if self.eat("?") {
            if self.set_flags()? == ')' {
                return Some(None);
            }
            0
        } else {
            2
        };
        let reach = self.alternation()?;
        self.flags = flags;
        self.eat(")").then_some(Some(Reach { states: reach.states.saturating_add(captures), ..reach }))
    }

    /// Reads flags and what ends them, which is handed back.
    fn set_flags(&mut self) -> Option<char> {
        let mut on = true;
        loop {
            match self.next()? {
                '-' => on = false,
                'i' => self.flags.fold = on,
                's' => self.flags.dot_all = on,
                'm' | 'U' | 'R' | 'u' => {}
                end @ (':' | ')') => return Some(end),
                // Flag `x`: white space and comments anywhere.
                _ => return None,
            }
        }
    }

    /// A repetition that follows an item, if one does.
    fn repetition(&mut self) -> Option<Option<(u32, Option<u32>)>> {
        let (least, most) = match self.peek() {
            Some('?') => (0, Some(1)),
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('{') => {
                let (inside, rest) = self.rest.strip_prefix('{')?.split_once('}')?;
                let number = |text: &str| text.trim().parse::<u32>().ok();
                let bounds = match inside.split_once(',') {
                    None => (number(inside)?, Some(number(inside)?)),
                    Some((least, most)) if most.trim().is_empty() => (number(least)?, None),
                    Some((least, most)) => (number(least)?, Some(number(most)?)),
                };
                self.rest = rest;
                self.eat("?");
                return Some(Some(bounds));
            }
            _ => return Some(None),
        };
        self.next()?;
        self.eat("?");
        Some(Some((least, most)))
    }

    fn escape(&mut self) -> Option<Reach> {
        if self.peek() == Some('b') {
            self.next()?;
            for kind in ["{start-half}", "{end-half}", "{start}", "{end}"] {
                if self.eat(kind) {
                    break;
                }
            }
            // `\b{2}` is a repeated boundary, which nobody means.
            return (self.peek() != Some('{')).then_some(Reach::EMPTY);
        }
        Some(match self.escaped()? {
            Item::Char(char) => self.char(char),
            Item::Class(bytes, ranges) => Reach::one(bytes, ranges),
            Item::Look => Reach::EMPTY,
        })
    }

    /// What follows a backslash, in a class or outside.
    fn escaped(&mut self) -> Option<Item> {
        let char = self.next()?;
        Some(match char {
            'd' => Item::Class(Bytes::NONE.with('0', '9'), 1),
            'D' => Item::Class(Bytes::NONE.with('0', '9').not(), 2),
            'w' => Item::Class(word(), 4),
            'W' => Item::Class(word().not(), 5),
            's' => Item::Class(space(), 3),
            'S' => Item::Class(space().not(), 4),
            'A' | 'z' | 'B' | '<' | '>' => Item::Look,
            'x' => Item::Char(self.hex(2)?),
            'u' => Item::Char(self.hex(4)?),
            'U' => Item::Char(self.hex(8)?),
            'n' => Item::Char('\n'),
            't' => Item::Char('\t'),
            'r' => Item::Char('\r'),
            'a' => Item::Char('\x07'),
            'f' => Item::Char('\x0c'),
            'v' => Item::Char('\x0b'),
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => Item::Char(other),
            _ => return None,
        })
    }

    fn hex(&mut self, digits: usize) -> Option<char> {
        let text = if let Some(rest) = self.rest.strip_prefix('{') {
            let (text, rest) = rest.split_once('}')?;
            self.rest = rest;
            text
        } else {
            let text = self.rest.get(..digits)?;
            self.rest = self.rest.get(digits..)?;
            text
        };
        u32::from_str_radix(text, 16).ok().and_then(char::from_u32)
    }

    /// A class whose opening bracket was read.
    fn class(&mut self) -> Option<Reach> {
        let negated = self.eat("^");
        let (mut bytes, mut ranges) = (Bytes::NONE, 0u32);
        while self.eat("-") {
            bytes = bytes.or(Bytes::of('-'));
            ranges = ranges.saturating_add(1);
        }
        if ranges == 0 && self.eat("]") {
            bytes = bytes.or(Bytes::of(']'));
        }
        loop {
            ranges = ranges.saturating_add(1);
            let first = match self.next()? {
                ']' => break,
                '[' => {
                    bytes = bytes.or(self.posix()?);
                    ranges = ranges.saturating_add(3);
                    continue;
                }
                '\\' => match self.escaped()? {
                    Item::Char(char) => char,
                    Item::Class(class, more) => {
                        bytes = bytes.or(class);
                        ranges = ranges.saturating_add(more);
                        continue;
                    }
                    Item::Look => return None,
                },
                char => char,
            };
            let is_range = self.rest.starts_with('-') && !self.rest.starts_with("-]");
            if !is_range {
                bytes = bytes.or(Bytes::of(first));
                continue;
            }
            self.next()?;
            let last = match self.next()? {
                '\\' => match self.escaped()? {
                    Item::Char(char) => char,
                    Item::Class(..) | Item::Look => return None,
                },
                '[' => return None,
                char => char,
            };
            bytes = bytes.with(first, last);
        }
        if self.flags.fold {
            bytes = bytes.folded();
            ranges = ranges.saturating_mul(2);
        }
        Some(Reach::one(if negated { bytes.not() } else { bytes }, ranges))
    }

    /// `[:name:]` of ASCII, of which the first bracket was read.
    fn posix(&mut self) -> Option<Bytes> {
        let (name, rest) = self.rest.strip_prefix(':')?.split_once(":]")?;
        self.rest = rest;
        let (negated, name) = name.strip_prefix('^').map_or((false, name), |name| (true, name));
        let none = Bytes::NONE;
        let bytes = match name {
            "alnum" => none.with('0', '9').with('A', 'Z').with('a', 'z'),
            "alpha" => none.with('A', 'Z').with('a', 'z'),
            "ascii" => none.with('\0', '\x7f'),
            "blank" => none.with('\t', '\t').with(' ', ' '),
            "cntrl" => none.with('\0', '\x1f').with('\x7f', '\x7f'),
            "digit" => none.with('0', '9'),
            "graph" => none.with('!', '~'),
            "lower" => none.with('a', 'z'),
            "print" => none.with(' ', '~'),
            "punct" => none.with('!', '/').with(':', '@').with('[', '`').with('{', '~'),
            "space" => space(),
            "upper" => none.with('A', 'Z'),
            "word" => word(),
            "xdigit" => none.with('0', '9').with('A', 'F').with('a', 'f'),
            _ => return None,
        };
        Some(if negated { bytes.not() } else { bytes })
    }
}

enum Item {
    Char(char),
    /// A class and how many ranges it has.
    Class(Bytes, u32),
    /// A boundary or an anchor.
    Look,
}

fn word() -> Bytes {
    Bytes::NONE.with('0', '9').with('A', 'Z').with('_', '_').with('a', 'z')
}

fn space() -> Bytes {
    Bytes::NONE.with('\t', '\r').with(' ', ' ')
}
