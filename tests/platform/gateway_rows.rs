//! The rows of Envoy Gateway.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::Row;
use super::gateway::Gateway;
use super::registry::Registry;
use super::rendered::Rendered;
use super::site::{self, LOOK, PATIENCE, Watch};
use super::told;
use fieldgate_testkit::envoy::{Scratch, Tools};

pub(super) const ALL: &[Row] = &[
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

fn rendered() -> Rendered {
    Rendered::from(IMAGE)
}

/// A gateway with the rendered files at hand and a route, and two callers who ask it all the time.
fn routed() -> Result<(Gateway, Watch), String> {
    site()?;
    let gateway = Gateway::start(true)?;
    let watch = Watch::two(&gateway.token);
    gateway.render(&rendered())?;
    gateway.apply_route()?;
    Ok((gateway, watch))
}

fn from_nothing() -> Result<(), String> {
    let (gateway, watch) = routed()?;
    gateway.apply_plugin()?;
    gateway.filters()?;
    thread::sleep(Duration::from_secs(2));
    let seen = watch.end();
    println!("from nothing: {seen:?}");
    seen.closed()?;
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
    let watch = Watch::two(&gateway.token);
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
    seen.nothing()
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

fn by_image() -> Result<(), String> {
    site::start_api();
    let scratch = Scratch::new().map_err(|error| error.to_string())?;
    let gateway = Gateway::start(true)?;
    let registry = Registry::start(&scratch)?;
    let watch = Watch::two(&gateway.token);
    gateway.render(&Rendered::from(registry.image()))?;
    gateway.apply_route()?;
    gateway.apply_plugin()?;
    gateway.filters()?;
    watch.end().closed()
}

fn other_image() -> Result<(), String> {
    site::start_api();
    let scratch = Scratch::new().map_err(|error| error.to_string())?;
    opens_nothing(|gateway| gateway.render(&Rendered::from(Registry::start(&scratch)?.other())))
}

fn opens_nothing(render: impl Fn(&Gateway) -> Result<(), String>) -> Result<(), String> {
    let gateway = Gateway::start(true)?;
    let watch = Watch::two(&gateway.token);
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
    seen.nothing()
}

fn broken() -> Result<(), String> {
    let (gateway, watch) = routed()?;
    ["02-edge.yaml", "03-head.yaml"].into_iter().try_for_each(|name| gateway.apply(name))?;
    gateway.apply_changed("04-fieldgate.yaml", "\"language\":1", "\"language\":99")?;
    thread::sleep(LOOK);
    let seen = watch.end();
    println!("{seen:?}");
    seen.nothing()
}

fn renamed() -> Result<(), String> {
    let (gateway, watch) = routed()?;
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
    seen.closed()
}

fn deleted() -> Result<(), String> {
    let (gateway, watch) = routed()?;
    gateway.apply_plugin()?;
    gateway.filters()?;
    gateway.delete("04-fieldgate.yaml")?;
    let is_closed = site::within(PATIENCE, || site::ask("/accounts/42", Some(&gateway.token)).0 == 403);
    thread::sleep(Duration::from_secs(3));
    let seen = watch.end();
    println!("{seen:?}");
    if !is_closed {
        return Err(gateway.told(&format!("it is not closed: {seen:?}")));
    }
    seen.closed()
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
    let open = site::within(PATIENCE, || site::ask("/accounts/42", Some(&gateway.token)).1.contains(site::MARKER));
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
    seen.closed()?;
    if seen.statuses.keys().eq([&200]) { Ok(()) } else { Err(gateway.told(&format!("{seen:?}"))) }
}

fn recorded() -> Result<(), String> {
    let gateway = filtering(true)?;
    // Envoy Gateway's log has Envoy's standard output, a moment later.
    told::record(|| gateway.log()).map_err(|fault| gateway.told(&fault))?;
    told::metrics(&gateway.admin("/stats/prometheus")?)
}
