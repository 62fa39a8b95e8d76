//! A control plane with its proxy: what rows do to it, whichever it is.

use fieldgate_testkit::envoy::Scratch;

use super::rendered::{self, Rendered};
use super::site;

/// A running gateway that answers on [`site::GATEWAY`], whoever tells it what to do.
pub(super) trait Ground: Sized {
    fn scratch(&self) -> &Scratch;

    /// A token that the policy lets see something.
    fn token(&self) -> &str;

    /// What control plane and proxy have printed.
    fn log(&self) -> String;

    /// A fault, with the end of the log. Lines of an access log without a record are left out.
    fn told(&self, fault: &str) -> String {
        let log = self.log();
        let is_told = |line: &&str| {
            !line.contains("\tdebug\t") && !line.starts_with("{\":authority\"") && !line.trim_end().ends_with(" -")
        };
        let lines: Vec<&str> = log.lines().filter(is_told).collect();
        let from = lines.len().saturating_sub(40);
        format!("{fault}\n{}", lines[from..].join("\n"))
    }
}

/// A running control plane with its proxy.
pub(super) trait Plane: Ground {
    /// What stands between plugin and clients, and the plugin, in the order in which it is applied. The last has the policy.
    const FILES: &'static [&'static str];
    /// The key under which the proxy leaves a token's claims.
    const ISSUER: &'static str;
    /// What a request without a token is answered.
    const NO_TOKEN: u16;

    /// Starts it with the API behind it, without a route yet, and with the gate if there is to be one.
    fn start(with_gate: bool) -> Result<Self, String>;

    /// How the plugin is rendered.
    fn rendered(&self) -> Rendered;

    /// As [`Plane::rendered`], from where nothing is.
    fn missing(&self) -> Rendered;

    /// As [`Plane::rendered`], with the digest of something else.
    fn other(&self) -> Rendered;

    /// Applies a file in place of the one that had the name.
    fn put(&self, name: &str, text: &str) -> Result<(), String>;

    /// Takes away what was applied under a name.
    fn delete(&self, name: &str) -> Result<(), String>;

    /// Applies the route.
    fn apply_route(&self) -> Result<(), String>;

    /// The proxy's metrics, as a scraper has them.
    fn metrics(&self) -> Result<String, String>;

    /// Whether a metric counts what the proxy would not take, of a plugin with this name.
    fn is_rejection(metric: &str, name: &str) -> bool;

    /// The file with the policy.
    fn policy() -> &'static str {
        Self::FILES.last().expect("a file with the policy")
    }

    /// Renders the plugin's resources; nothing is applied.
    fn render(&self, rendered: &Rendered) -> Result<(), String> {
        rendered.write(self.scratch())
    }

    /// Applies a rendered file, by its name.
    fn apply(&self, name: &str) -> Result<(), String> {
        self.put(name, &rendered::text(self.scratch(), name)?)
    }

    /// Applies what stands between plugin and clients, and the plugin.
    fn apply_plugin(&self) -> Result<(), String> {
        Self::FILES.iter().try_for_each(|name| self.apply(name))
    }

    /// Applies the rendered policy with something changed in it.
    fn apply_changed(&self, from: &str, to: &str) -> Result<(), String> {
        let name = Self::policy();
        self.put(name, &rendered::changed(self.scratch(), name, from, to)?)
    }

    /// Applies the rendered policy in a language that does not exist: it does not check.
    fn apply_broken(&self) -> Result<(), String> {
        self.apply_changed("\"language\":1", "\"language\":99")
    }

    /// Applies the gate, before anything else as the file says, and waits until it is in force: a route may get to the proxy sooner.
    fn apply_gate(&self) -> Result<(), String> {
        self.apply("00-gate.yaml")?;
        if site::within(site::PATIENCE, || site::ask("/", Some(self.token())).0 == 403) {
            Ok(())
        } else {
            Err(self.told("the gate is not in force"))
        }
    }

    /// Waits for a filtered answer.
    fn filters(&self) -> Result<(), String> {
        site::filters(self.token()).map_err(|fault| self.told(&fault))
    }

    /// Waits until the proxy has counted that it would not take something of a plugin's.
    fn rejected(&self, name: &str) -> Result<(), String> {
        let counted = |line: &str| {
            let (metric, value) = line.rsplit_once(' ')?;
            (Self::is_rejection(metric, name) && value != "0").then_some(())
        };
        let is_counted = || self.metrics().is_ok_and(|metrics| metrics.lines().any(|line| counted(line).is_some()));
        if site::within(site::PATIENCE, is_counted) {
            Ok(())
        } else {
            Err(self.told("what is rejected is not counted"))
        }
    }
}
