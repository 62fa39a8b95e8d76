//! [`Lines`]: how many lines on refusals a log gets.

/// Bounds the lines of a log: callers choose how often they are refused, and must not be able to fill a disk.
///
/// At most [`Lines::MOST`] lines are written in each minute. The first line of a later minute says how many were left out.
///
/// # Examples
///
/// ```
/// use fieldgate::refusal::Lines;
///
/// let mut lines = Lines::default();
/// let written = (0..1_000).filter(|_| lines.line(30).is_some()).count();
/// assert_eq!(written, 60);
/// // A minute later there is room again.
/// assert_eq!(lines.line(90), Some(940));
/// assert_eq!(lines.line(90), Some(0));
/// ```
#[derive(Debug, Default)]
pub struct Lines {
    minute: u64,
    written: u32,
    left_out: u64,
}

impl Lines {
    /// Most lines in a minute.
    pub const MOST: u32 = 60;

    /// Whether there is room for a line at `now`, in seconds since the epoch: how many were left out before it.
    pub fn line(&mut self, now: u64) -> Option<u64> {
        let minute = now / 60;
        if minute != self.minute {
            self.minute = minute;
            self.written = 0;
        }
        if self.written >= Self::MOST {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.written = self.written.saturating_add(1);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn a_minute_has_so_many_lines_and_the_next_says_what_was_left_out() {
        let mut lines = Lines::default();
        for minute in 1..4 {
            let written: Vec<u64> = (0..100).filter_map(|second| lines.line(minute * 60 + second % 60)).collect();
            let before = if minute == 1 { 0 } else { 40 };
            assert_eq!((written.len(), written[0], written[1..].iter().sum::<u64>()), (60, before, 0), "{minute}");
        }
    }

    #[test]
    fn a_clock_that_goes_back_begins_another_minute() {
        let mut lines = Lines::default();
        assert_eq!((0..100).filter(|_| lines.line(600).is_some()).count(), 60);
        assert_eq!(lines.line(0), Some(40));
    }
}
