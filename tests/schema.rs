//! The schema for editors agrees with `check` on what is shipped, and on what is broken by a key or a word; and SARIF is SARIF.

#![allow(clippy::expect_used, reason = "a test may stop where it stands")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fieldgate::model::Mask;
use fieldgate::policy::{self, Disk};
use fieldgate_testkit::fragments;
use jsonschema::Validator;
use serde_json::Value;

fn root() -> PathBuf {
    fieldgate_testkit::root().to_owned()
}

fn schema() -> Validator {
    let text = fs::read_to_string(root().join("policies/fieldgate.v1.schema.json")).expect("the schema");
    let schema: Value = serde_json::from_str(&text).expect("the schema is JSON");
    jsonschema::draft202012::meta::validate(&schema).expect("the schema is a schema");
    jsonschema::validator_for(&schema).expect("the schema compiles")
}

/// A policy as JSON, without asking whether it checks.
fn document(path: &Path) -> Value {
    let doc = policy::load(&Disk, &path.to_string_lossy()).expect("the policy can be read");
    serde_json::from_str(&policy::to_json(&doc)).expect("a policy's JSON form is JSON")
}

#[test]
fn each_form_at_mask_is_valid() {
    let schema = schema();
    for form in Mask::EACH {
        let files =
            fragments::files(&format!("shapes:\n  account: {{$.id: {{class: key, mask: {}}}}}\n", form.spelled()));
        let doc = policy::load(&files, "policy.yaml").expect("the policy can be read");
        let json = serde_json::from_str(&policy::to_json(&doc)).expect("a policy's JSON form is JSON");
        assert!(schema.is_valid(&json), "policies/fieldgate.v1.schema.json does not know `mask: {}`", form.spelled());
    }
}

#[test]
fn shipped_policies_are_valid() {
    let schema = schema();
    let mut seen = 0;
    let top = fs::read_dir(root().join("policies")).expect("the shipped policies");
    let top = top.map(|entry| entry.expect("an entry").path());
    for path in top.chain([root().join("policies/banking/banking.yaml")]) {
        let name = path.to_string_lossy();
        if name.ends_with(".yaml") && !name.ends_with(".test.yaml") {
            let faults: Vec<String> = schema
                .iter_errors(&document(&path))
                .map(|fault| format!("{fault} at {}", fault.instance_path()))
                .collect();
            assert!(faults.is_empty(), "{name}: {faults:#?}");
            seen += 1;
        }
    }
    assert!(seen > 0, "there is no shipped policy");
}

/// Every YAML file below a folder, suites left out.
fn policy_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of policies") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            policy_files(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "yaml") && !path.to_string_lossy().ends_with(".test.yaml")
        {
            found.push(path);
        }
    }
}

#[test]
fn an_editor_finds_the_schema_from_every_shipped_file() {
    let mut files = Vec::new();
    policy_files(&root().join("policies"), &mut files);
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).expect("a policy's file");
        let named = text.lines().next().and_then(|line| line.strip_prefix("# yaml-language-server: $schema="));
        let schema = named.map(|named| file.parent().expect("a folder").join(named).canonicalize());
        let shipped = root().join("policies/fieldgate.v1.schema.json").canonicalize().expect("the schema");
        assert_eq!(schema.and_then(Result::ok), Some(shipped), "{}", file.display());
    }
}

/// A small policy with one line changed: both must refuse it, or both must take it.
#[test]
fn schema_and_check_agree_on_keys_and_words() {
    let schema = schema();
    let small = fs::read_to_string(root().join("tests/cli/small.yaml")).expect("the small policy");
    for (from, to, valid) in [
        ("", "", true),
        ("language: 1", "language: 2", false),
        ("policy: small", "policy: small\nhead: hold", false),
        ("policy: small", "policy: small\nhead: released", true),
        ("policy: small", "policy: small\nlimits: {depth: 65}", false),
        ("policy: small", "policy: small\nlimits: {body: 1MiB, record: 64KiB}", true),
        ("policy: small", "policy: small\nhosts: []", false),
        ("policy: small", "policy: small\nkey: k2", true),
        ("policy: small", "policy: small\nkey: K2", false),
        (
            "area: accounts, body: {$: {shape: account}}}",
            "area: accounts, subject: {customer: \"{accountId}\"}, body: {$: {shape: account}}}\nbudgets: {a: {count: {records: true}, per: 1h, max: 1}}",
            true,
        ),
        (
            "area: accounts, body: {$: {shape: account}}}",
            "area: accounts, subject: {customer: \"{accountId}\"}, body: {$: {shape: account}}}\nbudgets: {a: {count: {records: true}, per: 1h}}",
            false,
        ),
        (
            "area: accounts, body: {$: {shape: account}}}",
            "area: accounts, subject: {customer: \"{accountId}\"}, body: {$: {shape: account}}}\nbudgets: {a: {count: {records: false}, per: 1h, max: 1}}",
            false,
        ),
        (
            "area: accounts, body: {$: {shape: account}}}",
            "area: accounts, subject: {customer: \"{accountId}\"}, body: {$: {shape: account}}}\nbudgets: {a: {count: {records: true}, per: 1w, max: 1}}",
            false,
        ),
        (
            "area: accounts, body: {$: {shape: account}}}",
            "area: accounts, subject: {customer: \"{accountId}\"}, body: {$: {shape: account}}}\nbudgets: {a: {count: {distinct: customer}, per: 1h, max: 1, steps: {101%: mask}}}",
            false,
        ),
        (
            "area: accounts, body: {$: {shape: account}}}",
            "area: accounts, subject: {customer: \"{accountId}\"}, body: {$: {shape: account}}}\nbudgets: {a: {count: {distinct: customer}, per: 1h, max: 1, store: rls}}",
            false,
        ),
        (
            "area: accounts, body: {$: {shape: account}}}",
            "area: accounts, subject: {customer: \"{accountId}\"}, body: {$: {shape: account}}}\nbudgets: {a: {by: [client, {claim: sub}], count: {distinct: customer}, per: 1h, max: 1, store: rls, rls: {cluster: a, domain: b, timeout: 1s}, on_error: local}}",
            true,
        ),
        (
            "area: accounts, body: {$: {shape: account}}}",
            "area: accounts, subject: {customer: \"{accountId}\"}, body: {$: {shape: account}}}\ncanaries: {customer: [c1_6f0d3b9a41c27e58], ceiling: blank}",
            true,
        ),
        (
            "area: accounts, body: {$: {shape: account}}}",
            "area: accounts, subject: {customer: \"{accountId}\"}, body: {$: {shape: account}}}\ncanaries: {customer: [c1_6F0d3b9a41c27e58], ceiling: blank}",
            false,
        ),
        (
            "area: accounts, body: {$: {shape: account}}}",
            "area: accounts, subject: {customer: \"{accountId}\"}, body: {$: {shape: account}}}\ncanaries: {customer: []}",
            false,
        ),
        ("scopes: scope}", "scopes: scope, header: x}", false),
        ("payload: verified_jwt, ", "", false),
        ("$.status: reference", "$.status: {class: reference, mask: {first: 2, last: 2}}", true),
        ("$.status: reference", "$.status: {class: reference, mask: {first: 2, round: 2}}", false),
        ("$.status: reference", "$.status: {class: reference, mask: {round: 0.01}}", true),
        ("$.status: reference", "$.status: {class: reference, mask: {round: 0}}", false),
        ("$.status: reference", "$.status: {class: reference, mask: {round: '1'}}", false),
        (
            "policy: small",
            "policy: small\ndefaults: {errors: {show: [code, '$.errors[*].code'], detect: [email]}}",
            true,
        ),
        ("policy: small", "policy: small\ndefaults: {errors: {show: [error.code]}}", false),
        ("policy: small", "policy: small\ndefaults: {errors: {hide: [code]}}", false),
        ("policy: small", "policy: small\ndefaults: {headers: {echo: [x-request-id]}}", true),
        ("area: accounts, ", "area: accounts, headers: {keep: [location], echo: [x-trace-id]}, ", true),
        ("area: accounts, ", "area: accounts, headers: {drop: [location]}, ", false),
        ("area: accounts, ", "area: accounts, query: ['filter[*]'], ", true),
        ("$.status: reference", "$.status: {class: reference, mask: {last: 0}}", false),
        ("$.status: reference", "$.status: {class: reference, mask: initials, blank: \"-\"}", true),
        ("$.status: reference", "$.status: {class: reference, pseudonym: {ns: a, link: some}}", false),
        ("$.status: reference", "$.status: {class: reference, detect: [email, \"u r l\"]}", false),
        ("$.status: reference", "$.status: {class: reference, detect: [email, {phone: {regions: [ES, US]}}]}", true),
        ("$.status: reference", "$.status: {class: reference, detect: [{phone: {regions: [es]}}]}", false),
        ("$.status: reference", "$.status: {class: reference, detect: [{phone: {regions: [ES, ES]}}]}", false),
        ("$.status: reference", "$.status: {class: reference, detect: [{phone: {}}]}", false),
        ("$.status: reference", "$.status: {class: reference, detect: [{email: {regions: [ES]}}]}", false),
        ("policy: small", "policy: small\ndetectors: {ref: {pattern: 'R[0-9]+', about: References}}", true),
        ("policy: small", "policy: small\ndetectors: {ref: {about: References}}", false),
        ("policy: small", "policy: small\ndetectors: {ref: {pattern: ''}}", false),
        ("policy: small", "policy: small\ndetectors: {ref: {pattern: 'R', flags: i}}", false),
        ("policy: small", "policy: small\ndetectors: {email: {pattern: 'R'}}", false),
        ("$.status: reference", "status: reference", false),
        ("area: accounts, ", "", false),
        ("area: accounts, ", "area: accounts, query: all, ", false),
        ("area: accounts, ", "area: accounts, query: [page], ", true),
        ("area: accounts, ", "area: accounts, pass: why, ", false),
        ("area: accounts, ", "area: accounts, report_until: 2027-01-31, ", true),
        ("area: accounts, ", "area: accounts, report_until: soon, ", false),
        ("area: accounts, ", "area: accounts, report_until: 20270131, ", false),
        ("area: accounts, ", "area: accounts, max_records: {at: \"$.a[*]\", max: 2, over: stop}, ", false),
        ("area: accounts, ", "area: accounts, other_content: pass, ", false),
        ("area: accounts, ", "area: accounts, other_content: {pass: []}, ", false),
        ("area: accounts, ", "area: accounts, other_content: {pass: [text/csv]}, ", false),
        ("area: accounts, ", "area: accounts, other_content: {pass: [image/svg+xml]}, ", false),
        ("area: accounts, ", "area: accounts, other_content: {pass: [application/pdf, 'image/*']}, ", true),
        ("area: accounts, ", "area: accounts, content_types: [application/vnd.a.v2+json], ", true),
        ("area: accounts, ", "area: accounts, content_types: ['application/*'], ", false),
        ("policy: small", "policy: small\ndefaults: {content_types: [application/vnd.a+json]}", true),
        ("policy: small", "policy: small\ndefaults: {other_content: pass}", false),
        ("GET /accounts", "get /accounts", false),
        ("reference: show", "reference: shown", false),
        ("areas: [accounts], ", "", false),
        ("areas: [accounts], ", "areas: [accounts], when: never, ", false),
        ("areas: [accounts], ", "areas: [accounts], when: {claims: {acr: [loa3]}}, ", true),
    ] {
        assert!(small.contains(from), "`{from}` is not in the small policy");
        let text = small.replacen(from, to, 1);
        let files = std::collections::BTreeMap::from([("small.yaml".to_owned(), text)]);
        let doc = policy::load(&files, "small.yaml").expect("the policy can be read");
        let json: Value = serde_json::from_str(&policy::to_json(&doc)).expect("JSON");
        assert_eq!(policy::check(&doc).is_ok(), valid, "check: {from} -> {to}: {:?}", policy::check(&doc).err());
        assert_eq!(schema.is_valid(&json), valid, "schema: {from} -> {to}");
    }
}

/// What `check --format sarif` writes, held against the standard's own schema.
///
/// `sarif-2.1.0.schema.json` is the OASIS schema (2.1.0-rtm.5) as the npm package `@microsoft/jest-sarif` ships it (MIT), its
/// descriptions left out, and with them the pattern of `language`, which is no regular
/// expression of ECMA-262.
#[test]
fn sarif_is_valid_by_its_own_schema() {
    let text = fs::read_to_string(root().join("tests/schema/sarif-2.1.0.schema.json")).expect("the schema of SARIF");
    let schema: Value = serde_json::from_str(&text).expect("the schema is JSON");
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).expect("the schema compiles");
    for (paths, results) in [
        (&["tests/cli/small.yaml"][..], 0..=0),
        (&["policies/telco.yaml"], 1..=1),
        (&["tests/cli/broken/warned.yaml"], 3..=3),
        (&["tests/cli/broken", "policies", "tests/cli/openapi/accounts.policy.yaml"], 10..=100),
        (&["tests/cli/openapi/accounts.policy.yaml", "--openapi", "tests/cli/openapi/accounts.yaml"], 7..=7),
    ] {
        let run = Command::new(env!("CARGO_BIN_EXE_fieldgate"))
            .args(["check", "--format", "sarif"])
            .args(paths)
            .current_dir(root())
            .output()
            .expect("the command runs");
        let document: Value = serde_json::from_slice(&run.stdout).expect("SARIF is JSON");
        let faults: Vec<String> =
            validator.iter_errors(&document).map(|fault| format!("{fault} at {}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{paths:?}: {faults:#?}");
        let count = document.pointer("/runs/0/results").and_then(Value::as_array).map_or(0, Vec::len);
        assert!(results.contains(&count), "{paths:?}: {count} results");
        // The schema cannot say that an index fits its rule.
        for result in document.pointer("/runs/0/results").and_then(Value::as_array).into_iter().flatten() {
            let index = result.get("ruleIndex").and_then(Value::as_u64).expect("an index");
            let rule = document.pointer(&format!("/runs/0/tool/driver/rules/{index}/id"));
            assert_eq!(rule, result.get("ruleId"), "{paths:?}");
        }
    }
    let broken = serde_json::json!({"version": "2.1.0", "runs": [{"results": []}]});
    assert!(!validator.is_valid(&broken), "the schema refuses a run without a tool");
}
