//! [`Stream`]: one stream. It hands Envoy's events to the exchange, and says what Envoy is to do.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::SystemTime;

use fieldgate::caller::Caller;
use fieldgate::exchange::{
    BodyDirective, End, Exchange, HeadDirective, Headers, Question, RequestDirective, TrailersDirective,
    status_and_fields,
};
use fieldgate::model::moment::Moment;
use fieldgate::refusal::{Problem, Refusal};
use fieldgate::report::{Record, Stamp};
use serde_json::{Number, Value};

use crate::host::{Host, Map, Part};
use crate::metrics::HostMeters;
use crate::store::ProcessStore;
use crate::worker::Worker;

/// The filter state of a request that may go on, and of the decision record, under the names that the plugin has for them: the
/// gate, access logs and routes are the same for both hosts.
const MARK: &str = "wasm.fieldgate";
const SEEN: &[u8] = b"seen";
const RECORD: &str = "wasm.fieldgate_record";

/// What Envoy is to do with a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Let it go on.
    Go,
    /// Keep it back.
    Hold,
    /// Answer it. The bytes are the act's own: Envoy may end the stream while it is answered.
    Reply { status: u32, headers: Vec<(String, String)>, body: Vec<u8> },
    /// Answer a gRPC request with its own kind of refusal: a head alone, with this status.
    ReplyInGrpc { grpc_status: &'static str },
    /// Reset it.
    Reset,
}

impl Act {
    pub(crate) fn problem(problem: &Problem) -> Self {
        let headers = problem.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self::Reply { status: problem.status.into(), headers, body: problem.body.clone().into_bytes() }
    }

    /// The answer to a request. Envoy would tell a gRPC client that a module's refusal is an `OK`.
    fn problem_for(request: &Headers, problem: &Problem) -> Self {
        let is_grpc = request.iter().any(|(name, value)| name == b"content-type" && is_grpc_type(value));
        if is_grpc { Self::ReplyInGrpc { grpc_status: grpc_status(problem.status) } } else { Self::problem(problem) }
    }

    /// The answer where this host has failed.
    pub(crate) fn failure() -> Self {
        Self::problem(&Problem::new(Refusal::Host, ""))
    }

    /// A whole response in the place of the one whose head is held back; `None` if it has no status.
    fn answer(head: &Headers, body: &[u8]) -> Option<Self> {
        let (status, fields) = status_and_fields(head)?;
        let headers = fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Some(Self::Reply { status, headers, body: body.to_vec() })
    }
}

/// Whether a content type is gRPC's, as Envoy sees it: `application/grpc-web` is not.
fn is_grpc_type(value: &[u8]) -> bool {
    value.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

/// What gRPC calls a status of HTTP, by gRPC's own table.
fn grpc_status(status: u16) -> &'static str {
    match status {
        400 => "13",
        401 => "16",
        403 => "7",
        404 => "12",
        429 | 502..=504 => "14",
        _ => "2",
    }
}

/// One stream.
pub(crate) struct Stream {
    worker: Option<Rc<Worker>>,
    /// None without a policy: then the request is refused, and what comes back is that reply.
    exchange: Option<Exchange>,
    has_ended: bool,
}

impl Stream {
    pub(crate) fn new(worker: Option<Rc<Worker>>) -> Self {
        let exchange = worker.as_ref().map(|worker| Exchange::new(Rc::clone(&worker.program)));
        Self { worker, exchange, has_ended: false }
    }

    pub(crate) fn request_head(&mut self, host: &mut impl Host, end_of_stream: bool) -> Act {
        let (Some(worker), Some(exchange)) = (&self.worker, &mut self.exchange) else { return Act::failure() };
        let Some(headers) = host.headers(Map::Request) else { return Act::failure() };
        let caller = identify(host, worker, &headers);
        let now = worker.program.now(|| Some(SystemTime::now()));
        // No policy that asks the rate limit service is taken.
        let ask = |_: &Question| false;
        let directive = exchange.begin((&headers, end(end_of_stream)), caller, now, &mut ProcessStore, ask);
        if let Ok(mut reporter) = worker.reporter.try_borrow_mut() {
            reporter.admitted(exchange, &mut HostMeters(host));
        }
        match directive {
            RequestDirective::Forward { remove, set } if forward(host, &remove, &set) => Act::Go,
            RequestDirective::Refuse(problem) => Act::problem_for(&headers, &problem),
            RequestDirective::Forward { .. } | RequestDirective::Reserve | RequestDirective::Ask(_) => {
                Act::problem_for(&headers, &exchange.host_fails())
            }
        }
    }

    pub(crate) fn response_head(&mut self, host: &mut impl Host, end_of_stream: bool) -> Act {
        let Some(exchange) = &mut self.exchange else { return Act::Go };
        let Some(headers) = host.headers(Map::Response) else { return Act::problem(&exchange.host_fails()) };
        if exchange.asks_for_frames(&headers) && is_http2(host) {
            exchange.comes_in_frames();
        }
        let (head, then) = match exchange.on_response_head(&headers, end(end_of_stream)) {
            HeadDirective::Pass => return Act::Go,
            HeadDirective::Send(head) => (head, Act::Go),
            HeadDirective::Hold(head) => (head, Act::Hold),
            HeadDirective::Refuse(problem) => return Act::problem(&problem),
        };
        if write_head(host, &headers, head) { then } else { Act::problem(&exchange.host_fails()) }
    }

    pub(crate) fn response_body(&mut self, host: &mut impl Host, end_of_stream: bool) -> Act {
        let Some(exchange) = &mut self.exchange else { return Act::Go };
        let from = exchange.held_back();
        let Some((new, size)) = new_part(host, from) else { return fail(exchange) };
        let then = match exchange.on_response_body(&new, size, end(end_of_stream)) {
            BodyDirective::Pass => Some(Act::Go),
            BodyDirective::Send(bytes) => {
                drop(new);
                write_body(host, bytes).then_some(Act::Go)
            }
            BodyDirective::Hold(bytes) => {
                drop(new);
                write_body(host, bytes).then_some(Act::Hold)
            }
            BodyDirective::Whole(bytes) => {
                drop(new);
                (say_length(host, bytes) && write_body(host, bytes)).then_some(Act::Go)
            }
            BodyDirective::Answer { head, body } => Act::answer(head, body),
            BodyDirective::Refuse(problem) => Some(Act::problem(&problem)),
            BodyDirective::Reset => Some(Act::Reset),
        };
        let Some(then) = then else { return fail(exchange) };
        exchange.taken();
        then
    }

    pub(crate) fn response_trailers(&mut self, host: &mut impl Host) -> Act {
        let Some(exchange) = &mut self.exchange else { return Act::Go };
        let is_written = match exchange.on_response_trailers() {
            TrailersDirective::Pass => return Act::Go,
            TrailersDirective::Drop => true,
            TrailersDirective::Whole(bytes) => say_length(host, bytes) && put(host, Part::Buffered, bytes),
            TrailersDirective::Send(bytes) => put(host, Part::Buffered, bytes),
            TrailersDirective::Answer { head, body } => match Act::answer(head, body) {
                Some(act) => return act,
                None => false,
            },
            TrailersDirective::Refuse(problem) => return Act::problem(&problem),
            TrailersDirective::Reset => return Act::Reset,
        };
        let trailers = host.headers(Map::ResponseTrailers).unwrap_or_default();
        if is_written && trailers.iter().all(|(name, _)| host.remove_header(Map::ResponseTrailers, name)) {
            Act::Go
        } else {
            fail(exchange)
        }
    }

    /// The stream is over: settles what was reserved, writes the record, and counts. Once.
    pub(crate) fn end(&mut self, host: &mut impl Host) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        let time = SystemTime::now();
        let (Some(worker), Some(exchange)) = (&self.worker, &mut self.exchange) else {
            host.set_filter_state(RECORD, &Record::unconfigured(Stamp::of(time)).line());
            return;
        };
        exchange.settle(Moment::of(time), &mut ProcessStore);
        let record = exchange.record(Stamp::of(time));
        // Without it the line of the access log says that the module did not write it.
        host.set_filter_state(RECORD, &record.line());
        let Ok(mut reporter) = worker.reporter.try_borrow_mut() else { return };
        reporter.ended(exchange, &record, &mut HostMeters(host));
        let (loudness, lines) = reporter.lines(exchange, &record, Some(time), |loudness| host.is_heard(loudness));
        for line in lines {
            host.log(loudness, &line);
        }
    }
}

/// Envoy destroys a stream that never came to its end as one that has: nothing stays reserved.
impl Drop for Stream {
    fn drop(&mut self) {
        if let (false, Some(exchange)) = (self.has_ended, &mut self.exchange) {
            exchange.settle(Moment::of(SystemTime::now()), &mut ProcessStore);
        }
    }
}

/// Ends a stream for which the host could not do what it was told.
fn fail(exchange: &mut Exchange) -> Act {
    exchange.host_fails();
    Act::Reset
}

fn end(end_of_stream: bool) -> End {
    if end_of_stream { End::Last } else { End::More }
}

fn identify(host: &impl Host, worker: &Worker, headers: &Headers) -> Caller {
    let claims = |_: &[String]| {
        let texts = worker.claims.iter().map(|key| host.filter_state(key));
        one_of(texts.enumerate().filter_map(|(at, text)| Some((at, text?))))
    };
    Caller::known_by(worker.program.policy(), headers, claims, || host.peer_uri())
}

/// The claims of the one payload that is there; of none, if there are several, or if they are no JSON object.
fn one_of(mut texts: impl Iterator<Item = (usize, Vec<u8>)>) -> Option<(usize, Value)> {
    let ((at, text), None) = (texts.next()?, texts.next()) else { return None };
    let mut claims: Value = serde_json::from_slice(&text).ok()?;
    claims.is_object().then(|| {
        as_in_metadata(&mut claims);
        (at, claims)
    })
}

/// Metadata know one kind of number: so a policy compares claims alike in both hosts.
fn as_in_metadata(claims: &mut Value) {
    match claims {
        Value::Number(number) => {
            *claims = number.as_f64().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
        }
        Value::Array(elements) => elements.iter_mut().for_each(as_in_metadata),
        Value::Object(members) => members.values_mut().for_each(as_in_metadata),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Leaves the mark and edits the headers, and then lets Envoy choose the route anew: by now the mark is there.
fn forward(host: &mut impl Host, remove: &[String], set: &[(&str, String)]) -> bool {
    let is_done = host.set_filter_state(MARK, SEEN)
        && remove.iter().all(|name| host.remove_header(Map::Request, name.as_bytes()))
        && set.iter().all(|(name, value)| host.set_header(Map::Request, name.as_bytes(), value.as_bytes()));
    host.choose_route_anew();
    is_done
}

/// Whether the response comes in HTTP/2: as the cluster's metadata say, for one word for both hosts.
fn is_http2(host: &impl Host) -> bool {
    host.cluster_metadata("fieldgate", "protocol").is_some_and(|protocol| protocol == b"HTTP/2")
}

/// Makes the response's head what it is to be. What stays as it is, is not touched.
fn write_head(host: &mut impl Host, is: &Headers, wanted: &Headers) -> bool {
    let of = |headers: &Headers, name: &[u8]| -> Vec<Vec<u8>> {
        headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.clone()).collect()
    };
    let mut done: Vec<&[u8]> = Vec::new();
    for (name, _) in is.iter().chain(wanted) {
        if done.contains(&name.as_slice()) {
            continue;
        }
        done.push(name);
        let (before, after) = (of(is, name), of(wanted, name));
        if before == after {
            continue;
        }
        let is_written = match after.split_first() {
            None => host.remove_header(Map::Response, name),
            Some((first, more)) => {
                set(host, name, first)
                    && more.iter().all(|value| value.is_empty() || host.add_header(Map::Response, name, value))
            }
        };
        if !is_written {
            return false;
        }
    }
    true
}

/// Sets a header of the response. Envoy lets a module write none with an empty value: such a one is not there.
fn set(host: &mut impl Host, name: &[u8], value: &[u8]) -> bool {
    if value.is_empty() { host.remove_header(Map::Response, name) } else { host.set_header(Map::Response, name, value) }
}

/// What of the body is new behind the first `from` bytes, and how many bytes Envoy has of it in all.
fn new_part(host: &impl Host, from: usize) -> Option<(Cow<'_, [u8]>, usize)> {
    let received = host.size(Part::Received);
    let buffered = if host.is_one_buffer() { 0 } else { host.size(Part::Buffered) };
    let size = received.checked_add(buffered)?;
    if from == buffered {
        return Some((if received == 0 { Cow::default() } else { host.body(Part::Received)? }, size));
    }
    let mut all = Vec::with_capacity(size);
    if buffered > 0 {
        all.extend_from_slice(&host.body(Part::Buffered)?);
    }
    if received > 0 {
        all.extend_from_slice(&host.body(Part::Received)?);
    }
    Some((Cow::Owned(all.get(from..)?.to_vec()), size))
}

/// Puts bytes in the place of all that Envoy has of the body. They go where this event's bytes were: what is buffered is only
/// ever drained here, so that Envoy decides about its limit when the event is over.
fn write_body(host: &mut impl Host, bytes: &[u8]) -> bool {
    let is_one = host.is_one_buffer();
    (is_one || drain(host, Part::Buffered)) && put(host, Part::Received, bytes)
}

fn put(host: &mut impl Host, part: Part, bytes: &[u8]) -> bool {
    drain(host, part) && (bytes.is_empty() || host.append(part, bytes))
}

fn drain(host: &mut impl Host, part: Part) -> bool {
    match host.size(part) {
        0 => true,
        size => host.drain(part, size),
    }
}

/// Says in the head, which is kept back, how long the body is.
fn say_length(host: &mut impl Host, body: &[u8]) -> bool {
    host.set_header(Map::Response, b"content-length", body.len().to_string().as_bytes())
}
