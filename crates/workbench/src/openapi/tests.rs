#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::*;
use fieldgate::policy;

/// An API of one operation whose body follows the schema, in flow YAML, and the schemas beside it.
fn described(schema: &str, others: &str) -> Api {
    let text = format!(
        "openapi: 3.0.3\npaths:\n  /a:\n    get:\n      responses:\n        '200':\n          content:\n            application/json:\n              schema: {schema}\ncomponents:\n  schemas: {others}\n"
    );
    read("openapi.yaml", &text, Wanted::default()).unwrap()
}

/// The places of a body, shapes written out: `$.a string`, `$.b …` where anything may be.
fn places(api: &Api) -> String {
    let expanded = expand::of(api, &api.operations[0]);
    let scalars = expanded.scalars.iter().map(ToString::to_string);
    let open = expanded.open.iter().map(|path| format!("{path}…"));
    scalars.chain(open).collect::<Vec<_>>().join(" ")
}

/// The policy that a skeleton comes to; it has to check.
fn policy_of(api: &Api) -> policy::PolicySet {
    let text = skeleton::write(api, "openapi.yaml", "test", &[]);
    let files = BTreeMap::from([("p.yaml".to_owned(), text.clone())]);
    let checked = policy::load(&files, "p.yaml").and_then(|doc| Ok((policy::check(&doc)?.0, doc)));
    match checked {
        Ok((policy, doc)) => {
            let drift = drift::drift(api, "openapi.yaml", &policy, &doc);
            assert!(drift.is_empty(), "a skeleton drifts from what it is made from: {drift:?}\n{text}");
            policy
        }
        Err(found) => panic!("{found}\n{text}"),
    }
}

#[test]
fn a_schema_comes_to_its_scalar_places() {
    for (claim, schema, others, expected) in [
        ("members", "{type: object, properties: {a: {type: string}, b: {type: integer}}}", "{}", "$.a $.b"),
        ("members without a type", "{properties: {a: {type: string}}}", "{}", "$.a"),
        ("an array", "{type: array, items: {type: string}}", "{}", "$[*]"),
        ("a tuple", "{prefixItems: [{type: string}], items: {properties: {a: {type: number}}}}", "{}", "$[*].a $[*]"),
        ("a map", "{type: object, additionalProperties: {type: number}}", "{}", "$[*]"),
        ("a map by pattern", "{patternProperties: {'^x': {properties: {a: {type: string}}}}}", "{}", "$[*].a"),
        ("a free object", "{properties: {a: {type: object}}}", "{}", "$.a…"),
        ("no schema at all", "{properties: {a: {}, b: true}}", "{}", "$.a… $.b…"),
        (
            "a type list",
            "{properties: {a: {type: [string, 'null']}, b: {type: ['null', array], items: {type: string}}}}",
            "{}",
            "$.a $.b[*]",
        ),
        ("nullable", "{properties: {a: {type: string, nullable: true}}}", "{}", "$.a"),
        ("an enumeration without a type", "{properties: {a: {enum: [x, y]}}}", "{}", "$.a"),
        ("a reference", "{$ref: '#/components/schemas/B'}", "{B: {properties: {a: {type: string}}}}", "$.a"),
        (
            "a reference to a string",
            "{properties: {a: {$ref: '#/components/schemas/B'}}}",
            "{B: {type: string}}",
            "$.a",
        ),
        (
            "a reference of a reference",
            "{$ref: '#/components/schemas/B'}",
            "{B: {$ref: '#/components/schemas/C'}, C: {properties: {a: {type: string}}}}",
            "$.a",
        ),
        (
            "a reference that is encoded",
            "{$ref: '#/components/schemas/B%20~1C'}",
            "{'B /C': {properties: {a: {type: string}}}}",
            "$.a",
        ),
        (
            "all of",
            "{allOf: [{$ref: '#/components/schemas/B'}, {properties: {b: {type: string}}}]}",
            "{B: {properties: {a: {type: string}}}}",
            "$.a $.b",
        ),
        (
            "one of two objects",
            "{oneOf: [{$ref: '#/components/schemas/B'}, {$ref: '#/components/schemas/C'}]}",
            "{B: {properties: {a: {type: string}}}, C: {properties: {c: {type: string}}}}",
            "$.a $.c",
        ),
        (
            "any of an object and nothing",
            "{properties: {a: {anyOf: [{$ref: '#/components/schemas/B'}, {type: 'null'}]}}}",
            "{B: {properties: {x: {type: string}}}}",
            "$.a.x",
        ),
        (
            "an id or the whole object",
            "{properties: {a: {anyOf: [{type: string}, {$ref: '#/components/schemas/B'}]}}}",
            "{B: {properties: {x: {type: string}}}}",
            "$.a $.a.x",
        ),
        (
            "one member of two forms",
            "{oneOf: [{properties: {a: {type: string}}}, {properties: {a: {properties: {b: {type: string}}}}}]}",
            "{}",
            "$.a $.a.b",
        ),
        (
            "a shape that holds itself",
            "{$ref: '#/components/schemas/B'}",
            "{B: {properties: {a: {type: string}, next: {$ref: '#/components/schemas/B'}}}}",
            "$.a $.next…",
        ),
        (
            "a ring of two",
            "{$ref: '#/components/schemas/B'}",
            "{B: {properties: {a: {type: string}, c: {$ref: '#/components/schemas/C'}}}, C: {properties: {b: {type: array, items: {$ref: '#/components/schemas/B'}}}}}",
            "$.a $.c.b[*]…",
        ),
        (
            "a ring of alternatives",
            "{$ref: '#/components/schemas/F'}",
            "{F: {oneOf: [{properties: {of: {oneOf: [{$ref: '#/components/schemas/F'}, {type: array, items: {$ref: '#/components/schemas/F'}}]}}}, {properties: {a: {type: string}}}]}}",
            "$.a $.of[*]… $.of…",
        ),
        ("a reference to itself", "{$ref: '#/components/schemas/B'}", "{B: {$ref: '#/components/schemas/B'}}", "$…"),
        (
            "all of itself",
            "{$ref: '#/components/schemas/B'}",
            "{B: {allOf: [{$ref: '#/components/schemas/B'}, {properties: {a: {type: string}}}]}}",
            "$.a $…",
        ),
        (
            "a reference that leads nowhere",
            "{properties: {a: {$ref: '#/components/schemas/X'}, b: {type: string}}}",
            "{}",
            "$.b $.a…",
        ),
        (
            "a reference to another file",
            "{properties: {a: {$ref: 'other.yaml#/B'}, b: {type: string}}}",
            "{}",
            "$.b $.a…",
        ),
        (
            "names that need quotes",
            "{properties: {'@id': {type: string}, 'a b': {type: string}, \"it's\": {type: string}, '': {type: string}}}",
            "{}",
            "$['@id'] $['a b'] $['it\\'s'] $['']",
        ),
        ("nonsense", "{properties: [1, 2], items: 7, allOf: {a: 1}, type: {}, enum: 3}", "{}", "$[*]…"),
    ] {
        let api = described(schema, others);
        let mut came: Vec<String> =
            places(&api).split(" $").map(|one| format!("${}", one.trim_start_matches('$'))).collect();
        let mut wanted: Vec<String> =
            expected.split(" $").map(|one| format!("${}", one.trim_start_matches('$'))).collect();
        came.sort();
        came.dedup();
        wanted.sort();
        assert_eq!(came, wanted, "{claim}");
        let policy = policy_of(&api);
        assert!(policy.scopes.is_empty(), "{claim}");
    }
}

#[test]
fn a_path_becomes_a_route_that_checks_or_is_left_out_with_a_reason() {
    for (path, expected) in [
        ("/accounts/{accountId}", "GET /accounts/{accountId}"),
        ("/accounts/", "GET /accounts/"),
        ("/", "GET /"),
        ("/a/{x}/b/{x}", "GET /a/{x}/b/{x-2}"),
        ("/files/{name}.json", "GET /files/{name}.json"),
        ("/v1/{a}:{b}", "GET /v1/{a-b}"),
        ("/v1/a:cancel", "GET /v1/a:cancel"),
        ("/a b/ü", "GET /a%20b/%C3%BC"),
        ("/%7Euser/%2a", "GET /~user/%2A"),
        ("/a{?q}", "GET /a"),
        ("/a?x=1", "GET /a"),
        ("/a//b", "left out"),
        ("/a;v=1", "left out"),
        ("/a/../b", "left out"),
        ("/a%2Fb", "left out"),
        ("/{}", "GET /{value}"),
    ] {
        let text = format!(
            "{{\"swagger\": \"2.0\", \"paths\": {{\"/other\": {{\"get\": {{}}}}, {path:?}: {{\"get\": {{\"operationId\": \"it\"}}}}}}}}"
        );
        let api = read("swagger.json", &text, Wanted::default()).unwrap();
        policy_of(&api);
        let came = match api.operations.iter().find(|operation| operation.name == "it") {
            Some(operation) => format!("{} {}", operation.method, operation.path),
            None => "left out".to_owned(),
        };
        assert_eq!(came, expected, "{path}");
        assert_eq!(api.left_out.len(), usize::from(came == "left out"), "{path}: {:?}", api.left_out);
    }
}

#[test]
fn the_servers_name_what_is_in_front_of_all_paths() {
    for (servers, path) in [
        (r#"[]"#, "/a"),
        (r#"[{"url": "https://api.example.com"}]"#, "/a"),
        (r#"[{"url": "https://api.example.com/v1/"}]"#, "/v1/a"),
        (r#"[{"url": "//api.example.com"}]"#, "/a"),
        (r#"[{"url": "//api.example.com/v1"}]"#, "/v1/a"),
        (r#"[{"url": "/v1"}]"#, "/v1/a"),
        (r#"[{"url": "https://a.example/v1"}, {"url": "https://b.example/v1"}]"#, "/v1/a"),
        (r#"[{"url": "https://a.example/v1"}, {"url": "https://a.example/v2"}]"#, "/a"),
        (r#"[{"url": "https://a.example/{version}"}]"#, "/a"),
    ] {
        let text = format!(r#"{{"openapi": "3.1.0", "servers": {servers}, "paths": {{"/a": {{"get": {{}}}}}}}}"#);
        let api = read("a.json", &text, Wanted::default()).unwrap();
        assert_eq!(api.operations[0].path, path, "{servers}");
    }
}

#[test]
fn an_operation_that_no_route_can_have_is_left_out() {
    let text = "openapi: 3.0.0\npaths: {/a: {get: {}, trace: {}, head: {}}}";
    let api = read("a.yaml", text, Wanted::default()).unwrap();
    policy_of(&api);
    let methods: Vec<&str> = api.operations.iter().map(|operation| operation.method.as_str()).collect();
    assert_eq!(methods, ["GET"]);
    assert_eq!(api.left_out, ["TRACE /a: such requests are refused, for they answer with themselves"]);
}

#[test]
fn what_is_no_description_says_so() {
    for (name, text, says) in [
        ("a.json", "{", "a.json is not JSON: line 1"),
        ("a.yaml", "a: [", "a.yaml is not YAML: line"),
        ("a.yaml", "a: 1", "neither `openapi` nor `swagger`"),
        ("a.yaml", "openapi: 4.0.0", "OpenAPI `4.0.0`"),
        ("a.yaml", "swagger: 1.2", "Swagger `1.2`"),
        ("a.yaml", "openapi: 3.1.0\nwebhooks: {}", "has no paths"),
        ("a.yaml", "openapi: 3.1.0\npaths: [1]", "has no paths"),
        ("a.yaml", "openapi: 3.1.0\npaths: {/a//b: {get: {}}}", "no operation that a route can match"),
        ("a.yaml", "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nopenapi: 3.1.0", "has no paths"),
    ] {
        let fault = read(name, text, Wanted::default()).unwrap_err();
        assert!(fault.message.contains(says), "{text}: {fault}");
        assert!(!fault.help.is_empty(), "{text}");
    }
}

#[test]
fn hostile_documents_cost_a_bounded_amount_of_work() {
    // Aliases that double twenty times.
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..25 {
        let below = level - 1;
        writeln!(bomb, "a{level}: &a{level} [*a{below}, *a{below}]").unwrap();
    }
    read("bomb.yaml", &format!("{bomb}openapi: 3.1.0\npaths: *a24"), Wanted::default()).unwrap_err();
    // Nesting that would take a recursive reader's stack.
    read("deep.json", &"[".repeat(100_000), Wanted::default()).unwrap_err();
    read("deep.yaml", &format!("openapi: 3.1.0\npaths: {}", "[".repeat(100_000)), Wanted::default()).unwrap_err();
    // Every schema holds every other: paths through them are beyond counting.
    let mut schemas = String::new();
    for one in 0..30 {
        let members: Vec<String> =
            (0..30).map(|other| format!("m{other}: {{$ref: '#/components/schemas/S{other}'}}")).collect();
        write!(schemas, "S{one}: {{properties: {{id: {{type: string}}, {}}}}}, ", members.join(", ")).unwrap();
    }
    let api = described("{$ref: '#/components/schemas/S0'}", &format!("{{{schemas}}}"));
    let policy = policy_of(&api);
    assert!(policy.routes.len() == 1);
    // The same without names: each place is written out where it is.
    let mut schemas = String::new();
    for one in 0..20 {
        let members: Vec<String> = (0..20).map(|other| format!("m{other}: {{oneOf: [{{$ref: '#/components/schemas/S{other}'}}, {{properties: {{x{one}: {{type: string}}}}}}]}}")).collect();
        write!(schemas, "S{one}: {{properties: {{{}}}}}, ", members.join(", ")).unwrap();
    }
    policy_of(&described("{$ref: '#/components/schemas/S0'}", &format!("{{{schemas}}}")));
    // A chain of a thousand shapes.
    let chain: Vec<String> = (0..1000)
        .map(|one| {
            format!(
                "S{one}: {{properties: {{id: {{type: string}}, n: {{$ref: '#/components/schemas/S{}'}}}}}}",
                one + 1
            )
        })
        .collect();
    policy_of(&described("{$ref: '#/components/schemas/S0'}", &format!("{{{}}}", chain.join(", "))));
}

#[test]
fn names_and_formats_suggest_a_class() {
    for (shape, name, base, format, expected) in [
        ("account", "id", "string", "", "key pseudonym: account"),
        ("account", "customerId", "string", "", "key pseudonym: customer"),
        ("user", "e_mail", "string", "", "contact mask: email, pseudonym: email"),
        ("user", "x", "string", "email", "contact mask: email, pseudonym: email"),
        ("user", "mobile-number", "string", "", "contact mask: {last: 3}, pseudonym: phone"),
        ("user", "dateOfBirth", "string", "date", "identity mask: year"),
        ("user", "birthDate", "string", "date", "identity mask: year"),
        ("user", "name", "string", "", "identity mask: initials"),
        ("product", "name", "string", "", "nothing"),
        ("booking", "passenger_name", "string", "", "identity mask: initials"),
        ("card", "address_line1", "string", "", "contact "),
        ("card", "address_post_code", "string", "", "contact mask: {first: 2}"),
        ("party", "firstName", "string", "", "identity mask: initials"),
        ("holder", "name", "string", "", "identity mask: initials"),
        ("address", "state", "string", "", "contact "),
        ("order", "state", "string", "", "reference "),
        ("payment", "iban", "string", "", "financial mask: {last: 4}"),
        ("payment", "amount", "number", "", "financial mask: {round: 100}"),
        ("payment", "postalCode", "string", "", "contact mask: {first: 2}"),
        ("user", "passwordHash", "string", "", "secret "),
        ("user", "active", "boolean", "", "reference "),
        ("call", "startedAt", "string", "date-time", "reference mask: month"),
        ("x", "whatever", "string", "", "nothing"),
    ] {
        let kind = Kind { base: base.to_owned(), format: format.to_owned(), listed: false };
        let came = suggest::suggest(shape, &[Step::Member(name.to_owned())], &kind)
            .map_or_else(|| "nothing".to_owned(), |found| format!("{} {}", found.class, found.forms));
        assert_eq!(came, expected, "{shape}.{name}");
    }
}

#[test]
fn every_suggestion_is_a_field_that_checks() {
    let names = [
        "id",
        "email",
        "phone",
        "iban",
        "dob",
        "ssn",
        "latitude",
        "ip",
        "zip",
        "country",
        "street",
        "firstName",
        "amount",
        "note",
        "status",
        "createdAt",
        "password",
    ];
    let members: Vec<String> = names.iter().map(|name| format!("{name}: {{type: string}}")).collect();
    let text = skeleton::write(&described(&format!("{{properties: {{{}}}}}", members.join(", ")), "{}"), "a", "a", &[]);
    let mut classes = String::new();
    let mut lines = String::new();
    for line in text.lines() {
        match line.split_once("unreviewed  ").or_else(|| line.split_once("unreviewed ")) {
            Some((key, comment)) if line.trim_start().starts_with('$') => {
                let what = comment.trim().trim_start_matches("# ");
                writeln!(lines, "{key}{what}").unwrap();
            }
            _ => writeln!(lines, "{}", line.strip_prefix("  # ").map_or(line.to_owned(), |class| format!("  {class}")))
                .unwrap(),
        }
        classes.clear();
    }
    let files = BTreeMap::from([("p.yaml".to_owned(), lines.clone())]);
    if let Err(found) = policy::load(&files, "p.yaml").and_then(|doc| policy::check(&doc)) {
        panic!("{found}\n{lines}");
    }
}

#[test]
fn a_sample_tells_kinds_and_no_values() {
    let text = r#"{"id": "A-1", "email": "ana@example.com", "lines": [{"n": "+34655010123"}, {"n": null, "x": 1}],
        "byDay": {"2026-01-01": {"sum": 1}, "2026-01-02": {"sum": 2}}, "tags": []}"#;
    let sample = Sample::read("a.json", text).unwrap();
    let paths: Vec<String> = sample.fields.iter().map(Field::path_text).collect();
    assert_eq!(paths, ["$.id", "$.email", "$.lines[*].n", "$.lines[*].x", "$.byDay[*].sum", "$.tags"]);
    let api = skeleton::of_samples(&[sample], "GET /accounts/{id}?page=1").unwrap();
    let text = skeleton::write(&api, "a.json", "a", &[]);
    policy_of(&api);
    for value in ["A-1", "ana@", "+34", "2026"] {
        assert!(!text.contains(value), "{text}");
    }
    assert!(text.contains("query: [page]"), "{text}");
    let fault = Sample::read("a.json", "{\"pin\": 1234,}").unwrap_err();
    assert!(!fault.message.contains("1234"), "{fault}");
}

#[test]
fn names_that_would_break_out_of_their_place_stay_in_it() {
    let evil = [
        "a\nb: show",
        "x: y #z",
        "\u{0}",
        "\u{1b}[2J",
        "é",
        "💥",
        "'",
        "\"",
        "\\",
        "{}",
        "[*]",
        "*",
        "&a",
        "!t",
        "on",
        "null",
        "1",
        " ",
        "-",
        "$",
        "#",
        "%41",
        "\u{2028}",
        "\u{85}",
        "\u{7f}",
        "\u{feff}",
        "a,b",
        "}",
        "`",
        "..",
        "\u{202e}",
        &"long".repeat(500),
    ];
    let properties: serde_json::Map<String, Value> =
        evil.iter().map(|name| ((*name).to_owned(), serde_json::json!({"type": "string"}))).collect();
    let schemas: serde_json::Map<String, Value> =
        evil.iter().map(|name| ((*name).to_owned(), serde_json::json!({"properties": properties}))).collect();
    let mut paths = serde_json::Map::new();
    for (index, name) in evil.iter().enumerate() {
        let reference = format!("#/components/schemas/{}", name.replace('~', "~0").replace('/', "~1"));
        paths.insert(
            format!("/p{index}/{name}/{{{name}}}"),
            serde_json::json!({"get": {
                "operationId": name, "tags": [name], "deprecated": true, "security": [{"s": [name]}],
                "parameters": [{"in": "query", "name": name}],
                "responses": {"200": {"content": {"application/json": {"schema": {"$ref": reference}}, *name: {}}}},
            }}),
        );
    }
    let document = serde_json::json!({
        "openapi": "3.1.0", "info": {"title": evil.concat()}, "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"s": {"flows": {"f": {"scopes": {"a\nb": "c\nscopes: {}"}}}}}},
    });
    let api = read("evil.json", &document.to_string(), Wanted::default()).unwrap();
    let policy = policy_of(&api);
    assert!(policy.scopes.is_empty());
    assert_eq!(policy.classes.len(), 1);
    assert!(api.operations.len() + api.left_out.len() >= evil.len());
    let text = skeleton::write(&api, "evil\n.json", "on", &[]);
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
}

/// What drift says of a policy whose shape has these entries, against a body of this schema: codes and paths.
fn drifted(entries: &str, schema: &str) -> Vec<String> {
    let api = described(schema, "{}");
    let text = format!(
        "language: 1\npolicy: p\nidentity: {{source: jwt_authn, payload: a, client: b, scopes: c}}\nclasses: {{k: {{about: x}}}}\nshapes:\n  s: {entries}\nroutes:\n  r: {{match: GET /a, area: a, body: {{$: {{shape: s}}}}}}\n"
    );
    let files = BTreeMap::from([("p.yaml".to_owned(), text)]);
    let doc = policy::load(&files, "p.yaml").unwrap();
    let (policy, _) = policy::check(&doc).unwrap();
    let mut said: Vec<String> = drift::drift(&api, "openapi.yaml", &policy, &doc)
        .iter()
        .map(|item| {
            let paths: Vec<&str> =
                item.message.split('`').skip(1).step_by(2).filter(|word| word.starts_with('$')).collect();
            format!("{} {}", item.code, paths.join(" "))
        })
        .collect();
    said.sort();
    said
}

#[test]
fn drift_is_judged_by_places_not_by_spelling() {
    let ab = "{properties: {a: {type: string}, b: {type: string}}}";
    let rows: [(&str, &str, &str, &[&str]); 14] = [
        ("the same", "{$.a: k, $.b: k}", ab, &[]),
        ("another spelling", "{\"$['a']\": k, $.b: k}", ab, &[]),
        ("a field less", "{$.a: k}", ab, &["FG053 $.b"]),
        ("a field more", "{$.a: k, $.b: k, $.c: k}", ab, &["FG047 $.c"]),
        ("a typo", "{$.a: k, $.bb: k}", ab, &["FG047 $.bb", "FG053 $.b"]),
        ("everything below", "{$..*: k}", ab, &[]),
        ("any member", "{$.*: k}", ab, &[]),
        (
            "elements",
            "{\"$.a[*].x\": k}",
            "{properties: {a: {type: array, items: {properties: {x: {type: string}}}}}}",
            &[],
        ),
        (
            "a filter",
            "{\"$.a[?@.t == 'u'].x\": k}",
            "{properties: {a: {type: array, items: {properties: {x: {type: string}}}}}}",
            &[],
        ),
        ("a map", "{$.a.*: k}", "{properties: {a: {additionalProperties: {type: string}}}}", &[]),
        (
            "an object where a scalar is named",
            "{$.a: k}",
            "{properties: {a: {properties: {x: {type: string}}}}}",
            &["FG047 $.a", "FG053 $.a.x"],
        ),
        ("a place that may hold anything", "{$.a.x: k, $.a.y.z: k}", "{properties: {a: {type: object}}}", &[]),
        (
            "a place that is cut",
            "{$.a: k, $.n.a: k}",
            "{properties: {a: {type: string}, n: {$ref: 'elsewhere.yaml'}}}",
            &[],
        ),
        (
            "an element where a member is",
            "{\"$[*].a\": k}",
            "{properties: {a: {properties: {a: {type: string}}}}}",
            &[],
        ),
    ];
    for (claim, entries, schema, expected) in rows {
        assert_eq!(drifted(entries, schema), expected, "{claim}");
    }
}

#[test]
fn a_sample_is_matched_with_the_operation_that_reads_it() {
    let text = r#"{"swagger": "2.0", "paths": {"/a": {"post": {"responses": {"200": {"schema": {"properties": {"x": {"type": "string"}}}}}},
        "get": {"responses": {"200": {"schema": {"properties": {"x": {"type": "string"}}}}}}}}}"#;
    let api = read("a.json", text, Wanted::default()).unwrap();
    let sample = Sample::read("x.json", r#"{"x": 1, "y": {"z": [1]}}"#).unwrap();
    let matched = skeleton::match_sample(&api, &sample, None).unwrap();
    assert_eq!(api.operations[matched.operation].method, "GET");
    assert_eq!(matched.undocumented, ["$.y.z[*]"]);
    skeleton::match_sample(&api, &Sample::read("y.json", r#"{"q": 7}"#).unwrap(), None).unwrap_err();
    skeleton::match_sample(&api, &sample, Some("get-b")).unwrap_err();
    assert_eq!(skeleton::match_sample(&api, &sample, Some("post-a")).unwrap().operation, 1 - matched.operation);
}

#[test]
fn a_chain_of_references_as_long_as_the_document_is_followed_to_a_bound() {
    for links in [10, 100, 20_000, 60_000] {
        let schemas: serde_json::Map<String, serde_json::Value> = (0..links)
            .map(|at| {
                let next = serde_json::json!({"$ref": format!("#/components/schemas/s{}", at + 1)});
                // Every second one by way of an `allOf`.
                (format!("s{at}"), if at % 2 == 0 { next } else { serde_json::json!({"allOf": [next]}) })
            })
            .chain([(format!("s{links}"), serde_json::json!({"type": "string"}))])
            .collect();
        let document = serde_json::json!({"openapi": "3.1.0", "components": {"schemas": schemas}, "paths": {"/a": {"get": {"responses":
            {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/s0"}}}}}}}}});
        let api = read("api.json", &document.to_string(), Wanted::default()).unwrap();
        let expected = if links <= 100 { "$" } else { "$…" };
        assert_eq!(places(&api), expected, "{links} links");
    }
}
