//! What a caller may ask, and who it may say that it is.

use serde_json::{Value, json};

use super::super::lifecycle::until;
use super::super::rows::{THINGS, at, thing};
use super::super::support::bootstrap::Host;
use super::super::support::client::End;
use super::super::support::envoy::Envoy;
use super::super::support::marker::Markers;
use super::super::support::row::{Carriage, Expected, HeadMode, Policy, Row};
use super::super::world::{self, World};

/// Refused by the filter, or by Envoy before it; the upstream is never asked.
fn never_asked(row: Row) -> Row {
    let mut row = row.answers(200, r#"{"name":"@@","items":[{"name":"@@","price":1}]}"#).never_completed();
    row.asks_upstream = Some(false);
    row
}

pub(crate) fn paths() -> Vec<Row> {
    let mut paths: Vec<String> = [
        "//things/1",
        "///things/1",
        "/things//1",
        "/things/1//",
        "/things/1/",
        "/./things/1",
        "/things/./1",
        "/things/1/.",
        "/../things/1",
        "/x/../things/1",
        "/things/../things/1",
        "/things/1/..",
        "/things/..",
        "/things/1/../2",
        "/.things/1/",
        "/things/1;",
        "/things/1;v=1",
        "/things;v=1/1",
        "/;/things/1",
        "/things/;/1",
        "/things/..;/1",
        "/things/.;/1",
        "/Things/1",
        "/THINGS/1",
        "/thingS/1",
        "/thıngs/1",
        "/things",
        "/thing/1",
        "/things1/1",
        "/things/1/extra",
        "/api/things/1",
        "/things/1%",
        "/things/1%2",
        "/things/%zz",
        "/things/%u0031",
        "/",
        "",
        "*",
        "things/1",
        "http://api.example/things/1/",
        "/things/1%23",
        "/things/1%3Fpage=1/x",
        "/things\\1",
        "/things/1\\..\\2",
        "\\things\\1",
        "/health/../things/1",
        "/health/..%2fthings/1",
        "/health%2f..%2fthings/1",
        "/health;/../things/1",
        "/health/x",
        "/healthz",
        "/elsewhere/1",
    ]
    .map(str::to_owned)
    .to_vec();
    // `/things` without a page, and with an empty segment, is another route or none.
    paths.retain(|path| path != "/things");
    let spelled = [
        "%2f",
        "%2F",
        "%5c",
        "%5C",
        "%2e",
        "%2E%2E",
        "%00",
        "%0a",
        "%0d%0a",
        "%09",
        "%7f",
        "%80",
        "%ff",
        "%c0%af",
        "%c0%ae",
        "%e0%80%af",
        "%ef%bc%8f",
        "%252f",
        "%3b",
        "%61",
        "%41",
        "%7e",
        "%2d",
        "%5f",
        "%30",
    ];
    for part in spelled {
        paths.extend([format!("/things/{part}"), format!("/things{part}1"), format!("/{part}things/1")]);
        paths.push(format!("/things/1{part}x"));
    }
    // These name one segment canonically (RFC 3986 §2.1, §6.2.2): each is a thing's own path, and goes on exactly as it came.
    let served = ["/things/%80", "/things/1%80x", "/things/%252f", "/things/1%252fx", "/things/1%23"];
    let rows = paths.into_iter().map(|path| {
        let row = at(&format!("GET {path:?}"), &path);
        if served.contains(&&*path) {
            row.answers(200, r#"{"name":"lamp","code":"@@"}"#).sees(r#"{"name":"lamp"}"#)
        } else {
            never_asked(row)
        }
    });
    over_both(rows)
}

/// Where what matches no route passes, nothing of a governed route does.
pub(crate) fn unmatched() -> Vec<Row> {
    let body = r#"{"name":"lamp","code":"@@"}"#;
    let ask = |claim: &str, policy, path: &str| Row::get(claim, Policy::Text(policy), path).answers(200, body);
    let mut rows = Vec::new();
    for (policy, hosts) in [(PASSING, "no hosts"), (PASSING_BY_HOST, "hosts"), (LETTING_BY, "a route that passes")] {
        for path in [
            "/Things/1",
            "/THINGS/1",
            "/things/1/",
            "/things",
            "/things/",
            "/Things",
            "//things/1",
            "/things//1",
            "/things;v=1/1",
            "/things%3Bv=1/1",
            "/things%252F1",
            "/things%253Bv=1/1",
            "/%2574hings/1",
            "/x/%252E%252E/things/1",
            "/things.json",
            "/things%20",
            "/things%20/1",
            "/things%3Fx",
            "/th%C4%B1ngs/1",
            "/things/%0D%0Ax",
            "/other/%0D%0Ax",
            "/other/%C0%AF",
        ] {
            rows.push(never_asked(ask(&format!("{hosts}: GET {path}"), policy, path)));
        }
        for method in ["PUT", "DELETE", "PATCH", "POST", "OPTIONS", "PROPFIND"] {
            rows.push(never_asked(ask(&format!("{hosts}: {method}"), policy, "/things/1").method(method)));
        }
        for path in ["/other", "/other/1", "/thing/1", "/things/1/lines", "/assets/things.js"] {
            let mut row = ask(&format!("{hosts}: {path} passes"), policy, path).either_way();
            row.expected = Expected::Untouched;
            row.upstream.body = br#"{"name":"lamp"}"#.to_vec();
            rows.push(row);
        }
    }
    // The tests ask by an address, which is not among the hosts: to the policy it is another authority.
    rows.push(never_asked(ask("another authority", PASSING_BY_HOST, "/things/1")));
    over_both(rows)
}

/// Requests that match no route are forwarded.
const PASSING: &str = r"
language: 1
policy: passing
identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}
defaults: {unmatched_route: pass}
classes: {plain: {about: Anybody may know it}}
routes:
  get-thing: {match: 'GET /things/{id}', area: things, body: {$.name: plain}}
  list-things: {match: 'GET /things', area: things, body: {$.name: plain}}
scopes: {things.read: {areas: [things], grant: {plain: show}}}
";

/// Requests that match no governed route are those of a route that passes.
const LETTING_BY: &str = r"
language: 1
policy: letting-by
identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}
classes: {plain: {about: Anybody may know it}}
routes:
  get-thing: {match: 'GET /things/{id}', area: things, body: {$.name: plain}}
  list-things: {match: 'GET /things', area: things, body: {$.name: plain}}
  app: {match: 'GET /{path+}', pass: pictures and scripts of the app}
scopes: {things.read: {areas: [things], grant: {plain: show}}}
";

/// And all that go to other authorities.
const PASSING_BY_HOST: &str = r"
language: 1
policy: passing-by-host
hosts: [api.example]
identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}
defaults: {unmatched_route: pass}
classes: {plain: {about: Anybody may know it}}
routes:
  get-thing: {match: 'GET /things/{id}', area: things, body: {$.name: plain}}
  list-things: {match: 'GET /things', area: things, body: {$.name: plain}}
scopes: {things.read: {areas: [things], grant: {plain: show}}}
";

/// Each row twice: the carriages take turns over HTTP/1 and HTTP/2, and some requests exist in one of them only.
fn over_both(rows: impl IntoIterator<Item = Row>) -> Vec<Row> {
    rows.into_iter().flat_map(|row| [row.clone(), row]).collect()
}

pub(crate) fn queries() -> Vec<Row> {
    let mut rows = Vec::new();
    for name in [
        "select",
        "$select",
        "fields",
        "_fields",
        "field",
        "columns",
        "attributes",
        "props",
        "projection",
        "include",
        "include[]",
        "includes",
        "expand",
        "$expand",
        "expand[]",
        "embed",
        "_embed",
        "with",
        "populate",
        "join",
        "view",
        "views",
        "format",
        "$format",
        "filter",
        "$filter",
        "filter[code]",
        "where",
        "q",
        "query",
        "search",
        "$search",
        "sort",
        "$orderby",
        "order",
        "orderBy",
        "group",
        "having",
        "code",
        "code[gt]",
        "code__gt",
        "callback",
        "jsonp",
        "pretty",
        "debug",
        "trace",
        "explain",
        "_method",
        "method",
        "access_token",
        "api_key",
        "Page",
        "PAGE",
        "page ",
        " page",
        "page[]",
        "page.x",
        "pag",
        "pages",
        "page\u{301}",
        "",
    ] {
        let name = name.replace(' ', "%20").replace('\u{301}', "%CC%81");
        let row = |query: &str| at(&format!("?{query}"), &format!("/things?{query}"));
        let queries = [
            format!("{name}=name:code"),
            format!("page=1&{name}=code"),
            format!("page=1;{name}=code"),
            format!("{name}&page=1"),
        ];
        for query in queries {
            rows.push(if name.is_empty() {
                // Nothing between two separators is no parameter; a value without a name has the empty one.
                row(&query).answers(200, r#"{"items":[],"code":"@@"}"#).either_way()
            } else {
                never_asked(row(&query))
            });
        }
    }
    for query in [
        "%73elect=code",
        "s%65lect=code",
        "%66ields=code",
        "page=1&%00=1",
        "page=1&a=1&a=2",
        "%70age%00=1",
        "page%5B%5D=1",
    ] {
        rows.push(never_asked(at(&format!("?{query}"), &format!("/things?{query}"))));
    }
    for query in ["page=1", "page", "page=", "p%61ge=2", "page=1&page=2", "page=%26select%3Dcode", "page=1%23"] {
        let row = at(&format!("?{query} is listed"), &format!("/things?{query}"));
        rows.push(
            row.answers(200, r#"{"items":[{"name":"a","price":1,"code":"@@"}]}"#)
                .sees(r#"{"items":[{"name":"a","price":1}]}"#),
        );
    }
    over_both(rows)
}

pub(crate) fn scopes() -> Vec<Row> {
    let nothing: Vec<Value> = vec![
        json!(null),
        json!(true),
        json!(1),
        json!({}),
        json!([]),
        json!(""),
        json!(" "),
        json!("things"),
        json!("things.*"),
        json!("*"),
        json!("things.rea"),
        json!("things.reads"),
        json!("xthings.read"),
        json!("Things.read"),
        json!("THINGS.READ"),
        json!("things.read\u{0}"),
        json!("things.read,other"),
        json!("other,things.read"),
        json!("things.read;other"),
        json!("things.read\tother"),
        json!("things.read\nother"),
        json!("things\u{2024}read"),
        json!("things.read\u{a0}other"),
        json!("\u{feff}things.read"),
        json!("things.reа\u{64}"),
        json!("things%2Eread"),
        json!("\"things.read\""),
        json!("[\"things.read\"]"),
        json!("things .read"),
        json!("openid things.readx profile"),
        json!({"things.read": true}),
        json!({"value": "things.read"}),
        json!([["things.read"]]),
        json!([{"name": "things.read"}]),
        json!([null, 1, true]),
        json!(["things.read other"]),
        json!(["things.read "]),
        json!([" things.read"]),
    ];
    let granted: Vec<Value> = vec![
        json!("things.read"),
        json!("  things.read  "),
        json!("openid things.read profile"),
        json!("things.read things.read"),
        json!(["things.read"]),
        json!(["openid", "things.read"]),
        json!("x things.read unknown.scope"),
    ];
    let ask = |claims: Value| thing(&format!("claims {claims}")).claims(claims);
    let mut rows: Vec<Row> =
        nothing.iter().map(|scope| never_asked(ask(json!({"azp": "app", "scope": scope})))).collect();
    for name in ["scp", "scopes", "Scope", "SCOPE", "scope ", "permissions", "roles", "groups", "authorities"] {
        rows.push(never_asked(ask(json!({"azp": "app", name: "things.read"}))));
    }
    rows.push(never_asked(ask(json!({"azp": "app", "realm_access": {"scope": "things.read"}}))));
    let seen = r#"{"name":"lamp"}"#;
    let body = r#"{"name":"lamp","code":"@@"}"#;
    rows.extend(granted.iter().map(|scope| ask(json!({"azp": "app", "scope": scope})).answers(200, body).sees(seen)));
    // Whether a client's id can be read decides whether its scopes count.
    for client in
        [json!(null), json!(1), json!(true), json!([]), json!({"id": "x"}), json!(""), json!("*"), json!("app\u{1f}x")]
    {
        rows.push(ask(json!({"azp": client, "scope": "things.read"})).answers(200, body).either_way());
    }
    rows
}

/// A client's ceiling is not got rid of by spelling the client's claim in a way that cannot be read.
pub(crate) fn clients() -> Vec<Row> {
    let body = r#"{"name":"@@","code":"@@"}"#;
    let ask = |policy: &'static str, claims: Value| {
        let claim = format!("claims {claims} of {}", policy.lines().nth(2).unwrap_or_default());
        Row::get(&claim, Policy::Text(policy), "/things/1").claims(claims)
    };
    let held = |row: Row| row.answers(200, body).sees(r#"{"name":"-"}"#);
    let mut rows = Vec::new();
    for (policy, of) in [
        (HELD, (|client, scope| json!({"azp": client, "scope": scope})) as fn(Value, Value) -> Value),
        (NESTED, |client, scope| json!({"app": {"id": client}, "access": {"scope": scope}})),
    ] {
        for client in [json!("42"), json!(["42"])] {
            rows.push(held(ask(policy, of(client.clone(), json!("things.read")))));
            rows.push(held(ask(policy, of(client, json!(["things.read"])))));
        }
        let unreadable = [
            json!(42),
            json!(42.0),
            json!(4.2e1),
            json!([42]),
            json!(["42", "42"]),
            json!(["42", "x"]),
            json!(["x", "42"]),
            json!([["42"]]),
            json!([null, "42"]),
            json!([]),
            json!([null]),
            json!(null),
            json!(true),
            json!(false),
            json!({}),
            json!({"id": "42"}),
            json!({"42": true}),
            json!(""),
            json!([""]),
            json!("42\u{1f}"),
            json!("42\u{0}"),
            json!("42\n"),
            json!("42\u{9b}"),
            json!(["42\u{7f}"]),
        ];
        for client in unreadable {
            rows.push(never_asked(ask(policy, of(client, json!("things.read")))));
        }
        // A client that is known, with scopes that cannot be read, has no scope that needs none either.
        for scope in
            [json!(null), json!(1), json!({"things.read": true}), json!([["things.read"]]), json!(["things.read", 1])]
        {
            rows.push(never_asked(ask(policy, of(json!("x"), scope))));
        }
    }
    // What stands where the object of a nested claim would be hides the claim.
    for parent in [json!(null), json!("42"), json!(42), json!(["42"]), json!([{"id": "42"}]), json!(true)] {
        rows.push(never_asked(ask(NESTED, json!({"app": parent, "access": {"scope": "things.read"}}))));
        rows.push(never_asked(ask(NESTED, json!({"app": {"id": "42"}, "access": parent}))));
    }
    // A token that names no client at all falls under the star.
    let seen = |row: Row| row.answers(200, r#"{"name":"lamp","code":"@@"}"#).sees(r#"{"name":"lamp"}"#);
    rows.push(seen(ask(HELD, json!({"scope": "things.read"}))));
    rows.push(seen(ask(NESTED, json!({"access": {"scope": "things.read"}}))));
    rows.push(seen(ask(NESTED, json!({"app": {}, "access": {"scope": "things.read"}}))));
    let many: String = (0..1024).map(|i| format!("s{i} ")).collect();
    rows.push(seen(ask(HELD, json!({"azp": "x", "scope": many.replace("s7 ", "things.read ")}))));
    rows.push(never_asked(ask(HELD, json!({"azp": "x", "scope": format!("{many}things.read")}))));
    over_both(rows)
}

/// The client `42` is held to less than everybody else.
const HELD: &str = r#"
language: 1
policy: held
identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}
classes: {plain: {about: Anybody may know it, blank: "-"}, secret: {about: Granted to nobody}}
shapes: {thing: {$.name: plain, $.code: secret}}
routes: {get-thing: {match: 'GET /things/{id}', area: things, body: {$: {shape: thing}}}}
scopes: {things.read: {areas: [things], grant: {plain: show}}}
clients: {"42": {ceiling: {"*": blank}}, "*": {}}
"#;

/// The claims of client and scopes are below others.
const NESTED: &str = r#"
language: 1
policy: nested
identity: {source: jwt_authn, payload: verified_jwt, client: $.app.id, scopes: $.access.scope}
classes: {plain: {about: Anybody may know it, blank: "-"}, secret: {about: Granted to nobody}}
shapes: {thing: {$.name: plain, $.code: secret}}
routes: {get-thing: {match: 'GET /things/{id}', area: things, body: {$: {shape: thing}}}}
scopes: {things.read: {areas: [things], grant: {plain: show}}}
clients: {"42": {ceiling: {"*": blank}}, "*": {}}
"#;

pub(crate) fn headers() -> Vec<Row> {
    let body = r#"{"name":"lamp","code":"@@"}"#;
    let mut rows = Vec::new();
    // Nothing but the verified token says who is asking.
    for name in [
        "x-scope",
        "x-scopes",
        "scope",
        "x-jwt-payload",
        "verified_jwt",
        "x-verified-jwt",
        "x-auth-scopes",
        "x-user",
        "x-client-id",
        "azp",
        "x-forwarded-client-cert",
        "x-envoy-peer-metadata",
        "x-envoy-internal",
        "x-fieldgate-seen",
        "wasm.fieldgate",
        "x-authenticated-scope",
        "x-consumer-groups",
        "x-forwarded-user",
        "remote-user",
        "proxy-authorization",
    ] {
        rows.push(never_asked(
            thing(&format!("{name} says nothing")).claims(json!({"azp": "app"})).with(name, "things.read"),
        ));
    }
    let asks = [
        ("range", "bytes=0-9"),
        ("if-range", "\"x\""),
        ("if-none-match", "\"x\""),
        ("if-none-match", "*"),
        ("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("if-match", "\"guess\""),
        ("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("x-http-method-override", "DELETE"),
        ("x-http-method", "PUT"),
        ("x-method-override", "PATCH"),
        ("x-original-url", "/health"),
        ("x-rewrite-url", "/elsewhere"),
        ("x-original-uri", "/elsewhere"),
        ("x-forwarded-uri", "/elsewhere"),
        ("x-forwarded-path", "/elsewhere"),
        ("x-override-url", "/elsewhere"),
        ("x-http-path-override", "/elsewhere"),
        ("x-original-method", "DELETE"),
        ("request-range", "bytes=0-9"),
        ("accept", "application/xml"),
        ("accept", "text/csv, application/json;q=0.1"),
        ("accept-encoding", "gzip, br"),
        ("te", "trailers"),
        ("accept", "text/html"),
        ("accept", "*/*"),
        ("prefer", "return=representation"),
        ("cache-control", "no-transform"),
    ];
    for (name, value) in asks {
        rows.push(
            thing(&format!("asked with {name}: {value}"))
                .with(name, value)
                .answers(200, body)
                .sees(r#"{"name":"lamp"}"#),
        );
    }
    for value in ["application/grpc", "application/grpc+json", "application/grpc-web+json"] {
        let row = thing(&format!("asked with content-type: {value}")).with("content-type", value);
        // To gRPC clients Envoy tells a refusal in their own way.
        let is_grpc = !value.contains("web");
        rows.push(if is_grpc { row.refused(403).leaves_it_to_envoy() } else { never_asked(row) });
    }
    let upgrade = thing("asked for an upgrade").with("connection", "upgrade").with("upgrade", "websocket");
    rows.push(never_asked(upgrade));
    // A header twice is no identity, and neither is one that is not UTF-8.
    let edge = |claim: &str| {
        let row = Row::get(claim, Policy::Text(EDGE), "/things/1").claims(json!({"azp": "app"}));
        row.with("x-edge-client", "edge").answers(200, body)
    };
    rows.push(edge("a trusted header is an identity").with("x-edge-scopes", "things.read").sees(r#"{"name":"lamp"}"#));
    let twice = edge("a trusted header twice").with("x-edge-scopes", "other").with("x-edge-scopes", "things.read");
    rows.push(never_asked(twice));
    rows.push(never_asked(edge("a trusted header that is not UTF-8").with("x-edge-scopes", b"things.read \xff")));
    over_both(rows)
}

/// Who is asking stands in headers, which the edge would have to overwrite.
const EDGE: &str = r"
language: 1
policy: edge
identity: {source: trusted_header, header: x-edge-client, scopes: x-edge-scopes, trusted: The edge overwrites both}
classes: {plain: {about: Anybody may know it}, secret: {about: Granted to nobody}}
shapes: {thing: {$.name: plain, $.code: secret}}
routes: {get-thing: {match: 'GET /things/{id}', area: things, body: {$: {shape: thing}}}}
scopes: {things.read: {areas: [things], grant: {plain: show}}}
";

/// Markers in every place of a request and a response; they are looked for wherever an operator could.
pub(crate) fn traces(world: &World) -> Result<(), String> {
    for head in HeadMode::ALL {
        let policy = World::policy_json(&Policy::Text(THINGS), head)?;
        let (scratch, bootstrap) = world.reference(&policy);
        let bootstrap = bootstrap.with_head(head).in_every_framing(world.upstream.http2);
        let envoy = Envoy::start(&world.tools, scratch, &bootstrap, Some(world::KEY))?;
        let mut markers = Markers::default();
        let mut asked = 0;
        for carriage in Carriage::all().filter(|carriage| carriage.head == head) {
            let text = |markers: &mut Markers| markers.text();
            let (client, scope, id) = (text(&mut markers), text(&mut markers), text(&mut markers));
            let claims = json!({"azp": client, "scope": format!("things.read {scope}"), "sub": text(&mut markers)});
            let fill = |markers: &mut Markers, template: &str| markers.fill(template.as_bytes());
            let bodies = [
                fill(&mut markers, r#"{"name":"@@","code":"@@","owner":{"email":"@@@example.com"}}"#),
                fill(&mut markers, r#"{"name":"@@","code":"@@","#),
                fill(&mut markers, r#"{"@@":1,"name":"@@","n\u0061me":"@@"}"#),
                fill(&mut markers, "@@ is not JSON"),
                fill(&mut markers, r#"{"items":[{"price":1,"name":"@@"}],"next":"@@"}"#),
            ];
            let paths =
                [format!("/things/{id}"), format!("/things?page={id}"), format!("/things?{id}=1"), format!("/{id}")];
            for path in &paths {
                for (body, status) in bodies.iter().zip([200, 200, 404, 500, 200]) {
                    let row = at("traces", path).claims(claims.clone()).with("x-request", text(&mut markers));
                    let row = row.answers(status, body).and_saying("x-owner", text(&mut markers));
                    let fetched = world.fetch(&envoy, &row, carriage);
                    if fetched.answer.end == End::Hung {
                        return Err(format!("{path} {carriage:?}: {}", world::shown(&fetched.answer)));
                    }
                    asked += 1;
                }
            }
        }
        let dump = envoy.admin_get("/config_dump").ok_or("no configuration dump")?.1;
        let stats = envoy.admin_get("/stats").ok_or("no statistics")?.1;
        let log = envoy.log();
        if !log.contains("refused with") || !stats.contains("fieldgate_refusals_total") {
            return Err(format!("the filter logged or counted nothing:\n{log}"));
        }
        let lines = || envoy.access_log();
        until("each record", || lines().iter().filter(|line| line.contains("{\"fieldgate\":1,")).count() >= asked)?;
        // What stands before the record is the access log's own, and a request's id is plain.
        let records =
            lines().iter().filter_map(|line| line.split_once('{')).map(|(_, record)| format!("{record}\n")).collect();
        for (place, text) in [("log", log), ("statistics", stats), ("configuration", dump), ("records", records)] {
            if let Some(found) = markers.found_in(text.as_bytes()) {
                return Err(format!("head {}: {found} in the {place}", head.word()));
            }
        }
        println!("head {}: {asked} requests, no trace of their content", head.word());
    }
    Ok(())
}

/// Callers that are refused again and again, and then an upstream that is.
pub(crate) fn flood(world: &World) -> Result<(), String> {
    let policy = World::policy_json(&Policy::Text(THINGS), HeadMode::Held)?;
    let (scratch, bootstrap) = world.reference(&policy);
    let envoy =
        Envoy::start(&world.tools, scratch, &bootstrap.in_every_framing(world.upstream.http2), Some(world::KEY))?;
    let carriage = Carriage::all().next().ok_or("no carriage")?;
    let rows: Vec<Row> = (0..400).map(|index| at("flood", &format!("/nowhere/{index}")).refused(403)).collect();
    for fetched in world.fetch_all(&envoy, rows.iter().map(|row| (row, carriage))) {
        if fetched.answer.status != 403 {
            return Err(world::shown(&fetched.answer));
        }
    }
    world.fetch(&envoy, &at("no JSON", "/things/1").answers(200, "x"), carriage);
    // A line is written when its stream has ended, which may be after its answer.
    until("the upstream's fault is in the log", || envoy.log().contains("refused with 502"))?;
    let log = envoy.log();
    let lines = log.lines().filter(|line| line.contains("refused with 403")).count();
    let (_, stats) = envoy.admin_get("/stats?filter=fieldgate_refusals_total").unwrap_or_default();
    let series = Host::chosen().series("reason=.=no_route;.;mode=.=enforced;.;");
    let of_route = stats.lines().filter(|line| line.contains(&series));
    let counted: u64 = of_route.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
    // They may stand in two minutes of the clock.
    if !(60..=120).contains(&lines) || counted != 400 {
        return Err(format!("{lines} lines, {counted} counted"));
    }
    Ok(())
}
