//! How others may read a path (rule 5): where unmatched requests pass, or a route with a parameter lets its own pass, none may
//! pass that an upstream could take for a governed route's.
//!
//! Upstreams differ in what they call one path: in the case of letters, in slashes that are doubled or at the end, in whether
//! an extension or `;parameters` belong to a segment, in how often they decode. So all of these readings are tried, and the
//! path is governed under one of them or under none. The method and the authority are not asked: which of an upstream's
//! handlers answers, and under which names, is the upstream's to know.
//!
//! | route | also read as it |
//! |---|---|
//! | `/accounts/{id}` | `/Accounts/1`, `/accounts/1/`, `/accounts%253Bv=1/1`, `/%3Bx/accounts/1`, `/x/%252E%252E/accounts/1` |
//! | `/accounts` | `/accounts/`, `/ACCOUNTS`, `/accounts.json`, `/accounts%20` |

use super::forks::{ForkStep, Forks};
use crate::model::{Template, TemplateSegment};

/// How often a path is decoded. One that has still something to decode after that is not sent by any honest caller.
const DECODINGS: usize = 3;

/// The governed routes of a policy, as others may read them.
#[derive(Debug)]
pub(super) struct Loose {
    templates: Vec<TemplateParts>,
    forks: Forks,
}

/// A template's segments.
#[derive(Debug)]
struct TemplateParts {
    pieces: Vec<TemplatePart>,
    /// Whether the last one is several.
    open: bool,
}

/// One segment of a template, decoded and folded.
#[derive(Debug)]
enum TemplatePart {
    /// This text.
    Text(String),
    /// One character or more between these texts.
    Around(String, String),
}

/// The path can be read in a way that cannot be followed.
struct UnreadablePath;

impl Loose {
    pub(super) fn new<'t>(governed: impl Iterator<Item = &'t Template>) -> Self {
        let pieces = |template: &Template| TemplateParts {
            pieces: template.segments.iter().map(piece).collect(),
            open: matches!(template.segments.last(), Some(TemplateSegment::Rest(_))),
        };
        let templates: Vec<TemplateParts> = governed.map(pieces).collect();
        let forks = Forks::new(templates.iter().map(TemplateParts::steps));
        Self { templates, forks }
    }

    /// Whether some reading of a canonical path is a governed route's. A path that cannot be read to its end may be.
    pub(super) fn may_be_governed(&self, path: &str) -> bool {
        self.may_be_one_of(path, self.templates.len(), &[])
    }

    /// Whether some reading of a canonical path is that of one of the first `count` routes, `but` these, which are among them. A
    /// path that cannot be read to its end may be, if there is any.
    pub(super) fn may_be_one_of(&self, path: &str, count: usize, but: &[usize]) -> bool {
        let is_asked = |index: usize| index < count && !but.contains(&index);
        // Where none is asked for, a path that cannot be read is nobody's.
        count > but.len()
            && readings(path).map_or(true, |readings| {
                readings.iter().flat_map(|text| ways(text)).any(|segments| self.fits(&segments, &is_asked))
            })
    }

    /// [`Self::may_be_governed`], looking at each template in turn.
    #[cfg(test)]
    pub(super) fn may_be_governed_one_by_one(&self, path: &str) -> bool {
        let fits = |segments: Vec<&str>| self.templates.iter().any(|template| template.fits(&segments));
        !self.templates.is_empty()
            && readings(path).map_or(true, |readings| readings.iter().flat_map(|text| ways(text)).any(fits))
    }

    fn fits(&self, segments: &[&str], is_asked: &impl Fn(usize) -> bool) -> bool {
        self.forks.find(segments.iter().copied(), &beginnings, &mut |index| {
            is_asked(index) && self.templates.get(index).is_some_and(|template| template.fits(segments))
        })
    }
}

impl TemplateParts {
    fn fits(&self, segments: &[&str]) -> bool {
        let as_many = self.pieces.len() == segments.len() || (self.open && self.pieces.len() < segments.len());
        as_many && self.pieces.iter().zip(segments).all(|(piece, segment)| piece.reads(segment))
    }

    /// Its segments, as far as they tell apart what it cannot fit: what stands after a parameter may have anything behind it.
    fn steps(&self) -> impl Iterator<Item = ForkStep<'_>> {
        let last = self.pieces.len().checked_sub(1).filter(|_| self.open);
        self.pieces.iter().enumerate().map(move |(index, piece)| match piece {
            // The last one of several reads any segment, and whatever follows.
            _ if last == Some(index) => ForkStep::Rest,
            TemplatePart::Text(text) => ForkStep::Text(text),
            TemplatePart::Around(before, _) => ForkStep::Between(before, ""),
        })
    }
}

/// The segments of a text, for each reader.
fn ways(text: &str) -> impl Iterator<Item = Vec<&str>> {
    // What follows is no part of the path for whoever takes it for a query, a fragment, or the end of a text.
    let cut = text.split(['?', '#', '\0']).next().unwrap_or_default();
    [text, cut].into_iter().flat_map(|text| {
        let written = || text.split(['/', '\\']);
        // A segment that is only parameters or white space is an empty one for who takes those away.
        [written().collect(), written().map(bare).collect()].into_iter().flat_map(|segments: Vec<&str>| {
            // With dot segments, and as who resolves them before or after empty segments go has it.
            let kept = without_empty(&segments);
            [without_empty(&resolved(&segments)), resolved(&kept), kept]
        })
    })
}

fn without_empty<'s>(segments: &[&'s str]) -> Vec<&'s str> {
    segments.iter().copied().filter(|segment| !segment.is_empty()).collect()
}

/// A segment without its parameters, and without white space around it.
fn bare(segment: &str) -> &str {
    let before = segment.split(';').next().unwrap_or_default();
    before.trim_matches(|letter: char| letter.is_whitespace() || letter.is_control())
}

/// What a segment may be taken for: all of it, or what stands before something that ends it for some reader.
fn beginnings(segment: &str) -> impl Iterator<Item = &str> {
    let cuts = segment.char_indices().map(|(at, _)| at).filter(|at| segment.get(*at..).is_some_and(ends));
    cuts.chain([segment.len()]).filter_map(|at| segment.get(..at))
}

impl TemplatePart {
    fn reads(&self, segment: &str) -> bool {
        match self {
            Self::Text(text) => segment.strip_prefix(text.as_str()).is_some_and(ends),
            Self::Around(before, after) => segment.strip_prefix(before.as_str()).is_some_and(|rest| {
                rest.char_indices().skip(1).map(|(at, _)| at).chain([rest.len()]).any(|at| {
                    at > 0 && rest.get(at..).and_then(|rest| rest.strip_prefix(after.as_str())).is_some_and(ends)
                })
            }),
        }
    }
}

/// Whether a segment is over for some reader: nothing follows, or an extension, parameters, or white space.
fn ends(rest: &str) -> bool {
    rest.chars().next().is_none_or(|next| ".;?#".contains(next) || next.is_whitespace() || next.is_control())
}

fn piece(segment: &TemplateSegment) -> TemplatePart {
    match segment {
        TemplateSegment::Literal(literal) => TemplatePart::Text(literally(literal)),
        TemplateSegment::Part { before, after, .. } => TemplatePart::Around(literally(before), literally(after)),
        TemplateSegment::Parameter(_) | TemplateSegment::Rest(_) => TemplatePart::Around(String::new(), String::new()),
    }
}

/// A literal of a template, which is in canonical percent-encoding.
fn literally(text: &str) -> String {
    folded(&String::from_utf8_lossy(&decoded(text.as_bytes())))
}

/// The path, and what comes of decoding it again and again.
fn readings(path: &str) -> Result<Vec<String>, UnreadablePath> {
    let mut bytes = path.as_bytes().to_vec();
    let mut readings = vec![folded(path)];
    for _ in 0..DECODINGS {
        let next = decoded(&bytes);
        if next == bytes {
            return Ok(readings);
        }
        readings.push(folded(std::str::from_utf8(&next).map_err(|_| UnreadablePath)?));
        bytes = next;
    }
    if decoded(&bytes) == bytes { Ok(readings) } else { Err(UnreadablePath) }
}

/// Percent-decodes; what is no escape stays.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let digit =
        |at: Option<&u8>| at.and_then(|byte| char::from(*byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        let escape = if *first == b'%' { digit(after.first()).zip(digit(after.get(1))) } else { None };
        (rest, _) = match escape {
            Some((high, low)) => (after.get(2..).unwrap_or_default(), out.push((high << 4) | low)),
            None => (after, out.push(*first)),
        };
    }
    out
}

/// Without the difference of case, and full-width forms as what they are forms of.
fn folded(text: &str) -> String {
    let plain = |letter: char| match letter {
        '\u{ff01}'..='\u{ff5e}' => u32::from(letter).checked_sub(0xfee0).and_then(char::from_u32).unwrap_or(letter),
        other => other,
    };
    let plain: String = text.chars().map(plain).collect();
    // First to upper case: that way `ı` and `ſ` become the letters that a reader without their case takes them for.
    plain.to_uppercase().to_lowercase()
}

/// Without dot segments (RFC 3986 §5.2.4).
fn resolved<'s>(segments: &[&'s str]) -> Vec<&'s str> {
    let mut out = Vec::with_capacity(segments.len());
    for segment in segments {
        match bare(segment) {
            "." | "%2e" => {}
            ".." | ".%2e" | "%2e." | "%2e%2e" => {
                out.pop();
            }
            _ => out.push(*segment),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_governed_if_some_reader_takes_it_for_a_routes() {
        let literal = |text: &str| TemplateSegment::Literal(text.into());
        let parameter = || TemplateSegment::Parameter("id".into());
        let templates = [
            vec![literal("accounts"), parameter()],
            vec![literal("Caf%C3%89")],
            vec![literal("acct"), literal("me"), literal("kids")],
            vec![literal("files"), TemplateSegment::Rest("path".into())],
            vec![TemplateSegment::Part { before: "Products(".into(), name: "id".into(), after: ")".into() }],
        ]
        .map(|segments| Template { segments, trailing_slash: false });
        let loose = Loose::new(templates.iter());
        let rows = [
            ("the path itself", "/accounts/1", true),
            ("another case", "/Accounts/1", true),
            ("another case of a letter that is its own", "/acct/me/\u{212a}ids", true),
            ("another case beyond ASCII", "/caf%C3%A9", true),
            ("a slash more", "/accounts/1/", true),
            ("a slash more where there is no parameter", "/acct/me/kids/", true),
            ("a slash twice", "/accounts//1", true),
            ("many slashes", "//accounts///1//", true),
            ("decoded once", "/%61ccounts/1", true),
            ("decoded twice", "/%2561ccounts/1", true),
            ("decoded three times", "/%252561ccounts/1", true),
            ("to be decoded more often than anybody does", "/x/%2525252561", true),
            ("a slash that is decoded", "/accounts%2F1", true),
            ("a slash that is decoded twice", "/accounts%252F1", true),
            ("a backslash that is decoded twice", "/accounts%255C1", true),
            ("a full-width slash", "/accounts%EF%BC%8F1", true),
            ("a full-width letter", "/%EF%BD%81ccounts/1", true),
            ("a letter without a dot", "/acct/me/k\u{131}ds", true),
            ("parameters of a segment", "/accounts;v=1/1", true),
            ("parameters of a segment that are decoded", "/accounts%3Bv=1/1", true),
            ("a dot segment", "/./accounts/1", true),
            ("a dot-dot segment", "/x/../accounts/1", true),
            ("a dot-dot segment that is decoded", "/x/%2E%2E/accounts/1", true),
            ("a dot-dot segment that is decoded twice", "/x/%252E%252E/accounts/1", true),
            ("a dot-dot segment with parameters", "/x/..;v=1/accounts/1", true),
            ("a dot-dot segment in a parameter's place", "/accounts/..", true),
            ("dot-dot segments beyond the root", "/../../accounts/1", true),
            ("a dot-dot segment with a space", "/x/..%20/accounts/1", true),
            ("a dot-dot segment with a control character", "/x/..%2509/accounts/1", true),
            ("a dot-dot segment behind an empty one", "/accounts//../1", true),
            ("a dot-dot segment that is decoded after slashes are", "/accounts/1/x%252Fy/%252E%252E", true),
            ("half a dot-dot segment that is", "/x/.%252E/accounts/1", true),
            ("a segment that is only parameters", "/;v=1/accounts/1", true),
            ("one that is decoded, at the start", "/%3Bv=1/accounts/1", true),
            ("one in the middle", "/accounts/%3Bx/1", true),
            ("one at the end", "/accounts/1/%3Bx", true),
            ("one that is decoded twice", "/accounts/%253Bx/1", true),
            ("a segment that is only white space", "/accounts/%20/1", true),
            ("white space before a segment", "/accounts/%20%09/%201", true),
            ("an extension", "/acct/me/kids.json", true),
            ("an extension of an inner segment", "/acct/me.x/kids", true),
            ("a full stop at the end", "/accounts./1", true),
            ("a space at the end", "/accounts%20/1", true),
            ("a control character at the end", "/acct/me/kids%250A", true),
            ("a query that is decoded", "/acct/me/kids%3Fx=1/y", true),
            ("a fragment that is decoded", "/acct/me/kids%23/y", true),
            ("a NUL that is decoded twice", "/acct/me/kids%2500/y", true),
            ("bytes that are not UTF-8", "/x/%C0%AF", true),
            ("several segments", "/Files/a/b/c", true),
            ("several segments, none of them", "/files", false),
            ("text around a parameter", "/products(1)", true),
            ("text around a parameter that is decoded", "/Products%2528\u{31}%2529.json", true),
            ("another text around a parameter", "/Customers(1)", false),
            ("another path", "/other/1", false),
            ("the root", "/", false),
            ("a segment less", "/accounts", false),
            ("a segment less, with a slash", "/accounts/", false),
            ("a segment more", "/accounts/1/lines", false),
            ("a longer name", "/accountsx/1", false),
            ("a name with another part", "/accounts-old/1", false),
            ("a shorter name", "/account/1", false),
            ("a file", "/static/app.js", false),
            ("a name in another alphabet", "/\u{0430}ccounts/1", false),
            ("a percent sign", "/x/100%25", false),
            ("a name that is encoded, and another", "/%C3%A9t%C3%A9/1", false),
        ];
        for (claim, path, governed) in rows {
            assert_eq!(loose.may_be_governed(path), governed, "{claim}: {path}");
        }
        assert!(!Loose::new(std::iter::empty()).may_be_governed("/accounts/1"), "no route");
    }
}
