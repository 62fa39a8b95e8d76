//! What a policy's own detectors can cost (rule 27).

use super::Lint;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::pattern::Effort;

/// Milliseconds for a megabyte of the worst text from which on a pattern is warned of. Some twenty-five kilobytes of such a
/// text then use up what one response may cost; an honest pattern of forty characters stays well below.
const SLOW: u64 = 2000;

impl Lint<'_> {
    pub(super) fn detectors(&mut self) {
        for detector in &self.policy.detectors {
            let worst = detector.pattern.worst_milliseconds();
            if worst < SLOW {
                continue;
            }
            let place = self.node(&["detectors", &detector.name, "pattern"]).map_or(detector.span, |node| node.span);
            let message =
                format!("detector `{}` is slow: in the worst case {worst} ms for each MB of text", detector.name);
            let help = format!(
                "use smaller repetitions: one response may cost {} ms, which {} kB of the worst text use up, and strings after that come out blank",
                Effort::MILLISECONDS,
                detector.pattern.worst_bytes().div_ceil(1000)
            );
            self.push(Diagnostic::at(Code::SlowPattern, place, message).help(help));
        }
    }
}
