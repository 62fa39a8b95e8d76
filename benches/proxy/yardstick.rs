//! Yardsticks, for WebAssembly only: a filter that puts each part of a body back as it is (`echo`); one that besides asks the
//! host for all that fieldgate asks it for, and decides nothing (`calls`); one with fieldgate's engine that asks for nothing
//! else (`engine`); and the filter that everyone writes first (`value`), which waits for the whole body, parses it as a
//! `serde_json::Value`, edits that and writes it. None is fit for more than being measured.

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
use serde_json::Value;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { kind: Kind::Echo, counter: 0, view: None }));
}}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Echo,
    Calls,
    Engine,
    Value,
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
            Some(b"value") => Kind::Value,
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
            Kind::Echo => Action::Continue,
            Kind::Calls => {
                let Ok(head) = hostcalls::get_map_bytes(MapType::HttpResponseHeaders) else { return Action::Continue };
                let kept = head.iter().filter(|(name, _)| matches!(name.as_str(), ":status" | "content-type" | "date"));
                let own = [("cache-control", b"private, no-store".as_slice()), ("vary", b"authorization")];
                let head = kept.map(|(name, value)| (name.as_str(), value.as_slice())).chain(own).collect();
                let _ = hostcalls::set_map_bytes(MapType::HttpResponseHeaders, head);
                Action::Pause
            }
            Kind::Engine | Kind::Value => {
                let _ = hostcalls::remove_map_value(MapType::HttpResponseHeaders, "content-length");
                Action::Continue
            }
        }
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if self.kind == Kind::Value && !end_of_stream {
            return Action::Pause;
        }
        let Ok(Some(body)) = hostcalls::get_buffer(BufferType::HttpResponseBody, 0, size) else {
            return Action::Continue;
        };
        let edited = match self.kind {
            Kind::Echo | Kind::Calls => Some(body),
            Kind::Engine => self.rewritten(&body),
            Kind::Value => serde_json::from_slice(&body).ok().and_then(|mut value| {
                edit(&mut value, 0);
                serde_json::to_vec(&value).ok()
            }),
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

/// The fields of the customers that are kept, as paths without arrays.
const KEPT: [&[&str]; 11] = [
    &["items", "id"],
    &["items", "status"],
    &["items", "name", "family"],
    &["items", "email"],
    &["items", "billingAddress", "country"],
    &["items", "lines", "msisdn"],
    &["items", "lines", "plan", "name"],
    &["items", "balance", "amount"],
    &["items", "balance", "currency"],
    &["items", "characteristics", "name"],
    &["next"],
];

/// Keeps what one of the paths leads to; `kept` has a bit for each that has not led elsewhere yet.
fn edit(value: &mut Value, depth: usize) {
    edit_along(value, depth, (1 << KEPT.len()) - 1);
}

fn edit_along(value: &mut Value, depth: usize, kept: u32) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| edit_along(element, depth, kept)),
        Value::Object(members) => members.retain(|name, value| {
            let along = KEPT.iter().enumerate().filter(|(index, path)| {
                kept & (1 << index) != 0 && path.get(depth).is_some_and(|segment| segment == name)
            });
            let along = along.fold(0, |bits, (index, _)| bits | 1 << index);
            if along != 0 {
                edit_along(value, depth + 1, along);
            }
            along != 0
        }),
        Value::String(text) if depth == 2 && kept == 1 << 3 => *text = masked(text),
        _ => {}
    }
}

fn masked(email: &str) -> String {
    match email.split_once('@') {
        Some((local, domain)) => format!("{}***@{domain}", local.chars().next().map(String::from).unwrap_or_default()),
        None => String::new(),
    }
}
