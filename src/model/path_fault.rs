//! [`PathFault`]: why a field path is refused, and what to write instead.
//!
//! The parser of jsonpath-rust says what its grammar expected, which helps nobody who meant something else. So the usual
//! slips are looked for by hand.

/// Why a text is not a field path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathFault {
    /// Whether it is valid RFC 9535 but not of the profile (rule 11).
    pub kind: PathFaultKind,
    /// A clause whose subject is the path.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// What kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFaultKind {
    /// Not RFC 9535.
    Syntax,
    /// RFC 9535, but not of the profile (rule 11).
    Profile,
}

impl PathFault {
    pub(super) fn profile(message: impl Into<String>) -> Self {
        Self { kind: PathFaultKind::Profile, message: message.into(), help: None }
    }

    fn syntax(message: impl Into<String>) -> Self {
        Self { kind: PathFaultKind::Syntax, message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

pub(super) fn number() -> PathFault {
    PathFault::profile("its filter has a number that JSON readers do not agree on (RFC 7493 §2.2)")
        .help("stay between -9007199254740991 and 9007199254740991")
}

pub(super) fn query_wanted(name: &str) -> PathFault {
    PathFault::profile(format!("`{name}()` takes a query")).help(format!("give it one, as in `{name}(@.a[*])`"))
}

pub(super) fn unknown_function(name: &str) -> PathFault {
    PathFault::profile(format!("its filter calls `{name}()`, which does not exist"))
        .help("there are `length()`, `count()` and `value()`")
}

/// What can be said before parsing, and bounds on the parser's work.
pub(super) fn before(text: &str, length: usize, nesting: usize) -> Result<(), PathFault> {
    if text.is_empty() {
        return Err(PathFault::syntax("it is empty").help("`$` is the body itself"));
    }
    if text.len() > length {
        return Err(PathFault::syntax(format!("it is longer than {length} bytes")).help("say it with fewer conditions"));
    }
    if text.trim() != text {
        return Err(PathFault::syntax("it starts or ends with white space").help("leave that out"));
    }
    if !text.starts_with('$') {
        let fault = PathFault::syntax("it does not start with `$`");
        return Err(if let Some(pointer) = text.strip_prefix('/') {
            let path = pointer.split('/').fold("$".to_owned(), |path, step| {
                let step = step.replace("~1", "/").replace("~0", "~");
                if step.bytes().all(|byte| byte.is_ascii_digit()) { path + "[*]" } else { path + "." + &step }
            });
            fault.help(format!("paths are JSONPath, not JSON Pointer: `{path}`"))
        } else if text.starts_with('@') {
            fault.help("`@` is for filters; a path starts at the body's, or the shape's, root: `$`")
        } else {
            fault.help("begin with the root: `$.emails[*].address`")
        });
    }
    let bare = without_strings(text)
        .ok_or_else(|| PathFault::syntax("a quote is not closed").help("strings in paths stand between '…'"))?;
    if bare.chars().any(|c| !c.is_ascii() && c.is_whitespace() || c.is_control()) {
        return Err(PathFault::syntax("it has an unusual white space or control character outside quotes")
            .help("retype it with plain spaces"));
    }
    if let Err(fault) = spaces(&bare) {
        return Err(operator_word(&bare).unwrap_or(fault));
    }
    let mut depth = 0_usize;
    for c in bare.chars() {
        match c {
            '(' | '[' => depth = depth.saturating_add(1),
            ')' | ']' => {
                depth = depth.checked_sub(1).ok_or_else(|| {
                    PathFault::syntax(format!("a `{c}` closes nothing")).help("open it, or take it out")
                })?;
            }
            _ => {}
        }
        if depth > nesting {
            return Err(PathFault::syntax(format!("more than {nesting} brackets are open at once"))
                .help("take out those that change nothing"));
        }
    }
    if depth > 0 {
        return Err(PathFault::syntax("a bracket is not closed").help("count `[` and `]`, `(` and `)`"));
    }
    Ok(())
}

/// White space that jsonpath-rust would take as part of a name, or leave out of one: inside and in front of names, and
/// between segments outside brackets, where the standard allows it but nobody means it.
fn spaces(bare: &str) -> Result<(), PathFault> {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '@') || !c.is_ascii();
    let mut depth = 0_usize;
    let mut before: Option<char> = None;
    let mut chars = bare.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '[' | '(' => depth = depth.saturating_add(1),
            ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c != ' ' {
            before = Some(c);
            continue;
        }
        let next = chars.peek().copied();
        let joins = before.is_some_and(word) && next.is_some_and(word);
        if depth == 0 || before == Some('.') || joins {
            return Err(PathFault::syntax("it has a space where names are joined")
                .help("leave the space out; a member whose name has one is `['a b']`"));
        }
    }
    Ok(())
}

/// The text with every string literal emptied, so that what is left is syntax; `None` if a quote is not closed.
fn without_strings(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut inside: Option<char> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match inside {
            Some(_) if c == '\\' => {
                chars.next();
            }
            Some(quote) if c == quote => {
                inside = None;
                out.push(c);
            }
            Some(_) => {}
            None => {
                if matches!(c, '\'' | '"') {
                    inside = Some(c);
                }
                out.push(c);
            }
        }
    }
    inside.is_none().then_some(out)
}

/// What is wrong with the conditions of a path, whose strings have been taken out.
fn condition(bare: &str) -> Option<PathFault> {
    let member = |rest: &str| {
        let name: String = rest.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let called = rest.trim_start().get(name.len()..).is_some_and(|rest| rest.starts_with('('));
        (!called && name.starts_with(char::is_alphabetic)).then_some(name)
    };
    if let Some(name) = bare.split("[?").nth(1).and_then(member) {
        return Some(
            PathFault::syntax(format!("its filter has `{name}` without `@`"))
                .help(format!("write `@.{name}`, which is that member of each element")),
        );
    }
    if bare.contains("=~") {
        return Some(
            PathFault::syntax("its filter has a regular expression")
                .help("compare with `==`, one value at a time, joined by `||`"),
        );
    }
    if let Some(fault) = operator_word(bare) {
        return Some(fault);
    }
    let single = |operator: char| {
        let doubled: String = [operator, operator].iter().collect();
        bare.replace(&doubled, "").contains(operator)
    };
    if bare.contains("===") {
        return Some(PathFault::syntax("`===` is not an operator").help("two values are compared by `==`"));
    }
    let assigned = bare.replace("==", "").replace("!=", "").replace("<=", "").replace(">=", "");
    if assigned.contains('=') {
        return Some(PathFault::syntax("`=` is not an operator").help("two values are compared by `==`"));
    }
    if single('&') || single('|') {
        return Some(PathFault::syntax("a condition is joined by a single sign").help("write `&&` or `||`"));
    }
    if let Some(name) = ["count", "value"].into_iter().find(|name| {
        bare.match_indices(&format!("{name}(")).any(|(at, call)| {
            bare.get(at.saturating_add(call.len())..).is_some_and(|rest| !rest.trim_start().starts_with(['@', '$']))
        })
    }) {
        return Some(query_wanted(name));
    }
    if let Some(name) = called(bare) {
        return Some(unknown_function(name));
    }
    None
}

/// The likeliest slip in a text that does not parse.
pub(super) fn guess(text: &str) -> PathFault {
    let bare = without_strings(text).unwrap_or_default();
    let digits = bare.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    if digits > 15 {
        return number();
    }
    if let Some(fault) = condition(&bare) {
        return fault;
    }
    if bare.contains(".[") {
        return PathFault::syntax("it has a full stop in front of a bracket")
            .help(format!("write `{}`", text.replace(".[", "[")));
    }
    if bare.ends_with('.') {
        return PathFault::syntax("it ends in a full stop").help(format!("write `{}`", text.trim_end_matches('.')));
    }
    let outside = outside_brackets(&bare);
    if let Some(step) =
        outside.split('.').skip(1).find(|step| !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return PathFault::syntax(format!("`.{step}` is not a member name"))
            .help(format!("`[*]` is every element; a member of that name is `['{step}']`"));
    }
    let shorthand = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '*') || !c.is_ascii();
    if let Some(step) = outside.split('.').skip(1).find(|step| !step.is_empty() && !step.chars().all(shorthand)) {
        let quoted = text.replacen(&format!(".{step}"), &format!("['{step}']"), 1);
        // Brackets that were left out may stand within the step: then it is in no such place to be quoted.
        return if quoted == text {
            PathFault::syntax("it has a character that is in no path").help("quote a member's name: `['a^b']`")
        } else if step.contains('/') {
            let parted = text.replacen(step, &step.replace('/', "."), 1);
            PathFault::syntax(format!("`.{step}` has a character that needs quotes"))
                .help(format!("write `{parted}` for a member of a member, or `{quoted}` for one name"))
        } else {
            PathFault::syntax(format!("`.{step}` has a character that needs quotes")).help(format!("write `{quoted}`"))
        };
    }
    if let Some(word) = unquoted(&bare) {
        return PathFault::syntax(format!("`[{word}]` names a member without quotes"))
            .help(format!("write `['{word}']`, or `[?@.{word}]` for a test"));
    }
    if bare.contains("[?") && bare.contains('*') {
        return PathFault::syntax("its filter compares a query that may find several values")
            .help("wrap it: `value(@.a[*]) == …`");
    }
    PathFault::syntax("it is not a JSONPath query (RFC 9535)")
        .help("write member names and `[*]`: `$.lines[*].number`; or a condition: `$.lines[?@.kind == 'sim'].number`")
}

/// An operator of another language.
fn operator_word(bare: &str) -> Option<PathFault> {
    for word in [" in ", " nin ", " contains ", " anyof ", " subsetof "] {
        if bare.contains(word) {
            return Some(
                PathFault::syntax(format!("`{}` is not an operator", word.trim())).help(
                    "compare with `==`, one value at a time, joined by `||`: `[?@.kind == 'a' || @.kind == 'b']`",
                ),
            );
        }
    }
    for (wrong, right) in
        [(" and ", "&&"), (" AND ", "&&"), (" or ", "||"), (" OR ", "||"), ("?not ", "!"), (" not ", "!"), ("<>", "!=")]
    {
        if bare.contains(wrong) {
            return Some(
                PathFault::syntax(format!("`{}` is not an operator", wrong.trim().trim_start_matches('?')))
                    .help(format!("write `{right}`")),
            );
        }
    }
    None
}

/// The name in front of a `(` that is no function.
fn called(bare: &str) -> Option<&str> {
    bare.match_indices('(').find_map(|(at, _)| {
        let before = bare.get(..at)?;
        let start =
            before.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map_or(0, |at| at.saturating_add(1));
        let name = before.get(start..)?;
        (!name.is_empty() && !matches!(name, "length" | "count" | "value" | "match" | "search")).then_some(name)
    })
}

/// A path's text without what its brackets hold.
fn outside_brackets(bare: &str) -> String {
    let mut depth = 0_usize;
    bare.chars()
        .filter(|c| match c {
            '[' => {
                depth = depth.saturating_add(1);
                false
            }
            ']' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect()
}

/// The word of a bracket that holds nothing else.
fn unquoted(bare: &str) -> Option<&str> {
    bare.split('[').skip(1).find_map(|rest| {
        let word = rest.split(']').next()?;
        let name = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        name.then_some(word)
    })
}

/// The path that was most likely meant: brackets filled, names quoted that need it, other languages' signs taken out. Whether it
/// is a path is for the caller to ask.
pub(crate) fn mended(text: &str) -> Option<String> {
    let text = text.trim();
    if text.starts_with(['/', '@']) {
        return None;
    }
    let text = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    // A mixture with JSON Pointer: its slashes are full stops, unless a name has one.
    let slashed = text
        .strip_prefix("$/")
        .filter(|rest| !rest.contains(['.', '[', '~']))
        .map(|rest| format!("$.{}", rest.replace('/', ".")));
    let text = slashed.as_deref().unwrap_or(text);
    let text = operators(&text.replace("[]", "[*]").replace(".[", "["));
    let rest = text.strip_prefix('$').unwrap_or(&text);
    let mut out = "$".to_owned();
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '.' if chars.peek() == Some(&'.') => return None,
            '.' if chars.peek().is_none() => break,
            '.' => out.push_str(&step(&mut chars)?),
            '[' => {
                out.push('[');
                bracket(&mut chars, &mut out)?;
            }
            // A name at the start, without what stands before it.
            _ if out == "$" => {
                let mut again = std::iter::once(c).chain(chars.by_ref()).collect::<String>();
                again.insert(0, '.');
                return mended(&again);
            }
            _ => return None,
        }
    }
    Some(out)
}

/// A filter's operators as JSONPath spells them, outside of quotes: `=` and `===` as `==`, `and` as `&&`, `or` as `||`.
fn operators(text: &str) -> String {
    if !text.contains("[?") {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut quote = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let swapped = [
            ("===", "=="),
            ("==", "=="),
            ("!=", "!="),
            ("<=", "<="),
            (">=", ">="),
            ("=", "=="),
            (" and ", " && "),
            (" or ", " || "),
        ]
        .into_iter()
        .filter(|_| quote.is_none())
        .find_map(|(old, new)| rest.strip_prefix(old).map(|after| (new, after)));
        if let Some((new, after)) = swapped {
            out.push_str(new);
            rest = after;
            continue;
        }
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            _ => {}
        }
        out.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    out
}

/// A name after a full stop: as it is if it may stand so, else in brackets and quotes.
fn step(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut name = String::new();
    if let Some(quote @ ('"' | '\'')) = chars.peek().copied() {
        chars.next();
        loop {
            match chars.next()? {
                c if c == quote => break,
                '\\' => name.push(chars.next()?),
                c => name.push(c),
            }
        }
    } else {
        while let Some(c) = chars.next_if(|c| !matches!(c, '.' | '[')) {
            // What other languages write before a full stop within a name.
            name.push(if c == '\\' { chars.next()? } else { c });
        }
    }
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii())
        && !name.starts_with(|c: char| c.is_ascii_digit());
    match name.as_str() {
        "" => None,
        // More likely an element than a member of that name.
        _ if name.bytes().all(|byte| byte.is_ascii_digit()) => Some("[*]".to_owned()),
        "*" => Some("[*]".to_owned()),
        // A slash may part two members, or be of a name.
        _ if name.contains(['\'', '\\', '/']) => None,
        _ if plain => Some(format!(".{name}")),
        _ => Some(format!("['{name}']")),
    }
}

/// The rest of a bracket, as it stands.
fn bracket(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) -> Option<()> {
    let start = out.len();
    let mut depth = 1_usize;
    let mut quote: Option<char> = None;
    while depth > 0 {
        let c = chars.next()?;
        out.push(c);
        match (quote, c) {
            (Some(_), '\\') => out.push(chars.next()?),
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth = depth.saturating_add(1),
            (None, ']') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
    }
    // A number is an element, and an entry speaks about every one.
    let inside = out.get(start..)?.strip_suffix(']')?;
    if !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_digit()) {
        out.truncate(start);
        out.push_str("*]");
    }
    Some(())
}
