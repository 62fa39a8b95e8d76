//! [`Record`]: one line of an access log, as far as the questions need it.

use std::ops::Range;

use fieldgate::report::Outcome;
use memchr::memmem;
use serde_json::Value;

/// How the object of a record begins, in every line that has one.
const START: &[u8] = b"{\"fieldgate\":";

/// Places where a record may begin that are looked at in one line: each costs a look at the rest of the line, and a caller may
/// have written them.
const MOST_STARTS: usize = 64;

/// How a line ends in which nothing stands in the record's place.
const NOTHING: &[u8] = b" -";

/// What stands in a line whose record is missing since the plugin's VM had trapped.
const TRAPPED: &[u8] = b"wasm_fail_stream";

/// How a line ends that Envoy wrote of a request that the gate refused: RBAC's own words stand right before the record's place,
/// where no caller writes.
const GATED: &[u8] = b" 403 rbac_access_denied_matched_policy[none] -";

/// One line of a log.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// It has a record.
    Record(Box<Record>),
    /// The plugin did not write it: what left is not known. The second in which the request began, where the line says it.
    Unwritten(Option<String>),
    /// The gate refused the request, since the plugin had not seen it: nothing of the API's left.
    Gated,
    /// Nothing is in it, or it is a line of Envoy's own log.
    Empty,
    /// It cannot be read.
    Broken(Broken),
}

/// Why a line cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It holds neither a record nor the `-` in the place of one.
    NoRecord,
    /// The record is not JSON, or is cut off.
    NotJson,
    /// The record is of a format that this version does not know.
    Format,
    /// A member is not what it has to be.
    Member(&'static str),
    /// It is longer than any record.
    TooLong,
    /// Another record begins behind the last whole one, or more begin than anybody looks at: whoever sent a text that the log
    /// prints, such as a request id, may have written one.
    Several,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoRecord => f.write_str("no decision record in it, and no `-` in the place of one"),
            Self::NotJson => f.write_str("the decision record is not JSON, or is cut off"),
            Self::Format => f.write_str("the decision record is of a format that this version does not know"),
            Self::Member(name) => write!(f, "`{name}` of the decision record is not what it has to be"),
            Self::TooLong => f.write_str("it is longer than any decision record"),
            Self::Several => f.write_str("several decision records begin in it: a caller may have sent one of them"),
        }
    }
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Client {
    /// A client that the policy names.
    Named(String),
    /// Another, by the tag of its id.
    Tagged(u128),
    /// Nobody, or somebody whom no key could make a tag of.
    Unknown,
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Tagged(tag) => write!(f, "tag {tag:032x}"),
            Self::Unknown => f.write_str("nobody"),
        }
    }
}

/// A decision record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// When it was settled: `2026-11-28T14:04:21.123Z`, or empty.
    pub time: String,
    /// The tag of the key that made the tags.
    pub key: Option<String>,
    /// Who asked.
    pub client: Client,
    /// What of the body left, by class and level: class, level's word, how many values.
    pub fields: Vec<(String, String, u64)>,
    /// Whose data left: the kind of subject, and the tags.
    pub subjects: Vec<(String, Vec<u128>)>,
    /// Seeded subjects that left.
    pub canaries: u64,
    /// Where in the line it stands.
    pub place: Range<usize>,
    /// Whether its line has another whole record before it: one of the two is a text that a caller sent.
    pub contested: bool,
    /// The record's own count of records that left and are nobody's in `subjects`.
    unknown: u64,
    /// All of it, as it stands.
    pub whole: Value,
}

impl Record {
    /// A member that is text; empty where it is not there.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.whole.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A member that is a number; 0 where it is not there.
    #[must_use]
    pub fn number(&self, name: &str) -> u64 {
        self.whole.get(name).and_then(Value::as_u64).unwrap_or(0)
    }

    /// The second in which it was settled: `2026-11-28T14:04:21`. These compare as the moments do.
    #[must_use]
    pub fn second(&self) -> &str {
        self.time.get(..19).unwrap_or_default()
    }

    /// Whether something of a response may have left. On a route that only reports it has, whatever would have become of it: also
    /// of one that ended while the report was not done, if the record has something of it.
    #[must_use]
    pub fn has_left(&self) -> bool {
        match self.text("outcome") {
            "unanswered" => self.only_reported() && self.has_content(),
            "unseen" => false,
            "refused" => self.only_reported(),
            _ => true,
        }
    }

    /// Whether it says anything of what a response held.
    fn has_content(&self) -> bool {
        !self.fields.is_empty() || !self.subjects.is_empty() || self.number("records") > 0 || self.unknown > 0
    }

    /// Whether the route only reported: the response went as it came, and the record says what would have left.
    #[must_use]
    pub fn only_reported(&self) -> bool {
        self.text("mode") == "reported"
    }

    /// What of the policy's classes the caller got, at which level, and how many values. Where the route only reported that is
    /// all of them, shown.
    pub fn left(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        let shown = self.only_reported();
        self.fields.iter().filter_map(move |(class, level, count)| match (shown, level.as_str()) {
            (true, _) => Some((class.as_str(), "show", *count)),
            (false, "hide") => None,
            (false, level) => Some((class.as_str(), level, *count)),
        })
    }

    /// Records that left and are nobody's in [`Self::subjects`]. Of a response that would have been refused, and was not, the
    /// record says nothing: at least one.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        if self.only_reported() && self.text("outcome") == "refused" { self.unknown.max(1) } else { self.unknown }
    }

    /// Whether the response went as it came, so that nothing of it is in the record.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.text("outcome") == "passed"
    }
}

/// Reads a line, without its end. What stands before the record does not matter: of several whole ones the last is the plugin's,
/// since what a caller sends is printed before it, if at all.
#[must_use]
pub fn read(line: &[u8]) -> Line {
    let line = line.trim_ascii_end();
    let bare = line.trim_ascii_start();
    if bare.is_empty() {
        return Line::Empty;
    }
    let begins = memmem::find(line, START).is_some();
    // Nothing is in the record's place, whatever a caller's text before it looks like.
    let nothing = line.ends_with(NOTHING);
    if begins && !nothing {
        return match last_whole(line) {
            Ok(record) => Line::Record(Box::new(record)),
            Err(broken) => Line::Broken(broken),
        };
    }
    if is_envoys_own(bare) {
        return Line::Empty;
    }
    if line.ends_with(GATED) {
        return Line::Gated;
    }
    let unwritten = nothing || memmem::find(line, TRAPPED).is_some();
    if unwritten { Line::Unwritten(second_of(bare)) } else { Line::Broken(Broken::NoRecord) }
}

/// The last whole record of a line in which one begins. Of the whole ones before it one is enough to know that there are several.
fn last_whole(line: &[u8]) -> Result<Record, Broken> {
    let mut found: Option<Record> = None;
    let mut fault = None;
    let mut last = 0;
    for (number, at) in memmem::rfind_iter(line, START).enumerate() {
        if number == 0 {
            last = at;
        }
        if number == MOST_STARTS {
            return found.map(|record| Record { contested: true, ..record }).ok_or(Broken::Several);
        }
        match (whole(line, at), &mut found) {
            // A name of the policy's can be spelled like a start, within the record; behind it nothing may begin.
            (Ok(record), None) if last >= record.place.end => return Err(Broken::Several),
            (Ok(record), None) => found = Some(record),
            (Ok(_), Some(record)) => {
                record.contested = true;
                break;
            }
            (Err(broken), _) => fault = fault.or(Some(broken)),
        }
    }
    found.ok_or(fault.unwrap_or(Broken::NoRecord))
}

/// The record that begins at a place of a line.
fn whole(line: &[u8], at: usize) -> Result<Record, Broken> {
    let mut values = serde_json::Deserializer::from_slice(line.get(at..).unwrap_or_default()).into_iter::<Value>();
    let Some(Ok(value)) = values.next() else { return Err(Broken::NotJson) };
    record(value, at..at.saturating_add(values.byte_offset()))
}

/// Whether it is a line of Envoy's own log, which a container has in one stream with the access log:
/// `[2026-11-28 14:04:21.123][17][info][main] …`.
fn is_envoys_own(line: &[u8]) -> bool {
    const FORM: &[u8] = b"[0000-00-00 00:00:00.000][";
    let Some((head, rest)) = line.split_at_checked(FORM.len()) else { return false };
    let fits = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    let thread = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    head.iter().zip(FORM).all(fits) && thread > 0 && rest.get(thread..).is_some_and(|rest| rest.starts_with(b"]["))
}

/// The second that a line begins with: Envoy's `%START_TIME%`.
fn second_of(line: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(line.get(..19)?).ok()?;
    is_second(text).then(|| text.to_owned())
}

/// Whether a text is a moment up to its second: `2026-11-28T14:04:21`.
pub(super) fn is_second(text: &str) -> bool {
    text.len() == 19
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            10 => byte == b'T',
            13 | 16 => byte == b':',
            _ => byte.is_ascii_digit(),
        })
}

/// Whether a text is a moment as a record writes it: `2026-11-28T14:04:21.123Z`.
fn is_moment(text: &str) -> bool {
    let Some((second, rest)) = text.split_at_checked(19) else { return false };
    let digits = rest.strip_prefix('.').and_then(|rest| rest.strip_suffix('Z'));
    is_second(second) && digits.is_some_and(|text| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether it has what every record has. With it none is shorter than 65 bytes: in the 64 that a shipped format prints of a
/// request id, no caller can write a whole one.
fn has_the_least(whole: &Value, time: &str) -> Result<(), Broken> {
    let outcome = whole.get("outcome").and_then(Value::as_str);
    if !outcome.is_some_and(|word| Outcome::ALL.iter().any(|outcome| outcome.word() == word)) {
        return Err(Broken::Member("outcome"));
    }
    let digest = whole.get("digest").and_then(Value::as_str);
    let digest = digest.filter(|text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    // Without a clock it has no time, and without a policy no digest.
    if time.is_empty() && digest.is_none() { Err(Broken::Member("time")) } else { Ok(()) }
}

fn record(whole: Value, place: Range<usize>) -> Result<Record, Broken> {
    if whole.get("fieldgate").and_then(Value::as_u64) != Some(1) {
        return Err(Broken::Format);
    }
    let time = match whole.get("time") {
        None => String::new(),
        Some(Value::String(time)) if is_moment(time) => time.clone(),
        Some(_) => return Err(Broken::Member("time")),
    };
    let client = match whole.get("client") {
        None => Client::Unknown,
        Some(Value::String(name)) => Client::Named(name.clone()),
        Some(other) => Client::Tagged(other.get("tag").and_then(tag).ok_or(Broken::Member("client"))?),
    };
    let fields = fields_of(&whole).ok_or(Broken::Member("fields"))?;
    let subjects = subjects_of(&whole).ok_or(Broken::Member("subjects"))?;
    let unknown = match whole.get("unknown") {
        None => 0,
        Some(count) => count.as_u64().ok_or(Broken::Member("unknown"))?,
    };
    let canaries = match whole.get("canaries") {
        None => 0,
        Some(list) => {
            list.as_array().and_then(|all| u64::try_from(all.len()).ok()).ok_or(Broken::Member("canaries"))?
        }
    };
    has_the_least(&whole, &time)?;
    let key = whole.get("key").and_then(Value::as_str).map(str::to_owned);
    Ok(Record { time, key, client, fields, subjects, canaries, place, contested: false, unknown, whole })
}

/// What of the body left; none where that cannot be read.
fn fields_of(whole: &Value) -> Option<Vec<(String, String, u64)>> {
    let mut fields = Vec::new();
    let Some(classes) = whole.get("fields") else { return Some(fields) };
    for (class, levels) in classes.as_object()? {
        for (level, count) in levels.as_object()? {
            fields.push((class.clone(), level.clone(), count.as_u64()?));
        }
    }
    Some(fields)
}

/// Whose data left; none where that cannot be read.
fn subjects_of(whole: &Value) -> Option<Vec<(String, Vec<u128>)>> {
    let mut subjects = Vec::new();
    let Some(kinds) = whole.get("subjects") else { return Some(subjects) };
    for (kind, tags) in kinds.as_object()? {
        let tags = tags.as_array()?.iter().map(tag).collect::<Option<Vec<u128>>>()?;
        subjects.push((kind.clone(), tags));
    }
    Some(subjects)
}

fn tag(value: &Value) -> Option<u128> {
    let text = value.as_str().filter(|text| text.len() == 32)?;
    u128::from_str_radix(text, 16).ok()
}
