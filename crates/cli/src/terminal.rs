//! The only file that prints and colours.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use fieldgate::diagnostic;

use super::exit::Failure;

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set, CLICOLOR is 0, or TERM is `dumb`; elsewhere if CLICOLOR_FORCE is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a piece of text says, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Something is wrong.
    Bad,
    /// Something may be wrong.
    Doubtful,
    /// Something is right.
    Good,
    /// A name, a place.
    Name,
    /// What matters less.
    Dim,
    /// What matters more.
    Strong,
}

/// Standard output and standard error, and whether each takes colour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    out: bool,
    err: bool,
}

impl Terminal {
    /// Decides on colour once, for the whole run (<https://no-color.org>, <https://bixense.com/clicolors>).
    pub(crate) fn new(color: Color) -> Self {
        match color {
            Color::Always => Self { out: true, err: true },
            Color::Never => Self { out: false, err: false },
            Color::Auto => Self { out: takes_colour(&io::stdout()), err: takes_colour(&io::stderr()) },
        }
    }

    /// How many characters a line of standard output takes: `COLUMNS`, else what a terminal says of itself; without either there
    /// is no bound.
    pub(crate) fn width(self) -> usize {
        let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let of_terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        said.or_else(of_terminal).filter(|width| *width > 0).unwrap_or(usize::MAX)
    }

    /// Whether standard output takes colour.
    pub(crate) fn colored(self) -> bool {
        self.out
    }

    /// This terminal for a text that is made with [`Self::paint`] and goes to standard error.
    pub(crate) fn on_error(self) -> Self {
        Self { out: self.err, err: self.err }
    }

    /// Colours a text for standard output.
    pub(crate) fn paint(self, ink: Ink, text: &str) -> String {
        painted(self.out, ink, text)
    }

    /// Writes to standard output.
    ///
    /// # Errors
    /// When it cannot be written to. A reader that went away (`fieldgate matrix | head`) is no failure.
    pub(crate) fn print(self, text: &str) -> Result<(), Failure> {
        self.print_bytes(unsteered(text).as_bytes())
    }

    /// Writes bytes to standard output exactly.
    ///
    /// # Errors
    /// As [`Self::print`].
    pub(crate) fn print_bytes(self, bytes: &[u8]) -> Result<(), Failure> {
        quiet();
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::new(format!("cannot write to standard output: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Says something on standard error: a summary, progress. A standard error that is gone is nobody's failure.
    pub(crate) fn say(self, text: &str) {
        quiet();
        let mut err = io::stderr().lock();
        drop(err.write_all(unsteered(text).as_bytes()).and_then(|()| err.flush()));
    }

    /// Colours a text for standard error.
    pub(crate) fn paint_said(self, ink: Ink, text: &str) -> String {
        painted(self.err, ink, text)
    }

    /// Says why a verb could not do its work.
    pub(crate) fn fail(self, failure: &Failure) {
        let mut text = format!("{} {}\n", painted(self.err, Ink::Bad, "error:"), failure.message);
        if let Some(help) = &failure.help {
            text.push_str(&format!("{} {help}\n", painted(self.err, Ink::Strong, "help:")));
        }
        self.say(&text);
    }
}

/// The text without what steers a terminal, but for line ends and the colours that are the command's own. What stands there
/// instead, `\u009b`, is the same character where the text is JSON.
fn unsteered(text: &str) -> Cow<'_, str> {
    let steers = |at: usize, c: char| match c {
        '\n' | '\t' => false,
        '\r' => at > 0 && text.as_bytes().get(at.saturating_add(1)) != Some(&b'\n'),
        '\u{1b}' => !is_own_sequence(text, at),
        c => diagnostic::steers(c),
    };
    if !text.char_indices().any(|(at, c)| steers(at, c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.char_indices().fold(String::with_capacity(text.len()), |mut out, (at, c)| {
        if steers(at, c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
        out
    }))
}

/// Whether a sequence of the command's own stands there: one that sets a colour or a weight (ECMA-48 §8.3.117), and the one that
/// cleans a line, which comes alone. None conceals, turns round or blinks, and a policy's words have none when they get here.
fn is_own_sequence(text: &str, at: usize) -> bool {
    if text.as_bytes() == CLEAN_LINE {
        return true;
    }
    let Some(rest) = text.get(at..).and_then(|rest| rest.strip_prefix("\u{1b}[")) else { return false };
    let Some((parameters, _)) = rest.split_once('m') else { return false };
    let is_own = |one: &str| matches!(one.parse::<u8>(), Ok(0..=2 | 31..=36 | 91..=96));
    parameters.len() <= 5 && (parameters.is_empty() || parameters.split(';').all(is_own))
}

fn painted(colored: bool, ink: Ink, text: &str) -> String {
    if !colored || text.is_empty() {
        return text.to_owned();
    }
    // Only the sixteen colours that a reader's own theme decides on.
    let style = match ink {
        Ink::Bad => AnsiColor::Red.on_default().bold(),
        Ink::Doubtful => AnsiColor::Yellow.on_default(),
        Ink::Good => AnsiColor::Green.on_default(),
        Ink::Name => AnsiColor::Cyan.on_default(),
        Ink::Dim => Style::new().dimmed(),
        Ink::Strong => Style::new().bold(),
    };
    format!("{style}{text}{style:#}")
}

/// Whether a stream is to be coloured, by what it is and by what the environment says.
fn takes_colour(stream: &impl RawStream) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}

/// The line that says, on a terminal, that work goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Working {
    /// It may come.
    Waiting,
    /// It stands there.
    Shown,
    /// Something else was said, so there is nothing to wait for.
    Over,
}

static WORKING: Mutex<Working> = Mutex::new(Working::Waiting);

/// From the second second on, says on a terminal that work goes on, until anything else is said.
pub(crate) fn working() {
    if !io::stderr().is_terminal() {
        return;
    }
    let started = Instant::now();
    // Nobody waits for it: it ends with the process at the latest.
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_secs(1));
            let mut state = WORKING.lock().unwrap_or_else(PoisonError::into_inner);
            if *state == Working::Over {
                return;
            }
            *state = Working::Shown;
            let mut err = io::stderr().lock();
            drop(write!(err, "\rworking … {} s", started.elapsed().as_secs()).and_then(|()| err.flush()));
        }
    });
}

/// Takes that line away for good.
fn quiet() {
    let mut state = WORKING.lock().unwrap_or_else(PoisonError::into_inner);
    if *state == Working::Shown {
        let mut err = io::stderr().lock();
        drop(err.write_all(CLEAN_LINE).and_then(|()| err.flush()));
    }
    *state = Working::Over;
}

/// Erase in Line, ECMA-48 §8.3.41: what follows starts on a clean line.
const CLEAN_LINE: &[u8] = b"\r\x1b[K";

/// Says how far work has come, on a terminal, once it has taken more than a second.
pub(crate) struct Progress {
    terminal: Terminal,
    what: &'static str,
    total: usize,
    done: usize,
    started: Instant,
    said: bool,
}

impl Progress {
    /// Starts counting.
    pub(crate) fn new(terminal: Terminal, what: &'static str, total: usize) -> Self {
        Self { terminal, what, total, done: 0, started: Instant::now(), said: false }
    }

    /// One more is done.
    pub(crate) fn step(&mut self) {
        self.at(self.done.saturating_add(1));
    }

    /// So many are done.
    pub(crate) fn at(&mut self, done: usize) {
        self.done = done;
        if self.started.elapsed() > Duration::from_secs(1) && io::stderr().is_terminal() {
            self.said = true;
            self.terminal.say(&format!("\r{} of {} {}", self.done, self.total, self.what));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.said {
            self.terminal.say(&String::from_utf8_lossy(CLEAN_LINE));
        }
    }
}
