//! The decision record is on the access log however an exchange ends, and says nothing of what was withheld; and what
//! Prometheus sees of it.

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::lifecycle::until;
use super::streams::Test;
use super::support::bootstrap::{Bootstrap, Bypass, with_policy};
use super::support::client::{self, Protocol, Request};
use super::support::envoy::{Envoy, Scratch, record_in};
use super::support::upstream::{SCRIPT, Script, Step};
use super::world::{KEY, World};

pub(crate) fn all() -> Vec<(String, Test)> {
    vec![
        (
            "the decision record is on the access log however an exchange ends".to_owned(),
            Box::new(|world: &World| each_end(world)),
        ),
        (
            "records of twins differ in nothing but time and request id".to_owned(),
            Box::new(|world: &World| twins(world)),
        ),
        (
            "a member that no shape names is told once, and twins of its values are told alike".to_owned(),
            Box::new(|world: &World| drift(world)),
        ),
        ("Prometheus sees each counter with its labels".to_owned(), Box::new(|world: &World| prometheus(world))),
        (
            "promtool and Prometheus take the alerts, and a plugin that is missing and a policy that is rejected fire theirs"
                .to_owned(),
            Box::new(alerts),
        ),
        (
            "Prometheus takes each query of the dashboard, and a scrape has each metric in it".to_owned(),
            Box::new(dashboard),
        ),
    ]
}

/// One thing by the path, of which one member is shown and one is not; two things a day.
const THINGS: &str = r"
language: 1
policy: things
identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}
classes: {plain: {about: Whatever}, secret: {about: Granted to nobody}}
routes:
  get-thing:
    match: GET /things/{id}
    area: things
    subject: {thing: '{id}'}
    body: {$.name: plain, $.code: secret}
  health: {match: GET /healthz, pass: no personal data}
scopes: {things.read: {areas: [things], grant: {plain: show}}}
clients: {'*': {}, app: {}}
budgets: {day: {count: {distinct: thing}, per: 1d, max: 2, areas: [things], by: [client]}}
";

const SECRET: &str = "marker-of-what-is-withheld";

fn started(world: &World, change: impl FnOnce(Bootstrap) -> Bootstrap) -> Result<Envoy, String> {
    started_with(world, THINGS, change)
}

fn started_with(world: &World, policy: &str, change: impl FnOnce(Bootstrap) -> Bootstrap) -> Result<Envoy, String> {
    let (scratch, bootstrap) = world.reference(&as_it_is(policy)?);
    Envoy::start(&world.tools, scratch, &change(bootstrap), Some(KEY))
}

/// A policy as JSON, as it is: rows of their own take other budgets.
fn as_it_is(policy: &str) -> Result<String, String> {
    let scratch = Scratch::new().map_err(|error| error.to_string())?;
    let path = scratch.write("policy.yaml", policy).map_err(|error| error.to_string())?;
    let document = fieldgate::policy::load(&fieldgate::policy::Disk, &path.to_string_lossy());
    Ok(fieldgate::policy::to_json(&document.map_err(|found| found.to_string())?))
}

fn request(world: &World, path: &str, scopes: Option<&str>, steps: Vec<Step>) -> Request {
    let id = world.upstream.play(Script { http1: steps, ..Script::default() });
    let token = scopes.map(|scopes| world.issuer.token(&json!({"azp": "app", "scope": scopes})));
    let token = token.map(|token| ("authorization".to_owned(), format!("Bearer {token}").into_bytes()));
    let mut fields = vec![(SCRIPT.to_owned(), id.into_bytes())];
    fields.extend(token);
    Request { method: "GET".to_owned(), path: path.to_owned(), fields, body: Vec::new() }
}

/// The access log's line after so many, and its record.
fn line(envoy: &Envoy, after: usize) -> Result<(String, Value), String> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        let lines = envoy.access_log();
        if let Some(line) = lines.get(after) {
            if lines.len() > after + 1 {
                return Err(format!("more than one line: {lines:#?}"));
            }
            let record = record_in(line)?.ok_or_else(|| format!("no record: {line}"))?;
            return Ok((line.clone(), record));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("no line {after}: {:#?}", envoy.access_log()))
}

fn whole(body: &str) -> Vec<Step> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    vec![Step::Bytes([head.as_bytes(), body.as_bytes()].concat())]
}

/// A body in chunks, with a pause after each, and what comes behind them.
fn chunks(parts: &[&str], then: Step) -> Vec<Step> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut steps = vec![Step::Bytes(head.as_bytes().to_vec())];
    for part in parts {
        steps.push(Step::Bytes(format!("{:x}\r\n{part}\r\n", part.len()).into_bytes()));
        steps.push(Step::Pause(Duration::from_millis(100)));
    }
    steps.push(then);
    steps
}

fn each_end(world: &World) -> Result<(), String> {
    let envoy = started(world, |bootstrap| bootstrap)?;
    let body = format!(r#"{{"name":"lamp","code":"{SECRET}","more":1}}"#);
    let open = format!(r#"{{"code":"{SECRET}","name":"{}","#, "x".repeat(70_000));
    let end = || Step::Bytes(b"0\r\n\r\n".to_vec());
    let trailers = Step::Bytes(b"0\r\nx-owner: marker-of-what-is-withheld\r\n\r\n".to_vec());
    type Row<'a> = (&'a str, &'a str, Option<&'a str>, Vec<Step>, Value);
    let rows: Vec<Row<'_>> = vec![
        ("success", "/things/1", Some("things.read"), whole(&body), json!(["enforced", "released", null, 200, 1])),
        (
            "trailers",
            "/things/1",
            Some("things.read"),
            chunks(&[&body], trailers),
            json!(["enforced", "released", null, 200, 1]),
        ),
        ("403", "/things/1", Some("other"), vec![], json!(["enforced", "refused", "nothing_visible", 403, null])),
        ("no route", "/elsewhere", Some("other"), vec![], json!(["enforced", "refused", "no_route", 403, null])),
        ("a path that is passed", "/healthz", Some("other"), whole("{}"), json!(["passed", "passed", null, 200, null])),
        ("no token", "/things/1", None, vec![], json!([null, "unseen", null, null, null])),
        (
            "502",
            "/things/1",
            Some("things.read"),
            whole(r#"{"name":lamp}"#),
            json!(["enforced", "refused", "json_syntax", 502, null]),
        ),
        (
            "a reset",
            "/things/1",
            Some("things.read"),
            chunks(&[&open, "nonsense"], end()),
            json!(["enforced", "cut", "json_syntax", 200, 1]),
        ),
        (
            "an upstream that dies in its body",
            "/things/1",
            Some("things.read"),
            chunks(&[&open], Step::Abort),
            json!(["enforced", "cut", null, 200, 1]),
        ),
        (
            "another thing",
            "/things/2",
            Some("things.read"),
            whole(&body),
            json!(["enforced", "released", null, 200, 1]),
        ),
        ("429", "/things/3", Some("things.read"), vec![], json!(["enforced", "refused", "budget", 429, null])),
    ];
    let mut seen = 0;
    for (claim, path, scopes, steps, expected) in rows {
        let request = request(world, path, scopes, steps);
        let answer = world.runtime.block_on(client::ask(envoy.listener("api"), Protocol::Http1, &request));
        let (line, record) = line(&envoy, seen).map_err(|fault| format!("{claim}: {fault}"))?;
        seen += 1;
        let subjects = record["subjects"]["thing"].as_array().map(Vec::len);
        let found = json!([record["mode"], record["outcome"], record["reason"], record["status"], subjects]);
        if found != expected {
            return Err(format!("{claim}: expected {expected}, got {line}, and the client {}", answer.status));
        }
        if line.contains(SECRET) || line.contains("lamp") {
            return Err(format!("{claim}: {line}"));
        }
    }
    gone(world, &envoy, seen)?;
    let log = envoy.log();
    if !log.contains("enforcing policy things, digest ") || !log.contains("language 1, 2 routes") {
        return Err(format!("the log does not say which policy is enforced:\n{log}"));
    }
    unreachable(world)
}

/// The client leaves before the upstream has answered.
fn gone(world: &World, envoy: &Envoy, seen: usize) -> Result<(), String> {
    let slow = vec![Step::Pause(Duration::from_secs(3))];
    let request = request(world, "/things/1", Some("things.read"), slow);
    let mut socket = TcpStream::connect(envoy.listener("api")).map_err(|error| error.to_string())?;
    socket.write_all(&client::http1_bytes(&request)).map_err(|error| error.to_string())?;
    std::thread::sleep(Duration::from_millis(500));
    socket.shutdown(Shutdown::Both).map_err(|error| error.to_string())?;
    let (line, record) = line(envoy, seen)?;
    if (&record["outcome"], record.get("status")) != (&json!("unanswered"), None) {
        return Err(format!("the client was gone: {line}"));
    }
    Ok(())
}

/// Nobody listens where the upstream should be.
fn unreachable(world: &World) -> Result<(), String> {
    let nobody: SocketAddr = {
        let socket = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        socket.local_addr().map_err(|error| error.to_string())?
    };
    let envoy = started(world, |bootstrap| bootstrap.with_upstream(nobody))?;
    let request = request(world, "/things/1", Some("things.read"), vec![]);
    world.runtime.block_on(client::ask(envoy.listener("api"), Protocol::Http1, &request));
    let (line, record) = line(&envoy, 0)?;
    if (&record["status"], record.get("subjects")) != (&json!(503), None) {
        return Err(format!("the upstream was not there: {line}"));
    }
    Ok(())
}

fn twins(world: &World) -> Result<(), String> {
    let envoy = started(world, |bootstrap| bootstrap)?;
    let mut records = Vec::new();
    // The first is new to the budget.
    for (seen, code) in ["1", "a", "zzzzzzzzzzzzzzzzzzzz", "Añ"].into_iter().enumerate() {
        let body = format!(r#"{{"name":"lamp","code":"{code}"}}"#);
        let request = request(world, "/things/1", Some("things.read"), whole(&body));
        world.runtime.block_on(client::ask(envoy.listener("api"), Protocol::Http1, &request));
        let (_, mut record) = line(&envoy, seen)?;
        let members = record.as_object_mut().ok_or("a record is an object")?;
        for own in ["time", "request"] {
            members.shift_remove(own).ok_or_else(|| format!("no {own}"))?;
        }
        records.push(record);
    }
    match records.iter().skip(1).find(|record| **record != records[1]) {
        Some(other) => Err(format!("{}\n{other}", records[1])),
        None => Ok(()),
    }
}

/// Things whose members no shape names: by name once three things have had it, each type of its own, and by place alone where the
/// name could be somebody's.
fn drift(world: &World) -> Result<(), String> {
    let policy = THINGS.replace("policy: things", "policy: things\ndrift: true").replace("max: 2,", "max: 100,");
    let told = |hidden: [&str; 2]| -> Result<Vec<Value>, String> {
        let envoy = started_with(world, &policy, |bootstrap| bootstrap)?;
        let [text, number] = hidden;
        let of = |value: String| move |thing: usize| (thing, format!(r#"{{"name":"lamp","nickname":{value}}}"#));
        let texts = (1..=3).map(of(format!("\"{text}\"")));
        let numbers = (4..=6).map(of(number.to_owned()));
        let somebody = std::iter::once((7, format!(r#"{{"name":"lamp","+44 7700 900123":"{text}"}}"#)));
        let again = (8..=10).map(of(format!("\"{text}\"")));
        let mut records = Vec::new();
        for (seen, (thing, body)) in texts.chain(numbers).chain(somebody).chain(again).enumerate() {
            let request = request(world, &format!("/things/{thing}"), Some("things.read"), whole(&body));
            world.runtime.block_on(client::ask(envoy.listener("api"), Protocol::Http1, &request));
            let (line, mut record) = line(&envoy, seen)?;
            if line.contains(text) || line.contains("7700") {
                return Err(format!("a value, or somebody's name: {line}"));
            }
            let members = record.as_object_mut().ok_or("a record is an object")?;
            for own in ["time", "request"] {
                members.shift_remove(own).ok_or_else(|| format!("no {own}"))?;
            }
            records.push(record);
        }
        Ok(records)
    };
    let records = told(["marker-of-what-is-withheld", "1"])?;
    let found: Vec<(usize, Value)> =
        records.iter().enumerate().filter_map(|(at, record)| Some((at, record.get("drift")?.clone()))).collect();
    let member = |path: &str, kind: &str| json!([{"path": path, "type": kind}]);
    let expected =
        [(2, member("$.nickname", "string")), (5, member("$.nickname", "number")), (6, member("$[*]", "string"))];
    if found != expected {
        return Err(format!("expected {expected:?}, got {found:?}"));
    }
    let twins = told(["another-marker", "123456789012345678901234567890"])?;
    match records.iter().zip(&twins).find(|(one, other)| one != other) {
        Some((one, other)) => Err(format!("{one}\n{other}")),
        None => Ok(()),
    }
}

fn prometheus(world: &World) -> Result<(), String> {
    let envoy = started(world, |bootstrap| bootstrap)?;
    let body = r#"{"name":"lamp","code":"x","more":1}"#;
    for (path, scopes) in [
        ("/things/1", Some("things.read")),
        ("/things/1", Some("other")),
        ("/things/2", Some("things.read")),
        ("/things/3", Some("things.read")),
        ("/healthz", Some("other")),
        ("/things/1", None),
        ("/things/1", None),
    ] {
        let request = request(world, path, scopes, whole(body));
        world.runtime.block_on(client::ask(envoy.listener("api"), Protocol::Http1, &request));
    }
    let log = envoy.log();
    let (_, digest) = log.split_once("digest ").ok_or("no digest in the log")?;
    let digest = &digest[..64];
    for expected in [
        r#"fieldgate_responses_total{route="get-thing",outcome="released",mode="enforced",client="app"} 2"#.to_owned(),
        r#"fieldgate_responses_total{route="get-thing",outcome="refused",mode="enforced",client="app"} 2"#.to_owned(),
        r#"fieldgate_responses_total{route="-",outcome="passed",mode="passed",client="-"} 1"#.to_owned(),
        r#"fieldgate_refusals_total{route="get-thing",reason="nothing_visible",mode="enforced"} 1"#.to_owned(),
        r#"fieldgate_refusals_total{route="-",reason="no_route",mode="enforced"} 0"#.to_owned(),
        r#"fieldgate_fields_total{route="get-thing",class="plain",level="show",mode="enforced"} 2"#.to_owned(),
        r#"fieldgate_fields_total{route="get-thing",class="secret",level="hide",mode="enforced"} 2"#.to_owned(),
        r#"fieldgate_subjects_total{route="get-thing",client="app"} 2"#.to_owned(),
        r#"fieldgate_undeclared_fields_total{route="get-thing"} 2"#.to_owned(),
        r#"fieldgate_budget_refusals_total{budget="day"} 1"#.to_owned(),
        r#"fieldgate_budget_responses_total{budget="day",use="95-100"} 1"#.to_owned(),
        format!(r#"fieldgate_policy_configured_seconds{{policy="things",digest="{digest}"}}"#),
    ] {
        let (name, rest) = expected.split_once('{').ok_or("labels")?;
        let (labels, value) = rest.split_once('}').ok_or("labels")?;
        let has = |line: &str| {
            line.strip_prefix(name).is_some_and(|line| line.starts_with('{'))
                && labels.split(',').all(|label| line.contains(label))
                && (value.is_empty() || line.trim_end().ends_with(value))
        };
        let metrics = || envoy.admin_get("/stats/prometheus").map(|(_, text)| text).unwrap_or_default();
        until(&expected, || metrics().lines().any(has)).map_err(|fault| {
            let own = metrics();
            let own: Vec<&str> = own.lines().filter(|line| line.contains("fieldgate")).collect();
            format!("{fault}\n{}", own.join("\n"))
        })?;
    }
    let metrics = envoy.admin_get("/stats/prometheus").map(|(_, text)| text).unwrap_or_default();
    let all: u64 = metrics
        .lines()
        .filter(|line| line.starts_with("fieldgate_responses_total{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    if all == 5 { Ok(()) } else { Err(format!("what jwt_authn answered is counted: {all} of 5")) }
}

/// A tool of Prometheus; `None` where this machine has none, which CI must.
fn tool(name: &str) -> Result<Option<PathBuf>, String> {
    let path = fieldgate_testkit::root().join(".tools/prometheus").join(name);
    if path.is_file() {
        return Ok(Some(path));
    }
    if std::env::var("CI").is_ok_and(|value| value == "true") {
        return Err(format!("no {name}: run scripts/prometheus.sh"));
    }
    println!("no {name} (scripts/prometheus.sh): nothing was looked at");
    Ok(None)
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn alerts(world: &World) -> Result<(), String> {
    let (Some(promtool), Some(prometheus)) = (tool("promtool")?, tool("prometheus")?) else { return Ok(()) };
    let folder = fieldgate_testkit::root().join("envoy");
    for arguments in [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]] {
        let output = Command::new(&promtool).args(arguments).current_dir(&folder).output();
        let output = output.map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("promtool {arguments:?}: {output:?}"));
        }
    }
    let envoy = started(world, |bootstrap| bootstrap.with_bypass(Bypass::Disabled))?;
    let (_running, free) = scraping(&prometheus, &envoy)?;
    let get = |path: &str| get(world, free, path);
    let scraped = "/api/v1/query?query=envoy_http_rbac_denied";
    until("Prometheus has scraped the gate's counter", || get(scraped).contains("fieldgate_gate"))?;
    let quiet = get("/api/v1/alerts");
    if quiet.contains("FieldgateMissing") {
        return Err(format!("fires before anything was refused: {quiet}"));
    }
    let request = request(world, "/things/1", Some("things.read"), whole("{}"));
    let answer = world.runtime.block_on(client::ask(envoy.listener("api"), Protocol::Http1, &request));
    if answer.status != 403 {
        return Err(format!("the gate let it through: {answer:?}"));
    }
    until("FieldgateMissing fires", || {
        let alerts = get("/api/v1/alerts");
        alerts.contains("FieldgateMissing") && alerts.contains("\"firing\"")
    })?;
    rejected(world, &prometheus)
}

/// A policy from a file, and a listener from another, that Envoy rejects one after the other, while what was before goes on.
fn rejected(world: &World, prometheus: &Path) -> Result<(), String> {
    let policy = as_it_is(THINGS)?;
    let (scratch, bootstrap) = world.reference(&policy);
    let (filter, listener) = (scratch.path().join("fieldgate.json"), scratch.path().join("listener.json"));
    let (bootstrap, discovered) = bootstrap.with_discovery(&filter);
    let (bootstrap, listeners) = bootstrap.with_listener_discovery(&listener);
    let write = |scratch: &Scratch, name: &str, value: &Value| {
        scratch.write(name, &value.to_string()).map(drop).map_err(|error| error.to_string())
    };
    write(&scratch, "fieldgate.json", &discovered)?;
    write(&scratch, "listener.json", &listeners)?;
    let envoy = Envoy::start(&world.tools, scratch, &bootstrap, Some(KEY))?;
    let (_running, free) = scraping(prometheus, &envoy)?;
    let query = |name: &str| get(world, free, &format!("/api/v1/query?query={name}"));
    let counts =
        ["extension_config_discovery_http_filter_fieldgate_config_fail", "listener_manager_lds_update_rejected"];
    for name in counts.map(|name| format!("envoy_{name}")) {
        until(&format!("a scrape has {name}"), || query(&name).contains(r#","0"]"#))?;
    }
    let alert = || get(world, free, "/api/v1/alerts").contains("FieldgatePolicyRejected");
    if alert() {
        return Err("fires before anything was rejected".to_owned());
    }
    write(&envoy.scratch, "fieldgate.json", &with_policy(discovered, &policy.replace("\"show\"", "\"shwo\"")))?;
    until("FieldgatePolicyRejected fires", alert)?;
    let broken = listeners.to_string().replace("envoy.filters.http.router", "envoy.filters.http.none");
    envoy.scratch.write("listener.json", &broken).map_err(|error| error.to_string())?;
    until("the rejected listener is counted", || {
        query("envoy_listener_manager_lds_update_rejected").contains(r#","1"]"#)
    })
}

/// A Prometheus that scrapes an Envoy every second and evaluates the alerts, and where it listens.
fn scraping(prometheus: &Path, envoy: &Envoy) -> Result<(Running, SocketAddr), String> {
    let free =
        TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).map_err(|error| error.to_string())?;
    let configuration = json!({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [fieldgate_testkit::root().join("envoy/alerts.yaml")],
        "scrape_configs": [{"job_name": "envoy", "metrics_path": "/stats/prometheus",
            "static_configs": [{"targets": [envoy.admin().to_string()]}]}],
    });
    let file = envoy.scratch.write("prometheus.json", &configuration.to_string()).map_err(|error| error.to_string())?;
    let running = Command::new(prometheus)
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", envoy.scratch.path().join("prometheus").display()))
        .arg(format!("--web.listen-address={free}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(Running)
        .map_err(|error| error.to_string())?;
    Ok((running, free))
}

fn get(world: &World, server: SocketAddr, path: &str) -> String {
    let request = Request { method: "GET".to_owned(), path: path.to_owned(), fields: vec![], body: vec![] };
    let answer = world.runtime.block_on(client::ask(server, Protocol::Http1, &request));
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// What brings out every metric of the dashboard: budgets with a step, canaries, a route that only reports, and one whose
/// records are nobody's.
const WATCHED: &str = r"
language: 1
policy: watched
identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}
classes: {plain: {about: Whatever}, secret: {about: Granted to nobody}}
routes:
  get-thing:
    match: GET /things/{id}
    area: things
    subject: {thing: '{id}'}
    body: {$.name: plain, $.code: secret}
  get-notes: {match: GET /notes, area: notes, body: {'$.items[*].text': plain}}
  get-trial: {match: GET /trial, area: notes, report_until: 2099-12-31, body: {$.name: plain}}
scopes: {things.read: {areas: [things, notes], grant: {plain: show}}}
clients: {'*': {}, app: {}}
budgets: {day: {count: {distinct: thing}, per: 1d, max: 3, areas: [things], by: [client], steps: {50%: blank}}}
canaries: {thing: [c1_6f0d3b9a41c27e58], ceiling: blank}
";

/// Every query of a dashboard.
fn queries(dashboard: &Value) -> Vec<String> {
    let targets = |panel: &Value| panel["targets"].as_array().cloned().unwrap_or_default();
    let panels = dashboard["panels"].as_array().cloned().unwrap_or_default();
    panels.iter().flat_map(targets).filter_map(|target| target["expr"].as_str().map(str::to_owned)).collect()
}

/// The metrics that a query names: this product's, and Envoy's.
fn metrics(query: &str) -> Vec<String> {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = query.split(|letter| !word(letter));
    // `envoy_rbac_http_prefix` is a label, and the gate's name a part of a metric's in Istio's proxies alone.
    let named = words.filter(|word| word.starts_with("fieldgate_") || word.starts_with("envoy_http_"));
    named.filter(|word| !word.contains("fieldgate_gate")).map(str::to_owned).collect()
}

fn dashboard(world: &World) -> Result<(), String> {
    let Some(prometheus) = tool("prometheus")? else { return Ok(()) };
    let text = std::fs::read_to_string(fieldgate_testkit::root().join("envoy/dashboard.json"));
    let dashboard: Value =
        serde_json::from_str(&text.map_err(|error| error.to_string())?).map_err(|fault| fault.to_string())?;
    let queries = queries(&dashboard);
    let envoy = started_with(world, WATCHED, |bootstrap| bootstrap)?;
    let thing = r#"{"name":"lamp","code":"x","more":1}"#;
    for (path, body) in [
        ("/things/1", thing),
        ("/things/2", thing),
        ("/things/3", thing),
        ("/things/4", thing),
        ("/notes", r#"{"items":[{"text":"a"}]}"#),
        ("/notes", r#"{"items":5}"#),
        ("/trial", r#"{"name":"lamp"}"#),
        ("/elsewhere", "{}"),
    ] {
        let request = request(world, path, Some("things.read"), whole(body));
        world.runtime.block_on(client::ask(envoy.listener("api"), Protocol::Http1, &request));
    }
    let (_running, free) = scraping(&prometheus, &envoy)?;
    let named: std::collections::BTreeSet<String> = queries.iter().flat_map(|query| metrics(query)).collect();
    // What it leaves out is out on purpose: a process that is well has no such series.
    let left_out: Vec<&str> =
        fieldgate::report::METRICS.iter().map(|metric| metric.name).filter(|name| !named.contains(*name)).collect();
    if left_out != ["fieldgate_overflow_total"] {
        return Err(format!("the dashboard leaves out {left_out:?}"));
    }
    for name in &named {
        let path = format!("/api/v1/query?query={name}");
        until(&format!("a scrape has {name}"), || get(world, free, &path).contains("\"metric\""))?;
    }
    for query in &queries {
        let filled = query.replace("$__rate_interval", "1m").replace("$__range", "1h").replace("$route", ".*");
        let escaped: String = filled.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = get(world, free, &format!("/api/v1/query?query={escaped}"));
        if filled.contains('$') || !answer.contains(r#""status":"success""#) {
            return Err(format!("{filled}: {answer}"));
        }
    }
    if queries.len() >= 15 { Ok(()) } else { Err(format!("only {} queries", queries.len())) }
}
