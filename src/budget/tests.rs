//! Properties of budgets: in every window, for every interleaving, what is released is at most `max`.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop where it stands"
)]

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::log::Sizes;
use super::*;
use crate::model::{BudgetStep, Level, StepEffect};
use crate::protobuf::ratelimit::tests::answer;

/// Whether the store has it, or need not have it any more.
fn kept(settled: Settled) -> bool {
    settled != Settled::Failed
}

const HOUR: u64 = 3600;
const NOON: u64 = 1_800_000_000 / HOUR * HOUR;

fn rule(max: u64, unit: BudgetUnit, granter: Granter) -> BudgetRule {
    let ladder = Ladder(vec![
        BudgetStep { percent: 80, then: StepEffect::Ceiling(Level::Mask) },
        BudgetStep { percent: 95, then: StepEffect::Ceiling(Level::Pseudonym) },
    ]);
    BudgetRule { prefix: "fieldgate/2/test".to_owned(), per: HOUR, max, ladder, unit, granter }
}

fn local(max: u64) -> Books {
    Books::new(vec![rule(max, BudgetUnit::Subjects, Granter::Process)])
}

/// Values that a few subjects fill.
const SMALL: Sizes = Sizes { segment: 5, head: 4, recent: 3 };

fn subject(number: u64) -> Subject {
    SubjectKey::for_tests().subject("customer", &number.to_string())
}

fn short(number: u64) -> u64 {
    subject(number).short()
}

fn tag(name: &str) -> KeyTag {
    SubjectKey::for_tests().key_tag("hour", [name])
}

fn admit(books: &Books, need: Need, now: u64, store: &mut dyn Shared) -> Verdict {
    books.admit(0, tag("acme"), need, now, Against::Grant, store)
}

#[track_caller]
fn admitted(verdict: Verdict) -> Reservation {
    match verdict {
        Verdict::Admitted(reservation) => reservation,
        other => panic!("not admitted: {other:?}"),
    }
}

/// One account: admitted, released, settled.
#[track_caller]
fn take(books: &Books, number: u64, now: u64, store: &mut dyn Shared) -> Reservation {
    let held = admitted(admit(books, Need::Subject(subject(number)), now, store));
    assert!(kept(books.settle(&held, Released::Subjects { known: &[short(number)], unknown: 0 }, store)));
    held
}

fn numbers(books: &Books, now: u64, store: &mut dyn Shared) -> (u64, u64) {
    let head = books.head(0, tag("acme"), now, store).unwrap();
    (head.used, head.reserved)
}

#[test]
fn a_subject_costs_once_in_a_window() {
    let (books, mut store) = (local(3), MemoryStore::default());
    assert_eq!(take(&books, 1, NOON, &mut store).need(), 1);
    assert_eq!(take(&books, 1, NOON + 10, &mut store).need(), 0, "counted already");
    assert_eq!(numbers(&books, NOON + 10, &mut store), (1, 0));
    take(&books, 2, NOON, &mut store);
    assert_eq!(take(&books, 3, NOON, &mut store).ceiling, Level::Pseudonym, "the third of three is beyond 95 %");
    let refused = admit(&books, Need::Subject(subject(4)), NOON + 600, &mut store);
    assert_eq!(refused, Verdict::Refused { retry_after: 3000 }, "until the window's end");
    assert_eq!(take(&books, 2, NOON + 600, &mut store).need(), 0, "a known one is free at a full budget");
    assert_eq!(take(&books, 4, NOON + HOUR, &mut store).ceiling, Level::Show, "the next window is empty");
    assert_eq!(numbers(&books, NOON + HOUR, &mut store), (1, 0));
}

#[test]
fn a_list_reserves_its_need_and_gives_back_the_rest() {
    let (books, mut store) = (local(200), MemoryStore::default());
    let held = admitted(admit(&books, Need::Count(100), NOON, &mut store));
    assert_eq!(numbers(&books, NOON, &mut store), (0, 100));
    let page: Vec<u64> = (0..30).map(short).collect();
    assert!(kept(books.settle(&held, Released::Subjects { known: &page, unknown: 2 }, &mut store)));
    assert_eq!(numbers(&books, NOON, &mut store), (32, 0));
    let held = admitted(admit(&books, Need::Count(100), NOON, &mut store));
    let more: Vec<u64> = (20..40).chain(20..40).map(short).collect();
    assert!(kept(books.settle(&held, Released::Subjects { known: &more, unknown: 0 }, &mut store)));
    assert_eq!(numbers(&books, NOON, &mut store), (42, 0), "ten of them were new");
    let held = [(); 1].map(|()| admitted(admit(&books, Need::Count(100), NOON, &mut store)));
    let refused = admit(&books, Need::Count(100), NOON, &mut store);
    assert_eq!(refused, Verdict::Refused { retry_after: 1 }, "only a reservation is in the way");
    assert!(matches!(admit(&books, Need::Count(58), NOON, &mut store), Verdict::Admitted(_)), "a smaller page is not");
    assert!(
        kept(books.settle(&held[0], Released::Subjects { known: &[], unknown: 0 }, &mut store)),
        "it released nothing"
    );
}

#[test]
fn windows_follow_the_clock_and_never_go_back() {
    let (books, mut store) = (local(2), MemoryStore::default());
    take(&books, 1, NOON, &mut store);
    let slow = admitted(admit(&books, Need::Count(1), NOON + 3599, &mut store));
    take(&books, 2, NOON + HOUR, &mut store);
    assert!(kept(books.settle(&slow, Released::Subjects { known: &[short(9)], unknown: 0 }, &mut store)));
    assert_eq!(numbers(&books, NOON + HOUR, &mut store), (1, 0), "a response of the last window leaves this one alone");
    take(&books, 3, NOON + 3000, &mut store);
    assert_eq!(numbers(&books, NOON + 3000, &mut store), (2, 0), "a clock that steps back stays in the window");
    let full = admit(&books, Need::Count(1), NOON + 3000, &mut store);
    assert_eq!(full, Verdict::Refused { retry_after: 4200 });
}

/// A store in which another worker is quicker once: with the head, right after a segment was written.
#[derive(Default)]
struct LosesAHead {
    memory: MemoryStore,
    names: Vec<String>,
    armed: bool,
    wrote_segment: bool,
}

impl Shared for LosesAHead {
    fn read(&mut self, name: &str) -> Result<Value, StoreFailure> {
        self.memory.read(name)
    }

    fn swap(&mut self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<Swap, StoreFailure> {
        if std::mem::take(&mut self.wrote_segment) {
            return Ok(Swap::Lost);
        }
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
            self.wrote_segment = self.armed;
        }
        self.memory.swap(name, bytes, version)
    }
}

#[test]
fn a_segment_that_was_written_before_its_head_was_lost_is_not_written_twice() {
    let (books, mut store) = (local(20).with_sizes(SMALL), LosesAHead::default());
    for number in 1..4 {
        take(&books, number, NOON, &mut store);
    }
    store.armed = true;
    for number in 4..10 {
        take(&books, number, NOON, &mut store);
    }
    assert_eq!(numbers(&books, NOON, &mut store), (9, 0));
    let other = local(20).with_sizes(SMALL);
    (1..10).for_each(|number| assert_eq!(take(&other, number, NOON, &mut store).need(), 0, "{number} is known"));
}

#[test]
fn records_are_counted_each_time_and_cost_afterwards() {
    let mut store = MemoryStore::default();
    let books = Books::new(vec![rule(10, BudgetUnit::Records, Granter::Process)]);
    for _ in 0..2 {
        let held = admitted(admit(&books, Need::Count(5), NOON, &mut store));
        assert!(kept(books.settle(&held, Released::Count(5), &mut store)));
    }
    assert_eq!(admit(&books, Need::Count(1), NOON, &mut store), Verdict::Refused { retry_after: 3600 });
    let mut store = MemoryStore::default();
    let books = Books::new(vec![rule(10, BudgetUnit::Cost, Granter::Process)]);
    let held = admitted(admit(&books, Need::Count(0), NOON, &mut store));
    assert!(kept(books.settle(&held, Released::Count(400), &mut store)), "the response that crosses the line passes");
    assert_eq!(admit(&books, Need::Count(0), NOON, &mut store), Verdict::Refused { retry_after: 3600 });
}

/// A segment of a window, with so many subjects.
fn segment_of(window: u64, subjects: u64) -> Vec<u8> {
    let numbers = [window, tag("acme").0].into_iter().chain(0..subjects);
    std::iter::once(0xf1).chain(numbers.flat_map(u64::to_le_bytes)).collect()
}

#[test]
fn a_value_of_another_is_a_full_budget() {
    for value in [b"{}".as_slice(), b"\xf1", &[0; 73], &[0xf1; 74]] {
        let (books, mut store) = (local(200), MemoryStore::default());
        let held = take(&books, 1, NOON, &mut store);
        let name = held.name_of_head("fieldgate/2/test");
        let version = store.read(&name).unwrap().version;
        assert_eq!(store.swap(&name, value, version), Ok(Swap::Done));
        let refused = admit(&books, Need::Count(1), NOON + 600, &mut store);
        assert_eq!(refused, Verdict::Refused { retry_after: 3000 }, "{value:?} as a head");
    }
    for value in [
        b"{}".as_slice(),
        b"\xf1",
        b"",
        &[0; 73],
        &[0xf1; 74],
        &segment_of(NOON / HOUR - 1, 5),
        &segment_of(NOON / HOUR, 2),
    ] {
        let (books, mut store) = (local(200).with_sizes(SMALL), MemoryStore::default());
        let held = (0..10).map(|number| take(&books, number, NOON, &mut store)).last().unwrap();
        let name = held.name_of_segment("fieldgate/2/test");
        let version = store.read(&name).unwrap().version;
        assert!(version.is_some(), "a segment was written");
        assert_eq!(store.swap(&name, value, version), Ok(Swap::Done));
        let another = local(200).with_sizes(SMALL);
        let refused = admit(&another, Need::Subject(subject(1)), NOON + 600, &mut store);
        assert_eq!(refused, Verdict::Refused { retry_after: 3000 }, "{value:?} as a segment");
        let held = admitted(admit(&another, Need::Count(3), NOON + 600, &mut store));
        let known = [1, 2, 50].map(short);
        assert!(kept(another.settle(&held, Released::Subjects { known: &known, unknown: 1 }, &mut store)));
        assert_eq!(numbers(&another, NOON, &mut store), (14, 0), "what may be known counts as new: {value:?}");
    }
}

#[test]
fn who_comes_with_many_names_shares_one_budget() {
    // Three keys have the only eight slots that theirs can be in when all tags are alike but for a multiple of their number.
    let (books, mut store) = (local(5), MemoryStore::default());
    let same_slots = |number: u64| KeyTag(42 + (number << 16));
    let mut admitted = 0;
    for number in 1..=40 {
        for _ in 0..10 {
            let verdict = books.admit(0, same_slots(number), Need::Count(1), NOON, Against::Grant, &mut store);
            if let Verdict::Admitted(held) = verdict {
                admitted += 1;
                assert!(kept(books.settle(&held, Released::Count(1), &mut store)));
            }
        }
    }
    assert_eq!(admitted, 8 * 5 + 5, "eight keys of their own, and one for the other thirty-two");
    let mut next = 0;
    for number in 41..=60 {
        let verdict = books.admit(0, same_slots(number), Need::Count(5), NOON + HOUR, Against::Grant, &mut store);
        next += u64::from(matches!(verdict, Verdict::Admitted(_)));
    }
    assert_eq!(next, 9, "slots are free again in the next window");
}

#[test]
fn memory_is_bounded() {
    let (books, mut store) = (local(100_000), MemoryStore::default());
    for window in 0..2 {
        let held = admitted(admit(&books, Need::Count(100_000), NOON + window * HOUR, &mut store));
        let subjects: Vec<u64> = (0..100_000).map(|number| number * 7919 + window).collect();
        assert!(kept(books.settle(&held, Released::Subjects { known: &subjects, unknown: 0 }, &mut store)));
    }
    assert_eq!(numbers(&books, NOON + HOUR, &mut store), (100_000, 0));
    assert!(store.largest() <= 4096, "values are at most 4 KiB: {}", store.largest());
    assert!(store.size() < 820_000, "8 bytes a subject, over all windows: {}", store.size());
    let clients = local(1000);
    let mut store = MemoryStore::default();
    for number in 0..2000u64 {
        // All in a hundred of the slots, and the seven after them.
        let tag = KeyTag((number << 16) + number % 100);
        let verdict = clients.admit(0, tag, Need::Count(1), NOON, Against::Grant, &mut store);
        assert!(matches!(verdict, Verdict::Admitted(_) | Verdict::Refused { .. }), "{verdict:?}");
    }
    assert!(store.names() <= 108, "{}", store.names());
}

fn service(max: u64, lease: u64) -> Books {
    let service = Service {
        target: Service::target("ratelimit"),
        domain: "fieldgate".to_owned(),
        timeout: 200,
        lease,
        period: Period::Hour,
    };
    Books::new(vec![rule(max, BudgetUnit::Subjects, Granter::Service(service))])
}

#[test]
fn only_an_answer_to_the_policys_own_limit_counts() {
    let books = service(200, 2);
    let Granter::Service(service) = &books.rules()[0].granter else { panic!() };
    let rows = [
        ("yes", answer(1, Some((200, 3)), 150, 90), ServiceAnswer::Granted { left: 150, until_reset: 90 }),
        ("no", answer(2, Some((200, 3)), 0, 90), ServiceAnswer::Over { until_reset: 90 }),
        ("OK without a limit: the service knows nothing", answer(1, None, 0, 0), ServiceAnswer::Failure),
        ("another number", answer(1, Some((201, 3)), 150, 90), ServiceAnswer::Failure),
        ("another unit", answer(1, Some((200, 4)), 150, 90), ServiceAnswer::Failure),
        ("a no to another limit", answer(2, Some((100, 3)), 0, 90), ServiceAnswer::Failure),
        ("no code", answer(0, Some((200, 3)), 150, 90), ServiceAnswer::Failure),
        ("no message", b"<html>".to_vec(), ServiceAnswer::Failure),
    ];
    for (claim, bytes, expected) in rows {
        assert_eq!(service.answer(200, &bytes), expected, "{claim}");
    }
}

#[test]
fn a_service_grants_leases() {
    let (books, mut store) = (service(200, 2), MemoryStore::default());
    let need = |number| Need::Subject(subject(number));
    let Verdict::Ask(ask) = admit(&books, need(1), NOON, &mut store) else { panic!() };
    assert_eq!(ask.hits, 2, "a lease at least");
    assert!(books.answered(0, &ask, ServiceAnswer::Granted { left: 198, until_reset: 3600 }, NOON, &mut store));
    take(&books, 1, NOON, &mut store);
    take(&books, 2, NOON, &mut store);
    let Verdict::Ask(ask) = admit(&books, Need::Count(50), NOON, &mut store) else { panic!() };
    assert_eq!(ask.hits, 50, "what is missing, where that is more");
    // Others have taken much meanwhile: the step is that of all processes together.
    assert!(books.answered(0, &ask, ServiceAnswer::Granted { left: 30, until_reset: 3600 }, NOON, &mut store));
    let held = admitted(admit(&books, Need::Count(50), NOON, &mut store));
    assert_eq!(held.ceiling, Level::Mask);
    let page: Vec<u64> = (100..150).map(short).collect();
    assert!(kept(books.settle(&held, Released::Subjects { known: &page, unknown: 0 }, &mut store)));
    let Verdict::Ask(ask) = admit(&books, need(3), NOON, &mut store) else { panic!() };
    assert!(books.answered(0, &ask, ServiceAnswer::Over { until_reset: 1000 }, NOON + 5, &mut store));
    assert_eq!(admit(&books, need(3), NOON + 5, &mut store), Verdict::Refused { retry_after: 1000 });
    assert_eq!(take(&books, 2, NOON + 5, &mut store).need(), 0, "a known one stays free");
    let Verdict::Ask(_) = admit(&books, need(3), NOON + 1005, &mut store) else {
        panic!("the service's window decides")
    };
    let against_max = books.admit(0, tag("acme"), need(3), NOON + 1005, Against::Max, &mut store);
    assert!(matches!(against_max, Verdict::Admitted(_)), "on_error: local");
}

#[test]
fn a_grant_of_the_services_next_window_is_not_added_to_the_last_one() {
    let (books, mut store) = (service(200, 2), MemoryStore::default());
    let Verdict::Ask(ask) = admit(&books, Need::Count(150), NOON + 3000, &mut store) else { panic!() };
    assert!(books.answered(0, &ask, ServiceAnswer::Granted { left: 50, until_reset: 600 }, NOON + 3000, &mut store));
    // The service's clock is a second ahead: the ask of the last second is counted in its next window.
    let Verdict::Ask(ask) = admit(&books, Need::Count(180), NOON + 3599, &mut store) else { panic!() };
    assert_eq!(ask.hits, 30);
    assert!(books.answered(0, &ask, ServiceAnswer::Granted { left: 170, until_reset: 3600 }, NOON + 3599, &mut store));
    let Verdict::Ask(ask) = admit(&books, Need::Count(180), NOON + 3599, &mut store) else {
        panic!("150 that were granted in the last window are spent in this one")
    };
    assert_eq!(ask.hits, 150);
    // A no from the next window, too, ends what was left of the last.
    let (books, mut store) = (service(200, 2), MemoryStore::default());
    let Verdict::Ask(ask) = admit(&books, Need::Count(150), NOON + 3000, &mut store) else { panic!() };
    assert!(books.answered(0, &ask, ServiceAnswer::Granted { left: 50, until_reset: 600 }, NOON + 3000, &mut store));
    let Verdict::Ask(ask) = admit(&books, Need::Count(180), NOON + 3599, &mut store) else { panic!() };
    assert!(books.answered(0, &ask, ServiceAnswer::Over { until_reset: 3600 }, NOON + 3599, &mut store));
    assert_eq!(admit(&books, Need::Count(150), NOON + 3599, &mut store), Verdict::Refused { retry_after: 3600 });
}

/// Several workers on one store. Before each call on it, another worker may do something; some swaps are lost for nothing.
struct World {
    memory: RefCell<MemoryStore>,
    workers: Vec<Books>,
    busy: Vec<Cell<bool>>,
    /// What is under way: by which worker, what it may release.
    open: RefCell<Vec<(Reservation, Vec<u64>)>>,
    /// What was released to each key in each window.
    released: RefCell<HashMap<(KeyTag, u64), HashSet<u64>>>,
    /// What the rate limit service has granted in each window.
    granted: RefCell<HashMap<(KeyTag, u64), u64>>,
    now: Cell<u64>,
    random: Cell<u64>,
    depth: Cell<u32>,
    max: u64,
    with_service: bool,
}

struct Handle<'a>(&'a World);

impl World {
    fn random(&self, below: u64) -> u64 {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random.set(x);
        x.wrapping_mul(0x2545_F491_4F6C_DD1D) % below
    }

    /// Something that some worker does, as a whole, though others may come between.
    fn act(&self) {
        match self.random(20) {
            0 => self.now.set(self.now.get() + self.random(HOUR / 2)),
            // The service has a clock of its own, which a step of this one would not turn.
            1 if !self.with_service => self.now.set(self.now.get() - self.random(60)),
            2..=8 => self.settle(),
            _ => self.admit(),
        }
    }

    fn idle(&self) -> Option<usize> {
        let first = usize::try_from(self.random(self.workers.len() as u64)).unwrap();
        (0..self.workers.len()).map(|more| (first + more) % self.workers.len()).find(|worker| !self.busy[*worker].get())
    }

    fn admit(&self) {
        let Some(worker) = self.idle() else { return };
        self.busy[worker].set(true);
        let books = &self.workers[worker];
        let tag = KeyTag(self.random(3) * (1 << 16) + 5);
        let now = self.now.get();
        let (need, subjects) = if self.random(2) == 0 {
            let number = self.random(40);
            (Need::Subject(subject(number)), vec![short(number)])
        } else {
            let count = 1 + self.random(6);
            let some = (0..self.random(count + 1)).map(|_| short(self.random(40))).collect();
            (Need::Count(count), some)
        };
        let mut verdict = books.admit(0, tag, need, now, Against::Grant, &mut Handle(self));
        if let Verdict::Ask(ask) = verdict {
            let window = (tag, self.now.get() / HOUR);
            let mut granted = self.granted.borrow_mut();
            let sum = granted.entry(window).or_default();
            *sum += ask.hits;
            let until_reset = HOUR - self.now.get() % HOUR;
            let said = if *sum <= self.max {
                ServiceAnswer::Granted { left: self.max - *sum, until_reset }
            } else {
                ServiceAnswer::Over { until_reset }
            };
            drop(granted);
            books.answered(0, &ask, said, self.now.get(), &mut Handle(self));
            verdict = books.admit(0, tag, need, self.now.get(), Against::Grant, &mut Handle(self));
        }
        if let Verdict::Admitted(held) = verdict {
            // The upstream may answer at any time from now on: this is the earliest.
            let mut released = self.released.borrow_mut();
            let of_window = released.entry(held.key_and_window()).or_default();
            of_window.extend(&subjects);
            assert!(of_window.len() as u64 <= self.max, "{} of {} released", of_window.len(), self.max);
            self.open.borrow_mut().push((held, subjects));
        }
        self.busy[worker].set(false);
    }

    fn settle(&self) {
        let Some(worker) = self.idle() else { return };
        let index = self.random(self.open.borrow().len().max(1) as u64);
        let index = usize::try_from(index).unwrap();
        if index >= self.open.borrow().len() {
            return;
        }
        let (held, subjects) = self.open.borrow_mut().swap_remove(index);
        self.busy[worker].set(true);
        let known = Released::Subjects { known: &subjects, unknown: 0 };
        self.workers[worker].settle(&held, known, &mut Handle(self));
        self.busy[worker].set(false);
    }

    fn interfere(&self) {
        if self.depth.get() < 3 && self.random(3) == 0 {
            self.depth.set(self.depth.get() + 1);
            self.act();
            self.depth.set(self.depth.get() - 1);
        }
    }
}

impl Shared for Handle<'_> {
    fn read(&mut self, name: &str) -> Result<Value, StoreFailure> {
        self.0.interfere();
        self.0.memory.borrow_mut().read(name)
    }

    fn swap(&mut self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<Swap, StoreFailure> {
        self.0.interfere();
        if self.0.random(10) == 0 {
            return Ok(Swap::Lost);
        }
        self.0.memory.borrow_mut().swap(name, bytes, version)
    }
}

fn play(seed: u64, max: u64, with_service: bool) {
    let workers = || if with_service { service(max, 2) } else { local(max) };
    // Half of the worlds have values that a few subjects fill.
    let sizes = if seed.is_multiple_of(2) { SMALL } else { Sizes::SHIPPED };
    let world = World {
        memory: RefCell::default(),
        workers: (0..4).map(|_| workers().with_sizes(sizes)).collect(),
        busy: (0..4).map(|_| Cell::new(false)).collect(),
        open: RefCell::default(),
        released: RefCell::default(),
        granted: RefCell::default(),
        now: Cell::new(NOON + seed % HOUR),
        random: Cell::new(seed | 1),
        depth: Cell::new(0),
        max,
        with_service,
    };
    for _ in 0..300 {
        world.act();
    }
    while !world.open.borrow().is_empty() {
        world.settle();
    }
    // Whatever is still in its window has no reservation left, and no more used than max.
    for key in 0..3 {
        let head =
            world.workers[0].head(0, KeyTag(key * (1 << 16) + 5), world.now.get(), &mut *world.memory.borrow_mut());
        let head = head.unwrap();
        assert_eq!(head.reserved, 0, "reservations come back to nothing");
        assert!(head.used <= max, "{} of {max}", head.used);
        let released = world.released.borrow();
        let distinct = released.get(&(head.tag, head.window)).map_or(0, HashSet::len) as u64;
        assert!(distinct <= head.used || head.used == 0, "{distinct} released, {} counted", head.used);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn released_is_at_most_max_whatever_comes_between(seed: u64, max in 1u64..30) {
        play(seed, max, false);
    }

    #[test]
    fn released_is_at_most_max_with_a_service_too(seed: u64, max in 1u64..30) {
        play(seed, max, true);
    }
}

struct Locked(Arc<Mutex<MemoryStore>>);

impl Shared for Locked {
    fn read(&mut self, name: &str) -> Result<Value, StoreFailure> {
        self.0.lock().unwrap().read(name)
    }

    fn swap(&mut self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<Swap, StoreFailure> {
        self.0.lock().unwrap().swap(name, bytes, version)
    }
}

#[test]
fn four_workers_at_once_release_exactly_max() {
    const MAX: u64 = 2000;
    let memory = Arc::new(Mutex::new(MemoryStore::default()));
    let workers: Vec<_> = (0..4u64)
        .map(|worker| {
            let mut store = Locked(Arc::clone(&memory));
            std::thread::spawn(move || {
                let (books, mut released) = (local(MAX), Vec::new());
                for number in 0..2000u64 {
                    // Half of the numbers come to two workers.
                    let number = number + worker * 1000;
                    let verdict = admit(&books, Need::Subject(subject(number)), NOON, &mut store);
                    if let Verdict::Admitted(held) = verdict {
                        released.push(number);
                        let known = [short(number)];
                        assert!(kept(books.settle(
                            &held,
                            Released::Subjects { known: &known, unknown: 0 },
                            &mut store
                        )));
                    }
                }
                released
            })
        })
        .collect();
    let distinct: HashSet<u64> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
    let mut store = Locked(memory);
    let (used, reserved) = numbers(&local(MAX), NOON, &mut store);
    assert_eq!((distinct.len() as u64, used, reserved), (MAX, MAX, 0));
}
