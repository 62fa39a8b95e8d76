//! What an answer of the ledger does not know.

use super::Answer;

/// What is not known: a name, how many, and what it means.
pub(super) struct Unknown {
    pub(super) name: &'static str,
    pub(super) count: u64,
    pub(super) text: &'static str,
}

impl Answer<'_> {
    /// Everything that an answer cannot say, each with its number: nought is left out.
    pub(super) fn unknown(&self) -> Vec<Unknown> {
        let all = self.of_responses().into_iter().chain(self.of_logs()).chain(self.of_keys());
        all.filter(|(_, count, _)| *count > 0).map(|(name, count, text)| Unknown { name, count, text }).collect()
    }

    /// What records do not say of responses.
    fn of_responses(&self) -> [(&'static str, u64, &'static str); 4] {
        let sum = self.ledger.summary();
        [
            (
                "records_without_a_tag",
                sum.unknown,
                "records left that nothing says the subject of, or that were more than one line names: anybody's",
            ),
            (
                "responses_of_unknown_callers",
                sum.callers,
                "responses of callers that no record names: they may be this client's, and what left in them is not counted here",
            ),
            (
                "responses_passed",
                sum.passed,
                "responses passed untouched on routes that the policy does not govern: their content is not in the log",
            ),
            (
                "responses_reported",
                sum.reported,
                "responses passed as they came on routes that only report: also fields and people that no record names",
            ),
        ]
    }

    /// What is missing in the logs, or is there too often.
    fn of_logs(&self) -> [(&'static str, u64, &'static str); 5] {
        let sum = self.ledger.summary();
        [
            (
                "lines_not_written",
                sum.unwritten,
                "lines that the plugin did not write, as when its VM had trapped: what left then, and to whom, is not known",
            ),
            ("lines_broken", sum.broken, "lines that cannot be read: what they said is missing here"),
            (
                "lines_with_several_records",
                sum.contested,
                "lines with several records, of which the last counts: a caller may have sent one of them",
            ),
            (
                "records_again",
                self.faults.again,
                "records that came before, in the same log or another: what comes again counts twice",
            ),
            (
                "records_not_compared",
                self.faults.unremembered,
                "records that may have come before: more came than are remembered",
            ),
        ]
    }

    /// What cannot be told without the key, the time or the list of the records.
    fn of_keys(&self) -> [(&'static str, u64, &'static str); 4] {
        let sum = self.ledger.summary();
        let unresolved =
            if self.arguments.subjects.is_some() { self.ledger.distinct().saturating_sub(self.ids.len()) } else { 0 };
        [
            (
                "records_of_unnamed_clients",
                sum.unnamed,
                "records of clients without a name in the log, of which no key was at hand to tell whose they are",
            ),
            (
                "records_of_another_key",
                sum.other_key,
                "records whose tags another key made: their subjects have other tags here, and match no id",
            ),
            ("records_without_a_time", sum.timeless, "records without a time: they count whatever the time asked for"),
            (
                "subjects_without_an_id",
                u64::try_from(unresolved).unwrap_or(u64::MAX),
                "subjects whose id is not in the list",
            ),
        ]
    }

    /// What an answer without a row means: a name that no record has, or a key that made none of the tags, is not "nobody". Nor is
    /// it where something left of which no record says who asked, or whose it was, or where lines are missing.
    pub(super) fn no_row(&self) -> &'static str {
        let sum = self.ledger.summary();
        if sum.other_key > 0 || sum.unnamed > 0 {
            return "With this key these logs do not tell: see what this does not know.\n";
        }
        let client = self.arguments.client.is_some();
        let untold = sum.callers > 0 || sum.passed > 0 || sum.reported > 0 || sum.unknown > 0;
        match (client, sum.records, untold) {
            (true, 0, true) => {
                "Responses left of callers whom nothing names, and may be this client's: see what this does not know.\n"
            }
            (true, 0, false) => {
                "No record of that time names this client: names are compared letter by letter (`--top` lists them).\n"
            }
            (true, _, true) => {
                "What this client got names no person, but does not say whose all of it was: see what this does not know.\n"
            }
            (false, _, true) => {
                "What left does not name this person, but does not say whose all of it was: see what this does not know.\n"
            }
            (_, _, false) if sum.unwritten > 0 || sum.broken > 0 => {
                "The records name nobody, and lines have none or cannot be read: see what this does not know.\n"
            }
            (_, _, false) => "Nobody, as far as the logs say.\n",
        }
    }
}
