//! Budgets on what leaves: nobody harvests (rules 34 to 36).
//!
//! *Reserve, forward, settle.* What a response may release at most, its *need*, is reserved before the upstream is asked;
//! when the response has ended, however it ended, what it released is counted and the rest is given back. Nothing is ever
//! decided in the midst of a body. At every moment, for one key in one window:
//!
//! ```text
//! subjects released  <=  entries of the log + open reservations  <=  max
//! ```
//!
//! The left side holds because a response appends to the log before it gives its reservation back, the right side because a
//! reservation is one compare-and-swap on the [`head`](Head).
//!
//! | file | what |
//! |---|---|
//! | [`subject`](Subject) | whose data a record is: a keyed hash, never the text |
//! | [`store`](Shared) | two calls on shared data; a store in memory for tests and the command line |
//! | [`head`](Head) | one key's numbers in one window |
//! | `slot` | which of a fixed number of slots a key has |
//! | `log` | the subjects counted in the window, in segments, and what a worker has read of them |
//! | [`ladder`](Ladder) | what a share of the budget does to levels |
//! | [`book`](Books) | admission and settlement of one budget |
//! | [`service`](Ask) | what is asked of the rate limit service, and which answers count (rule 36) |
//!
//! All of it is free of input and output but for [`Shared`], and tested natively.

mod book;
mod head;
mod ladder;
mod log;
mod service;
mod slot;
mod store;
mod subject;

pub use book::{Against, Books, BudgetRule, BudgetUnit, Granter, Need, Released, Reservation, Settled, Verdict};
pub use head::Head;
pub use ladder::Ladder;
pub use service::{Ask, METHOD, Period, SERVICE, Service, ServiceAnswer};
pub use store::{MemoryStore, Shared, StoreFailure, Swap, Value};
pub use subject::{KeyTag, Subject, SubjectHasher, SubjectKey};

#[cfg(test)]
mod tests;
