//! [`Tags`]: from ids to tags. There is no way back but to try every id: that is what the operator's list is for.

use fieldgate::budget::SubjectKey;
use fieldgate::transform::PseudonymKey;

/// Makes the tags of ids, with the key that the plugin has.
#[derive(Debug, Clone, Copy)]
pub struct Tags(SubjectKey);

/// The kind under which clients have their tags.
const CLIENT: &str = "client";

impl Tags {
    /// With the key of pseudonyms.
    #[must_use]
    pub fn new(key: &PseudonymKey) -> Self {
        Self(SubjectKey::derive(key))
    }

    /// The tag of a subject's id, as the upstream spells it.
    #[must_use]
    pub fn of(self, kind: &str, id: &str) -> u128 {
        self.0.subject(kind, id).long()
    }

    /// The tag of a client's id.
    #[must_use]
    pub fn of_client(self, id: &str) -> u128 {
        self.of(CLIENT, id)
    }

    /// What records say of the key.
    #[must_use]
    pub fn key(self) -> String {
        format!("{:08x}", self.0.tag())
    }
}
