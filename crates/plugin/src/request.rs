//! What is done with a request: who asks, what budgets say, and how it goes on.

use std::time::Duration;

use fieldgate::budget::{METHOD, SERVICE};
use fieldgate::caller::Caller;
use fieldgate::exchange::{End, Headers, Question, RequestDirective};
use fieldgate::model::PolicySet;
use fieldgate::protobuf::verified_claims;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, MapType};

use crate::host;
use crate::metrics::HostMeters;
use crate::store::HostStore;
use crate::stream::Stream;

/// The filter state `wasm.fieldgate` of a request that may go on. A route can ask for it, so that nothing reaches the
/// upstream unless the plugin has seen it.
const MARK: [&str; 1] = ["fieldgate"];
const SEEN: &[u8] = b"seen";

impl Stream {
    /// The request's head has come.
    pub(super) fn ask_upstream(&mut self, end: End) -> Action {
        let Some(headers) = host::headers(MapType::HttpRequestHeaders) else { return host::refuse() };
        let caller = identify(self.program.policy(), &headers);
        let now = self.program.now(host::time);
        let directive = self.exchange.begin((&headers, end), caller, now, &mut HostStore, ask);
        self.send_request(directive)
    }

    /// The rate limit service's message has come, or none for a call that failed.
    pub(super) fn answer(&mut self, message: Option<Vec<u8>>) {
        let now = self.program.now(host::time);
        let directive = self.exchange.resume(message.as_deref(), now, &mut HostStore, ask);
        if self.send_request(directive) == Action::Continue && hostcalls::resume_http_request().is_err() {
            self.reply_to_failure();
        }
    }

    /// Does with a request what was decided.
    fn send_request(&mut self, directive: RequestDirective) -> Action {
        if self.exchange.is_waiting() {
            return Action::Pause;
        }
        if let Ok(mut reporter) = self.reporter.try_borrow_mut() {
            reporter.admitted(&mut self.exchange, &mut HostMeters);
        }
        match directive {
            RequestDirective::Forward { remove, set } if forward(&remove, &set) => Action::Continue,
            RequestDirective::Refuse(problem) => host::reply(&problem),
            RequestDirective::Forward { .. } | RequestDirective::Reserve | RequestDirective::Ask(_) => {
                self.reply_to_failure()
            }
        }
    }
}

/// Asks the rate limit service: whether an answer is to come.
fn ask(question: &Question) -> bool {
    let timeout = Duration::from_millis(question.timeout.into());
    hostcalls::dispatch_grpc_call(&question.target, SERVICE, METHOD, Vec::new(), Some(&question.message), timeout)
        .is_ok()
}

/// Leaves the mark and edits the headers: an edit makes Envoy choose the route anew when it next asks for it, and by then the
/// mark is there. Where none is set, one that is not there is removed, which does it too.
fn forward(remove: &[String], set: &[(&str, String)]) -> bool {
    let touched = set.is_empty().then_some("x-fieldgate-seen");
    let removed = remove.iter().map(String::as_str);
    hostcalls::set_property(MARK.to_vec(), Some(SEEN)).is_ok()
        && touched
            .into_iter()
            .chain(removed)
            .map(|name| hostcalls::remove_map_value(MapType::HttpRequestHeaders, name))
            .chain(
                set.iter()
                    .map(|(name, value)| hostcalls::set_map_value(MapType::HttpRequestHeaders, name, Some(value))),
            )
            .all(|outcome| outcome.is_ok())
}

fn identify(policy: &PolicySet, headers: &Headers) -> Caller {
    let claims = |payloads: &[String]| verified_claims(&host::property(&["metadata"])?, payloads);
    Caller::known_by(policy, headers, claims, || host::property(&["connection", "uri_san_peer_certificate"]))
}
