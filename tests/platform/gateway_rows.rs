//! The rows of Envoy Gateway.

use std::thread;

use super::Row;
use super::gateway::{Gateway, Proxies};
use super::guide;
use super::installed::Installed;
use super::plane::{Ground as _, Plane as _};
use super::registry::{self, Registry};
use super::rendered::Rendered;
use super::rows;
use super::site::{self, LOOK, PATIENCE, Watch};
use super::tools;

pub(super) const ALL: &[Row] = &[
    ("Envoy Gateway: what render writes filters, from nothing to the first answer", rows::from_nothing::<Gateway>),
    ("Envoy Gateway: without the gate a new route is open before its filters", open_without_gate),
    (
        "Envoy Gateway: without the gate a new route is open until its filters come, though all came at once",
        rows::from_nothing_without_gate::<Gateway>,
    ),
    ("Envoy Gateway: a plugin that Envoy cannot fetch opens nothing", cut_off),
    ("Envoy Gateway: a plugin that cannot be fetched opens nothing", rows::missing::<Gateway>),
    ("Envoy Gateway: a plugin with another digest opens nothing", rows::other::<Gateway>),
    ("Envoy Gateway: a policy that does not check opens nothing", rows::broken::<Gateway>),
    (
        "Envoy Gateway: without the gate a policy that does not check opens a new route",
        rows::broken_without_gate::<Gateway>,
    ),
    ("Envoy Gateway: after a policy that does not check the one before it goes on", rows::goes_on::<Gateway>),
    ("Envoy Gateway: a renamed plugin whose policy does not check opens nothing", rows::renamed::<Gateway>),
    (
        "Envoy Gateway: without the gate a renamed plugin whose policy does not check opens the API",
        rows::renamed_without_gate::<Gateway>,
    ),
    ("Envoy Gateway: a deleted plugin opens nothing, and is alarmed of", rows::deleted::<Gateway>),
    ("Envoy Gateway: without the gate a deleted plugin opens the API", rows::deleted_without_gate::<Gateway>),
    ("Envoy Gateway: a policy changes under load, and no request fails", rows::changed::<Gateway>),
    (
        "Envoy Gateway: where it serves already, the plugin comes and then the gate, and no request fails",
        rows::serving::<Gateway>,
    ),
    ("Envoy Gateway: the image filters, from a registry and by its digest", by_image),
    ("Envoy Gateway: an image with another digest opens nothing", other_image),
    (
        "Envoy Gateway: decision records come out of the access log, and metrics with the labels of a static Envoy",
        rows::recorded::<Gateway>,
    ),
    ("Envoy Gateway: where Gateways share a proxy, what is rendered for their class filters and has the gate", shared),
    ("Envoy Gateway: where Gateways share a proxy, a gate for one of them is not taken", gate_of_one),
];

/// The rows that need a Kubernetes API.
pub(super) const ON_KUBERNETES: &[Row] = &[(
    "Envoy Gateway: the guide of docs/gateways.md shows what its commands print, on a Kubernetes API",
    guide::shows::<Installed>,
)];

/// The plugin is deleted at last, and the gate is what is left.
fn shared() -> Result<(), String> {
    let gateway = Gateway::start_with(Proxies::Shared, true)?;
    gateway.apply_plugin()?;
    gateway.apply_route()?;
    gateway.filters()?;
    gateway.delete(Gateway::policy())?;
    let is_closed = site::within(PATIENCE, || site::ask("/accounts/42", Some(gateway.token())).0 == 403);
    if is_closed { Ok(()) } else { Err(gateway.told("it is not closed")) }
}

fn gate_of_one() -> Result<(), String> {
    let gateway = Gateway::start_with(Proxies::Shared, false)?;
    gateway.render(&Proxies::Own.rendered())?;
    gateway.apply("00-gate.yaml")?;
    gateway.apply_route()?;
    rows::is_open(&gateway)
}

/// A first plugin, which Envoy Gateway has and Envoy cannot fetch: the listener waits for it, the route does not.
fn waiting(with_gate: bool) -> Result<(Gateway, Watch), String> {
    let gateway = Gateway::start(with_gate)?;
    gateway.cut_off()?;
    let watch = Watch::two(gateway.token());
    gateway.render(&gateway.rendered())?;
    gateway.apply_route()?;
    gateway.apply_plugin()?;
    Ok((gateway, watch))
}

fn open_without_gate() -> Result<(), String> {
    let (gateway, watch) = waiting(false)?;
    let open = site::within(PATIENCE, || watch.so_far().leaked > 0);
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

/// Starts a registry. Of what is loopback Envoy Gateway asks no certificate.
fn registry() -> Result<Registry, String> {
    Registry::start(&tools::scratch()?, registry::LOOPBACK)
}

fn image(place: String) -> Rendered {
    Rendered::of("envoy-gateway", place)
}

fn by_image() -> Result<(), String> {
    let gateway = Gateway::start(true)?;
    let registry = registry()?;
    let watch = Watch::two(gateway.token());
    gateway.render(&image(registry.image()))?;
    gateway.apply_route()?;
    gateway.apply_plugin()?;
    gateway.filters()?;
    watch.end().closed()
}

fn other_image() -> Result<(), String> {
    let registry = registry()?;
    rows::opens_nothing::<Gateway>(|_| image(registry.other()))
}
