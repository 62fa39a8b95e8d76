//! The rows: a claim, and what shows it.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::gateway::{Gateway, POLICY, Rendered, run};
use super::site::{self, Seen, Watch};
use fieldgate_testkit::envoy::{Scratch, Tools};

type Row = fn() -> Result<(), String>;

pub(super) const ALL: &[(&str, Row)] = &[
    ("Envoy Gateway: what render writes filters, from nothing to the first answer", from_nothing),
    ("Envoy Gateway: without the gate a new route is open before its filters", open_without_gate),
    ("Envoy Gateway: a plugin that Envoy cannot fetch opens nothing", cut_off),
    ("Envoy Gateway: a plugin that cannot be fetched opens nothing", missing),
    ("Envoy Gateway: a plugin with another digest opens nothing", other_digest),
    ("Envoy Gateway: a policy that does not check opens nothing", broken),
    ("Envoy Gateway: a renamed plugin whose policy does not check opens nothing", renamed),
    ("Envoy Gateway: a deleted plugin opens nothing", deleted),
    ("Envoy Gateway: without the gate a deleted plugin opens the API", deleted_without_gate),
    ("Envoy Gateway: a policy changes under load, and no request fails", changed),
    ("Envoy Gateway: the image filters, from a registry and by its digest", by_image),
    ("Envoy Gateway: an image with another digest opens nothing", other_image),
    (
        "Envoy Gateway: decision records come out of the access log, and metrics with the labels of a static Envoy",
        recorded,
    ),
];

/// How long rows that must see nothing look.
const LOOK: Duration = Duration::from_secs(15);

/// The plugin as it was built, by HTTP; `found` is whether it is there.
fn site() -> Result<Arc<AtomicBool>, String> {
    let wasm = fs::read(Tools::find()?.wasm).map_err(|error| error.to_string())?;
    let found = Arc::new(AtomicBool::new(true));
    let is_found = Arc::clone(&found);
    site::start_api();
    site::serve(site::FILES, move |_| {
        if is_found.load(Ordering::Relaxed) {
            (200, "application/wasm", wasm.clone())
        } else {
            (404, "text/plain", b"not here".to_vec())
        }
    });
    Ok(found)
}

const IMAGE: &str = "http://127.0.0.1:5056/fieldgate.wasm";

fn rendered<'a>() -> Rendered<'a> {
    Rendered { policy: POLICY, image: vec![IMAGE.to_owned()], name: "fieldgate" }
}

/// Callers with a token and without one.
fn watch(gateway: &Gateway) -> Watch {
    Watch::start("/accounts/42", vec![Some(gateway.token.clone()), None], Duration::from_millis(10))
}

fn closed(seen: &Seen) -> Result<(), String> {
    if seen.leaked == 0 && seen.asked > 50 { Ok(()) } else { Err(format!("{seen:?}")) }
}

/// Nobody has got anything of the API's.
fn nothing(seen: &Seen) -> Result<(), String> {
    closed(seen)?;
    if seen.statuses.contains_key(&200) { Err(format!("{seen:?}")) } else { Ok(()) }
}

fn from_nothing() -> Result<(), String> {
    site()?;
    let gateway = Gateway::start(true)?;
    let watch = watch(&gateway);
    gateway.render(&rendered())?;
    gateway.apply_route()?;
    gateway.apply_plugin()?;
    gateway.filters()?;
    thread::sleep(Duration::from_secs(2));
    let seen = watch.end();
    println!("from nothing: {seen:?}");
    closed(&seen)?;
    match site::ask("/accounts/42", None).0 {
        401 => Ok(()),
        other => Err(format!("without a token: {other}")),
    }
}

/// A first plugin, which Envoy Gateway has and Envoy cannot fetch: the listener waits for it, the route does not.
fn waiting(with_gate: bool) -> Result<(Gateway, Watch), String> {
    site()?;
    let gateway = Gateway::start(with_gate)?;
    gateway.cut_off()?;
    let watch = watch(&gateway);
    gateway.render(&rendered())?;
    gateway.apply_route()?;
    gateway.apply_plugin()?;
    Ok((gateway, watch))
}

fn open_without_gate() -> Result<(), String> {
    let (gateway, watch) = waiting(false)?;
    let open = site::within(LOOK, || watch.so_far().leaked > 0);
    let seen = watch.end();
    println!("without the gate: {seen:?}");
    if open { Ok(()) } else { Err(gateway.told(&format!("it was closed all the same: {seen:?}"))) }
}

fn cut_off() -> Result<(), String> {
    let (gateway, watch) = waiting(true)?;
    thread::sleep(LOOK);
    let seen = watch.end();
    println!("{seen:?}");
    drop(gateway);
    nothing(&seen)
}

fn missing() -> Result<(), String> {
    let found = site()?;
    found.store(false, Ordering::Relaxed);
    opens_nothing(|gateway| gateway.render(&rendered()))
}

fn other_digest() -> Result<(), String> {
    site()?;
    opens_nothing(|gateway| {
        let image = vec![IMAGE.to_owned(), "--sha256".to_owned(), "0".repeat(64)];
        gateway.render(&Rendered { image, ..rendered() })
    })
}

/// Makes the plugin's image, and serves it from a registry of this network: its place there, and the digest that Envoy Gateway
/// asks for, which is that of the manifest for its own platform.
fn registry(scratch: &Scratch) -> Result<(Child, String, String), String> {
    const VERSION: &str = "0.0.0-test";
    const ADDRESS: &str = "127.0.0.1:5055";
    let layout = scratch.path().join("image").to_string_lossy().into_owned();
    let wasm = Tools::find()?.wasm;
    let root = fieldgate_testkit::root();
    let path = format!("{}:{}", std::env::var("PATH").unwrap_or_default(), root.join(".tools/bin").display());
    let with_tools = |program: &str| {
        let mut command = Command::new(program);
        command.env("PATH", &path);
        command
    };
    run(with_tools("bash").arg(root.join("scripts/image.sh")).arg(&wasm).args([VERSION, &layout]))?;
    let server = with_tools("sh")
        .args(["-c", &format!("exec crane registry serve --address {ADDRESS}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let place = format!("{ADDRESS}/fieldgate:{VERSION}");
    let from = format!("oras copy --no-tty --recursive --from-oci-layout {layout}:{VERSION} --to-plain-http {place}");
    let mut last = String::new();
    let is_there = site::within(super::gateway::PATIENCE, || {
        let pushed = run(with_tools("sh").args(["-c", &from]));
        last = pushed.as_ref().err().cloned().unwrap_or_default();
        pushed.is_ok()
    });
    if !is_there {
        return Err(last);
    }
    let asked = format!("crane digest --insecure --platform linux/amd64 {place}");
    let digest = with_tools("sh").args(["-c", &asked]).output().map_err(|error| error.to_string())?;
    let digest = String::from_utf8_lossy(&digest.stdout).trim().to_owned();
    println!("{place} {digest}");
    Ok((server, place, digest))
}

fn by_image() -> Result<(), String> {
    site::start_api();
    let scratch = Scratch::new().map_err(|error| error.to_string())?;
    let gateway = Gateway::start(true)?;
    let (_server, place, digest) = registry(&scratch)?;
    let watch = watch(&gateway);
    gateway.render(&Rendered { image: vec![format!("oci://{place}@{digest}")], ..rendered() })?;
    gateway.apply_route()?;
    gateway.apply_plugin()?;
    gateway.filters()?;
    closed(&watch.end())
}

fn other_image() -> Result<(), String> {
    site::start_api();
    let scratch = Scratch::new().map_err(|error| error.to_string())?;
    opens_nothing(|gateway| {
        // The namespace's end takes the registry with it.
        let (_server, place, _) = registry(&scratch)?;
        let image = vec![format!("oci://{place}@sha256:{}", "0".repeat(64))];
        gateway.render(&Rendered { image, ..rendered() })
    })
}

fn opens_nothing(render: impl Fn(&Gateway) -> Result<(), String>) -> Result<(), String> {
    let gateway = Gateway::start(true)?;
    let watch = watch(&gateway);
    render(&gateway)?;
    gateway.apply_route()?;
    gateway.apply_plugin()?;
    thread::sleep(LOOK);
    let seen = watch.end();
    println!("{seen:?}");
    // The route came: what is refused is refused, not unknown.
    if !seen.statuses.keys().any(|status| matches!(status, 403 | 500 | 503)) {
        return Err(gateway.told(&format!("the route never came: {seen:?}")));
    }
    nothing(&seen)
}

fn broken() -> Result<(), String> {
    site()?;
    let gateway = Gateway::start(true)?;
    let watch = watch(&gateway);
    gateway.render(&rendered())?;
    gateway.apply_route()?;
    ["02-edge.yaml", "03-head.yaml"].into_iter().try_for_each(|name| gateway.apply(name))?;
    gateway.apply_changed("04-fieldgate.yaml", "\"language\":1", "\"language\":99")?;
    thread::sleep(LOOK);
    let seen = watch.end();
    println!("{seen:?}");
    nothing(&seen)
}

fn renamed() -> Result<(), String> {
    site()?;
    let gateway = Gateway::start(true)?;
    let watch = watch(&gateway);
    gateway.render(&rendered())?;
    gateway.apply_route()?;
    gateway.apply_plugin()?;
    gateway.filters()?;
    gateway.render(&Rendered { name: "another", ..rendered() })?;
    gateway.apply_changed("04-fieldgate.yaml", "\"language\":1", "\"language\":99")?;
    thread::sleep(LOOK);
    let seen = watch.end();
    // What the alert FieldgatePolicyRejected looks for.
    let metrics = gateway.admin("/stats/prometheus")?;
    let rejected = metrics.lines().find(|line| line.starts_with("envoy_listener_manager_lds_update_rejected"));
    if rejected.is_none_or(|line| line.ends_with(" 0")) {
        return Err(format!("the rejected listener is not counted: {rejected:?}"));
    }
    println!("{seen:?}");
    closed(&seen)
}

fn deleted() -> Result<(), String> {
    site()?;
    let gateway = Gateway::start(true)?;
    let watch = watch(&gateway);
    gateway.render(&rendered())?;
    gateway.apply_route()?;
    gateway.apply_plugin()?;
    gateway.filters()?;
    gateway.delete("04-fieldgate.yaml")?;
    let is_closed = site::within(super::gateway::PATIENCE, || site::ask("/accounts/42", Some(&gateway.token)).0 == 403);
    thread::sleep(Duration::from_secs(3));
    let seen = watch.end();
    println!("{seen:?}");
    if !is_closed {
        return Err(gateway.told(&format!("it is not closed: {seen:?}")));
    }
    closed(&seen)
}

/// A gateway of its own whose route is filtered, with the gate or without.
fn filtering(gate: bool) -> Result<Gateway, String> {
    site()?;
    let gateway = Gateway::start(gate)?;
    gateway.render(&rendered())?;
    gateway.apply_plugin()?;
    gateway.apply_route()?;
    gateway.filters()?;
    Ok(gateway)
}

fn deleted_without_gate() -> Result<(), String> {
    let gateway = filtering(false)?;
    gateway.delete("04-fieldgate.yaml")?;
    let open = site::within(super::gateway::PATIENCE, || {
        site::ask("/accounts/42", Some(&gateway.token)).1.contains(site::MARKER)
    });
    if open { Ok(()) } else { Err("it was closed all the same".to_owned()) }
}

fn changed() -> Result<(), String> {
    let gateway = filtering(true)?;
    let callers = vec![Some(gateway.token.clone()); 4];
    let watch = Watch::start("/accounts/42", callers, Duration::ZERO);
    for change in 1..=3 {
        let area = format!("\"about\":\"Status and kind, version {change}\"");
        gateway.apply_changed("04-fieldgate.yaml", "\"about\":\"Status and kind\"", &area)?;
        thread::sleep(Duration::from_secs(5));
    }
    let seen = watch.end();
    println!("changed under load: {seen:?}");
    closed(&seen)?;
    if seen.statuses.keys().eq([&200]) { Ok(()) } else { Err(gateway.told(&format!("{seen:?}"))) }
}

/// The labels of the metric that counts responses, as `tests/envoy` has them of a static Envoy.
const COUNTED: &str =
    r#"fieldgate_responses_total{route="get-account",outcome="released",mode="enforced",client="-"} "#;

fn recorded() -> Result<(), String> {
    let gateway = filtering(true)?;
    // Envoy Gateway's log has Envoy's standard output, a moment later.
    let found = || gateway.records().into_iter().find(|(_, record)| record["outcome"] == "released");
    if !site::within(super::gateway::PATIENCE, || found().is_some()) {
        return Err(gateway.told("no decision record"));
    }
    let (before, record) = found().ok_or("it was there")?;
    println!("{before} {record}");
    let expected = [
        (&record["route"], "get-account"),
        (&record["mode"], "enforced"),
        (&record["policy"], "accounts"),
        (&record["issuer"], "verified_jwt"),
    ];
    if !before.contains(" 200 ") || expected.iter().any(|(found, expected)| *found != expected) {
        return Err(format!("another record: {before} {record}"));
    }
    if record.to_string().contains(site::MARKER) {
        return Err(format!("the record tells of a value: {record}"));
    }
    let metrics = gateway.admin("/stats/prometheus")?;
    let ours: Vec<&str> = metrics.lines().filter(|line| line.starts_with("fieldgate_")).collect();
    if ours.iter().any(|line| line.contains("=.=")) || !ours.iter().any(|line| line.starts_with(COUNTED)) {
        return Err(format!("other metrics: {ours:#?}"));
    }
    Ok(())
}
