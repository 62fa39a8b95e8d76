//! What an author most likely did where a text is not YAML: YAML notices late, and says it in its own words.

use serde_saphyr::granit_parser::ScanError;

use super::YamlReader;
use crate::diagnostic::{Code, Diagnostic};
use crate::document::lookalike;

impl YamlReader<'_> {
    /// Reports characters by which a reviewer, or another reader of YAML, sees another policy than this one: line breaks of YAML
    /// 1.1 that 1.2 has none of (§5.4), which end a comment there, and what turns the order of letters on a screen (Unicode's
    /// UAX 9).
    pub(super) fn unseen(&mut self) {
        let odd = self.text.char_indices().filter_map(|(at, character)| match character {
            '\u{85}' | '\u{2028}' | '\u{2029}' => {
                Some((at, character, "ends the line for some readers of YAML, and not for others"))
            }
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                Some((at, character, "changes the order in which what follows is shown"))
            }
            _ => None,
        });
        let found: Vec<Diagnostic> = odd
            .take(8)
            .map(|(at, character, what)| {
                let span = self.span(at, at.saturating_add(character.len_utf8()));
                let code = u32::from(character);
                let message = format!("there is a character here that cannot be seen: U+{code:04X} {what}");
                let help = format!("take it out; in a quoted string write it as an escape: \"\\u{code:04x}\"");
                Diagnostic::at(Code::YamlFeature, span, message).help(help)
            })
            .collect();
        self.found.extend(found);
    }

    /// Reports what cannot be read as YAML, with the slip that most likely is behind it.
    pub(super) fn syntax(&mut self, error: &ScanError) {
        let at = error.marker().byte_offset().unwrap_or(0).min(self.text.len());
        let line = self.text.get(..at).and_then(|before| before.rfind('\n')).unwrap_or(0);
        let told = |found: &Diagnostic| {
            found.span.is_some_and(|span| {
                span.file == self.file && usize::try_from(span.start).is_ok_and(|start| start >= line)
            })
        };
        if self.found.iter().any(told) {
            // An alias that was meant to be an asterisk, most likely: what follows from it helps nobody.
            return;
        }
        if let Some((open, sign)) = self.unclosed(at) {
            let what = if matches!(sign, '"' | '\'') { "quote" } else { "bracket" };
            let span = self.span(open, open.saturating_add(1));
            self.found.push(
                Diagnostic::at(Code::Syntax, span, format!("this is not YAML: the {what} `{sign}` here is not closed"))
                    .help("close it on its line: what follows is read as a part of it"),
            );
            return;
        }
        // What a tab does is noticed where its line cannot go on, or later.
        let (at, tab) = match self.tab(at) {
            Some(tab) => (tab, true),
            None => (at, false),
        };
        let length = self.text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let span = self.span(at, at.saturating_add(length));
        let diagnostic = Diagnostic::at(Code::Syntax, span, format!("this is not YAML: {}", error.info()));
        self.found.push(match self.unquoted_path(at).filter(|_| !tab) {
            Some(path) => diagnostic
                .help(format!("inside {{…}} and […], a path with brackets or a comma has to be quoted: \"{path}\"")),
            None if tab => diagnostic.help("indent with spaces: YAML allows no tab there"),
            None if self.line_of(at).contains("{{") => {
                diagnostic.help("this looks like a template: check what it is rendered to")
            }
            None if error.info().contains("escape") => match self.in_single_quotes(at) {
                Some(quoted) => {
                    diagnostic.help(format!("write {quoted}: in double quotes a backslash begins an escape"))
                }
                None => diagnostic.help("write it in single quotes: in double ones a backslash begins an escape"),
            },
            None if self.text.get(at..).is_some_and(|rest| rest.starts_with("%YAML") || rest.starts_with("%TAG")) => {
                diagnostic.help("leave the directive out: a policy is read as YAML 1.2")
            }
            None if self.text.get(at..).is_some_and(|rest| rest.starts_with(['@', '`', '%'])) => {
                diagnostic.help("quote the value: YAML keeps this character for itself at the start of a value")
            }
            None if self.text.get(at..).is_some_and(|rest| rest.starts_with('*')) => {
                diagnostic.help("quote the asterisk: \"*\"")
            }
            None if self.control(at).is_some() => {
                let c = self.control(at).map_or(0, u32::from);
                diagnostic.help(format!("take out the character U+{c:04X}, which no YAML text has"))
            }
            None => match self.quotes_in_quotes(at).or_else(|| self.slip(at)) {
                Some(slip) => diagnostic.help(slip),
                None => diagnostic.help("look at the quotes, brackets and indentation on this line and the one above"),
            },
        });
    }

    /// The quote or bracket of an earlier line that is still open at an offset, where its line looks as if it had ended: the lines
    /// after it have keys, and are indented no further.
    fn unclosed(&self, at: usize) -> Option<(usize, char)> {
        let line_end = self.text.get(at..)?.find('\n').map_or(self.text.len(), |line| at.saturating_add(line));
        let line_start = self.text.get(..at)?.rfind('\n').map_or(0, |line| line.saturating_add(1));
        let signs = Signs::of(self.text.get(..line_end)?);
        let has_key = |start: usize, end: usize| {
            self.text
                .get(start..end)
                .is_some_and(|inside| inside.split_once('\n').is_some_and(|(_, rest)| rest.contains(':')))
        };
        if let Some((start, end)) = signs.long.filter(|(start, end)| *end > line_start && has_key(*start, *end)) {
            let sign = self.text.get(start..end)?.chars().next()?;
            return Some((start, sign));
        }
        let signs = Signs::of(self.text.get(..at)?);
        let open = *signs.open.last().filter(|open| **open < line_start)?;
        let indent = |at: usize| self.line_of(at).chars().take_while(|c| *c == ' ').count();
        let sign = self.text.get(open..)?.chars().next()?;
        (indent(at) <= indent(open) && self.line_of(at).contains(": ")).then_some((open, sign))
    }

    /// The tab in the indentation of the last line with one, up to that offset, or of the line after it.
    fn tab(&self, at: usize) -> Option<usize> {
        let end = self.text.get(at..)?.find('\n').map_or(self.text.len(), |line| at.saturating_add(line));
        let next = end.saturating_add(1);
        let below = self.text.get(next..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let indent = below.len().saturating_sub(below.trim_start().len());
        if let Some(tab) = below.get(..indent).and_then(|indent| indent.find('\t')).filter(|_| !below.trim().is_empty())
        {
            return Some(next.saturating_add(tab));
        }
        let mut start = end;
        self.text.get(..end)?.rsplit('\n').find_map(|line| {
            start = start.saturating_sub(line.len());
            let here = start;
            start = start.saturating_sub(1);
            let indent = line.len().saturating_sub(line.trim_start().len());
            let tab = line.get(..indent)?.find('\t')?;
            (!line.trim().is_empty()).then(|| here.saturating_add(tab))
        })
    }

    fn line_of(&self, at: usize) -> &str {
        let start = self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |line| line.saturating_add(1));
        self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default()
    }

    /// The text in double quotes around an offset, in single ones.
    fn in_single_quotes(&self, at: usize) -> Option<String> {
        let open = self.text.get(..at.saturating_add(1))?.rfind('"')?;
        let inner = self.text.get(open.saturating_add(1)..)?;
        let inner = inner.get(..inner.find('"')?)?;
        (!inner.contains(['\'', '\n'])).then(|| format!("`'{inner}'`"))
    }

    /// What usually is behind an error that YAML notices late: the error's line and the one above it that is not blank.
    fn slip(&self, at: usize) -> Option<String> {
        let end = self.text.get(at..)?.find(['\n', '\r']).map_or(self.text.len(), |line| at.saturating_add(line));
        let mut lines = self.text.get(..end)?.lines().rev().filter(|line| !line.trim().is_empty());
        let (here, above) = (lines.next()?, lines.next().unwrap_or_default());
        let near = [here, above];
        let indent = |line: &str| line.len().saturating_sub(line.trim_start_matches(' ').len());
        let (here_in, above_in) = (indent(here), indent(above));
        let look = near.iter().find_map(|line| lookalike::first(line)).map(lookalike::Lookalike::help);
        look.or_else(|| near.iter().find_map(|line| spaced(line))).or_else(|| {
            if here_in > above_in && !above.is_empty() && !above.trim_end().ends_with([':', ',', '{', '[']) {
                let what = "this line is indented by";
                return Some(format!(
                    "{what} {here_in} spaces and the one above, which has a value already, by {above_in}: indent both alike"
                ));
            }
            if here_in < above_in && !lines.any(|line| indent(line) == here_in) {
                return Some(format!("this line is indented by {here_in} spaces, as none above it is"));
            }
            // Inside of a map in braces, of the pair that the error is in.
            let column = at.saturating_sub(self.text.get(..at)?.rfind('\n').map_or(0, |line| line.saturating_add(1)));
            let before = here.get(..column).unwrap_or(here);
            let start = before.rfind(['{', '[', ',']).map_or(0, |open| open.saturating_add(1));
            let pair = here.get(start..)?;
            let pair = if start > 0 { pair.split(['}', ']', ',']).next()? } else { pair };
            let value = pair.trim().split_once(": ")?.1;
            let bare = !value.starts_with(['"', '\'', '{', '[', '|', '>']) && value.contains(": ");
            bare.then(|| format!("quote the value, which has a colon and a space in it: \"{value}\""))
        })
    }

    /// A path in double quotes that has double quotes in it: in single ones it is what was meant.
    fn quotes_in_quotes(&self, at: usize) -> Option<String> {
        let (_, value) = self.line_of(at).split_once(": ")?;
        let inner = value.trim().strip_prefix('"')?.strip_suffix('"')?;
        let path = inner.starts_with('$') && inner.contains('"') && !inner.contains(['\'', '\\']);
        path.then(|| format!("write single quotes inside: \"{}\"", inner.replace('"', "'")))
    }

    /// A character that no YAML text has, on the error's line or the one above.
    fn control(&self, at: usize) -> Option<char> {
        let end = self.text.get(at..)?.find('\n').map_or(self.text.len(), |line| at.saturating_add(line));
        let near = self.text.get(..end)?.lines().rev().take(2);
        near.flat_map(str::chars).find(|c| c.is_control() && !matches!(c, '\t' | '\r'))
    }

    /// A path with brackets that stands without quotes on the error's line or the one above, which YAML takes apart
    /// inside flow collections.
    fn unquoted_path(&self, at: usize) -> Option<String> {
        let before = self.text.get(..at)?;
        let start = before
            .rfind('\n')
            .map_or(0, |line| before.get(..line).and_then(|b| b.rfind('\n')).map_or(0, |b| b.saturating_add(1)));
        let end = self.text.get(at..)?.find('\n').map_or(self.text.len(), |line| at.saturating_add(line));
        let lines = self.text.get(start..end)?;
        lines.lines().rev().find_map(|line| {
            let open = line.find(['{', '['])?;
            let rest = line.get(open..)?;
            let dollar = rest.find('$')?;
            let quoted = rest.get(..dollar)?.ends_with(['"', '\'']);
            let path = rest.get(dollar..)?;
            let bracket = path.find('[')?;
            if quoted || path.get(..bracket)?.contains([' ', ',', '"', '\'']) {
                return None;
            }
            let mut depth = 0_usize;
            let mut stop = path.len();
            for (index, c) in path.char_indices() {
                match c {
                    '[' => depth = depth.saturating_add(1),
                    ']' if depth == 0 => {
                        stop = index;
                        break;
                    }
                    ']' => depth = depth.saturating_sub(1),
                    ':' | ',' | '}' if depth == 0 => {
                        stop = index;
                        break;
                    }
                    _ => {}
                }
            }
            path.get(..stop).map(|path| path.replace('"', "'"))
        })
    }
}

/// Quotes and brackets of a text, as far as YAML would take them for such.
#[derive(Debug, Default)]
struct Signs {
    /// The last text in quotes that goes over several lines, or is not closed at all: its offset, and that of its end.
    long: Option<(usize, usize)>,
    /// Offsets of brackets that are open at the end.
    open: Vec<usize>,
}

impl Signs {
    fn of(text: &str) -> Self {
        let mut signs = Self::default();
        let mut chars = text.char_indices().peekable();
        // Whether a value or a key may begin here, and the character before.
        let (mut begins, mut before) = (true, '\n');
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            match c {
                '"' | '\'' if begins => {
                    let mut end = text.len();
                    while let Some((inside, of)) = chars.next() {
                        if of == '\\' && c == '"'
                            || of == c && c == '\'' && chars.peek().is_some_and(|(_, of)| *of == c)
                        {
                            chars.next();
                        } else if of == c {
                            end = inside.saturating_add(1);
                            break;
                        }
                    }
                    if text.get(at..end).is_some_and(|quoted| quoted.contains('\n')) {
                        signs.long = Some((at, end));
                    }
                    begins = false;
                }
                '#' if before.is_whitespace() => while chars.next_if(|(_, c)| *c != '\n').is_some() {},
                '[' | '{' if begins || !signs.open.is_empty() => {
                    signs.open.push(at);
                    begins = true;
                }
                ']' | '}' if !signs.open.is_empty() => {
                    signs.open.pop();
                    begins = false;
                }
                ',' if !signs.open.is_empty() => begins = true,
                '\n' => begins = true,
                ':' | '-' if next.is_none_or(char::is_whitespace) => begins = true,
                _ => begins &= c.is_whitespace(),
            }
            before = c;
        }
        signs
    }
}

/// A key and its value that YAML reads as one word, as they should be.
fn spaced(line: &str) -> Option<String> {
    let pair = line.trim().trim_start_matches("- ");
    let (key, value) = match pair.split_once(" = ") {
        Some(pair) => pair,
        None => pair.split_once(':')?,
    };
    let word = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '$'));
    let apart = value.is_empty() || value.starts_with([' ', '/']);
    (word && (!apart || pair.contains(" = "))).then(|| format!("write a colon and a space: `{key}: {value}`"))
}
