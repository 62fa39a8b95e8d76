//! [`Stream`]: one stream, event by event, and what is told of it when it is over.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use fieldgate::exchange::{Exchange, Mode, RefusalLog, Report};
use fieldgate::model::moment::Moment;
use fieldgate::program::Program;
use fieldgate::refusal::Refusal;
use fieldgate::report::Stamp;
use log::{Level, log, log_enabled};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::host;
use crate::metrics::Metrics;
use crate::store::HostStore;

/// What has become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestState {
    /// It has not come.
    Unasked,
    /// It waits for the rate limit service.
    Waits,
    /// It goes on.
    GoesOn,
    /// It has been answered.
    Answered,
    /// The host could not do what it was told.
    Failed,
}

impl RequestState {
    /// What the rest of the request does: body and trailers.
    pub(super) fn of_the_rest(self) -> Action {
        if self == Self::Waits { Action::Pause } else { Action::Continue }
    }
}

/// One stream.
pub(super) struct Stream {
    pub(super) program: Rc<Program>,
    pub(super) exchange: Exchange,
    pub(super) request: RequestState,
    /// What the gauge of open reservations has of this stream: the number of each budget, and how much.
    pub(super) reserved: Vec<(u16, u64)>,
    pub(super) metrics: Rc<Metrics>,
    lines: Rc<RefCell<RefusalLog>>,
}

impl Stream {
    pub(super) fn new(program: Rc<Program>, metrics: Rc<Metrics>, lines: Rc<RefCell<RefusalLog>>) -> Self {
        let exchange = Exchange::new(Rc::clone(&program));
        Self { program, exchange, request: RequestState::Unasked, reserved: Vec::new(), metrics, lines }
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

    /// A line of the log on a refusal, where that is heard and has room.
    fn log(&self, report: &Report, refusal: Refusal, time: Option<SystemTime>) {
        let level = if RefusalLog::warns(refusal) { Level::Warn } else { Level::Info };
        if !log_enabled!(level) {
            return;
        }
        let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let Ok(mut lines) = self.lines.try_borrow_mut() else { return };
        for line in lines.lines(self.program.policy(), report, refusal, since.as_secs()) {
            log!(level, "{line}");
        }
    }
}

impl Context for Stream {
    /// The rate limit service has answered, or the call has failed.
    fn on_grpc_call_response(&mut self, _token: u32, status: u32, size: usize) {
        if self.request == RequestState::Waits {
            self.answer(host::grpc_message(status, size));
        }
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.ask_upstream(host::end(end_of_stream))
    }

    /// What of a request's body comes while the request waits for an answer waits with it.
    fn on_http_request_body(&mut self, _size: usize, _end_of_stream: bool) -> Action {
        self.request.of_the_rest()
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.request.of_the_rest()
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
        self.metrics.reserved(self.program.policy(), &self.reserved, -1);
        self.exchange.settle(time.and_then(Moment::of), &mut HostStore);
        let record = self.exchange.record(time.and_then(Stamp::of));
        host::put_record(&record);
        self.metrics.record(self.program.policy(), &record);
        let report = self.exchange.report();
        if report.mode != Mode::Enforced {
            let (scopes, fields) = self.exchange.fields();
            self.metrics.reported(self.program.policy(), &record, &scopes, &fields);
        }
        if let Some(refusal) = record.refusal {
            self.log(&report, refusal, time);
        }
    }
}
