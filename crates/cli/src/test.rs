//! `fieldgate test`: runs `*.test.yaml` with the plugin's own core.

mod coverage;
mod output;
mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use fieldgate::budget::MemoryStore;
use fieldgate::diagnostic::{Diagnostics, Severity, Sources, Span};
use fieldgate::model::moment::Moment;
use fieldgate::policy::{Disk, PolicyDoc};
use fieldgate::program::Program;
use fieldgate::transform::PseudonymKey;
use fieldgate_workbench::suite::{self, Case, FindingKind, Judgement, Sequence, Suite, run};

use super::exit::{Exit, Failure};
use super::load;
use super::report;
use super::terminal::{Ink, Progress, Terminal};
use super::watch;
use coverage::Coverage;

/// Run the `*.test.yaml` suites beside the policies
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Suites: files or directories
    #[arg(default_value = "policies")]
    paths: Vec<PathBuf>,
    /// Run only rows whose name holds this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// List the scope-field cells that no row asserts
    #[arg(long)]
    coverage: bool,
    /// End with 3 if less than so many percent of the cells are asserted
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    coverage_at_least: Option<u8>,
    /// Test again whenever a file changes
    #[arg(long, conflicts_with = "update")]
    watch: bool,
    /// Write what came out into expectations that are not met, after showing the difference
    #[arg(long)]
    update: bool,
    /// With --update: write without asking
    #[arg(long, requires = "update")]
    yes: bool,
    /// How to write it
    #[arg(long, value_enum, default_value_t = TestFormat::Human)]
    format: TestFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum TestFormat {
    /// Every row, and why it fails
    Human,
    /// One line for each finding
    Compact,
    /// One JSON document
    Json,
    /// Workflow commands for GitHub
    Github,
    /// JUnit XML
    Junit,
}

/// A row that ran.
struct Ran {
    name: String,
    /// Where its name is written.
    at: String,
    judgement: Judgement,
    /// Index of its policy among those loaded.
    policy: usize,
}

impl Ran {
    fn standing(&self) -> Standing {
        let is = |kind| self.judgement.findings.iter().any(|finding| finding.kind == kind);
        if is(FindingKind::Unmet) {
            Standing::Failed
        } else if is(FindingKind::Void) {
            Standing::Void
        } else {
            Standing::Passed
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Passed,
    Failed,
    Void,
}

/// A suite that ran, or did not load.
struct SuiteRan {
    name: String,
    sources: Rc<Sources>,
    rows: Vec<Ran>,
    /// Why it, or its policy, did not load.
    broken: Option<Diagnostics>,
    /// Why its policy cannot run.
    unable: Option<String>,
}

/// A policy that suites name.
struct Ready {
    program: Rc<Program>,
    key: PseudonymKey,
    doc: PolicyDoc,
    coverage: Coverage,
}

impl Ready {
    /// The program for a row: one of its own where budgets are counted, since a program remembers what it has read of them.
    fn program(&self) -> Rc<Program> {
        let policy = self.program.policy();
        if policy.budgets.is_empty() && policy.canaries.is_none() {
            return Rc::clone(&self.program);
        }
        Program::new(policy.clone(), Some(self.key.clone())).map_or_else(|_| Rc::clone(&self.program), Rc::new)
    }
}

/// Everything that ran.
struct Run {
    suites: Vec<SuiteRan>,
    policies: Vec<Ready>,
    assertions: usize,
    /// What may be a mistake of a row that passes: a scope that no policy has and that is nearly one of its own (such a caller gets
    /// nothing, and a row that expects a refusal passes for ever), a path that no route matches.
    doubts: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    if arguments.watch {
        return watch::over(&arguments.paths, terminal, || once(arguments, terminal));
    }
    once(arguments, terminal)
}

fn once(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    let files = suites(&arguments.paths)?;
    if files.is_empty() {
        let places: Vec<String> = arguments.paths.iter().map(|path| path.display().to_string()).collect();
        terminal.fail(
            &Failure::new(format!("nothing was tested: no `*.test.yaml` in {}", places.join(", ")))
                .help("write one beside the policy; `fieldgate test` ends with 3 until there is one"),
        );
        return Ok(Exit::Tests);
    }
    let key = load::test_key()?;
    let mut runner = Runner {
        key,
        index: BTreeMap::new(),
        run: Run { suites: Vec::new(), policies: Vec::new(), assertions: 0, doubts: Vec::new() },
        only: arguments.only.as_deref(),
    };
    let mut progress = Progress::new(terminal, "suites", files.len());
    for file in &files {
        runner.suite(file)?;
        progress.step();
    }
    drop(progress);
    let run = runner.run;
    if arguments.update {
        return update::run(&run, arguments.yes, terminal);
    }
    terminal.print(&output::render(&run, arguments.format, arguments.coverage, terminal))?;
    for said in &run.doubts {
        terminal.say(&format!("{} {said}\n", terminal.paint_said(Ink::Doubtful, "warning:")));
    }
    Ok(match (exit(&run, terminal), arguments.coverage_at_least) {
        (Exit::Fine, Some(least)) if !run.covers(least) => {
            let (asserted, all) = (run.asserted(), run.cells());
            terminal.fail(
                &Failure::new(format!("{asserted} of {all} scope-field cells are asserted, which is under {least} %"))
                    .help("`--coverage` lists the others"),
            );
            Exit::Tests
        }
        (exit, _) => exit,
    })
}

impl Run {
    /// Notes a doubt once.
    fn doubt(&mut self, said: String) {
        if !self.doubts.contains(&said) {
            self.doubts.push(said);
        }
    }

    /// Cells that rows assert, over all policies.
    fn asserted(&self) -> usize {
        self.policies.iter().map(|policy| policy.coverage.asserted()).sum()
    }

    /// Cells that there are, over all policies.
    fn cells(&self) -> usize {
        self.policies.iter().map(|policy| policy.coverage.all()).sum()
    }

    /// Whether at least so many percent are asserted.
    fn covers(&self, least: u8) -> bool {
        self.asserted().saturating_mul(100) >= self.cells().saturating_mul(usize::from(least))
    }
}

fn exit(run: &Run, terminal: Terminal) -> Exit {
    let broken = run.suites.iter().any(|suite| suite.broken.is_some() || suite.unable.is_some());
    let failed = run.suites.iter().flat_map(|suite| &suite.rows).any(|row| row.standing() != Standing::Passed);
    if broken || failed {
        return Exit::Tests;
    }
    if run.assertions == 0 {
        terminal.fail(
            &Failure::new("nothing was tested: no assertion was executed")
                .help("write rows under `tests:`, or widen `--only`"),
        );
        return Exit::Tests;
    }
    Exit::Fine
}

fn suites(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            let mut files = Vec::new();
            load::walk(path, &mut files)?;
            for file in files.into_iter().filter(|file| load::is_suite(&file.to_string_lossy())) {
                load::read_found(path, &file)?;
                found.push(file);
            }
        } else if path.exists() {
            found.push(path.clone());
        } else {
            return Err(load::missing(path));
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|file| seen.insert(file.clone()));
    Ok(found)
}

struct Runner<'a> {
    /// For policies whose own key the environment does not have.
    key: PseudonymKey,
    /// Policies by path: the index of one that is ready, or why there is none.
    index: BTreeMap<String, Result<usize, Diagnostics>>,
    run: Run,
    only: Option<&'a str>,
}

impl Runner<'_> {
    fn suite(&mut self, file: &Path) -> Result<(), Failure> {
        let name = load::slashes(file);
        let mut ran =
            SuiteRan { name: name.clone(), sources: Rc::default(), rows: Vec::new(), broken: None, unable: None };
        match suite::load(Path::new(&name)) {
            Err(diagnostics) => ran.broken = Some(diagnostics),
            Ok(suite) => {
                ran.sources = Rc::clone(&suite.sources);
                match self.policy(&suite)? {
                    Err(diagnostics) => ran.broken = Some(diagnostics),
                    Ok(Err(missing)) => ran.unable = Some(format!("its policy cannot run: {missing}")),
                    Ok(Ok(policy)) => ran.rows = self.rows(&suite, policy),
                }
            }
        }
        self.run.suites.push(ran);
        Ok(())
    }

    /// The index of the suite's policy, loaded once.
    fn policy(&mut self, suite: &Suite) -> Result<Result<Result<usize, String>, Diagnostics>, Failure> {
        let path = load::slashes(&suite.policy);
        if let Some(known) = self.index.get(&path) {
            return Ok(known.clone().map(Ok));
        }
        let loaded = match load::one(&Disk, &path) {
            Ok(loaded) => loaded,
            Err(diagnostics) => {
                self.index.insert(path, Err(diagnostics.clone()));
                return Ok(Err(diagnostics));
            }
        };
        let coverage = Coverage::new(&loaded.policy);
        let key = load::key(&loaded.policy)?.unwrap_or_else(|| self.key.clone());
        let program = match Program::new(loaded.policy, Some(key.clone())) {
            Ok(program) => program,
            Err(missing) => return Ok(Ok(Err(missing.to_string()))),
        };
        let index = self.run.policies.len();
        self.run.policies.push(Ready { program: Rc::new(program), key, doc: loaded.doc, coverage });
        self.index.insert(path, Ok(index));
        Ok(Ok(Ok(index)))
    }

    /// Notes scopes of rows that are nearly one of the policy's.
    fn misspelt(&mut self, suite: &Suite, policy: usize) {
        let Some(ready) = self.run.policies.get(policy) else { return };
        let known: Vec<&str> = ready.program.policy().scopes.iter().map(|scope| scope.name.as_str()).collect();
        let steps = suite.sequences.iter().flat_map(|sequence| &sequence.steps).map(|step| &step.case);
        let mut found = Vec::new();
        for case in suite.cases.iter().chain(steps) {
            let unknown = case.request.scopes.iter().filter(|scope| !known.contains(&scope.as_str()));
            let slips: Vec<_> = unknown.filter_map(|scope| Some((scope, load::near(scope, &known)?))).collect();
            // A row with several of them is about look-alikes.
            let [(scope, near)] = slips.as_slice() else { continue };
            let place = suite.sources.location(case.request.client_span);
            found.push(format!("{place}: the policy has no scope `{scope}`; did you mean `{near}`?"));
        }
        found.into_iter().for_each(|said| self.run.doubt(said));
    }

    fn rows(&mut self, suite: &Suite, policy: usize) -> Vec<Ran> {
        self.misspelt(suite, policy);
        let wanted = |case: &&Case| self.only.is_none_or(|text| case.name.contains(text));
        let cases: Vec<&Case> = suite.cases.iter().filter(wanted).collect();
        let Some(ready) = self.run.policies.get_mut(policy) else { return Vec::new() };
        let now = suite.now.or_else(|| Moment::of(SystemTime::now()));
        let mut rows = Vec::new();
        let mut doubts: Vec<(String, Span)> = Vec::new();
        for case in cases {
            let (judgement, _) =
                run::row(&ready.program(), ready.doc.root(), case, case.now.or(now), &mut MemoryStore::default());
            ready.coverage.assert(&judgement.cells);
            doubts.extend(judgement.doubts.iter().cloned());
            self.run.assertions = self.run.assertions.saturating_add(case.assertions());
            rows.push(Ran {
                name: case.name.clone(),
                at: suite.sources.location(case.span).to_string(),
                judgement,
                policy,
            });
        }
        let wanted = |sequence: &&Sequence| self.only.is_none_or(|text| sequence.name.contains(text));
        for several in suite.sequences.iter().filter(wanted) {
            let judgement = run::sequence(&ready.program(), ready.doc.root(), several, several.now.or(now));
            ready.coverage.assert(&judgement.cells);
            doubts.extend(judgement.doubts.iter().cloned());
            let assertions = several.steps.iter().map(suite::SequenceStep::assertions);
            self.run.assertions = self.run.assertions.saturating_add(assertions.fold(0, usize::saturating_add));
            rows.push(Ran {
                name: several.name.clone(),
                at: suite.sources.location(several.span).to_string(),
                judgement,
                policy,
            });
        }
        doubts.sort_by_key(|(_, span)| *span);
        for (said, span) in doubts {
            self.run.doubt(format!("{}: {said}", suite.sources.location(span)));
        }
        rows
    }
}

/// Warnings of a policy are `check`'s to say: a broken one is said in whole.
fn broken_text(diagnostics: &Diagnostics, terminal: Terminal) -> String {
    let text = report::render(std::slice::from_ref(diagnostics), report::ReportFormat::Human, terminal);
    format!("{text}{}\n", report::number(diagnostics.count(Severity::Error), "error"))
}
