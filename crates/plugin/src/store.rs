//! What the workers of an Envoy process share, as budgets want it.

use proxy_wasm::hostcalls;
use proxy_wasm::types::Status;

use fieldgate::budget::{Shared, StoreFailure, Swap, Value};

/// Envoy's shared data: one map for all that have the same `vm_id`, under one lock.
pub(super) struct HostStore;

/// A version that no value has. A swap without one always writes, and two who create a value at once would both have done so;
/// with this one the host creates it for the first of them alone.
const CREATE: u32 = u32::MAX;

impl Shared for HostStore {
    fn read(&mut self, name: &str) -> Result<Value, StoreFailure> {
        let (bytes, version) = hostcalls::get_shared_data(name).map_err(|_| StoreFailure)?;
        Ok(Value { bytes: bytes.unwrap_or_default(), version })
    }

    fn swap(&mut self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<Swap, StoreFailure> {
        match hostcalls::set_shared_data(name, Some(bytes), Some(version.unwrap_or(CREATE))) {
            Ok(()) => Ok(Swap::Done),
            Err(Status::CasMismatch) => Ok(Swap::Lost),
            Err(_) => Err(StoreFailure),
        }
    }
}
