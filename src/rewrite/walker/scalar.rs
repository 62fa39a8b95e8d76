//! Scalars: shown, blanked, or taken whole to be transformed.

use std::rc::Rc;

use super::super::sink::Sink;
use super::hold::put_down;
use super::{Halt, Phase, Walker, record};
use crate::program::{ContainerRule, ScalarRule, Standing, State};
use crate::transform::{Searched, detect, mask, pseudonym};

/// Longest token that is transformed, in bytes as it is spelled (rule 27); a longer one becomes blank.
pub(super) const LONGEST: usize = 64 << 10;

/// Whether the policy knows a container where a scalar stands (rule 25).
fn is_container(state: &State) -> bool {
    !matches!(state.container, ContainerRule::Drop | ContainerRule::Mute)
}

/// Whether it knows a container alone: below `..*` any place may hold one, and a scalar that an entry names is in its own place.
fn is_misplaced(state: &State) -> bool {
    is_container(state) && !state.classified
}

impl Walker {
    /// A string, number or literal name begins at `at`.
    #[inline(never)]
    pub(super) fn scalar(&mut self, sink: &mut Sink<'_>, at: usize, byte: u8) -> Result<Phase, Halt> {
        let state = self.states.get(self.here);
        // Few places are records, or name a subject.
        if (state.record.is_some() || matches!(state.scalar, ScalarRule::Subject { .. }))
            && let Some(phase) = self.record_of_scalar(at, byte)?
        {
            return Ok(phase);
        }
        if self.frame.muted {
            self.tell(self.here, Standing::Whole, 1);
            return self.remove(byte);
        }
        self.count(self.here, Standing::Scalar);
        let state = self.states.get(self.here);
        // Of the scalars only `null` begins with an `n`.
        let null = byte == b'n';
        match state.scalar.fate() {
            ScalarRule::Show => {}
            ScalarRule::Hide | ScalarRule::Subject { .. } => {
                // `null` passes where the container would (rule 25).
                if !(is_container(state) && null) {
                    let misplaced = is_misplaced(state);
                    self.counts.shape_mismatch = self.counts.shape_mismatch.wrapping_add(u64::from(misplaced));
                    return self.remove(byte);
                }
            }
            ScalarRule::Blank(_) => {
                self.lead(sink, at);
                self.blank(sink);
                return Ok(self.ended(sink));
            }
            // Detectors look into strings only; `null` has nothing to mask (rules 20, 27).
            ScalarRule::Detect { .. } if byte != b'"' => {}
            ScalarRule::Mask { .. } | ScalarRule::Pseudonym { .. } if null => {}
            ScalarRule::Detect { .. } | ScalarRule::Mask { .. } | ScalarRule::Pseudonym { .. } => {
                self.start = at;
                return Ok(if byte == b'"' { Phase::TakeString } else { Phase::TakePlain });
            }
        }
        Ok(self.show(sink, at, byte))
    }

    /// A scalar begins that may be a record of its own, or name a subject: what is next, if that is decided here.
    #[inline(never)]
    fn record_of_scalar(&mut self, at: usize, byte: u8) -> Result<Option<Phase>, Halt> {
        let state = self.states.get(self.here);
        let muted = self.frame.muted;
        let hidden = *state.scalar.fate() == ScalarRule::Hide;
        let kinds = state.record.clone();
        if !(matches!(state.scalar, ScalarRule::Subject { .. }) && record::names(byte)) {
            if let (Some(kinds), false) = (kinds, muted || hidden) {
                self.begin_record(&kinds, false)?;
                self.end_record();
            }
            return Ok(None);
        }
        if let Some(kinds) = kinds {
            self.begin_record(&kinds, muted || hidden)?;
        }
        match muted {
            false => self.count(self.here, Standing::Scalar),
            true => self.tell(self.here, Standing::Whole, 1),
        }
        self.start = at;
        // Its value names the subject, so it is taken whole even where it is hidden (rule 34).
        Ok(Some(if byte == b'"' { Phase::TakeString } else { Phase::TakePlain }))
    }

    /// A string, number or literal name that is kept begins at `at`.
    #[inline(always)]
    pub(super) fn show(&mut self, sink: &mut Sink<'_>, at: usize, byte: u8) -> Phase {
        self.counts.shown = self.counts.shown.wrapping_add(1);
        self.lead(sink, at);
        self.start = at;
        if byte == b'"' { Phase::ShowString } else { Phase::ShowPlain }
    }

    /// Keeps bytes of a scalar or held value for the next chunk, one more than `longest` at most.
    pub(super) fn take(&mut self, bytes: &[u8], longest: usize) {
        // One byte more than the longest tells a token that is too long from one that just fits.
        let room = longest.saturating_add(1).saturating_sub(self.taken.len());
        self.taken.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// The scalar that was taken ends before `end`: writes what it becomes.
    #[inline(never)]
    pub(super) fn transform(&mut self, sink: &mut Sink<'_>, end: usize) -> Phase {
        let mut taken = std::mem::take(&mut self.taken);
        let token = if taken.is_empty() {
            sink.span(self.start, end)
        } else {
            let room = LONGEST.saturating_add(1).saturating_sub(taken.len());
            let rest = sink.span(0, end);
            taken.extend_from_slice(rest.get(..room).unwrap_or(rest));
            &taken
        };
        let short = token.len() <= LONGEST;
        let kept = self.names_subject(short.then_some(token));
        if kept {
            self.lead(sink, self.start);
            // A subject that is shown is a span like what stands around it.
            if taken.is_empty() && short && matches!(self.state().scalar.fate(), ScalarRule::Show) {
                self.counts.shown = self.counts.shown.wrapping_add(1);
                sink.copy(self.start, end);
            } else if !(short && self.write_transformed(token, sink.out())) {
                self.blank(sink);
            }
        }
        self.taken = put_down(taken);
        self.ended(sink)
    }

    /// Tells whose data it is, if the scalar that was taken names a subject; one that is too long names none. Whether anything
    /// of the scalar is kept.
    fn names_subject(&mut self, token: Option<&[u8]>) -> bool {
        let state = Rc::clone(self.states.get(self.here));
        let ScalarRule::Subject { namespaces, then } = &state.scalar else { return true };
        if let Some(token) = token {
            self.subject(namespaces, token);
        }
        // A literal name is no subject: its record has begun and ended already. What is too long to be kept is none.
        let began = token.and_then(|token| token.first()).is_none_or(|first| record::names(*first));
        if began && state.record.is_some() {
            self.end_record();
        }
        if self.frame.muted || matches!(**then, ScalarRule::Hide) {
            self.counts.hidden = self.counts.hidden.wrapping_add(1);
            let misplaced = is_misplaced(&state);
            self.counts.shape_mismatch = self.counts.shape_mismatch.wrapping_add(u64::from(misplaced));
            return false;
        }
        true
    }

    fn write_transformed(&mut self, token: &[u8], out: &mut Vec<u8>) -> bool {
        let (fits, count) = match self.states.get(self.here).scalar.fate() {
            ScalarRule::Show => {
                out.extend_from_slice(token);
                (true, &mut self.counts.shown)
            }
            ScalarRule::Mask { form, .. } => (mask(*form, token, out), &mut self.counts.masked),
            ScalarRule::Pseudonym { form, .. } => {
                let fits = self.view.key().is_some_and(|key| pseudonym(key, form, self.view.client(), token, out));
                (fits, &mut self.counts.pseudonymised)
            }
            // Detectors look into strings only.
            ScalarRule::Detect { .. } if !token.starts_with(b"\"") => {
                out.extend_from_slice(token);
                (true, &mut self.counts.shown)
            }
            ScalarRule::Detect { detectors, .. } => {
                let (fits, count) = match detect(detectors, token, &mut self.effort, out) {
                    Searched::Clean => (true, &mut self.counts.shown),
                    Searched::Replaced => (true, &mut self.counts.detected),
                    Searched::Misfit => return false,
                    Searched::Exhausted => (false, &mut self.counts.unsearched),
                };
                *count = count.wrapping_add(1);
                return fits;
            }
            ScalarRule::Hide | ScalarRule::Blank(_) | ScalarRule::Subject { .. } => return false,
        };
        if fits {
            *count = count.wrapping_add(1);
        }
        fits
    }

    /// Writes the replacement value of the scalar in hand.
    fn blank(&mut self, sink: &mut Sink<'_>) {
        self.counts.blanked = self.counts.blanked.wrapping_add(1);
        let text: &str = match self.state().scalar.fate() {
            ScalarRule::Blank(text)
            | ScalarRule::Mask { blank: text, .. }
            | ScalarRule::Pseudonym { blank: text, .. }
            | ScalarRule::Detect { blank: text, .. } => text,
            ScalarRule::Hide | ScalarRule::Show | ScalarRule::Subject { .. } => "null",
        };
        sink.write(text.as_bytes());
    }
}
