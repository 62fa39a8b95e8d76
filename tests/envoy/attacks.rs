//! Attacks: one claim each, many inputs, from outside.
//!
//! Where the rows of [`super::rows`] take one input through every carriage, these take many inputs through the carriages
//! in turn, each with the head held and with it released.

mod bodies;
mod heads;
mod requests;

use super::streams::Test;
use super::support::row::Row;
use super::world::World;

/// The inputs of one claim.
type Inputs = fn() -> Vec<Row>;

/// The claims that many inputs have in common.
const MANY: [(&str, Inputs); 16] = [
    ("no content type lets a body pass unfiltered", heads::content_types),
    ("no content type lets JSON pass where other content does", heads::content_types_where_others_pass),
    ("no content coding lets a body pass", heads::codings),
    ("no status lets a body pass unfiltered", heads::statuses),
    ("no response header leaves that the policy does not name", heads::names),
    ("no spelling of a response header breaks the filter", heads::spellings),
    ("no spelling of a path reaches another route", requests::paths),
    ("no spelling of a governed path passes where others do", requests::unmatched),
    ("no query parameter passes that the route does not list", requests::queries),
    ("no shape of a scope claim is read as more than it says", requests::scopes),
    ("no client sheds its ceiling by a claim that cannot be read", requests::clients),
    ("no request header says who is asking, or asks for a part", requests::headers),
    ("what is not strict JSON is refused, and what is passes", bodies::strictness),
    ("no name but the policy's own is the policy's", bodies::names),
    ("no place but the policy's own is the policy's", bodies::places),
    ("sizes around each limit are within or refused, never in between", bodies::limits),
];

/// All their inputs.
pub(crate) fn inputs() -> Vec<Row> {
    MANY.iter().flat_map(|(_, rows)| rows()).collect()
}

/// All tests of this folder.
pub(crate) fn all() -> Vec<(String, Test)> {
    let mut tests: Vec<(String, Test)> = MANY
        .into_iter()
        .map(|(claim, rows)| {
            let test: Test = Box::new(move |world: &World| world.run_many(&rows()));
            (claim.to_owned(), test)
        })
        .collect();
    tests.push((
        "a body cut at any byte is not completed".to_owned(),
        Box::new(|world| world.run_many(&bodies::cuts())),
    ));
    tests.push(("a body in single bytes, or with stalls, is the same".to_owned(), Box::new(bodies::crumbs)));
    tests.push(("a length that lies spills nothing".to_owned(), Box::new(bodies::lying_lengths)));
    tests.push((
        "nothing of a request or a response is in logs, metrics or the configuration".to_owned(),
        Box::new(requests::traces),
    ));
    tests.push((
        "callers that are refused do not flood the log, nor keep an upstream's faults out of it".to_owned(),
        Box::new(requests::flood),
    ));
    tests.push(("an early hint over HTTP/2 never leaves".to_owned(), Box::new(heads::early_hints)));
    tests
}
