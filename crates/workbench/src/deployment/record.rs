//! Whether the decision records come out of an access log, whole: without them nobody can say afterwards what left, and to whom.

use super::field::{at, elements, get, head, set, text, walk};
use super::look::Look;
use super::patch::Extent;
use super::resource;
use super::survey::Survey;
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::{Node, Tree};

/// The command of a format that prints the record, up to its closing parenthesis.
const COMMAND: &str = "%FILTER_STATE(wasm.fieldgate_record";

/// What is said where there is no record at all, of Envoy and Istio.
const HELP: &str = "write `%FILTER_STATE(wasm.fieldgate_record:PLAIN)%` into a text format of an access log";

/// Looks for the record in the access logs of a connection manager whose plugin stands at `place`.
pub(super) fn manager(look: &mut Look, manager: &Node, place: Span) {
    let logs = elements(manager, "access_log");
    let place = get(manager, "access_log").map_or(place, |_| logs.first().map_or(place, head));
    judge(look, logs.iter().map(log), place, HELP);
}

/// Looks for it where EnvoyFilters patch connection managers: what meshConfig or a Telemetry print is not among the files.
pub(super) fn mesh(look: &mut Look, survey: &Survey<'_>) {
    let patched = || survey.managers.iter().filter(|one| one.extent == Extent::Patch);
    if let Some(first) = patched().next() {
        let logs = patched().flat_map(|one| elements(one.node, "access_log")).map(log);
        judge(look, logs, head(first.node), HELP);
    }
}

/// Looks for it in each EnvoyProxy: without one, what Envoy Gateway prints is not among the files.
pub(super) fn gateway(look: &mut Look, survey: &Survey<'_>) {
    for proxy in survey.resources.iter().filter(|one| one.kind == "EnvoyProxy") {
        let telemetry = at(proxy.node, &["spec", "telemetry", "accessLog"]);
        let place = telemetry.map_or_else(|| resource::place(proxy.node), head);
        let help = "write `telemetry: {accessLog: {settings: [{format: {type: Text, text: \"…%FILTER_STATE(wasm.fieldgate_record:PLAIN)%\\n\"}, sinks: […]}]}}` under `spec`";
        if let Some(span) = telemetry.and_then(|telemetry| set(telemetry, "disable")) {
            look.say(Code::NoRecord, span, NONE, "take it out: without an access log there are no decision records");
            continue;
        }
        let settings = telemetry.map(|telemetry| elements(telemetry, "settings")).unwrap_or_default();
        judge(look, settings.iter().map(setting), place, help);
    }
}

const NONE: &str = "no access log here prints the decision records: nobody can say afterwards what left, and to whom";

/// What one access log has of the record.
enum Printed {
    Nothing,
    Whole,
    /// The record, and what is wrong with it: where, what, and the way out.
    Partly(Span, &'static str, &'static str),
}

/// Says what is wrong, unless one of the logs has all of it.
fn judge(look: &mut Look, logs: impl Iterator<Item = Printed>, place: Span, help: &str) {
    let mut partly = None;
    for log in logs {
        match log {
            Printed::Whole => return,
            Printed::Partly(span, what, help) => partly = partly.or(Some((span, what, help))),
            Printed::Nothing => {}
        }
    }
    match partly {
        Some((span, what, help)) => look.say(Code::NoRecord, span, what, help),
        None => look.say(Code::NoRecord, place, NONE, help),
    }
}

const SOME: &str = "this access log prints decision records of some responses only";

/// An access log of Envoy's.
fn log(log: &Node) -> Printed {
    let structured = at(log, &["typed_config", "log_format", "json_format"])
        .or_else(|| at(log, &["typed_config", "json_format"]))
        .or_else(|| at(log, &["typed_config", "typed_json_format"]));
    printed(log, structured, get(log, "filter"))
}

/// A setting of Envoy Gateway's access log.
fn setting(setting: &Node) -> Printed {
    if text(setting, "type") == Some("Listener") {
        return Printed::Nothing;
    }
    printed(setting, at(setting, &["format", "json"]), get(setting, "matches"))
}

/// What of the record is in a log: the first command that prints it decides. `structured` is the part of it that is written as
/// JSON, `filter` what chooses among responses.
fn printed(log: &Node, structured: Option<&Node>, filter: Option<&Node>) -> Printed {
    let Some((span, format)) = command(log) else { return Printed::Nothing };
    let rest = format.split_once(COMMAND).map(|(_, rest)| rest).unwrap_or_default();
    if structured.is_some_and(|structured| command(structured).is_some()) {
        Printed::Partly(
            span,
            "a format in JSON makes a string of the decision record, in which every quotation mark is escaped",
            "write a text format",
        )
    } else if !rest.starts_with(":PLAIN)") {
        Printed::Partly(span, "without `:PLAIN` the decision record is printed as a quoted string", HELP)
    } else if !rest.starts_with(":PLAIN)%") {
        Printed::Partly(span, "a length cuts the decision record", HELP)
    } else if prints_callers_text(format) {
        Printed::Partly(
            span,
            "this access log prints what callers write, as long as they like: one can write a record of its own, or one that hides the real one",
            "print such a header with a bound of 64 bytes at most, as in `%REQ(X-REQUEST-ID):64%`, or not at all",
        )
    } else if let Some(filter) = filter {
        Printed::Partly(head(filter), SOME, "give the records a log of their own, without a filter")
    } else {
        Printed::Whole
    }
}

/// Commands that print what a caller wrote; with a length it may be too short for a record.
const CALLERS: [&str; 5] = ["%REQ", "%REQUEST_HEADER", "%PATH", "%QUERY_PARAM", "%QUERY_PARAMS"];

/// What no record fits into, in bytes.
const BOUND: u32 = 64;

/// Whether a format prints what a caller wrote without such a bound.
fn prints_callers_text(format: &str) -> bool {
    let has_no_bound = |rest: &str| match rest.strip_prefix('(') {
        Some(rest) => {
            let behind = rest.split_once("):").and_then(|(_, behind)| behind.split('%').next());
            behind.and_then(|length| length.parse::<u32>().ok()).is_none_or(|length| length > BOUND)
        }
        // A longer name than this, or one that takes nothing.
        None => rest.starts_with('%'),
    };
    CALLERS.iter().any(|command| format.split(command).skip(1).any(has_no_bound))
}

/// The first text in a tree that has the command.
fn command(tree: &Node) -> Option<(Span, &str)> {
    let mut found = None;
    walk(tree, &mut |node| {
        if let Tree::Text { text, .. } = &node.value
            && found.is_none()
            && text.contains(COMMAND)
        {
            found = Some((node.span, &**text));
        }
    });
    found
}
