//! What the workers of an Envoy process share, as budgets want it.

use std::sync::{Mutex, PoisonError};

use fieldgate::budget::{MemoryStore, Shared, StoreFailure, Swap, Value};

/// One map for the process, under one lock, as Envoy's shared data is for plugins. It lives as long as the module is loaded:
/// `do_not_close` keeps it so when the last listener with it goes.
static SHARED: Mutex<Option<MemoryStore>> = Mutex::new(None);

/// The process's map.
pub(crate) struct ProcessStore;

impl ProcessStore {
    /// No code that holds the lock can panic half way through a change, so a poisoned one is as good.
    fn with<T>(use_it: impl FnOnce(&mut MemoryStore) -> T) -> T {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(shared.get_or_insert_default())
    }
}

impl Shared for ProcessStore {
    fn read(&mut self, name: &str) -> Result<Value, StoreFailure> {
        Self::with(|memory| memory.read(name))
    }

    fn swap(&mut self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<Swap, StoreFailure> {
        Self::with(|memory| memory.swap(name, bytes, version))
    }
}
