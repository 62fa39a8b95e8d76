//! Yardsticks, for WebAssembly only: a filter that does nothing (`empty`); one that puts each part of a body back as it is
//! (`echo`); one that besides asks the host for all that fieldgate asks it for, and decides nothing (`calls`); and one with
//! fieldgate's engine that asks for nothing else (`engine`). None is fit for more than being measured.

#![cfg(target_arch = "wasm32")]

use std::hint::black_box;
use std::rc::Rc;

use fieldgate::json::Texts;
use fieldgate::program::View;
use fieldgate::rewrite::Rewriter;
use fieldgate_benches::inputs;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, MapType, MetricType};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { kind: Kind::Echo, counter: 0, view: None }));
}}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Empty,
    Echo,
    Calls,
    Engine,
}

struct Root {
    kind: Kind,
    counter: u32,
    view: Option<Rc<View>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        self.kind = match self.get_plugin_configuration().as_deref() {
            Some(b"calls") => Kind::Calls,
            Some(b"engine") => Kind::Engine,
            Some(b"empty") => Kind::Empty,
            _ => Kind::Echo,
        };
        if self.kind == Kind::Engine {
            let input = inputs::all(&["customers 2 KB".to_owned()]).pop();
            self.view = input.and_then(|mut input| input.bodies.pop()).map(|(_, view)| view);
        }
        self.counter = hostcalls::define_metric(MetricType::Counter, "yardstick").unwrap_or_default();
        true
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        let rewriter = self.view.clone().map(|view| Rewriter::new(view, Texts::One));
        Some(Box::new(Stream { kind: self.kind, counter: self.counter, rewriter, written: Vec::new() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    kind: Kind,
    counter: u32,
    rewriter: Option<Rewriter>,
    /// Room for the next part, as fieldgate keeps it.
    written: Vec<u8>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if self.kind == Kind::Calls {
            let head = hostcalls::get_map_bytes(MapType::HttpRequestHeaders);
            let claims = hostcalls::get_property(vec!["metadata"]);
            let mark = hostcalls::set_property(vec!["yardstick"], Some(b"seen"));
            let set = hostcalls::set_map_value(MapType::HttpRequestHeaders, "accept-encoding", Some("identity"));
            black_box((head.is_ok(), claims.is_ok(), mark.is_ok(), set.is_ok()));
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        match self.kind {
            Kind::Empty | Kind::Echo => Action::Continue,
            Kind::Calls => {
                let Ok(head) = hostcalls::get_map_bytes(MapType::HttpResponseHeaders) else { return Action::Continue };
                let kept = head.iter().filter(|(name, _)| matches!(name.as_str(), ":status" | "content-type" | "date"));
                let own = [("cache-control", b"private, no-store".as_slice()), ("vary", b"authorization")];
                let head = kept.map(|(name, value)| (name.as_str(), value.as_slice())).chain(own).collect();
                let _ = hostcalls::set_map_bytes(MapType::HttpResponseHeaders, head);
                Action::Pause
            }
            Kind::Engine => {
                let _ = hostcalls::remove_map_value(MapType::HttpResponseHeaders, "content-length");
                Action::Continue
            }
        }
    }

    fn on_http_response_body(&mut self, size: usize, _end_of_stream: bool) -> Action {
        if self.kind == Kind::Empty {
            return Action::Continue;
        }
        let Ok(Some(body)) = hostcalls::get_buffer(BufferType::HttpResponseBody, 0, size) else {
            return Action::Continue;
        };
        let edited = match self.kind {
            Kind::Engine => self.rewritten(&body),
            _ => Some(body),
        };
        if let Some(edited) = edited {
            let _ = hostcalls::set_buffer(BufferType::HttpResponseBody, 0, usize::MAX, &edited);
            self.written = edited;
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        if self.kind == Kind::Calls {
            // Routes, and what becomes of scalars.
            (0..4).for_each(|_| {
                let _ = hostcalls::increment_metric(self.counter, 1);
            });
        }
    }
}

impl Stream {
    fn rewritten(&mut self, part: &[u8]) -> Option<Vec<u8>> {
        let mut written = std::mem::take(&mut self.written);
        written.clear();
        self.rewriter = Some(self.rewriter.take()?.push(part, &mut written).ok()?);
        Some(written)
    }
}
