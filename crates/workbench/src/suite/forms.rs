//! How a field looks at each level (rules 18 to 24, 27), in the policy's words: a level alone does not say which mask.

use std::fmt;

use fieldgate::model::{Detector, Entry, Governed, Level, Link, Mask, PolicySet, Pseudonym};

use super::verdict::{agreed, word};

/// The forms of one place: what its entries declare and agree on (rule 13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forms {
    /// At mask.
    pub mask: Option<Mask>,
    /// At pseudonym.
    pub pseudonym: Option<Pseudonym>,
    /// At blank: JSON text of a scalar.
    pub blank: Option<String>,
    /// At show, in the order in which they settle ties, each region of telephone numbers beside `phone`.
    pub detect: Vec<String>,
}

impl Forms {
    /// Of the entries at these indexes.
    #[must_use]
    pub fn of(policy: &PolicySet, governed: &Governed, entries: &[usize]) -> Self {
        let entries: Vec<&Entry> = entries.iter().filter_map(|index| governed.entries.get(*index)).collect();
        let classes = entries.iter().flat_map(|entry| &entry.classes);
        let of_classes = classes.filter_map(|id| policy.classes.get(usize::from(id.0))?.blank.as_ref());
        let blank = agreed(entries.iter().filter_map(|entry| entry.blank.as_ref())).or_else(|| agreed(of_classes));
        let mut detectors: Vec<&Detector> = entries.iter().flat_map(|entry| &entry.detect).collect();
        detectors.sort_unstable();
        detectors.dedup();
        Self {
            mask: agreed(entries.iter().filter_map(|entry| entry.mask)),
            pseudonym: agreed(entries.iter().filter_map(|entry| entry.pseudonym.as_ref())).cloned(),
            blank: blank.map(|text| text.to_string()),
            detect: detectors.into_iter().map(detector).collect(),
        }
    }

    /// What a value looks like at a level; nothing where the level's word says all: a value as it came, one that is removed, `null`.
    #[must_use]
    pub fn at(&self, level: Level) -> Option<String> {
        match level {
            Level::Show if self.detect.is_empty() => None,
            Level::Show => Some(format!("detect {}", self.detect.join(", "))),
            Level::Mask => self.mask.map(|mask| mask.to_string()),
            Level::Pseudonym => self.pseudonym.as_ref().map(pseudonym),
            Level::Blank => self.blank.clone(),
            Level::Hide => None,
        }
    }
}

/// `mask last 4; pseudonym customer; detect email`: every form that there is, from the level that shows most.
impl fmt::Display for Forms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = [Level::Show, Level::Mask, Level::Pseudonym, Level::Blank].into_iter().filter_map(|level| {
            let form = self.at(level)?;
            Some(if level == Level::Show { form } else { format!("{} {form}", word(level)) })
        });
        f.write_str(&said.collect::<Vec<_>>().join("; "))
    }
}

/// A form at pseudonym: its namespace, and whether all clients get one value.
#[must_use]
pub fn pseudonym(form: &Pseudonym) -> String {
    let all = if form.link == Link::All { " linked for all" } else { "" };
    format!("{}{all}", form.namespace)
}

/// A detector: each region of telephone numbers is one, and one of the policy's own is told by its pattern.
#[must_use]
pub fn detector(detector: &Detector) -> String {
    match detector {
        Detector::BuiltIn(built_in) => built_in.name().to_owned(),
        Detector::Phone(region) => format!("phone {region}"),
        Detector::Custom(custom) => format!("{} /{}/", custom.name, custom.pattern.as_str()),
    }
}
