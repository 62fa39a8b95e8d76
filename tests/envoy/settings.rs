//! Filters before the plugin find their settings on the virtual host and the route, also with the gate in place: one row for
//! each filter that takes any. And the gate: it answers for a plugin that is not there.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};

use super::Test;
use super::lifecycle::{SHOWS_NAME, ask};
use super::rows;
use super::support::bootstrap::Bootstrap;
use super::support::client::{Protocol, Request};
use super::support::envoy::Envoy;
use super::support::row::{Carriage, Framing, HeadMode, Policy, Row};
use super::support::upstream::{Script, Step};
use super::world::{self, KEY, World};

pub(crate) fn all() -> Vec<(String, Test)> {
    type Claim = fn(&World) -> Result<(), String>;
    let rows: [(&str, Claim); 7] = [
        ("CORS before the plugin takes the virtual host's settings", cors),
        ("RBAC before the plugin takes the route's settings over the virtual host's", rbac),
        ("a local rate limit before the plugin takes the virtual host's settings", rate_limit),
        ("ext_authz before the plugin takes the route's settings", authorization),
        ("jwt_authn before the plugin takes the route's settings", token),
        (
            "behind the plugin a filter that holds responses back costs Envoy nothing, however long a form makes them",
            held_behind,
        ),
        ("an upstream's reason phrase leaves only where Envoy is told to forward it", reason_phrase),
    ];
    rows.into_iter().map(|(claim, test)| (claim.to_owned(), Box::new(test) as Test)).collect()
}

/// A message of an HTTP filter.
fn message(kind: &str, fields: Value) -> Value {
    let mut message = json!({"@type": format!("type.googleapis.com/envoy.extensions.filters.http.{kind}")});
    if let (Value::Object(message), Value::Object(fields)) = (&mut message, fields) {
        message.extend(fields);
    }
    message
}

fn filter(name: &str, config: Value) -> Value {
    json!({"name": format!("envoy.filters.http.{name}"), "typed_config": config})
}

fn settings(name: &str, config: Value) -> Value {
    json!({format!("envoy.filters.http.{name}"): config})
}

fn start(world: &World, change: impl FnOnce(Bootstrap) -> Bootstrap) -> Result<Envoy, String> {
    let policy = World::policy_json(&Policy::Text(SHOWS_NAME), HeadMode::Held)?;
    let (scratch, bootstrap) = world.reference(&policy);
    Envoy::start(&world.tools, scratch, &change(bootstrap), Some(KEY))
}

/// Asks, and compares the status and a header that there must be.
fn expect(
    world: &World,
    envoy: &Envoy,
    what: &str,
    (status, header): (u16, Option<(&str, &str)>),
    change: impl FnOnce(&mut Request),
) -> Result<(), String> {
    let answer = ask(world, envoy, "things.read", change);
    let has = |(name, value): (&str, &str)| answer.fields.iter().any(|(n, v)| n == name && v == value.as_bytes());
    if answer.status == status && header.is_none_or(has) { Ok(()) } else { Err(format!("{what}: {answer:?}")) }
}

/// No filter sees it: `fieldgate check --envoy` says what forwards it (FG065).
fn reason_phrase(world: &World) -> Result<(), String> {
    let row = rows::thing("a reason phrase").answers(200, r#"{"name":"lamp"}"#);
    for (is_told, change) in
        [(false, (|own| own) as fn(Bootstrap) -> Bootstrap), (true, Bootstrap::with_reason_phrases)]
    {
        let envoy = start(world, change)?;
        let carriage = Carriage {
            head: HeadMode::Held,
            framing: Framing::Length,
            upstream: Protocol::Http1,
            downstream: Protocol::Http1,
        };
        let body = r#"{"name":"lamp"}"#;
        let head = format!(
            "HTTP/1.1 200 Ana Lopez\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let script =
            Script { http1: vec![Step::Bytes([head.as_bytes(), body.as_bytes()].concat())], ..Script::default() };
        let (answer, _) = world.play(&envoy, &row, carriage, script);
        let leaves = answer.wire.starts_with(b"HTTP/1.1 200 Ana Lopez\r\n");
        if answer.status != 200 || leaves != is_told {
            return Err(format!("forwarded: {is_told}, {:?}", String::from_utf8_lossy(&answer.wire)));
        }
    }
    Ok(())
}

/// A list whose values a form makes four times as long: more than the listener's buffer.
const LENGTHENED: &str = "
language: 1
policy: lengthened
identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}
classes: {key: {about: Names somebody}}
routes: {list: {match: GET /keys, area: things, body: {'$[*]': {class: key, pseudonym: keys}}}}
scopes: {things.read: {areas: [things], grant: {key: pseudonym}}}
";

/// What a script holds back comes to the plugin whole, in the buffer that has Envoy's limit.
fn held_behind(world: &World) -> Result<(), String> {
    let script = "function envoy_on_response(handle) handle:body() end";
    let lua = filter("lua", message("lua.v3.Lua", json!({"default_source_code": {"inline_string": script}})));
    let policy = World::policy_json(&Policy::Text(LENGTHENED), HeadMode::Held)?;
    let (scratch, bootstrap) = world.reference(&policy);
    let bootstrap = bootstrap.in_every_framing(world.upstream.http2).with_filter_behind(lua);
    let envoy = Envoy::start(&world.tools, scratch, &bootstrap, Some(KEY))?;
    for count in [1, 100, 700, 1150] {
        let body = json!((0..count).map(|key| format!("k{key}")).collect::<Vec<_>>()).to_string();
        let row = Row::get("keys", Policy::Text(LENGTHENED), "/keys").by("app", "things.read").answers(200, body);
        let native = world::native(&policy, &row)?;
        // Before trailers a body is no last part.
        let carriages = Carriage::all().filter(|of| of.head == HeadMode::Held && of.framing != Framing::Trailers);
        for carriage in carriages {
            world::judge(&row, carriage, &native, world.fetch(&envoy, &row, carriage))
                .map_err(|fault| format!("{count} keys {carriage:?}: {fault}"))?;
        }
    }
    Ok(())
}

fn add(request: &mut Request, name: &str, value: &str) {
    request.fields.push((name.to_owned(), value.as_bytes().to_vec()));
}

fn cors(world: &World) -> Result<(), String> {
    const ORIGIN: &str = "https://app.example";
    let allowed = Some(("access-control-allow-origin", ORIGIN));
    let host = message(
        "cors.v3.CorsPolicy",
        json!({"allow_origin_string_match": [{"exact": ORIGIN}], "allow_methods": "GET", "allow_headers": "authorization"}),
    );
    let cors = filter("cors", message("cors.v3.Cors", json!({})));
    let envoy =
        start(world, |bootstrap| bootstrap.with_filters_first(vec![cors], &settings("cors", host), &json!({})))?;
    expect(world, &envoy, "preflight", (200, allowed), |request| {
        request.method = "OPTIONS".to_owned();
        request.fields.retain(|(name, _)| name != "authorization");
        add(request, "origin", ORIGIN);
        add(request, "access-control-request-method", "GET");
    })?;
    expect(world, &envoy, "an answer", (200, allowed), |request| add(request, "origin", ORIGIN))?;
    expect(world, &envoy, "a refusal", (403, allowed), |request| {
        request.path = "/nowhere".to_owned();
        add(request, "origin", ORIGIN);
    })
}

/// Denies whoever has a header of that name.
fn denies(header: &str) -> Value {
    let policy = json!({
        "permissions": [{"header": {"name": header, "present_match": true}}],
        "principals": [{"any": true}],
    });
    message("rbac.v3.RBACPerRoute", json!({"rbac": {"rules": {"action": "DENY", "policies": {"nobody": policy}}}}))
}

fn rbac(world: &World) -> Result<(), String> {
    for (route, blocked, free) in [(json!({}), "x-host", "x-route"), (denies("x-route"), "x-route", "x-host")] {
        let route = if route == json!({}) { route } else { settings("rbac", route) };
        let rbac = filter("rbac", message("rbac.v3.RBAC", json!({})));
        let host = settings("rbac", denies("x-host"));
        let envoy = start(world, |bootstrap| bootstrap.with_filters_first(vec![rbac], &host, &route))?;
        expect(world, &envoy, blocked, (403, None), |request| add(request, blocked, "1"))?;
        expect(world, &envoy, free, (200, None), |request| add(request, free, "1"))?;
    }
    Ok(())
}

fn rate_limit(world: &World) -> Result<(), String> {
    let all = json!({"default_value": {"numerator": 100}});
    let config = |fields| message("local_ratelimit.v3.LocalRateLimit", fields);
    let limit = filter("local_ratelimit", config(json!({"stat_prefix": "limit"})));
    let host = config(json!({
        "stat_prefix": "limit",
        "token_bucket": {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "60s"},
        "filter_enabled": all,
        "filter_enforced": all,
    }));
    let host = settings("local_ratelimit", host);
    let envoy = start(world, |bootstrap| bootstrap.with_filters_first(vec![limit], &host, &json!({})))?;
    expect(world, &envoy, "the first", (200, None), |_| {})?;
    expect(world, &envoy, "the second", (429, None), |_| {})
}

/// A server that refuses whatever it is asked.
fn refusing() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut read = [0; 4096];
            let answer = b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            let _ = stream.read(&mut read).and_then(|_| stream.write_all(answer));
        }
    });
    Ok(address)
}

fn authorization(world: &World) -> Result<(), String> {
    let address = refusing()?;
    for (route, status) in [(json!({}), 403), (json!({"disabled": true}), 200)] {
        let server = json!({"uri": "http://authz.example", "cluster": "authz", "timeout": "5s"});
        let config = message("ext_authz.v3.ExtAuthz", json!({"http_service": {"server_uri": server}}));
        let filters = vec![filter("ext_authz", config)];
        let route =
            if status == 403 { route } else { settings("ext_authz", message("ext_authz.v3.ExtAuthzPerRoute", route)) };
        let envoy = start(world, |bootstrap| {
            bootstrap.with_cluster("authz", address).with_filters_first(filters, &json!({}), &route)
        })?;
        expect(world, &envoy, &route.to_string(), (status, None), |_| {})?;
    }
    Ok(())
}

fn token(world: &World) -> Result<(), String> {
    let without = |request: &mut Request| request.fields.retain(|(name, _)| name != "authorization");
    // Without a token: 401 of jwt_authn where it asks for one, else 403 of the plugin, to which nobody is known.
    for (route, status) in [(json!({}), 401), (json!({"requirement_name": "open"}), 403)] {
        let route =
            if status == 401 { route } else { settings("jwt_authn", message("jwt_authn.v3.PerRouteConfig", route)) };
        let envoy = start(world, |bootstrap| {
            let open = |config: &mut Value| config["requirement_map"] = json!({"open": {"allow_missing": {}}});
            bootstrap.with_token_rules(open).with_filters_first(Vec::new(), &json!({}), &route)
        })?;
        expect(world, &envoy, &route.to_string(), (status, None), without)?;
    }
    Ok(())
}
