//! [`Host`]: what of Envoy a stream needs.

use std::borrow::Cow;

use fieldgate::exchange::Headers;
pub(crate) use fieldgate::exchange::Loudness;

/// A header map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Map {
    Request,
    Response,
    ResponseTrailers,
}

/// A part of a response's body that Envoy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// What this event brought; only there in a body event.
    Received,
    /// What earlier events were told to hold.
    Buffered,
}

/// What a metric does to a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Rise(u64),
    Fall(u64),
}

/// One stream of Envoy's. Calls that answer `false` have done nothing.
pub(crate) trait Host {
    /// All headers of a map, in order; `None` where there is no such map.
    fn headers(&self, map: Map) -> Option<Headers>;

    /// Sets a header, in the place of all of its name.
    fn set_header(&mut self, map: Map, name: &[u8], value: &[u8]) -> bool;

    /// Adds a header to those of its name.
    fn add_header(&mut self, map: Map, name: &[u8], value: &[u8]) -> bool;

    /// Removes all headers of a name.
    fn remove_header(&mut self, map: Map, name: &[u8]) -> bool;

    /// How many bytes a part of the body has.
    fn size(&self, part: Part) -> usize;

    /// The bytes of a part of the body.
    fn body(&self, part: Part) -> Option<Cow<'_, [u8]>>;

    /// Whether what this event brought is what another filter had buffered: then both parts are one.
    fn is_one_buffer(&self) -> bool;

    /// Removes the first bytes of a part.
    fn drain(&mut self, part: Part, bytes: usize) -> bool;

    /// Appends to a part.
    fn append(&mut self, part: Part, bytes: &[u8]) -> bool;

    /// A text of the filter state, which only filters can write.
    fn filter_state(&self, key: &str) -> Option<Vec<u8>>;

    /// Writes the filter state.
    fn set_filter_state(&mut self, key: &str, value: &[u8]) -> bool;

    /// The first URI SAN of the client's verified certificate.
    fn peer_uri(&self) -> Option<Vec<u8>>;

    /// A text of the metadata of the upstream's cluster.
    fn cluster_metadata(&self, namespace: &str, key: &str) -> Option<Vec<u8>>;

    /// Makes Envoy choose the route anew.
    fn choose_route_anew(&mut self);

    /// Sends a local reply. Envoy may end the stream before this returns.
    fn reply(&mut self, status: u32, headers: &[(&str, &str)], body: &[u8]);

    /// Sends a response that is a head alone, `:status` in it. Envoy may end the stream before this returns.
    fn reply_head(&mut self, headers: &[(&str, &str)]);

    /// Resets the stream. Envoy may end it before this returns.
    fn reset(&mut self);

    /// Changes a series: the metric by its number among those defined, and its labels.
    fn change(&mut self, metric: usize, labels: &[String], change: Change);

    /// Whether a line that loud is written.
    fn is_heard(&self, loudness: Loudness) -> bool;

    /// Writes a line of the log.
    fn log(&self, loudness: Loudness, line: &str);
}
