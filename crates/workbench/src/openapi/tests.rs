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
    read("openapi.yaml", &text, WantedOperations::default()).unwrap()
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
            "$.a",
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
        (
            "what stands beside a reference counts",
            "{$ref: '#/components/schemas/B', properties: {b: {type: string}}}",
            "{B: {properties: {a: {type: string}}}}",
            "$.a $.b",
        ),
        (
            "conditions, and what they look at",
            "{properties: {a: {type: string}}, if: {properties: {b: {const: x}}}, then: {properties: {c: {type: string}}}, else: {properties: {d: {type: string}}}}",
            "{}",
            "$.a $.b $.c $.d",
        ),
        (
            "schemas that depend on a member",
            "{dependentSchemas: {a: {properties: {b: {type: string}}}}, dependencies: {c: {properties: {d: {type: string}}}, e: [f]}}",
            "{}",
            "$.b $.d",
        ),
        ("what is not there", "{not: {properties: {a: {type: string}}}, properties: {b: {type: string}}}", "{}", "$.b"),
        (
            "elements by every word for them",
            "{prefixItems: [{properties: {a: {type: string}}}], unevaluatedItems: {properties: {b: {type: string}}}, contains: {properties: {c: {type: string}}}, additionalItems: {properties: {d: {type: string}}}}",
            "{}",
            "$[*].a $[*].b $[*].c $[*].d",
        ),
        (
            "members that are not evaluated",
            "{unevaluatedProperties: {properties: {a: {type: string}}}}",
            "{}",
            "$[*].a",
        ),
        (
            "members besides those that are named",
            "{properties: {a: {type: string}}, additionalProperties: true}",
            "{}",
            "$.a $…",
        ),
        (
            "members besides, by an empty schema",
            "{properties: {a: {type: string}}, additionalProperties: {}}",
            "{}",
            "$.a $…",
        ),
        (
            "members besides, by their names",
            "{properties: {a: {type: string}}, patternProperties: {'^x-': {type: string}}}",
            "{}",
            "$.a $[*]",
        ),
        (
            "an array or a map",
            "{oneOf: [{type: array, items: {properties: {a: {type: string}}}}, {additionalProperties: {properties: {b: {type: string}}}}]}",
            "{}",
            "$[*].a $[*].b",
        ),
        (
            "a string or an object that is not described",
            "{properties: {a: {oneOf: [{type: string}, {type: object}]}}}",
            "{}",
            "$.a $.a…",
        ),
        ("a value that is listed as an object", "{properties: {a: {const: {b: 1}}}}", "{}", "$.a $.a…"),
        (
            "an id beside what is extended",
            "{properties: {a: {oneOf: [{type: string}, {$ref: '#/components/schemas/B'}]}}}",
            "{B: {allOf: [{$ref: '#/components/schemas/C'}, {properties: {b: {type: string}}}]}, C: {properties: {c: {type: string}}}}",
            "$.a $.a.b $.a.c",
        ),
        (
            "a family by its mapping",
            "{$ref: '#/components/schemas/P'}",
            "{P: {properties: {k: {type: string}}, discriminator: {propertyName: k, mapping: {a: '#/components/schemas/A', b: B}}}, A: {properties: {a: {type: string}}}, B: {properties: {b: {type: string}}}}",
            "$.k $.a $.b",
        ),
        (
            "a family by what extends it, and what extends that",
            "{properties: {p: {$ref: '#/components/schemas/P'}}}",
            "{P: {properties: {k: {type: string}}, discriminator: {propertyName: k}}, A: {allOf: [{$ref: '#/components/schemas/P'}, {properties: {a: {type: string}}}]}, B: {allOf: [{$ref: '#/components/schemas/A'}, {properties: {b: {type: string}}}]}}",
            "$.p.k $.p.a $.p.b",
        ),
        (
            "one of a family has nothing of its siblings",
            "{$ref: '#/components/schemas/A'}",
            "{P: {properties: {k: {type: string}}, discriminator: {propertyName: k}}, A: {allOf: [{$ref: '#/components/schemas/P'}, {properties: {a: {type: string}}}]}, B: {allOf: [{$ref: '#/components/schemas/P'}, {properties: {b: {type: string}}}]}}",
            "$.k $.a",
        ),
        (
            "what is extended without a discriminator has no family",
            "{$ref: '#/components/schemas/P'}",
            "{P: {properties: {k: {type: string}}}, A: {allOf: [{$ref: '#/components/schemas/P'}, {properties: {a: {type: string}}}]}}",
            "$.k",
        ),
        (
            "a family of Swagger's kind, within a list",
            "{type: array, items: {$ref: '#/components/schemas/P'}}",
            "{P: {discriminator: k, properties: {k: {type: string}}}, A: {allOf: [{$ref: '#/components/schemas/P'}, {properties: {a: {type: string}}}]}}",
            "$[*].k $[*].a",
        ),
        (
            "alternatives with a discriminator beside them",
            "{oneOf: [{$ref: '#/components/schemas/A'}], discriminator: {propertyName: k, mapping: {b: '#/components/schemas/B'}}}",
            "{A: {properties: {a: {type: string}}}, B: {properties: {b: {type: string}}}}",
            "$.a $.b",
        ),
        (
            "a member that is called discriminator",
            "{properties: {discriminator: {type: string}, '$ref': {type: string}}}",
            "{}",
            "$.discriminator $['$ref']",
        ),
        ("a reference by anchor", "{$ref: '#b'}", "{B: {$anchor: b, properties: {a: {type: string}}}}", "$.a"),
        (
            "a reference to where the description is",
            "{$ref: 'openapi.yaml#/components/schemas/B'}",
            "{B: {properties: {a: {type: string}}}}",
            "$.a",
        ),
        (
            "a dynamic reference",
            "{$dynamicRef: '#b'}",
            "{B: {$dynamicAnchor: b, properties: {a: {type: string}, next: {$dynamicRef: '#b'}}}}",
            "$.a $.next…",
        ),
        (
            "a definition of the schema's own",
            "{$defs: {x: {properties: {a: {type: string}}}}, properties: {b: {$ref: '#/paths/~1a/get/responses/200/content/application~1json/schema/$defs/x'}}}",
            "{}",
            "$.b.a",
        ),
        (
            "a reference to a network",
            "{properties: {a: {$ref: 'https://example.com/x.json'}, b: {type: string}}}",
            "{}",
            "$.b $.a…",
        ),
        (
            "a reference that leads out",
            "{properties: {a: {$ref: '../secret.yaml'}, b: {type: string}}}",
            "{}",
            "$.b $.a…",
        ),
        ("nonsense", "{properties: [1, 2], items: 7, allOf: {a: 1}, type: {}, enum: 3}", "{}", "$…"),
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
        let api = read("swagger.json", &text, WantedOperations::default()).unwrap();
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
        let api = read("a.json", &text, WantedOperations::default()).unwrap();
        assert_eq!(api.operations[0].path, path, "{servers}");
    }
}

#[test]
fn an_operation_that_no_route_can_have_is_left_out() {
    let text = "openapi: 3.0.0\npaths: {/a: {get: {}, trace: {}, head: {}}}";
    let api = read("a.yaml", text, WantedOperations::default()).unwrap();
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
        let fault = read(name, text, WantedOperations::default()).unwrap_err();
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
    read("bomb.yaml", &format!("{bomb}openapi: 3.1.0\npaths: *a24"), WantedOperations::default()).unwrap_err();
    // Nesting that would take a recursive reader's stack.
    read("deep.json", &"[".repeat(100_000), WantedOperations::default()).unwrap_err();
    read("deep.yaml", &format!("openapi: 3.1.0\npaths: {}", "[".repeat(100_000)), WantedOperations::default())
        .unwrap_err();
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
    // Shapes without names: each place is written out where it is.
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
        ("payment", "amount", "string", "", "financial mask: {round: 100}"),
        ("payment", "paid", "string", "date", "reference mask: month"),
        ("payment", "idType", "string", "", "reference "),
        ("payment", "reference", "string", "uuid", "key pseudonym: payment"),
        ("legal_entity_dob", "year", "integer", "", "identity "),
        ("report", "year", "integer", "", "nothing"),
        ("person", "gender", "string", "", "identity "),
        ("person", "political_exposure", "string", "", "identity "),
        ("bank_account", "routing_number", "string", "", "financial "),
        ("bank_account", "last4", "string", "", "financial "),
        ("transaction", "TransactionInformation", "string", "", "notes detect: [card, email, iban, phone]"),
        ("transaction", "remittanceInformationUnstructured", "string", "", "notes detect: [card, email, iban, phone]"),
        ("map", "latitude", "number", "", "location mask: {round: 0.01}"),
        ("map", "latitude", "string", "", "location "),
        ("payment", "postalCode", "string", "", "contact mask: {first: 2}"),
        ("user", "passwordHash", "string", "", "secret "),
        ("user", "active", "boolean", "", "reference "),
        ("call", "startedAt", "string", "date-time", "reference mask: month"),
        ("meta", "TotalPages", "integer", "", "reference "),
        ("order", "total", "number", "", "financial mask: {round: 100}"),
        ("links", "Self", "string", "uri", "key "),
        ("debtor_account", "Identification", "string", "", "financial mask: {last: 4}"),
        ("device", "Identification", "string", "", "nothing"),
        ("party", "FullLegalName", "string", "", "identity mask: initials"),
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
    assert_eq!(paths, ["$.id", "$.email", "$.lines[*].n", "$.lines[*].x", "$.byDay[*].sum", "$.tags[*]"]);
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
    let api = read("evil.json", &document.to_string(), WantedOperations::default()).unwrap();
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
        (
            "a place that may hold anything",
            "{$.a.x: k, $.a.y.z: k}",
            "{properties: {a: {type: object}}}",
            &["FG118 $.a.x $.a.y.z"],
        ),
        (
            "a place that is cut",
            "{$.a: k, $.n.a: k}",
            "{properties: {a: {type: string}, n: {$ref: 'elsewhere.yaml'}}}",
            &["FG118 $.n.a"],
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
    let api = read("a.json", text, WantedOperations::default()).unwrap();
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
        let api = read("api.json", &document.to_string(), WantedOperations::default()).unwrap();
        let expected = if links <= 100 { "$" } else { "$…" };
        assert_eq!(places(&api), expected, "{links} links");
    }
}

/// Files by name, and those that were asked for besides the first.
struct Asked(BTreeMap<String, String>, std::cell::RefCell<Vec<String>>);

impl policy::Files for Asked {
    fn read(&self, path: &str) -> std::io::Result<Vec<u8>> {
        policy::Files::read(&self.0, path)
    }

    fn read_named(&self, directory: &str, path: &str) -> std::io::Result<Vec<u8>> {
        self.1.borrow_mut().push(format!("{directory}: {path}"));
        policy::Files::read(&self.0, path)
    }

    fn list(&self, directory: &str) -> std::io::Result<Vec<String>> {
        policy::Files::list(&self.0, directory)
    }
}

/// What a description in several files comes to: its places, and the files that were asked for.
fn of_files(files: &[(&str, &str)]) -> (Api, String, Vec<String>) {
    let named = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let asked = Asked(named, std::cell::RefCell::new(Vec::new()));
    let api = read_all(&asked, &[files[0].0.to_owned()], WantedOperations::default()).unwrap();
    let places = places(&api);
    (api, places, asked.1.into_inner())
}

#[test]
fn files_beside_the_description_are_read_and_none_elsewhere() {
    let root = |path: &str| format!("openapi: 3.1.0\npaths:\n  /a: {path}\n");
    let ok = "responses: {200: {content: {application/json: {schema: {properties: {x: {type: string}}}}}}}";
    let schema = "properties: {x: {type: string}}";
    let body = |reference: &str| {
        root(&format!(
            "{{get: {{responses: {{200: {{content: {{application/json: {{schema: {{$ref: '{reference}'}}}}}}}}}}}}}}"
        ))
    };
    let item = format!("get: {{{ok}}}");
    for (claim, files, expected, asked) in [
        ("a path", vec![("d/o.yaml", root("{$ref: 'paths/a.yaml'}")), ("d/paths/a.yaml", item.clone())], "$.x", "d: d/paths/a.yaml"),
        ("an operation", vec![("o.yaml", root("{get: {$ref: './r/get.yml'}}")), ("r/get.yml", ok.to_owned())], "$.x", ": r/get.yml"),
        ("a response", vec![("o.yaml", root("{get: {responses: {200: {$ref: 'r.yaml#/ok'}}}}")), ("r.yaml", format!("ok: {{content: {{application/json: {{schema: {{{schema}}}}}}}}}"))], "$.x", ": r.yaml"),
        ("a schema by a file that refers back", vec![("o.yaml", body("s/a.yaml") + "components: {schemas: {C: {properties: {c: {type: string}}}}}"), ("s/a.yaml", "properties: {x: {$ref: '../o.yaml#/components/schemas/C'}}".to_owned())], "$.x.c", ": s/a.yaml"),
        ("files that refer to each other", vec![("o.yaml", body("a.yaml")), ("a.yaml", "properties: {x: {type: string}, b: {$ref: 'b.yaml'}}".to_owned()), ("b.yaml", "properties: {a: {$ref: 'a.yaml'}}".to_owned())], "$.x $.b.a…", ": a.yaml : b.yaml"),
        ("a name that is encoded", vec![("o.yaml", body("my%20schema.json#/A")), ("my schema.json", "{\"A\": {\"properties\": {\"x\": {\"type\": \"string\"}}}}".to_owned())], "$.x", ": my schema.json"),
        ("one that is not there", vec![("o.yaml", body("gone.yaml"))], "$…", ": gone.yaml"),
        ("one that is not YAML", vec![("o.yaml", body("a.yaml")), ("a.yaml", "a: [".to_owned())], "$…", ": a.yaml"),
        ("one above", vec![("d/o.yaml", body("../a.yaml")), ("a.yaml", schema.to_owned())], "$…", ""),
        ("one beside, by a way above", vec![("d/o.yaml", body("../d/a.yaml")), ("d/a.yaml", schema.to_owned())], "$.x", "d: d/a.yaml"),
        ("one whose directory begins alike", vec![("d/o.yaml", body("../data/a.yaml")), ("data/a.yaml", schema.to_owned())], "$…", ""),
        ("one that is encoded to lead out", vec![("d/o.yaml", body("%2e%2e/a.yaml")), ("a.yaml", schema.to_owned())], "$…", ""),
        ("one from the root", vec![("d/o.yaml", body("/etc/passwd"))], "$…", ""),
        ("one of another drive", vec![("d/o.yaml", body("C:/a.yaml"))], "$…", ""),
        ("one on a network", vec![("d/o.yaml", body("//example.com/a.yaml"))], "$…", ""),
        ("a URL of a file", vec![("d/o.yaml", body("file:///etc/passwd"))], "$…", ""),
        ("one of Windows", vec![("d/o.yaml", body("..\\a.yaml"))], "$…", ""),
        ("a URL that the file itself has as its name", vec![("o.yaml", body("a.yaml#/p")), ("a.yaml", "p: {$ref: 'https://example.com/s#/q'}\ns: {$id: 'https://example.com/s', q: {properties: {x: {type: string}}}}".to_owned())], "$.x", ": a.yaml"),
    ] {
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let (api, came, read) = of_files(&files);
        assert_eq!(came, expected, "{claim}");
        assert_eq!(read.join(" "), asked, "{claim}");
        policy_of(&api);
    }
}

#[test]
fn several_descriptions_are_one_api() {
    let one = |path: &str, member: &str, schemas: &str| {
        format!(
            "openapi: 3.0.0\npaths: {{'{path}': {{get: {{operationId: it, responses: {{200: {{content: {{application/json: {{schema: {{properties: {{{member}: {{$ref: '#/components/schemas/S'}}}}}}}}}}}}}}}}}}}}\ncomponents: {{schemas: {{S: {schemas}}}}}"
        )
    };
    let files = BTreeMap::from([
        ("a.yaml".to_owned(), one("/a/{x}", "m", "{properties: {b: {type: string}}}")),
        ("b.yaml".to_owned(), one("/a/{y}", "n", "{properties: {c: {type: string}}}")),
        ("c.yaml".to_owned(), one("/c", "m", "{properties: {b: {type: string}}}")),
    ]);
    let names: Vec<String> = files.keys().cloned().collect();
    let api = read_all(&files, &names, WantedOperations::default()).unwrap();
    policy_of(&api);
    let operations: Vec<String> = api.operations.iter().map(|one| format!("{} {}", one.name, one.path)).collect();
    assert_eq!(operations, ["it /a/{x}", "it-2 /c"]);
    assert_eq!(places(&api), "$.m.b $.n.c", "what is the same request has the fields of both");
    assert_eq!(api.operations[0].remarks, ["also `/a/{y}`"]);
}

#[test]
fn operations_are_chosen_by_name_and_by_tag() {
    let text = "openapi: 3.0.0\npaths:\n  /a: {get: {operationId: getA, tags: [One Two]}, post: {tags: [three]}}\n  /b: {get: {operationId: getB, tags: [three]}}\n";
    let chosen = |operations: &[&str], tags: &[&str]| {
        let own = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let (operations, tags) = (own(operations), own(tags));
        read("a.yaml", text, WantedOperations { operations: &operations, tags: &tags, ..WantedOperations::default() })
            .map(|api| api.operations.iter().map(|one| one.name.clone()).collect::<Vec<_>>().join(" "))
            .map_err(|fault| fault.message)
    };
    for (operations, tags, expected) in [
        (&["getA"] as &[&str], &[] as &[&str], Ok("get-a")),
        (&["get-a"], &[], Ok("get-a")),
        (&["POST /a"], &[], Ok("post-a")),
        (&["post-a", "getB"], &[], Ok("post-a get-b")),
        (&[], &["three"], Ok("post-a get-b")),
        (&[], &["one-two"], Ok("get-a")),
        (&["getA"], &["three"], Ok("get-a post-a get-b")),
        (&["getC"], &[], Err("the description has no operation `getC`")),
        (&[], &["four"], Err("the description has no tag `four`")),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(chosen(operations, tags), expected, "{operations:?} {tags:?}");
    }
}

#[test]
fn every_response_that_may_be_json_counts() {
    for (claim, responses, expected) in [
        ("a range of statuses", "{2XX: {content: {application/json: {schema: {type: string}}}}}", "$"),
        (
            "two statuses",
            "{200: {content: {application/json: {schema: {properties: {a: {type: string}}}}}}, 201: {content: {application/json: {schema: {properties: {b: {type: string}}}}}}}",
            "$.a $.b",
        ),
        (
            "two media types",
            "{200: {content: {application/json: {schema: {properties: {a: {type: string}}}}, application/vnd.x.v2+json: {schema: {properties: {b: {type: string}}}}}}}",
            "$.a $.b",
        ),
        (
            "a default alone",
            "{default: {content: {application/json: {schema: {properties: {a: {type: string}}}}}}}",
            "$.a",
        ),
        (
            "a default beside a 200 is for errors",
            "{200: {content: {application/json: {schema: {properties: {a: {type: string}}}}}}, default: {content: {application/json: {schema: {properties: {b: {type: string}}}}}}}",
            "$.a",
        ),
        ("lines", "{200: {content: {application/x-ndjson: {itemSchema: {properties: {a: {type: string}}}}}}}", "$.a"),
        ("any type", "{200: {content: {'*/*': {schema: {properties: {a: {type: string}}}}}}}", "$.a"),
        ("no JSON", "{200: {content: {application/pdf: {schema: {type: string}}}}}", "$…"),
        ("a type without a schema", "{200: {content: {application/json: {}}}}", "$…"),
        ("an error", "{400: {content: {application/json: {schema: {properties: {a: {type: string}}}}}}}", "$…"),
        ("nothing", "{}", "$…"),
    ] {
        let text = format!("openapi: 3.2.0\npaths: {{/a: {{get: {{responses: {responses}}}}}}}");
        let api = read("a.yaml", &text, WantedOperations::default()).unwrap();
        assert_eq!(places(&api), expected, "{claim}");
    }
}

#[test]
fn query_parameters_are_named_as_they_are_sent() {
    for (claim, path, parameters, expected, remarks) in [
        ("a plain one", "/a", "[{name: x, in: query}, {name: y, in: header}]", "x", 0),
        (
            "an object of fixed names",
            "/a",
            "[{name: f, in: query, style: deepObject, schema: {properties: {a: {}, b: {}}}}]",
            "f[a] f[b]",
            0,
        ),
        (
            "an object of free names",
            "/a",
            "[{name: f, in: query, style: deepObject, schema: {type: object, additionalProperties: {type: string}}}]",
            "f[*]",
            0,
        ),
        (
            "an object that is not described",
            "/a",
            "[{name: f, in: query, style: deepObject, schema: {type: object}}]",
            "f[*]",
            0,
        ),
        (
            "an object as parameters of its own",
            "/a",
            "[{name: f, in: query, schema: {allOf: [{properties: {a: {}}}, {properties: {b: {}}}]}}]",
            "a b",
            0,
        ),
        (
            "an object as parameters of any name",
            "/a",
            "[{name: f, in: query, schema: {type: object, additionalProperties: true}}]",
            "",
            1,
        ),
        (
            "an object in one value",
            "/a",
            "[{name: f, in: query, explode: false, schema: {properties: {a: {}}}}]",
            "f",
            0,
        ),
        ("a list", "/a", "[{name: 'ids[]', in: query, schema: {type: array, items: {}}}]", "ids[]", 0),
        (
            "JSON in a value",
            "/a",
            "[{name: f, in: query, content: {application/json: {schema: {properties: {a: {}}}}}}]",
            "f",
            0,
        ),
        (
            "the whole query",
            "/a",
            "[{name: q, in: querystring, content: {application/x-www-form-urlencoded: {schema: {properties: {a: {}, b: {}}}}}}]",
            "a b",
            0,
        ),
        ("one of the path's text", "'/a?type=x'", "[]", "type", 0),
        ("one that is missing", "/a", "[{$ref: '#/nowhere'}]", "", 1),
    ] {
        let text = format!("openapi: 3.2.0\npaths: {{{path}: {{get: {{parameters: {parameters}}}}}}}");
        let api = read("a.yaml", &text, WantedOperations::default()).unwrap();
        policy_of(&api);
        assert_eq!(api.operations[0].query.join(" "), expected, "{claim}");
        assert_eq!(api.operations[0].remarks.len(), remarks, "{claim}: {:?}", api.operations[0].remarks);
    }
}

#[test]
fn a_form_that_no_described_value_has_is_found() {
    for (mask, kind, expected) in [
        ("email", "{type: string}", &[] as &[&str]),
        ("email", "{type: number}", &["FG119"]),
        ("email", "{type: string, format: uuid}", &["FG119"]),
        ("email", "{type: string, format: hostname}", &["FG119"]),
        ("email", "{type: [string, number]}", &[]),
        ("email", "{}", &[]),
        ("year", "{type: integer}", &["FG119"]),
        ("year", "{type: string, format: date}", &[]),
        ("initials", "{type: boolean}", &["FG119"]),
        ("{last: 2}", "{type: integer}", &[]),
        ("{last: 2}", "{type: boolean}", &["FG119"]),
        ("{round: 10}", "{type: string}", &[]),
        ("{round: 10}", "{type: string, format: date}", &["FG119"]),
        ("{round: 10}", "{oneOf: [{type: boolean}, {type: number}]}", &[]),
    ] {
        let entries = format!("{{$.a: {{class: k, mask: {mask}}}}}");
        let said = drifted(&entries, &format!("{{properties: {{a: {kind}}}}}"));
        let codes: Vec<&str> = said.iter().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(codes, expected, "{mask} of {kind}");
    }
}
