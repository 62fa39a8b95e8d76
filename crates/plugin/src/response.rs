//! What is done with a response: its head, its body and its trailers.

use fieldgate::exchange::{BodyDirective, End, HeadDirective, TrailersDirective};
use proxy_wasm::types::{Action, MapType};

use crate::host;
use crate::stream::Stream;

impl Stream {
    /// The head has come.
    pub(super) fn send_head(&mut self, end: End) -> Action {
        let Some(headers) = host::headers(MapType::HttpResponseHeaders) else { return self.reply_to_failure() };
        if self.exchange.asks_for_frames(&headers) && is_http2() {
            self.exchange.comes_in_frames();
        }
        let (head, then) = match self.exchange.on_response_head(&headers, end) {
            HeadDirective::Pass => return Action::Continue,
            HeadDirective::Send(head) => (head, Action::Continue),
            HeadDirective::Hold(head) => (head, Action::Pause),
            HeadDirective::Refuse(problem) => return host::reply(&problem),
        };
        if host::put_headers(MapType::HttpResponseHeaders, head) { then } else { self.reply_to_failure() }
    }

    /// More of the body has come; `size` is how much of it the host has.
    pub(super) fn send_body(&mut self, size: usize, end: End) -> Action {
        let Some(new) = host::body_from(self.exchange.held_back(), size) else { return self.fail() };
        let then = match self.exchange.on_response_body(&new, size, end) {
            BodyDirective::Pass => Some(Action::Continue),
            BodyDirective::Send(bytes) => host::put_body(bytes, size).then_some(Action::Continue),
            BodyDirective::Hold(bytes) => host::put_body(bytes, size).then_some(Action::Pause),
            BodyDirective::Whole(bytes) => {
                (host::put_length(bytes) && host::put_body(bytes, size)).then_some(Action::Continue)
            }
            BodyDirective::Answer { head, body } => host::answer(head, body),
            BodyDirective::Refuse(problem) => Some(host::reply(&problem)),
            BodyDirective::Reset => Some(host::reset()),
        };
        let Some(then) = then else { return self.fail() };
        self.exchange.taken();
        then
    }

    /// The trailers have come.
    pub(super) fn send_trailers(&mut self) -> Action {
        let is_written = match self.exchange.on_response_trailers() {
            TrailersDirective::Pass => return Action::Continue,
            TrailersDirective::Drop => true,
            TrailersDirective::Send(bytes) => host::put_held_body(bytes),
            TrailersDirective::Whole(bytes) => host::put_length(bytes) && host::put_held_body(bytes),
            TrailersDirective::Answer { head, body } => match host::answer(head, body) {
                Some(then) => return then,
                None => false,
            },
            TrailersDirective::Refuse(problem) => return host::reply(&problem),
            TrailersDirective::Reset => return host::reset(),
        };
        if is_written && host::put_headers(MapType::HttpResponseTrailers, &Vec::new()) {
            Action::Continue
        } else {
            self.fail()
        }
    }
}

/// Whether the response comes in HTTP/2. Envoy tells no plugin the upstream's protocol, so the cluster's metadata says it.
fn is_http2() -> bool {
    let path = ["xds", "cluster_metadata", "filter_metadata", "fieldgate", "protocol"];
    host::property(&path).is_some_and(|protocol| protocol == b"HTTP/2")
}
