//! What is read from the host and written to it.

use std::time::SystemTime;

use fieldgate::exchange::{End, Headers, Loudness, status_and_fields};
use fieldgate::refusal::{Problem, Refusal};
use fieldgate::report::Record;
use log::{Level, log, log_enabled};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, BufferType, MapType};

/// The filter state `wasm.fieldgate_record`, which access logs print: the decision record. Set last, so that it is there
/// however a stream ended, but where the VM died.
const RECORD: [&str; 1] = ["fieldgate_record"];

/// The status of a gRPC call that has an answer.
const GRPC_OK: u32 = 0;

pub(super) fn time() -> Option<SystemTime> {
    hostcalls::get_current_time().ok()
}

pub(super) fn end(end_of_stream: bool) -> End {
    if end_of_stream { End::Last } else { End::More }
}

pub(super) fn level(loudness: Loudness) -> Level {
    match loudness {
        Loudness::Info => Level::Info,
        Loudness::Warn => Level::Warn,
        Loudness::Error => Level::Error,
    }
}

pub(super) fn is_heard(loudness: Loudness) -> bool {
    log_enabled!(level(loudness))
}

/// What the host knows under a path; `None` if nothing.
pub(super) fn property(path: &[&str]) -> Option<Vec<u8>> {
    hostcalls::get_property(path.to_vec()).ok().flatten()
}

pub(super) fn headers(map: MapType) -> Option<Headers> {
    let pairs = hostcalls::get_map_bytes(map).ok()?;
    Some(pairs.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect())
}

pub(super) fn put_headers(map: MapType, headers: &Headers) -> bool {
    let pairs = headers.iter().filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value.as_slice())));
    hostcalls::set_map_bytes(map, pairs.collect()).is_ok()
}

/// The message of a call that ended with this status; `None` if it failed.
pub(super) fn grpc_message(status: u32, size: usize) -> Option<Vec<u8>> {
    match status {
        GRPC_OK => hostcalls::get_buffer(BufferType::GrpcReceiveBuffer, 0, size).ok().flatten(),
        _ => None,
    }
}

/// What the host has of the response's body, from an offset up to all of it; `None` if it does not have that.
pub(super) fn body_from(from: usize, size: usize) -> Option<Vec<u8>> {
    let wanted = size.checked_sub(from)?;
    if wanted == 0 {
        return Some(Vec::new());
    }
    let new = hostcalls::get_buffer(BufferType::HttpResponseBody, from, wanted).ok().flatten()?;
    (new.len() == wanted).then_some(new)
}

/// Puts `bytes` in the place of all that the host has of the body, which is so much.
pub(super) fn put_body(bytes: &[u8], host_has: usize) -> bool {
    let nothing = host_has == 0 && bytes.is_empty();
    nothing || hostcalls::set_buffer(BufferType::HttpResponseBody, 0, usize::MAX, bytes).is_ok()
}

/// Puts `bytes` in the place of the body that the host holds back when the trailers come.
pub(super) fn put_held_body(bytes: &[u8]) -> bool {
    hostcalls::set_buffer(BufferType::HttpResponseBody, 0, usize::MAX, bytes).is_ok()
}

/// Says in the head, which is kept back, how long the body is.
pub(super) fn put_length(body: &[u8]) -> bool {
    let length = body.len().to_string();
    hostcalls::set_map_value(MapType::HttpResponseHeaders, "content-length", Some(&length)).is_ok()
}

/// Leaves the decision record. Without it the line of the access log says that the VM did not write it.
pub(super) fn put_record(record: &Record<'_>) {
    let _ = hostcalls::set_property(RECORD.to_vec(), Some(&record.line()));
}

/// Answers that the host has failed.
pub(super) fn refuse() -> Action {
    reply(&Problem::new(Refusal::Host, ""))
}

pub(super) fn reply(problem: &Problem) -> Action {
    local_reply(problem.status.into(), problem.headers().collect(), problem.body.as_bytes())
}

/// Sends a whole response in the place of the one whose head is held back; `None` if it has no status.
pub(super) fn answer(head: &Headers, body: &[u8]) -> Option<Action> {
    let (status, fields) = status_and_fields(head)?;
    Some(local_reply(status, fields, body))
}

fn local_reply(status: u32, headers: Vec<(&str, &str)>, body: &[u8]) -> Action {
    if hostcalls::send_http_response(status, headers, Some(body)).is_err() { reset() } else { Action::Pause }
}

pub(super) fn reset() -> Action {
    // The stream is held back whatever the host says: nothing more of it may go.
    if hostcalls::reset_http_response().is_err() {
        log!(Level::Error, "the host could not reset a stream");
    }
    Action::Pause
}
