//! Whose data did they get? The decision records of an access log, read back.
//!
//! A log is read once, line by line: what is kept is as large as the answer, and the log may be of any size. What a log cannot
//! say is counted and comes with every answer: records that nothing says the subject of, and lines that the plugin did not write.
//!
//! | file | what |
//! |---|---|
//! | [`record`](Record) | one line of a log |
//! | [`tags`](Tags) | from ids to tags and back |
//! | `answer` | the three questions: what a client got, who got something about a person, who got most |
//! | `parts` | what a question and its answer are made of |

mod answer;
mod parts;
mod record;
mod tags;

pub use answer::{Ledger, NamedSubject};
pub use parts::{Alert, Exposure, Question, Release, Summary, Top};
pub use record::{Broken, Client, Line, Record, read};
pub use tags::Tags;
