//! The rows of Istio.

use std::thread;

use super::Row;
use super::mesh::Mesh;
use super::plane::{Ground as _, Plane as _};
use super::site::{LOOK, Watch};
use super::{guide, rows};

pub(super) const ALL: &[Row] = &[
    (
        "Istio: what render writes filters, from nothing to the first answer, the image from a registry",
        rows::from_nothing::<Mesh>,
    ),
    ("Istio: a new route is filtered from its first answer", rows::new_route::<Mesh>),
    ("Istio: an image that is not there opens nothing", rows::missing::<Mesh>),
    ("Istio: an image that comes later is fetched when the proxy starts anew, and not before", restarted_later),
    ("Istio: an image that comes later is fetched when the policy changes, and not before", changed_later),
    ("Istio: an image with another digest opens nothing", rows::other::<Mesh>),
    ("Istio: a policy that does not check opens nothing", rows::broken::<Mesh>),
    ("Istio: after a policy that does not check the one before it goes on", rows::goes_on::<Mesh>),
    ("Istio: a renamed plugin whose policy does not check opens nothing", rows::renamed::<Mesh>),
    ("Istio: a deleted plugin opens nothing, and is alarmed of", rows::deleted::<Mesh>),
    ("Istio: without the gate a deleted plugin opens the API", rows::deleted_without_gate::<Mesh>),
    ("Istio: a policy changes under load, and no request fails", rows::changed::<Mesh>),
    ("Istio: where it serves already, the plugin comes and then the gate, and no request fails", rows::serving::<Mesh>),
    (
        "Istio: decision records come out of the access log, and metrics with the labels of a static Envoy",
        rows::recorded::<Mesh>,
    ),
    ("Istio: the guide of docs/gateways.md shows what its commands print", guide::shows::<Mesh>),
];

fn restarted_later() -> Result<(), String> {
    let mut mesh = later()?;
    mesh.restart()?;
    mesh.filters()
}

fn changed_later() -> Result<(), String> {
    let mesh = later()?;
    mesh.apply_changed("\"about\":\"Status and kind\"", "\"about\":\"Status\"")?;
    mesh.filters()
}

/// An Istio that asked for an image before it was there.
fn later() -> Result<Mesh, String> {
    let mesh = Mesh::start(true)?;
    let watch = Watch::two(mesh.token());
    mesh.render(&mesh.missing())?;
    mesh.apply_route()?;
    mesh.apply_plugin()?;
    thread::sleep(LOOK);
    mesh.supply()?;
    thread::sleep(LOOK);
    let seen = watch.end();
    println!("{seen:?}");
    seen.nothing()?;
    Ok(mesh)
}
