//! Envoy's C functions, and those of the module that Envoy calls: the ABI of dynamic modules (Envoy's `abi.h`), as far as it is
//! needed. All that is unsafe in this crate is here.
//!
//! Envoy promises, and every block below leans on it:
//!
//! * *a stream's pointer* is valid from the module's `filter_new` to its `filter_destroy`, on one thread;
//! * *bytes of Envoy's* are valid until a call that changes what they belong to, or the end of the event: [`Filter`] reads them
//!   through `&self`, changes through `&mut self`, and copies what must live longer;
//! * *bytes of ours* are read during the call alone;
//! * *a pointer of ours* comes back as it was given, and after its `destroy` no more.

#![expect(unsafe_code, reason = "the C functions of Envoy's dynamic modules; each block says why it is sound")]

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::slice;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use fieldgate::exchange::Headers;
use fieldgate::report::{METRICS, MetricKind, Series};

use crate::border::{Border, Event, Then};
use crate::host::{Change, Host, Loudness, Map, Part};
use crate::worker::Config;

/// The version of the ABI that Envoy of that version has; from another Envoy it brings a warning, from one that is too old no
/// module is taken at all.
const VERSION: &CStr = if cfg!(feature = "envoy-1-39") { c"v0.1.0" } else { c"v0.2.0" };

/// What a local reply and a reset say in the access log.
const DETAILS: &str = "fieldgate";

/// Bytes, Envoy's or ours.
#[repr(C)]
#[derive(Clone, Copy)]
struct Bytes {
    at: *const u8,
    length: usize,
}

impl Bytes {
    const NONE: Self = Self { at: std::ptr::null(), length: 0 };

    fn of(bytes: &[u8]) -> Self {
        Self { at: bytes.as_ptr(), length: bytes.len() }
    }

    /// # Safety
    /// The bytes are valid for `'a`.
    unsafe fn get<'a>(self) -> &'a [u8] {
        if self.at.is_null() || self.length == 0 {
            return &[];
        }
        // SAFETY: Envoy's pair of pointer and length, not null, valid for 'a by this function's own condition.
        unsafe { slice::from_raw_parts(self.at, self.length) }
    }
}

/// A header: name and value.
#[repr(C)]
#[derive(Clone, Copy)]
struct Header {
    name: Bytes,
    value: Bytes,
}

type EnvoyPtr = *mut c_void;
type ModulePtr = *const c_void;

/// The stream's own metadata, its route's, and its cluster's.
const METADATA_OF_CLUSTER: u32 = 2;

/// `connection.uri_san_peer_certificate`.
const PEER_URI: u32 = 37;

/// A reset of ours.
const LOCAL_RESET: u32 = 0;

unsafe extern "C" {
    fn envoy_dynamic_module_callback_log(level: u32, line: Bytes);
    fn envoy_dynamic_module_callback_log_enabled(level: u32) -> bool;
    fn envoy_dynamic_module_callback_http_filter_config_define_counter(
        config: EnvoyPtr,
        name: Bytes,
        labels: *const Bytes,
        count: usize,
        id: *mut usize,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_config_define_gauge(
        config: EnvoyPtr,
        name: Bytes,
        labels: *const Bytes,
        count: usize,
        id: *mut usize,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_config_increment_counter(
        config: EnvoyPtr,
        id: usize,
        labels: *const Bytes,
        count: usize,
        by: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_config_set_gauge(
        config: EnvoyPtr,
        id: usize,
        labels: *const Bytes,
        count: usize,
        to: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_increment_counter(
        filter: EnvoyPtr,
        id: usize,
        labels: *const Bytes,
        count: usize,
        by: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_increment_gauge(
        filter: EnvoyPtr,
        id: usize,
        labels: *const Bytes,
        count: usize,
        by: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_decrement_gauge(
        filter: EnvoyPtr,
        id: usize,
        labels: *const Bytes,
        count: usize,
        by: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_get_headers_size(filter: EnvoyPtr, map: u32) -> usize;
    fn envoy_dynamic_module_callback_http_get_headers(filter: EnvoyPtr, map: u32, headers: *mut Header) -> bool;
    fn envoy_dynamic_module_callback_http_set_header(filter: EnvoyPtr, map: u32, name: Bytes, value: Bytes) -> bool;
    fn envoy_dynamic_module_callback_http_add_header(filter: EnvoyPtr, map: u32, name: Bytes, value: Bytes) -> bool;
    fn envoy_dynamic_module_callback_http_get_body_size(filter: EnvoyPtr, part: u32) -> usize;
    fn envoy_dynamic_module_callback_http_get_body_chunks_size(filter: EnvoyPtr, part: u32) -> usize;
    fn envoy_dynamic_module_callback_http_get_body_chunks(filter: EnvoyPtr, part: u32, chunks: *mut Bytes) -> bool;
    fn envoy_dynamic_module_callback_http_received_buffered_response_body(filter: EnvoyPtr) -> bool;
    fn envoy_dynamic_module_callback_http_drain_body(filter: EnvoyPtr, part: u32, bytes: usize) -> bool;
    fn envoy_dynamic_module_callback_http_append_body(filter: EnvoyPtr, part: u32, bytes: Bytes) -> bool;
    fn envoy_dynamic_module_callback_http_get_filter_state_bytes(
        filter: EnvoyPtr,
        key: Bytes,
        value: *mut Bytes,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_set_filter_state_bytes(filter: EnvoyPtr, key: Bytes, value: Bytes) -> bool;
    fn envoy_dynamic_module_callback_http_get_metadata_string(
        filter: EnvoyPtr,
        source: u32,
        namespace: Bytes,
        key: Bytes,
        value: *mut Bytes,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
        filter: EnvoyPtr,
        attribute: u32,
        value: *mut Bytes,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_clear_route_cache(filter: EnvoyPtr);
    fn envoy_dynamic_module_callback_http_send_response(
        filter: EnvoyPtr,
        status: u32,
        headers: *const Header,
        count: usize,
        body: Bytes,
        details: Bytes,
    );
    fn envoy_dynamic_module_callback_http_send_response_headers(
        filter: EnvoyPtr,
        headers: *const Header,
        count: usize,
        end_of_stream: bool,
    );
    fn envoy_dynamic_module_callback_http_filter_reset_stream(filter: EnvoyPtr, reason: u32, details: Bytes);
}

/// The labels of a series, as Envoy takes them.
fn labels(of: &[String]) -> Vec<Bytes> {
    of.iter().map(|label| Bytes::of(label.as_bytes())).collect()
}

/// Header fields, as Envoy takes them.
fn headers(of: &[(&str, &str)]) -> Vec<Header> {
    let header =
        |(name, value): &(&str, &str)| Header { name: Bytes::of(name.as_bytes()), value: Bytes::of(value.as_bytes()) };
    of.iter().map(header).collect()
}

fn write_line(loudness: Loudness, line: &str) {
    // SAFETY: the line outlives the call.
    unsafe { envoy_dynamic_module_callback_log(level(loudness), Bytes::of(line.as_bytes())) }
}

fn level(loudness: Loudness) -> u32 {
    match loudness {
        Loudness::Info => 2,
        Loudness::Warn => 3,
        Loudness::Error => 4,
    }
}

/// One event of a stream of Envoy's.
struct Filter<'a> {
    /// The stream's pointer: valid for this event, which nothing of this value outlives.
    at: EnvoyPtr,
    /// Envoy's numbers of the metrics.
    metrics: &'a [Option<usize>],
}

impl Filter<'_> {
    fn map(map: Map) -> u32 {
        match map {
            Map::Request => 0,
            Map::Response => 2,
            Map::ResponseTrailers => 3,
        }
    }

    fn part(part: Part) -> u32 {
        match part {
            Part::Received => 2,
            Part::Buffered => 3,
        }
    }

    fn text(is_there: bool, value: Bytes) -> Option<Vec<u8>> {
        // SAFETY: just written by Envoy, and copied before anything else is called.
        is_there.then(|| unsafe { value.get() }.to_vec())
    }
}

impl Host for Filter<'_> {
    fn headers(&self, map: Map) -> Option<Headers> {
        // SAFETY: a stream's pointer.
        let count = unsafe { envoy_dynamic_module_callback_http_get_headers_size(self.at, Self::map(map)) };
        let mut headers = vec![Header { name: Bytes::NONE, value: Bytes::NONE }; count];
        // SAFETY: a stream's pointer; there is room for as many headers as Envoy has just said.
        let is_there =
            unsafe { envoy_dynamic_module_callback_http_get_headers(self.at, Self::map(map), headers.as_mut_ptr()) };
        // SAFETY: bytes of Envoy's, copied before anything can change them.
        let copied = |header: &Header| unsafe { (header.name.get().to_vec(), header.value.get().to_vec()) };
        is_there.then(|| headers.iter().map(copied).collect())
    }

    fn set_header(&mut self, map: Map, name: &[u8], value: &[u8]) -> bool {
        let (name, value) = (Bytes::of(name), Bytes::of(value));
        // SAFETY: a stream's pointer; bytes of ours.
        unsafe { envoy_dynamic_module_callback_http_set_header(self.at, Self::map(map), name, value) }
    }

    fn add_header(&mut self, map: Map, name: &[u8], value: &[u8]) -> bool {
        let (name, value) = (Bytes::of(name), Bytes::of(value));
        // SAFETY: a stream's pointer; bytes of ours.
        unsafe { envoy_dynamic_module_callback_http_add_header(self.at, Self::map(map), name, value) }
    }

    fn remove_header(&mut self, map: Map, name: &[u8]) -> bool {
        // SAFETY: a stream's pointer; bytes of ours. A null value removes.
        unsafe { envoy_dynamic_module_callback_http_set_header(self.at, Self::map(map), Bytes::of(name), Bytes::NONE) }
    }

    fn size(&self, part: Part) -> usize {
        // SAFETY: a stream's pointer.
        unsafe { envoy_dynamic_module_callback_http_get_body_size(self.at, Self::part(part)) }
    }

    fn body(&self, part: Part) -> Option<Cow<'_, [u8]>> {
        // SAFETY: a stream's pointer.
        let count = unsafe { envoy_dynamic_module_callback_http_get_body_chunks_size(self.at, Self::part(part)) };
        let mut chunks = vec![Bytes::NONE; count];
        // SAFETY: a stream's pointer; there is room for as many chunks as Envoy has just said.
        let is_there = unsafe {
            envoy_dynamic_module_callback_http_get_body_chunks(self.at, Self::part(part), chunks.as_mut_ptr())
        };
        if !is_there {
            return None;
        }
        // SAFETY: bytes of Envoy's, valid while `self` is borrowed: what changes the body takes `&mut self`.
        let mut bytes = chunks.into_iter().map(|chunk| unsafe { chunk.get() });
        Some(match (bytes.next(), bytes.next()) {
            (None, _) => Cow::default(),
            (Some(only), None) => Cow::Borrowed(only),
            (Some(first), Some(second)) => {
                let mut all = [first, second].concat();
                bytes.for_each(|chunk| all.extend_from_slice(chunk));
                Cow::Owned(all)
            }
        })
    }

    fn is_one_buffer(&self) -> bool {
        // SAFETY: a stream's pointer.
        unsafe { envoy_dynamic_module_callback_http_received_buffered_response_body(self.at) }
    }

    fn drain(&mut self, part: Part, bytes: usize) -> bool {
        // SAFETY: a stream's pointer.
        unsafe { envoy_dynamic_module_callback_http_drain_body(self.at, Self::part(part), bytes) }
    }

    fn append(&mut self, part: Part, bytes: &[u8]) -> bool {
        // SAFETY: a stream's pointer; bytes of ours.
        unsafe { envoy_dynamic_module_callback_http_append_body(self.at, Self::part(part), Bytes::of(bytes)) }
    }

    fn filter_state(&self, key: &str) -> Option<Vec<u8>> {
        let mut value = Bytes::NONE;
        let key = Bytes::of(key.as_bytes());
        // SAFETY: a stream's pointer; bytes of ours; a place for the answer.
        let is_there =
            unsafe { envoy_dynamic_module_callback_http_get_filter_state_bytes(self.at, key, &raw mut value) };
        Self::text(is_there, value)
    }

    fn set_filter_state(&mut self, key: &str, value: &[u8]) -> bool {
        let (key, value) = (Bytes::of(key.as_bytes()), Bytes::of(value));
        // SAFETY: a stream's pointer; bytes of ours.
        unsafe { envoy_dynamic_module_callback_http_set_filter_state_bytes(self.at, key, value) }
    }

    fn peer_uri(&self) -> Option<Vec<u8>> {
        let mut value = Bytes::NONE;
        // SAFETY: a stream's pointer; a place for the answer.
        let is_there = unsafe {
            envoy_dynamic_module_callback_http_filter_get_attribute_string(self.at, PEER_URI, &raw mut value)
        };
        Self::text(is_there, value)
    }

    fn cluster_metadata(&self, namespace: &str, key: &str) -> Option<Vec<u8>> {
        let mut value = Bytes::NONE;
        let (namespace, key) = (Bytes::of(namespace.as_bytes()), Bytes::of(key.as_bytes()));
        // SAFETY: a stream's pointer; bytes of ours; a place for the answer.
        let is_there = unsafe {
            envoy_dynamic_module_callback_http_get_metadata_string(
                self.at,
                METADATA_OF_CLUSTER,
                namespace,
                key,
                &raw mut value,
            )
        };
        Self::text(is_there, value)
    }

    fn choose_route_anew(&mut self) {
        // SAFETY: a stream's pointer.
        unsafe { envoy_dynamic_module_callback_http_clear_route_cache(self.at) }
    }

    fn reply(&mut self, status: u32, fields: &[(&str, &str)], body: &[u8]) {
        let headers = headers(fields);
        let (body, details) = (Bytes::of(body), Bytes::of(DETAILS.as_bytes()));
        // SAFETY: a stream's pointer; bytes of ours. Envoy may destroy the stream within the call: the events that hold it hold
        // the border's `Rc` too, and touch Envoy's pointer no more.
        unsafe {
            envoy_dynamic_module_callback_http_send_response(
                self.at,
                status,
                headers.as_ptr(),
                headers.len(),
                body,
                details,
            );
        }
    }

    fn reply_head(&mut self, fields: &[(&str, &str)]) {
        let headers = headers(fields);
        // SAFETY: as in `reply`.
        unsafe {
            envoy_dynamic_module_callback_http_send_response_headers(self.at, headers.as_ptr(), headers.len(), true);
        }
    }

    fn reset(&mut self) {
        let details = Bytes::of(DETAILS.as_bytes());
        // SAFETY: as in `reply`.
        unsafe { envoy_dynamic_module_callback_http_filter_reset_stream(self.at, LOCAL_RESET, details) }
    }

    fn change(&mut self, metric: usize, of: &[String], change: Change) {
        let Some(id) = self.metrics.get(metric).copied().flatten() else { return };
        let labels = labels(of);
        let is_gauge = METRICS.get(metric).is_some_and(|metric| metric.kind == MetricKind::Gauge);
        let (at, count) = (labels.as_ptr(), labels.len());
        // What cannot be counted changes nothing of what the caller gets.
        // SAFETY: a stream's pointer; as many labels as the metric was defined with; bytes of ours.
        let _ = unsafe {
            match change {
                Change::Rise(by) if is_gauge => {
                    envoy_dynamic_module_callback_http_filter_increment_gauge(self.at, id, at, count, by)
                }
                Change::Rise(by) => {
                    envoy_dynamic_module_callback_http_filter_increment_counter(self.at, id, at, count, by)
                }
                Change::Fall(by) => {
                    envoy_dynamic_module_callback_http_filter_decrement_gauge(self.at, id, at, count, by)
                }
            }
        };
    }

    fn is_heard(&self, loudness: Loudness) -> bool {
        // SAFETY: it takes a number.
        unsafe { envoy_dynamic_module_callback_log_enabled(level(loudness)) }
    }

    fn log(&self, loudness: Loudness, line: &str) {
        write_line(loudness, line);
    }
}

/// Defines each metric, and raises what is there from the start.
///
/// # Safety
/// `config` is what Envoy gave for the configuration that it is making.
unsafe fn define(config: EnvoyPtr, policy: &fieldgate::model::PolicySet) -> Vec<Option<usize>> {
    let ids: Vec<Option<usize>> = METRICS
        .iter()
        .map(|metric| {
            let mut id = 0;
            let name = Bytes::of(metric.name.as_bytes());
            let labels: Vec<Bytes> = metric.labels.iter().map(|label| Bytes::of(label.as_bytes())).collect();
            let define = match metric.kind {
                MetricKind::Counter => envoy_dynamic_module_callback_http_filter_config_define_counter,
                MetricKind::Gauge => envoy_dynamic_module_callback_http_filter_config_define_gauge,
            };
            // SAFETY: the configuration's pointer, by this function's own condition; bytes of ours; a place for the answer.
            let result = unsafe { define(config, name, labels.as_ptr(), labels.len(), &raw mut id) };
            (result == 0).then_some(id)
        })
        .collect();
    let id = |series: &Series| ids.get(series.number()).copied().flatten();
    for series in Series::from_the_start(policy) {
        let values = series.labels(policy);
        let labels = labels(&values);
        if let Some(id) = id(&series) {
            let (at, count) = (labels.as_ptr(), labels.len());
            // SAFETY: as above; as many labels as the metric was defined with.
            let _ =
                unsafe { envoy_dynamic_module_callback_http_filter_config_increment_counter(config, id, at, count, 0) };
        }
    }
    let series = Series::policy();
    if let Some(id) = id(&series) {
        let values = series.labels(policy);
        let labels = labels(&values);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (at, count) = (labels.as_ptr(), labels.len());
        // SAFETY: as above.
        let _ = unsafe { envoy_dynamic_module_callback_http_filter_config_set_gauge(config, id, at, count, since) };
    }
    ids
}

/// What Envoy holds of a stream: the border, and the configuration that its metrics are of.
struct Held {
    border: Border,
    config: Arc<Config>,
}

/// The stream behind a pointer of ours, held for as long as this event takes: Envoy may destroy it within.
///
/// # Safety
/// The pointer is one that [`envoy_dynamic_module_on_http_filter_new`] gave, and is not destroyed.
unsafe fn held(module: ModulePtr) -> Option<Rc<Held>> {
    let module = module.cast::<Held>();
    if module.is_null() {
        return None;
    }
    // SAFETY: it came from `Rc::into_raw` and still counts as one owner; this makes a second one for the event.
    unsafe {
        Rc::increment_strong_count(module);
        Some(Rc::from_raw(module))
    }
}

/// Brings an event to its stream; what fails on the way there stops it.
fn bring(
    envoy: EnvoyPtr,
    module: ModulePtr,
    event: Event,
    decide: impl FnOnce(&mut crate::stream::Stream, &mut Filter<'_>) -> crate::stream::Act,
) -> Then {
    // SAFETY: Envoy hands each event the pointer that the stream was made with.
    let Some(held) = (unsafe { held(module) }) else { return Then::Stop };
    let mut filter = Filter { at: envoy, metrics: &held.config.metrics };
    catch_unwind(AssertUnwindSafe(|| held.border.bring(&mut filter, event, decide))).unwrap_or(Then::Stop)
}

/// `FilterHeadersStatus` and `FilterTrailersStatus`: go on, or stop here.
fn status(then: Then) -> u32 {
    match then {
        Then::Go => 0,
        Then::Hold | Then::Stop => 1,
    }
}

/// `FilterDataStatus`: go on; stop and keep; stop and keep nothing.
fn data_status(then: Then) -> u32 {
    match then {
        Then::Go => 0,
        Then::Hold => 1,
        Then::Stop => 3,
    }
}

// What Envoy calls. By these names alone it finds them.

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    // Panics that nothing catches would be the end of Envoy.
    if cfg!(panic = "abort") { std::ptr::null() } else { VERSION.as_ptr() }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    envoy: EnvoyPtr,
    _name: Bytes,
    configuration: Bytes,
) -> ModulePtr {
    let made = catch_unwind(|| {
        // SAFETY: bytes of Envoy's, for this event.
        let (mut config, program) = Config::new(unsafe { configuration.get() }, |name| std::env::var(name).ok())?;
        // SAFETY: what Envoy gave for this configuration.
        config.metrics = unsafe { define(envoy, program.policy()) };
        write_line(Loudness::Info, &program.enforcing());
        Ok::<_, Vec<String>>(Arc::new(config))
    });
    match made {
        Ok(Ok(config)) => Arc::into_raw(config).cast(),
        Ok(Err(faults)) => {
            faults.iter().for_each(|fault| write_line(Loudness::Error, fault));
            std::ptr::null()
        }
        Err(_) => {
            write_line(Loudness::Error, "a fault of fieldgate's own: the configuration is not taken");
            std::ptr::null()
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(config: ModulePtr) {
    if !config.is_null() {
        // SAFETY: it came from `Arc::into_raw`, and Envoy gives it back once.
        let config = unsafe { Arc::from_raw(config.cast::<Config>()) };
        let _ = catch_unwind(AssertUnwindSafe(|| drop(config)));
    }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_new(config: ModulePtr, _envoy: EnvoyPtr) -> ModulePtr {
    if config.is_null() {
        return std::ptr::null();
    }
    // SAFETY: it came from `Arc::into_raw`, and is not destroyed; this makes a second owner, for the stream.
    let config = unsafe {
        Arc::increment_strong_count(config.cast::<Config>());
        Arc::from_raw(config.cast::<Config>())
    };
    let made = catch_unwind(AssertUnwindSafe(|| Held { border: Border::new(config.worker()), config }));
    // Without a stream of ours Envoy ends its own.
    made.map_or(std::ptr::null(), |held| Rc::into_raw(Rc::new(held)).cast())
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    envoy: EnvoyPtr,
    module: ModulePtr,
    end_of_stream: bool,
) -> u32 {
    status(bring(envoy, module, Event::RequestHead, |stream, host| stream.request_head(host, end_of_stream)))
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_request_body(_envoy: EnvoyPtr, module: ModulePtr, _end: bool) -> u32 {
    // SAFETY: Envoy hands each event the pointer that the stream was made with.
    let held = unsafe { held(module) };
    data_status(held.map_or(Then::Stop, |held| held.border.rest_of_request()))
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_request_trailers(_envoy: EnvoyPtr, module: ModulePtr) -> u32 {
    // SAFETY: Envoy hands each event the pointer that the stream was made with.
    let held = unsafe { held(module) };
    status(held.map_or(Then::Stop, |held| held.border.rest_of_request()))
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_response_headers(
    envoy: EnvoyPtr,
    module: ModulePtr,
    end_of_stream: bool,
) -> u32 {
    status(bring(envoy, module, Event::ResponseHead, |stream, host| stream.response_head(host, end_of_stream)))
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_response_body(
    envoy: EnvoyPtr,
    module: ModulePtr,
    end_of_stream: bool,
) -> u32 {
    data_status(bring(envoy, module, Event::ResponseBody, |stream, host| stream.response_body(host, end_of_stream)))
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_response_trailers(envoy: EnvoyPtr, module: ModulePtr) -> u32 {
    status(bring(envoy, module, Event::ResponseTrailers, |stream, host| stream.response_trailers(host)))
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_stream_complete(envoy: EnvoyPtr, module: ModulePtr) {
    // SAFETY: Envoy hands each event the pointer that the stream was made with.
    if let Some(held) = unsafe { held(module) } {
        held.border.end(&mut Filter { at: envoy, metrics: &held.config.metrics });
    }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_destroy(module: ModulePtr) {
    if !module.is_null() {
        // SAFETY: it came from `Rc::into_raw`, and Envoy gives it back once, on the thread that made it.
        let held = unsafe { Rc::from_raw(module.cast::<Held>()) };
        let _ = catch_unwind(AssertUnwindSafe(|| drop(held)));
    }
}

// Envoy wants these too. Nothing here is asked for what they answer.

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_http_callout_done(
    _envoy: EnvoyPtr,
    _module: ModulePtr,
    _callout: u64,
    _result: u32,
    _headers: *const Header,
    _count: usize,
    _chunks: *const Bytes,
    _chunk_count: usize,
) {
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_http_stream_headers(
    _envoy: EnvoyPtr,
    _module: ModulePtr,
    _stream: u64,
    _headers: *const Header,
    _count: usize,
    _end: bool,
) {
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_http_stream_data(
    _envoy: EnvoyPtr,
    _module: ModulePtr,
    _stream: u64,
    _data: *const Bytes,
    _count: usize,
    _end: bool,
) {
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_http_stream_trailers(
    _envoy: EnvoyPtr,
    _module: ModulePtr,
    _stream: u64,
    _trailers: *const Header,
    _count: usize,
) {
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_http_stream_complete(
    _envoy: EnvoyPtr,
    _module: ModulePtr,
    _stream: u64,
) {
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_http_stream_reset(
    _envoy: EnvoyPtr,
    _module: ModulePtr,
    _stream: u64,
    _reason: u32,
) {
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_scheduled(_envoy: EnvoyPtr, _module: ModulePtr, _event: u64) {}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(
    _envoy: EnvoyPtr,
    _module: ModulePtr,
) {
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(
    _envoy: EnvoyPtr,
    _module: ModulePtr,
) {
}
