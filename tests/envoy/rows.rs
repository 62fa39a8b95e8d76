//! The rows. `@@` and `##` stand for markers: random text and digits that must never reach the client.

use std::fs;
use std::path::Path;

use fieldgate::policy;
use fieldgate_workbench::suite;
use serde_json::json;

use super::support::row::{HeadMode, Policy, Row};
use super::world::{self, World};

/// A small policy with one of everything that decides how a response travels, and a budget that has room for all.
pub(crate) const THINGS: &str = r"
language: 1
policy: things
identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}
defaults:
  unmatched_route: reject
  other_content: reject
  errors: {show: [type, title, status]}
  headers: {keep: [x-request-id], classify: {x-owner: contact}}
classes:
  key:     {about: Links records, blank: '-'}
  plain:   {about: Anybody may know it}
  contact: {about: How to reach the owner}
  secret:  {about: Granted to nobody}
shapes:
  thing:
    $.id:          {class: key, pseudonym: thing, subject: thing}
    $.name:        plain
    $.price:       plain
    $.made:        {class: plain, mask: year}
    $.owner.email: {class: contact, mask: email}
    $.owner.phone: {class: contact, blank: none}
    $.code:        secret
routes:
  get-thing:
    match: GET /things/{id}
    area: things
    subject: {thing: '{id}'}
    body: {$: {shape: thing}}
  list-things:
    match: GET /things
    area: things
    query: [page]
    body: {'$.items[*]': {shape: thing}, $.next: plain}
    rows: $.items[?@.price > 0]
    max_records: {at: '$.items[*]', max: 1000, over: truncate}
  put-thing:
    match: PUT /things/{id}
    area: things
    subject: {thing: '{id}'}
    body: {$: {shape: thing}}
  stream-things:
    match: GET /things/stream
    area: uncounted
    body: {$: {shape: thing}}
  all-things:
    match: GET /things/all
    area: uncounted
    body: {'$.items[*]': {shape: thing}, $.next: plain}
    rows: $.items[?@.price > 0]
  elsewhere:
    match: GET /elsewhere
    area: other
    body: {$: {shape: thing}}
  health:
    match: GET /health
    pass: It says only whether the process lives
scopes:
  things.read: {areas: [things, uncounted], grant: {plain: show, contact: mask}}
  things.link: {areas: [things], grant: {key: pseudonym}}
  elsewhere:   {areas: [other], grant: {plain: show}}
budgets:
  things: {areas: [things], count: {distinct: thing}, per: 1d, max: 1000000, steps: {90%: mask}}
";

/// Budgets whose first step is reached by the first request, and by all that follow: of two subjects, and up to 99.
const BOUND: &str = r"
language: 1
policy: bound
identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}
defaults: {headers: {classify: {x-owner: plain}}}
classes:
  key:   {about: Links records}
  plain: {about: Anybody may know it}
shapes:
  thing:
    $.id:          {class: key, subject: thing}
    $.name:        plain
    $.price:       {class: plain, blank: 0}
    $.made:        {class: plain, mask: year}
    $.owner.email: {class: plain, mask: email}
routes:
  mask:  {match: 'GET /mask/{id}', area: mask, body: {$: {shape: thing}}}
  masks: {match: GET /mask, area: mask, body: {'$.items[*]': {shape: thing}}, max_records: {at: '$.items[*]', max: 2, over: truncate}}
  blank: {match: 'GET /blank/{id}', area: blank, body: {$: {shape: thing}}}
  hide:  {match: 'GET /hide/{id}', area: hide, body: {$: {shape: thing}}}
scopes:
  all: {areas: [mask, blank, hide], grant: {key: show, plain: show}}
budgets:
  binding-mask:  {areas: [mask], count: {distinct: thing}, per: 30d, max: 99, steps: {1%: mask}}
  binding-blank: {areas: [blank], count: {distinct: thing}, per: 30d, max: 99, steps: {1%: blank}}
  binding-hide:  {areas: [hide], count: {distinct: thing}, per: 30d, max: 99, steps: {1%: hide}}
";

const TELCO: &str = "policies/telco.yaml";

/// One thing, with a marker in each member that `things.read` does not see.
const THING: &str = r#"{"id":"@@","name":"lamp","price":12.50,"made":"2024-05-06","owner":{"email":"ana@example.com","phone":"@@","iban":"@@","age":##},"code":"@@","extra":{"@@":["@@",##,{"deep":"@@"}]},"list":["@@",null,true,##]}"#;
/// What `things.read` sees of it.
const SEEN: &str =
    r#"{"name":"lamp","price":12.50,"made":"2024-05-06","owner":{"email":"a***@example.com","phone":"none"}}"#;

/// All rows; claims are unique.
pub(crate) fn all() -> Vec<Row> {
    [
        bodies(),
        sizes(),
        refusals_of_requests(),
        refusals_of_responses(),
        heads(),
        statuses(),
        callers(),
        bound(),
        telco(),
        suites(),
    ]
    .concat()
}

/// Rows whose markers may stand for anything of any length.
pub(crate) fn of_any_length() -> Vec<Row> {
    let rows =
        [bodies(), refusals_of_requests(), refusals_of_responses(), heads(), statuses(), callers(), bound(), telco()];
    rows.concat().into_iter().filter(|row| row.upstream.cut_at.is_none()).collect()
}

fn filler(length: usize) -> String {
    "x".repeat(length)
}

/// `GET /things/1` with `things.read`, answered with [`THING`].
pub(crate) fn thing(claim: &str) -> Row {
    at(claim, "/things/1").answers(200, THING)
}

pub(crate) fn at(claim: &str, path: &str) -> Row {
    Row::get(claim, Policy::Text(THINGS), path).by("app", "things.read")
}

/// What a budget's step leaves: nothing of what the caller would be shown without it.
fn bound() -> Vec<Row> {
    const ONE: &str =
        r#"{"id":"t1","name":"@@","price":##,"made":"2024-05-06","owner":{"email":"ana@example.com","phone":"@@"}}"#;
    let at = |claim, path| Row::get(claim, Policy::Text(BOUND), path).by("app", "all");
    let two = format!(r#"{{"items":[{ONE},{},{ONE}]}}"#, ONE.replace("t1", "t2"));
    let masked = r#"{"id":null,"name":null,"price":0,"made":"2024","owner":{"email":"a***@example.com"}}"#;
    vec![
        at("a budget's step masks what was shown", "/mask/1").answers(200, ONE).sees(masked),
        at("a budget's step masks each record of a list", "/mask")
            .answers(200, &two)
            .sees(format!(r#"{{"items":[{masked},{masked}]}}"#)),
        at("a budget's step blanks what was shown", "/blank/1")
            .answers(200, ONE)
            .sees(r#"{"id":null,"name":null,"price":0,"made":null,"owner":{"email":null}}"#),
        at("a budget's step that hides all is a refusal", "/hide/1").answers(200, ONE).refused(403),
    ]
}

fn bodies() -> Vec<Row> {
    let escaped = r#"{"na\u006de":"l\u0061mp\/\n","price":1.0E+02,"c\u006fde":"@@"}"#;
    vec![
        thing("a withheld member never leaves").sees(SEEN),
        thing("shown bytes keep their spelling").answers(200, escaped).sees(r#"{"na\u006de":"l\u0061mp\/\n","price":1.0E+02}"#),
        thing("white space between tokens goes")
            .answers(200, " {\r\n\t\"name\" : \"lamp\" ,\n \"code\" : \"@@\" }\n ")
            .sees(r#"{"name":"lamp"}"#),
        thing("null stays null where a form would be").answers(200, r#"{"name":null,"owner":{"email":null},"code":null}"#).sees(r#"{"name":null,"owner":{"email":null}}"#),
        thing("an object in a scalar's place is removed").answers(200, r#"{"name":{"first":"@@"},"price":["@@",##]}"#).sees("{}"),
        thing("a scalar in a container's place is removed").answers(200, r#"{"name":"lamp","owner":"@@"}"#).sees(r#"{"name":"lamp"}"#),
        thing("a misfit is blank, never raw").answers(200, r#"{"owner":{"email":"@@"}}"#).sees(r#"{"owner":{"email":null}}"#),
        thing("names that only look alike are others")
            .answers(200, r#"{"Name":"@@"," name":"@@","name ":"@@","n.ame":"@@","$.name":"@@","ｎame":"@@","":"@@","name\u0000":"@@"}"#)
            .sees("{}"),
        thing("an empty object passes as empty").answers(200, "{}").sees("{}"),
        thing("an empty body passes as empty").answers(200, "").sees(""),
        at("rows that the policy leaves out are out", "/things?page=2")
            .answers(200, r#"{"items":[{"name":"a","price":1},{"name":"@@","price":0},{"name":"@@"},{"name":"b","price":2}],"next":"/things?page=3","total":##}"#)
            .sees(r#"{"items":[{"name":"a","price":1},{"name":"b","price":2}],"next":"/things?page=3"}"#),
        at("each text of a stream is filtered", "/things/stream")
            .saying("content-type", "application/x-ndjson")
            .answers(200, "{\"name\":\"a\",\"code\":\"@@\"}\n{\"name\":\"b\",\"code\":\"@@\"}\n")
            .sees("{\"name\":\"a\"}\n{\"name\":\"b\"}\n"),
        thing("a PUT's answer is filtered too").method("PUT").sees(SEEN),
        at("a route that the policy passes is passed", "/health").answers(200, "fine").saying("content-type", "text/plain").untouched(),
    ]
}

/// Bodies around every buffer's size: in one withheld member, in one shown member, in many records.
fn sizes() -> Vec<Row> {
    let mut rows = Vec::new();
    for size in [1_000, 16_383, 16_384, 16_385, 32_767, 32_768, 32_769, 65_535, 65_536, 262_145, 1_048_575, 1_048_577] {
        let withheld = format!(r#"{{"name":"lamp","code":"@@","junk":"{}@@"}}"#, filler(size - 40 - 2 * 18));
        let shown = format!(r#"{{"name":"{}","code":"@@"}}"#, filler(size - 20 - 20));
        let seen = format!(r#"{{"name":"{}"}}"#, filler(size - 20 - 20));
        rows.push(
            thing(&format!("a body of {size} bytes, nearly all withheld, leaves no trace"))
                .answers(200, withheld)
                .sees(r#"{"name":"lamp"}"#),
        );
        rows.push(
            thing(&format!("a body of {size} bytes, nearly all shown, arrives whole")).answers(200, shown).sees(seen),
        );
    }
    // Blanks longer than what they stand for: the body grows.
    for count in [1_000, 10_000, 30_000] {
        let record = r#"{"owner":{"phone":1},"price":1}"#;
        let blank = r#"{"price":1,"owner":{"phone":"none"}}"#;
        let seen_record = r#"{"owner":{"phone":"none"},"price":1}"#;
        assert_eq!(blank.len(), seen_record.len());
        let of = |record: &str| format!(r#"{{"items":[{}]}}"#, vec![record; count].join(","));
        rows.push(
            at(&format!("a body of {count} records that grows arrives whole"), "/things/all")
                .answers(200, of(record))
                .sees(of(seen_record)),
        );
    }
    rows
}

fn refusals_of_requests() -> Vec<Row> {
    let mut rows = vec![
        at("a path without a route is refused", "/others/1").refused(403),
        at("a method without a route is refused", "/things/1").method("POST").refused(403),
        at("a query parameter that is not listed is refused", "/things?page=1&select=name:code").refused(400),
        at("a query where none is listed is refused", "/things/1?fields=code").refused(400),
        at("gRPC is refused", "/things/1")
            .with("content-type", "application/grpc")
            .refused(403)
            .leaves_it_to_envoy()
            .and_header("grpc-status", "7"),
        thing("who may see nothing is refused before the upstream is asked").by("app", "elsewhere").refused(403),
        thing("nobody is refused").claims(json!({})).refused(403),
    ];
    for path in [
        "//things/1",
        "/things//1",
        "/things/./1",
        "/things/../things/1",
        "/things/1/",
        "/things;x/1",
        "/things/1;x",
        "/things%2F1",
        "/things/%2e%2e/1",
        "/things/%5C1",
        "/things/%001",
        "/%74hings/1",
        "/things/a%2fb",
        "/Things/1",
        "/things/1%",
        "/things/%zz",
    ] {
        rows.push(at(&format!("the path {path} is no route's"), path).refused(403));
    }
    rows
}

fn refusals_of_responses() -> Vec<Row> {
    let truncated = &THING[..THING.len() - 1];
    let after = format!("{THING}{{}}");
    let deep = format!("{}{}", r#"{"name":"lamp","x":"#.to_owned() + &"[".repeat(100), "]".repeat(100) + "}");
    let twice = r#"{"name":"lamp","code":"@@","n\u0061me":"@@"}"#;
    let mut rows = vec![
        thing("a compressed body is refused").saying("content-encoding", "gzip").refused_by_head(502),
        thing("a repeated content-encoding is refused")
            .saying("content-encoding", "identity")
            .and_saying("content-encoding", "br")
            .refused_by_head(502),
        // The second one alone would pass.
        thing("a repeated content-encoding is refused, whatever the last one says")
            .saying("content-encoding", "br")
            .and_saying("content-encoding", "identity")
            .refused_by_head(502),
        thing("a repeated content-type is refused").and_saying("content-type", "text/html").refused_by_head(502),
        thing("a repeated content-type is refused, whatever the last one says")
            .and_saying("content-type", "application/json")
            .refused_by_head(502),
        thing("a body that says it is HTML is refused").saying("content-type", "text/html").refused_by_head(502),
        thing("a part of a body is refused")
            .answers(206, THING)
            .saying("content-range", "bytes 0-9/100")
            .refused_by_head(502),
        thing("a stream of events is refused").saying("content-type", "text/event-stream").refused_by_head(502),
        thing("a gRPC response is refused").saying("content-type", "application/grpc+json-seq").refused_by_head(502),
        thing("a body that the upstream cuts short is not completed").cut_at(60).leaves_it_to_envoy(),
    ];
    let by_body: [(&str, &[u8]); 17] = [
        ("a body that ends too early", truncated.as_bytes()),
        ("a body with something behind it", after.as_bytes()),
        ("a body that is too deep", deep.as_bytes()),
        ("a member name twice, once escaped", twice.as_bytes()),
        ("a byte-order mark", b"\xEF\xBB\xBF{\"code\":\"@@\"}"),
        ("invalid UTF-8", b"{\"code\":\"@@\xFF\"}"),
        ("overlong UTF-8", b"{\"code\":\"@@\xC0\xAF\"}"),
        ("a lone surrogate", br#"{"code":"@@\ud800"}"#),
        ("a control character", b"{\"code\":\"@@\x01\"}"),
        ("NaN", br#"{"price":NaN,"code":"@@"}"#),
        ("a comment", br#"{"code":"@@"/**/}"#),
        ("a trailing comma", br#"{"code":"@@",}"#),
        ("single quotes", br#"{'code':"@@"}"#),
        ("a leading zero", br#"{"code":"@@","price":012}"#),
        ("a root that is a scalar", br#""@@""#),
        ("plain text", b"@@ is not JSON"),
        ("white space only", b"  \n "),
    ];
    for (what, body) in by_body {
        rows.push(thing(&format!("{what} is refused")).answers(200, body).refused_by_body(502));
    }
    // What goes out is more than is held back: the head has gone in either mode.
    let late = format!(r#"{{"name":"{}","price":NaN,"code":"@@"}}"#, filler(200_000));
    rows.push(thing("a fault behind the hold window resets").answers(200, late).reset());
    rows
}

fn heads() -> Vec<Row> {
    let loud = [
        "etag",
        "last-modified",
        "digest",
        "content-digest",
        "repr-digest",
        "signature",
        "signature-input",
        "accept-ranges",
        "location",
        "content-location",
        "link",
        "set-cookie",
        "x-total-count",
        "server-timing",
        "x-debug",
        "surrogate-control",
        "cdn-cache-control",
        "refresh",
        "x-account-id",
        "trailer",
        "via",
        "alt-svc",
        "p3p",
        "x-powered-by",
    ];
    let every =
        loud.iter().fold(thing("headers that no policy names do not leave"), |row, name| row.and_saying(name, "@@"));
    let quiet = loud.iter().fold(every.sees(SEEN), |row, name| row.and_no(name));
    vec![
        quiet,
        thing("a kept header stays").saying("x-request-id", "r-1").sees(SEEN).and_header("x-request-id", "r-1"),
        thing("a classified header is masked as its class says").saying("x-owner", "@@").sees(SEEN),
        thing("answers are not for shared caches")
            .saying("cache-control", "public, max-age=3600")
            .saying("vary", "accept")
            .sees(SEEN)
            .and_header("cache-control", "private, no-store")
            .and_header("vary", "authorization"),
        thing("a header that is not UTF-8 does not stop the filter")
            .saying("x-odd", b"\xff\xfe@@")
            .sees(SEEN)
            .and_no("x-odd"),
        thing("a media type of JSON stays").saying("content-type", "application/hal+json; charset=utf-8").sees(SEEN),
        thing("a body without a type is read as JSON").saying("content-type", "").sees(SEEN),
        thing("conditional and partial requests are asked in full")
            .with("if-none-match", "\"x\"")
            .with("range", "bytes=0-9")
            .with("if-range", "\"x\"")
            .with("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT")
            .with("x-http-method-override", "DELETE")
            .with("accept-encoding", "gzip, br")
            .sees(SEEN),
    ]
}

fn statuses() -> Vec<Row> {
    let problem =
        r#"{"type":"about:blank","title":"Gone wrong","status":500,"detail":"@@","trace":["@@"],"title2":"@@"}"#;
    let shown = r#"{"type":"about:blank","title":"Gone wrong","status":500}"#;
    vec![
        thing("HEAD tells nothing of the body").method("HEAD").sees("").and_no("content-length").and_no("etag"),
        thing("204 passes").answers(204, "").sees(""),
        thing("304 passes without its length").answers(304, "").sees("").and_no("content-length"),
        thing("201 follows the route").answers(201, THING).sees(SEEN),
        thing("an error keeps what the policy lets it say").answers(500, problem).sees(shown),
        thing("an error that says a container keeps none of it")
            .answers(404, r#"{"title":{"x":"@@"},"status":404}"#)
            .sees(r#"{"status":404}"#),
        thing("an error that is not JSON is emptied")
            .saying("content-type", "text/html")
            .answers(500, "<pre>@@ at line 1</pre>")
            .sees(""),
        thing("an error that says JSON and is not is emptied")
            .answers(500, r#"{"title":"Oops","trace":"@@"#)
            .emptied_by_body(),
        thing("an error that is an array is emptied").answers(400, r#"[{"title":"@@"}]"#).sees(""),
        thing("a compressed error is emptied").saying("content-encoding", "gzip").answers(500, "\u{1f}@@").sees(""),
        thing("a redirect leads nowhere").saying("location", "/things/@@").answers(302, "").sees("").and_no("location"),
        thing("a long error is emptied or kept, never cut")
            .answers(500, format!(r#"{{"title":"Gone wrong","trace":"{}@@"}}"#, filler(50_000))),
    ]
}

fn callers() -> Vec<Row> {
    vec![
        thing("scopes may be an array").claims(json!({"azp": "app", "scope": ["other", "things.read"]})).sees(SEEN),
        thing("a scope that only resembles is none")
            .claims(json!({"azp": "app", "scope": "things.read2 Things.Read things"}))
            .refused(403),
        thing("a scope of another type is none")
            .claims(json!({"azp": "app", "scope": {"things.read": true}}))
            .refused(403),
        thing("a null scope is none").claims(json!({"azp": "app", "scope": null})).refused(403),
        thing("the scopes of another claim are none").claims(json!({"azp": "app", "scp": "things.read"})).refused(403),
        thing("a caller's own headers say nothing of it")
            .claims(json!({"azp": "app"}))
            .with("x-scopes", "things.read")
            .refused(403),
        thing("a pseudonym is the native one")
            .by("app", "things.read things.link")
            .answers(200, r#"{"id":"t-1","code":"@@"}"#),
        thing("a pseudonym is another for another client")
            .by("other", "things.link")
            .answers(200, r#"{"id":"t-1","code":"@@"}"#),
        thing("a pseudonym without a client is a third")
            .claims(json!({"scope": "things.link"}))
            .answers(200, r#"{"id":"t-1","code":"@@"}"#),
    ]
}

/// The shipped policy, on an account that says more than the policy knows.
pub(crate) fn telco() -> Vec<Row> {
    let account = r###"{"id":"42","status":"active","loyaltyTier":"@@","holder":{"name":"Ana García","birthDate":"1984-03-09","nationalId":"12345678Z","nickname":"@@"},"email":"ana@example.com","billingAddress":{"street":"Calle Mayor 1","postcode":"28013","country":"ES","door":"@@"},"payment":{"iban":"ES9121000418450200051332","holder":"@@"},"balance":{"amount":12.50,"limit":##},"lines":[{"msisdn":"+34600123456","sim":"@@"}],"notes":[{"text":"prefers e-mail","agent":"@@"}],"characteristic":[{"name":"creditScore","value":7},{"name":"fraudScore","value":##}],"passwordHash":"@@"}"###;
    let ask = |claim: &str, client: &str, scopes: &str| {
        Row::get(claim, Policy::file(TELCO), "/accounts/42").by(client, scopes).answers(200, account)
    };
    vec![
        ask("care sees a masked IBAN and the e-mail", "care-app", "care.read"),
        ask("billing sees the name and the IBAN", "billing-app", "billing.read"),
        ask("marketing sees no name", "marketing-app", "marketing.read"),
        ask("a partner sees masks", "acme", "partner.verify"),
        ask("analytics sees pseudonyms", "analytics-app", "analytics.read"),
        ask("a ceiling lowers what scopes grant", "acme-partner", "partner.verify care.read billing.read"),
        ask("two scopes add up cell by cell", "app", "care.read analytics.read"),
        ask("no scope of the route sees nothing", "app", "other").refused(403),
    ]
}

/// The rows of the shipped policies' suites.
fn suites() -> Vec<Row> {
    let policies = fieldgate_testkit::root().join("policies");
    let files = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let mut suites = files(&policies);
    let folders: Vec<_> = suites.iter().filter(|path| path.is_dir()).cloned().collect();
    suites.extend(folders.iter().flat_map(|folder| files(folder)));
    suites.retain(|path| path.to_string_lossy().ends_with(".test.yaml"));
    suites.sort();
    assert!(suites.len() > 1, "each shipped policy has a suite");
    let rows = suites.iter().flat_map(|path| {
        let suite = suite::load(path).unwrap_or_else(|found| panic!("{found}"));
        let (policy, _) = policy::from_yaml(&suite.policy).unwrap_or_else(|found| panic!("{found}"));
        // A policy for certain hosts is asked at the first of them, unless the case names another.
        let at = |row: Row| match policy.hosts.first() {
            Some(host) if row.request.fields.iter().all(|(name, _)| name != "host") => row.with("host", host),
            _ => row,
        };
        // Envoy's clock cannot be turned.
        let cases =
            suite.cases.iter().filter(|case| case.now.is_none()).map(|case| at(Row::of_suite(&suite.policy, case)));
        let json = World::policy_json(&Policy::file(&suite.policy), HeadMode::Held).unwrap();
        let program = world::compile(&json).unwrap();
        // What the policy passes comes as it is, trailers too.
        let passes = |row: &Row| {
            let report = world::respond(&program, row).report;
            report.route.is_none() && report.refusal.is_none()
        };
        let rows: Vec<Row> = cases.map(|row| if passes(&row) { row.untouched() } else { row }).collect();
        assert!(rows.len() > 10, "{}", path.display());
        rows
    });
    rows.collect()
}
