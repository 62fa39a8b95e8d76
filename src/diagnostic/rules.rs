//! The rules of the policy language, as `docs/language.md` says them: what a "(rule 22)" of a message refers to. Not in the
//! plugin.

/// The reference page.
const PAGE: &str = include_str!("../../docs/language.md");

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its number, such as `22` or `34a`.
    pub name: &'static str,
    /// A few words.
    pub title: &'static str,
    /// Its text and examples, as Markdown.
    pub text: &'static str,
}

/// The rule of a name: `rule 22`, `rule22` or `22`, in any letter case.
///
/// # Examples
///
/// ```
/// use fieldgate::diagnostic::rules;
///
/// let rule = rules::find("rule 24").ok_or("no such rule")?;
/// assert_eq!(rule.title, "blank and hide");
/// assert!(rules::find("FG012").is_none());
/// # Ok::<(), &str>(())
/// ```
#[must_use]
pub fn find(name: &str) -> Option<Rule> {
    let name = name.trim().to_ascii_lowercase();
    let number = name.strip_prefix("rule").unwrap_or(&name).trim_start();
    all().find(|rule| rule.name == number)
}

/// A key of a policy, as the page's table has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// `scopes.*.grant`; `*` is a name of the author's own.
    pub path: &'static str,
    /// What it takes, as Markdown.
    pub takes: &'static str,
    /// What it is for, as Markdown; empty where its name says it.
    pub what: &'static str,
    /// Its rules, as Markdown's links.
    rules: &'static str,
}

impl Key {
    /// The words that it takes as they are: `show`, `mask`, ….
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        let is_word = |text: &&str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !text.is_empty();
        self.takes.split('`').skip(1).step_by(2).filter(is_word)
    }

    /// The numbers of its rules.
    pub fn rules(&self) -> impl Iterator<Item = &'static str> {
        self.rules.split('[').skip(1).filter_map(|link| link.split(']').next())
    }
}

/// All keys of a policy, in the order of the page.
pub fn keys() -> impl Iterator<Item = Key> {
    let table = PAGE.split("<!-- keys -->").nth(1).and_then(|rest| rest.split("<!-- /keys -->").next());
    table.unwrap_or_default().lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.strip_suffix(" |")?.split(" | ");
        let path = cells.next()?.strip_suffix('`')?;
        let (takes, _must, _default, what, rules) =
            (cells.next()?, cells.next()?, cells.next()?, cells.next()?, cells.next()?);
        Some(Key { path, takes, what: what.trim(), rules })
    })
}

/// All rules, in the order of the page.
pub fn all() -> impl Iterator<Item = Rule> {
    PAGE.split("\n### Rule ").skip(1).filter_map(|part| {
        let (name, rest) = part.split_once('\n')?;
        let rest = rest.split_once("\n## ").map_or(rest, |(rest, _)| rest).trim_start();
        let (title, text) = rest.strip_prefix("**")?.split_once("**")?;
        Some(Rule { name, title: title.trim_end_matches('.'), text: text.trim() })
    })
}
