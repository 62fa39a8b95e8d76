//! From what the command line names to policies: finding files, loading them, and what to say when that fails.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use fieldgate::diagnostic::{Diagnostics, Severity};
use fieldgate::document::disk;
use fieldgate::model::Route;
use fieldgate::model::moment::Moment;
use fieldgate::policy::{Disk, FileKind, Files, PolicySet};
use fieldgate::program::Program;
use fieldgate::transform::PseudonymKey;
pub(crate) use fieldgate_workbench::loaded::Loaded;
use fieldgate_workbench::suite::place::nearest_of;
use serde_json::{Map, Value};

use super::exit::Failure;
use super::report::{self, ReportFormat};
use super::terminal::Terminal;

/// Loads and checks one policy.
///
/// # Errors
/// Its diagnostics, if one is an error.
pub(crate) fn one(files: &dyn Files, root: &str) -> Result<Loaded, Diagnostics> {
    Loaded::read(files, root, Moment::of(SystemTime::now()))
}

/// A JSON file over this many bytes is data: a policy of that size does not load.
const LARGEST_JSON: u64 = 8 << 20;

/// The files that hold policies: those named, and in a directory every YAML or JSON file, by what it holds.
///
/// # Errors
/// When a path does not exist, or there is none to be found.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Found, Failure> {
    let mut found = Found::default();
    for path in paths {
        if path.is_dir() {
            let mut files = Vec::new();
            walk(path, &mut files)?;
            let before = found.roots.len();
            for file in files {
                let name = slashes(&file);
                let size = fs::metadata(&file).map_or(0, |of| of.len());
                if !may_be_policy(&name) || is_data(&name, size) {
                    continue;
                }
                found.add(name, &read_found(path, &file)?);
            }
            found.beside.push(found.roots.iter().skip(before).cloned().collect());
        } else if path.exists() {
            found.roots.push(slashes(path));
        } else {
            return Err(missing(path));
        }
    }
    // A file may be named twice, by itself and by its directory.
    let mut seen = HashSet::new();
    found.roots.retain(|root| seen.insert(root.clone()));
    if found.roots.is_empty() && found.others.is_empty() && found.broken.is_empty() {
        return Err(no_policy(paths));
    }
    Ok(found)
}

/// Whether a file is data by its size.
pub(crate) fn is_data(name: &str, size: u64) -> bool {
    name.ends_with(".json") && size > LARGEST_JSON
}

fn no_policy(paths: &[PathBuf]) -> Failure {
    let places: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    Failure::new(format!("no policy in {}", places.join(", ")))
        .help("a policy is a YAML file with `language: 1` and `policy: NAME`")
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Policies.
    pub(crate) roots: Vec<String>,
    /// Files that are nothing by themselves: a policy should include them.
    pub(crate) others: Vec<String>,
    /// Files that cannot be read as what they are called.
    pub(crate) broken: Vec<String>,
    /// Policies by the directory that was named, of which no two may have one name.
    pub(crate) beside: Vec<Vec<String>>,
}

impl Found {
    /// Adds a file that was found, by what it holds.
    pub(crate) fn add(&mut self, name: String, bytes: &[u8]) {
        match FileKind::of(&name, bytes) {
            FileKind::Policy => self.roots.push(name),
            FileKind::Suite | FileKind::Other => self.others.push(name),
            // Only where nothing includes it is it for `load` to say what is wrong, with its place.
            FileKind::Broken => self.broken.push(name),
            FileKind::Ignored | FileKind::Data => {}
        }
    }
}

/// A path that does not exist.
pub(crate) fn missing(path: &Path) -> Failure {
    let failure = Failure::new(format!("{} does not exist", path.display()));
    if path == Path::new("policies") {
        failure.help("name a file or a directory, or run this where `policies/` is")
    } else {
        failure
    }
}

/// Whether a file can hold a policy, by its name.
pub(crate) fn may_be_policy(name: &str) -> bool {
    !is_suite(name) && may_be_configuration(name)
}

/// Whether a file is YAML or JSON, by its name.
pub(crate) fn may_be_configuration(name: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
}

/// Whether a file is a test suite, by its name.
pub(crate) fn is_suite(name: &str) -> bool {
    name.ends_with(".test.yaml") || name.ends_with(".test.yml")
}

/// Every file below a directory, in name order; hidden ones are left out.
///
/// # Errors
/// When a directory cannot be read.
pub(crate) fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let read = |error: &std::io::Error| Failure::io("read", directory, error);
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| read(&error))? {
        entries.push(entry.map_err(|error| read(&error))?.path());
    }
    entries.sort();
    for path in entries {
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        // A link to a directory is not followed: it may lead in a circle.
        if path.is_dir() && !path.is_symlink() {
            walk(&path, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// The bytes of a file that was found below a directory. A link that leads out of there is an error: whoever can add a file
/// there could have any other shown.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read_found(directory: &Path, file: &Path) -> Result<Vec<u8>, Failure> {
    disk::read_below(&[directory], file, MOST).map_err(|error| Failure::io("read", file, &error))
}

/// Largest file that is looked at for what it is, in bytes.
const MOST: usize = 64 << 20;

/// A path with `/`, without `./`, and without a step that is taken back at once: what messages show.
pub(crate) fn slashes(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', "/");
    let mut steps: Vec<&str> = Vec::new();
    for (index, step) in text.split('/').enumerate() {
        match step {
            "." => {}
            "" if index > 0 => {}
            ".." if steps.last().is_some_and(|last| !matches!(*last, ".." | "")) => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    match steps.as_slice() {
        [] => ".".to_owned(),
        [""] => "/".to_owned(),
        steps => steps.join("/"),
    }
}

/// Loads policies for a verb that can do nothing with one that does not check.
///
/// # Errors
/// When one cannot be found, or does not check: its diagnostics are written to standard error.
pub(crate) fn valid(paths: &[PathBuf], terminal: Terminal) -> Result<Vec<Loaded>, Failure> {
    let found = find(paths)?;
    if found.roots.is_empty() && found.broken.is_empty() {
        return Err(no_policy(paths));
    }
    all_valid(&Disk, &found, terminal)
}

/// As [`valid`], for what was found among any files.
///
/// # Errors
/// As [`valid`].
pub(crate) fn all_valid(files: &dyn Files, found: &Found, terminal: Terminal) -> Result<Vec<Loaded>, Failure> {
    let mut loaded: Vec<Loaded> = Vec::new();
    let mut broken = Vec::new();
    for root in &found.roots {
        match one(files, root) {
            Ok(one) => loaded.push(one),
            Err(diagnostics) => broken.push(diagnostics),
        }
    }
    // A file that cannot be read may be a policy: what is said of the others would be said of too few.
    let is_read =
        |name: &String| loaded.iter().any(|one| one.sources.files().iter().any(|source| source.name == *name));
    let unread = found.broken.iter().filter(|name| !is_read(name));
    broken.extend(unread.filter_map(|name| one(files, name).err()).collect::<Vec<_>>());
    if broken.is_empty() {
        return Ok(loaded);
    }
    // What is beside the errors would stand between them and the end of what a terminal shows.
    let broken: Vec<Diagnostics> = broken.iter().map(only_errors).collect();
    terminal.say(&report::render(&broken, ReportFormat::Human, terminal.on_error()));
    let errors = report::count(&broken, Severity::Error);
    Err(Failure::new(format!("{} in the policy: nothing else can be said of it", report::number(errors, "error")))
        .help("mend it first; `fieldgate check` looks at nothing else"))
}

fn only_errors(all: &Diagnostics) -> Diagnostics {
    let errors = all.items().iter().filter(|item| item.severity() == Severity::Error);
    Diagnostics::new(errors.cloned().collect(), Rc::clone(all.sources()))
}

/// The one policy of a path, for a verb that is about one: `why` says so.
///
/// # Errors
/// As [`valid`], and when there are several.
pub(crate) fn only(path: &PathBuf, why: &str, terminal: Terminal) -> Result<Loaded, Failure> {
    let mut loaded = valid(std::slice::from_ref(path), terminal)?;
    match (loaded.len(), loaded.pop()) {
        (1, Some(one)) => Ok(one),
        (count, last) => {
            let names: Vec<String> = loaded.into_iter().chain(last).map(|one| one.name).collect();
            Err(Failure::new(format!("{} holds {count} policies, and {why}", path.display()))
                .help(format!("name one with `--policy`: {}", names.join(", "))))
        }
    }
}

/// The route that is named, of the first policy that has it.
///
/// # Errors
/// When no policy has it.
pub(crate) fn route<'l>(loaded: &'l [Loaded], name: &str) -> Result<(&'l Loaded, &'l Route), Failure> {
    let mut found = loaded
        .iter()
        .filter_map(|one| one.policy.routes.iter().find(|route| route.name == name).map(|route| (one, route)));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (Some((first, _)), Some((second, _))) => {
            Err(Failure::new(format!("the route `{name}` is in `{}` and in `{}`", first.name, second.name))
                .help("name the policy's file with `--policy`"))
        }
        (None, _) => {
            let names: Vec<&str> =
                loaded.iter().flat_map(|one| &one.policy.routes).map(|route| route.name.as_str()).collect();
            Err(unknown("route", name, &names))
        }
    }
}

/// The route of a request, such as `GET /accounts/42`, of the first policy that has one.
///
/// # Errors
/// When no policy has a route for it.
pub(crate) fn route_for<'l>(
    loaded: &'l [Loaded],
    method: &str,
    target: &str,
) -> Result<(&'l Loaded, &'l Route), Failure> {
    for one in loaded {
        // Only routes are looked for: nothing is made with the key.
        let Ok(program) = Program::new(one.policy.clone(), Some(test_key()?)) else { continue };
        let authority = one.policy.hosts.first().map_or("localhost", String::as_str);
        let found = program.find(authority, method, target).ok().flatten();
        if let Some(route) = found.and_then(|id| one.policy.routes.get(usize::from(id.0))) {
            return Ok((one, route));
        }
    }
    Err(Failure::new(format!("no route is for `{method} {target}`"))
        .help("a request is `GET /accounts/42?page=2`, with query parameters that the route lists"))
}

/// What to say of a client id that has no entry and is nearly one.
pub(crate) fn client_note(policies: &[&PolicySet], client: &str) -> Option<String> {
    let names: Vec<&str> =
        policies.iter().flat_map(|policy| &policy.clients).map(|client| client.name.as_str()).collect();
    let near = near(client, &names).filter(|near| *near != client && !names.contains(&client))?;
    Some(format!("note: no entry is for client `{client}`, so `*` is its entry; did you mean `{near}`?\n"))
}

/// Refuses a name that is not known.
///
/// # Errors
/// When it is not.
pub(crate) fn known(what: &str, name: &str, names: &[&str]) -> Result<(), Failure> {
    if names.contains(&name) { Ok(()) } else { Err(unknown(what, name, names)) }
}

pub(crate) fn unknown(what: &str, name: &str, names: &[&str]) -> Failure {
    unknown_of("the policy", what, name, names)
}

/// As [`unknown`], of something else than the policy.
pub(crate) fn unknown_of(whose: &str, what: &str, name: &str, names: &[&str]) -> Failure {
    let failure = Failure::new(format!("{whose} has no {what} `{name}`"));
    match near(name, names) {
        Some(near) => failure.help(format!("did you mean `{near}`?")),
        None => {
            let mut names = names.to_vec();
            names.sort_unstable();
            names.dedup();
            failure.help(format!("it has: {}", names.join(", ")))
        }
    }
}

/// The known name nearest to this one, if one is near.
pub(crate) fn near<'n>(name: &str, names: &[&'n str]) -> Option<&'n str> {
    nearest_of(name, names.iter().copied())
}

/// As [`near`], of names that are made for the purpose.
pub(crate) fn near_owned(name: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let names: Vec<String> = names.collect();
    nearest_of(name, names.iter().map(String::as_str)).map(str::to_owned)
}

/// The claims given on the command line.
///
/// # Errors
/// When they are no JSON object. The message holds no part of them.
pub(crate) fn claims(text: Option<&str>) -> Result<Value, Failure> {
    let Some(text) = text else { return Ok(Value::Object(Map::new())) };
    match serde_json::from_str::<Value>(text) {
        Ok(claims @ Value::Object(_)) => Ok(claims),
        Ok(_) => Err(Failure::new("`--claims` is JSON, but not an object").help("write '{\"acr\": \"loa3\"}'")),
        Err(error) => {
            Err(Failure::new(format!("`--claims` is not JSON: line {}, column {}", error.line(), error.column()))
                .help("quote it for the shell: --claims '{\"acr\": \"loa3\"}'"))
        }
    }
}

/// The key that everybody knows.
///
/// # Errors
/// None in practice: a test holds that it is one.
pub(crate) fn test_key() -> Result<PseudonymKey, Failure> {
    fieldgate_workbench::suite::run::test_key().map_err(|fault| Failure::new(format!("the test key: {fault}")))
}

/// The policy's key (rule 23), from this process's environment.
///
/// # Errors
/// See [`key_in`].
pub(crate) fn key(policy: &PolicySet) -> Result<Option<PseudonymKey>, Failure> {
    policy.key_variables().iter().find_map(|name| key_in(name).transpose()).transpose()
}

/// The key that a variable of this process's environment holds, if it is set.
///
/// # Errors
/// When it holds something that is not a key. The message holds no part of it.
pub(crate) fn key_in(variable: &str) -> Result<Option<PseudonymKey>, Failure> {
    let no_key = |why: &str| {
        Failure::new(format!("{variable} does not hold a key: {why}")).help("make one with: openssl rand -base64 32")
    };
    match std::env::var(variable) {
        Ok(text) => PseudonymKey::from_base64(&text).map(Some).map_err(|fault| no_key(&fault.to_string())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(no_key("it is not base64")),
    }
}
