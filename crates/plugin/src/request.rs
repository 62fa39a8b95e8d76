//! What is done with a request: who asks, what budgets say, and how it goes on.

use std::time::Duration;

use fieldgate::budget::{METHOD, SERVICE};
use fieldgate::caller::Caller;
use fieldgate::exchange::{End, Headers, Question, RequestDirective};
use fieldgate::model::PolicySet;
use fieldgate::model::moment::Moment;
use fieldgate::protobuf::verified_claims;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, MapType};

use crate::host;
use crate::store::HostStore;
use crate::stream::{RequestState, Stream};

/// The filter state `wasm.fieldgate` of a request that may go on. A route can ask for it, so that nothing reaches the
/// upstream unless the plugin has seen it.
const MARK: [&str; 1] = ["fieldgate"];
const SEEN: &[u8] = b"seen";

impl Stream {
    /// The request's head has come.
    pub(super) fn ask_upstream(&mut self, end: End) -> Action {
        let Some(headers) = host::headers(MapType::HttpRequestHeaders) else { return host::refuse() };
        let caller = identify(self.program.policy(), &headers);
        let now = self.now();
        let mut directive = self.exchange.on_request(&headers, caller, now);
        if directive == RequestDirective::Reserve {
            directive = self.exchange.reserve(end, now, &mut HostStore);
        }
        self.request = self.obey(directive, now);
        match self.request {
            RequestState::GoesOn => Action::Continue,
            RequestState::Waits | RequestState::Answered => Action::Pause,
            RequestState::Unasked | RequestState::Failed => self.reply_to_failure(),
        }
    }

    /// The rate limit service's message has come, or none for a call that failed.
    pub(super) fn answer(&mut self, message: Option<Vec<u8>>) {
        let now = self.now();
        let directive = self.exchange.on_answer(message.as_deref(), now, &mut HostStore);
        self.request = self.obey(directive, now);
        match self.request {
            RequestState::GoesOn if hostcalls::resume_http_request().is_ok() => {}
            RequestState::Waits | RequestState::Answered => {}
            RequestState::GoesOn | RequestState::Unasked | RequestState::Failed => {
                self.reply_to_failure();
            }
        }
    }

    /// Does with a request what was decided. A rate limit service that is asked may be one that Envoy does not know, and the
    /// next budget's another.
    fn obey(&mut self, mut directive: RequestDirective, now: Option<Moment>) -> RequestState {
        while let RequestDirective::Ask(question) = &directive {
            if ask(question) {
                return RequestState::Waits;
            }
            directive = self.exchange.on_answer(None, now, &mut HostStore);
        }
        self.reserved = self.exchange.reservations();
        self.metrics.reserved(self.program.policy(), &self.reserved, 1);
        match directive {
            RequestDirective::Forward { remove, set } if forward(&remove, &set) => RequestState::GoesOn,
            RequestDirective::Refuse(problem) => {
                host::reply(&problem);
                RequestState::Answered
            }
            RequestDirective::Forward { .. } | RequestDirective::Reserve | RequestDirective::Ask(_) => {
                RequestState::Failed
            }
        }
    }

    /// The time, where the policy needs it.
    fn now(&self) -> Option<Moment> {
        if self.program.needs_clock() { host::time().and_then(Moment::of) } else { None }
    }
}

/// Asks the rate limit service: whether an answer is to come.
fn ask(question: &Question) -> bool {
    let timeout = Duration::from_millis(question.timeout.into());
    hostcalls::dispatch_grpc_call(&question.cluster, SERVICE, METHOD, Vec::new(), Some(&question.message), timeout)
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
