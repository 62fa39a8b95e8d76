//! The filter that one would write first, for WebAssembly only: it waits for the whole body, parses it as a `serde_json::Value`,
//! edits that and writes it. What fieldgate does besides, it leaves out: callers, levels, duplicates, heads, counts.

#![cfg(target_arch = "wasm32")]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, MapType};
use serde_json::Value;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream;

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let _ = hostcalls::remove_map_value(MapType::HttpResponseHeaders, "content-length");
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if !end_of_stream {
            return Action::Pause;
        }
        let body = hostcalls::get_buffer(BufferType::HttpResponseBody, 0, size);
        let value = body.ok().flatten().and_then(|body| serde_json::from_slice::<Value>(&body).ok());
        let edited = value.and_then(|mut value| {
            edit(&mut value, 0);
            serde_json::to_vec(&value).ok()
        });
        if let Some(edited) = edited {
            let _ = hostcalls::set_buffer(BufferType::HttpResponseBody, 0, usize::MAX, &edited);
        }
        Action::Continue
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
