//! `fieldgate canary`: the tag of a seeded subject, to be named in a policy's `canaries` (rule 37).

use std::path::PathBuf;

use fieldgate::budget::SubjectKey;
use fieldgate::model::{Canaries, RouteBody};
use fieldgate::policy::PolicySet;

use super::exit::{Exit, Failure};
use super::load;
use super::terminal::Terminal;

/// Print the tag of a seeded subject, for a policy's `canaries`
///
/// The tag is made with the policy's key, so that the policy does not say which subjects are seeded.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The subject's id, as the upstream spells it: ACC-000666
    #[arg(value_name = "ID")]
    id: String,
    /// The kind of subject, as `subject` names it in the policy; may be left out where there is one only
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
    /// The policy: a file, or a directory with one
    #[arg(long, short, value_name = "PATH", default_value = "policies")]
    policy: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    if arguments.id.trim().is_empty() {
        return Err(Failure::new("the id is empty: no subject has that")
            .help("write the id of a seeded subject, as the upstream spells it: ACC-000666"));
    }
    let one = load::only(&arguments.policy, "a tag is one policy's", terminal)?;
    let known = namespaces(&one.policy);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let namespace = match (&arguments.namespace, known.as_slice()) {
        (Some(name), _) => {
            load::known("kind of subject", name, &known)?;
            name.as_str()
        }
        (None, [only]) => only,
        (None, _) => {
            let help = if known.is_empty() {
                "the policy names no kind of subject: `subject: customer` at the field that identifies one".to_owned()
            } else {
                format!("write --namespace with one of: {}", known.join(", "))
            };
            return Err(Failure::new("`--namespace` is missing").help(help));
        }
    };
    let key = load::key(&one.policy)?.ok_or_else(|| {
        Failure::new(format!("a tag is made with the key, and {} does not hold one", one.policy.key_variable()))
            .help("use the key that the plugin has: with another, the tag is never met")
    })?;
    let tag = SubjectKey::derive(&key).subject(namespace, &arguments.id).short();
    terminal.print(&format!("{}\n", Canaries::spell(tag)))?;
    Ok(Exit::Fine)
}

/// The kinds of subjects that a policy names, in order.
fn namespaces(policy: &PolicySet) -> Vec<String> {
    let governed = policy.routes.iter().filter_map(|route| match &route.body {
        RouteBody::Governed(governed) => Some(governed),
        RouteBody::Pass(_) => None,
    });
    let mut names: Vec<String> = governed
        .flat_map(|governed| {
            let path = governed.subject.iter().map(|subject| subject.namespace.to_string());
            path.chain(governed.entries.iter().filter_map(|entry| entry.subject.as_deref().map(str::to_owned)))
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
