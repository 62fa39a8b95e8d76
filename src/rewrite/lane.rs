//! [`Lane`]: where the walker reads on by itself along a list of tokens, and when that is not worth a try.

use super::sink::Sink;
use super::walker::Walker;
use crate::json::lexer::{Block, Tokens};
use crate::json::scanner::BlockReader;
use crate::json::validator::Border;
use crate::json::window::Window;
use crate::refusal::Refusal;

/// Whether a body goes through the lane where that can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lane {
    /// Where it is likely to be faster: in large chunks, and not for a while where it has just got nowhere.
    #[default]
    Usual,
    /// Nowhere.
    Never,
    /// Wherever it can be. For tests: that is slower.
    Always,
}

/// Bytes of a chunk that must be left: for fewer, the lane's code and list are not worth fetching.
const LEAST: usize = 4096;

/// Bytes of a chunk for which a lane that is open goes on.
const LEAST_ON: usize = 256;

/// Bytes that must come of a try.
const WORTH: usize = 1024;

/// Blocks that the lane is left closed for when it got nowhere: at first, and at most.
const WAITS: (u32, u32) = (64, 4096);

/// When the lane is tried.
#[derive(Debug)]
pub(super) struct Pace {
    lane: Lane,
    /// Blocks until it is tried again.
    wait: u32,
    /// How long it will be closed for when it gets nowhere the next time.
    next_wait: u32,
    /// Made when it is first needed, and used again.
    window: Option<Window>,
}

impl Pace {
    pub(super) fn new(lane: Lane) -> Self {
        Self { lane, wait: 0, next_wait: WAITS.0, window: None }
    }

    fn least(&self) -> usize {
        if self.lane == Lane::Always { 1 } else { LEAST_ON }
    }

    /// Takes down how far a try came, for so many bytes that were listed.
    fn tell(&mut self, came: usize, looked: usize) {
        if self.lane == Lane::Always {
            return;
        }
        if came < WORTH || came < looked / 2 {
            self.wait = self.next_wait;
            self.next_wait = self.next_wait.saturating_mul(2).min(WAITS.1);
        } else {
            self.next_wait = WAITS.0;
        }
    }
}

/// The walker, as it reads a chunk.
pub(super) struct Following<'a, 'c> {
    pub(super) walker: &'a mut Walker,
    pub(super) sink: &'a mut Sink<'c>,
    pub(super) pace: &'a mut Pace,
    /// Bytes of the body before the chunk.
    pub(super) offset: u64,
}

impl BlockReader for Following<'_, '_> {
    #[inline(always)]
    fn block(&mut self, base: usize, _: Block<'_>, tokens: &Tokens) -> Result<(), Refusal> {
        self.walker.block(self.sink, base, tokens).map_err(|halt| halt.at(self.offset))
    }

    #[inline(always)]
    fn tries(&mut self, left: usize) -> bool {
        match self.pace.lane {
            Lane::Usual if self.pace.wait == 0 => left >= LEAST,
            Lane::Usual => {
                self.pace.wait = self.pace.wait.wrapping_sub(1);
                false
            }
            Lane::Never => false,
            Lane::Always => true,
        }
    }

    #[inline(never)]
    fn read_on(&mut self, chunk: &[u8], at: usize, border: &mut Border) -> Result<usize, Refusal> {
        if !self.walker.may_take_lane(*border) {
            return Ok(at);
        }
        let mut window = self.pace.window.take().unwrap_or_default();
        let (mut to, mut looked) = (at, 0usize);
        while chunk.len().saturating_sub(to) >= self.pace.least() {
            let listed = window.list(chunk, to);
            looked = looked.saturating_add(listed.looked());
            let stop = self.walker.lane(self.sink, listed, border).map_err(|halt| halt.at(self.offset))?;
            // At the end of a window the next one begins; where one holds not even its first token, that is long.
            let goes_on = stop.at_end && stop.at > to;
            to = stop.at;
            if !goes_on {
                break;
            }
        }
        self.pace.window = Some(window);
        self.pace.tell(to.saturating_sub(at), looked);
        Ok(to)
    }
}
