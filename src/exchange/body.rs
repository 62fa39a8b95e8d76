//! The body of a governed response: held back, streamed or emptied.

mod holding;
mod length;
mod rewriting;
mod sniffing;
mod streaming;

pub(super) use holding::Holding;
pub(super) use length::{Carrier, DeclaredBody, Length};
pub(super) use rewriting::Purpose;
pub(super) use sniffing::{HeadState, Sniffing};
pub(super) use streaming::Streaming;

use std::mem;

use super::{BodyDirective, End, Exchange, Headers, Phase, TrailersDirective};
use crate::refusal::Refusal;
use crate::rewrite::Counts;

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

    /// Nothing of the body goes.
    fn emptied(out: &mut Vec<u8>) -> Self {
        out.clear();
        Self::new(Phase::Emptying, Emit::Send(0))
    }
}

/// What happens to the output so far.
#[derive(Clone, Copy)]
enum Emit {
    /// This many bytes of it take the place of what the host holds back, and stay there.
    Hold(usize),
    /// This many bytes of it go.
    Send(usize),
    /// It is all there will be, and goes with its length in the head that is kept back.
    Whole,
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

impl Exchange {
    /// A part of the response's body (rules 15 to 30, 40).
    ///
    /// `chunk` is what came since the last call; `host_has` is how much of the body the host has, the chunk included: more
    /// than the chunk only while it holds back what the last [`BodyDirective::Hold`] put there.
    pub fn on_response_body(&mut self, chunk: &[u8], host_has: usize, end: End) -> BodyDirective<'_> {
        let sent = self.head_is_sent();
        self.noted.head_gone |= sent;
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
            Phase::Sniffing(sniffing) => sniffing.on_body(&part, &mut self.out),
            Phase::Closed | Phase::Idle | Phase::Reserving(_) | Phase::Asking(_) | Phase::AwaitingHead(_) => {
                Err(Refusal::Internal)
            }
        };
        match decided.and_then(|decided| self.take_up(decided)) {
            Ok(emit) => match emit {
                Emit::Hold(length) => BodyDirective::Hold(self.out.get(..length).unwrap_or_default()),
                Emit::Send(length) => BodyDirective::Send(self.out.get(..length).unwrap_or_default()),
                Emit::Whole => BodyDirective::Whole(&self.out),
                Emit::Answer => BodyDirective::Answer { head: &self.head, body: &self.out },
                Emit::Pass => BodyDirective::Pass,
            },
            Err(refusal) => {
                if !sent {
                    self.releases_nothing();
                }
                self.refused(refusal);
                if sent { BodyDirective::Reset } else { BodyDirective::Refuse(self.problem(refusal, "")) }
            }
        }
    }

    /// The host has taken what it was last told to send. A stream may wait long for a slow caller, and a worker has many: what
    /// each keeps meanwhile must not be as large as a part of its body.
    pub fn taken(&mut self) {
        self.noted.head_gone |= self.head_is_sent();
        match &mut self.phase {
            // What is held back is written anew with what comes next.
            Phase::Holding(_) => return,
            Phase::Streaming(streaming) => streaming.taken(&mut self.out),
            Phase::Reporting(aside) => aside.taken(),
            _ => self.out = Vec::new(),
        }
        self.head = Headers::new();
    }

    /// The response's trailers: they end its body, and never pass themselves (rule 31).
    pub fn on_response_trailers(&mut self) -> TrailersDirective<'_> {
        let sent = self.head_is_sent();
        self.noted.head_gone |= sent;
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
            Phase::Sniffing(sniffing) => sniffing.on_trailers(),
            Phase::Closed | Phase::Idle | Phase::Reserving(_) | Phase::Asking(_) | Phase::AwaitingHead(_) => {
                Err(Refusal::Internal)
            }
        };
        match decided.and_then(|decided| self.take_up(decided)) {
            Ok(emit) => match emit {
                Emit::Send(length) => TrailersDirective::Send(self.out.get(..length).unwrap_or_default()),
                Emit::Whole => TrailersDirective::Whole(&self.out),
                Emit::Answer => TrailersDirective::Answer { head: &self.head, body: &self.out },
                Emit::Hold(_) | Emit::Pass => TrailersDirective::Drop,
            },
            Err(refusal) => {
                if !sent {
                    self.releases_nothing();
                }
                self.refused(refusal);
                if sent { TrailersDirective::Reset } else { TrailersDirective::Refuse(self.problem(refusal, "")) }
            }
        }
    }

    fn take_up(&mut self, decided: Decided) -> Result<Emit, Refusal> {
        let kept = match &decided.next {
            Phase::Holding(holding) => holding.kept().saturating_add(self.out.len()),
            Phase::Streaming(streaming) => streaming.kept().saturating_add(self.out.len()),
            Phase::Sniffing(sniffing) => sniffing.kept(),
            _ => 0,
        };
        let subjects = self.spending.collector.as_ref().map_or(0, |collector| collector.size());
        self.share.keep(kept.saturating_add(subjects))?;
        self.phase = decided.next;
        if let Some(counts) = decided.counts {
            self.report.counts = counts;
        }
        Ok(decided.emit)
    }

    /// Whether the response's head has gone, so that a refusal can only be a reset.
    pub(super) fn head_is_sent(&self) -> bool {
        match &self.phase {
            // The decision for either lets the head go.
            Phase::Streaming(_) | Phase::Opaque | Phase::Emptying => true,
            Phase::Sniffing(sniffing) => sniffing.head == HeadState::Sent,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::rewriting::BLOCK;
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
        assert_eq!(exchange.on_response_body(&part, part.len(), End::More), BodyDirective::Send(&part[..1 << 20]));
        exchange.taken();
        assert!(exchange.out.capacity() <= BLOCK, "{} bytes", exchange.out.capacity());
        assert_eq!(exchange.on_response_body(b",2]", 3, End::Last), BodyDirective::Send(b",1,2]"));
    }
}
