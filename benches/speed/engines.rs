//! The engines. Each copies a body in and its output out, as a plugin does: bytes cross from Envoy's memory and back.

use std::rc::Rc;

use fieldgate::caller::Caller;
use fieldgate::json::Texts;
use fieldgate::json::lexer::{Block, Lexer};
use fieldgate::json::scanner::validate;
use fieldgate::model::RouteId;
use fieldgate::program::{Collector, Program, View};
use fieldgate::rewrite::{Lane, Rewriter};
use serde_json::Value;

use crate::plan::{self, Plan};
use crate::value;
use fieldgate_benches::inputs::{self, Input};

/// What a host hands over at a time.
const CHUNK: usize = 64 << 10;

pub(crate) const CHUNKS: &str = "ours";
pub(crate) const WHOLE: &str = "ours whole";
/// Ours, without the lane.
pub(crate) const BLOCKS: &str = "blocks";
/// Ours, which tells whose data each record is.
pub(crate) const SUBJECTS: &str = "subjects";
pub(crate) const A: &str = "A Value";
pub(crate) const C: &str = "C serde";
pub(crate) const CHECK: &str = "check";
pub(crate) const CLASSIFY: &str = "classify";
pub(crate) const COPY: &str = "copy";

/// One engine, and the buffers that it uses again for each body.
pub(crate) struct Engine {
    name: &'static str,
    how: How,
    inside: Vec<u8>,
    made: Vec<u8>,
    outside: Vec<u8>,
}

enum How {
    /// The rewriter, with chunks of at most so many bytes.
    Rewriter(usize, Lane),
    /// The rewriter, in chunks of 64 KiB, with a collector of subjects.
    Subjects(Box<(Program, Caller)>),
    /// `serde_json::Value`, edited.
    Value(Vec<Rc<Plan>>),
    /// serde, led by the plan.
    Serde(Vec<Rc<Plan>>),
    /// The lexer and validator.
    Check,
    /// The lexer.
    Classify,
    Copy,
}

pub(crate) fn all(input: &Input) -> Vec<Engine> {
    let plans: Vec<Rc<Plan>> = input.bodies.iter().map(|(_, view)| Rc::new(plan::of(view, view.root()))).collect();
    [
        (CHUNKS, How::Rewriter(CHUNK, Lane::Usual)),
        (WHOLE, How::Rewriter(usize::MAX, Lane::Usual)),
        (BLOCKS, How::Rewriter(CHUNK, Lane::Never)),
        (A, How::Value(plans.clone())),
        (C, How::Serde(plans)),
        (CHECK, How::Check),
        (CLASSIFY, How::Classify),
        (COPY, How::Copy),
    ]
    .into_iter()
    // Of the one input that its target is about.
    .chain((input.name == "customers 100 KB").then(|| (SUBJECTS, How::Subjects(Box::new(inputs::counted_customers())))))
    .map(|(name, how)| Engine { name, how, inside: Vec::new(), made: Vec::new(), outside: Vec::new() })
    .collect()
}

/// Holds the engines to one output, so that no speed comes from doing less.
pub(crate) fn compare(input: &Input, engines: &mut [Engine]) {
    for (index, (body, _)) in input.bodies.iter().enumerate() {
        let mut of = |name| {
            let engine = engines.iter_mut().find(|engine| engine.name == name).expect("an engine");
            engine.outside.clear();
            engine.body(input, index);
            engine.outside.clone()
        };
        let ours = of(CHUNKS);
        assert!(!ours.is_empty() && ours.len() < body.len() + 1, "{}", input.name);
        assert!(ours == of(WHOLE), "{}: in chunks as whole", input.name);
        assert!(ours == of(BLOCKS), "{}: with the lane as without", input.name);
        // The others may spell names and numbers anew.
        let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("output is JSON");
        assert!(parse(&ours) == parse(&of(C)), "{}: as serde says", input.name);
        assert!(parse(&ours) == parse(&of(A)), "{}: as a value says", input.name);
        if input.name == "customers 100 KB" {
            assert!(ours == of(SUBJECTS), "{}: with subjects as without", input.name);
        }
    }
}

impl Engine {
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Rewrites all bodies.
    pub(crate) fn run(&mut self, input: &Input) {
        for index in 0..input.bodies.len() {
            self.outside.clear();
            self.body(input, index);
            std::hint::black_box(&self.outside);
        }
    }

    fn body(&mut self, input: &Input, index: usize) {
        let (body, view) = &input.bodies[index];
        let led_by = match &self.how {
            How::Rewriter(size, lane) => Some((Rc::clone(view), *size, *lane)),
            How::Subjects(counted) => Some((collecting(counted), CHUNK, Lane::Usual)),
            _ => None,
        };
        if let Some((view, size, lane)) = led_by {
            let mut rewriter = Rewriter::with_lane(view, Texts::One, lane);
            for chunk in body.chunks(size) {
                self.copy_in(chunk);
                self.made.clear();
                rewriter = rewriter.push(&self.inside, &mut self.made).expect("a body that is not refused");
                self.outside.extend_from_slice(&self.made);
            }
            rewriter.finish(&mut self.outside).expect("a whole body");
            return;
        }
        self.copy_in(body);
        self.made.clear();
        match &self.how {
            How::Rewriter(..) | How::Subjects(_) => {}
            How::Value(plans) => value::rewrite(&plans[index], &self.inside, &mut self.made),
            How::Serde(plans) => plan::rewrite(&plans[index], &self.inside, &mut self.made),
            How::Check => validate(Texts::One, 64, [&self.inside[..]]).expect("JSON"),
            How::Classify => {
                std::hint::black_box(classify(&self.inside));
            }
            How::Copy => {
                self.outside.extend_from_slice(&self.inside);
                return;
            }
        }
        self.outside.extend_from_slice(&self.made);
    }

    fn copy_in(&mut self, bytes: &[u8]) {
        self.inside.clear();
        self.inside.extend_from_slice(std::hint::black_box(bytes));
    }
}

/// A view as a request gets it, with a collector of its own.
fn collecting((program, caller): &(Program, Caller)) -> Rc<View> {
    let collector = Collector::new(program.subjects(), &[100_000]);
    Rc::new(program.view(RouteId(0), caller).expect("the one route").collected(Rc::new(collector)))
}

/// One pass of the lexer: what any scanner of this kind has to do at least.
fn classify(bytes: &[u8]) -> u64 {
    let mut lexer = Lexer::new(Texts::One);
    let (blocks, _) = bytes.as_chunks();
    blocks.iter().fold(0, |sum, block| {
        let found = lexer.lex(Block::whole(block));
        sum ^ found.interior
            ^ found.quote_close.rotate_left(1)
            ^ found.open.rotate_left(2)
            ^ found.close.rotate_left(3)
            ^ found.comma.rotate_left(4)
            ^ found.colon.rotate_left(5)
            ^ found.white.rotate_left(6)
            ^ found.scalar.rotate_left(7)
            ^ found.scalar_after.rotate_left(8)
            ^ found.control.rotate_left(9)
            ^ found.non_ascii.rotate_left(10)
    })
}
