//! [`Memory`]: what all streams of a worker keep of bodies, together (rule 40).
//!
//! Each stream is bounded by itself, but a worker has many, and its virtual machine has 1 GiB for all of them. What a
//! stream keeps from one part of its body to the next is counted here; a stream that would take the sum over the bound is
//! refused, so that the others go on.

use std::cell::Cell;
use std::rc::Rc;

use crate::refusal::Refusal;

/// What all streams may keep, in bytes. A buffer that grows has up to twice the room that it needs, and a record is read as
/// a tree besides: a quarter of the virtual machine leaves room for both.
const MOST: usize = 256 << 20;

/// The sum over all streams.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    kept: Rc<Cell<usize>>,
    most: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl Memory {
    /// With another bound, in bytes.
    pub(crate) fn of(most: usize) -> Self {
        Self { kept: Rc::default(), most }
    }

    /// The share of one stream, which keeps nothing yet.
    pub(crate) fn share(&self) -> StreamShare {
        StreamShare { memory: self.clone(), kept: 0 }
    }
}

/// What one stream keeps. Dropped, it gives it back.
#[derive(Debug)]
pub(crate) struct StreamShare {
    memory: Memory,
    kept: usize,
}

impl StreamShare {
    /// The stream keeps `bytes` from now on.
    ///
    /// # Errors
    /// Refuses more than before where that takes the sum over the bound.
    pub(crate) fn keep(&mut self, bytes: usize) -> Result<(), Refusal> {
        let others = self.memory.kept.get().saturating_sub(self.kept);
        let sum = others.saturating_add(bytes);
        if bytes > self.kept && sum > self.memory.most {
            return Err(Refusal::Memory);
        }
        self.memory.kept.set(sum);
        self.kept = bytes;
        Ok(())
    }
}

impl Drop for StreamShare {
    fn drop(&mut self) {
        self.memory.kept.set(self.memory.kept.get().saturating_sub(self.kept));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_the_sum_over_the_bound_is_refused_and_the_others_go_on() {
        let memory = Memory::of(100);
        let (mut first, mut second) = (memory.share(), memory.share());
        assert_eq!(first.keep(60), Ok(()));
        assert_eq!(second.keep(41), Err(Refusal::Memory));
        assert_eq!(second.keep(40), Ok(()), "exactly the bound");
        assert_eq!(first.keep(61), Err(Refusal::Memory));
        assert_eq!(first.keep(10), Ok(()), "less is never refused");
        assert_eq!(second.keep(90), Ok(()), "what one gave back is the other's");
        drop(second);
        assert_eq!(first.keep(100), Ok(()), "what has ended keeps nothing");
        drop(first);
        assert_eq!(memory.kept.get(), 0);
    }
}
