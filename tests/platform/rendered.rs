//! What `fieldgate render` writes for the rows.

use std::fs;
use std::process::Command;

use fieldgate_testkit::envoy::Scratch;

use super::tools;

/// The key of the rows' pseudonyms.
pub(super) const KEY: &str = "ZmllbGRnYXRlIHRlc3Qga2V5LCBub3QgYSBzZWNyZXQ=";

/// The policy of the rows: one scope that sees one field.
pub(super) const POLICY: &str = "\
language: 1
policy: accounts
identity: {source: jwt_authn, payload: [verified_jwt, payload], client: azp, scopes: scope}
classes:
  reference: {about: Status and kind}
routes:
  get-account: {match: \"GET /accounts/{accountId}\", area: accounts, body: {$.status: reference}}
scopes:
  care.read: {areas: [accounts], grant: {reference: show}}
";

/// How the plugin is rendered.
#[derive(Debug, Clone)]
pub(super) struct Rendered {
    /// `--to`.
    pub(super) target: &'static str,
    pub(super) name: &'static str,
    /// `--image` and what follows it.
    pub(super) image: Vec<String>,
}

impl Rendered {
    /// As `fieldgate`, from here.
    pub(super) fn of(target: &'static str, image: impl Into<String>) -> Self {
        Self { target, name: "fieldgate", image: vec![image.into()] }
    }

    /// Writes the files into `rendered` of a directory.
    pub(super) fn write(&self, scratch: &Scratch) -> Result<(), String> {
        let policy = scratch.write("accounts.yaml", POLICY).map_err(|error| error.to_string())?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_fieldgate"));
        command.args(["render", "--to", self.target, "--name", self.name, "--image"]).args(&self.image);
        tools::run(command.arg("--out").arg(scratch.path().join("rendered")).arg(policy)).map(drop)
    }
}

/// A rendered file.
pub(super) fn text(scratch: &Scratch, name: &str) -> Result<String, String> {
    let path = scratch.path().join("rendered").join(name);
    fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))
}

/// A rendered file with something of its policy changed. Quotes are escaped there if the policy is.
pub(super) fn changed(scratch: &Scratch, name: &str, from: &str, to: &str) -> Result<String, String> {
    let text = text(scratch, name)?;
    let escaped = |text: &str| text.replace('"', "\\\"");
    let forms = [(from.to_owned(), to.to_owned()), (escaped(from), escaped(to))];
    let form = forms.iter().find(|(from, _)| text.contains(from));
    form.map(|(from, to)| text.replace(from, to)).ok_or_else(|| format!("{name} has no `{from}`"))
}
