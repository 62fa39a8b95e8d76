//! A response as it came and as it goes out, in one: each value with what became of it, and why.
//!
//! The lines are those of the upstream's body, so that two policies' lines of one body can be laid side by side. What came out
//! is the core's own answer; the verdicts, which come from the other reading of the rules, say why.

use std::collections::HashMap;

use fieldgate::model::{BudgetId, BudgetStep, Governed, Level, Route, StepEffect};
use fieldgate_workbench::loaded::Loaded;
use fieldgate_workbench::suite::forms::Forms;
use fieldgate_workbench::suite::place::{Place, PlaceStep};
use fieldgate_workbench::suite::verdict::{self, Asker, Verdict, word};
use fieldgate_workbench::suite::{reasons, texts};
use serde_json::{Value, json};

use crate::question::Places;
use crate::text::{self, Spelt};

/// Most lines that are drawn of a body; of a longer one the bytes are shown.
const MOST: usize = 4000;

/// What is needed to say why a value came out as it did.
pub(crate) struct Explained<'a> {
    pub(crate) one: &'a Loaded,
    pub(crate) route: &'a Route,
    pub(crate) governed: &'a Governed,
    /// The step of a budget that is reached.
    pub(crate) step: Option<(BudgetId, BudgetStep)>,
    pub(crate) places: Places<'a>,
    /// Explanations, each once: lines point at them.
    pub(crate) all: Vec<Value>,
    known: HashMap<String, Vec<(Verdict, usize)>>,
}

impl<'a> Explained<'a> {
    pub(crate) fn new(one: &'a Loaded, route: &'a Route, governed: &'a Governed) -> Self {
        let places = Places::new(&one.sources);
        Self { one, route, governed, step: None, places, all: Vec::new(), known: HashMap::new() }
    }

    /// The verdict under the budget's step, if one is reached.
    pub(crate) fn stepped(&self, verdict: Verdict) -> Verdict {
        match self.step {
            Some((id, BudgetStep { percent, then })) => {
                let ceiling = match then {
                    StepEffect::Ceiling(level) => level,
                    StepEffect::Reject => Level::Hide,
                };
                verdict.under(self.governed, id, percent, ceiling)
            }
            None => verdict,
        }
    }

    /// The index of the explanation of a verdict on a path.
    pub(crate) fn index(&mut self, path: &str, verdict: Verdict) -> usize {
        self.index_with(path, verdict, &[])
    }

    /// The index of the explanation of a verdict on a path, parts of which other entries show: what is said of those.
    pub(crate) fn index_with(&mut self, path: &str, verdict: Verdict, parts: &[String]) -> usize {
        let known = self.known.get(path).into_iter().flatten().find(|(other, _)| *other == verdict);
        if let Some((_, index)) = known {
            return *index;
        }
        let policy = &self.one.policy;
        let mut said: Vec<Value> = reasons(policy, self.governed, &verdict, Some(self.one.doc.root()))
            .into_iter()
            .map(|reason| {
                let at = reason.span.map(|span| self.places.of(span));
                json!({"topic": reason.topic, "text": reason.text, "decides": reason.decides, "at": at})
            })
            .collect();
        said.extend(parts.iter().map(|part| json!({"topic": "in part", "text": part, "decides": false, "at": null})));
        let classes = fieldgate_workbench::cells::class_names(policy, &verdict);
        let form = Forms::of(policy, self.governed, &verdict.entries).at(verdict.level);
        let entry = verdict.entries.first().and_then(|index| self.governed.entries.get(*index));
        let declared = entry.map(|entry| self.places.of(entry.span));
        let index = self.all.len();
        self.all.push(json!({
            "path": path, "level": word(verdict.level), "form": form, "classes": classes, "reasons": said,
            "declared": declared,
        }));
        self.known.entry(path.to_owned()).or_default().push((verdict, index));
        index
    }
}

/// The lines of a response; nothing where it is too long to draw, or is no JSON.
pub(crate) fn lines(
    explained: &mut Explained<'_>,
    asker: Asker<'_>,
    was: &[u8],
    is: &[u8],
    judged: bool,
) -> Option<Vec<Value>> {
    let (was_text, is_text) = (std::str::from_utf8(was).ok()?, std::str::from_utf8(is).ok()?);
    let (before, after) = (text::read(was_text)?, text::read(is_text)?);
    if before.iter().map(size).fold(0, usize::saturating_add) > MOST {
        return None;
    }
    let values = texts(was);
    let mut lines = Vec::new();
    for (index, spelt) in before.iter().enumerate() {
        let mut verdicts = HashMap::new();
        if let (true, Some(value)) = (judged, values.get(index)) {
            let found = verdict::judge(&explained.one.policy, explained.route, explained.governed, asker, value);
            verdicts.extend(found.into_iter().map(|one| (one.place, explained.stepped(one.verdict))));
        }
        let mut walk = Walk { explained, verdicts, lines: &mut lines };
        walk.value(0, None, &Place::default(), spelt, after.get(index));
    }
    Some(lines)
}

fn size(value: &Spelt<'_>) -> usize {
    let of = match value {
        Spelt::Scalar(_) => 0,
        Spelt::Array(elements) => elements.iter().map(size).fold(1, usize::saturating_add),
        Spelt::Object(members) => members.iter().map(|(_, value)| size(value)).fold(1, usize::saturating_add),
    };
    of.saturating_add(1)
}

struct Walk<'w, 'a> {
    explained: &'w mut Explained<'a>,
    verdicts: HashMap<Place, Verdict>,
    lines: &'w mut Vec<Value>,
}

impl Walk<'_, '_> {
    fn value(&mut self, depth: usize, name: Option<&str>, place: &Place, was: &Spelt<'_>, is: Option<&Spelt<'_>>) {
        match was {
            Spelt::Scalar(text) => self.scalar(depth, name, place, text, is),
            Spelt::Object(members) => {
                let empty = members.is_empty();
                self.bracket(depth, name, if empty { "{}" } else { "{" }, is.is_none());
                for (member, value) in members {
                    let out = match is {
                        Some(Spelt::Object(out)) => out.iter().find(|(other, _)| other == member).map(|(_, out)| out),
                        _ => None,
                    };
                    let child = place.child(PlaceStep::Member(member.clone()));
                    self.value(depth.saturating_add(1), Some(member), &child, value, out);
                }
                if !empty {
                    self.bracket(depth, None, "}", is.is_none());
                }
            }
            Spelt::Array(elements) => {
                let empty = elements.is_empty();
                self.bracket(depth, name, if empty { "[]" } else { "[" }, is.is_none());
                let out = match is {
                    Some(Spelt::Array(out)) => self.aligned(place, elements, out),
                    _ => vec![None; elements.len()],
                };
                for (index, (value, out)) in elements.iter().zip(out).enumerate() {
                    let child = place.child(PlaceStep::Element(index));
                    self.value(depth.saturating_add(1), None, &child, value, out);
                }
                if !empty {
                    self.bracket(depth, None, "]", is.is_none());
                }
            }
        }
    }

    fn bracket(&mut self, depth: usize, name: Option<&str>, bracket: &str, gone: bool) {
        let name = name.map(|name| json!(name).to_string());
        self.lines.push(json!({"d": depth, "n": name, "b": bracket, "gone": gone}));
    }

    fn scalar(&mut self, depth: usize, name: Option<&str>, place: &Place, was: &str, is: Option<&Spelt<'_>>) {
        let verdict = self.verdicts.get(place).cloned();
        let level = verdict.as_ref().map_or(Level::Show, |verdict| verdict.level);
        let now = match is {
            Some(Spelt::Scalar(text)) => Some(*text),
            Some(Spelt::Array(_)) => Some("[]"),
            Some(Spelt::Object(_)) => Some("{}"),
            None => None,
        };
        let kind = match (now, level) {
            (None, _) => "hide",
            (Some(now), Level::Show | Level::Hide) => {
                if now == was {
                    "show"
                } else {
                    "detect"
                }
            }
            (Some(_), level) => word(level),
        };
        let why = verdict.map(|verdict| self.explained.index(&place.general(), verdict));
        let name = name.map(|name| json!(name).to_string());
        let now = now.filter(|now| *now != was || kind != "show");
        let left_out = kind == "hide" && level != Level::Hide;
        self.lines.push(json!({"d": depth, "n": name, "k": kind, "was": was, "is": now, "e": why, "out": left_out}));
    }

    /// Which of the elements that came out is which of the upstream's: they keep their order, and each is the first that it can
    /// have been made of.
    fn aligned<'s, 't>(
        &self,
        place: &Place,
        elements: &[Spelt<'_>],
        out: &'s [Spelt<'t>],
    ) -> Vec<Option<&'s Spelt<'t>>> {
        if elements.len() == out.len() {
            return out.iter().map(Some).collect();
        }
        let mut rest = out.iter();
        let mut next = rest.next();
        let mut found = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            let child = place.child(PlaceStep::Element(index));
            let fits = next.is_some_and(|out| self.fits(&child, element, out));
            found.push(if fits { std::mem::replace(&mut next, rest.next()) } else { None });
        }
        found
    }

    /// Whether one value can have been made of the other.
    fn fits(&self, place: &Place, was: &Spelt<'_>, is: &Spelt<'_>) -> bool {
        match (was, is) {
            (Spelt::Scalar(was), Spelt::Scalar(is)) => match self.verdicts.get(place).map(|verdict| verdict.level) {
                Some(Level::Hide) => false,
                Some(Level::Show) | None => was == is || (was.starts_with('"') && is.contains('[')),
                Some(_) => true,
            },
            (Spelt::Object(was), Spelt::Object(is)) => {
                let all_out = !was.is_empty() && is.is_empty() && self.rows_leave_out(place);
                !all_out
                    && is.iter().all(|(name, out)| {
                        let own = was.iter().find(|(other, _)| other == name);
                        own.is_some_and(|(_, own)| self.fits(&place.child(PlaceStep::Member(name.clone())), own, out))
                    })
            }
            (Spelt::Array(was), Spelt::Array(is)) => is.len() <= was.len(),
            _ => false,
        }
    }

    /// Whether rows leave out what is below a place, for every scope.
    fn rows_leave_out(&self, place: &Place) -> bool {
        let mut below = self.verdicts.iter().filter(|(other, _)| other.0.starts_with(&place.0)).peekable();
        let by_rows =
            |verdict: &Verdict| verdict.scopes.iter().all(|says| matches!(says.because, verdict::Because::Rows(_)));
        below.peek().is_some() && below.all(|(_, verdict)| by_rows(verdict))
    }
}
