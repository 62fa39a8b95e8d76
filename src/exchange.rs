//! [`Exchange`]: one request and its response, event by event. Events in, directives out: it asks the host for nothing.
//!
//! ```text
//! on_request ─► AwaitingHead ─► on_response_head ─┬► Holding ──► Streaming     a body that is rewritten
//!      │                                          ├► Sniffing ─► Opaque        other content, where a route passes it
//!      │                                          └► Emptying                  no body may pass
//!      ├► Passed     nothing is governed
//!      ├► Reporting  the route only reports: all passes, and another exchange decides on the side
//!      └► Answered   refused before the upstream was asked
//! ```
//!
//! Every event takes the phase and leaves [`Phase::Closed`] until it has decided; `Closed` refuses whatever comes, so a
//! lost state fails closed (rule 39). End of stream and trailers are the same event: whichever comes ends the body.

mod admission;
mod body;
mod head;
mod opening;
mod recorded;
mod request;
mod told;
mod whole;
mod write_budget;

use std::mem;
use std::rc::Rc;

pub use admission::{Account, Question};
pub use head::status_and_fields;
pub use told::{Loudness, Reporter};
pub use whole::{Answer, Request, Response, respond, respond_with};

use crate::caller::Caller;
use crate::json::Texts;
use crate::model::moment::Moment;
use crate::model::{Level, RouteBody, RouteId, ScopeId};
use crate::program::memory::StreamShare;
use crate::program::{FieldCount, Person, Program, View};
use crate::refusal::{Problem, Refusal};
use crate::rewrite::{Counts, Rewriter};
use admission::{Spending, Waiting};
use body::{Carrier, HeadState, Holding, Length, Purpose, Sniffing, Streaming};
use head::{Answers, Content, OwnType, Repeated, ResponseKind, Whose};
use recorded::Noted;
use request::Reading;

/// Header names, in lower case, and values, in order.
pub type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// Whether more of a message follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// More may follow: body or trailers.
    More,
    /// This was the last of it.
    Last,
}

/// What to do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestDirective {
    /// Forward it without these headers, and with those set.
    Forward {
        /// Names to remove, as the request spells them.
        remove: Vec<String>,
        /// Names and values to set.
        set: Vec<(&'static str, String)>,
    },
    /// Call [`Exchange::reserve`]: budgets are to be asked first.
    Reserve,
    /// Keep the request back, ask the rate limit service, and hand its answer to [`Exchange::on_answer`].
    Ask(Question),
    /// Answer it.
    Refuse(Problem),
}

/// What to do with a response's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadDirective<'a> {
    /// Send it as it is.
    Pass,
    /// Send this one instead.
    Send(&'a Headers),
    /// Take this one instead, and keep it back until the body is decided.
    Hold(&'a Headers),
    /// Answer with a problem instead; no head has been sent.
    Refuse(Problem),
}

/// What to do with a response's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyDirective<'a> {
    /// Let it go as it is.
    Pass,
    /// Put these bytes in the place of all that the host has of the body, and let them go.
    Send(&'a [u8]),
    /// Put these bytes in the place of all that the host has of the body, and keep them and the head back.
    Hold(&'a [u8]),
    /// These bytes are all of the body: say so with a `content-length` in the head that is kept back, put them in the place of
    /// all that the host has, and let head and body go.
    Whole(&'a [u8]),
    /// Answer with this head, `:status` in it, and this body instead; no head has been sent. They are the whole response,
    /// where the body is more than may be written in the place of what the host has.
    Answer {
        /// The rewritten head.
        head: &'a Headers,
        /// The rewritten body.
        body: &'a [u8],
    },
    /// Answer with a problem instead; no head has been sent.
    Refuse(Problem),
    /// Reset the stream: the head is gone, and no byte may follow.
    Reset,
}

/// What to do when a response's trailers come. The trailers themselves are always removed, but for `Pass`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrailersDirective<'a> {
    /// Let everything go as it is.
    Pass,
    /// Remove the trailers and let the rest go.
    Drop,
    /// Put these bytes in the place of the body that is held back, remove the trailers and let all go.
    Send(&'a [u8]),
    /// These bytes are the whole body: put them in its place, with a `content-length` in the head that is kept back.
    Whole(&'a [u8]),
    /// Answer with this head and body instead, as [`BodyDirective::Answer`] does.
    Answer {
        /// The rewritten head.
        head: &'a Headers,
        /// The rewritten body.
        body: &'a [u8],
    },
    /// Answer with a problem instead; no head has been sent.
    Refuse(Problem),
    /// Reset the stream.
    Reset,
}

/// What there is to log and count of an exchange: indexes, reasons and numbers, never a byte of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// The governed route.
    pub route: Option<RouteId>,
    /// Why it was refused, if it was.
    pub refusal: Option<Refusal>,
    /// What became of the scalars of its body.
    pub counts: Counts,
    /// Whether any of that was acted on.
    pub mode: Mode,
}

/// Whether what is decided is acted on (rule 38).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    #[default]
    Enforced,
    /// The route only reports: the counts are of what would have become of a response that passed as it came.
    Reported {
        /// Why it would have been refused, if so.
        would_refuse: Option<Refusal>,
    },
}

/// One request and its response.
///
/// # The protocol
///
/// The host brings its events in this order, each at most once but for the parts of the body:
///
/// 1. [`on_request`](Self::on_request): the request's head. Forward it, or answer it. Where budgets bind the route, it says
///    [`RequestDirective::Reserve`]: call [`reserve`](Self::reserve) with the store. That may say
///    [`RequestDirective::Ask`]: keep the request back, ask the rate limit service, and call
///    [`on_answer`](Self::on_answer). A host that waits has all of it in [`begin`](Self::begin) and [`resume`](Self::resume).
/// 2. [`on_response_head`](Self::on_response_head): the response's head, also of the answer of step 1.
/// 3. [`on_response_body`](Self::on_response_body): each part of the body, then [`taken`](Self::taken) once the bytes of the
///    directive are copied. The last event of a response says [`End::Last`], unless trailers follow.
/// 4. [`on_response_trailers`](Self::on_response_trailers): the trailers. They end the body as `End::Last` does.
/// 5. [`settle`](Self::settle), then [`report`](Self::report) and [`record`](Self::record), when the stream is over, however
///    it ended. [`Reporter`] has what is counted and logged of it.
///
/// An event that comes out of order is refused ([`Refusal::Internal`]).
///
/// # Examples
///
/// A host that has one response, in parts:
///
/// ```
/// use std::rc::Rc;
///
/// use fieldgate::caller::Caller;
/// use fieldgate::exchange::{BodyDirective, End, Exchange, HeadDirective, Headers, RequestDirective};
/// use fieldgate::policy;
/// use fieldgate::program::Program;
///
/// fn headers(pairs: &[(&str, &str)]) -> Headers {
///     pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
/// }
///
/// let (policy, _) = policy::from_json(br#"{"language": 1, "policy": "accounts",
///     "identity": {"source": "jwt_authn", "payload": "jwt", "client": "azp", "scopes": "scope"},
///     "classes": {"reference": {"about": "Status"}},
///     "routes": {"get-account": {"match": "GET /accounts/{id}", "area": "accounts", "body": {"$.status": "reference"}}},
///     "scopes": {"care.read": {"areas": ["accounts"], "grant": {"reference": "show"}}}}"#)?;
/// let program = Rc::new(Program::new(policy, None)?);
/// let mut exchange = Exchange::new(Rc::clone(&program));
///
/// // The request's head. What the caller is comes from something that the host has verified.
/// let caller = Caller::new(program.policy(), "app", vec!["care.read".to_owned()], serde_json::Value::Null);
/// let request = headers(&[(":method", "GET"), (":path", "/accounts/42"), (":authority", "api.example")]);
/// match exchange.on_request(&request, caller, None) {
///     RequestDirective::Forward { .. } => { /* edit the headers, ask the upstream */ }
///     RequestDirective::Reserve | RequestDirective::Ask(_) => unreachable!("the policy has no budgets"),
///     RequestDirective::Refuse(problem) => panic!("answer with {}", problem.status),
/// }
///
/// // The response's head.
/// let head = headers(&[(":status", "200"), ("content-type", "application/json"), ("content-length", "35")]);
/// match exchange.on_response_head(&head, End::More) {
///     HeadDirective::Pass => { /* send the upstream's head */ }
///     HeadDirective::Send(_) | HeadDirective::Hold(_) => { /* send this one instead, at once or with the body */ }
///     HeadDirective::Refuse(problem) => panic!("answer with {}", problem.status),
/// }
///
/// // The body. `buffer` is what the host has of it: what it was told to hold, and what has come since.
/// let mut client = Vec::new();
/// let mut buffer = Vec::new();
/// for (part, end) in [(r#"{"status": "active", "#, End::More), (r#""pin": "1234"}"#, End::Last)] {
///     buffer.extend_from_slice(part.as_bytes());
///     let new = buffer[exchange.held_back()..].to_vec();
///     match exchange.on_response_body(&new, buffer.len(), end) {
///         BodyDirective::Pass => client.append(&mut buffer),
///         // `Whole` is all of the body: its length may be said in the head.
///         BodyDirective::Send(bytes) | BodyDirective::Whole(bytes) => {
///             client.extend_from_slice(bytes);
///             buffer.clear();
///         }
///         BodyDirective::Hold(bytes) => buffer = bytes.to_vec(),
///         BodyDirective::Answer { body, .. } => client = body.to_vec(),
///         BodyDirective::Refuse(problem) => panic!("answer with {}", problem.status),
///         BodyDirective::Reset => panic!("reset the stream"),
///     }
///     exchange.taken();
/// }
/// assert_eq!(client, br#"{"status":"active"}"#);
/// assert_eq!(exchange.report().counts.hidden, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Exchange {
    program: Rc<Program>,
    phase: Phase,
    /// The response's head as the caller gets it.
    head: Headers,
    /// What the caller gets of the body and the host does not have yet, or holds back.
    out: Vec<u8>,
    report: Report,
    /// Headers of the request that are put on every answer (rule 31).
    echo: Vec<(String, String)>,
    /// The view whose counts are asked for: on a route that only reports, or that budgets bind.
    counted: Option<Rc<View>>,
    /// What budgets hold for it.
    spending: Spending,
    /// How the response comes, as far as the host knows.
    carrier: Carrier,
    /// What it keeps of the body, among what all streams of the worker keep.
    share: StreamShare,
    /// For the decision record.
    noted: Noted,
}

#[derive(Debug, Default)]
enum Phase {
    /// A lost state, or none: refuses whatever comes.
    #[default]
    Closed,
    /// Awaits the request.
    Idle,
    /// Nothing is governed.
    Passed,
    /// All passes; what would be done is done by this exchange, whose directives are dropped.
    Reporting(Box<Exchange>),
    /// The request was refused; what comes is the local reply.
    Answered,
    /// Awaits [`Exchange::reserve`].
    Reserving(Box<Waiting>),
    /// Awaits the rate limit service's answer.
    Asking(Box<Waiting>),
    /// Awaits the response's head.
    AwaitingHead(Box<GovernedRequest>),
    Holding(Box<Holding>),
    Streaming(Box<Streaming>),
    Sniffing(Box<Sniffing>),
    /// The body is passed, the trailers are not.
    Opaque,
    /// No body may pass.
    Emptying,
    /// The response was refused: nothing more of it may pass.
    Refused,
}

/// A request on a governed route.
#[derive(Debug)]
struct GovernedRequest {
    route: RouteId,
    caller: Caller,
    /// The ceiling of the budgets' steps (rule 35).
    ceiling: Level,
    view: Rc<View>,
}

impl Exchange {
    /// An exchange that awaits its request.
    #[must_use]
    pub fn new(program: Rc<Program>) -> Self {
        let (head, out, echo) = Default::default();
        let spending = Spending::default();
        let share = program.memory().share();
        Self {
            program,
            phase: Phase::Idle,
            head,
            out,
            report: Report::default(),
            echo,
            counted: None,
            carrier: Carrier::Pieces,
            share,
            spending,
            noted: Noted::default(),
        }
    }

    /// What there is to log and count so far.
    #[must_use]
    pub fn report(&self) -> Report {
        let Phase::Reporting(aside) = &self.phase else { return self.report };
        let Report { route, refusal, counts, .. } = aside.report;
        Report { route, refusal: None, counts, mode: Mode::Reported { would_refuse: refusal } }
    }

    /// On a route that only reports: the caller's active scopes, and how many values there were so far of each place of the
    /// policy, at which level. Nothing of a response that would be refused, and nothing where the route enforces.
    #[must_use]
    pub fn fields(&self) -> (Vec<ScopeId>, Vec<FieldCount>) {
        let Phase::Reporting(aside) = &self.phase else { return Default::default() };
        let counted = aside.counted.as_ref().filter(|_| aside.report.refusal.is_none());
        counted.map(|view| (view.scopes().to_vec(), view.counted())).unwrap_or_default()
    }

    /// Whether the host holds back what it was last told to hold: then what it has of the body is that, and what came
    /// since. Its length, to read only what is new.
    #[must_use]
    pub fn held_back(&self) -> usize {
        match &self.phase {
            Phase::Holding(holding) => holding.held_back(),
            _ => 0,
        }
    }

    /// The reply to a refusal, with what of the request comes back (rule 31): the host's own failures are told so too.
    #[must_use]
    pub fn problem(&self, refusal: Refusal, target: &str) -> Problem {
        self.echoing(Problem::new(refusal, target))
    }

    /// The host could not do what it was told: nothing more of the response may go, and this is the reply where its head has
    /// not gone.
    pub fn host_fails(&mut self) -> Problem {
        if !self.noted.head_gone {
            self.releases_nothing();
        }
        self.refused(Refusal::Host);
        self.problem(Refusal::Host, "")
    }

    fn echoing(&self, problem: Problem) -> Problem {
        problem.with_headers(self.echo.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// The request's head (rules 3 to 9, 32, 33). `now` decides whether the route only reports, for the whole exchange: a
    /// response does not change halfway. Without it every route enforces (rule 38).
    pub fn on_request(&mut self, headers: &Headers, caller: Caller, now: Option<Moment>) -> RequestDirective {
        let target = head::single(headers, ":path").ok().flatten().unwrap_or_default();
        self.echo = head::echoed(headers, self.program.policy().defaults.headers.echo.iter());
        self.noted.request(headers);
        let decided = self.request(headers, caller, now);
        if let Err(refusal) = decided {
            self.phase = Phase::Answered;
            self.report.refusal = Some(refusal);
            self.noted.status = Some(refusal.status());
        }
        let route = self.report.route.and_then(|id| self.program.policy().routes.get(usize::from(id.0)));
        let reports = route.is_some_and(|route| route.reports_at(now));
        match decided {
            // What goes through a tunnel may be for other routes.
            Err(refusal) if !reports || refusal == Refusal::Upgrade => {
                RequestDirective::Refuse(self.problem(refusal, target))
            }
            Ok(directive) if !reports => directive,
            // The request goes out as when enforced, or the upstream would answer another question.
            decided => {
                let forwarded = self.forwarded(headers, Reading::AndWriting);
                let mut aside = mem::replace(self, Self::new(Rc::clone(&self.program)));
                aside.spending.passes = true;
                self.phase = Phase::Reporting(Box::new(aside));
                decided.unwrap_or(forwarded)
            }
        }
    }

    fn request(&mut self, headers: &Headers, caller: Caller, now: Option<Moment>) -> Result<RequestDirective, Refusal> {
        let Phase::Idle = mem::take(&mut self.phase) else { return Err(Refusal::Internal) };
        let one = |name| head::single(headers, name).map_err(|Repeated| Refusal::BadRequest);
        let (Some(method), Some(target)) = (one(":method")?, one(":path")?) else { return Err(Refusal::BadRequest) };
        let authority = one(":authority")?.unwrap_or_default();
        let Some(id) = self.program.find(authority, method, target)? else {
            self.phase = Phase::Passed;
            return Ok(request::passed(headers));
        };
        let route = self.program.policy().routes.get(usize::from(id.0)).ok_or(Refusal::Internal)?;
        if matches!(route.body, RouteBody::Pass(_)) {
            self.program.check_query(id, target)?;
            self.phase = Phase::Passed;
            return Ok(request::passed(headers));
        }
        self.report.route = Some(id);
        self.echo = head::echoed(headers, self.program.headers(id).flat_map(|names| &names.echo));
        if head::asks_for_upgrade(headers) {
            return Err(Refusal::Upgrade);
        }
        self.noted.caller(&self.program, id, &caller);
        self.program.check_query(id, target)?;
        let view = self.program.view(id, &caller)?;
        let reads = matches!(method, "GET" | "HEAD");
        if view.shows_nothing() && reads {
            return Err(if caller.is_nobody() { Refusal::NoIdentity } else { Refusal::NothingVisible });
        }
        let reading = if reads { Reading::Only } else { Reading::AndWriting };
        let forwarded = self.forwarded(headers, reading);
        let named = self.program.subjects().in_path(route, target);
        self.spending.path = named;
        self.noted.somebody = Person::in_path(self.program.policy(), id, target);
        let reports = route.reports_at(now);
        // A route that only reports lets everything pass: budgets count what has left, once it has.
        if let (Some(budgets), false) = (self.program.budgets(), reports) {
            let mut waiting = Waiting::new(budgets, &self.program, id, caller, target, headers, (reads, named));
            waiting.onward = Some(forwarded);
            self.phase = Phase::Reserving(Box::new(waiting));
            return Ok(RequestDirective::Reserve);
        }
        let view = self.noting(view, id, &[]);
        let view = Rc::new(if reports { view.tallied() } else { view });
        if reports {
            self.counted = Some(Rc::clone(&view));
            let program = Rc::clone(&self.program);
            if let Some(budgets) = program.budgets() {
                self.counts_only(Waiting::new(budgets, &program, id, caller.clone(), target, headers, (reads, named)));
            }
        }
        self.phase = Phase::AwaitingHead(Box::new(GovernedRequest { route: id, caller, ceiling: Level::Show, view }));
        Ok(forwarded)
    }

    fn forwarded(&self, headers: &Headers, reading: Reading) -> RequestDirective {
        let answers = self.report.route.map(|route| answers(&self.program, route)).unwrap_or_default();
        request::governed(headers, reading, answers)
    }

    /// Whether it matters to a response with this head whether it comes in frames of at most 16 KiB (HTTP/2), and the head does
    /// not tell: it has no length that is within the hold window, and nothing that only HTTP/1 has.
    #[must_use]
    pub fn asks_for_frames(&self, headers: &Headers) -> bool {
        let hold = u64::from(self.program.policy().limits.hold);
        matches!(self.phase, Phase::AwaitingHead(_)) && head::can_hold(&self.program) && head::is_untold(headers, hold)
    }

    /// The host is certain that the response comes so, and says it before its head.
    pub fn comes_in_frames(&mut self) {
        match &mut self.phase {
            Phase::Reporting(aside) => aside.carrier = Carrier::Frames,
            _ => self.carrier = Carrier::Frames,
        }
    }

    /// The response's head (rules 25, 29 to 31, 40).
    pub fn on_response_head(&mut self, headers: &Headers, end: End) -> HeadDirective<'_> {
        let decided = match mem::take(&mut self.phase) {
            phase @ (Phase::Passed | Phase::Answered) => {
                self.noted.status = head::number(headers);
                self.phase = phase;
                return HeadDirective::Pass;
            }
            Phase::Reporting(mut aside) => {
                self.noted.status = head::number(headers);
                aside.on_response_head(headers, end);
                self.phase = Phase::Reporting(aside);
                return HeadDirective::Pass;
            }
            // The host gives up a request that waits for the rate limit service: it is as if that had not answered.
            Phase::Asking(_) => {
                self.fails();
                Err(Refusal::BudgetStore)
            }
            Phase::AwaitingHead(governed) => self.response_head(*governed, headers, end),
            _ => Err(Refusal::Internal),
        };
        if decided.is_ok() && self.shows_class() {
            self.releases_unnamed();
        }
        match decided {
            Ok(HeadState::Held) => HeadDirective::Hold(&self.head),
            Ok(HeadState::Sent) => HeadDirective::Send(&self.head),
            Err(refusal) => {
                self.releases_nothing();
                self.refused(refusal);
                HeadDirective::Refuse(self.problem(refusal, ""))
            }
        }
    }

    /// Leaves the rewritten head, and says where it is from now on.
    fn response_head(&mut self, governed: GovernedRequest, headers: &Headers, end: End) -> Result<HeadState, Refusal> {
        let GovernedRequest { route, caller, ceiling, view } = governed;
        let (status, kind) = head::status(headers)?;
        self.noted.status = Some(status);
        let whose = Whose { program: &self.program, route, caller: &caller, ceiling, echo: &self.echo };
        let rewritten = |own_type| head::rewrite(headers, status, own_type, &whose);
        if self.program.policy().counts_cost() {
            self.spending.cost_of_head = head::cost(headers, &whose);
        }
        let answers = answers(&self.program, route);
        let length = Length { declared: head::declared(headers, self.carrier), limits: self.program.policy().limits };
        if end == End::Last || kind == ResponseKind::Bodiless || (kind == ResponseKind::Success && view.shows_nothing())
        {
            self.phase = Phase::Emptying;
            // A HEAD response names the type that the GET response would have. 204 and 304 name none, however the host tells
            // that their body ends.
            let own_type = match head::content(headers, answers.filtered()) {
                Ok(Content::Json { media_type, .. }) if end == End::Last && kind != ResponseKind::Bodiless => {
                    OwnType::Is(media_type)
                }
                _ => OwnType::None,
            };
            self.head = rewritten(own_type);
            return Ok(HeadState::Sent);
        }
        let where_head_waits = if head::can_hold(&self.program) { HeadState::Held } else { HeadState::Sent };
        if kind == ResponseKind::Error {
            let Ok(Content::Json { texts: Texts::One, media_type }) = head::content(headers, answers.filtered()) else {
                self.phase = Phase::Emptying;
                self.head = rewritten(OwnType::None);
                return Ok(HeadState::Sent);
            };
            let rewriter = Rewriter::new(Rc::new(self.program.error_view()?), Texts::One);
            self.noted.has_body = true;
            self.phase = where_head_waits.phase(rewriter, length, Purpose::Error);
            self.head = rewritten(OwnType::Is(media_type));
            return Ok(where_head_waits);
        }
        let (phase, own_type) = match head::content(headers, answers)? {
            Content::Json { texts, media_type } => {
                let rewriter = Rewriter::new(view, texts);
                (where_head_waits.phase(rewriter, length.of(texts), Purpose::Answer), OwnType::Is(media_type))
            }
            Content::Other => {
                (Phase::Sniffing(Box::new(Sniffing::new(view, length, where_head_waits))), OwnType::Upstream)
            }
        };
        self.head = rewritten(own_type);
        if own_type == OwnType::Upstream {
            self.releases_unnamed();
        }
        self.phase = phase;
        self.noted.has_body = true;
        self.releases();
        Ok(where_head_waits)
    }

    /// Whether the head that the caller gets has a header that follows a class.
    fn shows_class(&self) -> bool {
        self.report.route.is_some_and(|route| head::shows_class(&self.head, &self.program, route))
    }

    fn refused(&mut self, refusal: Refusal) {
        // Less than before is never refused.
        let _ = self.share.keep(0);
        self.phase = Phase::Refused;
        self.out = Vec::new();
        self.report.refusal = Some(refusal);
        if !self.spending.released {
            self.noted.status = Some(refusal.status());
        }
    }
}

impl HeadState {
    /// The phase of a body that is rewritten while its head is there.
    fn phase(self, rewriter: Rewriter, length: Length, purpose: Purpose) -> Phase {
        match self {
            Self::Held => Phase::Holding(Box::new(Holding::new(rewriter, length, purpose))),
            Self::Sent => Phase::Streaming(Box::new(Streaming::new(rewriter, length, purpose))),
        }
    }
}

/// What a route answers with.
fn answers(program: &Program, route: RouteId) -> Answers<'_> {
    match program.policy().routes.get(usize::from(route.0)).map(|route| &route.body) {
        Some(RouteBody::Governed(governed)) => Answers::of(governed),
        _ => Answers::default(),
    }
}
