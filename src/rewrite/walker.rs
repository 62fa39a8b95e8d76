//! [`Walker`]: follows a view through validated tokens, and decides what becomes of each.
//!
//! It steps from mask to mask: in each phase only certain tokens can end what is going on, so the next one of those is
//! looked for and all between is passed over. A phase may last over any number of blocks and chunks.

mod container;
mod hold;
mod lane;
mod member;
mod record;
mod scalar;
mod step;

use std::rc::Rc;

use self::hold::Inner;
use self::member::save_name;
use self::record::OpenRecord;
use self::step::Step;
use super::Counts;
use super::sink::Sink;
use crate::json::Texts;
use crate::json::lexer::Tokens;
use crate::json::simd::BLOCK;
use crate::model::Over;
use crate::model::pattern::Effort;
use crate::program::{Census, Outlook, Sightings, Standing, State, StateId, States, View};
use crate::refusal::{JsonFault, Refusal};

/// Containers that bodies nest without more room being made for them.
const USUAL_DEPTH: usize = 16;

/// A refusal whose offset is from the start of the chunk.
#[derive(Debug, Clone, Copy)]
pub(super) enum Halt {
    /// A name that the policy knows, twice; the second one's place.
    Duplicate(ChunkPosition),
    /// An element that is too large to be held.
    Record(ChunkPosition),
    /// One without a place.
    Whole(Refusal),
}

/// A place in a chunk, or so many bytes before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChunkPosition {
    at: usize,
    before: u64,
}

impl Halt {
    /// The refusal, in a chunk that begins at `offset` of the body.
    #[cold]
    pub(super) fn at(self, offset: u64) -> Refusal {
        let absolute = |place: ChunkPosition| {
            let at = u64::try_from(place.at).unwrap_or(u64::MAX);
            // The place may be in an earlier chunk: its offset is before this chunk's.
            offset.saturating_add(at).saturating_sub(place.before)
        };
        match self {
            Self::Duplicate(place) => Refusal::Malformed { fault: JsonFault::DuplicateName, offset: absolute(place) },
            Self::Record(place) => Refusal::RecordTooLarge { offset: absolute(place) },
            Self::Whole(refusal) => refusal,
        }
    }
}

/// What is going on, and so which tokens are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A value is to begin, or an array to end.
    Value,
    /// A name is to begin, or an object to end.
    Name,
    /// In a name.
    NameEnd,
    /// A value has ended: a comma, or the container's end.
    After,
    /// A member or element that is to be removed whatever its value, which may have begun, but if so is no container.
    Drop,
    /// An element that is to be removed, when all elements are: it may have begun, but if so is no container.
    DropElements,
    /// In a container that is removed.
    Skip,
    /// In a container that is kept with all below it.
    Copy,
    /// In a string that is kept.
    ShowString,
    /// In a number or literal name that is kept.
    ShowPlain,
    /// In a string that is to be transformed.
    TakeString,
    /// In a number or boolean that is to be transformed.
    TakePlain,
    /// In a string that a filter is to see.
    HoldString,
    /// In a number or literal name that a filter is to see.
    HoldPlain,
    /// In a container that a filter is to see.
    HoldContainer,
    /// Behind the last text.
    Done,
}

/// What the value in hand or next stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContainerKind {
    /// In nothing: it is a root.
    Root,
    Object,
    Array,
}

/// An open container that is walked, or what is around the root. It is small, as containers come and go.
#[derive(Debug)]
struct Frame {
    kind: ContainerKind,
    /// A bit for each of the first names that the policy knows in it: whether it has come.
    seen: u64,
    /// Where the bits of its other names begin in [`Walker::seen`].
    more_seen: usize,
    id: StateId,
    /// Its state, at hand as each name is looked up in it.
    state: Rc<State>,
    /// The hints of the names that must be looked up: members of all others are removed.
    looked_up: u64,
    /// Whether something of it has been written.
    begun: bool,
    /// Whether nothing of it is.
    muted: bool,
}

impl Frame {
    /// Around the root, of which nothing is written if `muted`.
    fn around_root(muted: bool, dead: Rc<State>) -> Self {
        let (kind, id) = (ContainerKind::Root, StateId::DEAD);
        Self { kind, seen: 0, more_seen: 0, id, state: dead, looked_up: u64::MAX, begun: false, muted }
    }
}

/// Where the name of the member in hand is.
#[derive(Debug, Clone, Copy)]
enum Name {
    /// In this chunk, quotation marks included.
    Chunk { start: usize, end: usize },
    /// In [`Walker::saved`], wholly or, while it is being read, so far.
    Saved,
}

/// What the walker's root is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Root {
    /// That of texts of a body: it must not be removed (rule 25).
    Texts(Texts),
    /// A held element or member: it may be.
    Held,
}

/// Follows a view through a body, or through one held value of it.
#[derive(Debug)]
pub(super) struct Walker {
    view: Rc<View>,
    states: States,
    root: Root,
    root_state: StateId,
    phase: Phase,
    /// What the policy says of the value in hand or next.
    here: StateId,
    /// What its parent says of it. `here` is its state only if that has to be asked.
    outlook: Outlook,
    /// The innermost open container.
    frame: Frame,
    /// What is around it.
    outer: Vec<Frame>,
    /// For each open object a bit for each name that the policy knows in it beyond the first sixty-four.
    seen: Vec<u64>,
    /// Open containers of the value that is skipped, copied or held.
    nested: u32,
    /// Where in the chunk what is going on began; 0 if before the chunk.
    start: usize,
    name: Name,
    /// Whether there is an escape in it.
    name_escaped: bool,
    /// A name that began in an earlier chunk.
    saved: Vec<u8>,
    /// What a name with escapes spells.
    spelled: String,
    /// A scalar or held value that began in an earlier chunk.
    taken: Vec<u8>,
    /// Whether the view counts what becomes of each place.
    counting: bool,
    /// What counts for the decision record.
    census: Option<Rc<Census>>,
    /// What notes members that no shape names, in few responses.
    sightings: Option<Rc<Sightings>>,
    max_records: Option<(u64, Over)>,
    /// Records of subjects that are open (rule 34).
    records: Vec<OpenRecord>,
    counts: Counts,
    /// What the policy's own detectors may still look through of this response.
    effort: Effort,
    inner: Option<Box<Inner>>,
}

impl Walker {
    pub(super) fn new(view: Rc<View>, texts: Texts) -> Self {
        let root = view.root();
        Self::with_root(view, Root::Texts(texts), root)
    }

    fn with_root(view: Rc<View>, root: Root, id: StateId) -> Self {
        let states = view.states();
        let (max_records, counting) = (view.max_records(), view.is_counting());
        let (census, sightings) = (view.census().cloned(), view.sightings().cloned());
        let frame = Frame::around_root(false, Rc::clone(states.get(StateId::DEAD)));
        Self {
            view,
            states,
            root,
            root_state: id,
            phase: Phase::Value,
            here: id,
            outlook: Outlook::Asked,
            frame,
            outer: Vec::with_capacity(USUAL_DEPTH),
            seen: Vec::new(),
            nested: 0,
            start: 0,
            name: Name::Saved,
            name_escaped: false,
            saved: Vec::new(),
            spelled: String::new(),
            taken: Vec::new(),
            counting,
            census,
            sightings,
            max_records,
            records: Vec::new(),
            counts: Counts::default(),
            effort: Effort::RESPONSE,
            inner: None,
        }
    }

    /// What became of the body; `None` while a text is open.
    pub(super) fn counts(&self) -> Option<Counts> {
        (self.frame.kind == ContainerKind::Root && matches!(self.phase, Phase::Value | Phase::Done))
            .then_some(self.counts)
    }

    /// Whether the body has one text, of which all that has come is written or will not be.
    pub(super) fn has_written_root(&self) -> bool {
        let is_root = self.frame.kind == ContainerKind::Root && self.root == Root::Texts(Texts::One);
        is_root && matches!(self.phase, Phase::ShowPlain | Phase::Done)
    }

    /// Whether a form of the view may make a body longer than it came.
    pub(super) fn may_lengthen(&self) -> bool {
        self.view.may_lengthen()
    }

    /// Room for bytes that are saved until their end comes, used or not, and for what is written of those that are held.
    pub(super) fn kept(&self) -> usize {
        let inner = self.inner.as_ref().map_or(0, |inner| inner.kept());
        self.taken.capacity().saturating_add(self.saved.capacity()).saturating_add(inner)
    }

    /// Takes a block of which bit 0 is at `base` of the chunk.
    ///
    /// Each phase looks for its next token among the bits `from`, and takes the most likely ones behind it along. When
    /// there is none, all bits are passed over.
    ///
    /// What comes seldom is kept out of this function, and it out of its callers: V8 keeps the values of a function that is
    /// too large in memory.
    #[inline(never)]
    pub(super) fn block(&mut self, sink: &mut Sink<'_>, base: usize, tokens: &Tokens) -> Result<(), Halt> {
        let mut from = u64::MAX;
        let mut phase = self.phase;
        // `{"a":1,"b":2}` of which `b` alone is shown: Value, Name (over `a`), Value, ShowPlain, After, Done.
        while from != 0 {
            let mut step = Step { base, tokens, from: &mut from };
            phase = match phase {
                Phase::Name => self.name(sink, step)?,
                Phase::NameEnd => self.name_end(sink, step)?,
                Phase::Value => self.value(sink, step)?,
                Phase::After => self.after(sink, step),
                Phase::Drop => self.dropped(sink, step),
                Phase::DropElements => self.dropped_elements(sink, step),
                Phase::ShowString => self.shown_string(sink, step),
                Phase::ShowPlain => self.shown_plain(sink, step),
                Phase::Skip => match self.cross(step) {
                    Some(_) => self.ended(sink),
                    None => phase,
                },
                Phase::Copy => match self.cross(step) {
                    Some(at) => {
                        // From its first bracket to its last as one span: nothing in it was looked at.
                        sink.copy(self.start, at.wrapping_add(1));
                        self.ended(sink)
                    }
                    None => phase,
                },
                Phase::TakeString => match step.seek(tokens.quote_close) {
                    Some((at, _)) => self.transform(sink, at.wrapping_add(1)),
                    None => phase,
                },
                Phase::TakePlain => match step.seek_end() {
                    Some(at) => self.transform(sink, at),
                    None => phase,
                },
                Phase::HoldString => match step.seek(tokens.quote_close) {
                    Some((at, _)) => self.release(sink, at.wrapping_add(1))?,
                    None => phase,
                },
                Phase::HoldPlain => match step.seek_end() {
                    Some(at) => self.release(sink, at)?,
                    None => phase,
                },
                Phase::HoldContainer => match self.cross(step) {
                    Some(at) => self.release(sink, at.wrapping_add(1))?,
                    None => phase,
                },
                Phase::Done => break,
            };
        }
        self.phase = phase;
        // Once a block: a value that is held may not grow beyond its limit unseen.
        self.check_held(base.wrapping_add(BLOCK))
    }

    /// Ends a chunk: copies what is kept of it, and saves what is still undecided.
    pub(super) fn suspend(&mut self, sink: &mut Sink<'_>) -> Result<(), Halt> {
        let (start, end) = (self.start, sink.end());
        let undecided = match self.phase {
            Phase::Copy | Phase::ShowString | Phase::ShowPlain => {
                // What is shown leaves with its chunk; its rest is shown when it comes.
                sink.copy(start, end);
                false
            }
            Phase::NameEnd => {
                // The chunk's bytes are gone when the next comes, so a name that is cut is saved.
                if matches!(self.name, Name::Chunk { .. }) {
                    self.saved.clear();
                    self.name = Name::Saved;
                }
                save_name(&mut self.saved, sink.span(start, end));
                false
            }
            Phase::TakeString | Phase::TakePlain => {
                // A form needs the whole token; one byte over the longest is enough to know that it is too long.
                self.take(sink.span(start, end), scalar::LONGEST);
                true
            }
            Phase::HoldString | Phase::HoldPlain | Phase::HoldContainer => {
                self.check_held(end)?;
                // `check_held` has bounded it.
                self.take(sink.span(start, end), usize::MAX);
                true
            }
            Phase::Value => true,
            Phase::Name | Phase::After | Phase::Drop | Phase::DropElements | Phase::Skip | Phase::Done => false,
        };
        // The value's member may still be written, and then its name is.
        if let (true, Name::Chunk { start, end }) = (undecided, self.name) {
            self.saved.clear();
            save_name(&mut self.saved, sink.span(start, end));
            self.name = Name::Saved;
        }
        self.start = 0;
        sink.flush();
        Ok(())
    }

    /// Counts what stands at the place of a state: for the decision record, and on a route that reports (rule 38).
    #[inline(always)]
    fn count(&self, id: StateId, kind: Standing) {
        self.tell(id, kind, 1);
        if self.counting {
            self.view.count(id, kind);
        }
    }

    /// Counts values at the place of a state for the decision record alone.
    #[inline(always)]
    fn tell(&self, id: StateId, kind: Standing, by: u64) {
        if let Some(census) = &self.census {
            census.add(id, kind, by);
        }
    }

    /// What the policy says of the value in hand or next, when that has to be asked.
    #[inline(always)]
    fn state(&self) -> &Rc<State> {
        self.states.get(self.here)
    }
}

#[cfg(test)]
mod tests;
