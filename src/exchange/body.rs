//! The body of a governed response: held back, streamed, absorbed or emptied.

use std::mem;
use std::rc::Rc;

use super::write_budget::WriteBudget;
use super::{BodyDirective, End, Exchange, Headers, Phase, TrailersDirective, head};
use crate::json::Texts;
use crate::policy::model::Limits;
use crate::program::View;
use crate::refusal::{Problem, Refusal};
use crate::rewrite::{Counts, Rewriter};

/// What a phase decides of a part of a body.
struct Decided {
    next: Phase,
    emit: Emit,
    counts: Option<Counts>,
}

impl Decided {
    fn new(next: Phase, emit: Emit) -> Self {
        Self { next, emit, counts: None }
    }

    fn done(emit: Emit, counts: Counts) -> Self {
        Self { next: Phase::Emptying, emit, counts: Some(counts) }
    }
}

/// What happens to the output so far.
#[derive(Clone, Copy)]
enum Emit {
    /// It takes the place of what the host holds back, and stays there.
    Hold,
    /// The host holds back, and gets nothing yet.
    HoldNothing,
    /// This many bytes of it go.
    Send(usize),
    /// It is all there will be, and more than may be written: it goes as a reply of the host's own.
    Answer,
    /// What the host has goes as it is.
    Pass,
}

/// A part of a body as the host gives it.
struct Part<'a> {
    chunk: &'a [u8],
    /// How much of the body the host has, the chunk included.
    host_has: usize,
    end: End,
}

/// Room for output that a waiting stream keeps, in bytes: enough for the parts that most bodies come in.
const KEPT: usize = 16 << 10;

/// A body that is read while its head is kept back, for as long as [`Length`] says that it may be.
///
/// A sound body is never refused for how its parts came: what outgrows a write while the host holds back is kept here
/// until its end, when the head and all of it go at once; or, where it is too long to be awaited, until the next part,
/// which a text that is still open must have.
#[derive(Debug)]
pub(super) struct Holding {
    rewriter: Rewriter,
    size: Size,
    length: Length,
    /// How much of the output the host holds back, once it holds back at all.
    held: Option<usize>,
}

impl Holding {
    pub(super) fn new(rewriter: Rewriter, length: Length) -> Self {
        Self { rewriter, size: Size::new(length.limits), length, held: None }
    }

    pub(super) fn held_back(&self) -> usize {
        self.held.unwrap_or(0)
    }

    fn on_body(mut self, part: &Part<'_>, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        self.size.add(part.chunk)?;
        self.rewriter = self.rewriter.push(part.chunk, out)?;
        let budget = match self.held {
            Some(_) => WriteBudget::holding(part.host_has),
            None => WriteBudget::unbounded(),
        };
        if part.end == End::Last {
            let counts = self.size.finish(self.rewriter, out)?;
            // What the host holds back is all there will be: it need not be written again.
            let is_held = self.held == Some(out.len()) && part.host_has == out.len();
            return Ok(Decided::done(if is_held { Emit::Pass } else { Self::whole(budget, out) }, counts));
        }
        // Not whether it grows: that would tell how long the values are that forms stand for.
        let is_awaited = self.length.is_awaited(self.size.read);
        // What is held back must fit into the host's buffer, whether or not it was written while it held back.
        if is_awaited && WriteBudget::holding(part.host_has).admits(out.len()) {
            self.held = Some(out.len());
            return Ok(Decided::new(Phase::Holding(Box::new(self)), Emit::Hold));
        }
        if !budget.admits(out.len()) && (is_awaited || self.rewriter.is_whole()) {
            self.held = Some(0);
            return Ok(Decided::new(Phase::Holding(Box::new(self)), Emit::HoldNothing));
        }
        let sent = budget.part_of(out.len());
        let streaming = Streaming { rewriter: self.rewriter, size: self.size, sent };
        Ok(Decided::new(Phase::Streaming(Box::new(streaming)), Emit::Send(sent)))
    }

    fn on_trailers(self, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        let counts = self.size.finish(self.rewriter, out)?;
        // Without a body the host holds nothing that could be written to.
        let emit = self.held.map_or(Emit::Pass, |held| Self::whole(WriteBudget::holding(held), out));
        Ok(Decided::done(emit, counts))
    }

    /// How a body goes whose end has come.
    fn whole(budget: WriteBudget, out: &[u8]) -> Emit {
        if budget.admits(out.len()) { Emit::Send(out.len()) } else { Emit::Answer }
    }
}

/// A body whose head is gone: what is read is rewritten and goes on at once.
#[derive(Debug)]
pub(super) struct Streaming {
    rewriter: Rewriter,
    size: Size,
    /// How much of the output the host has.
    sent: usize,
}

impl Streaming {
    pub(super) fn new(rewriter: Rewriter, limits: Limits) -> Self {
        Self { rewriter, size: Size::new(limits), sent: 0 }
    }

    fn on_body(mut self, part: &Part<'_>, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        out.drain(..self.sent.min(out.len()));
        self.size.add(part.chunk)?;
        self.rewriter = self.rewriter.push(part.chunk, out)?;
        if part.end == End::Last {
            let counts = self.size.finish(self.rewriter, out)?;
            return Ok(Decided::done(Emit::Send(out.len()), counts));
        }
        self.sent = out.len();
        Ok(Decided::new(Phase::Streaming(Box::new(self)), Emit::Send(out.len())))
    }

    /// The host has taken what was sent.
    fn taken(&mut self, out: &mut Vec<u8>) {
        out.drain(..mem::take(&mut self.sent).min(out.len()));
        out.shrink_to(KEPT);
    }

    /// The host lets go of each part at once, so at the trailers nothing can be written any more: the body must have
    /// been written already, which it has since its root closed.
    fn on_trailers(self, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        let counts = self.size.finish(self.rewriter, out)?;
        if out.len() > self.sent {
            return Err(Refusal::WriteBudget);
        }
        Ok(Decided::done(Emit::Pass, counts))
    }
}

/// An error body: kept back until it is known to be strict JSON, else emptied (rule 29). One that may not be awaited to its
/// end ([`Length`]) streams on.
#[derive(Debug)]
pub(super) struct Absorbing {
    rewriter: Rewriter,
    size: Size,
    length: Length,
}

impl Absorbing {
    pub(super) fn new(rewriter: Rewriter, length: Length) -> Self {
        Self { rewriter, size: Size::new(length.limits), length }
    }

    /// Never refuses: a body that would be is emptied.
    fn on_body(self, part: &Part<'_>, out: &mut Vec<u8>) -> Decided {
        self.absorb(part, out).unwrap_or_else(|_| {
            out.clear();
            Decided::new(Phase::Emptying, Emit::Send(0))
        })
    }

    fn absorb(mut self, part: &Part<'_>, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        self.size.add(part.chunk)?;
        self.rewriter = self.rewriter.push(part.chunk, out)?;
        WriteBudget::holding(0).admit(out.len())?;
        if part.end == End::Last {
            return self.finish(out);
        }
        if self.length.is_awaited(self.size.read) {
            return Ok(Decided::new(Phase::Absorbing(Box::new(self)), Emit::HoldNothing));
        }
        if !out.starts_with(b"{") {
            out.clear();
            return Ok(Decided::new(Phase::Emptying, Emit::Send(0)));
        }
        let sent = out.len();
        let streaming = Streaming { rewriter: self.rewriter, size: self.size, sent };
        Ok(Decided::new(Phase::Streaming(Box::new(streaming)), Emit::Send(sent)))
    }

    fn on_trailers(self, out: &mut Vec<u8>) -> Decided {
        let empty = self.size.read == 0;
        let decided = self.finish(out).unwrap_or_else(|_| {
            out.clear();
            Decided::new(Phase::Emptying, Emit::Send(0))
        });
        if empty { Decided { emit: Emit::Pass, ..decided } } else { decided }
    }

    fn finish(self, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        let counts = self.size.finish(self.rewriter, out)?;
        WriteBudget::holding(0).admit(out.len())?;
        if !out.starts_with(b"{") {
            out.clear();
        }
        Ok(Decided::done(Emit::Send(out.len()), counts))
    }
}

/// A body of other content on a route that passes it: nothing of it goes until its first byte shows that it is not JSON.
#[derive(Debug)]
pub(super) struct Sniffing {
    view: Rc<View>,
    length: Length,
    white_space: Vec<u8>,
    head: Head,
}

/// Where the response's head is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// Kept back.
    Held,
    /// Gone.
    Sent,
}

impl Sniffing {
    pub(super) fn new(view: Rc<View>, length: Length, head: Head) -> Self {
        Self { view, length, white_space: Vec::new(), head }
    }

    fn on_body(mut self, part: &Part<'_>, out: &mut Vec<u8>) -> Result<Decided, Refusal> {
        let first = part.chunk.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        match first.and_then(|at| part.chunk.get(at)) {
            None => {
                self.white_space.extend_from_slice(part.chunk);
                WriteBudget::holding(0).admit(self.white_space.len())?;
                if part.end == End::Last {
                    out.append(&mut self.white_space);
                    return Ok(Decided::new(Phase::Opaque, Emit::Send(out.len())));
                }
                self.head = Head::Sent;
                Ok(Decided::new(Phase::Sniffing(Box::new(self)), Emit::Send(0)))
            }
            // JSON under another name, or what may be JSON in another encoding.
            Some(b'{' | b'[' | b'"') => {
                let mut whole = mem::take(&mut self.white_space);
                whole.extend_from_slice(part.chunk);
                let rewriter = Rewriter::new(Rc::clone(&self.view), Texts::One);
                let part = Part { chunk: &whole, ..*part };
                match self.head {
                    Head::Held => Holding::new(rewriter, self.length).on_body(&part, out),
                    Head::Sent => Streaming::new(rewriter, self.length.limits).on_body(&part, out),
                }
            }
            // UTF-16, a byte-order mark, a record separator (RFC 7464), or a prefix that keeps scripts from reading JSON.
            Some(0x00..=0x1F | 0xEF | 0xFE | 0xFF | b')') => Err(Refusal::ContentType),
            Some(_) if self.white_space.is_empty() => Ok(Decided::new(Phase::Opaque, Emit::Pass)),
            Some(_) => {
                out.append(&mut self.white_space);
                out.extend_from_slice(part.chunk);
                Ok(Decided::new(Phase::Opaque, Emit::Send(out.len())))
            }
        }
    }
}

/// How long a body says that it is, and how long it may be.
///
/// What the host holds back must fit into its buffer together with whatever comes next: it puts the next part beside it
/// before the filter is asked, and answers 500 if that is too much. So a body is awaited only where the next part is
/// known to be small enough. Any other is decided by its first part, which the host does not hold back yet; small bodies
/// come whole in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Length {
    /// What the head says.
    pub(super) declared: Declared,
    /// The policy's limits.
    pub(super) limits: Limits,
}

/// What a response's head says of its body's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Declared {
    /// So many bytes.
    Bytes(u64),
    /// Nothing, and it comes in frames of at most 16 KiB (HTTP/2, RFC 9113 §4.2).
    Frames,
    /// Nothing, and it comes in pieces of whatever size is read at once (HTTP/1.1, chunked or to the end of the connection).
    Pieces,
}

impl Length {
    /// The same for texts that follow each other so. Only one text tells that no more of it is to come, which [`Holding`]
    /// leans on where no length does; several are a stream, and go as they come.
    pub(super) fn of(self, texts: Texts) -> Self {
        match (texts, self.declared) {
            (Texts::Lines | Texts::Sequence, Declared::Frames) => Self { declared: Declared::Pieces, ..self },
            _ => self,
        }
    }

    /// Whether more may be awaited, `read` bytes having been read.
    fn is_awaited(self, read: u64) -> bool {
        let hold = u64::from(self.limits.hold);
        match self.declared {
            Declared::Bytes(bytes) => bytes.max(read) <= hold,
            Declared::Frames => read <= hold && usize::try_from(read).is_ok_and(|read| read <= WriteBudget::FLOOR),
            Declared::Pieces => false,
        }
    }
}

/// How much of a body was read, and how much may be (rule 40).
#[derive(Debug, Clone, Copy)]
struct Size {
    read: u64,
    limit: u64,
}

impl Size {
    fn new(limits: Limits) -> Self {
        Self { read: 0, limit: limits.body }
    }

    fn add(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        let more = u64::try_from(chunk.len()).map_err(|_| Refusal::BodyTooLarge)?;
        self.read = self.read.saturating_add(more);
        if self.read <= self.limit { Ok(()) } else { Err(Refusal::BodyTooLarge) }
    }

    /// Ends the body. An empty one passes as empty (rule 29).
    fn finish(self, rewriter: Rewriter, out: &mut Vec<u8>) -> Result<Counts, Refusal> {
        if self.read == 0 { Ok(Counts::default()) } else { rewriter.finish(out) }
    }
}

impl Exchange {
    /// A part of the response's body (rules 15 to 30, 40).
    ///
    /// `chunk` is what came since the last call; `host_has` is how much of the body the host has, the chunk included: more
    /// than the chunk only while it holds back what the last [`BodyDirective::Hold`] put there.
    pub fn on_response_body(&mut self, chunk: &[u8], host_has: usize, end: End) -> BodyDirective<'_> {
        let sent = self.head_is_sent();
        let part = Part { chunk, host_has, end };
        let decided = match mem::take(&mut self.phase) {
            phase @ (Phase::Passed | Phase::Answered | Phase::Opaque) => {
                self.phase = phase;
                return BodyDirective::Pass;
            }
            Phase::Reporting(mut aside) => {
                // As a host that does what it is told would have it.
                let has = aside.held_back().saturating_add(chunk.len());
                aside.on_response_body(chunk, has, end);
                aside.taken();
                self.phase = Phase::Reporting(aside);
                return BodyDirective::Pass;
            }
            phase @ (Phase::Emptying | Phase::Refused) => {
                self.phase = phase;
                return BodyDirective::Send(&[]);
            }
            Phase::Holding(holding) => holding.on_body(&part, &mut self.out),
            Phase::Streaming(streaming) => streaming.on_body(&part, &mut self.out),
            Phase::Absorbing(absorbing) => Ok(absorbing.on_body(&part, &mut self.out)),
            Phase::Sniffing(sniffing) => sniffing.on_body(&part, &mut self.out),
            Phase::Closed | Phase::Idle | Phase::Reserving(_) | Phase::Asking(_) | Phase::AwaitingHead(_) => {
                Err(Refusal::Internal)
            }
        };
        match decided {
            Ok(decided) => match self.take_up(decided) {
                Emit::Hold => BodyDirective::Hold(&self.out),
                Emit::HoldNothing => BodyDirective::Hold(&[]),
                Emit::Send(length) => BodyDirective::Send(self.out.get(..length).unwrap_or_default()),
                Emit::Answer => BodyDirective::Answer { head: &self.head, body: &self.out },
                Emit::Pass => BodyDirective::Pass,
            },
            Err(refusal) => {
                if !sent {
                    self.releases_nothing();
                }
                self.refused(refusal);
                if sent { BodyDirective::Reset } else { BodyDirective::Refuse(Problem::new(refusal, "")) }
            }
        }
    }

    /// The host has taken what it was last told to send. A stream may wait long for a slow caller, and a worker has many: what
    /// each keeps meanwhile must not be as large as a part of its body.
    pub fn taken(&mut self) {
        match &mut self.phase {
            // What is held back is written anew with what comes next.
            Phase::Holding(_) | Phase::Absorbing(_) => return,
            Phase::Streaming(streaming) => streaming.taken(&mut self.out),
            Phase::Reporting(aside) => aside.taken(),
            _ => self.out = Vec::new(),
        }
        self.head = Headers::new();
    }

    /// The response's trailers: they end its body, and never pass themselves (rule 31).
    pub fn on_response_trailers(&mut self) -> TrailersDirective<'_> {
        let sent = self.head_is_sent();
        let decided = match mem::take(&mut self.phase) {
            phase @ (Phase::Passed | Phase::Answered) => {
                self.phase = phase;
                return TrailersDirective::Pass;
            }
            Phase::Reporting(mut aside) => {
                aside.on_response_trailers();
                self.phase = Phase::Reporting(aside);
                return TrailersDirective::Pass;
            }
            phase @ (Phase::Opaque | Phase::Emptying | Phase::Refused) => {
                self.phase = phase;
                return TrailersDirective::Drop;
            }
            Phase::Holding(holding) => holding.on_trailers(&mut self.out),
            Phase::Streaming(streaming) => streaming.on_trailers(&mut self.out),
            Phase::Absorbing(absorbing) => Ok(absorbing.on_trailers(&mut self.out)),
            // White space alone: nothing that would be missed, and the host lets nothing be written any more.
            Phase::Sniffing(_) => Ok(Decided::new(Phase::Opaque, Emit::Pass)),
            Phase::Closed | Phase::Idle | Phase::Reserving(_) | Phase::Asking(_) | Phase::AwaitingHead(_) => {
                Err(Refusal::Internal)
            }
        };
        match decided {
            Ok(decided) => match self.take_up(decided) {
                Emit::Send(length) => TrailersDirective::Send(self.out.get(..length).unwrap_or_default()),
                Emit::Answer => TrailersDirective::Answer { head: &self.head, body: &self.out },
                Emit::Hold | Emit::HoldNothing | Emit::Pass => TrailersDirective::Drop,
            },
            Err(refusal) => {
                if !sent {
                    self.releases_nothing();
                }
                self.refused(refusal);
                if sent { TrailersDirective::Reset } else { TrailersDirective::Refuse(Problem::new(refusal, "")) }
            }
        }
    }

    fn take_up(&mut self, decided: Decided) -> Emit {
        self.phase = decided.next;
        if let Some(counts) = decided.counts {
            self.report.counts = counts;
        }
        decided.emit
    }

    /// Whether the response's head has gone, so that a refusal can only be a reset.
    fn head_is_sent(&self) -> bool {
        match &self.phase {
            Phase::Streaming(_) => true,
            Phase::Sniffing(sniffing) => sniffing.head == Head::Sent,
            Phase::Absorbing(_) => !head::can_hold(&self.program),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Caller;
    use crate::exchange::HeadDirective;
    use crate::program::Program;

    #[test]
    fn a_stream_that_waits_keeps_no_part_of_its_body() {
        let text = r#"{"language": 1, "policy": "test",
            "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
            "classes": {"open": {"about": "open"}},
            "routes": {"r": {"match": "GET /r", "area": "x", "body": {"$[*]": "open"}}},
            "scopes": {"s": {"areas": ["x"], "when": "always", "grant": {"open": "show"}}}}"#;
        let (policy, _) = crate::policy::from_json(text.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
        let caller = Caller::nobody(&policy);
        let mut exchange = Exchange::new(Rc::new(Program::new(policy, None).unwrap()));
        let head = |pairs: &[(&str, &str)]| -> Headers {
            pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
        };
        exchange.on_request(&head(&[(":method", "GET"), (":path", "/r")]), caller, None);
        let started =
            exchange.on_response_head(&head(&[(":status", "200"), ("transfer-encoding", "chunked")]), End::More);
        assert!(matches!(started, HeadDirective::Hold(_)));
        let part = [b"[1".as_slice(), &b",1".repeat(1 << 19)].concat();
        assert_eq!(exchange.on_response_body(&part, part.len(), End::More), BodyDirective::Send(&part));
        exchange.taken();
        assert!(exchange.out.capacity() <= KEPT, "{} bytes", exchange.out.capacity());
        assert_eq!(exchange.on_response_body(b",2]", 3, End::Last), BodyDirective::Send(b",2]"));
    }
}
