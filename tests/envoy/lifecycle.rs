//! Starting, reloading, and the facts about Envoy that the design leans on.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::rows;
use super::support::bootstrap::{Host, with_policy};
use super::support::client::{self, Answer, Protocol, Request};
use super::support::envoy::{Envoy, Scratch};
use super::support::row::{Carriage, Framing, HeadMode, Policy};
use super::support::upstream::{SCRIPT, Script, Step};
use super::world::{KEY, World};

type Test = fn(&World) -> Result<(), String>;

pub(crate) const ALL: [(&str, Test); 7] = [
    ("a broken policy keeps Envoy from starting", broken_policy),
    ("a policy with pseudonyms keeps Envoy from starting without the key", missing_key),
    ("on a reload a broken policy is rejected and the old one goes on serving", reload),
    ("the key is not in the configuration dump", config_dump),
    ("preview writes byte for byte what Envoy sends", preview),
    ("without a verified token nothing reaches the upstream", no_token),
    ("a route that only reports passes what comes, counts it by Envoy's clock, and enforces from its day on", report),
];

/// Shows one member to everybody with `things.read`.
pub(crate) const SHOWS_NAME: &str = r"
language: 1
policy: things
identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}
defaults: {unmatched_route: reject, other_content: reject}
classes: {plain: {about: Whatever}}
shapes: {thing: {$.name: plain}}
routes: {get-thing: {match: 'GET /things/{id}', area: things, body: {$: {shape: thing}}}}
scopes: {things.read: {areas: [things], grant: {plain: show}}}
";

const THING: &[u8] = b"{\"name\":\"lamp\",\"price\":12}";

fn broken_policy(world: &World) -> Result<(), String> {
    let good = World::policy_json(&Policy::Text(SHOWS_NAME), HeadMode::Held)?;
    for broken in
        ["{}", "", "{\"language\":1", &good.replace("\"show\"", "\"shwo\""), &good.replace("language", "lnaguage")]
    {
        let (scratch, bootstrap) = world.reference(broken);
        match Envoy::start(&world.tools, scratch, &bootstrap, Some(KEY)) {
            Ok(_) => return Err(format!("Envoy started with {broken}")),
            Err(log) if log.contains(refused()) => {}
            Err(log) => return Err(format!("Envoy did not start, but why?\n{log}")),
        }
    }
    let (scratch, bootstrap) = world.reference(&good);
    Envoy::start(&world.tools, scratch, &bootstrap, None).map(drop)
}

fn missing_key(world: &World) -> Result<(), String> {
    let with_pseudonym = SHOWS_NAME
        .replace("$.name: plain", "$.name: {class: plain, pseudonym: name}")
        .replace("plain: show", "plain: pseudonym");
    let scratch = Scratch::new().map_err(|error| error.to_string())?;
    let path = scratch.write("policy.yaml", &with_pseudonym).map_err(|error| error.to_string())?;
    let policy = World::policy_json(&Policy::file(path), HeadMode::Held)?;
    for (key, starts) in [(None, false), (Some("c2hvcnQ="), false), (Some("not base64!"), false), (Some(KEY), true)] {
        let (scratch, bootstrap) = world.reference(&policy);
        if Envoy::start(&world.tools, scratch, &bootstrap, key).is_ok() != starts {
            return Err(format!("with the key {key:?} Envoy started: {}", !starts));
        }
    }
    Ok(())
}

fn reload(world: &World) -> Result<(), String> {
    let first = World::policy_json(&Policy::Text(SHOWS_NAME), HeadMode::Held)?;
    let second = first.replace("$.name", "$.price");
    let (scratch, bootstrap) = world.reference(&first);
    let file = scratch.path().join("fieldgate.json");
    let (bootstrap, discovered) = bootstrap.with_discovery(&file);
    let load = |scratch: &Scratch, policy: &str| {
        let response = with_policy(discovered.clone(), policy).to_string();
        scratch.write("fieldgate.json", &response).map(drop).map_err(|error| error.to_string())
    };
    load(&scratch, &first)?;
    let envoy = Envoy::start(&world.tools, scratch, &bootstrap, Some(KEY))?;
    let sees = |body: &str| {
        let answer = ask(world, &envoy, "things.read", |_| {});
        if answer.body == body.as_bytes() { Ok(()) } else { Err(format!("expected {body}, got {answer:?}")) }
    };
    let count = |what: &str| envoy.stat(&format!("extension_config_discovery.http_filter.fieldgate.{what}"));
    sees(r#"{"name":"lamp"}"#)?;

    let rejected = count("config_fail");
    load(&envoy.scratch, &first.replace("\"show\"", "\"shwo\""))?;
    until("the broken policy is rejected", || count("config_fail") > rejected)?;
    sees(r#"{"name":"lamp"}"#)?;

    let reloaded = count("config_reload");
    load(&envoy.scratch, &second)?;
    until("the mended policy is taken", || count("config_reload") > reloaded)?;
    until("the mended policy serves", || sees(r#"{"price":12}"#).is_ok())
}

fn config_dump(world: &World) -> Result<(), String> {
    let policy = World::policy_json(&Policy::Text(SHOWS_NAME), HeadMode::Held)?;
    let (scratch, bootstrap) = world.reference(&policy);
    let envoy = Envoy::start(&world.tools, scratch, &bootstrap, Some(KEY))?;
    let (_, dump) = envoy.admin_get("/config_dump?include_eds").ok_or("no configuration dump")?;
    let shown = match Host::chosen() {
        Host::Plugin => "FIELDGATE_KEY",
        Host::Module => "fieldgate_module",
    };
    if !dump.contains(shown) {
        return Err("the dump does not show the filter's configuration at all".to_owned());
    }
    if dump.contains(KEY) || envoy.log().contains(KEY) { Err("the key is there".to_owned()) } else { Ok(()) }
}

fn report(world: &World) -> Result<(), String> {
    let route = "area: things";
    let reporting = SHOWS_NAME.replace(route, &format!("{route}, report_until: 2100-01-01"));
    let over = SHOWS_NAME.replace(route, &format!("{route}, report_until: 2020-01-01"));
    for (policy, scopes, status, body) in [
        (&reporting, "things.read", 200, THING),
        (&reporting, "other", 200, THING),
        (&over, "things.read", 200, br#"{"name":"lamp"}"#),
        (&over, "other", 403, b""),
    ] {
        let scratch = Scratch::new().map_err(|error| error.to_string())?;
        let path = scratch.write("policy.yaml", policy).map_err(|error| error.to_string())?;
        let json = World::policy_json(&Policy::file(path), HeadMode::Held)?;
        let (scratch, bootstrap) = world.reference(&json);
        let envoy = Envoy::start(&world.tools, scratch, &bootstrap, Some(KEY))?;
        let answer = ask(world, &envoy, scopes, |_| {});
        if answer.status != status || (status == 200 && answer.body != body) {
            return Err(format!("expected {status}, got {answer:?}"));
        }
        if policy == &reporting {
            let counter = match scopes {
                "things.read" => {
                    "fieldgate_reported_fields_total.route=.=get-thing;.;scopes=.=things.read;.;level=.=show;.;field=.=$.name;.;: 1"
                }
                _ => "fieldgate_refusals_total.route=.=get-thing;.;reason=.=nothing_visible;.;mode=.=reported;.;: 1",
            };
            let counter = Host::chosen().series(counter);
            until(&counter, || {
                envoy.admin_get("/stats?filter=fieldgate_re").is_some_and(|(_, stats)| stats.contains(&counter))
            })?;
        }
    }
    Ok(())
}

fn no_token(world: &World) -> Result<(), String> {
    let policy = World::policy_json(&Policy::Text(SHOWS_NAME), HeadMode::Held)?;
    let (scratch, bootstrap) = world.reference(&policy);
    let envoy = Envoy::start(&world.tools, scratch, &bootstrap, Some(KEY))?;
    let forgery = super::support::token::Issuer::new().token(&json!({"azp": "app", "scope": "things.read"}));
    let old = world.issuer.token(&json!({"scope": "things.read", "exp": 1_000_000_000}));
    let endless = world.issuer.token(&json!({"scope": "things.read", "exp": null}));
    let elsewhere = world.issuer.token(&json!({"scope": "things.read", "aud": "https://other.example"}));
    for token in [None, Some(forgery), Some(old), Some(endless), Some(elsewhere)] {
        let answer = ask(world, &envoy, "things.read", |request| {
            request.fields.retain(|(name, _)| name != "authorization");
            let value = token.as_ref().map(|token| format!("Bearer {token}").into_bytes());
            request.fields.extend(value.map(|value| ("authorization".to_owned(), value)));
        });
        if !matches!(answer.status, 401 | 403) {
            return Err(format!("{token:?} got {answer:?}"));
        }
    }
    let answer = ask(world, &envoy, "things.read", |_| {});
    if answer.status == 200 { Ok(()) } else { Err(format!("the good token got {answer:?}")) }
}

fn preview(world: &World) -> Result<(), String> {
    let carriage = Carriage {
        head: HeadMode::Held,
        framing: Framing::Length,
        upstream: Protocol::Http1,
        downstream: Protocol::Http1,
    };
    for row in rows::telco() {
        let policy = World::policy_json(&row.policy, carriage.head)?;
        let fetched = world.with_envoy(&policy, carriage.head, |envoy| world.fetch(envoy, &row, carriage))?;
        let claim = |name: &str| row.claims[name].as_str().unwrap_or_default();
        let scopes = claim("scope").split(' ').flat_map(|scope| ["--scope", scope]);
        let mut preview = Command::new(env!("CARGO_BIN_EXE_fieldgate"))
            .args(["preview", "GET /accounts/42", "--policy", "policies/telco.yaml", "--client", claim("azp")])
            .args(scopes)
            .current_dir(fieldgate_testkit::root())
            .env("FIELDGATE_KEY", KEY)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut input = preview.stdin.take().ok_or("no standard input")?;
        input.write_all(&fetched.scripted.body).map_err(|error| error.to_string())?;
        drop(input);
        let written = preview.wait_with_output().map_err(|error| error.to_string())?;
        let is_refused = fetched.answer.status != 200;
        if written.stdout != fetched.answer.body || written.status.code() != Some(i32::from(is_refused)) {
            let written = String::from_utf8_lossy(&written.stdout).into_owned();
            return Err(format!("{}: {written}\n  Envoy {:?}", row.claim, fetched.answer));
        }
    }
    Ok(())
}

/// `GET /things/1` over HTTP/1, answered with [`THING`].
pub(crate) fn ask(world: &World, envoy: &Envoy, scopes: &str, change: impl FnOnce(&mut Request)) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", THING.len());
    let http1 = vec![Step::Bytes([head.as_bytes(), THING].concat())];
    let id = world.upstream.play(Script { http1, ..Script::default() });
    let token = world.issuer.token(&json!({"azp": "app", "scope": scopes}));
    let mut request = Request {
        method: "GET".to_owned(),
        path: "/things/1".to_owned(),
        fields: vec![
            (SCRIPT.to_owned(), id.into_bytes()),
            ("authorization".to_owned(), format!("Bearer {token}").into_bytes()),
        ],
        body: Vec::new(),
    };
    change(&mut request);
    world.runtime.block_on(client::ask(envoy.listener("api"), Protocol::Http1, &request))
}

pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) -> Result<(), String> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        if is_so() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("never seen: {what}"))
}

/// What Envoy says when the filter does not take its configuration.
fn refused() -> &'static str {
    match Host::chosen() {
        Host::Plugin => "Unable to create Wasm plugin fieldgate",
        Host::Module => "Failed to initialize dynamic module",
    }
}
