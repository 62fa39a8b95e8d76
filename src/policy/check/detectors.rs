//! Detectors: the policy's own, and those that a field names (rule 27).

use std::rc::Rc;

use super::super::document::Node;
use super::super::model::{BuiltIn, CustomDetector, Detector};
use super::super::pattern::{Pattern, PatternFault};
use super::super::similar::nearest;
use super::read::{Reader, choice};
use crate::diagnostic::{Code, Diagnostic};

/// Most detectors of a policy's own: each may look through every string of the fields that name it.
const MAX_DETECTORS: usize = 64;

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
            let help = match nearest(text, names.iter().copied()) {
                Some(similar) => format!("did you mean `{similar}`?"),
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
