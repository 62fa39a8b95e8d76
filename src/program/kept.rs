//! Automata that are kept for the next caller of their look, in a room that all of them share.
//!
//! A policy has few looks in most cases, and thousands where clients have entries of their own or bring scopes in
//! many combinations. Automata go one by one, so that one look too many does not make all others pay.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::rc::Rc;

/// How many look-ups a view that is full is kept for. What it knows goes on being answered; what it does not know is refused
/// at once, and not after all has been worked out anew.
const LOOKS_WHEN_FULL: u32 = 64;

/// What is taken of a room, as long as it is there.
#[derive(Debug, Default)]
pub(super) struct Share {
    room: Rc<Cell<usize>>,
    taken: Cell<usize>,
}

impl Share {
    pub(super) fn take(&self, more: usize) {
        self.room.set(self.room.get().saturating_add(more));
        self.taken.set(self.taken.get().saturating_add(more));
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.set(self.room.get().saturating_sub(self.taken.get()));
    }
}

/// Automata by their look. The one that was not looked up for longest goes first, to an approximation: each gets
/// a second chance if it was looked up since it last had one.
#[derive(Debug)]
pub(super) struct Kept<K, V> {
    views: HashMap<K, KeptSlot<V>>,
    /// The looks, the next to go first.
    order: VecDeque<K>,
    /// What all that are there take, kept or still in use.
    room: Rc<Cell<usize>>,
    most: usize,
}

#[derive(Debug)]
struct KeptSlot<V> {
    view: Rc<V>,
    looked_up: bool,
    /// Look-ups since it was found full.
    when_full: u32,
}

/// What can have no more room.
pub(super) trait Fills {
    /// Whether it has refused something for want of room.
    fn is_full(&self) -> bool;
}

impl<K: Clone + Eq + Hash, V: Fills> Kept<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self { views: HashMap::new(), order: VecDeque::new(), room: Rc::default(), most }
    }

    /// A share of the room, for one that is to be kept.
    pub(super) fn share(&self) -> Share {
        Share { room: Rc::clone(&self.room), taken: Cell::new(0) }
    }

    pub(super) fn get(&mut self, look: &K) -> Option<Rc<V>> {
        let slot = self.views.get_mut(look)?;
        slot.looked_up = true;
        if slot.view.is_full() {
            slot.when_full = slot.when_full.saturating_add(1);
        }
        // Made anew it is empty again: filters of today's data need not be those of last week's.
        if slot.when_full > LOOKS_WHEN_FULL {
            self.views.remove(look);
            self.order.retain(|other| other != look);
            return None;
        }
        let view = Rc::clone(&slot.view);
        // A view may have grown since it was made.
        self.make_room(Some(look));
        Some(view)
    }

    pub(super) fn keep(&mut self, look: K, view: Rc<V>) {
        self.make_room(None);
        self.order.push_back(look.clone());
        self.views.insert(look, KeptSlot { view, looked_up: false, when_full: 0 });
    }

    /// Lets views go until the rest have room, but never `spared`.
    fn make_room(&mut self, spared: Option<&K>) {
        // Each view goes round at most twice: once to lose its second chance, once to leave.
        let mut left = self.order.len().saturating_mul(2);
        while self.room.get() > self.most && left > 0 {
            left = left.saturating_sub(1);
            let Some(look) = self.order.pop_front() else { return };
            let again = self.views.get_mut(&look).is_some_and(|slot| std::mem::take(&mut slot.looked_up));
            if again || spared == Some(&look) {
                self.order.push_back(look);
            } else {
                self.views.remove(&look);
            }
        }
    }

    /// How many views are kept.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.views.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct View {
        share: Share,
        full: Cell<bool>,
    }

    impl Fills for View {
        fn is_full(&self) -> bool {
            self.full.get()
        }
    }

    fn put(kept: &mut Kept<u32, View>, look: u32, states: usize) -> Rc<View> {
        let view = View { share: kept.share(), full: Cell::new(false) };
        view.share.take(states);
        let view = Rc::new(view);
        kept.keep(look, Rc::clone(&view));
        view
    }

    #[test]
    fn one_view_too_many_lets_one_go_and_not_all() {
        let mut kept = Kept::new(100);
        for look in 0..10 {
            put(&mut kept, look, 10);
        }
        assert_eq!(kept.len(), 10, "what has room is kept");
        put(&mut kept, 10, 10);
        assert_eq!((kept.len(), kept.get(&0).is_some(), kept.get(&1).is_some()), (10, false, true), "the oldest goes");
        put(&mut kept, 11, 10);
        assert_eq!((kept.get(&1).is_some(), kept.get(&2).is_some()), (true, false), "one that is looked up stays");
        put(&mut kept, 12, 45);
        assert!(kept.room.get() <= 100 && kept.len() < 10, "a large one takes the room of several");
        assert!(kept.get(&12).is_some());
    }

    #[test]
    fn ten_thousand_small_views_have_room() {
        let mut kept = Kept::new(1 << 18);
        for look in 0..10_000 {
            put(&mut kept, look, 20);
        }
        assert_eq!(kept.len(), 10_000);
        assert!(kept.get(&0).is_some());
    }

    #[test]
    fn what_a_view_grows_by_counts_and_what_is_gone_does_not() {
        let mut kept = Kept::new(100);
        let grows = put(&mut kept, 0, 10);
        for look in 1..9 {
            put(&mut kept, look, 10);
        }
        grows.share.take(60);
        assert!(kept.get(&0).is_some(), "the one that is asked for is spared");
        assert!(kept.room.get() <= 100, "others make room for it");
        drop(grows);
        for look in 20..30 {
            put(&mut kept, look, 10);
        }
        assert!(kept.get(&0).is_none() && kept.room.get() <= 110, "{}", kept.room.get());
    }

    #[test]
    fn a_view_larger_than_all_room_is_kept_alone() {
        let mut kept = Kept::new(100);
        put(&mut kept, 0, 500);
        assert!(kept.get(&0).is_some());
        put(&mut kept, 1, 10);
        assert!(kept.get(&1).is_some());
        assert_eq!((kept.len(), kept.get(&0).is_some()), (1, false));
    }

    #[test]
    fn a_full_view_goes_on_for_a_while_and_is_then_made_anew() {
        let mut kept = Kept::new(100);
        let view = put(&mut kept, 0, 10);
        view.full.set(true);
        let looks = (0..1000).take_while(|_| kept.get(&0).is_some()).count();
        assert_eq!(looks, 64);
        drop(view);
        assert_eq!((kept.len(), kept.room.get()), (0, 0));
    }
}
