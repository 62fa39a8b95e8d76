//! The lane: along a list of tokens, where each step is at once the check of the grammar and the projection.
//!
//! Each token is looked at before anything is done for it. At one that is not expected, or not whole, or that needs what
//! the lane does not have, it stops *before* that token, and the lexer, the validator and the walker's own steps go on
//! from there: they alone tell faults. What becomes of a value is decided by what decides it there, too.

use super::super::sink::Sink;
use super::{ContainerKind, Halt, Name, Phase, Root, Walker};
use crate::json::Texts;
use crate::json::validator::{Border, Preceding};
use crate::json::window::Listed;
use crate::program::{Outlook, Standing, hint_within};

/// Where the lane stopped.
#[derive(Debug, Clone, Copy)]
pub(in crate::rewrite) struct Stop {
    /// Where in the chunk.
    pub(in crate::rewrite) at: usize,
    /// Whether that is where the list ends.
    pub(in crate::rewrite) at_end: bool,
}

/// A place in the list, between two tokens.
struct Along<'a> {
    listed: Listed<'a>,
    /// The next token.
    index: usize,
    border: Border,
    stopped: bool,
}

impl Along<'_> {
    /// The first byte of the next token.
    #[inline(always)]
    fn byte(&self) -> u8 {
        self.listed.byte(self.index)
    }

    #[inline(always)]
    fn behind(&self, tokens: usize) -> usize {
        self.index.wrapping_add(tokens)
    }

    /// Where in the chunk the next token begins.
    #[inline(always)]
    fn at(&self) -> usize {
        self.listed.start(self.index)
    }

    #[inline(always)]
    fn pass(&mut self, tokens: usize, before: Preceding) {
        self.index = self.behind(tokens);
        self.border.before = before;
    }

    #[inline(always)]
    fn stop(&mut self, phase: Phase) -> Phase {
        self.stopped = true;
        phase
    }

    /// Passes the next token if it is a comma.
    #[inline(always)]
    fn comma(&mut self) -> bool {
        let comma = self.byte() == b',';
        if comma {
            self.pass(1, Preceding::Comma);
        }
        comma
    }

    /// Passes the next token if it is the bracket that closes the innermost container, unless that is the last one: what
    /// follows a whole text is not the lane's matter.
    #[inline(always)]
    fn closes(&mut self) -> bool {
        let bracket = b']' | ((self.border.kinds as u8 & 1) << 5);
        if self.byte() != bracket || self.border.depth <= 1 {
            return false;
        }
        self.border.depth = self.border.depth.wrapping_sub(1);
        self.border.kinds >>= 1;
        self.pass(1, Preceding::Value);
        true
    }

    /// Whether the next token opens a container that may be opened here.
    #[inline(always)]
    fn may_open(&self) -> bool {
        matches!(self.byte(), b'{' | b'[') && self.border.depth < self.border.limit
    }

    /// Passes a bracket that opens a container.
    #[inline(always)]
    fn open(&mut self) {
        let object = u64::from((self.byte() >> 5) & 1);
        self.border.depth = self.border.depth.wrapping_add(1);
        self.border.kinds = (self.border.kinds << 1) | object;
        self.pass(1, Preceding::Open);
    }

    /// Passes the next token if it is a string, a number or a literal name.
    #[inline(always)]
    fn scalar(&mut self) -> bool {
        let scalar = self.listed.is_scalar(self.index);
        if scalar {
            self.pass(1, Preceding::Value);
        }
        scalar
    }

    /// Whether the next two tokens are a name and its colon.
    #[inline(always)]
    fn is_name(&self) -> bool {
        self.byte() == b'"' && self.listed.byte(self.behind(1)) == b':'
    }

    /// Whether the next two tokens are the brackets of an empty container with nothing between them.
    #[inline(always)]
    fn is_empty_container(&self) -> bool {
        let (open, close) = (self.listed.byte(self.index), self.listed.byte(self.behind(1)));
        // Each kind's closing bracket is its opening one and two.
        let closes = matches!(open, b'{' | b'[') && close == open.wrapping_add(2);
        closes && self.listed.start(self.behind(1)) == self.listed.start(self.index).wrapping_add(1)
    }

    /// Passes the rest of a container and all in it, and of those around it, until `nested` of them have closed: where the
    /// last one's bracket is. `None` if the lane stops before, with what is still open of them in `nested`.
    #[inline(always)]
    fn cross(&mut self, nested: &mut u32) -> Option<usize> {
        let mut open = *nested;
        let end = 'end: loop {
            let before = self.border.before;
            // `1,` is more likely than `1]`.
            if matches!(before, Preceding::Value | Preceding::Open) && !(before == Preceding::Value && self.comma()) {
                let at = self.at();
                if self.closes() {
                    open = open.wrapping_sub(1);
                    if open == 0 {
                        break 'end Some(at);
                    }
                    continue;
                }
                if before == Preceding::Value {
                    break 'end None;
                }
            }
            if self.border.kinds & 1 == 1 && self.border.before != Preceding::Colon {
                if !self.is_name() {
                    break 'end None;
                }
                self.pass(2, Preceding::Colon);
            }
            if self.scalar() {
                continue;
            }
            if !self.may_open() {
                break 'end None;
            }
            self.open();
            open = open.wrapping_add(1);
        };
        *nested = open;
        if end.is_none() {
            self.stopped = true;
        }
        end
    }
}

impl Walker {
    /// Whether the lane may be taken behind this border: the walker is between two tokens as well, and in a container.
    pub(in crate::rewrite) fn may_take_lane(&self, border: Border) -> bool {
        let (object, before) = (border.kinds & 1 == 1, border.before);
        let fits = match self.phase {
            Phase::Name => object && matches!(before, Preceding::Open | Preceding::Comma),
            Phase::Value if object => before == Preceding::Colon,
            Phase::Value => matches!(before, Preceding::Open | Preceding::Comma),
            Phase::After => before == Preceding::Value,
            Phase::Drop => object && matches!(before, Preceding::Colon | Preceding::Value),
            Phase::DropElements => !object && matches!(before, Preceding::Comma | Preceding::Value),
            Phase::Skip | Phase::Copy => self.nested > 0,
            _ => false,
        };
        fits && border.depth > 0 && self.root == Root::Texts(Texts::One) && self.frame.kind != ContainerKind::Root
    }

    /// Goes along a list of tokens, which begins behind `border`, as far as all is usual. The border is then where it stops.
    ///
    /// # Errors
    /// What the policy refuses.
    #[inline(never)]
    pub(in crate::rewrite) fn lane(
        &mut self,
        sink: &mut Sink<'_>,
        listed: Listed<'_>,
        border: &mut Border,
    ) -> Result<Stop, Halt> {
        let mut place = Along { listed, index: 0, border: *border, stopped: false };
        let mut phase = self.phase;
        // Each is looked at in the order in which they mostly follow each other.
        while !place.stopped {
            if phase == Phase::Name {
                phase = self.lane_names(sink, &mut place)?;
            }
            if phase == Phase::Value && !place.stopped {
                phase = self.lane_value(sink, &mut place)?;
            }
            if phase == Phase::Drop {
                phase = self.lane_dropped(&mut place);
            } else if phase == Phase::DropElements {
                phase = self.lane_dropped_elements(sink, &mut place);
            }
            if matches!(phase, Phase::Skip | Phase::Copy) {
                phase = self.lane_crossed(sink, &mut place, phase);
            }
            phase = match phase {
                Phase::After if !place.stopped => self.lane_after(sink, &mut place),
                Phase::After
                | Phase::Name
                | Phase::Value
                | Phase::Drop
                | Phase::DropElements
                | Phase::Skip
                | Phase::Copy => phase,
                _ => place.stop(phase),
            };
        }
        self.phase = phase;
        *border = place.border;
        Ok(Stop { at: listed.start_or_end(place.index), at_end: listed.ends_near(place.index) })
    }

    /// [`Phase::Name`], and on over the members that are removed.
    #[inline(always)]
    fn lane_names(&mut self, sink: &mut Sink<'_>, place: &mut Along<'_>) -> Result<Phase, Halt> {
        // Most members are unknown: they are counted together, for the object that they stand in.
        let (state, mut unknown) = (&self.frame.state, 0u64);
        let (other, outlook) = (state.other, state.outlook);
        let phase = self.lane_members(sink, place, outlook, &mut unknown);
        if unknown != 0 {
            self.tell(other, Standing::Whole, unknown);
            self.counts.hidden = self.counts.hidden.wrapping_add(unknown);
        }
        phase
    }

    /// [`Self::lane_names`], but for telling how many members the policy does not know, of which is said `outlook`.
    #[inline(always)]
    fn lane_members(
        &mut self,
        sink: &mut Sink<'_>,
        place: &mut Along<'_>,
        outlook: Outlook,
        unknown: &mut u64,
    ) -> Result<Phase, Halt> {
        let looked_up = self.frame.looked_up;
        let shows = !self.frame.muted && !self.frame.state.filtered;
        loop {
            let [from, colon, value, behind] = place.listed.starts(place.index);
            if place.listed.byte_at(from) != b'"' || place.listed.byte_at(colon) != b':' {
                let at = place.at();
                // `{"a":1,}`: behind a comma there must be a name.
                if place.border.before == Preceding::Open && place.closes() {
                    return Ok(self.close(sink, at));
                }
                return Ok(place.stop(Phase::Name));
            }
            let to = place.listed.last_before(colon);
            let escaped = place.listed.may_have_escape(from, to) && place.listed.has_escape(from, to);
            let is_unknown = !escaped && hint_within(place.listed.chunk(), from.wrapping_add(1), to) & looked_up == 0;
            let named = if is_unknown {
                *unknown = unknown.wrapping_add(1);
                Phase::Drop
            } else {
                self.lane_name(sink, (from, to), escaped)?
            };
            place.pass(2, Preceding::Colon);
            // Most members are scalars, and another one follows.
            if named == Phase::Drop {
                if !place.listed.is_scalar_before(value, behind) {
                    if is_unknown {
                        self.outlook = outlook;
                    }
                    return Ok(Phase::Drop);
                }
            } else {
                match place.listed.scalar_end_before(value, behind) {
                    Some(end) if shows && self.outlook == Outlook::Shown => self.lane_shown(sink, value, end),
                    _ => return Ok(named),
                }
            }
            place.pass(1, Preceding::Value);
            if place.listed.byte_at(behind) != b',' {
                return Ok(Phase::After);
            }
            place.pass(1, Preceding::Comma);
        }
    }

    /// Writes the member in hand, whose value is a scalar that stays as it is.
    #[inline(always)]
    fn lane_shown(&mut self, sink: &mut Sink<'_>, at: usize, end: usize) {
        self.count(self.here, Standing::Scalar);
        self.counts.shown = self.counts.shown.wrapping_add(1);
        let comma = std::mem::replace(&mut self.frame.begun, true);
        self.lead_member(sink, at, comma);
        sink.copy(at, end);
    }

    /// What the policy says of the member whose name is the next token, and must be looked up.
    #[inline(always)]
    fn lane_name(&mut self, sink: &mut Sink<'_>, (from, to): (usize, usize), escaped: bool) -> Result<Phase, Halt> {
        if escaped {
            self.name = Name::Chunk { start: from, end: from };
            self.name_escaped = true;
            self.start = from;
            return self.unusually_named(sink, to);
        }
        self.named(sink, from, to)
    }

    /// [`Phase::Value`].
    #[inline(always)]
    fn lane_value(&mut self, sink: &mut Sink<'_>, place: &mut Along<'_>) -> Result<Phase, Halt> {
        let (at, byte) = (place.at(), place.byte());
        // A filter must see the value whole.
        if self.frame.state.filtered {
            return Ok(place.stop(Phase::Value));
        }
        if matches!(byte, b'{' | b'[') {
            if !place.may_open() {
                return Ok(place.stop(Phase::Value));
            }
            let begun = self.begin(sink, at, byte, |_| place.is_empty_container())?;
            // Both brackets of an empty one that stays have been passed.
            match begun {
                Phase::After => place.pass(2, Preceding::Value),
                _ => place.open(),
            }
            return Ok(begun);
        }
        if byte == b']' {
            // `[1,]`: behind a comma there must be a value.
            if place.border.before != Preceding::Open || !place.closes() {
                return Ok(place.stop(Phase::Value));
            }
            return Ok(self.close(sink, at));
        }
        let Some(end) = place.listed.scalar_end(place.index) else { return Ok(place.stop(Phase::Value)) };
        let begun = self.begin(sink, at, byte, |_| false)?;
        place.pass(1, Preceding::Value);
        Ok(match begun {
            Phase::ShowString | Phase::ShowPlain => {
                sink.copy(self.start, end);
                self.ended(sink)
            }
            Phase::TakeString | Phase::TakePlain => self.transform(sink, end),
            phase => phase,
        })
    }

    /// [`Phase::After`], and on over the brackets that close what is around.
    #[inline(always)]
    fn lane_after(&mut self, sink: &mut Sink<'_>, place: &mut Along<'_>) -> Phase {
        loop {
            if place.comma() {
                return self.next();
            }
            let at = place.at();
            if !place.closes() {
                return place.stop(Phase::After);
            }
            let phase = self.close(sink, at);
            if phase != Phase::After {
                return phase;
            }
        }
    }

    /// [`Phase::Drop`].
    #[inline(always)]
    fn lane_dropped(&mut self, place: &mut Along<'_>) -> Phase {
        if place.border.before != Preceding::Colon || place.scalar() {
            return Phase::After;
        }
        if place.may_open() {
            place.open();
            return self.skip();
        }
        place.stop(Phase::Drop)
    }

    /// [`Phase::Skip`] and [`Phase::Copy`].
    #[inline(always)]
    fn lane_crossed(&mut self, sink: &mut Sink<'_>, place: &mut Along<'_>, phase: Phase) -> Phase {
        let Some(at) = place.cross(&mut self.nested) else { return phase };
        if phase == Phase::Copy {
            sink.copy(self.start, at.wrapping_add(1));
        }
        self.ended(sink)
    }

    /// [`Phase::DropElements`].
    #[inline(always)]
    fn lane_dropped_elements(&mut self, sink: &mut Sink<'_>, place: &mut Along<'_>) -> Phase {
        // Of one state all of them: they are counted together.
        let (here, mut gone) = (self.here, 0u64);
        let phase = loop {
            if place.border.before == Preceding::Comma && !place.scalar() {
                if place.may_open() {
                    place.open();
                    break self.skip();
                }
                break place.stop(Phase::DropElements);
            }
            let at = place.at();
            if place.closes() {
                break self.close(sink, at);
            }
            if !place.comma() {
                break place.stop(Phase::DropElements);
            }
            gone = gone.wrapping_add(1);
        };
        self.tell(here, Standing::Whole, gone);
        self.counts.hidden = self.counts.hidden.wrapping_add(gone);
        phase
    }
}
