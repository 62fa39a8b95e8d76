//! [`Walker`]: follows a view through validated tokens, and decides what becomes of each.
//!
//! It steps from mask to mask: in each phase only certain tokens can end what is going on, so the next one of those is
//! looked for and all between is passed over. A phase may last over any number of blocks and chunks.

mod hold;
mod scalar;

use std::rc::Rc;

use self::hold::Inner;
use super::Counts;
use super::sink::Sink;
use crate::json::Texts;
use crate::json::lexer::Tokens;
use crate::json::simd::BLOCK;
use crate::json::unescape::unescape;
use crate::policy::model::Over;
use crate::program::{ContainerRule, Found, Names, Outlook, Standing, State, StateId, States, View};
use crate::refusal::{JsonFault, Refusal};

/// Longest member name that is kept, in bytes as it is spelled. It is more than any policy's own names, which are 6
/// times as long at most when every character is spelled as an escape; a longer name's member is removed.
const LONGEST_NAME: usize = 64 << 10;

/// Containers that bodies nest without more room being made for them.
const USUAL_DEPTH: usize = 16;

/// A refusal whose offset is from the start of the chunk.
#[derive(Debug, Clone, Copy)]
pub(super) enum Halt {
    /// A name that the policy knows, twice; the second one's place.
    Duplicate(Place),
    /// An element that is too large to be held.
    Record(Place),
    /// One without a place.
    Whole(Refusal),
}

/// A place in a chunk, or so many bytes before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    at: usize,
    before: u64,
}

impl Halt {
    /// The refusal, in a chunk that begins at `offset` of the body.
    #[cold]
    pub(super) fn at(self, offset: u64) -> Refusal {
        let absolute = |place: Place| {
            let at = u64::try_from(place.at).unwrap_or(u64::MAX);
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
    /// The same of an element, when all elements are.
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

/// An open container that is walked. It is small and owns nothing, as containers come and go.
#[derive(Debug, Clone, Copy)]
struct Frame {
    /// A bit for each of the first names that the policy knows in it: whether it has come.
    seen: u64,
    /// Where the bits of its other names begin in [`Walker::seen`].
    more_seen: usize,
    state: StateId,
    array: bool,
    /// Whether its children must be seen whole.
    filtered: bool,
    /// Whether something of it has been written.
    begun: bool,
    /// Whether nothing of it is.
    muted: bool,
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
    frames: Vec<Frame>,
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
    /// A scalar or held value that began in an earlier chunk.
    taken: Vec<u8>,
    /// Whether nothing of the root is written.
    muted: bool,
    max_records: Option<(u64, Over)>,
    counts: Counts,
    inner: Option<Box<Inner>>,
}

/// Bits behind `bit`.
#[inline(always)]
fn behind(bit: u32) -> u64 {
    (!1u64).wrapping_shl(bit)
}

/// A bit's place in the chunk.
#[inline(always)]
fn place(base: usize, bit: u32) -> usize {
    base.wrapping_add(bit as usize)
}

impl Walker {
    pub(super) fn new(view: Rc<View>, texts: Texts) -> Self {
        let root = view.root();
        Self::with_root(view, Root::Texts(texts), root)
    }

    fn with_root(view: Rc<View>, root: Root, id: StateId) -> Self {
        let states = view.states();
        let max_records = view.max_records();
        Self {
            view,
            states,
            root,
            root_state: id,
            phase: Phase::Value,
            here: id,
            outlook: Outlook::Asked,
            frames: Vec::with_capacity(USUAL_DEPTH),
            seen: Vec::new(),
            nested: 0,
            start: 0,
            name: Name::Saved,
            name_escaped: false,
            saved: Vec::new(),
            taken: Vec::new(),
            muted: false,
            max_records,
            counts: Counts::default(),
            inner: None,
        }
    }

    /// What became of the body; `None` while a text is open.
    pub(super) fn counts(&self) -> Option<Counts> {
        (self.frames.is_empty() && matches!(self.phase, Phase::Value | Phase::Done)).then_some(self.counts)
    }

    /// Takes a block of which bit 0 is at `base` of the chunk.
    #[inline(always)]
    pub(super) fn block(&mut self, sink: &mut Sink<'_>, base: usize, tokens: &Tokens) -> Result<(), Halt> {
        let mut from = u64::MAX;
        // A local, so that from most phases the compiler goes straight to the next.
        let mut phase = self.phase;
        loop {
            let wanted = from
                & match phase {
                    Phase::Name => tokens.quote_open | tokens.close,
                    Phase::NameEnd | Phase::ShowString | Phase::TakeString | Phase::HoldString => tokens.quote_close,
                    Phase::Value => tokens.quote_open | tokens.open | tokens.scalar_start | tokens.close,
                    Phase::After => tokens.comma | tokens.close,
                    Phase::Drop => tokens.comma | tokens.open | tokens.close,
                    Phase::DropElements => tokens.open | tokens.close,
                    Phase::ShowPlain | Phase::TakePlain | Phase::HoldPlain => tokens.scalar_after,
                    Phase::Skip | Phase::Copy | Phase::HoldContainer => self.cross(from, tokens),
                    Phase::Done => 0,
                };
            let here = wanted & wanted.wrapping_neg();
            if phase == Phase::DropElements {
                let gone = tokens.comma & from & here.wrapping_sub(1);
                self.counts.hidden = self.counts.hidden.wrapping_add(gone.count_ones().into());
            }
            if here == 0 {
                if phase == Phase::NameEnd {
                    self.name_escaped |= tokens.escape & from != 0;
                }
                self.phase = phase;
                return self.check_held(base.wrapping_add(BLOCK));
            }
            let bit = here.trailing_zeros();
            let at = place(base, bit);
            let until = from & here.wrapping_sub(1);
            let closes = tokens.close & here != 0;
            from = behind(bit);
            phase = match phase {
                Phase::Name | Phase::Value | Phase::After | Phase::Drop | Phase::DropElements if closes => {
                    self.close(sink, at)
                }
                Phase::Name => {
                    self.name = Name::Chunk { start: at, end: at };
                    self.name_escaped = false;
                    self.start = at;
                    Phase::NameEnd
                }
                Phase::NameEnd => {
                    self.name_escaped |= tokens.escape & until != 0;
                    self.named(sink, at)?
                }
                Phase::Value => self.begin(sink, at, sink.at(at))?,
                Phase::After => self.next(),
                Phase::Drop if tokens.comma & here != 0 => self.next(),
                Phase::Drop | Phase::DropElements => {
                    self.mismatch();
                    self.nested = 1;
                    Phase::Skip
                }
                Phase::Skip => self.ended(sink),
                Phase::Copy | Phase::ShowString => {
                    sink.copy(self.start, at.wrapping_add(1));
                    self.ended(sink)
                }
                Phase::ShowPlain => {
                    sink.copy(self.start, at);
                    from = u64::MAX.wrapping_shl(bit);
                    self.ended(sink)
                }
                Phase::TakeString => self.transform(sink, at.wrapping_add(1)),
                Phase::TakePlain => {
                    from = u64::MAX.wrapping_shl(bit);
                    self.transform(sink, at)
                }
                Phase::HoldString | Phase::HoldContainer => self.release(sink, at.wrapping_add(1))?,
                Phase::HoldPlain => {
                    from = u64::MAX.wrapping_shl(bit);
                    self.release(sink, at)?
                }
                Phase::Done => Phase::Done,
            };
        }
    }

    /// Ends a chunk: copies what is kept of it, and saves what is still undecided.
    pub(super) fn suspend(&mut self, sink: &mut Sink<'_>) -> Result<(), Halt> {
        let (start, end) = (self.start, sink.end());
        let undecided = match self.phase {
            Phase::Copy | Phase::ShowString | Phase::ShowPlain => {
                sink.copy(start, end);
                false
            }
            Phase::NameEnd => {
                if matches!(self.name, Name::Chunk { .. }) {
                    self.saved.clear();
                    self.name = Name::Saved;
                }
                save_name(&mut self.saved, sink.span(start, end));
                false
            }
            Phase::TakeString | Phase::TakePlain => {
                self.take(sink.span(start, end), scalar::LONGEST);
                true
            }
            Phase::HoldString | Phase::HoldPlain | Phase::HoldContainer => {
                self.check_held(end)?;
                self.take(sink.span(start, end), usize::MAX);
                true
            }
            Phase::Value => true,
            Phase::Name | Phase::After | Phase::Drop | Phase::DropElements | Phase::Skip | Phase::Done => false,
        };
        if let (true, Name::Chunk { start, end }) = (undecided, self.name) {
            self.saved.clear();
            save_name(&mut self.saved, sink.span(start, end));
            self.name = Name::Saved;
        }
        self.start = 0;
        sink.flush();
        Ok(())
    }

    /// Counts brackets up to the one that closes the value in hand: its bit, or 0.
    #[inline(always)]
    fn cross(&mut self, from: u64, tokens: &Tokens) -> u64 {
        let (open, close) = (tokens.open & from, tokens.close & from);
        if close.count_ones() < self.nested {
            self.nested = self.nested.wrapping_add(open.count_ones()).wrapping_sub(close.count_ones());
            return 0;
        }
        let mut left = open | close;
        while left != 0 {
            let here = left & left.wrapping_neg();
            if open & here != 0 {
                self.nested = self.nested.wrapping_add(1);
            } else {
                self.nested = self.nested.wrapping_sub(1);
                if self.nested == 0 {
                    return here;
                }
            }
            left ^= here;
        }
        0
    }

    /// A comma: what comes next in the container.
    #[inline(always)]
    fn next(&mut self) -> Phase {
        let Some(frame) = self.frames.last() else { return Phase::Done };
        if !frame.array {
            return Phase::Name;
        }
        let filtered = frame.filtered;
        let awaited = self.await_element();
        if let (Outlook::Hidden { .. }, false) = (self.outlook, filtered) {
            self.counts.hidden = self.counts.hidden.wrapping_add(1);
            return Phase::DropElements;
        }
        awaited
    }

    /// An element is next.
    #[inline(always)]
    fn await_element(&mut self) -> Phase {
        let Some(frame) = self.frames.last() else { return Phase::Done };
        if !frame.filtered {
            let state = self.states.get(frame.state);
            self.outlook = state.outlook;
            self.here = state.element;
        }
        Phase::Value
    }

    /// What is removed is a container: whether that is a shape mismatch.
    #[inline(always)]
    fn mismatch(&mut self) {
        let classified = match self.outlook {
            Outlook::Hidden { classified } => classified,
            Outlook::Shown => true,
            Outlook::Asked => self.state().classified,
        };
        self.counts.shape_mismatch = self.counts.shape_mismatch.wrapping_add(u64::from(classified));
    }

    /// A name has ended with the quotation mark at `at`: what the policy says of its member.
    #[inline(always)]
    fn named(&mut self, sink: &Sink<'_>, at: usize) -> Result<Phase, Halt> {
        let end = at.wrapping_add(1);
        let Some(frame) = self.frames.last_mut() else { return Err(Halt::Whole(Refusal::Internal)) };
        let state = self.states.get(frame.state);
        let names = &state.members;
        let mut place = Place { at: 0, before: 0 };
        let mut long = false;
        let found = match &mut self.name {
            Name::Chunk { start, end: to } => {
                *to = end;
                place.at = *start;
                let from = start.wrapping_add(1);
                long = end.saturating_sub(*start) > LONGEST_NAME;
                if self.name_escaped || long {
                    find_escaped(names, sink.span(from, at))
                } else {
                    names.find_by_head(sink.span(from, at), sink.head(from, at))
                }
            }
            Name::Saved => {
                place.before = u64::try_from(self.saved.len()).unwrap_or(u64::MAX);
                save_name(&mut self.saved, sink.span(0, end));
                long |= self.saved.len() > LONGEST_NAME;
                match self.saved.as_slice() {
                    [b'"', raw @ .., b'"'] if self.name_escaped => find_escaped(names, raw),
                    [b'"', raw @ .., b'"'] => names.find(raw),
                    _ => None,
                }
            }
        };
        if long {
            self.outlook = Outlook::Hidden { classified: false };
            self.counts.hidden = self.counts.hidden.wrapping_add(1);
            return Ok(Phase::Drop);
        }
        let (child, outlook) = match found {
            Some(Found { index, state, outlook }) => {
                let word = match index >> 6 {
                    0 => Some(&mut frame.seen),
                    more => self.seen.get_mut(frame.more_seen.wrapping_add(more).wrapping_sub(1)),
                };
                let bit = 1u64.wrapping_shl((index & 63) as u32);
                match word {
                    Some(word) if *word & bit == 0 => *word |= bit,
                    Some(_) => return Err(Halt::Duplicate(place)),
                    None => return Err(Halt::Whole(Refusal::Internal)),
                }
                (state, outlook)
            }
            None => (state.other, state.outlook),
        };
        if frame.filtered {
            return Ok(Phase::Value);
        }
        self.outlook = outlook;
        self.here = child;
        if let Outlook::Hidden { .. } = outlook {
            self.view.count(child, Standing::Container);
            self.counts.hidden = self.counts.hidden.wrapping_add(1);
            return Ok(Phase::Drop);
        }
        Ok(Phase::Value)
    }

    /// A value begins at `at` with `byte`.
    #[inline(always)]
    fn begin(&mut self, sink: &mut Sink<'_>, at: usize, byte: u8) -> Result<Phase, Halt> {
        let container = matches!(byte, b'{' | b'[');
        if let Some(frame) = self.frames.last() {
            if frame.filtered {
                return Ok(self.hold(at, byte));
            }
            match self.outlook {
                Outlook::Shown if !container && !frame.muted => {
                    self.view.count(self.here, Standing::Scalar);
                    return Ok(self.show(sink, at, byte));
                }
                Outlook::Shown | Outlook::Hidden { .. } => {
                    self.view.count(self.here, Standing::Container);
                    if container {
                        self.mismatch();
                    }
                    return self.remove(byte);
                }
                Outlook::Asked => {}
            }
        }
        if self.state().counted && !self.record()? {
            return self.remove(byte);
        }
        if container { self.container(sink, at, byte) } else { self.scalar(sink, at, byte) }
    }

    /// Counts a record: whether it may stay (rule 28).
    fn record(&mut self) -> Result<bool, Halt> {
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
    fn remove(&mut self, byte: u8) -> Result<Phase, Halt> {
        self.counts.hidden = self.counts.hidden.wrapping_add(1);
        if self.frames.is_empty() {
            if self.root != Root::Held {
                return Err(Halt::Whole(Refusal::RootHidden));
            }
            return Ok(Phase::Done);
        }
        self.nested = 1;
        Ok(if matches!(byte, b'{' | b'[') { Phase::Skip } else { Phase::After })
    }

    /// What the policy says of the value in hand or next, when that has to be asked.
    #[inline(always)]
    fn state(&self) -> &State {
        self.states.get(self.here)
    }

    /// Whether nothing of the container in hand is written.
    #[inline(always)]
    fn is_muted(&self) -> bool {
        self.frames.last().map_or(self.muted, |frame| frame.muted)
    }

    /// A container begins at `at`.
    #[inline(always)]
    fn container(&mut self, sink: &mut Sink<'_>, at: usize, byte: u8) -> Result<Phase, Halt> {
        let muted = self.is_muted();
        let rule = self.state().container;
        if rule == ContainerRule::Drop || (muted && rule == ContainerRule::Open) {
            self.mismatch();
            self.view.count(self.here, Standing::Container);
            return self.remove(byte);
        }
        if rule == ContainerRule::Open {
            self.view.count(self.here, Standing::Container);
            self.counts.shown = self.counts.shown.wrapping_add(1);
            self.lead(sink, at);
            self.start = at;
            self.nested = 1;
            return Ok(Phase::Copy);
        }
        let muted = muted || rule == ContainerRule::Mute;
        if muted && self.frames.is_empty() && self.root != Root::Held {
            return Err(Halt::Whole(Refusal::RootHidden));
        }
        if !muted {
            self.lead(sink, at);
            sink.copy(at, at.wrapping_add(1));
        }
        let array = byte == b'[';
        let state = self.states.get(self.here);
        if array && state.element == StateId::DEAD && !state.members.is_empty() && !state.filtered {
            // Entries go through names only: it comes out empty (rule 25).
            self.counts.shape_mismatch = self.counts.shape_mismatch.wrapping_add(1);
        }
        let more_seen = self.seen.len();
        if !array && state.members.len() > 64 {
            let words = state.members.len().div_ceil(64).saturating_sub(1);
            self.seen.resize(more_seen.saturating_add(words), 0);
        }
        let filtered = state.filtered;
        self.frames.push(Frame { seen: 0, more_seen, state: self.here, array, filtered, begun: false, muted });
        Ok(if array { self.await_element() } else { Phase::Name })
    }

    /// The container in hand ends at `at`.
    #[inline(always)]
    fn close(&mut self, sink: &mut Sink<'_>, at: usize) -> Phase {
        let Some(Frame { muted, more_seen, .. }) = self.frames.last() else { return Phase::Done };
        if *more_seen < self.seen.len() {
            self.seen.truncate(*more_seen);
        }
        if !muted {
            sink.copy(at, at.wrapping_add(1));
        }
        self.frames.pop();
        self.ended(sink)
    }

    /// Writes what stands before a value: a comma, its name.
    #[inline(always)]
    fn lead(&mut self, sink: &mut Sink<'_>, at: usize) {
        let Some(frame) = self.frames.last_mut() else {
            if self.root == Root::Texts(Texts::Sequence) {
                sink.write(&[Texts::RECORD_SEPARATOR]);
            }
            return;
        };
        let comma = std::mem::replace(&mut frame.begun, true);
        if frame.array {
            if comma {
                sink.byte(b',', at.wrapping_sub(1));
            }
            return;
        }
        match self.name {
            Name::Chunk { start, end } => {
                if comma {
                    sink.byte(b',', start.wrapping_sub(1));
                }
                sink.copy(start, end);
                sink.byte(b':', end);
            }
            Name::Saved => {
                if comma {
                    sink.write(b",");
                }
                sink.write(&self.saved);
                sink.write(b":");
            }
        }
    }

    /// A value has ended, and is written if it is to be.
    #[inline(always)]
    fn ended(&mut self, sink: &mut Sink<'_>) -> Phase {
        if self.frames.is_empty() { self.root_ended(sink) } else { Phase::After }
    }

    #[cold]
    fn root_ended(&mut self, sink: &mut Sink<'_>) -> Phase {
        self.counts.texts = self.counts.texts.wrapping_add(1);
        if let Root::Texts(Texts::Lines | Texts::Sequence) = self.root {
            sink.write(b"\n");
            self.here = self.root_state;
            self.outlook = Outlook::Asked;
            return Phase::Value;
        }
        Phase::Done
    }
}

/// Keeps more bytes of a name, one more than the longest at most: enough to know that it is too long.
fn save_name(saved: &mut Vec<u8>, bytes: &[u8]) {
    let room = LONGEST_NAME.saturating_add(1).saturating_sub(saved.len());
    saved.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
}

/// The name that the bytes between the quotation marks spell with escapes.
fn find_escaped(names: &Names, raw: &[u8]) -> Option<Found> {
    names.find(unescape(raw)?.as_bytes())
}
