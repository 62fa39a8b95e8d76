//! Access logs, line by line: plain, gzip and zstd, from files and from standard input. The only file that decompresses.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use fieldgate_workbench::ledger::{Broken, Line, read};
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use self::lines::{Lines, Whole};
use self::remembered::{Before, Remembered};
use super::exit::{Exit, Failure};
use super::load::slashes;
use super::terminal::{Progress, Terminal};

mod lines;
mod remembered;

/// Lines with a fault that are named; the rest is counted.
const NAMED: u64 = 10;

/// How much of a file is read at once, in bytes.
const PIECE: usize = 1 << 18;

/// What begins a gzip member (RFC 1952 §2.3.1) and a Zstandard frame (RFC 8878 §3.1.1).
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// A log that was named: `-` is standard input.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// What was wrong with logs that were read to their ends.
#[derive(Debug, Default)]
pub(crate) struct LogFaults {
    /// Lines that cannot be read.
    pub(crate) broken: u64,
    /// Lines with several whole records: a caller may have sent one of them.
    pub(crate) contested: u64,
    /// Records that came before too, in the same log or another.
    pub(crate) again: u64,
    /// Records of which nobody knows whether they came before, since too many came.
    pub(crate) unremembered: u64,
}

impl LogFaults {
    /// How a command ends that has read such logs.
    pub(crate) fn exit(&self) -> Exit {
        if self.broken > 0 || self.contested > 0 || self.again > 0 { Exit::Findings } else { Exit::Fine }
    }
}

/// Reads every line of the logs. Lines that cannot be read, or that have several records, are named on standard error, the first
/// ten of them, and handed on all the same; how many there were is told. So is, once for each log, that records come again.
///
/// # Errors
/// When a log cannot be read to its end: half an answer would look like a whole one.
pub(crate) fn each_line(
    paths: &[PathBuf],
    terminal: Terminal,
    take: impl FnMut(Line, &[u8]),
) -> Result<LogFaults, Failure> {
    each(paths, terminal, Some(Remembered::default()), take)
}

/// As [`each_line`], of one log in which records may come again.
///
/// # Errors
/// As [`each_line`].
pub(crate) fn each_line_of(
    path: &Path,
    terminal: Terminal,
    take: impl FnMut(Line, &[u8]),
) -> Result<LogFaults, Failure> {
    each(&[path.to_owned()], terminal, None, take)
}

fn each(
    paths: &[PathBuf],
    terminal: Terminal,
    remembered: Option<Remembered>,
    mut take: impl FnMut(Line, &[u8]),
) -> Result<LogFaults, Failure> {
    let sizes = paths.iter().filter(|path| !is_stdin(path)).map(|path| {
        let found = fs::metadata(path).map_err(|error| Failure::io("read", path, &error))?;
        if found.is_dir() { Err(Failure::new(format!("{} is a directory", path.display()))) } else { Ok(found.len()) }
    });
    let all = sizes.sum::<Result<u64, Failure>>()?.max(1);
    let mut progress = Progress::new(terminal, "% of the logs", 100);
    let done = Rc::new(Cell::new(0u64));
    let mut watch = Watch { terminal, remembered, faults: LogFaults::default(), named: 0, told: false };
    for path in paths {
        let mut lines = Lines::new(open(path, &done)?);
        watch.told = false;
        while let Some(line) = lines.next().map_err(|error| Failure::io("read", path, &error))? {
            let found = if line.too_long { Line::Broken(Broken::TooLong) } else { read(&line.text) };
            watch.look(path, &line, &found);
            take(found, &line.text);
            if line.number.is_multiple_of(4096) {
                let share = done.get().saturating_mul(100).checked_div(all).unwrap_or(0);
                progress.at(usize::try_from(share.min(100)).unwrap_or(100));
            }
        }
    }
    drop(progress);
    if watch.named > NAMED {
        terminal.say(&format!("and {} more lines with such faults\n", watch.named.saturating_sub(NAMED)));
    }
    Ok(watch.faults)
}

/// What looks for faults in lines, and names them.
struct Watch {
    terminal: Terminal,
    remembered: Option<Remembered>,
    faults: LogFaults,
    /// Lines that were named, or would have been.
    named: u64,
    /// Whether it was said of the log at hand that records come again.
    told: bool,
}

impl Watch {
    fn look(&mut self, path: &Path, line: &Whole, found: &Line) {
        match found {
            Line::Broken(why) => {
                self.faults.broken = self.faults.broken.saturating_add(1);
                self.name(path, line, &why.to_string());
            }
            Line::Record(record) => {
                if record.contested {
                    self.faults.contested = self.faults.contested.saturating_add(1);
                    self.name(
                        path,
                        line,
                        "it has several decision records, and a caller may have sent one: the last one counts",
                    );
                }
                let before = self.remembered.as_mut().map(|all| all.take(record, &line.text));
                match before {
                    Some(Before::Yes) => self.again(path, line),
                    Some(Before::Unknown) => self.faults.unremembered = self.faults.unremembered.saturating_add(1),
                    Some(Before::No | Before::NoId) | None => {}
                }
            }
            Line::Unwritten(_) | Line::Gated | Line::Empty => {}
        }
    }

    fn name(&mut self, path: &Path, line: &Whole, fault: &str) {
        self.named = self.named.saturating_add(1);
        if self.named <= NAMED {
            self.terminal.say(&format!("{}:{}: {fault}\n", slashes(path), line.number));
        }
    }

    fn again(&mut self, path: &Path, line: &Whole) {
        self.faults.again = self.faults.again.saturating_add(1);
        if !std::mem::replace(&mut self.told, true) {
            let place = slashes(path);
            self.terminal
                .say(&format!("{place}:{}: this record came before: what comes again counts twice\n", line.number));
        }
    }
}

/// Counts the bytes that are read.
struct Counted<R> {
    inner: R,
    done: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.done.set(self.done.get().saturating_add(u64::try_from(count).unwrap_or(0)));
        Ok(count)
    }
}

fn open(path: &Path, done: &Rc<Cell<u64>>) -> Result<Box<dyn BufRead>, Failure> {
    let failed = |error: io::Error| Failure::io("read", path, &error);
    let inner: Box<dyn Read> = if is_stdin(path) {
        Box::new(io::stdin())
    } else {
        Box::new(Counted { inner: File::open(path).map_err(failed)?, done: Rc::clone(done) })
    };
    let mut plain = BufReader::with_capacity(PIECE, inner);
    let start = plain.fill_buf().map_err(failed)?;
    if start.starts_with(GZIP) {
        return Ok(Box::new(BufReader::with_capacity(PIECE, MultiGzDecoder::new(plain))));
    }
    if start.starts_with(ZSTD) {
        return Ok(Box::new(BufReader::with_capacity(PIECE, Frames::Between(plain))));
    }
    Ok(Box::new(plain))
}

type Source = BufReader<Box<dyn Read>>;

/// The frames of a Zstandard file, one after the other: a log that is appended to has several.
enum Frames {
    Between(Source),
    Within(Box<StreamingDecoder<Source, FrameDecoder>>),
    Over,
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(self, Self::Over) {
                Self::Over => return Ok(0),
                Self::Between(mut source) => {
                    if source.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    let decoder = StreamingDecoder::new(source);
                    *self = Self::Within(Box::new(decoder.map_err(|error| io::Error::other(error.to_string()))?));
                }
                Self::Within(mut decoder) => {
                    let count = decoder.read(buffer)?;
                    *self = if count == 0 && !buffer.is_empty() {
                        Self::Between(decoder.into_inner())
                    } else {
                        Self::Within(decoder)
                    };
                    if count > 0 || buffer.is_empty() {
                        return Ok(count);
                    }
                }
            }
        }
    }
}
