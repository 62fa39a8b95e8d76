//! Access logs, line by line: plain, gzip and zstd, from files and from standard input. The only file that decompresses.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use fieldgate_workbench::ledger::{Broken, Line, read};
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::exit::{Exit, Failure};
use super::terminal::{Progress, Terminal};

/// The longest line that is kept, in bytes: a record of a thousand subjects is some 40 KB.
const LONGEST: u64 = 4 << 20;

/// Broken lines that are named; the rest is counted.
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
    /// Logs whose first record another log has too: what is in both comes twice.
    pub(crate) overlaps: u64,
}

impl LogFaults {
    /// How a command ends that has read such logs.
    pub(crate) fn exit(&self) -> Exit {
        if self.broken > 0 || self.overlaps > 0 { Exit::Findings } else { Exit::Fine }
    }
}

/// The first record of a log: another log that has it too was copied from it, or it from that.
struct FirstRecord {
    of: usize,
    line: Vec<u8>,
}

/// The first records of those logs that can be opened twice.
fn first_records(paths: &[PathBuf]) -> Result<Vec<FirstRecord>, Failure> {
    let mut firsts = Vec::new();
    if paths.len() < 2 {
        return Ok(firsts);
    }
    for (of, path) in paths.iter().enumerate() {
        if is_stdin(path) || !fs::metadata(path).is_ok_and(|found| found.is_file()) {
            continue;
        }
        let mut log = open(path, &Rc::default())?;
        let mut line = Vec::new();
        while (&mut log)
            .take(LONGEST)
            .read_until(b'\n', &mut line)
            .map_err(|error| Failure::io("read", path, &error))?
            > 0
        {
            if matches!(read(&line), Line::Record(_)) {
                firsts.push(FirstRecord { of, line: line.trim_ascii_end().to_vec() });
                break;
            }
            line.clear();
        }
    }
    Ok(firsts)
}

/// Reads every line of the logs. Lines that cannot be read are named on standard error, the first ten of them, and handed on
/// all the same; how many there were is told. So is a log that has the first record of another.
///
/// # Errors
/// When a log cannot be read to its end: half an answer would look like a whole one.
pub(crate) fn each_line(
    paths: &[PathBuf],
    terminal: Terminal,
    mut take: impl FnMut(Line, &[u8]),
) -> Result<LogFaults, Failure> {
    let mut firsts = first_records(paths)?;
    let sizes = paths.iter().filter(|path| !is_stdin(path)).map(|path| {
        let found = fs::metadata(path).map_err(|error| Failure::io("read", path, &error))?;
        if found.is_dir() { Err(Failure::new(format!("{} is a directory", path.display()))) } else { Ok(found.len()) }
    });
    let all = sizes.sum::<Result<u64, Failure>>()?.max(1);
    let mut progress = Progress::new(terminal, "% of the logs", 100);
    let done = Rc::new(Cell::new(0u64));
    let mut faults = LogFaults::default();
    for (index, path) in paths.iter().enumerate() {
        let mut log = open(path, &done)?;
        let mut line = Vec::new();
        let mut number = 0u64;
        loop {
            line.clear();
            let failed = |error: io::Error| Failure::io("read", path, &error);
            let length = (&mut log).take(LONGEST).read_until(b'\n', &mut line).map_err(failed)?;
            if length == 0 {
                break;
            }
            number = number.saturating_add(1);
            let whole = line.ends_with(b"\n") || u64::try_from(length).unwrap_or(LONGEST) < LONGEST;
            let found = if whole {
                read(&line)
            } else {
                log.skip_until(b'\n').map_err(failed)?;
                Line::Broken(Broken::TooLong)
            };
            if let Line::Broken(why) = &found {
                faults.broken = faults.broken.saturating_add(1);
                if faults.broken <= NAMED {
                    terminal.say(&format!("{}:{number}: {why}\n", super::load::slashes(path)));
                }
            }
            let again = firsts.iter().position(|first| first.of != index && first.line == line.trim_ascii_end());
            if let Some(first) = again.map(|at| firsts.swap_remove(at)) {
                faults.overlaps = faults.overlaps.saturating_add(1);
                let other = paths.get(first.of).map(|path| super::load::slashes(path)).unwrap_or_default();
                terminal.say(&format!(
                    "{}:{number}: {other} begins with this record too: what is in both counts twice\n",
                    super::load::slashes(path)
                ));
            }
            take(found, &line);
            if number.is_multiple_of(4096) {
                let share = done.get().saturating_mul(100).checked_div(all).unwrap_or(0);
                progress.at(usize::try_from(share.min(100)).unwrap_or(100));
            }
        }
    }
    drop(progress);
    if faults.broken > NAMED {
        terminal.say(&format!("and {} more lines that cannot be read\n", faults.broken.saturating_sub(NAMED)));
    }
    Ok(faults)
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
