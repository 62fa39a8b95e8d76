//! A whole exchange at once, for the command line and for tests: the same core, without a host.

use std::rc::Rc;

use super::{Account, BodyDirective, End, Exchange, HeadDirective, Headers, Report, RequestDirective};
use crate::budget::{MemoryStore, Shared};
use crate::caller::Caller;
use crate::model::moment::Moment;
use crate::program::{FieldCount, Program};
use crate::refusal::Problem;

/// A request, as far as the policy asks.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method, in upper case.
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// Authority and other headers.
    pub headers: Headers,
    /// Who is asking.
    pub caller: Caller,
    /// When; without a clock every route enforces (rule 38).
    pub now: Option<Moment>,
}

/// What the upstream answers.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Headers,
    /// The whole body.
    pub body: Vec<u8>,
}

/// What the caller gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Header names in lower case, and values, without framing.
    pub headers: Headers,
    /// The whole body.
    pub body: Vec<u8>,
    /// What happened.
    pub report: Report,
    /// What budgets did.
    pub account: Account,
    /// On a route that only reports: how many values there were of each place of the policy, at which level.
    pub fields: Vec<FieldCount>,
}

/// Runs one exchange whose budgets are untouched. See [`respond_with`].
#[must_use]
pub fn respond(program: &Rc<Program>, request: Request, response: &Response) -> Answer {
    respond_with(program, request, response, &mut MemoryStore::default())
}

/// Runs one exchange, whose budgets are kept in `store`. A refusal is answered as with a held head: by its problem, whatever
/// had been decided before. A rate limit service is taken to grant what it is asked for, up to each budget's `max`.
#[must_use]
pub fn respond_with(program: &Rc<Program>, request: Request, response: &Response, store: &mut dyn Shared) -> Answer {
    let mut exchange = Exchange::new(Rc::clone(program));
    let now = request.now;
    let mut answer = run(&mut exchange, request, response, store);
    exchange.settle(now, store);
    answer.account = exchange.account();
    answer.report = exchange.report();
    answer
}

fn run(exchange: &mut Exchange, request: Request, response: &Response, store: &mut dyn Shared) -> Answer {
    let Request { method, target, mut headers, caller, now } = request;
    let mut pseudo: Headers =
        vec![(b":method".to_vec(), method.into_bytes()), (b":path".to_vec(), target.into_bytes())];
    pseudo.append(&mut headers);
    let mut directive = exchange.on_request(&pseudo, caller, now);
    if directive == RequestDirective::Reserve {
        directive = exchange.reserve_alone(now, store);
    }
    if let RequestDirective::Refuse(problem) = directive {
        return refused(problem, exchange);
    }
    let mut upstream: Headers = vec![(b":status".to_vec(), response.status.to_string().into_bytes())];
    upstream.extend(response.headers.iter().cloned());
    let end = if response.body.is_empty() { End::Last } else { End::More };
    let head = match exchange.on_response_head(&upstream, end) {
        HeadDirective::Pass => upstream,
        HeadDirective::Send(head) | HeadDirective::Hold(head) => head.clone(),
        HeadDirective::Refuse(problem) => return refused(problem, exchange),
    };
    let mut body = Vec::new();
    if end == End::More {
        match exchange.on_response_body(&response.body, response.body.len(), End::Last) {
            BodyDirective::Pass => body.extend_from_slice(&response.body),
            BodyDirective::Send(bytes)
            | BodyDirective::Hold(bytes)
            | BodyDirective::Whole(bytes)
            | BodyDirective::Answer { body: bytes, .. } => {
                body.extend_from_slice(bytes);
            }
            BodyDirective::Refuse(problem) => return refused(problem, exchange),
            BodyDirective::Reset => {
                let refusal = exchange.report().refusal.unwrap_or(crate::refusal::Refusal::Internal);
                return refused(exchange.problem(refusal, ""), exchange);
            }
        }
    }
    let status = head.iter().find(|(name, _)| name.as_slice() == b":status");
    let status = status.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok()).unwrap_or(response.status);
    let headers = head.into_iter().filter(|(name, _)| !name.starts_with(b":")).collect();
    let (_, fields) = exchange.fields();
    Answer { status, headers, body, report: exchange.report(), account: exchange.account(), fields }
}

fn refused(problem: Problem, exchange: &Exchange) -> Answer {
    let headers =
        problem.headers().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect();
    Answer {
        status: problem.status,
        headers,
        body: problem.body.into_bytes(),
        report: exchange.report(),
        account: exchange.account(),
        fields: Vec::new(),
    }
}
