//! Values that a filter must see whole before anything of them is decided (rules 11, 26).

use std::rc::Rc;

use super::super::held::{self, Unreadable};
use super::super::sink::Sink;
use super::{ChunkPosition, ContainerKind, Frame, Halt, Name, Phase, Root, Walker};
use crate::json::Texts;
use crate::json::lexer::{Block, Lexer};
use crate::json::scanner::Scanner;
use crate::json::simd::BLOCK;
use crate::json::unescape::unescape;
use crate::program::{Outlook, PathStep, StateId};
use crate::refusal::Refusal;

/// Room that a stream keeps from one value to the next, in bytes: more is given back, as a stream can wait for long.
const USUAL_ROOM: usize = 16 << 10;

/// Makes a buffer ready for the next value.
pub(super) fn put_down(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    if buffer.capacity() > USUAL_ROOM { Vec::new() } else { buffer }
}

/// A walker for held values, and what it writes of one.
#[derive(Debug)]
pub(super) struct Inner {
    walker: Walker,
    out: Vec<u8>,
}

impl Walker {
    /// A value that a filter must see begins at `at`.
    pub(super) fn hold(&mut self, at: usize, byte: u8) -> Phase {
        self.start = at;
        self.nested = 1;
        match byte {
            b'{' | b'[' => Phase::HoldContainer,
            b'"' => Phase::HoldString,
            _ => Phase::HoldPlain,
        }
    }

    /// Refuses a held value that goes on at `end`, and is too large by now.
    pub(super) fn check_held(&self, end: usize) -> Result<(), Halt> {
        if !matches!(self.phase, Phase::HoldString | Phase::HoldPlain | Phase::HoldContainer) {
            return Ok(());
        }
        self.check_size(end)
    }

    fn check_size(&self, end: usize) -> Result<(), Halt> {
        let size = self.taken.len().saturating_add(end.saturating_sub(self.start));
        let limit = usize::try_from(self.view.limits().record).unwrap_or(usize::MAX);
        if size > limit { Err(Halt::Record(self.held_place())) } else { Ok(()) }
    }

    /// Where the held value begins.
    fn held_place(&self) -> ChunkPosition {
        ChunkPosition { at: self.start, before: u64::try_from(self.taken.len()).unwrap_or(u64::MAX) }
    }

    /// The held value ends before `end`: asks the filters, then walks it from the state that they say.
    #[cold]
    pub(super) fn release(&mut self, sink: &mut Sink<'_>, end: usize) -> Result<Phase, Halt> {
        self.check_size(end)?;
        let place = self.held_place();
        let mut taken = std::mem::take(&mut self.taken);
        let bytes = if taken.is_empty() {
            sink.span(self.start, end)
        } else {
            taken.extend_from_slice(sink.span(0, end));
            &taken
        };
        let id = self.select(sink, bytes, place)?;
        let mut inner = match self.inner.take() {
            Some(inner) => inner,
            None => Box::new(Inner { walker: Self::with_root(Rc::clone(&self.view), Root::Held, id), out: Vec::new() }),
        };
        // What is held may name the subject of a record that began outside.
        std::mem::swap(&mut self.records, &mut inner.walker.records);
        inner.walk(id, self, bytes)?;
        std::mem::swap(&mut self.records, &mut inner.walker.records);
        // The counts go in and come out again: what is held is of the same response.
        self.counts = inner.walker.counts;
        self.effort = inner.walker.effort;
        // Nothing was written: the element or member is removed with its comma and name.
        if !inner.out.is_empty() {
            self.lead(sink, self.start);
            sink.write(&inner.out);
        }
        inner.out = put_down(std::mem::take(&mut inner.out));
        self.inner = Some(inner);
        self.taken = put_down(taken);
        Ok(Phase::After)
    }

    /// The state of a held value.
    fn select(&self, sink: &Sink<'_>, bytes: &[u8], place: ChunkPosition) -> Result<StateId, Halt> {
        let value = held::read(bytes).map_err(|unreadable| match unreadable {
            Unreadable::Duplicate(within) => {
                Halt::Duplicate(ChunkPosition { at: place.at.saturating_add(within), before: place.before })
            }
            Unreadable::Internal => Halt::Whole(Refusal::Internal),
        })?;
        // The validator has passed the bytes: whatever fails from here on is a state that should not exist.
        let full = Halt::Whole(Refusal::Internal);
        let from = self.frame.id;
        if self.frame.kind == ContainerKind::Array {
            return self.view.select(from, PathStep::Element, &value).ok_or(full);
        }
        let quoted = match self.name {
            Name::Chunk { start, end } => sink.span(start, end),
            Name::Saved => &self.saved,
        };
        let [b'"', raw @ .., b'"'] = quoted else { return Err(full) };
        let name = unescape(raw).ok_or(full)?;
        self.view.select(from, PathStep::Member(&name), &value).ok_or(full)
    }
}

impl Inner {
    /// Room for bytes, used or not.
    pub(super) fn kept(&self) -> usize {
        self.out.capacity().saturating_add(self.walker.kept())
    }

    /// Walks a value from a state, on behalf of `outer`.
    fn walk(&mut self, id: StateId, outer: &Walker, bytes: &[u8]) -> Result<(), Halt> {
        // Whatever became of the value before: nothing of it goes out with this one.
        self.out.clear();
        let walker = &mut self.walker;
        walker.restart(id, outer);
        let mut lexer = Lexer::new(Texts::One);
        let texts = outer.counts.texts;
        // A space follows, as at a body's end: it ends a number.
        for chunk in [bytes, Scanner::END] {
            let mut sink = Sink::new(chunk, &mut self.out);
            let (blocks, rest) = chunk.as_chunks::<BLOCK>();
            let mut base = 0usize;
            for whole in blocks {
                walker.block(&mut sink, base, &lexer.lex(Block::whole(whole)))?;
                base = base.wrapping_add(BLOCK);
            }
            let mut room = [0; BLOCK];
            if let Some(part) = Block::part(rest, &mut room) {
                let shift = usize::try_from(part.shift()).unwrap_or_default();
                walker.block(&mut sink, base.wrapping_sub(shift), &lexer.lex(part))?;
            }
            walker.suspend(&mut sink)?;
        }
        walker.counts.texts = texts;
        if walker.phase == Phase::Done && walker.frame.kind == ContainerKind::Root {
            Ok(())
        } else {
            Err(Halt::Whole(Refusal::Internal))
        }
    }
}

impl Walker {
    /// Makes a walker ready for another held value.
    fn restart(&mut self, id: StateId, outer: &Walker) {
        if !self.states.has(id) {
            self.view.add_to(&mut self.states);
        }
        self.here = id;
        self.outlook = Outlook::Asked;
        self.phase = Phase::Value;
        self.frame = Frame::around_root(outer.frame.muted, Rc::clone(self.states.get(StateId::DEAD)));
        self.outer.clear();
        self.seen.clear();
        self.taken.clear();
        self.start = 0;
        self.counts = outer.counts;
        self.effort = outer.effort;
    }
}
