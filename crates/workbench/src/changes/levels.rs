//! Changes of level, cell by cell: for every scope alone, and under every client entry.
//!
//! At an unchanged level a form that shows more, or may (a longer mask, a detector that is gone or looks for something else), is a gain too.

use std::collections::BTreeSet;

use crate::suite::forms::{self, Forms};
use crate::suite::verdict::{self, Verdict, client_entry, word};
use fieldgate::model::{BudgetId, ClientId, Governed, Level, Link, ScopeId, StepEffect};
use fieldgate::policy::PolicySet;

use super::routes::RoutePair;
use super::spots::{Spot, Spots};
use super::{Change, Direction, setting};
use crate::cells;
use crate::loaded::Loaded;

/// The changes of level, and of form at an unchanged level.
pub(super) fn compare(old: &PolicySet, new: &Loaded, pairs: &[RoutePair<'_>], changes: &mut Vec<Change>) {
    let compared: Vec<Compared<'_>> = pairs.iter().filter_map(|pair| Compared::new(old, new, pair)).collect();
    for one in &compared {
        one.unlisted(changes);
        one.costs(changes);
    }
    let base: Vec<Change> = compared.iter().flat_map(|one| one.cells(None)).collect();
    let names = old.clients.iter().chain(&new.policy.clients).map(|client| client.name.as_str());
    let clients: BTreeSet<&str> = names.filter(|name| *name != "*").collect();
    for client in clients {
        // What changes for everybody changes for the client too: only what is otherwise is said.
        let own = compared.iter().flat_map(|one| one.cells(Some(client)));
        changes.extend(
            own.filter(|change| !base.contains(change))
                .map(|change| Change { who: format!("{} (client {client})", change.who), ..change }),
        );
    }
    changes.extend(together(base, new.policy.scopes.len()));
}

/// A change that all scopes share is one change.
fn together(changes: Vec<Change>, scopes: usize) -> Vec<Change> {
    let mut kept: Vec<Change> = Vec::new();
    for change in &changes {
        let alike = |other: &Change| {
            (other.direction, &other.route, &other.what, &other.from, &other.to)
                == (change.direction, &change.route, &change.what, &change.from, &change.to)
        };
        let same = changes.iter().filter(|other| alike(other)).count();
        if scopes > 1 && same == scopes {
            let who = format!("all {scopes} scopes");
            if !kept.iter().any(|other| other.who == who && alike(other)) {
                kept.push(Change { who, ..change.clone() });
            }
        } else {
            kept.push(change.clone());
        }
    }
    kept
}

/// One of the two routes, in its policy.
struct RouteSide<'a> {
    policy: &'a PolicySet,
    pair: &'a RoutePair<'a>,
    governed: &'a Governed,
    is_new: bool,
}

impl RouteSide<'_> {
    fn acting(&self, client: Option<ClientId>) -> Vec<ScopeId> {
        let route = if self.is_new { Some(self.pair.new) } else { self.pair.old };
        route.map(|route| cells::acting(self.policy, route, client)).unwrap_or_default()
    }

    /// The verdict on a spot for one scope, if it acts on the route.
    fn verdict(&self, at: &Spot, named: &[usize], client: Option<ClientId>, scope: ScopeId) -> Verdict {
        let denies = &self.governed.denies;
        let denied = denies.iter().any(|(whom, path)| Some(*whom) == client && at.is_denied(path));
        let about = verdict::Circumstances { client, scopes: &[scope], denied, left_out: &[] };
        verdict::decide(self.policy, self.governed, named.to_vec(), about)
    }

    /// Whether a container comes out for one scope: some entry below, judged by itself, is above hide (rule 25).
    fn opens(&self, container: &Spot, client: Option<ClientId>, scope: ScopeId) -> bool {
        self.governed.entries.iter().enumerate().any(|(index, entry)| {
            let below = container.through(&entry.path);
            below.is_some_and(|spot| self.verdict(&spot, &[index], client, scope).level > Level::Hide)
        })
    }
}

/// A spot, and the entries of both routes that name it.
struct Cut {
    spot: Spot,
    path: String,
    was: Vec<usize>,
    is: Vec<usize>,
    /// How it looks at each level, before and after.
    forms: (Option<Forms>, Forms),
    /// Whether an entry of one of the two has just this path.
    declared: bool,
}

/// A change of one cell.
struct CellChange<'c> {
    spot: &'c Spot,
    declared: bool,
    change: Change,
}

/// Two routes, of which the second now takes what the first took.
struct Compared<'a> {
    new: &'a Loaded,
    before: Option<RouteSide<'a>>,
    after: RouteSide<'a>,
    cuts: Vec<Cut>,
    containers: Vec<Spot>,
    complete: bool,
    /// What steps of budgets and canaries leave at most.
    ceilings: BTreeSet<Level>,
}

impl<'a> Compared<'a> {
    fn new(old: &'a PolicySet, new: &'a Loaded, pair: &'a RoutePair<'a>) -> Option<Self> {
        let is = pair.new.body.governed()?;
        let was = match pair.old.map(|route| &route.body) {
            // What was forwarded untouched can only have been more.
            Some(body) => Some(body.governed()?),
            None => None,
        };
        let both: Vec<&Governed> = was.into_iter().chain([is]).collect();
        let Spots { scalars, containers, complete } = Spots::of(&both);
        let own: Vec<Spot> =
            both.iter().flat_map(|one| one.entries.iter()).map(|entry| Spot::of(&entry.path)).collect();
        let cut = |spot: Spot| {
            let named = was.map(|was| spot.entries(was)).unwrap_or_default();
            let now = spot.entries(is);
            Cut {
                path: spot.to_string(),
                forms: (was.map(|was| Forms::of(old, was, &named)), Forms::of(&new.policy, is, &now)),
                declared: own.contains(&spot),
                was: named,
                is: now,
                spot,
            }
        };
        let before = was.map(|governed| RouteSide { policy: old, pair, governed, is_new: false });
        let after = RouteSide { policy: &new.policy, pair, governed: is, is_new: true };
        let cuts = scalars.into_iter().map(cut).collect();
        Some(Self { new, before, after, cuts, containers, complete, ceilings: ceilings(old, &new.policy, pair) })
    }

    fn name(&self) -> &str {
        &self.after.pair.name
    }

    /// Where more paths meet than are compared.
    fn unlisted(&self, changes: &mut Vec<Change>) {
        if !self.complete {
            let what = "places where filters meet in too many ways";
            changes.push(setting(self.name(), what, Direction::Gain, "not compared", "not compared"));
        }
    }

    /// The changes under one client's entry, or everybody else's.
    fn cells(&self, client: Option<&str>) -> Vec<Change> {
        let was_client = self.before.as_ref().and_then(|side| client_entry(side.policy, client));
        let is_client = client_entry(self.after.policy, client);
        let was_acting = self.before.as_ref().map(|side| side.acting(was_client)).unwrap_or_default();
        let is_acting = self.after.acting(is_client);
        let mut found = Vec::new();
        for (index, scope) in (0_u16..).zip(&self.after.policy.scopes) {
            let id = Some(ScopeId(index)).filter(|id| is_acting.contains(id));
            let was =
                self.before.as_ref().and_then(|side| side.policy.scopes.iter().position(|one| one.name == scope.name));
            let was = was.and_then(|at| u16::try_from(at).ok()).map(ScopeId).filter(|id| was_acting.contains(id));
            let of = OfScope { scope: &scope.name, was: (was_client, was), is: (is_client, id) };
            found.extend(self.of_scope(&of));
            found.extend(self.headers(&of));
        }
        found
    }

    /// One scope's changes.
    fn of_scope(&self, of: &OfScope<'_>) -> Vec<Change> {
        let mut found: Vec<CellChange<'_>> = Vec::new();
        for cut in &self.cuts {
            let was =
                self.before.as_ref().zip(of.was.1).map(|(side, id)| side.verdict(&cut.spot, &cut.was, of.was.0, id));
            let is = of.is.1.map(|id| self.after.verdict(&cut.spot, &cut.is, of.is.0, id));
            let direct = self.change(of.scope, cut, was.as_ref(), is.as_ref());
            let gains = direct.as_ref().is_some_and(|change| change.direction == Direction::Gain);
            let lowered = self.ceilings.iter().filter(|_| !gains).filter_map(|level| {
                let under =
                    |side: &RouteSide<'_>, verdict: Verdict| verdict.under(side.governed, BudgetId(0), 0, *level);
                let was = self.before.as_ref().zip(was.clone()).map(|(side, was)| under(side, was));
                let is = is.clone().map(|is| under(&self.after, is));
                let who = format!("{} (where at most {} is left)", of.scope, word(*level));
                let change = self.change(&who, cut, was.as_ref(), is.as_ref());
                // What left so much is no line of the policy's alone.
                change
                    .filter(|change| change.direction == Direction::Gain)
                    .map(|change| Change { because: None, ..change })
            });
            let cell = |change| CellChange { spot: &cut.spot, declared: cut.declared, change };
            found.extend(direct.into_iter().chain(lowered).map(cell));
        }
        let opened: Vec<Change> = self.opened(of, &found);
        said(found).into_iter().chain(opened).collect()
    }

    /// Containers that come out now, where nothing new does of what is in them.
    fn opened(&self, of: &OfScope<'_>, found: &[CellChange<'_>]) -> Vec<Change> {
        let Some(id) = of.is.1 else { return Vec::new() };
        let gains: Vec<&Spot> =
            found.iter().filter(|one| one.change.direction == Direction::Gain).map(|one| one.spot).collect();
        let mut opened: Vec<&Spot> = Vec::new();
        for container in &self.containers {
            let told = gains.iter().any(|gain| gain.may_be_in(container))
                || opened.iter().any(|other| container.is_within(other));
            let was = || {
                let before = self.before.as_ref().zip(of.was.1);
                before.is_some_and(|(side, id)| side.opens(container, of.was.0, id))
            };
            if !told && self.after.opens(container, of.is.0, id) && !was() {
                opened.push(container);
            }
        }
        let change = |container: &Spot| Change {
            who: of.scope.to_owned(),
            ..setting(
                self.name(),
                &format!("{container} itself"),
                Direction::Gain,
                "hide",
                "comes out, with nothing in it",
            )
        };
        opened.into_iter().map(change).collect()
    }

    /// Changes of response headers that follow classes, of those that did or do.
    fn headers(&self, of: &OfScope<'_>) -> Vec<Change> {
        let level = |cells: &[cells::HeaderCells], name: &str, scope: Option<ScopeId>| {
            let cells = cells.iter().find(|cells| cells.name == name)?;
            scope.and_then(|id| cells.levels.get(usize::from(id.0)).copied().flatten())
        };
        let of_side = |side: &RouteSide<'_>, client| {
            let route = if side.is_new { Some(side.pair.new) } else { side.pair.old };
            route.map(|route| cells::headers(side.policy, route, side.governed, client, None)).unwrap_or_default()
        };
        let before = self.before.as_ref().map(|side| of_side(side, of.was.0)).unwrap_or_default();
        let after = of_side(&self.after, of.is.0);
        let names: BTreeSet<&str> = before.iter().chain(&after).map(|cells| cells.name.as_str()).collect();
        let kept = |side: &RouteSide<'_>, name: &str| {
            let lists = [&side.policy.defaults.headers.keep, &side.governed.headers.keep];
            lists.into_iter().flatten().any(|kept| kept == name).then_some(Level::Show)
        };
        let changed = names.into_iter().filter_map(|name| {
            let was = level(&before, name, of.was.1).or(self.before.as_ref().and_then(|side| kept(side, name)));
            let is = level(&after, name, of.is.1).or(kept(&self.after, name));
            let (was, is) = (was.unwrap_or(Level::Hide), is.unwrap_or(Level::Hide));
            let direction = if is > was { Direction::Gain } else { Direction::Loss };
            let change = setting(self.name(), &format!("header {name}"), direction, word(was), word(is));
            (is != was).then(|| Change { who: of.scope.to_owned(), ..change })
        });
        changed.collect()
    }

    /// What fields cost, where other classes say so than before and a budget counts it (rule 34).
    fn costs(&self, changes: &mut Vec<Change>) {
        let Some(before) = &self.before else { return };
        if !before.pair.counts_cost(before.policy, false) || !self.after.pair.counts_cost(self.after.policy, true) {
            return;
        }
        for cut in self.cuts.iter().filter(|cut| cut.declared && !cut.was.is_empty() && !cut.is.is_empty()) {
            let ((was, names), (is, others)) = (cost(before, &cut.was), cost(&self.after, &cut.is));
            if was != is && names != others {
                let direction = if is < was { Direction::Gain } else { Direction::Loss };
                let what = format!("cost of {}", cut.path);
                changes.push(setting(self.name(), &what, direction, was.to_string(), is.to_string()));
            }
        }
    }

    fn change(&self, who: &str, cut: &Cut, was: Option<&Verdict>, is: Option<&Verdict>) -> Option<Change> {
        let level = |verdict: Option<&Verdict>| verdict.map_or(Level::Hide, |verdict| verdict.level);
        let (before, after) = (level(was), level(is));
        let existed = !cut.was.is_empty();
        let (direction, from, to) = match before.cmp(&after) {
            std::cmp::Ordering::Less => {
                let from = if existed { word(before) } else { "new" };
                (Direction::Gain, from.to_owned(), word(after).to_owned())
            }
            std::cmp::Ordering::Greater => {
                let to = if cut.is.is_empty() { "gone" } else { word(after) };
                (Direction::Loss, word(before).to_owned(), to.to_owned())
            }
            std::cmp::Ordering::Equal => self.form_change(after, cut)?,
        };
        let mut entries = cut.is.iter().filter_map(|index| self.after.governed.entries.get(*index));
        let entry = entries.next_back().filter(|_| !existed);
        Some(Change {
            direction,
            who: who.to_owned(),
            route: self.name().to_owned(),
            what: cut.path.clone(),
            from,
            to,
            because: is.filter(|_| direction == Direction::Gain).map(|verdict| self.because(verdict)),
            at: entry.map(|entry| self.new.sources.location(entry.span).to_string()),
        })
    }

    /// The deciding reason of a gain.
    fn because(&self, verdict: &Verdict) -> String {
        let all = crate::suite::reasons(self.after.policy, self.after.governed, verdict, Some(self.new.doc.root()));
        let said: Vec<String> = all
            .iter()
            .filter(|reason| reason.decides)
            .map(|reason| match reason.topic.strip_prefix("class ") {
                Some(class) => format!("class {class}"),
                None => reason.text.clone(),
            })
            .collect();
        format!("({})", said.join(", "))
    }

    /// A change of form at an unchanged level.
    fn form_change(&self, level: Level, cut: &Cut) -> Option<(Direction, String, String)> {
        let (before, is) = (self.before.as_ref()?, &cut.forms.1);
        let was = cut.forms.0.as_ref()?;
        match level {
            Level::Mask if was.mask != is.mask => {
                let text = |forms: &Forms| forms.mask.map_or("mask".to_owned(), |mask| format!("mask {mask}"));
                let less = was.mask.zip(is.mask).is_some_and(|(was, is)| is.is_within(was));
                Some((if less { Direction::Loss } else { Direction::Gain }, text(was), text(is)))
            }
            Level::Pseudonym if was.pseudonym != is.pseudonym => {
                let text = |forms: &Forms| {
                    let form = forms.pseudonym.as_ref();
                    form.map_or("pseudonym".to_owned(), |form| format!("pseudonym {}", forms::pseudonym(form)))
                };
                let link = |forms: &Forms| forms.pseudonym.as_ref().map(|form| form.link);
                let direction = match (link(was), link(is)) {
                    (Some(Link::All), Some(Link::Client)) => Direction::Loss,
                    (Some(Link::Client), Some(Link::All)) => Direction::Gain,
                    _ => Direction::Other,
                };
                Some((direction, text(was), text(is)))
            }
            Level::Show if was.detect != is.detect => {
                let gone = was.detect.iter().any(|detector| !is.detect.contains(detector));
                let text = |forms: &Forms| format!("show, detect [{}]", forms.detect.join(", "));
                Some((if gone { Direction::Gain } else { Direction::Loss }, text(was), text(is)))
            }
            Level::Blank => {
                // One that says nothing falls to its class, whose change is a line of its own.
                let (was, is) = (own_blank(before.governed, &cut.was), own_blank(self.after.governed, &cut.is));
                let text = |blank: Option<&str>| {
                    blank.map_or_else(|| "blank of its class".to_owned(), |blank| format!("blank {blank}"))
                };
                (was != is).then(|| (Direction::Other, text(was), text(is)))
            }
            _ => None,
        }
    }
}

/// Of which scope, under which entries of clients: before and after.
struct OfScope<'s> {
    scope: &'s str,
    was: (Option<ClientId>, Option<ScopeId>),
    is: (Option<ClientId>, Option<ScopeId>),
}

/// The changes that are said: where paths only meet, what is said of a wider spot already is not said again.
fn said(found: Vec<CellChange<'_>>) -> Vec<Change> {
    let again = |one: &CellChange<'_>| {
        let key = |change: &Change| (change.direction, change.who.clone(), change.from.clone(), change.to.clone());
        found.iter().any(|other| {
            one.spot != other.spot && one.spot.is_within(other.spot) && key(&one.change) == key(&other.change)
        })
    };
    let kept: Vec<bool> = found.iter().map(|one| one.declared || !again(one)).collect();
    found.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(one, _)| one.change).collect()
}

/// The levels that steps of budgets and canaries leave on either route, at most.
fn ceilings(old: &PolicySet, new: &PolicySet, pair: &RoutePair<'_>) -> BTreeSet<Level> {
    let of_budgets = |policy: &PolicySet, route: Option<&fieldgate::model::Route>| -> Vec<Level> {
        let area = route.map(|route| route.area.as_str());
        let bound = policy.budgets.iter().filter(|budget| budget.areas.iter().any(|of| Some(of.as_str()) == area));
        let steps = bound.flat_map(|budget| &budget.steps).filter_map(|step| match step.then {
            StepEffect::Ceiling(level) => Some(level),
            StepEffect::Reject => None,
        });
        steps.chain(policy.canaries.as_ref().map(|canaries| canaries.ceiling)).collect()
    };
    let all = of_budgets(old, pair.old).into_iter().chain(of_budgets(new, Some(pair.new)));
    all.filter(|level| !matches!(level, Level::Show | Level::Hide)).collect()
}

/// What one scalar costs that these entries name, and the names of the classes that say so.
fn cost<'p>(side: &RouteSide<'p>, entries: &[usize]) -> (u64, BTreeSet<&'p str>) {
    let classes = entries.iter().filter_map(|index| side.governed.entries.get(*index)).flat_map(|entry| &entry.classes);
    let ids: BTreeSet<_> = classes.copied().collect();
    let known = || ids.iter().filter_map(|id| side.policy.classes.get(usize::from(id.0)));
    let sum = known().filter_map(|class| class.cost).map(u64::from).fold(0, u64::saturating_add);
    (sum, known().map(|class| class.name.as_str()).collect())
}

/// The blank that entries declare and agree on, without those of classes.
fn own_blank<'g>(governed: &'g Governed, entries: &[usize]) -> Option<&'g str> {
    let mut own = entries.iter().filter_map(|index| governed.entries.get(*index)?.blank.as_deref());
    let first = own.next()?;
    own.all(|blank| blank == first).then_some(first)
}
