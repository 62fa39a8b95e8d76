//! What to write so that a scope gets a field that it does not get: the policy as it would be decides what is said of that.

use std::rc::Rc;

use fieldgate::model::field_path::FieldPath;
use fieldgate::model::{ClassId, Entry, Level, RouteBody, ScopeId};
use fieldgate::policy::PolicySet;
use fieldgate_workbench::suite::verdict::{self, Because, Decider, word};

use super::Asked;
use crate::report::number;
use crate::{cells, load};

/// How many other fields come out, and on how many routes.
pub(super) type Reach = (usize, usize);

/// What to write, where a scope's missing grant decides.
pub(super) struct Advice {
    /// Whom it is for.
    pub(super) scope: ScopeId,
    /// The level that the field then has.
    pub(super) level: Level,
    /// The classes to grant, and what else comes out then.
    pub(super) classes: (Vec<ClassId>, Reach),
    /// The field's name in a shape, and what else comes out if that is named.
    pub(super) named: Option<(Rc<str>, FieldPath, Reach)>,
}

impl Asked<'_> {
    /// The advice in words.
    pub(super) fn advised(&self) -> Option<String> {
        if let Decider::Unclassified = self.verdict.decider {
            return Some(self.unclassified());
        }
        let Advice { scope, level, classes: (classes, reach), named } = self.advice()?;
        let policy = &self.one.policy;
        let scope = policy.scopes.get(usize::from(scope.0))?;
        let classes = classes.iter().filter_map(|class| policy.classes.get(usize::from(class.0)));
        let names: Vec<String> = classes.map(|class| format!("`{}`", class.name)).collect();
        let too = |(fields, routes): Reach| match fields {
            0 => "no other field".to_owned(),
            _ => format!("{} on {} too", number(fields, "more field"), number(routes, "route")),
        };
        let by_name = match named {
            None => ".\n".to_owned(),
            Some((shape, path, reach)) => {
                let path = path.to_string();
                let path = if path.contains(['[', ',', '{', '#']) { format!("\"{path}\"") } else { path };
                let more = if reach.0 == 0 { String::new() } else { format!(" ({})", too(reach)) };
                format!(", or name the field{more}:\n  fields: {{{shape}: {{{path}: {}}}}}\n", word(level))
            }
        };
        Some(format!("To show it: grant {} to {} ({}){by_name}", names.join(" and "), scope.name, too(reach)))
    }

    /// What to write: nothing where no grant is missing, or none would help.
    pub(super) fn advice(&self) -> Option<Advice> {
        let Decider::Scope(index) = self.verdict.decider else { return None };
        let says = self.verdict.scopes.get(index)?;
        let Because::Grants(grants) = &says.because else { return None };
        if says.level != Level::Hide {
            return None;
        }
        let (missing, granted): (Vec<&_>, Vec<&_>) = grants.iter().partition(|(_, level, _)| *level == Level::Hide);
        let missing: Vec<ClassId> = missing.into_iter().map(|(class, _, _)| *class).collect();
        let level = granted.into_iter().map(|(_, level, _)| *level).min().unwrap_or(Level::Show);
        let with = self.granting(says.scope, &missing, level);
        // A ceiling or a `deny` may stand behind the grant.
        if !self.shows(&with) {
            return None;
        }
        let reach = self.reach(says.scope, &with);
        Some(Advice { scope: says.scope, level, classes: (missing, reach), named: self.by_name(says.scope, level) })
    }

    /// Whether a policy shows anything of the field.
    fn shows(&self, policy: &PolicySet) -> bool {
        let route = policy.routes.iter().find(|route| route.name == self.route.name);
        let Some(RouteBody::Governed(governed)) = route.map(|route| &route.body) else { return false };
        let client = verdict::client_entry(policy, self.asker.client);
        verdict::at_path(policy, governed, &self.path, client, &self.active).level > Level::Hide
    }

    /// The policy with these classes granted.
    fn granting(&self, scope: ScopeId, classes: &[ClassId], level: Level) -> PolicySet {
        let mut granted = self.one.policy.clone();
        if let Some(scope) = granted.scopes.get_mut(usize::from(scope.0)) {
            for class in classes {
                if let Some(grant) = scope.grant.get_mut(usize::from(class.0)) {
                    *grant = level;
                }
            }
        }
        granted
    }

    /// The policy with a place of a shape named in the scope's `fields`; nothing where an entry of it shares some of its places with
    /// one that names others, which would come out by this name too.
    fn naming(&self, scope: ScopeId, (shape, path): (&str, &FieldPath), level: Level) -> Option<PolicySet> {
        let is = |entry: &Entry| entry.names.iter().any(|(known, at)| **known == *shape && at == path);
        let mut named = self.one.policy.clone();
        for route in &mut named.routes {
            let RouteBody::Governed(governed) = &mut route.body else { continue };
            let all = Rc::clone(&governed.entries);
            let shared = |entry: &Entry| {
                let mut others = all.iter().filter(|other| other.path.overlaps(&entry.path));
                others.any(|other| !other.path.covers(&entry.path))
            };
            if all.iter().any(|entry| is(entry) && shared(entry)) {
                return None;
            }
            let with = |entry: &Entry| {
                let mut entry = entry.clone();
                if is(&entry) {
                    entry.overrides.push((scope, level));
                }
                entry
            };
            governed.entries = all.iter().map(with).collect();
        }
        Some(named)
    }

    /// How to name the field alone, where a shape of the policy does: by the name that shows least besides.
    fn by_name(&self, scope: ScopeId, level: Level) -> Option<(Rc<str>, FieldPath, Reach)> {
        let entries = self.governed.entries.iter().filter(|entry| entry.path == self.path);
        let names = entries.flat_map(|entry| entry.names.iter().rev());
        let found = names.filter_map(|(shape, path)| {
            let with = self.naming(scope, (shape, path), level)?;
            self.shows(&with).then(|| (Rc::clone(shape), path.clone(), self.reach(scope, &with)))
        });
        found.min_by_key(|(_, _, reach)| *reach)
    }

    /// What to write where nothing classifies the place: a field with a similar name may be meant.
    fn unclassified(&self) -> String {
        let fields = self.governed.entries.iter().map(|entry| entry.path.to_string());
        match load::near_owned(&self.path.to_string(), fields) {
            Some(near) => {
                format!("Did you mean `{near}`? Else classify it in a shape that {} mounts.\n", self.route.name)
            }
            None => {
                format!("To show it, classify it in a shape that {} mounts, and grant its class.\n", self.route.name)
            }
        }
    }

    /// How many other fields the scope gets more of, and on how many routes: the policy as it would be, compared with what it is.
    fn reach(&self, scope: ScopeId, with: &PolicySet) -> Reach {
        let policy = &self.one.policy;
        let client = verdict::client_entry(policy, self.asker.client);
        let at = |field: &cells::FieldCells| {
            field.verdicts.get(usize::from(scope.0)).and_then(Option::as_ref).map(|verdict| verdict.level)
        };
        let path = self.path.to_string();
        let (mut fields, mut routes) = (0_usize, 0_usize);
        for (before, after) in cells::of(policy, client).iter().zip(&cells::of(with, client)) {
            let own = before.route.name == self.route.name;
            let more = before
                .fields
                .iter()
                .zip(&after.fields)
                .filter(|(before, after)| at(before) < at(after) && !(own && before.path == path))
                .count();
            fields = fields.saturating_add(more);
            routes = routes.saturating_add(usize::from(more > 0));
        }
        (fields, routes)
    }
}
