//! Test only: a stream that traps where its request says, so that tests see what a host does when the VM dies.
//!
//! It is in no plugin that is shipped: only the feature `trap` compiles it, and a release build with that feature fails.

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, MapType};

#[cfg(not(debug_assertions))]
compile_error!("the feature `trap` is for tests: it needs debug assertions, which no release build has");

/// The request header that names the callback to trap in.
const HEADER: &str = "x-fieldgate-trap";

/// A stream that traps before it is asked, so that what the host then has is what the upstream sent.
pub(super) struct Trapping<S> {
    stream: S,
    phase: Vec<u8>,
    bodies: u32,
}

impl<S> Trapping<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, phase: Vec::new(), bodies: 0 }
    }

    /// What a panic comes to in WebAssembly.
    fn trap_in(&self, phase: &str) {
        if self.phase == phase.as_bytes() {
            core::arch::wasm32::unreachable();
        }
    }
}

impl<S: Context> Context for Trapping<S> {
    fn on_grpc_call_response(&mut self, token: u32, status: u32, size: usize) {
        self.trap_in("answer");
        self.stream.on_grpc_call_response(token, status, size);
    }
}

impl<S: HttpContext> HttpContext for Trapping<S> {
    fn on_http_request_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        let named = hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, HEADER).ok().flatten();
        self.phase = named.unwrap_or_default();
        self.trap_in("request");
        self.stream.on_http_request_headers(count, end_of_stream)
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.stream.on_http_request_body(size, end_of_stream)
    }

    fn on_http_request_trailers(&mut self, count: usize) -> Action {
        self.stream.on_http_request_trailers(count)
    }

    fn on_http_response_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        self.trap_in("response-head");
        self.stream.on_http_response_headers(count, end_of_stream)
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.bodies = self.bodies.saturating_add(1);
        self.trap_in(if self.bodies == 1 { "response-body" } else { "later-body" });
        self.stream.on_http_response_body(size, end_of_stream)
    }

    fn on_http_response_trailers(&mut self, count: usize) -> Action {
        self.trap_in("trailers");
        self.stream.on_http_response_trailers(count)
    }

    fn on_log(&mut self) {
        self.trap_in("log");
        self.stream.on_log();
    }
}
