//! What each code means: what it says, why it matters, a wrong and a right example. `explain` and the reference page are
//! made from it. Not in the plugin.
//!
//! The examples are fragments: the sections that matter, of an otherwise valid policy, or the messages that matter, of an
//! otherwise sound deployment. A test holds that each wrong one yields its code and that each right one does not.

mod deployments;
mod page;
mod policies;

pub use page::{Example, Page};

use super::Code;

/// The page of a code.
#[must_use]
pub fn page(code: Code) -> Option<&'static Page> {
    all().find(|page| page.code == code)
}

/// All pages, by number.
#[must_use]
pub fn pages() -> Vec<&'static Page> {
    let mut pages: Vec<&Page> = all().collect();
    pages.sort_unstable_by_key(|page| page.code);
    pages
}

fn all() -> impl Iterator<Item = &'static Page> {
    policies::PAGES.iter().chain(deployments::PAGES)
}
