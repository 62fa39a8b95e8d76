//! [`Stream`]: one stream, event by event, and what is told of it when it is over.

use std::cell::RefCell;
use std::rc::Rc;

use fieldgate::exchange::{Exchange, Reporter};
use fieldgate::model::moment::Moment;
use fieldgate::program::Program;
use fieldgate::report::Stamp;
use log::log;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::host;
use crate::metrics::HostMeters;
use crate::store::HostStore;

/// One stream.
pub(super) struct Stream {
    pub(super) program: Rc<Program>,
    pub(super) exchange: Exchange,
    pub(super) reporter: Rc<RefCell<Reporter<u32>>>,
}

impl Stream {
    pub(super) fn new(program: Rc<Program>, reporter: Rc<RefCell<Reporter<u32>>>) -> Self {
        Self { exchange: Exchange::new(Rc::clone(&program)), program, reporter }
    }

    /// Ends the stream, for the host could not do what it was told.
    pub(super) fn fail(&mut self) -> Action {
        self.exchange.host_fails();
        host::reset()
    }

    /// Answers it where its head has not gone, for the host could not do what it was told.
    pub(super) fn reply_to_failure(&mut self) -> Action {
        host::reply(&self.exchange.host_fails())
    }

    /// What of a request comes behind its head waits while the head waits.
    fn send_rest(&self) -> Action {
        if self.exchange.is_waiting() { Action::Pause } else { Action::Continue }
    }
}

impl Context for Stream {
    /// The rate limit service has answered, or the call has failed.
    fn on_grpc_call_response(&mut self, _token: u32, status: u32, size: usize) {
        if self.exchange.is_waiting() {
            self.answer(host::grpc_message(status, size));
        }
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.ask_upstream(host::end(end_of_stream))
    }

    fn on_http_request_body(&mut self, _size: usize, _end_of_stream: bool) -> Action {
        self.send_rest()
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.send_rest()
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.send_head(host::end(end_of_stream))
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.send_body(size, host::end(end_of_stream))
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        self.send_trailers()
    }

    fn on_log(&mut self) {
        let time = host::time();
        self.exchange.settle(time.and_then(Moment::of), &mut HostStore);
        let record = self.exchange.record(time.and_then(Stamp::of));
        host::put_record(&record);
        let Ok(mut reporter) = self.reporter.try_borrow_mut() else { return };
        reporter.ended(&self.exchange, &record, &mut HostMeters);
        let (loudness, lines) = reporter.lines(&self.exchange, &record, time, host::is_heard);
        for line in lines {
            log!(host::level(loudness), "{line}");
        }
    }
}
