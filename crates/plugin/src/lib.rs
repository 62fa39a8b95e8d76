//! The Envoy plugin: hands events to [`Exchange`] and does what it is told. It decides nothing.
//!
//! The SDK panics where the host answers with a status that it does not expect, and a panic ends every stream of the
//! worker. So each thing is touched only in its own phase: the head while it is held or passing, the body only in a
//! body callback, or at the trailers while it is held back.

#![cfg(target_arch = "wasm32")]

mod metrics;
mod store;
#[cfg(feature = "trap")]
mod trap;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fieldgate::budget::{METHOD, SERVICE};
use fieldgate::caller::{Caller, Evidence};
use fieldgate::exchange::{
    BodyDirective, End, Exchange, HeadDirective, Headers, Mode, Question, RefusalLog, RequestDirective,
    TrailersDirective,
};
use fieldgate::model::Identity;
use fieldgate::model::moment::Moment;
use fieldgate::program::Program;
use fieldgate::protobuf::verified_claims;
use fieldgate::refusal::{Problem, Refusal};
use fieldgate::report::{Outcome, Record, Stamp};
use log::{Level, log, log_enabled};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, MapType};

use metrics::Metrics;
use store::HostStore;

/// The filter state `wasm.fieldgate` of a request that may go on. A route can ask for it, so that nothing reaches the
/// upstream unless the plugin has seen it.
const MARK: [&str; 1] = ["fieldgate"];
const SEEN: &[u8] = b"seen";

/// The filter state `wasm.fieldgate_record`, which access logs print: the decision record. Set last, so that it is there
/// however a stream ended, but where the VM died.
const RECORD: [&str; 1] = ["fieldgate_record"];

/// The status of a gRPC call that has an answer.
const GRPC_OK: u32 = 0;

/// What the host calls first, by the name that the SDK gives it.
mod entry {
    use proxy_wasm::types::LogLevel;

    proxy_wasm::main! {{
        proxy_wasm::set_log_level(LogLevel::Info);
        proxy_wasm::set_root_context(|_| Box::new(super::Plugin::default()));
    }}
}

/// One configuration of the plugin in one VM.
#[derive(Default)]
struct Plugin {
    /// None until a policy has been taken: then every stream is refused.
    program: Option<Rc<Program>>,
    metrics: Rc<Metrics>,
    lines: Rc<RefCell<RefusalLog>>,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    /// A pure function of the configuration and the VM's environment, so that every worker decides like the VM in which
    /// Envoy tried the configuration first.
    fn on_configure(&mut self, _size: usize) -> bool {
        let configuration = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX).ok().flatten();
        match Program::configured(&configuration.unwrap_or_default(), |name| std::env::var(name).ok()) {
            Ok(program) => {
                log!(Level::Info, "{}", program.enforcing());
                self.metrics.configured(program.policy(), hostcalls::get_current_time().ok());
                self.program = Some(Rc::new(program));
                true
            }
            Err(faults) => {
                for fault in faults {
                    log!(Level::Error, "{fault}");
                }
                false
            }
        }
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        let stream = Stream {
            exchange: self.program.as_ref().map(|program| Exchange::new(Rc::clone(program))),
            program: self.program.clone(),
            waits: false,
            reserved: Vec::new(),
            metrics: Rc::clone(&self.metrics),
            lines: Rc::clone(&self.lines),
        };
        #[cfg(feature = "trap")]
        let stream = trap::Trapping::new(stream);
        Some(Box::new(stream))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// One stream.
struct Stream {
    program: Option<Rc<Program>>,
    /// None without a policy.
    exchange: Option<Exchange>,
    /// Whether the request waits for the rate limit service.
    waits: bool,
    /// What the gauge of open reservations has of this stream: the number of each budget, and how much.
    reserved: Vec<(u16, u64)>,
    metrics: Rc<Metrics>,
    lines: Rc<RefCell<RefusalLog>>,
}

impl Context for Stream {
    /// The rate limit service has answered, or the call has failed.
    fn on_grpc_call_response(&mut self, _token: u32, status: u32, size: usize) {
        let (Some(program), Some(exchange), true) = (&self.program, &mut self.exchange, self.waits) else { return };
        let message = match status {
            GRPC_OK => hostcalls::get_buffer(BufferType::GrpcReceiveBuffer, 0, size).ok().flatten(),
            _ => None,
        };
        let now = now(program);
        let mut directive = exchange.on_answer(message.as_deref(), now, &mut HostStore);
        while let RequestDirective::Ask(question) = &directive {
            if ask(question) {
                return;
            }
            directive = exchange.on_answer(None, now, &mut HostStore);
        }
        self.waits = false;
        self.reserved = exchange.reservations();
        self.metrics.reserved(program.policy(), &self.reserved, 1);
        let obeyed = obey(&directive);
        match obeyed {
            Some(true) if hostcalls::resume_http_request().is_ok() => {}
            Some(false) => {}
            _ => {
                reply(&exchange.host_fails());
            }
        }
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let (Some(program), Some(exchange)) = (&self.program, &mut self.exchange) else { return refuse_unconfigured() };
        let Some(headers) = read_map(MapType::HttpRequestHeaders) else { return refuse_unconfigured() };
        let caller = identify(program, &headers);
        let now = now(program);
        let mut directive = exchange.on_request(&headers, caller, now);
        if directive == RequestDirective::Reserve {
            directive = exchange.reserve(end(end_of_stream), now, &mut HostStore);
        }
        // The service may be one that Envoy does not know, and the next budget's another.
        while let RequestDirective::Ask(question) = &directive {
            if ask(question) {
                self.waits = true;
                return Action::Pause;
            }
            directive = exchange.on_answer(None, now, &mut HostStore);
        }
        self.reserved = exchange.reservations();
        self.metrics.reserved(program.policy(), &self.reserved, 1);
        match obey(&directive) {
            Some(true) => Action::Continue,
            Some(false) => Action::Pause,
            None => reply(&exchange.host_fails()),
        }
    }

    /// What of a request's body comes while the request waits for an answer waits with it.
    fn on_http_request_body(&mut self, _size: usize, _end_of_stream: bool) -> Action {
        if self.waits { Action::Pause } else { Action::Continue }
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        if self.waits { Action::Pause } else { Action::Continue }
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        // Without a policy the request was refused, and this is the head of that reply.
        let Some(exchange) = &mut self.exchange else { return Action::Continue };
        let Some(headers) = read_map(MapType::HttpResponseHeaders) else {
            return reply(&exchange.host_fails());
        };
        if exchange.asks_for_frames(&headers) && is_http2() {
            exchange.comes_in_frames();
        }
        let (head, then) = match exchange.on_response_head(&headers, end(end_of_stream)) {
            HeadDirective::Pass => return Action::Continue,
            HeadDirective::Send(head) => (head, Action::Continue),
            HeadDirective::Hold(head) => (head, Action::Pause),
            HeadDirective::Refuse(problem) => return reply(&problem),
        };
        if write_map(MapType::HttpResponseHeaders, head) { then } else { reply(&exchange.host_fails()) }
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let Some(exchange) = &mut self.exchange else { return Action::Continue };
        let from = exchange.held_back();
        let wanted = size.saturating_sub(from);
        let chunk = if wanted == 0 {
            Vec::new()
        } else {
            hostcalls::get_buffer(BufferType::HttpResponseBody, from, wanted).ok().flatten().unwrap_or_default()
        };
        if chunk.len() != wanted || size < from {
            return fail(exchange);
        }
        let then = match exchange.on_response_body(&chunk, size, end(end_of_stream)) {
            BodyDirective::Pass => Some(Action::Continue),
            BodyDirective::Send(bytes) => write_body(bytes, size, Action::Continue),
            BodyDirective::Hold(bytes) => write_body(bytes, size, Action::Pause),
            BodyDirective::Whole(bytes) if say_length(bytes) => write_body(bytes, size, Action::Continue),
            BodyDirective::Whole(_) => None,
            BodyDirective::Answer { head, body } => answer(head, body),
            BodyDirective::Refuse(problem) => Some(reply(&problem)),
            BodyDirective::Reset => Some(reset()),
        };
        exchange.taken();
        then.unwrap_or_else(|| fail(exchange))
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        let Some(exchange) = &mut self.exchange else { return Action::Continue };
        let then = match exchange.on_response_trailers() {
            TrailersDirective::Pass => return Action::Continue,
            TrailersDirective::Drop => Some(Action::Continue),
            TrailersDirective::Whole(bytes) if !say_length(bytes) => None,
            TrailersDirective::Send(bytes) | TrailersDirective::Whole(bytes) => {
                let written = hostcalls::set_buffer(BufferType::HttpResponseBody, 0, usize::MAX, bytes);
                written.is_ok().then_some(Action::Continue)
            }
            TrailersDirective::Answer { head, body } => match answer(head, body) {
                Some(then) => return then,
                None => None,
            },
            TrailersDirective::Refuse(problem) => return reply(&problem),
            TrailersDirective::Reset => return reset(),
        };
        match then {
            Some(then) if write_map(MapType::HttpResponseTrailers, &Vec::new()) => then,
            _ => fail(exchange),
        }
    }

    fn on_log(&mut self) {
        let time = hostcalls::get_current_time().ok();
        let (Some(program), Some(exchange)) = (&self.program, &mut self.exchange) else { return unconfigured(time) };
        let policy = program.policy();
        self.metrics.reserved(policy, &self.reserved, -1);
        exchange.settle(time.and_then(Moment::of), &mut HostStore);
        let record = exchange.record(time.and_then(Stamp::of));
        // Without it the line of the access log says that the VM did not write it.
        let _ = hostcalls::set_property(RECORD.to_vec(), Some(&record.line()));
        self.metrics.record(policy, &record);
        let report = exchange.report();
        if report.mode != Mode::Enforced {
            let (scopes, fields) = exchange.fields();
            self.metrics.reported(policy, &record, &scopes, &fields);
        }
        if let Some(refusal) = record.refusal {
            let level = if RefusalLog::warns(refusal) { Level::Warn } else { Level::Info };
            if log_enabled!(level)
                && let Ok(mut lines) = self.lines.try_borrow_mut()
            {
                for line in lines.lines(policy, &report, refusal, seconds(time)) {
                    log!(level, "{line}");
                }
            }
        }
    }
}

/// Ends a stream for which the host could not do what it was told.
fn fail(exchange: &mut Exchange) -> Action {
    exchange.host_fails();
    reset()
}

/// The record of a stream that was refused for want of a policy.
fn unconfigured(time: Option<SystemTime>) {
    let mut record = Record::new(None, Outcome::Refused);
    record.time = time.and_then(Stamp::of);
    record.refusal = Some(Refusal::Host);
    let _ = hostcalls::set_property(RECORD.to_vec(), Some(&record.line()));
}

/// Seconds since the epoch.
fn seconds(time: Option<SystemTime>) -> u64 {
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default().as_secs()
}

/// The time, where the policy needs it.
fn now(program: &Program) -> Option<Moment> {
    if program.needs_clock() { hostcalls::get_current_time().ok().and_then(Moment::of) } else { None }
}

/// Asks the rate limit service: whether an answer is to come.
fn ask(question: &Question) -> bool {
    let timeout = Duration::from_millis(question.timeout.into());
    hostcalls::dispatch_grpc_call(&question.cluster, SERVICE, METHOD, Vec::new(), Some(&question.message), timeout)
        .is_ok()
}

/// Does with a request what was decided: whether it goes on. `None` if the host does not do it.
fn obey(directive: &RequestDirective) -> Option<bool> {
    match directive {
        RequestDirective::Forward { remove, set } => forward(remove, set).then_some(true),
        RequestDirective::Refuse(problem) => {
            reply(problem);
            Some(false)
        }
        RequestDirective::Reserve | RequestDirective::Ask(_) => None,
    }
}

/// Leaves the mark and edits the headers: an edit makes Envoy choose the route anew when it next asks for it, and by then the
/// mark is there. Where none is set, one that is not there is removed, which does it too.
fn forward(remove: &[String], set: &[(&str, String)]) -> bool {
    let touched = set.is_empty().then_some("x-fieldgate-seen");
    let removed = remove.iter().map(String::as_str);
    hostcalls::set_property(MARK.to_vec(), Some(SEEN)).is_ok()
        && touched
            .into_iter()
            .chain(removed)
            .map(|name| hostcalls::remove_map_value(MapType::HttpRequestHeaders, name))
            .chain(
                set.iter()
                    .map(|(name, value)| hostcalls::set_map_value(MapType::HttpRequestHeaders, name, Some(value))),
            )
            .all(|outcome| outcome.is_ok())
}

/// Whether the response comes in HTTP/2. Envoy tells no plugin the upstream's protocol, so the cluster's metadata says it.
fn is_http2() -> bool {
    let path = vec!["xds", "cluster_metadata", "filter_metadata", "fieldgate", "protocol"];
    hostcalls::get_property(path).ok().flatten().is_some_and(|protocol| protocol == b"HTTP/2")
}

fn end(end_of_stream: bool) -> End {
    if end_of_stream { End::Last } else { End::More }
}

fn identify(program: &Program, headers: &Headers) -> Caller {
    let policy = program.policy();
    match &policy.identity {
        Identity::JwtAuthn { payloads, .. } => {
            let metadata = hostcalls::get_property(vec!["metadata"]).ok().flatten();
            let (payload, claims) = metadata.and_then(|metadata| verified_claims(&metadata, payloads)).unzip();
            let mut caller = Caller::identify(policy, claims.map_or(Evidence::Nothing, Evidence::Claims), headers);
            caller.payload = payload;
            caller
        }
        Identity::Mtls => {
            let uri = hostcalls::get_property(vec!["connection", "uri_san_peer_certificate"]).ok().flatten();
            Caller::identify(policy, uri.as_deref().map_or(Evidence::Nothing, Evidence::PeerUri), headers)
        }
        Identity::TrustedHeader { .. } => Caller::identify(policy, Evidence::Nothing, headers),
    }
}

fn read_map(map: MapType) -> Option<Headers> {
    let pairs = hostcalls::get_map_bytes(map).ok()?;
    Some(pairs.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect())
}

fn write_map(map: MapType, headers: &Headers) -> bool {
    let pairs = headers.iter().filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value.as_slice())));
    hostcalls::set_map_bytes(map, pairs.collect()).is_ok()
}

/// Puts `bytes` in the place of all that the host has of the body; `None` if the host could not.
fn write_body(bytes: &[u8], host_has: usize, then: Action) -> Option<Action> {
    let nothing = host_has == 0 && bytes.is_empty();
    let written = nothing || hostcalls::set_buffer(BufferType::HttpResponseBody, 0, usize::MAX, bytes).is_ok();
    written.then_some(then)
}

/// Says in the head, which is kept back, how long the body is.
fn say_length(body: &[u8]) -> bool {
    let length = body.len().to_string();
    hostcalls::set_map_value(MapType::HttpResponseHeaders, "content-length", Some(&length)).is_ok()
}

fn refuse_unconfigured() -> Action {
    reply(&Problem::new(Refusal::Host, ""))
}

fn reply(problem: &Problem) -> Action {
    local_reply(problem.status.into(), problem.headers().collect(), problem.body.as_bytes())
}

/// Sends a whole response in the place of the one whose head is held back; `None` if it has no status.
fn answer(head: &Headers, body: &[u8]) -> Option<Action> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let pairs = head.iter().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
    let (pseudo, fields): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| name.starts_with(':'));
    match pseudo.as_slice() {
        [(":status", status)] => Some(local_reply(status.parse().ok()?, fields, body)),
        _ => None,
    }
}

fn local_reply(status: u32, headers: Vec<(&str, &str)>, body: &[u8]) -> Action {
    if hostcalls::send_http_response(status, headers, Some(body)).is_err() { reset() } else { Action::Pause }
}

fn reset() -> Action {
    // The stream is held back whatever the host says: nothing more of it may go.
    if hostcalls::reset_http_response().is_err() {
        log!(Level::Error, "the host could not reset a stream");
    }
    Action::Pause
}
