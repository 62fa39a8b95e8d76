//! What is printed: speeds, ratios, and which targets hold.

use crate::engines::{A, BLOCKS, C, CHECK, CHUNKS, CLASSIFY, COPY, SUBJECTS, WHOLE};
use fieldgate_benches::inputs::{Input, Kind};

const COLUMNS: [&str; 8] = [CHUNKS, WHOLE, BLOCKS, A, C, CHECK, CLASSIFY, COPY];

/// One input's speeds, in MB/s.
pub(crate) struct Row {
    name: &'static str,
    kind: Kind,
    speeds: Vec<(&'static str, f64)>,
}

impl Row {
    pub(crate) fn new(input: &Input, names: &[&'static str], seconds: &[f64]) -> Self {
        let megabytes = input.size() as f64 / 1e6;
        let speeds = names.iter().copied().zip(seconds.iter().map(|seconds| megabytes / seconds)).collect();
        Self { name: input.name, kind: input.kind, speeds }
    }

    fn speed(&self, engine: &str) -> f64 {
        self.speeds.iter().find(|(name, _)| *name == engine).map_or(f64::NAN, |(_, speed)| *speed)
    }

    fn ratio(&self, over: &str, under: &str) -> f64 {
        self.speed(over) / self.speed(under)
    }

    fn to_best_other(&self) -> f64 {
        self.speed(CHUNKS) / self.speed(A).max(self.speed(C))
    }
}

pub(crate) fn print(rows: &[Row]) {
    print!("\n{:<22}", "MB/s");
    COLUMNS.iter().for_each(|column| print!("{column:>11}"));
    println!("{:>9}{:>9}{:>11}{:>12}", "ours/A", "ours/C", "class/ours", "ours/blocks");
    for row in rows {
        print!("{:<22}", row.name);
        COLUMNS.iter().for_each(|column| print!("{:>11.0}", row.speed(column)));
        print!("{:>9.2}{:>9.2}{:>11.2}", row.ratio(CHUNKS, A), row.ratio(CHUNKS, C), row.ratio(CLASSIFY, CHUNKS));
        println!("{:>12.3}", row.ratio(CHUNKS, BLOCKS));
    }
    targets(rows);
}

/// The targets are for V8; natively they are told all the same.
fn targets(rows: &[Row]) {
    let least = |of: &dyn Fn(&Row) -> bool, ratio: &dyn Fn(&Row) -> f64| {
        rows.iter().filter(|row| of(row)).map(ratio).fold(f64::INFINITY, f64::min)
    };
    let hundred = |row: &Row| row.name == "customers 100 KB";
    let ordinary = |row: &Row| row.kind != Kind::Adversarial;
    let adversarial = |row: &Row| row.kind == Kind::Adversarial;
    println!("\n{:<52}{:>8}{:>8}{:>9}", "target", "is", "gate", "stretch");
    let say = |what: &str, is: f64, gate: f64, stretch: f64, more_is_better: bool| {
        if !is.is_finite() {
            return;
        }
        let holds = |bound: f64| if more_is_better { is >= bound } else { is <= bound };
        let mark = if holds(stretch) {
            "stretch holds"
        } else if holds(gate) {
            "gate holds"
        } else {
            "MISSED"
        };
        println!("{what:<52}{is:>8.2}{gate:>8}{stretch:>9}  {mark}");
    };
    say("customers 100 KB, ours ÷ A", least(&hundred, &|row| row.ratio(CHUNKS, A)), 9.0, 11.0, true);
    say("customers 100 KB, ours ÷ C", least(&hundred, &|row| row.ratio(CHUNKS, C)), 2.2, 2.6, true);
    say("every document, ours ÷ A, the least", least(&ordinary, &|row| row.ratio(CHUNKS, A)), 5.0, 6.0, true);
    say("check ÷ ours, customers 100 KB", least(&hundred, &|row| row.ratio(CHECK, CHUNKS)), 2.0, 1.4, false);
    say(
        "customers 100 KB, ours ÷ ours with a subject a record",
        least(&hundred, &|row| row.ratio(CHUNKS, SUBJECTS)),
        1.05,
        1.02,
        false,
    );
    say("adversarial, ours ÷ max(A, C), the least", least(&adversarial, &Row::to_best_other), 1.0, 1.5, true);
}
