//! [`Program::configured`]: from what a host has as configuration to what runs.

use super::Program;
use crate::policy;
use crate::transform::PseudonymKey;

impl Program {
    /// The program of a configuration: the policy as JSON, or as the bytes of a `google.protobuf.Struct`. It depends on
    /// nothing but these bytes and the variables of the key (rule 23), so that every worker decides like the one that tried
    /// the configuration first.
    ///
    /// # Errors
    /// Lines for the log, which name places of the policy or the variable, never a value of it.
    pub fn configured(configuration: &[u8], variable: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        // A Struct's bytes cannot be mistaken for JSON: before the first `{` of one stands more than white space.
        let is_json = configuration.trim_ascii_start().first() == Some(&b'{');
        let loaded = if is_json { policy::from_json(configuration) } else { policy::from_struct(configuration) };
        let (policy, _) = loaded.map_err(|found| found.lines().collect::<Vec<_>>())?;
        let held = policy.key_variables().into_iter().find_map(|name| variable(&name).map(|text| (name, text)));
        let key = match held {
            Some((name, text)) => {
                let key = PseudonymKey::from_base64(&text);
                Some(key.map_err(|fault| vec![format!("{name}: {fault}")])?)
            }
            None => None,
        };
        Self::new(policy, key).map_err(|missing| vec![missing.to_string()])
    }

    /// The line for the log when a policy is enforced from now on.
    #[must_use]
    pub fn enforcing(&self) -> String {
        let policy = self.policy();
        let (name, digest, routes) = (&policy.name, &policy.digest, policy.routes.len());
        format!("enforcing policy {name}, digest {digest}, language 1, {routes} routes")
    }
}
