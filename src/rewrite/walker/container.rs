//! Containers and what stands in them: kept, removed, opened, closed, and what is written around their children.

use std::rc::Rc;

use super::super::sink::Sink;
use super::{ContainerKind, Frame, Halt, Name, Phase, Root, Walker};
use crate::json::Texts;
use crate::model::Over;
use crate::program::{ContainerRule, Outlook, Standing, State, StateId};
use crate::refusal::Refusal;

impl Walker {
    /// A comma: what comes next in the container.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Phase {
        match self.frame.kind {
            ContainerKind::Object => return Phase::Name,
            ContainerKind::Array => {}
            ContainerKind::Root => return Phase::Done,
        }
        // All elements of an array have one state, unless a filter tells them apart.
        let awaited = self.await_element();
        // Where values are counted, each is looked at.
        if let (Outlook::Hidden { .. }, false, false) = (self.outlook, self.frame.state.filtered, self.counting) {
            self.tell(self.here, Standing::Whole, 1);
            self.counts.hidden = self.counts.hidden.wrapping_add(1);
            return Phase::DropElements;
        }
        awaited
    }

    /// An element is next.
    #[inline(always)]
    pub(super) fn await_element(&mut self) -> Phase {
        if !self.frame.state.filtered {
            self.outlook = self.frame.state.outlook;
            self.here = self.frame.state.element;
        }
        Phase::Value
    }

    /// What is removed is a container: whether that is a shape mismatch.
    #[inline(always)]
    pub(super) fn mismatch(&mut self) {
        let classified = match self.outlook {
            // A container where the policy has a scalar (rule 25): what is not classified is no mismatch, but unknown.
            Outlook::Hidden { classified } => classified,
            Outlook::Shown => true,
            Outlook::Asked => self.state().classified,
        };
        self.counts.shape_mismatch = self.counts.shape_mismatch.wrapping_add(u64::from(classified));
    }

    /// A value begins at `at` with `byte`. Whether the byte behind a bracket there is its closing one, and passed over with
    /// it, `passes_close` says.
    #[inline(always)]
    pub(super) fn begin(
        &mut self,
        sink: &mut Sink<'_>,
        at: usize,
        byte: u8,
        passes_close: impl FnOnce(usize) -> bool,
    ) -> Result<Phase, Halt> {
        let container = matches!(byte, b'{' | b'[');
        // A filter must see the value whole before anything is decided of it.
        if self.frame.state.filtered {
            return Ok(self.hold(at, byte));
        }
        match self.outlook {
            Outlook::Shown if !container && !self.frame.muted => {
                self.count(self.here, Standing::Scalar);
                return Ok(self.show(sink, at, byte));
            }
            Outlook::Shown | Outlook::Hidden { .. } => {
                self.count(self.here, Standing::Whole);
                if container {
                    self.mismatch();
                }
                return self.remove(byte);
            }
            Outlook::Asked => {}
        }
        let state = self.states.get(self.here);
        // The common case first: a container that is walked and of which nothing but its brackets is written.
        let may_enter = byte == b'{' || (byte == b'[' && state.element != StateId::DEAD);
        let plain = !state.counted && state.record.is_none();
        if may_enter && state.container == ContainerRule::Walk && plain && !self.frame.muted {
            // `{}` and `[]`: both brackets at once, and no frame.
            if passes_close(at) {
                self.lead(sink, at);
                sink.copy(at, at.wrapping_add(2));
                return Ok(self.ended(sink));
            }
            let state = Rc::clone(state);
            return Ok(self.open(sink, at, byte, state));
        }
        // Beyond `max_records` a record is removed, whatever it holds (rule 28).
        if state.counted && !self.record()? {
            return self.remove(byte);
        }
        if container { self.container(sink, at, byte) } else { self.scalar(sink, at, byte) }
    }

    /// Counts a record: whether it may stay (rule 28).
    #[inline(never)]
    pub(super) fn record(&mut self) -> Result<bool, Halt> {
        match self.max_records {
            Some((max, over)) if self.counts.records >= max => match over {
                Over::Truncate => Ok(false),
                Over::Reject => Err(Halt::Whole(Refusal::TooManyRecords)),
            },
            _ => {
                self.counts.records = self.counts.records.wrapping_add(1);
                Ok(true)
            }
        }
    }

    /// The value that begins with `byte` is removed.
    #[inline(always)]
    pub(super) fn remove(&mut self, byte: u8) -> Result<Phase, Halt> {
        self.counts.hidden = self.counts.hidden.wrapping_add(1);
        if self.frame.kind == ContainerKind::Root {
            // A body without its root would not be JSON (rule 25).
            if self.root != Root::Held {
                return Err(Halt::Whole(Refusal::RootHidden));
            }
            return Ok(Phase::Done);
        }
        self.nested = 1;
        // A scalar that is removed ends at the next comma or bracket: `After` finds it.
        Ok(if matches!(byte, b'{' | b'[') { Phase::Skip } else { Phase::After })
    }

    /// A container begins at `at`.
    #[inline(never)]
    pub(super) fn container(&mut self, sink: &mut Sink<'_>, at: usize, byte: u8) -> Result<Phase, Halt> {
        let muted = self.frame.muted;
        let rule = self.state().container;
        if rule == ContainerRule::Drop || (muted && rule == ContainerRule::Open) {
            self.mismatch();
            self.count(self.here, Standing::Whole);
            return self.remove(byte);
        }
        if rule == ContainerRule::Open {
            self.count(self.here, Standing::Whole);
            self.counts.shown = self.counts.shown.wrapping_add(1);
            if let Some(kinds) = self.state().record.clone() {
                // No subject can be found in what is passed whole: the record counts as unknown (rule 34).
                self.begin_record(&kinds, false)?;
                self.end_record();
            }
            self.lead(sink, at);
            self.start = at;
            self.nested = 1;
            return Ok(Phase::Copy);
        }
        // Muted: it is walked for what must be counted in it, and nothing of it is written.
        let muted = muted || rule == ContainerRule::Mute;
        if muted && self.frame.kind == ContainerKind::Root && self.root != Root::Held {
            return Err(Halt::Whole(Refusal::RootHidden));
        }
        let state = Rc::clone(self.state());
        let array = byte == b'[';
        if array && state.element == StateId::DEAD && !state.members.is_empty() && !state.filtered {
            // Entries go through names only: it comes out empty (rule 25).
            self.counts.shape_mismatch = self.counts.shape_mismatch.wrapping_add(1);
        }
        if let Some(kinds) = &state.record {
            self.begin_record(kinds, muted)?;
        }
        Ok(if muted { self.enter(byte, state, true) } else { self.open(sink, at, byte, state) })
    }

    /// A container that is kept and walked begins at `at`.
    #[inline(always)]
    fn open(&mut self, sink: &mut Sink<'_>, at: usize, byte: u8, state: Rc<State>) -> Phase {
        self.lead(sink, at);
        sink.copy(at, at.wrapping_add(1));
        self.enter(byte, state, false)
    }

    /// What comes next is in a container of that state.
    #[inline(always)]
    fn enter(&mut self, byte: u8, state: Rc<State>, muted: bool) -> Phase {
        let kind = if byte == b'[' { ContainerKind::Array } else { ContainerKind::Object };
        let more_seen = self.seen.len();
        if kind == ContainerKind::Object && state.members.len() > 64 {
            let words = state.members.len().div_ceil(64).saturating_sub(1);
            // Sixty-four names fit the frame's own word; few objects have more.
            self.seen.resize(more_seen.saturating_add(words), 0);
        }
        // Where values are counted or unknown names noted, each member is looked at.
        let notes = self.sightings.as_ref().is_some_and(|sightings| sightings.goes_on());
        let looked_up = if self.counting || notes { u64::MAX } else { state.looked_up };
        let frame = Frame { kind, seen: 0, more_seen, id: self.here, state, looked_up, begun: false, muted };
        self.outer.push(std::mem::replace(&mut self.frame, frame));
        if kind == ContainerKind::Array { self.await_element() } else { Phase::Name }
    }

    /// The container in hand ends at `at`.
    #[inline(always)]
    pub(super) fn close(&mut self, sink: &mut Sink<'_>, at: usize) -> Phase {
        // The validator has passed the bracket, so there is a frame; without one nothing more is written.
        let Some(around) = self.outer.pop() else { return Phase::Done };
        let Frame { muted, more_seen, state, .. } = std::mem::replace(&mut self.frame, around);
        if state.record.is_some() {
            self.end_record();
        }
        if more_seen < self.seen.len() {
            self.seen.truncate(more_seen);
        }
        if !muted {
            sink.copy(at, at.wrapping_add(1));
        }
        self.ended(sink)
    }

    /// Writes what stands before a value: a comma, its name.
    #[inline(always)]
    pub(super) fn lead(&mut self, sink: &mut Sink<'_>, at: usize) {
        // Only what is written counts: the first member that is kept has no comma, wherever it stood.
        let comma = std::mem::replace(&mut self.frame.begun, true);
        match self.frame.kind {
            ContainerKind::Object => self.lead_member(sink, at, comma),
            ContainerKind::Array if comma => sink.byte(b',', at.wrapping_sub(1)),
            ContainerKind::Array => {}
            ContainerKind::Root => self.lead_root(sink),
        }
    }

    /// Writes what stands before a root: the separator of a sequence of texts.
    #[cold]
    fn lead_root(&self, sink: &mut Sink<'_>) {
        if self.root == Root::Texts(Texts::Sequence) {
            sink.write(&[Texts::RECORD_SEPARATOR]);
        }
    }

    /// Writes what stands before a member's value at `at`: a comma, if one is due, and its name.
    #[inline(always)]
    pub(super) fn lead_member(&self, sink: &mut Sink<'_>, at: usize, comma: bool) {
        match self.name {
            Name::Chunk { start, end } => {
                // Most have no white space around the name: one span, then.
                // `,"a":` of the upstream, if it is spelled so, else the same without white space.
                let from = start.wrapping_sub(usize::from(comma));
                if end.wrapping_add(1) == at && (!comma || sink.at(from) == b',') {
                    return sink.copy(from, at);
                }
                if comma {
                    sink.byte(b',', start.wrapping_sub(1));
                }
                sink.copy(start, end);
                sink.byte(b':', end);
            }
            Name::Saved => self.lead_saved(sink, comma),
        }
    }

    /// Writes comma, name and colon of a member whose name is not in this chunk.
    #[cold]
    fn lead_saved(&self, sink: &mut Sink<'_>, comma: bool) {
        if comma {
            sink.write(b",");
        }
        sink.write(&self.saved);
        sink.write(b":");
    }

    /// A value has ended, and is written if it is to be.
    #[inline(always)]
    pub(super) fn ended(&mut self, sink: &mut Sink<'_>) -> Phase {
        if self.frame.kind == ContainerKind::Root { self.root_ended(sink) } else { Phase::After }
    }

    #[cold]
    pub(super) fn root_ended(&mut self, sink: &mut Sink<'_>) -> Phase {
        self.counts.texts = self.counts.texts.wrapping_add(1);
        if let Root::Texts(Texts::Lines | Texts::Sequence) = self.root {
            // Lines end with a line feed, and so do texts of a sequence (RFC 7464 §2.2).
            sink.write(b"\n");
            self.here = self.root_state;
            self.outlook = Outlook::Asked;
            return Phase::Value;
        }
        Phase::Done
    }
}
