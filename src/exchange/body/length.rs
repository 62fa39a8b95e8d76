//! [`Length`]: how long a body says that it is, how its end is told, and how long it may be.

use crate::json::Texts;
use crate::model::Limits;
use crate::refusal::Refusal;

/// How long a body says that it is, and how long it may be.
///
/// What the host holds back must fit into its buffer together with whatever comes next: it puts the next part beside it
/// before the filter is asked, and answers 500 if that is too much. So a body is awaited only where what may still come
/// is known to be small enough. Any other is decided by its first part, which the host does not hold back yet; small
/// bodies come whole in it.
#[derive(Debug, Clone, Copy)]
pub(in crate::exchange) struct Length {
    /// What the head says.
    pub(in crate::exchange) declared: DeclaredBody,
    /// The policy's limits.
    pub(in crate::exchange) limits: Limits,
}

/// What a response's head says of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::exchange) struct DeclaredBody {
    /// How many bytes it has.
    pub(in crate::exchange) bytes: Option<u64>,
    /// How it comes.
    pub(in crate::exchange) carrier: Carrier,
}

/// How a body comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::exchange) enum Carrier {
    /// In frames of at most 16 KiB, and trailers may end it (HTTP/2, RFC 9113 §4.2). The host has said so.
    Frames,
    /// In parts of whatever size is read at once, and its head promises trailers.
    WithTrailers,
    /// In parts of whatever size is read at once.
    Pieces,
}

/// Largest frame, in bytes.
const FRAME: u64 = 16 << 10;

impl Length {
    /// The length of a body whose texts follow each other so. Only one text tells that no more of it is to come, which `Holding`
    /// leans on where no length does; several are a stream, and go as they come.
    pub(in crate::exchange) fn of(self, texts: Texts) -> Self {
        let DeclaredBody { bytes, carrier } = self.declared;
        let carrier = match (texts, bytes, carrier) {
            (Texts::Lines | Texts::Sequence, None, Carrier::Frames) => Carrier::Pieces,
            _ => carrier,
        };
        Self { declared: DeclaredBody { bytes, carrier }, ..self }
    }

    /// Whether more may be awaited, `read` bytes having been read and `written` having come of them. Of frames that does not
    /// hang on what is left out: however many there are, the host need not hold more than one and what is kept of the others.
    pub(super) fn is_awaited(self, read: u64, written: usize) -> bool {
        let hold = u64::from(self.limits.hold);
        match (self.declared.carrier, self.declared.bytes) {
            (Carrier::Frames, _) => u64::try_from(written).is_ok_and(|written| written <= hold.min(FRAME)),
            (_, Some(bytes)) => bytes.max(read) <= hold,
            (_, None) => false,
        }
    }

    /// How much of what the host has of the body it should hold.
    pub(super) fn part_to_hold(self, host_has: usize) -> usize {
        match self.declared.carrier {
            Carrier::Frames => usize::try_from(FRAME).map_or(host_has, |frame| host_has.min(frame)),
            Carrier::WithTrailers | Carrier::Pieces => host_has,
        }
    }

    /// Whether, `read` bytes having been read, more bytes must come before the body ends, by end of stream or by trailers:
    /// the host lets no body be shorter than its head says.
    pub(super) fn is_short(self, read: u64) -> bool {
        self.declared.bytes.is_some_and(|bytes| read < bytes)
    }

    /// Whether, `read` bytes having been read, nothing can follow but the end: no trailers, after which nothing can be
    /// written.
    pub(super) fn only_ends(self, read: u64) -> bool {
        self.declared.carrier == Carrier::Pieces && self.declared.bytes.is_some_and(|bytes| read >= bytes)
    }
}

/// How much of a body was read, and how much may be (rule 40).
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) read: u64,
    limit: u64,
}

impl Size {
    pub(super) fn new(limits: Limits) -> Self {
        Self { read: 0, limit: limits.body }
    }

    pub(super) fn add(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        let more = u64::try_from(chunk.len()).map_err(|_| Refusal::BodyTooLarge)?;
        self.read = self.read.saturating_add(more);
        if self.read <= self.limit { Ok(()) } else { Err(Refusal::BodyTooLarge) }
    }
}
