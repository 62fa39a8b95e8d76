//! Names: which one it is, whether it came before, and what the policy says of its member.

use super::super::sink::Sink;
use super::{Halt, Name, Phase, Place, Walker};
use crate::json::unescape::unescape;
use crate::program::{Found, Names, Outlook, Standing};
use crate::refusal::Refusal;

/// Longest member name that is kept, in bytes as it is spelled. It is more than any policy's own names, which are 6
/// times as long at most when every character is spelled as an escape; a longer name's member is removed.
const LONGEST_NAME: usize = 64 << 10;

impl Walker {
    /// A name has ended with the quotation mark at `at`: what the policy says of its member.
    #[inline(always)]
    pub(super) fn named(&mut self, sink: &Sink<'_>, at: usize) -> Result<Phase, Halt> {
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
}

/// Keeps more bytes of a name, one more than the longest at most: enough to know that it is too long.
pub(super) fn save_name(saved: &mut Vec<u8>, bytes: &[u8]) {
    let room = LONGEST_NAME.saturating_add(1).saturating_sub(saved.len());
    saved.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
}

/// The name that the bytes between the quotation marks spell with escapes.
fn find_escaped(names: &Names, raw: &[u8]) -> Option<Found> {
    names.find(unescape(raw)?.as_bytes())
}
