//! Names: which one it is, whether it came before, and what the policy says of its member.

use super::super::sink::Sink;
use super::{ChunkPosition, Halt, Name, Phase, Walker};
use crate::json::unescape::unescape_into;
use crate::program::{FoundName, Outlook, Standing, StateId};
use crate::refusal::Refusal;

/// Longest member name that is kept, in bytes as it is spelled. It is more than any policy's own names, which are 6
/// times as long at most when every character is spelled as an escape; a longer name's member is removed.
const LONGEST_NAME: usize = 64 << 10;

impl Walker {
    /// A name stands between the quotation marks at `start` and `at`, without escapes: what the policy says of its member.
    #[inline(always)]
    pub(super) fn named(&mut self, sink: &Sink<'_>, start: usize, at: usize) -> Result<Phase, Halt> {
        let from = start.wrapping_add(1);
        self.name = Name::Chunk { start, end: at.wrapping_add(1) };
        let found = self.frame.state.members.find_by_ends(sink.span(from, at), sink.ends(from, at));
        if found.is_none() && self.sightings.is_some() {
            self.note(sink, from, at);
        }
        self.member(found, ChunkPosition { at: start, before: 0 })
    }

    /// Notes the member of a name, without escapes, that the policy does not know, if no entry covers it. A member whose value
    /// does not begin in this chunk is left to another response.
    #[cold]
    #[inline(never)]
    fn note(&mut self, sink: &Sink<'_>, from: usize, at: usize) {
        const WHITE: usize = 64;
        let state = &self.frame.state;
        let Some(sightings) = self.sightings.as_ref().filter(|sightings| sightings.goes_on()) else { return };
        // Of an object that the caller sees nothing of, nobody is told whose it is: a name that only it has would be theirs.
        if self.frame.muted || state.other != StateId::DEAD || state.filtered {
            return;
        }
        let behind = at.wrapping_add(1)..at.wrapping_add(WHITE);
        let value = behind.map(|at| sink.at(at)).find(|byte| !matches!(byte, b':' | b' ' | b'\t' | b'\n' | b'\r'));
        if let Some(first) = value {
            sightings.note(self.frame.id, sink.span(from, at), first);
        }
    }

    /// The policy does not know the name, and members of such names are removed.
    #[inline(always)]
    pub(super) fn unknown(&mut self) -> Phase {
        self.outlook = self.frame.state.outlook;
        self.tell(self.frame.state.other, Standing::Whole, 1);
        self.counts.hidden = self.counts.hidden.wrapping_add(1);
        Phase::Drop
    }

    /// Decides a member whose name began in an earlier block or has escapes.
    #[inline(never)]
    pub(super) fn unusually_named(&mut self, sink: &Sink<'_>, at: usize) -> Result<Phase, Halt> {
        if let (Name::Chunk { start, .. }, false) = (self.name, self.name_escaped)
            && at.saturating_sub(start) < LONGEST_NAME
        {
            return self.named(sink, start, at);
        }
        match self.unusual_name(sink, at.wrapping_add(1))? {
            Some((found, place)) => self.member(found, place),
            None => {
                self.outlook = Outlook::Hidden { classified: false };
                self.tell(StateId::DEAD, Standing::Whole, 1);
                self.counts.hidden = self.counts.hidden.wrapping_add(1);
                Ok(Phase::Drop)
            }
        }
    }

    /// What the policy says of the member whose name stands at `place`.
    #[inline(always)]
    fn member(&mut self, found: Option<FoundName>, place: ChunkPosition) -> Result<Phase, Halt> {
        let frame = &mut self.frame;
        let (child, outlook) = match found {
            Some(FoundName { index, state, outlook }) => {
                // Names are numbered as the policy lists them: the first sixty-four have their bits in the frame.
                let word = match index >> 6 {
                    0 => Some(&mut frame.seen),
                    more => self.seen.get_mut(frame.more_seen.wrapping_add(more).wrapping_sub(1)),
                };
                let bit = 1u64.wrapping_shl((index & 63) as u32);
                match word {
                    Some(word) if *word & bit == 0 => *word |= bit,
                    // A client might take the first, and the policy have judged the second (RFC 7493 §2.3).
                    Some(_) => return Err(Halt::Duplicate(place)),
                    None => return Err(Halt::Whole(Refusal::Internal)),
                }
                (state, outlook)
            }
            None => (frame.state.other, frame.state.outlook),
        };
        // Which state the member has depends on its value: `release` selects it.
        if self.frame.state.filtered {
            return Ok(Phase::Value);
        }
        self.outlook = outlook;
        self.here = child;
        if let Outlook::Hidden { .. } = outlook {
            self.count(child, Standing::Whole);
            self.counts.hidden = self.counts.hidden.wrapping_add(1);
            return Ok(Phase::Drop);
        }
        Ok(Phase::Value)
    }

    /// Which name it is, and where it stands; `None` if it is too long.
    fn unusual_name(
        &mut self,
        sink: &Sink<'_>,
        end: usize,
    ) -> Result<Option<(Option<FoundName>, ChunkPosition)>, Halt> {
        let names = &self.frame.state.members;
        let (quoted, place) = match &mut self.name {
            Name::Chunk { start, end: to } => {
                *to = end;
                (sink.span(*start, end), ChunkPosition { at: *start, before: 0 })
            }
            Name::Saved => {
                let before = u64::try_from(self.saved.len()).unwrap_or(u64::MAX);
                save_name(&mut self.saved, sink.span(0, end));
                (self.saved.as_slice(), ChunkPosition { at: 0, before })
            }
        };
        let found = match quoted {
            // No name of a policy is that long, however it is spelled.
            _ if quoted.len() > LONGEST_NAME => return Ok(None),
            [b'"', raw @ .., b'"'] if self.name_escaped => {
                unescape_into(raw, &mut self.spelled).and_then(|name| names.find(name.as_bytes()))
            }
            [b'"', raw @ .., b'"'] => names.find(raw),
            _ => None,
        };
        Ok(Some((found, place)))
    }
}

/// Keeps more bytes of a name, one more than the longest at most: enough to know that it is too long.
pub(super) fn save_name(saved: &mut Vec<u8>, bytes: &[u8]) {
    let room = LONGEST_NAME.saturating_add(1).saturating_sub(saved.len());
    saved.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
}
