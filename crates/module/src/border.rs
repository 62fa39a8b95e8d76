//! [`Border`]: what stands between Envoy and a stream. One event at a time reaches it; a panic ends there; and whatever fails,
//! the stream ends closed.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crate::host::{Host, Loudness};
use crate::stream::{Act, Stream};
use crate::worker::Worker;

/// Which event Envoy brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    RequestHead,
    ResponseHead,
    ResponseBody,
    ResponseTrailers,
}

/// What Envoy is told when the event is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Go,
    Hold,
    /// The stream is answered or reset: nothing more of it goes, and nothing is kept.
    Stop,
}

/// How a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Its request has not come here: what answers it stands before this filter, as jwt_authn does.
    Unasked,
    Alive,
    /// Its request failed here and was answered: the response is that answer.
    Answered,
    /// It failed here: nothing more of it goes.
    Dead,
}

/// A stream, and how it stands.
pub(crate) struct Border {
    stream: RefCell<Stream>,
    standing: Cell<Standing>,
    /// Whether Envoy ended the stream within a call of ours.
    ended_within: Cell<bool>,
}

impl Border {
    pub(crate) fn new(worker: Option<Rc<Worker>>) -> Self {
        let stream = RefCell::new(Stream::new(worker));
        Self { stream, standing: Cell::new(Standing::Unasked), ended_within: Cell::new(false) }
    }

    /// Brings an event to the stream and does what it says. No borrow of the stream outlives the decision, as Envoy may come
    /// back with other events of the stream while it is answered or reset.
    pub(crate) fn bring<H: Host>(
        &self,
        host: &mut H,
        event: Event,
        decide: impl FnOnce(&mut Stream, &mut H) -> Act,
    ) -> Then {
        if event == Event::RequestHead && self.standing.get() == Standing::Unasked {
            self.standing.set(Standing::Alive);
        }
        let act = match (self.standing.get(), self.stream.try_borrow_mut()) {
            (Standing::Unasked | Standing::Answered, _) => Act::Go,
            (Standing::Dead, _) | (Standing::Alive, Err(_)) => self.failed(event),
            (Standing::Alive, Ok(mut stream)) => {
                let decided = catch_unwind(AssertUnwindSafe(|| decide(&mut stream, host)));
                decided.unwrap_or_else(|_| {
                    host.log(Loudness::Error, "a fault of fieldgate's own: the stream is ended");
                    self.failed(event)
                })
            }
        };
        match act {
            Act::Go if self.ended_within.get() => Then::Stop,
            Act::Go => Then::Go,
            Act::Hold => Then::Hold,
            Act::Reply { status, headers, body } => {
                let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                host.reply(status, &headers, &body);
                Then::Stop
            }
            Act::ReplyInGrpc { grpc_status } => {
                let head = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", grpc_status)];
                host.reply_head(&head);
                Then::Stop
            }
            Act::Reset => {
                // Envoy says nothing more of a stream that a filter has reset.
                self.end(host);
                host.reset();
                Then::Stop
            }
        }
    }

    /// What becomes of the rest of a request, of which nothing is decided.
    pub(crate) fn rest_of_request(&self) -> Then {
        if self.standing.get() == Standing::Alive { Then::Go } else { Then::Stop }
    }

    /// The stream is over.
    pub(crate) fn end(&self, host: &mut impl Host) {
        let Ok(mut stream) = self.stream.try_borrow_mut() else {
            self.ended_within.set(true);
            return;
        };
        if catch_unwind(AssertUnwindSafe(|| stream.end(host))).is_err() {
            host.log(Loudness::Error, "a fault of fieldgate's own: a stream has no decision record");
        }
    }

    /// What becomes of a stream that has failed in an event.
    fn failed(&self, event: Event) -> Act {
        match event {
            Event::RequestHead => {
                self.standing.set(Standing::Answered);
                Act::failure()
            }
            Event::ResponseHead if self.standing.replace(Standing::Dead) == Standing::Alive => Act::failure(),
            Event::ResponseHead | Event::ResponseBody | Event::ResponseTrailers => {
                self.standing.set(Standing::Dead);
                Act::Reset
            }
        }
    }
}
