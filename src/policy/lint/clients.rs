//! Client entries beside `"*"` (rule 9).

use super::{Lint, some};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::lookalike;
use crate::model::{ClassId, Client, ClientId, Identity, PolicySet, RouteBody};

impl Lint<'_> {
    /// Entries that hold a client to less than `"*"` holds everybody else: a caller whose id is missing, or spelt in another
    /// way than the entry, gets more than the entry gives.
    pub(super) fn clients(&mut self) {
        let policy = self.policy;
        for client in &policy.clients {
            let name = client.name.as_str();
            let spaced = (name.trim() != name).then(|| "it starts or ends with a space".to_owned());
            let Some(odd) = spaced.or_else(|| lookalike::odd(name)) else { continue };
            let message = format!("no caller is most likely called `{name}`: {odd}");
            self.push(Diagnostic::at(Code::NoEffect, client.span, message).help(
                "write the client id again as the token has it: without an entry of its own it falls under `\"*\"`",
            ));
        }
        let Some((any, star)) = policy.any_client.and_then(|id| Some((id, policy.clients.get(usize::from(id.0))?)))
        else {
            return;
        };
        let less: Vec<&Client> = (0u16..)
            .map(ClientId)
            .zip(&policy.clients)
            .filter(|(id, client)| *id != any && gives_more(policy, (any, star), (*id, client)))
            .map(|(_, client)| client)
            .collect();
        let Some(first) = less.first() else { return };
        let names = some(less.iter().map(|client| client.name.as_str()));
        let message = format!(
            "`\"*\"` gives more than the entry of {names}: a caller without a client id, or with another, gets it"
        );
        self.push(
            Diagnostic::at(Code::AnyClientMore, star.span, message)
                .label(first.span, "this entry gives less")
                .help("if these clients must never get more, give `\"*\"` no more than they have, and the others entries of their own"),
        );
    }
}

/// Whether somebody under `star` may get what nobody under `named` may: by a scope, a class or a place.
fn gives_more(
    policy: &PolicySet,
    (star_id, star): (ClientId, &Client),
    (named_id, named): (ClientId, &Client),
) -> bool {
    // Where scopes come from the entries, an entry without any has none; elsewhere, all that the caller brings.
    let own = match &policy.identity {
        Identity::JwtAuthn { .. } => false,
        Identity::Mtls => true,
        Identity::TrustedHeader { scopes, .. } => scopes.is_none(),
    };
    let may = |client: &Client, scope: &String| client.scopes.as_ref().map_or(!own, |scopes| scopes.contains(scope));
    let scope = policy.scopes.iter().any(|scope| may(star, &scope.name) && !may(named, &scope.name));
    let class =
        (0u16..).map(ClassId).zip(&policy.classes).any(|(class, _)| star.ceiling.of(class) > named.ceiling.of(class));
    let place = policy.routes.iter().any(|route| match &route.body {
        RouteBody::Governed(governed) => governed.denies.iter().any(|(client, path)| {
            *client == named_id && !governed.denies.iter().any(|(other, same)| *other == star_id && same == path)
        }),
        RouteBody::Pass(_) => false,
    });
    scope || class || place
}
