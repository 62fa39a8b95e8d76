//! `fieldgate init`: a policy skeleton from what an API says of itself, or from what it was seen to answer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use fieldgate::diagnostic::Severity;
use fieldgate::document::disk;
use fieldgate::policy;
use fieldgate_workbench::fault::Fault;
use fieldgate_workbench::openapi::skeleton::{self, Matched};
use fieldgate_workbench::openapi::{self, Api, Sample, WantedOperations};

use super::exit::{Exit, Failure};
use super::load;
use super::report::{self, ReportFormat, number};
use super::terminal::{Ink, Terminal};

/// Write a policy skeleton from an API description or samples: it shows nothing to anybody
///
/// Every field is of the class `unreviewed`, which is granted to nobody; suggestions are comments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The description: OpenAPI 3.0, 3.1 or 3.2, or Swagger 2.0, in JSON or YAML; several are one API
    #[arg(long, value_name = "FILE", required_unless_present = "samples")]
    openapi: Vec<PathBuf>,
    /// Response bodies that were seen: with `--openapi`, what they have and it does not is listed
    #[arg(long, value_name = "[ROUTE=]FILE", num_args = 1..)]
    samples: Vec<String>,
    /// What samples without a description are bodies of: a method and a path
    #[arg(long, value_name = "ROUTE", conflicts_with = "openapi")]
    route: Option<String>,
    /// The path in front of all paths, if it is not the one that the description's servers name
    #[arg(long, value_name = "PATH", requires = "openapi")]
    prefix: Option<String>,
    /// Only operations whose path starts so
    #[arg(long, value_name = "PATH", requires = "openapi")]
    under: Option<String>,
    /// Only this operation, by its `operationId` or as `GET /accounts`; several may be named
    #[arg(long, value_name = "OPERATION", requires = "openapi")]
    operation: Vec<String>,
    /// Only operations that have this tag; several may be named
    #[arg(long, value_name = "TAG", requires = "openapi")]
    tag: Vec<String>,
    /// The policy's name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Write this file, which must not exist, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Descriptions, and what is below their directories, on the disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Descriptions;

/// Largest file: the largest public descriptions are under 20 MiB.
const MOST: usize = 64 << 20;

impl policy::Files for Descriptions {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        disk::read_whole(Path::new(path), MOST)
    }

    fn read_named(&self, directory: &str, path: &str) -> io::Result<Vec<u8>> {
        disk::read_below(&[Path::new(directory)], Path::new(path), MOST)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        policy::Disk.list(directory)
    }
}

/// What cannot be used, as the command line says it.
pub(super) fn failure(fault: Fault) -> Failure {
    Failure::new(fault.message).help(fault.help)
}

/// A file's text.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::io("read", path, &error))
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    let mut samples = Vec::new();
    for named in &arguments.samples {
        let (route, file) = match named.split_once('=') {
            Some((route, file)) if !Path::new(named).exists() => (Some(route), file),
            _ => (None, named.as_str()),
        };
        let sample = Sample::read(&load::slashes(Path::new(file)), &read(Path::new(file))?).map_err(failure)?;
        samples.push((route, sample));
    }
    let (api, source, matched) = match arguments.openapi.as_slice() {
        [] => seen(arguments, samples)?,
        paths => described(paths, arguments, &samples, terminal)?,
    };
    let name = match (&arguments.name, api.title.as_str()) {
        (Some(name), _) => name.clone(),
        (None, "") => api.shapes.first().map_or_else(|| "api".to_owned(), |shape| shape.name.clone()),
        (None, title) => title.to_owned(),
    };
    let text = skeleton::write(&api, &source, &name, &matched);
    let warnings = checked(&text)?;
    match &arguments.out {
        None => terminal.print(&text)?,
        Some(path) => write(path, &text)?,
    }
    let place = arguments.out.as_ref().map(|path| format!("wrote {}: ", path.display())).unwrap_or_default();
    terminal.say(&format!(
        "{place}{}, {}; nobody sees anything yet. `fieldgate check` has {} for it.\n",
        number(api.operations.len(), "route"),
        number(skeleton::reached(&api).len(), "shape"),
        number(warnings, "warning"),
    ));
    for note in &api.notes {
        terminal.say(&format!("{} {note}\n", terminal.paint_said(Ink::Doubtful, "warning:")));
    }
    if !api.left_out.is_empty() {
        terminal.say(&format!(
            "{} left out {} of the description: the first lines of the policy say what, and why\n",
            terminal.paint_said(Ink::Doubtful, "warning:"),
            number(api.left_out.len(), "part"),
        ));
    }
    Ok(Exit::Fine)
}

fn described(
    paths: &[PathBuf],
    arguments: &Arguments,
    samples: &[(Option<&str>, Sample)],
    terminal: Terminal,
) -> Result<(Api, String, Vec<Matched>), Failure> {
    let names: Vec<String> = paths.iter().map(|path| load::slashes(path)).collect();
    let wanted = WantedOperations {
        prefix: arguments.prefix.as_deref(),
        under: arguments.under.as_deref(),
        operations: &arguments.operation,
        tags: &arguments.tag,
    };
    let api = openapi::read_all(&Descriptions, &names, wanted).map_err(failure)?;
    let source = names.join(", ");
    let mut matched = Vec::new();
    for (route, sample) in samples {
        let one = skeleton::match_sample(&api, sample, *route).map_err(failure)?;
        let name = api.operations.get(one.operation).map_or("", |operation| operation.name.as_str());
        let rest = match one.undocumented.len() {
            0 => String::new(),
            count => format!(", {} undocumented: {}", number(count, "field"), one.undocumented.join(", ")),
        };
        terminal.say(&format!("{} is a body of {name}: {} known{rest}\n", one.name, number(one.known, "field")));
        matched.push(one);
    }
    Ok((api, source, matched))
}

fn seen(arguments: &Arguments, samples: Vec<(Option<&str>, Sample)>) -> Result<(Api, String, Vec<Matched>), Failure> {
    let Some(route) = &arguments.route else {
        return Err(Failure::new("samples alone do not say which route they are bodies of")
            .help("add `--route \"GET /accounts/{id}\"`, or a description: `--openapi FILE`"));
    };
    let samples: Vec<Sample> = samples.into_iter().map(|(_, sample)| sample).collect();
    let api = skeleton::of_samples(&samples, route).map_err(failure)?;
    let names: Vec<&str> = samples.iter().map(|sample| sample.name.as_str()).collect();
    Ok((api, names.join(", "), Vec::new()))
}

/// Checks what is about to be written: a skeleton that does not load helps nobody.
fn checked(text: &str) -> Result<usize, Failure> {
    const NAME: &str = "policy.yaml";
    let files = BTreeMap::from([(NAME.to_owned(), text.to_owned())]);
    match load::one(&files, NAME) {
        Ok(loaded) => Ok(loaded.diagnostics.count(Severity::Warning)),
        Err(diagnostics) => {
            let first =
                report::render(&[diagnostics], ReportFormat::Compact, Terminal::new(super::terminal::Color::Never));
            let first = first.lines().find(|line| line.contains("error[")).unwrap_or_default();
            Err(Failure::new(format!("the description comes to a policy that cannot be loaded: {first}"))
                .help("make a policy of a part of it: `--under /path`"))
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write;
    // The first policy of a new repository has no directory yet.
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| Failure::io("make", folder, &error))?;
    }
    // Reviewed work is never overwritten.
    let file = fs::File::options().write(true).create_new(true).open(path);
    let mut file = match file {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Failure::new(format!("{} is there already", path.display()))
                .help("name another file: `fieldgate diff` and `check --openapi` say what is new"));
        }
        file => file.map_err(|error| Failure::io("write", path, &error))?,
    };
    file.write_all(text.as_bytes()).map_err(|error| Failure::io("write", path, &error))
}
