//! [`Detector`]: what is looked for inside strings at show (rule 27).

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use super::pattern::Pattern;
use super::region::Region;
use crate::diagnostic::Span;

/// What is looked for inside strings at show (rule 27). Equal, ordered and hashed by name, and by region: within a policy a
/// name is one detector's, and ties are settled by it.
#[derive(Debug, Clone)]
pub enum Detector {
    /// One that every policy has.
    BuiltIn(BuiltIn),
    /// National telephone numbers of a region, as finds of [`BuiltIn::Phone`].
    Phone(Region),
    /// One of the policy's own.
    Custom(Rc<CustomDetector>),
}

impl Detector {
    /// What it is called in a policy, and in the place of what it finds.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::BuiltIn(built_in) => built_in.name(),
            Self::Phone(_) => BuiltIn::Phone.name(),
            Self::Custom(custom) => &custom.name,
        }
    }

    /// What tells it from all others of its policy.
    fn identity(&self) -> (&str, Option<Region>) {
        let region = match self {
            Self::Phone(region) => Some(*region),
            Self::BuiltIn(_) | Self::Custom(_) => None,
        };
        (self.name(), region)
    }
}

impl PartialEq for Detector {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Detector {}

impl PartialOrd for Detector {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Detector {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl Hash for Detector {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// A policy's own detector.
#[derive(Debug, Clone)]
pub struct CustomDetector {
    /// Its name; never that of a built-in one.
    pub name: String,
    /// What the author says of it.
    pub about: String,
    /// What it finds.
    pub pattern: Pattern,
    /// Where it is declared.
    pub span: Span,
}

/// A detector that every policy has, in name order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BuiltIn {
    /// Payment card numbers (Luhn).
    Card,
    /// E-mail addresses.
    Email,
    /// International Bank Account Numbers (mod 97).
    Iban,
    /// Telephone numbers.
    Phone,
    /// US social security numbers.
    Ssn,
}

impl BuiltIn {
    /// All of them, in name order.
    pub const ALL: [Self; 5] = [Self::Card, Self::Email, Self::Iban, Self::Phone, Self::Ssn];

    /// What it is called in a policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Email => "email",
            Self::Iban => "iban",
            Self::Phone => "phone",
            Self::Ssn => "ssn",
        }
    }
}
