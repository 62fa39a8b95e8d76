//! The lines of a log as they were written, also where a container's runtime put something before each and cut the long ones.
//!
//! containerd and CRI-O write `TIME stdout F TEXT`; of a line that is longer than 16 KiB the pieces are lines of their own, all but
//! the last with `P`. A caller whose text stands second in an access log can write `stdout P` there. So a log is a runtime's as
//! long as each of its lines has that form, and pieces are lines of their own again once one has not.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

/// The longest line that is kept, in bytes: a record of a thousand subjects is some 40 KB.
const LONGEST: usize = 4 << 20;

/// A line as it was written.
#[derive(Debug)]
pub(super) struct Whole {
    /// The number of the line of the log that it is, or begins with.
    pub(super) number: u64,
    /// What it says, as far as it is kept.
    pub(super) text: Vec<u8>,
    /// Whether some of it was left out: it is longer than any that is kept.
    pub(super) too_long: bool,
}

/// What a line of a runtime's is.
struct Form {
    /// Whether it came from standard error: the runtime mixes both.
    stderr: bool,
    /// Whether the next one of the same stream goes on with it.
    goes_on: bool,
    /// Where the text begins.
    text: usize,
}

/// Reads the lines of a log.
pub(super) struct Lines<R> {
    log: R,
    number: u64,
    /// Whether each line so far had a runtime's form.
    runtime: bool,
    /// Pieces of a line whose end has not come, as they stand in the log: of standard output, and of standard error.
    pieces: [Vec<(Whole, usize)>; 2],
    ready: VecDeque<Whole>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(log: R) -> Self {
        Self { log, number: 0, runtime: true, pieces: [Vec::new(), Vec::new()], ready: VecDeque::new() }
    }

    /// The next one; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Whole>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            let Some(line) = self.read()? else {
                // The end of what was cut is in another file, or nowhere.
                let open = self.pieces.iter_mut().filter(|pieces| !pieces.is_empty());
                self.ready.extend(open.map(|pieces| joined(std::mem::take(pieces))));
                return Ok(self.ready.pop_front());
            };
            self.take(line);
        }
    }

    fn take(&mut self, line: Whole) {
        if !self.runtime || line.text.trim_ascii().is_empty() {
            self.ready.push_back(line);
            return;
        }
        let Some(form) = form(&line.text) else {
            self.runtime = false;
            let [out, err] = &mut self.pieces;
            let mut each: Vec<Whole> = out.drain(..).chain(err.drain(..)).map(|(piece, _)| piece).collect();
            each.sort_by_key(|piece| piece.number);
            self.ready.extend(each);
            self.ready.push_back(line);
            return;
        };
        let [out, err] = &mut self.pieces;
        let pieces = if form.stderr { err } else { out };
        let kept = pieces.iter().map(|(piece, _)| piece.text.len()).fold(line.text.len(), usize::saturating_add);
        match pieces.first_mut() {
            // The first says of all that they are too long.
            Some((first, _)) if kept > LONGEST => first.too_long = true,
            _ => pieces.push((line, form.text)),
        }
        if !form.goes_on {
            self.ready.push_back(joined(std::mem::take(pieces)));
        }
    }

    /// The next line of the log itself.
    fn read(&mut self) -> io::Result<Option<Whole>> {
        let mut text = Vec::new();
        let most = u64::try_from(LONGEST).unwrap_or(u64::MAX);
        let length = (&mut self.log).take(most).read_until(b'\n', &mut text)?;
        if length == 0 {
            return Ok(None);
        }
        self.number = self.number.saturating_add(1);
        let too_long = length >= LONGEST && !text.ends_with(b"\n");
        if too_long {
            self.log.skip_until(b'\n')?;
        }
        Ok(Some(Whole { number: self.number, text, too_long }))
    }
}

/// Pieces as the one line that they were.
fn joined(pieces: Vec<(Whole, usize)>) -> Whole {
    let mut line = Whole { number: 0, text: Vec::new(), too_long: false };
    for (piece, from) in pieces {
        if line.number == 0 {
            line.number = piece.number;
        }
        line.too_long |= piece.too_long;
        let text = piece.text.get(from..).unwrap_or_default();
        line.text.extend_from_slice(text.strip_suffix(b"\n").unwrap_or(text));
    }
    line
}

/// The form of a runtime's line: `2026-11-28T14:04:21.123456789Z stdout F …`. The third word may have more after a colon.
fn form(line: &[u8]) -> Option<Form> {
    const DAY: &[u8] = b"0000-00-00T";
    let mut words = line.splitn(4, |byte| *byte == b' ');
    let (time, stream, tag) = (words.next()?, words.next()?, words.next()?);
    let fits = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    if time.len() <= DAY.len() || !time.iter().zip(DAY).all(fits) {
        return None;
    }
    let stderr = match stream {
        b"stdout" => false,
        b"stderr" => true,
        _ => return None,
    };
    let goes_on = match tag.trim_ascii_end().split(|byte| *byte == b':').next()? {
        b"P" => true,
        b"F" => false,
        _ => return None,
    };
    let text = [time, stream, tag].iter().map(|word| word.len().saturating_add(1)).fold(0, usize::saturating_add);
    Some(Form { stderr, goes_on, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(log: &str) -> Vec<(u64, String)> {
        let mut lines = Lines::new(log.as_bytes());
        std::iter::from_fn(|| lines.next().unwrap())
            .map(|line| (line.number, String::from_utf8(line.text).unwrap().trim_end().to_owned()))
            .collect()
    }

    #[test]
    fn a_log_has_the_lines_that_were_written() {
        const T: &str = "2026-11-28T14:04:21.123456789Z";
        // The claim, the log, and each line with its number.
        type Row<'a> = (&'a str, String, Vec<(u64, &'a str)>);
        let rows: [Row<'_>; 11] = [
            ("nothing", String::new(), vec![]),
            ("lines", "a\nb\n".to_owned(), vec![(1, "a"), (2, "b")]),
            ("a last line without an end", "a\nb".to_owned(), vec![(1, "a"), (2, "b")]),
            ("a runtime's", format!("{T} stdout F a\n{T} stderr F b\n"), vec![(1, "a"), (2, "b")]),
            ("with an offset and more tags", "2026-11-28T14:04:21+01:00 stdout F:x a\n".to_owned(), vec![(1, "a")]),
            (
                "pieces",
                format!("{T} stdout P a\n{T} stdout P b\n{T} stdout F c\n{T} stdout F d\n"),
                vec![(1, "abc"), (4, "d")],
            ),
            (
                "pieces of two streams",
                format!("{T} stdout P a\n{T} stderr P b\n{T} stdout F c\n{T} stderr F d\n"),
                vec![(1, "ac"), (2, "bd")],
            ),
            ("pieces without an end", format!("{T} stdout P a\n{T} stdout P b\n"), vec![(1, "ab")]),
            (
                "a caller's word in a log that is no runtime's, first",
                format!("{T} stdout P 200\n{T} r 200\n{T} stdout F 200\n"),
                vec![
                    (1, "2026-11-28T14:04:21.123456789Z stdout P 200"),
                    (2, "2026-11-28T14:04:21.123456789Z r 200"),
                    (3, "2026-11-28T14:04:21.123456789Z stdout F 200"),
                ],
            ),
            (
                "a caller's word in a log that is no runtime's, later",
                format!("{T} r 200\n{T} stdout P 200\n{T} stdout F 200\n"),
                vec![
                    (1, "2026-11-28T14:04:21.123456789Z r 200"),
                    (2, "2026-11-28T14:04:21.123456789Z stdout P 200"),
                    (3, "2026-11-28T14:04:21.123456789Z stdout F 200"),
                ],
            ),
            (
                "a caller's word in a runtime's",
                format!("{T} stdout F {T} stdout P 200\n"),
                vec![(1, "2026-11-28T14:04:21.123456789Z stdout P 200")],
            ),
        ];
        for (claim, log, expected) in rows {
            let expected: Vec<(u64, String)> =
                expected.into_iter().map(|(number, text)| (number, text.to_owned())).collect();
            assert_eq!(all(&log), expected, "{claim}");
        }
    }

    #[test]
    fn what_is_too_long_is_said_and_its_rest_is_skipped() {
        let long = "x".repeat(LONGEST + 10);
        let half = "y".repeat(LONGEST / 2 + 10);
        const T: &str = "2026-11-28T14:04:21Z";
        let pieces = format!("{T} stdout P {half}\n{T} stdout P {half}\n{T} stdout F {half}\n{T} stdout F z\n");
        for (claim, log, expected) in [
            ("one line", format!("{long}\nz\n"), vec![(1, true), (2, false)]),
            ("pieces", pieces, vec![(1, true), (4, false)]),
        ] {
            let mut lines = Lines::new(log.as_bytes());
            let all: Vec<Whole> = std::iter::from_fn(|| lines.next().unwrap()).collect();
            let said: Vec<(u64, bool)> = all.iter().map(|line| (line.number, line.too_long)).collect();
            assert_eq!(said, expected, "{claim}");
            assert!(all.iter().all(|line| line.text.len() <= LONGEST), "{claim}");
        }
    }
}
