//! The threats, each with what is right and the tests that hold it. `SECURITY.md` shows this table.
//!
//! A test is named by its claim, with `*` for whatever differs; one that runs without Envoy has its file in front. Every name
//! must be one of a test that is there. `UPDATE_GOLDENS=1 cargo test --test envoy -- "every threat"` writes the table.

use std::fmt::Write as _;
use std::fs;

/// An attack or accident.
struct Threat {
    id: &'static str,
    what: &'static str,
    right: &'static str,
    held_by: &'static [&'static str],
}

const fn threat(id: &'static str, what: &'static str, right: &'static str, held_by: &'static [&'static str]) -> Threat {
    Threat { id, what, right, held_by }
}

const TWINS: [&str; 3] = [
    "no caller can tell two withheld values apart, *",
    "no caller can tell by how a body in parts is cut *",
    "no caller can tell what stands where *",
];

const THREATS: &[Threat] = &[
    threat(
        "A1",
        "the VM traps",
        "`FAIL_RELOAD`: its streams end without a byte more, and requests get 503 until there is a new VM",
        &["a VM that dies leaks nothing, and the next one serves, *", "with FAIL_OPEN a VM that died would leak, *"],
    ),
    threat(
        "A2",
        "response trailers",
        "they end a body like its last byte, and are dropped",
        &["a withheld member never leaves", "what grows behind a part that was held back arrives whole"],
    ),
    threat(
        "A3",
        "the head is sent before the verdict on the body",
        "the head is held; where it cannot be, or has gone, the stream is reset",
        &[
            "a fault behind the hold window resets",
            "a body that is cut or broken in its middle is reset",
            "tests/exchange.rs: a_refusal_is_clean_while_the_head_is_held_and_a_cut_after_it",
        ],
    ),
    threat(
        "A4",
        "the plugin is missing, rejected, or disabled on a route",
        "the gate lets only what the plugin has seen go on to the upstream",
        &[
            "without the filter, or with it disabled, nothing passes unfiltered",
            "RBAC before the plugin takes the route's settings over the virtual host's",
            "tests/diagnostics/deployment.txt: no gate before the router",
            "tests/diagnostics/deployment.txt: a connection manager without the plugin",
            "tests/diagnostics/deployment.txt: the plugin turned off for a virtual host and for a weighted cluster",
            "tests/diagnostics/deployment.txt: the same upstream without the plugin",
            "tests/deployment.rs: each_line_that_security_leans_on_is_noticed_when_it_is_broken",
        ],
    ),
    threat(
        "A5",
        "an empty, truncated or misspelt policy",
        "it does not load; nothing is loaded as far as it parses",
        &[
            "a broken policy keeps Envoy from starting",
            "on a reload a broken policy is rejected and the old one goes on serving",
            "while policies are swapped under load *",
            "src/policy/tests.rs: no_part_of_a_policy_is_one",
            "tests/diagnostics/yaml.txt: an unknown key at the top has a near one",
            "tests/diagnostics/yaml.txt: the same key twice is an error that names both places",
        ],
    ),
    threat(
        "A6",
        "a write leaves a raw prefix or tail",
        "every write replaces all that Envoy has of the body",
        &[
            "a body of * bytes, nearly all withheld, leaves no trace",
            "a body of * bytes, nearly all shown, arrives whole",
            "a body in single bytes, or with stalls, is the same",
            "no buffer is too small for Envoy to live, *",
        ],
    ),
    threat(
        "A7",
        "repeated headers, headers that are not UTF-8",
        "all are read, as bytes; where one must speak, two are refused",
        &[
            "a repeated content-type is refused",
            "a repeated content-encoding is refused",
            "a header that is not UTF-8 does not stop the filter",
            "no spelling of a response header breaks the filter",
            "no request header says who is asking, or asks for a part",
        ],
    ),
    threat(
        "A8",
        "1xx responses, 103 with its links",
        "none is forwarded",
        &[
            "an early hint never leaves",
            "an early hint over HTTP/2 never leaves",
            "tests/diagnostics/deployment.txt: 1xx responses and upgrades pass no filter",
        ],
    ),
    threat(
        "A9",
        "a body over a limit, cut short, or split anywhere",
        "a problem or a reset; no byte of the upstream's behind it",
        &[
            "a body cut at any byte is not completed",
            "a body that the upstream cuts short is not completed",
            "a length that lies spills nothing",
            "sizes around each limit are within or refused, never in between",
            "tests/rewriting.rs: a_chunk_with_a_fault_is_refused_whatever_stands_before_it",
        ],
    ),
    threat(
        "A10",
        "upgrades, CONNECT, streams of events, gRPC",
        "refused on governed routes",
        &[
            "an upgrade or a tunnel is refused",
            "gRPC is refused",
            "a gRPC response is refused",
            "a stream of events is refused",
        ],
    ),
    threat(
        "A11",
        "documents made to cost: deep, wide, long, many at once",
        "bounded memory, and the next request works",
        &[
            "64 hostile documents at once cost a bounded memory, *",
            "under a mixed load every row holds and memory stays flat",
            "long bodies stream in constant memory: *",
        ],
    ),
    threat(
        "B1",
        "a content type that is missing, wrong, repeated, or of an odd charset",
        "read as strict UTF-8 JSON and filtered, or refused; the response has the plugin's own",
        &[
            "no content type lets a body pass unfiltered",
            "no content type lets JSON pass where other content does",
            "a body without a type is read as JSON",
        ],
    ),
    threat(
        "B2",
        "gzip, br, zstd, stacked or lying codings",
        "identity is forced; any other is refused",
        &[
            "no content coding lets a body pass",
            "a compressed error is emptied",
            "conditional and partial requests are asked in full",
        ],
    ),
    threat(
        "B3",
        "Range, 206, multipart/byteranges",
        "not forwarded; 206 is refused",
        &[
            "a part of a body is refused",
            "conditional and partial requests are asked in full",
            "no status lets a body pass unfiltered",
        ],
    ),
    threat(
        "B4",
        "HEAD and 304 with the length of the unfiltered body",
        "the length is removed",
        &["HEAD tells nothing of the body", "304 passes without its length"],
    ),
    threat(
        "B5",
        "entity tags, dates, digests, signatures to guess against",
        "dropped; conditions are not forwarded",
        &[
            "headers that no policy names do not leave",
            "no response header leaves that the policy does not name",
            "conditional and partial requests are asked in full",
            "no request header says who is asking, or asks for a part",
        ],
    ),
    threat(
        "B6",
        "`no-transform`",
        "the policy wins (a gateway is an origin here, RFC 9110 §3.7)",
        &[
            "no spelling of a response header breaks the filter",
            "no request header says who is asking, or asks for a part",
        ],
    ),
    threat(
        "B7",
        "a shared cache serves one scope's view to another",
        "`private, no-store`, `vary: authorization`; directives for caches on the way are dropped",
        &["answers are not for shared caches", "no response header leaves that the policy does not name"],
    ),
    threat(
        "B8",
        "Location, Link, Set-Cookie, Server-Timing, headers of one's own",
        "an allow-list",
        &[
            "headers that no policy names do not leave",
            "no response header leaves that the policy does not name",
            "a redirect leads nowhere",
        ],
    ),
    threat(
        "B9",
        "error bodies, stack traces, members beyond a problem's",
        "only the scalar members that the policy names",
        &[
            "no status lets a body pass unfiltered",
            "an error keeps what the policy lets it say",
            "an error that * is emptied",
            "tests/oracle_rewrite.rs: an_error_body_keeps_named_scalar_members_of_its_root",
        ],
    ),
    threat(
        "B10",
        "method override, batches, JSONP, concatenated JSON",
        "not forwarded, or refused",
        &[
            "no request header says who is asking, or asks for a part",
            "no query parameter passes that the route does not list",
            "a body with something behind it is refused",
            "no content type lets a body pass unfiltered",
        ],
    ),
    threat(
        "C1",
        "a member twice, also once escaped",
        "the document is refused",
        &[
            "a member name twice, once escaped is refused",
            "no name but the policy's own is the policy's",
            "tests/rewriting.rs: known_names_come_once_however_they_are_spelled",
        ],
    ),
    threat(
        "C2",
        "names that are escaped, of another case, composed otherwise, look alike, have spaces",
        "compared as code points, exactly; what is unknown is dropped",
        &["names that only look alike are others", "no name but the policy's own is the policy's"],
    ),
    threat(
        "C3",
        "an allowed scalar becomes an object",
        "nothing below it is visible",
        &["an object in a scalar's place is removed", "no place but the policy's own is the policy's"],
    ),
    threat(
        "C4",
        "names that hold `.`, `/`, `~`, `[0]`, `*`, `$`, quotes, NUL, or nothing",
        "compared as names, never as joined text",
        &["names that only look alike are others", "no name but the policy's own is the policy's"],
    ),
    threat(
        "C5",
        "arrays for objects and the reverse, arrays of arrays, lone scalars, wrappers",
        "an unknown shape is dropped; a root that would be removed is refused",
        &[
            "no place but the policy's own is the policy's",
            "a root that is a scalar is refused",
            "tests/rewriting.rs: a_root_that_would_be_removed_is_refused",
        ],
    ),
    threat(
        "C6",
        "marks, NaN, comments, trailing commas, lone surrogates, broken UTF-8, control characters, depth, trailing data",
        "refused",
        &[
            "what is not strict JSON is refused, and what is passes",
            "tests/json_strictness.rs: what_breaks_the_grammar_is_rejected_at_the_byte_that_breaks_it",
            "tests/json_strictness.rs: strings_hold_neither_controls_nor_unknown_escapes_nor_halves_of_pairs_nor_broken_utf_8",
        ],
    ),
    threat(
        "C7",
        "1e400, −0, integers of twenty digits, masks on what they do not fit",
        "exact bytes at show; a misfit is blank, never raw",
        &[
            "shown bytes keep their spelling",
            "what is not strict JSON is refused, and what is passes",
            "a misfit is blank, never raw",
            "src/transform/mask.rs: booleans_and_what_is_no_token_have_no_mask",
        ],
    ),
    threat(
        "C8",
        "personal data in member names, cursors, links, base64",
        "a name that the policy does not know is hidden; `check` warns where a policy has `*`",
        &[
            "no place but the policy's own is the policy's",
            "tests/diagnostics/lints.txt: an asterisk over a map's members is warned of",
        ],
    ),
    threat(
        "C9",
        "`select=name:ssn`, `fields=`, `expand=`, aliases",
        "a query parameter must be listed",
        &["no query parameter passes that the route does not list", "a query parameter that is not listed is refused"],
    ),
    threat(
        "D1",
        "`//`, `%2F`, `;x`, `..`, `%00`, case",
        "no route; what is matched is exactly what is forwarded",
        &[
            "the path * is no route's",
            "no spelling of a path reaches another route",
            "src/program/target.rs: only_canonical_paths_can_match_a_route",
        ],
    ),
    threat(
        "D2",
        "a client sends the identity's header itself",
        "only verified metadata counts; a trusted header is warned of",
        &[
            "without a verified token nothing reaches the upstream",
            "a caller's own headers say nothing of it",
            "no request header says who is asking, or asks for a part",
            "tests/diagnostics/callers.txt: a trusted header always warns",
        ],
    ),
    threat(
        "D3",
        "scopes as a string, an array, a part, a wildcard, under another name",
        "one claim, members of a set, exactly; another type is no scope",
        &["no shape of a scope claim is read as more than it says", "a scope that only resembles is none"],
    ),
    threat(
        "D4",
        "masks that add up: the first four in one scope, the last four in another",
        "one form for each field; `check` warns of two names' masks that complement each other",
        &["tests/diagnostics/lints.txt: masks of one name that add up are warned of"],
    ),
    threat(
        "D5",
        "routes that overlap",
        "an error",
        &["tests/diagnostics/routes.txt: two routes that differ only in parameter names are an error"],
    ),
    threat(
        "E1",
        "hashes of what can be enumerated",
        "keyed, and another for each client",
        &[
            "a pseudonym is another for another client",
            "a policy with pseudonyms keeps Envoy from starting without the key",
            "src/transform/pseudonym.rs: key_namespace_client_and_text_all_count",
        ],
    ),
    threat(
        "E2",
        "filtering, sorting, searching by withheld fields",
        "a query parameter must be listed; `check` warns of such names",
        &[
            "no query parameter passes that the route does not list",
            "tests/diagnostics/routes.txt: query parameters that choose fields are warned of",
        ],
    ),
    threat("E3", "null for absent, the length of a mask", "neither tells of the value", &TWINS),
    threat("E4", "time and size", "twins look the same to the last chunk; what remains is said below", &TWINS),
    threat(
        "G1",
        "the key in a dump; personal data in logs, metrics, errors",
        "the key comes by name from the environment; logs and metrics hold reasons, numbers and the policy's own words; names of unknown members only if the policy asks, and if three groups of people have them",
        &[
            "the key is not in the configuration dump",
            "nothing of a request or a response is in logs, metrics or the configuration",
            "tests/record/drift.rs: a_member_is_told_once_and_by_name_only_where_that_names_nobody",
        ],
    ),
];

/// What attacks on the plugin found once, by number, so that it does not come back.
const WEAKNESSES: &[Threat] = &[
    threat(
        "W1",
        "a client claim that is not a text was taken for no client, and kept its scopes",
        "evidence that is there and cannot be read is nobody's; `check` notes where `\"*\"` gives more than an entry",
        &[
            "no client sheds its ceiling by a claim that cannot be read",
            "src/caller.rs: a_token_says_who_is_asking",
            "src/caller.rs: a_certificate_says_who_is_asking",
            "src/caller.rs: a_trusted_header_says_who_is_asking",
            "tests/diagnostics/callers.txt: a star that gives more than a client's entry is noted: by a level",
        ],
    ),
    threat(
        "W2",
        "where chunks ended told how long a withheld value was, and where it stood",
        "what goes out is cut by its own length",
        &[
            "no caller can tell by how a body in parts is cut *",
            "tests/exchange.rs: how_a_body_is_cut_tells_nothing_of_what_is_withheld",
            "tests/exchange.rs: what_streams_is_cut_where_blocks_of_output_end",
        ],
    ),
    threat(
        "W3",
        "how much was withheld in the last part chose between a length and chunks",
        "a form of the view decides it, never a value",
        &[
            "no caller can tell by how a body in parts is cut *",
            "tests/exchange.rs: a_sound_body_is_never_refused_for_how_it_was_cut",
        ],
    ),
    threat(
        "W4",
        "a sound body ended Envoy where a listener's buffer was small",
        "while Envoy holds a body back, no more is written than it holds already",
        &[
            "no buffer is too small for Envoy to live, *",
            "a body that grows arrives whole, and Envoy lives: *",
            "tests/exchange.rs: a_write_keeps_to_its_budget_at_every_size",
        ],
    ),
    threat(
        "W5",
        "a sound body that ends with its connection got Envoy's own 500",
        "only what is known to come in frames is awaited",
        &[
            "a body that ends with its connection arrives whole",
            "tests/deployment/bootstraps.txt: HTTP/1 that is said to be HTTP/2",
        ],
    ),
    threat(
        "W6",
        "a deployment that lets data out, and on which `check --envoy` was silent",
        "it knows what is good, and says the rest",
        &[
            "tests/deployment.rs: what_is_added_to_the_reference_bootstrap_is_judged_by_what_is_known_to_be_good",
            "tests/deployment/bootstraps.txt: a plugin that is not called for response heads",
            "tests/deployment/bootstraps.txt: inline scopes in which the plugin is off",
            "tests/deployment/bootstraps.txt: a member of the body in metadata",
            "tests/deployment/bootstraps.txt: the failure policy in both spellings",
            "tests/deployment/bootstraps.txt: a script behind the plugin",
            "tests/deployment/bootstraps.txt: filters of the upstream's",
            "tests/deployment/bootstraps.txt: underscores by Envoy's default",
            "tests/deployment/bootstraps.txt: a nested runtime setting for paths",
            "tests/deployment/bootstraps.txt: an admin interface for everybody",
            "tests/deployment/bootstraps.txt: a tap behind the plugin",
        ],
    ),
    threat(
        "W7",
        "the same in resources of Istio and Envoy Gateway",
        "all resources that are given are judged as a whole",
        &[
            "tests/diagnostics/deployment-resources.txt: a patch that turns the plugin off on a route",
            "tests/diagnostics/deployment-resources.txt: a patch that takes the settings of a route out",
            "tests/diagnostics/deployment-resources.txt: a policy of a route that takes the plugin away",
            "tests/diagnostics/deployment-resources.txt: a patch that replaces the plugin",
            "tests/diagnostics/deployment-resources.txt: a WasmPlugin for a gateway by its mode",
            "tests/diagnostics/deployment-resources.txt: a listener that does not terminate TLS",
            "tests/diagnostics/deployment-resources.txt: a TCPRoute to the same backend",
            "tests/diagnostics/deployment-resources.txt: a VirtualService that rewrites",
            "tests/diagnostics/deployment-resources.txt: the plugin ordered before jwt_authn",
        ],
    ),
    threat(
        "W8",
        "an identity that is looser than the policy takes it to be",
        "issuers apart, audiences, expiry, keys and places of tokens are looked at",
        &[
            "tests/deployment/bootstraps.txt: two issuers in one place",
            "tests/deployment/bootstraps.txt: no audiences",
            "tests/deployment/bootstraps.txt: clocks that differ by a year",
            "tests/deployment/bootstraps.txt: tokens from the query",
            "tests/deployment/bootstraps.txt: a symmetric key written out",
        ],
    ),
    threat(
        "W9",
        "where unmatched requests pass, another spelling opened every governed route",
        "what some upstream could read as a governed route's is refused",
        &[
            "no spelling of a governed path passes where others do",
            "tests/diagnostics/callers.txt: unmatched routes that pass are warned of, with the authorities that pass whole",
        ],
    ),
    threat(
        "W10",
        "where other content passes, the record came in another format",
        "types are named, and the body must open like one; the upstream is asked for those only",
        &[
            "no content type lets JSON pass where other content does",
            "tests/heads.rs: an_upstream_is_asked_for_what_the_route_answers_with",
            "tests/diagnostics/routes.txt: a type that may hold records cannot pass",
        ],
    ),
    threat(
        "W11",
        "a detector of one's own stopped a worker for seconds",
        "its work is bounded over a response; `check` says what it may cost",
        &[
            "tests/rewriting.rs: detectors_of_a_policys_own_cost_one_response_no_more_than_its_effort",
            "tests/diagnostics/lints.txt: a pattern that a text can make slow says how slow",
        ],
    ),
    threat(
        "W12",
        "slow upstreams filled the virtual machine",
        "what all streams of a worker keep is bounded",
        &[
            "tests/exchange.rs: what_all_streams_keep_is_bounded_and_the_newest_is_refused",
            "tests/diagnostics/callers.txt: a record over what a worker can hold for each of its streams is an error",
            "64 hostile documents at once cost a bounded memory, *",
        ],
    ),
    threat(
        "W13",
        "`fieldgate test` read and printed any file",
        "regular files below the suite's directory, links followed",
        &[
            "tests/cli_files.rs: a_suite_reads_only_regular_files_below_its_own_directory",
            "tests/cli_files.rs: a_policy_includes_only_regular_files_below_its_own_directory",
        ],
    ),
    threat(
        "W14",
        "work that grew out of proportion with filters, scopes and kinds of callers",
        "each is done once, and its cost does not grow",
        &[
            "tests/growth.rs: what_new_combinations_of_filters_cost_is_what_their_elements_cost",
            "tests/growth.rs: headers_that_are_classified_ask_once_whose_they_are",
            "tests/growth.rs: the_ten_thousandth_kind_of_caller_costs_no_more_than_the_first",
        ],
    ),
    threat(
        "W15",
        "a route that reports for a thousand years; errors that tell too much",
        "`check` warns",
        &[
            "tests/diagnostics/routes.txt: more than ninety days ahead is",
            "tests/diagnostics/callers.txt: an error that tells how the upstream works is warned of",
            "tests/diagnostics/callers.txt: free text of an error is warned of",
        ],
    ),
    threat(
        "W16",
        "request headers that reroute, by other names and with underscores",
        "known by their words, and not forwarded",
        &[
            "no request header says who is asking, or asks for a part",
            "tests/heads.rs: a_request_goes_on_without_what_would_change_the_answer",
        ],
    ),
    threat(
        "W17",
        "a row condition that holds nothing back",
        "`check` warns of members that nothing else names, and of what is in the elements",
        &[
            "tests/diagnostics/lints.txt: fields, rows and deny that reach nothing are warned of",
            "tests/diagnostics/paths.txt: a row condition on what is in the elements, not on them",
        ],
    ),
    threat(
        "W18",
        "detectors that left usual spellings",
        "all usual dashes, spaces and digits",
        &[
            "tests/detectors.rs: cards_are_found",
            "tests/detectors.rs: accounts_are_found",
            "tests/detectors.rs: addresses_and_social_security_numbers_are_found",
            "tests/detectors.rs: what_is_none_is_left_alone",
        ],
    ),
    threat(
        "W19",
        "an error body whose first part is white space was emptied; a lone `null` before trailers was reset",
        "how parts come decides nothing",
        &[
            "tests/exchange.rs: an_error_is_emptied_as_long_as_nothing_of_it_has_gone",
            "tests/exchange.rs: a_response_is_the_same_in_every_framing",
        ],
    ),
    threat(
        "W20",
        "a cut response that looks whole to a client",
        "Envoy from 1.37 on, and `check --envoy` warns of older ones",
        &["a body that is cut or broken in its middle is reset", "tests/deployment/bootstraps.txt: an old Envoy"],
    ),
    threat(
        "W21",
        "a policy's words steered a terminal, a workflow, a page or a table",
        "what is printed is made harmless for its place",
        &[
            "tests/cli_files.rs: no_word_of_a_policy_or_a_suite_steers_what_it_is_printed_on",
            "tests/cli_files.rs: no_name_of_a_policy_is_a_formula_or_markup",
        ],
    ),
    threat(
        "W22",
        "a chain of references in an API's description ended the command",
        "followed to a bound",
        &[
            "crates/workbench/src/openapi/tests.rs: a_chain_of_references_as_long_as_the_document_is_followed_to_a_bound",
        ],
    ),
    threat(
        "W23",
        "refused requests filled the log",
        "so many lines a minute, and then a count",
        &[
            "callers that are refused do not flood the log, nor keep an upstream's faults out of it",
            "src/refusal/lines.rs: a_minute_has_so_many_lines_and_the_next_says_what_was_left_out",
        ],
    ),
    threat(
        "W24",
        "a control character in a path's segment",
        "such a path matches no route",
        &["no spelling of a path reaches another route"],
    ),
    threat(
        "W25",
        "a page or a link that is shared carries bodies, or what its author's machine calls its files",
        "the page holds what lies below the policy's directory and is of that policy, a link the policy alone",
        &["tests/cli_files.rs: the_studio_begins_with_the_policy_and_its_suites_and_nothing_else_of_the_machine"],
    ),
];

/// The tables of `SECURITY.md`, by the name of the comments around them.
const TABLES: [(&str, &[Threat]); 2] = [("threats", THREATS), ("weaknesses", WEAKNESSES)];

/// Holds the tables in `SECURITY.md` to those here, and these to the tests that there are.
pub(crate) fn table(claims: &[String]) -> Result<(), String> {
    let path = fieldgate_testkit::root().join("SECURITY.md");
    let page = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let (mut wanted, mut failures) = (page.clone(), String::new());
    for (name, threats) in TABLES {
        let rows = written(threats, claims, &mut failures)?;
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n"));
        let (before, rest) = wanted.split_once(&begin).ok_or("SECURITY.md has no place for a table")?;
        let (_, after) = rest.split_once(&end).ok_or("a table in SECURITY.md has no end")?;
        wanted = [before, &begin, &rows, &end, after].concat();
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    if wanted == page {
        return Ok(());
    }
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        return fs::write(path, wanted).map_err(|error| error.to_string());
    }
    Err("SECURITY.md shows other tables: UPDATE_GOLDENS=1 writes these".to_owned())
}

/// A table; what is not held by a test that is there is a failure.
fn written(threats: &[Threat], claims: &[String], failures: &mut String) -> Result<String, String> {
    let root = fieldgate_testkit::root();
    let read = |path: &str| fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"));
    let mut table = String::from("| id | attack or accident | what is right | held by |\n|---|---|---|---|\n");
    for threat in threats {
        let mut held_by = Vec::new();
        for name in threat.held_by {
            match name.split_once(": ") {
                Some((file, claim)) if ["tests/", "src/", "crates/"].iter().any(|folder| file.starts_with(folder)) => {
                    let text = read(file)?;
                    let line = if file.ends_with(".rs") { format!("fn {claim}()") } else { format!("## {claim}\n") };
                    if !text.contains(&line) {
                        let _ = writeln!(failures, "{}: {file} has no `{claim}`", threat.id);
                    }
                    held_by.push(format!("`{file}`: {}", claim.replace('_', " ")));
                }
                _ => {
                    let count = claims.iter().filter(|claim| fits(name, claim)).count();
                    match count {
                        0 => {
                            let _ = writeln!(failures, "{}: no test is called `{name}`", threat.id);
                        }
                        _ if name.contains('*') => held_by.push(format!("{} ({count})", name.replace('*', "…"))),
                        _ => held_by.push((*name).to_owned()),
                    }
                }
            }
        }
        if held_by.is_empty() {
            let _ = writeln!(failures, "{}: nothing holds it", threat.id);
        }
        let _ = writeln!(table, "| {} | {} | {} | {} |", threat.id, threat.what, threat.right, held_by.join("; "));
    }
    Ok(table)
}

/// Whether a claim is what a name with `*` stands for.
fn fits(name: &str, claim: &str) -> bool {
    let mut parts = name.split('*');
    let Some(mut rest) = parts.next().and_then(|first| claim.strip_prefix(first)) else { return false };
    let mut last = "";
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = part;
    }
    rest.is_empty() || (name.ends_with('*') && last.is_empty())
}
