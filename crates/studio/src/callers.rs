//! Who asks: the caller that the page names, or one for each scope.

use fieldgate::caller::Caller;
use fieldgate::model::{Condition, Scope, When};
use fieldgate::policy::PolicySet;
use serde_json::{Map, Value, json};

use crate::question::{claims, text, texts};

/// A caller, and what its view is called.
pub(crate) struct Asking {
    /// The scope that it stands for, or that of the page.
    pub(crate) name: String,
    /// What the policy gets.
    pub(crate) caller: Caller,
}

/// The callers that a question is about: those that it lists, else one for each scope of the policy.
pub(crate) fn of(policy: &PolicySet, question: &Value) -> Result<Vec<Asking>, String> {
    let client = text(question, "client");
    match question.get("callers").and_then(Value::as_array) {
        Some(listed) => listed
            .iter()
            .map(|one| {
                let caller = Caller::new(policy, text(one, "client"), texts(one, "scopes"), claims(one)?);
                Ok(Asking { name: text(one, "name").to_owned(), caller })
            })
            .collect(),
        None => Ok(policy.scopes.iter().map(|scope| for_scope(policy, scope, client)).collect()),
    }
}

/// A caller for whom the scope is active, by whatever its `when` asks for.
fn for_scope(policy: &PolicySet, scope: &Scope, client: &str) -> Asking {
    let mut scopes: Vec<String> = Vec::new();
    let mut claims = Value::Object(Map::new());
    match &scope.when {
        When::Always => {}
        When::Named => scopes.push(scope.name.clone()),
        When::All(conditions) => {
            for condition in conditions {
                match condition {
                    Condition::AllOf(names) => scopes.extend(names.iter().cloned()),
                    Condition::AnyOf(names) => scopes.extend(names.first().cloned()),
                    Condition::Claim(path, wanted) => {
                        let value = wanted.first().map_or(Value::Null, |word| json!(word));
                        put(&mut claims, &path.0, value);
                    }
                }
            }
        }
    }
    Asking { name: scope.name.clone(), caller: Caller::new(policy, client, scopes, claims) }
}

/// Puts a claim below the names that lead to it.
fn put(claims: &mut Value, path: &[impl AsRef<str>], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *claims = value;
        return;
    };
    if let Some(members) = claims.as_object_mut() {
        put(members.entry(first.as_ref()).or_insert_with(|| json!({})), rest, value);
    }
}
