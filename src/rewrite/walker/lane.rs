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
    /// How far behind its start.
    pub(in crate::rewrite) at: usize,
    /// Whether that is where the list ends.
    pub(in crate::rewrite) at_end: bool,
}

/// A place in the list, between two tokens.
struct Along<'a> {
    listed: Listed<'a>,
    /// The next token.
    index: usize,
    /// Where in the chunk the list begins.
    base: usize,
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
        self.base.wrapping_add(self.listed.start(self.index))
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
            if matches!(before, Preceding::Value | Preceding::Open) {
                let at = self.at();
                if self.closes() {
                    open = open.wrapping_sub(1);
                    if open == 0 {
                        break 'end Some(at);
                    }
                    continue;
                }
                if before == Preceding::Value && !self.comma() {
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

    /// Goes along a list of tokens, which begins at `base` of the chunk behind `border`, as far as all is usual. The border
    /// is then where it stops.
    ///
    /// # Errors
    /// What the policy refuses.
    #[inline(never)]
    pub(in crate::rewrite) fn lane(
        &mut self,
        sink: &mut Sink<'_>,
        listed: Listed<'_>,
        base: usize,
        border: &mut Border,
    ) -> Result<Stop, Halt> {
        let mut place = Along { listed, index: 0, base, border: *border, stopped: false };
        let mut phase = self.phase;
        while !place.stopped {
            // One after the other, as they mostly follow each other in an object, and only then all the others.
            if phase == Phase::Name {
                phase = self.lane_names(sink, &mut place)?;
            }
            if phase == Phase::Value && !place.stopped {
                phase = self.lane_value(sink, &mut place)?;
            }
            phase = match phase {
                Phase::Name | Phase::Value => phase,
                Phase::After => self.lane_after(sink, &mut place, phase),
                Phase::Drop => self.lane_dropped(sink, &mut place),
                Phase::DropElements => self.lane_dropped_elements(sink, &mut place),
                Phase::Skip | Phase::Copy => match place.cross(&mut self.nested) {
                    Some(at) => {
                        if phase == Phase::Copy {
                            sink.copy(self.start, at.wrapping_add(1));
                        }
                        self.ended(sink)
                    }
                    None => phase,
                },
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
        loop {
            let (from, colon) = (place.listed.start(place.index), place.listed.start(place.behind(1)));
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
            let is_unknown = !escaped && hint_within(place.listed.bytes(), from.wrapping_add(1), to) & looked_up == 0;
            let named = if is_unknown {
                *unknown = unknown.wrapping_add(1);
                Phase::Drop
            } else {
                self.lane_name(sink, place, (from, to), escaped)?
            };
            place.pass(2, Preceding::Colon);
            if named != Phase::Drop {
                return Ok(named);
            }
            // Most members that are removed are scalars, and another one follows.
            if !place.scalar() || !place.comma() {
                if is_unknown {
                    self.outlook = outlook;
                }
                return Ok(Phase::Drop);
            }
        }
    }

    /// What the policy says of the member whose name is the next token, and must be looked up.
    #[inline(always)]
    fn lane_name(
        &mut self,
        sink: &mut Sink<'_>,
        place: &Along<'_>,
        (from, to): (usize, usize),
        escaped: bool,
    ) -> Result<Phase, Halt> {
        let (start, end) = (place.base.wrapping_add(from), place.base.wrapping_add(to));
        if escaped {
            self.name = Name::Chunk { start, end: start };
            self.name_escaped = true;
            self.start = start;
            return self.unusually_named(sink, end);
        }
        self.named(sink, start, end)
    }

    /// [`Phase::Value`], and on to what is behind the value if that is a scalar.
    #[inline(always)]
    fn lane_value(&mut self, sink: &mut Sink<'_>, place: &mut Along<'_>) -> Result<Phase, Halt> {
        let (at, byte) = (place.at(), place.byte());
        if place.border.before == Preceding::Open && byte == b']' && place.closes() {
            return Ok(self.close(sink, at));
        }
        // A filter must see the value whole.
        if self.frame.state.filtered {
            return Ok(place.stop(Phase::Value));
        }
        let end = place.listed.scalar_end(place.index).map(|end| place.base.wrapping_add(end));
        if end.is_none() && !place.may_open() {
            return Ok(place.stop(Phase::Value));
        }
        let empty = place.is_empty_container();
        let begun = self.begin(sink, at, byte, |_| empty)?;
        let Some(end) = end else {
            // Both brackets of an empty one that stays have been passed.
            match begun {
                Phase::After => place.pass(2, Preceding::Value),
                _ => place.open(),
            }
            return Ok(begun);
        };
        place.pass(1, Preceding::Value);
        let ended = match begun {
            Phase::ShowString | Phase::ShowPlain => {
                sink.copy(self.start, end);
                self.ended(sink)
            }
            Phase::TakeString | Phase::TakePlain => self.transform(sink, end),
            phase => phase,
        };
        match ended {
            Phase::After => Ok(self.lane_after(sink, place, ended)),
            phase => Ok(phase),
        }
    }

    /// [`Phase::After`].
    #[inline(always)]
    fn lane_after(&mut self, sink: &mut Sink<'_>, place: &mut Along<'_>, phase: Phase) -> Phase {
        let at = place.at();
        if place.comma() {
            return self.next();
        }
        if place.closes() {
            return self.close(sink, at);
        }
        place.stop(phase)
    }

    /// [`Phase::Drop`].
    #[inline(always)]
    fn lane_dropped(&mut self, sink: &mut Sink<'_>, place: &mut Along<'_>) -> Phase {
        if place.border.before == Preceding::Colon && !place.scalar() {
            if place.may_open() {
                place.open();
                return self.skip();
            }
            return place.stop(Phase::Drop);
        }
        self.lane_after(sink, place, Phase::Drop)
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
