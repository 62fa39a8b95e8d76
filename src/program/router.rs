//! Which route a request takes (rules 3 to 6). Paths are compared as raw segments and never rewritten, so what was
//! matched is exactly what is forwarded.

use std::collections::HashMap;

use super::fit::fit;
use super::forks::{ForkStep, Forks};
use super::loose::Loose;
use super::target::is_canonical;
use crate::model::{self, PolicySet, RouteBody, RouteId, Template, TemplateSegment};

/// Routes of one policy, the more specific first.
#[derive(Debug)]
pub(super) struct Router {
    hosts: Vec<String>,
    routes: Vec<Candidate>,
    /// The templates of `routes`.
    forks: Forks,
    /// The governed routes, in the order of `routes`.
    loose: Loose,
}

#[derive(Debug)]
struct Candidate {
    id: RouteId,
    method: String,
    template: Template,
    /// Of a route that passes: the governed routes that would go before it, or could as well, under a loose reading (rule 5).
    before: Option<Before>,
}

/// The governed routes that are at least as specific as one that passes, but for those at its very path: who lets another
/// method of that pass has named it.
#[derive(Debug)]
struct Before {
    /// How many of the governed routes are as specific.
    count: usize,
    /// Those among them at its path.
    alike: Vec<usize>,
}

impl Router {
    pub(super) fn new(policy: &PolicySet) -> Self {
        let mut ranked: Vec<_> = (0u16..).map(RouteId).zip(&policy.routes).collect();
        // The most specific first: of several that fit the first is the route (rule 4).
        ranked.sort_by_cached_key(|(_, route)| route.template.rank());
        let governed: Vec<&Template> = ranked
            .iter()
            .filter(|(_, route)| matches!(route.body, RouteBody::Governed(_)))
            .map(|(_, route)| &route.template)
            .collect();
        let loose = Loose::new(governed.iter().copied());
        let ranks: Vec<_> = governed.iter().map(|template| template.rank()).collect();
        let mut at_path: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, template) in governed.iter().enumerate() {
            at_path.entry(template.erased()).or_default().push(index);
        }
        let before = |passed: &Template| {
            let rank = passed.rank();
            Before {
                count: ranks.partition_point(|of| *of <= rank),
                alike: at_path
                    .get(&passed.erased())
                    .into_iter()
                    .flatten()
                    .copied()
                    .filter(|index| governed.get(*index).is_some_and(|template| template.is_alike(passed)))
                    .collect(),
            }
        };
        let routes: Vec<Candidate> = ranked
            .into_iter()
            .map(|(id, route)| Candidate {
                id,
                method: route.method.clone(),
                template: route.template.clone(),
                before: matches!(route.body, RouteBody::Pass(_)).then(|| before(&route.template)),
            })
            .collect();
        let forks = Forks::new(routes.iter().map(|route| route.template.segments.iter().map(step)));
        Self { hosts: policy.hosts.clone(), routes, forks, loose }
    }

    /// Whether somebody could take a canonical path for a governed route's, whatever method and authority it comes with
    /// (rule 5).
    pub(super) fn may_be_governed(&self, path: &str) -> bool {
        self.loose.may_be_governed(path)
    }

    /// The route of a request, by authority, method and path (without its query). A route that passes lets nothing by that
    /// somebody could take for a request of a governed route: `/Accounts/1` by `GET /{page+}`.
    pub(super) fn find(&self, authority: &str, method: &str, path: &str) -> Option<RouteId> {
        if !self.governs(authority) || !is_canonical(path) {
            return None;
        }
        // A HEAD is answered as its GET would be (RFC 9110 §9.3.2).
        let method = if method == "HEAD" { "GET" } else { method };
        self.first(method, path).filter(|route| !self.is_behind(route, path)).map(|route| route.id)
    }

    /// The most specific route of a method that a path fits.
    fn first(&self, method: &str, path: &str) -> Option<&Candidate> {
        let inner = path.strip_prefix('/')?;
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        // The root has no segment; elsewhere none is empty, since the path is canonical.
        let segments = inner.split('/').filter(|segment| !segment.is_empty());
        let mut first: Option<(usize, &Candidate)> = None;
        self.forks.find(segments, &|segment| std::iter::once(segment), &mut |index| {
            // They come in the order of the tree, not of their ranks.
            let goes_before = first.is_none_or(|(other, _)| index < other);
            if let (Some(route), true) = (self.routes.get(index), goes_before)
                && route.method == method
                && fit(&route.template, path).is_some()
            {
                first = Some((index, route));
            }
            false
        });
        first.map(|(_, route)| route)
    }

    /// Whether a route passes and a path could be a governed one's that goes before it.
    fn is_behind(&self, route: &Candidate, path: &str) -> bool {
        // A governed route never has this bound: it filters whatever it gets.
        let Some(before) = &route.before else { return false };
        self.loose.may_be_one_of(path, before.count, &before.alike)
    }

    /// Whether the policy speaks for an authority: all, or one of `hosts`, with its port or, where the policy names
    /// none, without (rule 4).
    fn governs(&self, authority: &str) -> bool {
        let (name, port) = model::authority(authority);
        let authority = if port.is_empty() { name.clone() } else { format!("{name}:{port}") };
        self.hosts.is_empty() || self.hosts.iter().any(|host| *host == authority || *host == name)
    }
}

fn step(segment: &TemplateSegment) -> ForkStep<'_> {
    match segment {
        TemplateSegment::Literal(literal) => ForkStep::Text(literal),
        TemplateSegment::Part { before, after, .. } => ForkStep::Between(before, after),
        TemplateSegment::Parameter(_) => ForkStep::Any,
        TemplateSegment::Rest(_) => ForkStep::Rest,
    }
}

#[cfg(test)]
mod among_many {
    mod tests;
}
