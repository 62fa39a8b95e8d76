//! The rows that every control plane must pass.

use std::thread;
use std::time::Duration;

use super::plane::Plane;
use super::rendered::Rendered;
use super::site::{self, LOOK, PATIENCE, Watch};
use super::told;

/// A control plane with the rendered files at hand and a route, and two callers who ask it all the time.
pub(super) fn routed<P: Plane>() -> Result<(P, Watch), String> {
    let plane = P::start(true)?;
    let watch = Watch::two(plane.token());
    plane.render(&plane.rendered())?;
    plane.apply_route()?;
    Ok((plane, watch))
}

/// A control plane of its own whose route is filtered, with the gate or without.
pub(super) fn filtering<P: Plane>(gate: bool) -> Result<P, String> {
    let plane = P::start(gate)?;
    plane.render(&plane.rendered())?;
    plane.apply_plugin()?;
    plane.apply_route()?;
    plane.filters()?;
    Ok(plane)
}

pub(super) fn from_nothing<P: Plane>() -> Result<(), String> {
    let (plane, watch) = routed::<P>()?;
    plane.apply_plugin()?;
    plane.filters()?;
    thread::sleep(Duration::from_secs(2));
    let seen = watch.end();
    println!("from nothing: {seen:?}");
    seen.closed()?;
    match site::ask("/accounts/42", None).0 {
        status if status == P::NO_TOKEN => Ok(()),
        other => Err(format!("without a token: {other}")),
    }
}

pub(super) fn missing<P: Plane>() -> Result<(), String> {
    opens_nothing(P::missing)
}

pub(super) fn other<P: Plane>() -> Result<(), String> {
    opens_nothing(P::other)
}

pub(super) fn opens_nothing<P: Plane>(rendered: impl Fn(&P) -> Rendered) -> Result<(), String> {
    let plane = P::start(true)?;
    let watch = Watch::two(plane.token());
    plane.render(&rendered(&plane))?;
    plane.apply_route()?;
    plane.apply_plugin()?;
    // The route comes: what is refused is refused, not unknown. Before it, the gateway may still try to fetch the plugin.
    let is_there = || matches!(site::ask("/accounts/42", Some(plane.token())).0, 403 | 500 | 503);
    let came = site::within(PATIENCE, is_there);
    thread::sleep(LOOK);
    let seen = watch.end();
    println!("{seen:?}");
    if !came {
        return Err(plane.told(&format!("the route never came: {seen:?}")));
    }
    seen.nothing()
}

pub(super) fn broken<P: Plane>() -> Result<(), String> {
    let (plane, watch) = routed::<P>()?;
    P::FILES.iter().filter(|name| **name != P::policy()).try_for_each(|name| plane.apply(name))?;
    plane.apply_broken()?;
    thread::sleep(LOOK);
    let seen = watch.end();
    println!("{seen:?}");
    seen.nothing()
}

pub(super) fn goes_on<P: Plane>() -> Result<(), String> {
    let plane = filtering::<P>(true)?;
    let watch = Watch::start("/accounts/42", vec![Some(plane.token().to_owned())], Duration::from_millis(10));
    plane.apply_broken()?;
    thread::sleep(LOOK);
    let seen = watch.end();
    println!("{seen:?}");
    plane.rejected("fieldgate")?;
    seen.only(200)
}

pub(super) fn renamed<P: Plane>() -> Result<(), String> {
    let (plane, watch) = routed::<P>()?;
    plane.apply_plugin()?;
    plane.filters()?;
    plane.render(&Rendered { name: "another", ..plane.rendered() })?;
    plane.apply_broken()?;
    thread::sleep(LOOK);
    let seen = watch.end();
    println!("{seen:?}");
    plane.rejected("another")?;
    seen.closed()
}

pub(super) fn deleted<P: Plane>() -> Result<(), String> {
    let (plane, watch) = routed::<P>()?;
    plane.apply_plugin()?;
    plane.filters()?;
    plane.delete(P::policy())?;
    let is_closed = site::within(PATIENCE, || site::ask("/accounts/42", Some(plane.token())).0 == 403);
    thread::sleep(Duration::from_secs(3));
    let seen = watch.end();
    println!("{seen:?}");
    if !is_closed {
        return Err(plane.told(&format!("it is not closed: {seen:?}")));
    }
    told::alarm(&plane.metrics()?)?;
    seen.closed()
}

pub(super) fn deleted_without_gate<P: Plane>() -> Result<(), String> {
    let plane = filtering::<P>(false)?;
    plane.delete(P::policy())?;
    is_open(&plane)
}

pub(super) fn renamed_without_gate<P: Plane>() -> Result<(), String> {
    let plane = filtering::<P>(false)?;
    plane.render(&Rendered { name: "another", ..plane.rendered() })?;
    plane.apply_broken()?;
    is_open(&plane)
}

pub(super) fn broken_without_gate<P: Plane>() -> Result<(), String> {
    opened(P::apply_broken).map(drop)
}

pub(super) fn from_nothing_without_gate<P: Plane>() -> Result<(), String> {
    // Only until the filters are there.
    opened(P::apply_plugin)?.filters()
}

/// A control plane without a gate whose new route is open, whatever is applied before it.
fn opened<P: Plane>(apply: impl Fn(&P) -> Result<(), String>) -> Result<P, String> {
    let plane = P::start(false)?;
    plane.render(&plane.rendered())?;
    apply(&plane)?;
    plane.apply_route()?;
    is_open(&plane)?;
    Ok(plane)
}

/// Waits for an answer that holds what is withheld.
pub(super) fn is_open<P: Plane>(plane: &P) -> Result<(), String> {
    // What closes again as soon as the plugin is there is not open for long.
    let open = site::often(PATIENCE, || site::ask("/accounts/42", Some(plane.token())).1.contains(site::MARKER));
    if open { Ok(()) } else { Err(plane.told("it was closed all the same")) }
}

pub(super) fn new_route<P: Plane>() -> Result<(), String> {
    let plane = P::start(true)?;
    plane.render(&plane.rendered())?;
    plane.apply_plugin()?;
    let is_there = |plane: &P| plane.metrics().is_ok_and(|metrics| !told::policies(&metrics).is_empty());
    if !site::within(PATIENCE, || is_there(&plane)) {
        return Err(plane.told("the plugin never came"));
    }
    let watch = Watch::two(plane.token());
    plane.apply_route()?;
    plane.filters()?;
    thread::sleep(Duration::from_secs(2));
    let seen = watch.end();
    println!("{seen:?}");
    seen.closed()
}

pub(super) fn changed<P: Plane>() -> Result<(), String> {
    let plane = filtering::<P>(true)?;
    let callers = vec![Some(plane.token().to_owned()); 4];
    let watch = Watch::start("/accounts/42", callers, Duration::ZERO);
    for change in 1..=3 {
        let area = format!("\"about\":\"Status and kind, version {change}\"");
        plane.apply_changed("\"about\":\"Status and kind\"", &area)?;
        // The first policy, and each one since.
        let is_there = || plane.metrics().is_ok_and(|metrics| told::policies(&metrics).len() > change);
        if !site::within(PATIENCE, is_there) {
            return Err(plane.told(&format!("change {change} never came")));
        }
        thread::sleep(Duration::from_secs(3));
    }
    let seen = watch.end();
    println!("changed under load: {seen:?}");
    seen.only(200).map_err(|fault| plane.told(&fault))
}

/// The plugin comes before the gate, since the gateway serves already.
pub(super) fn serving<P: Plane>() -> Result<(), String> {
    let plane = P::start(false)?;
    plane.render(&plane.rendered())?;
    plane.apply_route()?;
    is_open(&plane)?;
    let callers = vec![Some(plane.token().to_owned()); 2];
    let watch = Watch::start("/accounts/42", callers, Duration::from_millis(10));
    plane.apply_plugin()?;
    plane.filters()?;
    thread::sleep(Duration::from_secs(3));
    let before = watch.so_far();
    plane.apply_gate()?;
    thread::sleep(LOOK);
    let seen = watch.end();
    println!("until the plugin: {before:?}; with the gate: {seen:?}");
    let is_closed = seen.leaked == before.leaked && seen.asked > before.asked + 50;
    if is_closed && seen.statuses.keys().eq([&200]) { Ok(()) } else { Err(plane.told(&format!("{seen:?}"))) }
}

pub(super) fn recorded<P: Plane>() -> Result<(), String> {
    let plane = filtering::<P>(true)?;
    // The log has the proxy's standard output, a moment later.
    told::record(P::ISSUER, || plane.log()).map_err(|fault| plane.told(&fault))?;
    told::metrics(&plane.metrics()?)
}
