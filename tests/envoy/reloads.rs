//! Policies that change under load: every response is what one of them makes of it, whole, and none is lost.
//!
//! `FIELDGATE_RELOAD_SECONDS` is how long (5 for each head mode; longer under `make soak`).

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::lifecycle::until;
use super::streams::{self, Test};
use super::support::bootstrap::with_policy;
use super::support::client::{self, Answer, End, Kept, Protocol};
use super::support::envoy::Envoy;
use super::support::marker::Markers;
use super::support::row::{Carriage, Framing, HeadMode, Policy, Row};
use super::support::upstream::{Frame, Script, Step};
use super::world::{self, KEY, World};

/// No client sends more, however long the test takes.
const MOST: usize = 50_000;

const CLIENTS: usize = 6;

/// All tests of this file.
pub(crate) fn all() -> Vec<(String, Test)> {
    let test = |head: HeadMode| -> (String, Test) {
        let claim = "while policies are swapped under load every response is wholly one policy's";
        (format!("{claim}, head {}", head.word()), Box::new(move |world| under_load(world, head)))
    };
    HeadMode::ALL.into_iter().map(test).collect()
}

/// One shows names, the other e-mail addresses: what is neither's view is seen.
fn policies(head: HeadMode) -> Result<[String; 2], String> {
    let without = |entry: &str| {
        let text: String =
            streams::LIST.lines().filter(|line| !line.trim().starts_with(entry)).collect::<Vec<_>>().join("\n");
        World::policy_json(&Policy::Text(Box::leak(text.into_boxed_str())), head)
    };
    Ok([without("$.owner.email:")?, without("$.name:")?])
}

/// A configuration that must never be taken, made from one that is.
fn broken(policy: &str, configuration: impl Fn(&str) -> String, turn: usize) -> String {
    match turn % 5 {
        0 => configuration(&policy.replace("\"show\"", "\"shwo\"")),
        1 => configuration(&policy[..policy.len() / 2]),
        2 => configuration(&policy.replace("\"language\":1", "\"language\":2")),
        3 => configuration("{}"),
        _ => {
            let whole = configuration(policy);
            whole[..whole.len() / 2].to_owned()
        }
    }
}

/// What a client asks for again and again, and what each policy makes of it.
struct Load {
    row: Row,
    views: [Vec<u8>; 2],
    /// How long the upstream waits between the pieces of the body, so that a swap falls into it.
    wait: Option<Duration>,
}

impl Load {
    fn new(policies: &[String; 2], records: usize, wait: Option<Duration>) -> Result<Self, String> {
        let record = r#"{"id":"r-1","name":"lamp","code":"@@","owner":{"email":"a@example.com","secret":"@@"},"more":[{"@@":1}]}"#;
        let body = format!(r#"{{"total":##,"items":[{}],"next":"/list?page=2"}}"#, vec![record; records].join(","));
        let row = streams::list("under load", "list.show").answers(200, body);
        let view = |policy| world::native(policy, &row).map(|native| native.body);
        let views = [view(&policies[0])?, view(&policies[1])?];
        let shows = |view: &[u8], what: &[u8]| memchr::memmem::find(view, what).is_some();
        let differ = views.each_ref().map(|view| (shows(view, b"lamp"), shows(view, b"a@example.com")));
        if differ == [(true, false), (false, true)] {
            Ok(Self { row, views, wait })
        } else {
            Err(format!("{differ:?}"))
        }
    }

    /// What answers one request: its own markers, in a framing, in pieces.
    fn script(&self, markers: &mut Markers, framing: Framing, number: usize) -> Script {
        let trailers = [("x-trailer".to_owned(), markers.text().into_bytes())];
        let upstream = self.row.upstream.marked(markers);
        let most = if self.wait.is_some() { upstream.body.len() / 8 } else { 1_000 + number * 7_919 % 16_000 };
        let mut script = upstream.script(framing, &trailers, false, |left| most.min(left / 2 + 40));
        if let Some(wait) = self.wait {
            script.http1 = script.http1.into_iter().flat_map(|step| [step, Step::Pause(wait)]).collect();
            script.http2 = script.http2.into_iter().flat_map(|frame| [frame, Frame::Pause(wait)]).collect();
        }
        script
    }

    /// Whose view a response is; what is wrong with it, if it is nobody's.
    fn judge(&self, markers: &Markers, answer: &Answer) -> Result<usize, String> {
        let fields = answer.fields.iter().chain(&answer.trailers).flat_map(|(_, value)| [value, &b"\n"[..]].concat());
        let found = markers.any_in(&answer.wire) || markers.any_in(&answer.body);
        if found || markers.any_in(&fields.collect::<Vec<_>>()) {
            return Err(format!("a marker left in {}", world::shown(answer)));
        }
        if answer.status != 200 || answer.end != End::Complete || answer.fault.is_some() || !answer.trailers.is_empty()
        {
            return Err(format!("lost: {:?} {}", answer.fault, world::shown(answer)));
        }
        let whose = self.views.iter().position(|view| *view == answer.body);
        whose.ok_or_else(|| format!("neither policy's view: {}", world::shown(answer)))
    }
}

/// What the clients have seen together.
#[derive(Debug, Default)]
struct Tally {
    /// Responses by whose view they are.
    seen: [u32; 2],
    /// How often a connection got another policy's view than before.
    turned: u32,
    /// Responses during which another policy was taken.
    straddled: u32,
    wrong: Vec<String>,
}

/// What clients and swaps share.
struct Stage<'w> {
    world: &'w World,
    envoy: &'w Envoy,
    head: HeadMode,
    loads: &'w [Load],
    /// How many policies have been taken.
    taken: AtomicUsize,
    is_over: AtomicBool,
    tally: Mutex<Tally>,
}

/// A client that asks until it is told to stop. Every other one keeps its connections, and remembers whose view came last.
struct Client<'s> {
    stage: &'s Stage<'s>,
    turn: usize,
    kept: Vec<(Protocol, Protocol, Kept, Option<usize>)>,
}

impl Client<'_> {
    fn run(mut self) {
        let stage = self.stage;
        let carriages: Vec<_> = Carriage::all().filter(|carriage| carriage.head == stage.head).collect();
        for number in (self.turn..).take(MOST) {
            let load = &stage.loads[number % stage.loads.len()];
            let before = stage.taken.load(Ordering::SeqCst);
            let outcome = self.once(load, carriages[number * 5 % carriages.len()], number);
            let straddles = stage.taken.load(Ordering::SeqCst) != before;
            let mut tally = stage.tally.lock().unwrap();
            match outcome {
                Ok((whose, before)) => {
                    tally.seen[whose] += 1;
                    tally.straddled += u32::from(straddles);
                    tally.turned += u32::from(before.is_some_and(|before| before != whose));
                }
                Err(wrong) => tally.wrong.push(wrong),
            }
            if stage.is_over.load(Ordering::Relaxed) || tally.wrong.len() > 5 {
                return;
            }
        }
    }

    /// Asks once: whose view came, and whose came last on that connection.
    fn once(&mut self, load: &Load, carriage: Carriage, number: usize) -> Result<(usize, Option<usize>), String> {
        let Stage { world, envoy, .. } = self.stage;
        let mut markers = Markers::default();
        let id = world.upstream.play(load.script(&mut markers, carriage.framing, number));
        let request = world.request(&load.row, &id);
        let listener = world::listener(envoy, carriage);
        let asked = world.runtime.block_on(async {
            if self.turn % 2 == 1 {
                let answer = client::ask(listener, carriage.downstream, &request).await;
                return load.judge(&markers, &answer).map(|whose| (whose, None));
            }
            let way = (carriage.upstream, carriage.downstream);
            let at = match self.kept.iter().position(|(up, down, ..)| (*up, *down) == way) {
                Some(at) => at,
                None => {
                    self.kept.push((way.0, way.1, Kept::open(listener, carriage.downstream).await?, None));
                    self.kept.len() - 1
                }
            };
            let (_, _, kept, last) = &mut self.kept[at];
            let whose = load.judge(&markers, &kept.ask(&request).await)?;
            Ok((whose, last.replace(whose)))
        });
        world.upstream.forget(&id);
        asked.map_err(|wrong| format!("{carriage:?}: {wrong}"))
    }
}

fn under_load(world: &World, head: HeadMode) -> Result<(), String> {
    let seconds = std::env::var("FIELDGATE_RELOAD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let policies = policies(head)?;
    let (scratch, bootstrap) = world.reference(&policies[0]);
    let (bootstrap, discovered) = bootstrap.with_head(head).with_discovery(&scratch.path().join("fieldgate.json"));
    let configuration = |policy: &str| with_policy(discovered.clone(), policy).to_string();
    scratch.write("fieldgate.json", &configuration(&policies[0])).map_err(|error| error.to_string())?;
    let envoy = Envoy::start(&world.tools, scratch, &bootstrap.in_every_framing(world.upstream.http2), Some(KEY))?;
    // Short, and held; longer than what is held; long; and one that takes longer than a swap.
    let wait = Duration::from_millis(30);
    let loads = [(1, None), (200, None), (1, None), (1_500, None), (1, None), (150, Some(wait))];
    let loads = loads.map(|(records, wait)| Load::new(&policies, records, wait));
    let loads = loads.into_iter().collect::<Result<Vec<_>, _>>()?;
    let stage = Stage {
        world,
        envoy: &envoy,
        head,
        loads: &loads,
        taken: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        tally: Mutex::default(),
    };
    let begun = Instant::now();
    let swapped = std::thread::scope(|scope| {
        for turn in 0..CLIENTS {
            let client = Client { stage: &stage, turn, kept: Vec::new() };
            scope.spawn(move || client.run());
        }
        let swapped = swap(&stage, &policies, configuration, Duration::from_secs(seconds));
        stage.is_over.store(true, Ordering::Relaxed);
        swapped
    });
    let (taken, tally) = (stage.taken.into_inner(), stage.tally.into_inner().unwrap());
    swapped?;
    let Tally { seen, turned, straddled, wrong } = tally;
    println!(
        "{} responses to {CLIENTS} clients in {:.0} s, {} and {} of each policy, {turned} times the other's on the same \
         connection, {straddled} with a swap meanwhile; {taken} policies taken, {taken} broken ones rejected; {} wrong",
        seen[0] + seen[1],
        begun.elapsed().as_secs_f32(),
        seen[0],
        seen[1],
        wrong.len(),
    );
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    if !envoy.is_running() || seen.contains(&0) || turned == 0 || straddled == 0 || taken < 5 {
        return Err("too little happened".to_owned());
    }
    Ok(())
}

/// Swaps one policy for the other, with a broken configuration before each, for a while.
fn swap(
    stage: &Stage<'_>,
    policies: &[String; 2],
    configuration: impl Fn(&str) -> String,
    time: Duration,
) -> Result<(), String> {
    let Stage { world, envoy, head, .. } = *stage;
    let probe = &stage.loads[0];
    let write = |text: &str| envoy.scratch.write("fieldgate.json", text).map(drop).map_err(|error| error.to_string());
    let count = |what: &str| envoy.stat(&format!("extension_config_discovery.http_filter.fieldgate.{what}"));
    let (upstream, downstream) = (Protocol::Http1, Protocol::Http1);
    let carriage = Carriage { head, framing: Framing::Length, upstream, downstream };
    let sees = |which: usize| world.fetch(envoy, &probe.row, carriage).answer.body == probe.views[which];
    let (begun, mut turn) = (Instant::now(), 0);
    while begun.elapsed() < time || turn < 5 {
        let rejected = count("config_fail");
        write(&broken(&policies[turn % 2], &configuration, turn))?;
        until("the broken policy is rejected", || count("config_fail") > rejected)?;
        if !sees(turn % 2) {
            return Err("after a rejection another policy serves".to_owned());
        }
        turn += 1;
        let reloaded = count("config_reload");
        write(&configuration(&policies[turn % 2]))?;
        until("the other policy is taken", || count("config_reload") > reloaded)?;
        until("the other policy serves", || sees(turn % 2))?;
        stage.taken.store(turn, Ordering::SeqCst);
    }
    Ok(())
}
