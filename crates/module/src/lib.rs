//! fieldgate as an Envoy *dynamic module*: native code in Envoy's own process, with the same core as the plugin. It hands
//! events to [`Exchange`](fieldgate::exchange::Exchange) and does what it is told. It decides nothing.
//!
//! | file | what |
//! |---|---|
//! | `abi` | Envoy's C functions and the module's own: the only unsafe code |
//! | `host` | what of Envoy a stream needs, as a safe trait |
//! | `stream` | one stream: events in, calls to the host out |
//! | `border` | what stands between Envoy and a stream: one event at a time, panics caught, closed whatever fails |
//! | `worker` | a policy as one worker thread has it |
//! | `metrics` | counters, whose labels Envoy knows |
//! | `store` | what budgets share, in this process |
//!
//! There is no sandbox: a fault here is a fault of Envoy. So panics are caught where Envoy calls in, and end the stream
//! closed; a build that could not catch them (`panic = "abort"`) does not load.

// The tests bring a host of their own: Envoy's functions are in Envoy alone.
#[cfg(not(test))]
mod abi;
mod border;
mod host;
mod metrics;
mod store;
mod stream;
mod worker;

#[cfg(test)]
mod tests;
