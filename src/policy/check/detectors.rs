//! Detectors: the policy's own, and those that a field names (rule 27).

use std::rc::Rc;

use super::super::similar::question;
use super::read::{Reader, choice};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::Node;
use crate::model::pattern::{Pattern, PatternFault};
use crate::model::region::Region;
use crate::model::{BuiltIn, CustomDetector, Detector};

/// Most detectors of a policy's own: each may look through every string of the fields that name it.
const MAX_DETECTORS: usize = 64;

/// Most regions whose national numbers one field may look for: each may look at every digit of a text.
const MAX_REGIONS: usize = 16;

/// A detector as written. One that is broken keeps its name, so that nothing follows from it.
pub(super) struct DetectorDraft {
    pub(super) name: String,
    pub(super) detector: Option<Rc<CustomDetector>>,
}

/// `detectors`, in name order.
pub(super) fn detectors(reader: &mut Reader, node: Option<&Node>) -> Vec<DetectorDraft> {
    let Some(node) = node else { return Vec::new() };
    let mut detectors = Vec::new();
    let members = reader.map(node, "`detectors`");
    for member in members {
        let what = format!("detector `{}`", member.key);
        reader.name(&member.key, member.key_span, "detector");
        if BuiltIn::ALL.iter().any(|built_in| built_in.name() == &*member.key) {
            reader.push(
                Diagnostic::at(Code::BadName, member.key_span, format!("{what} has the name of a built-in one"))
                    .help("call it something else: what `detect` names must be one thing"),
            );
        }
        let keys = reader.keys(&member.node, &what, &["pattern", "about"]);
        let about = keys.get("about").and_then(|about| reader.text(about, "`about`")).unwrap_or_default().to_owned();
        let help = "say what it finds: `pattern: '[A-Z]{2}[0-9]{6}'`";
        let pattern = reader
            .required(&keys, "pattern", &what, member.key_span, help)
            .and_then(|node| self::pattern(reader, node, &what));
        let name = member.key.to_string();
        let detector = pattern
            .map(|pattern| Rc::new(CustomDetector { name: name.clone(), about, pattern, span: member.key_span }));
        detectors.push(DetectorDraft { name, detector });
    }
    if members.len() > MAX_DETECTORS {
        reader.push(
            Diagnostic::at(
                Code::TooMuch,
                node.span,
                format!("{} detectors: at most {MAX_DETECTORS} are possible", members.len()),
            )
            .help("join patterns that may share a name with `|`"),
        );
    }
    detectors.sort_by(|a: &DetectorDraft, b| a.name.cmp(&b.name));
    detectors
}

fn pattern(reader: &mut Reader, node: &Node, what: &str) -> Option<Pattern> {
    let text = reader.text(node, "`pattern`")?;
    let fault = match Pattern::parse(text) {
        Ok(pattern) => return Some(pattern),
        Err(fault) => fault,
    };
    let help = match &fault {
        PatternFault::Empty | PatternFault::MatchesNothing => "let it begin with what is always there: `x+`, not `x*`",
        PatternFault::TooLong => "split it into detectors of their own",
        PatternFault::Syntax(_) => {
            "write a regular expression without look-around and back-references, and without large repetitions of repetitions"
        }
    };
    reader.push(Diagnostic::at(Code::BadPattern, node.span, format!("the pattern of {what} {fault}")).help(help));
    None
}

/// The detectors that a field names, sorted, without repeats.
pub(super) fn named(reader: &mut Reader, known: &[DetectorDraft], node: &Node) -> Vec<Detector> {
    let mut found: Vec<Detector> = Vec::new();
    let mut written = 0_usize;
    for element in reader.list(node, "`detect`") {
        if element.members().is_some() {
            let regions = regions(reader, element);
            written = written.saturating_add(regions.len()).saturating_add(1);
            found.push(Detector::BuiltIn(BuiltIn::Phone));
            found.extend(regions.into_iter().map(Detector::Phone));
            continue;
        }
        let Some(text) = reader.text(element, "a detector") else { continue };
        if let Some(built_in) = BuiltIn::ALL.into_iter().find(|built_in| built_in.name() == text) {
            found.push(Detector::BuiltIn(built_in));
            written = written.saturating_add(1);
        } else if let Some(draft) = known.iter().find(|draft| draft.name == text) {
            if let Some(detector) = &draft.detector {
                found.push(Detector::Custom(Rc::clone(detector)));
                written = written.saturating_add(1);
            }
        } else {
            let own = known.iter().map(|draft| draft.name.as_str());
            let mut names: Vec<&str> = own.collect();
            for built_in in BuiltIn::ALL {
                names.push(built_in.name());
            }
            names.sort_unstable();
            let help = match question(text, names.iter().copied()) {
                Some(similar) => similar,
                None if names.len() > 12 => "declare it under `detectors`".to_owned(),
                None => format!("write {}, or declare it under `detectors`", choice(&names)),
            };
            reader.push(
                Diagnostic::at(Code::BadValue, element.span, format!("a detector cannot be `{text}`")).help(help),
            );
        }
    }
    found.sort_unstable();
    found.dedup();
    if found.len() < written {
        reader.push(
            Diagnostic::at(Code::DuplicateKey, node.span, "`detect` names a detector twice")
                .help("leave one of them out"),
        );
    }
    found
}

/// `phone: {regions: [ES, US]}`: the regions, each once.
fn regions(reader: &mut Reader, node: &Node) -> Vec<Region> {
    let what = "a detector with options";
    let keys = reader.keys(node, what, &["phone"]);
    let help = "only `phone` has options: `phone: {regions: [ES, US]}`";
    let Some(phone) = reader.required(&keys, "phone", what, node.span, help) else { return Vec::new() };
    let keys = reader.keys(phone, "`phone`", &["regions"]);
    let help = "name the regions whose national numbers are looked for: `regions: [ES, US]`";
    let Some(list) = reader.required(&keys, "regions", "`phone`", phone.span, help) else { return Vec::new() };
    let mut regions = Vec::new();
    for (name, span) in reader.texts(list, "`regions`") {
        if let Some(region) = Region::named(name) {
            regions.push(region);
            continue;
        }
        let capital = name.to_ascii_uppercase();
        let help = if Region::named(&capital).is_some() {
            format!("write it in capital letters: `{capital}`")
        } else {
            "write the two letters of ISO 3166-1, such as `ES`, `GB` or `US`".to_owned()
        };
        reader.push(Diagnostic::at(Code::BadValue, span, format!("a region cannot be `{name}`")).help(help));
    }
    if regions.len() > MAX_REGIONS {
        let message = format!("{} regions: at most {MAX_REGIONS} are possible", regions.len());
        let help = "name those whose numbers people write without `+`: international numbers are found anyway";
        reader.push(Diagnostic::at(Code::TooMuch, list.span, message).help(help));
    }
    regions
}
