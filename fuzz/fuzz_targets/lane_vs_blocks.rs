//! Any bytes as a body, or as damage to a document: with the lane and without it comes out and is refused alike, in pieces.
#![no_main]

use fieldgate::caller::Caller;
use fieldgate::model::RouteId;
use fieldgate::program::{Program, View};
use fieldgate_testkit::agreement::{damage, key, load};
use fieldgate_testkit::cases::Choices;
use fieldgate_testkit::lanes;
use libfuzzer_sys::fuzz_target;

/// Bytes that say where the body is cut.
const CUTS: usize = 64;

thread_local! {
    static SEEN: (Program, View) = {
        let policy = load(lanes::POLICY).expect("the policy of the lanes");
        let caller = Caller::nobody(&policy);
        let program = Program::new(policy, Some(key())).expect("a program");
        let view = program.view(RouteId(0), &caller).expect("a view");
        (program, view)
    };
}

fuzz_target!(|bytes: &[u8]| {
    let [how, bytes @ ..] = bytes else { return };
    let (cuts, rest) = bytes.split_at(bytes.len().min(CUTS));
    let mut body = rest.to_vec();
    if how % 2 == 0 {
        // A document that the bytes make, and that they damage.
        let mut choices = Choices::new(rest);
        body = lanes::document(&mut choices, 1 + usize::from(*how) * 40);
        damage(&mut Choices::new(cuts), &mut body);
    }
    SEEN.with(|(program, view)| {
        let pieces = lanes::pieces(&mut Choices::new(cuts), &body);
        if let Err(fault) = lanes::agree(view, program.subjects(), &pieces) {
            panic!("{fault}");
        }
    });
});
