//! [`Shared`]: the two calls on data that all workers of a process share, and [`MemoryStore`], a store of one's own.

use std::collections::HashMap;

/// What a store holds under a name: bytes, and the number that a swap must name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Value {
    /// The bytes; empty where nothing was ever written.
    pub bytes: Vec<u8>,
    /// The number of this version; `None` where nothing was ever written.
    pub version: Option<u32>,
}

/// How a swap ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Swap {
    /// The value was written.
    Done,
    /// Another had been written meanwhile: read again.
    Lost,
}

/// The store did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreFailure;

/// Data that all workers of a process share. Each call is atomic; nothing is ever deleted, so names come from a bounded set.
pub trait Shared {
    /// Reads the value of a name.
    ///
    /// # Errors
    /// If the store does not answer.
    fn read(&mut self, name: &str) -> Result<Value, StoreFailure>;

    /// Writes a value if that of the name is still the one with this version. A name of which nothing was ever written is
    /// created by exactly one of those who try at once.
    ///
    /// # Errors
    /// If the store does not answer.
    fn swap(&mut self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<Swap, StoreFailure>;
}

/// A store in memory, for the command line and for tests: it is exact, and as long-lived as its owner.
#[derive(Debug, Default)]
pub struct MemoryStore {
    values: HashMap<String, (Vec<u8>, u32)>,
}

impl MemoryStore {
    /// Bytes of all names and values.
    #[must_use]
    pub fn size(&self) -> usize {
        self.values.iter().map(|(name, (bytes, _))| name.len().saturating_add(bytes.len())).sum()
    }

    /// How many names have a value.
    #[must_use]
    pub fn names(&self) -> usize {
        self.values.len()
    }

    /// The length of the largest value.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.values.values().map(|(bytes, _)| bytes.len()).max().unwrap_or(0)
    }
}

impl Shared for MemoryStore {
    fn read(&mut self, name: &str) -> Result<Value, StoreFailure> {
        let Some((bytes, version)) = self.values.get(name) else { return Ok(Value::default()) };
        Ok(Value { bytes: bytes.clone(), version: Some(*version) })
    }

    fn swap(&mut self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<Swap, StoreFailure> {
        match self.values.get_mut(name) {
            Some((held, known)) if version == Some(*known) => {
                bytes.clone_into(held);
                *known = known.wrapping_add(1);
                Ok(Swap::Done)
            }
            None if version.is_none() => {
                self.values.insert(name.to_owned(), (bytes.to_vec(), 1));
                Ok(Swap::Done)
            }
            Some(_) | None => Ok(Swap::Lost),
        }
    }
}
