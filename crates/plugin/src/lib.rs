//! The Envoy plugin: hands events to [`Exchange`] and does what it is told. It decides nothing.
//!
//! | file | what is there |
//! |---|---|
//! | `configuration.rs` | a configuration of the plugin in a VM, and a stream of each request |
//! | `stream.rs` | the events of a stream, and what is told of it when it is over |
//! | `request.rs`, `response.rs` | what is done with a request, and with a response |
//! | `host.rs` | what is read from the host and written to it |
//! | `metrics.rs`, `store.rs` | counters, and what the workers share |
//! | `trap.rs` | a VM that dies, for tests |
//!
//! The SDK panics where the host answers with a status that it does not expect, and a panic ends every stream of the
//! worker. So each thing is touched only in its own phase: the head while it is held or passing, the body only in a
//! body callback, or at the trailers while it is held back.
//!
//! [`Exchange`]: fieldgate::exchange::Exchange

#![cfg(target_arch = "wasm32")]

mod configuration;
mod host;
mod metrics;
mod request;
mod response;
mod store;
mod stream;
#[cfg(feature = "trap")]
mod trap;

/// What the host calls first, by the name that the SDK gives it.
mod entry {
    use proxy_wasm::types::LogLevel;

    proxy_wasm::main! {{
        proxy_wasm::set_log_level(LogLevel::Info);
        proxy_wasm::set_root_context(|_| Box::new(super::configuration::Plugin::default()));
    }}
}
