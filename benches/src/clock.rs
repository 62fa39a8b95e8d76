//! Timing lanes against each other.

use std::time::Instant;

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Turns of each lane.
    turns: usize,
    /// Seconds a turn lasts at least: long enough that the processor has got used again to what the lane does, as one that
    /// serves requests has, and short, as a turn during which a busy machine does something else tells nothing.
    turn: f64,
    /// Seconds after which a race ends, if each lane has had seven turns.
    longest: f64,
    /// Seconds each lane runs before the first turn, so that V8 has compiled it for good.
    warm: f64,
}

impl Effort {
    pub const FULL: Self = Self { turns: 41, turn: 0.004, longest: 3.0, warm: 0.08 };
    pub const QUICK: Self = Self { turns: 31, turn: 0.0003, longest: 1.0, warm: 0.03 };
}

/// Runs the lanes by turns; the median seconds of one run of each.
pub fn race(lanes: &mut [Box<dyn FnMut() + '_>], effort: Effort) -> Vec<f64> {
    // Twice: the first time it may be the compiler's time that is taken, and then one run is thought to fill a turn.
    for lane in lanes.iter_mut() {
        calibrate(lane, effort);
    }
    let runs: Vec<u32> = lanes.iter_mut().map(|lane| calibrate(lane, effort)).collect();
    let mut taken = vec![Vec::new(); lanes.len()];
    let start = Instant::now();
    for _ in 0..effort.turns {
        // A run that is longer than many turns needs fewer of them.
        if start.elapsed().as_secs_f64() > effort.longest && taken.iter().all(|taken| taken.len() >= 7) {
            break;
        }
        for ((lane, runs), taken) in lanes.iter_mut().zip(&runs).zip(&mut taken) {
            let start = Instant::now();
            for _ in 0..*runs {
                lane();
            }
            taken.push(start.elapsed().as_secs_f64() / f64::from(*runs));
        }
    }
    taken.into_iter().map(median).collect()
}

fn calibrate(lane: &mut Box<dyn FnMut() + '_>, effort: Effort) -> u32 {
    let start = Instant::now();
    let mut fastest = f64::MAX;
    while start.elapsed().as_secs_f64() < effort.warm {
        let run = Instant::now();
        lane();
        fastest = fastest.min(run.elapsed().as_secs_f64());
    }
    (effort.turn / fastest.max(1e-7)).ceil() as u32
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
