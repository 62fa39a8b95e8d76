//! A real Envoy, started through func-e and stopped with the value that stands for it.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::bootstrap::{Bootstrap, Host};
use super::{client, marker};

/// Compiling the wasm takes Envoy about a second, more when the machine is busy.
const START: Duration = Duration::from_secs(240);
const STOP: Duration = Duration::from_secs(10);

/// The programs that a real Envoy needs.
#[derive(Debug, Clone)]
pub struct Tools {
    func_e: PathBuf,
    pub envoy: PathBuf,
    pub wasm: PathBuf,
    /// The folder that Envoy looks for dynamic modules in.
    modules: PathBuf,
}

impl Tools {
    /// What `make` installs and builds, or what `ENVOY_PATH`, `FUNC_E` and `FIELDGATE_WASM` name instead.
    ///
    /// # Errors
    /// Says what is missing and how to get it.
    pub fn find() -> Result<Self, String> {
        let project = crate::root();
        let pinned = fs::read_to_string(project.join("scripts/versions.env")).map_err(|error| error.to_string())?;
        let newest = pinned.lines().find_map(|line| line.strip_prefix("ENVOY_NEWEST=")).unwrap_or_default();
        let find = |variable: &str, default: String, how: &str| {
            let path = std::env::var_os(variable).map_or_else(|| project.join(default), PathBuf::from);
            if path.exists() { Ok(path) } else { Err(format!("{} is missing: run {how}", path.display())) }
        };
        let modules = match Host::chosen() {
            Host::Plugin => project.join("target/module"),
            Host::Module => {
                let built = "target/module/libfieldgate_module.so".to_owned();
                let module = find("FIELDGATE_MODULE", built, "make module")?;
                module.parent().map(Path::to_path_buf).unwrap_or_default()
            }
        };
        Ok(Self {
            modules,
            func_e: find("FUNC_E", ".tools/bin/func-e".to_owned(), "scripts/envoy.sh")?,
            envoy: find("ENVOY_PATH", format!(".tools/envoy/{newest}/envoy"), "scripts/envoy.sh")?,
            wasm: find("FIELDGATE_WASM", "target/wasm32-wasip1/release/fieldgate.wasm".to_owned(), "scripts/wasm.sh")?,
        })
    }

    /// The plugin that traps where a request tells it to, or what `FIELDGATE_TRAP_WASM` names instead.
    ///
    /// # Errors
    /// Says how to get it.
    pub fn trapping(&self) -> Result<PathBuf, String> {
        let project = crate::root();
        let built = || project.join("target/wasm32-wasip1/trap/fieldgate.wasm");
        let path = std::env::var_os("FIELDGATE_TRAP_WASM").map_or_else(built, PathBuf::from);
        if path.exists() { Ok(path) } else { Err(format!("{} is missing: run scripts/wasm.sh trap", path.display())) }
    }

    /// What Envoy says of itself: version and build.
    pub fn envoy_version(&self) -> String {
        let said = Command::new(&self.envoy).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&said).split_whitespace().last().unwrap_or("unknown").to_owned()
    }
}

/// A directory that goes away with the value.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("fieldgate-{}-{:016x}", std::process::id(), marker::random()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where an Envoy of this directory writes its access log.
    pub fn access_log(&self) -> PathBuf {
        self.0.join("access.log")
    }

    /// Writes a file, in one step for whoever reads it.
    pub fn write(&self, name: &str, content: &str) -> std::io::Result<PathBuf> {
        let (path, fresh) = (self.0.join(name), self.0.join(format!("{name}.new")));
        fs::write(&fresh, content)?;
        fs::rename(&fresh, &path)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Resident memory of a process, in KiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub now: u64,
    /// The most that it ever was.
    pub peak: u64,
}

static STARTED: AtomicU64 = AtomicU64::new(0);
static STARTING: AtomicU64 = AtomicU64::new(0);
static SPENT: AtomicU64 = AtomicU64::new(0);

/// What all Envoys of this process have cost so far, those that ran to the end.
#[derive(Debug, Clone, Copy)]
pub struct Costs {
    pub started: u64,
    /// What of the processor's time they had had when they served, in milliseconds.
    pub until_ready: u64,
    /// What they had had when they were stopped.
    pub until_stopped: u64,
}

impl Costs {
    pub fn so_far() -> Self {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Self { started: read(&STARTED), until_ready: read(&STARTING), until_stopped: read(&SPENT) }
    }
}

/// Envoy's process, which ends with the last that holds it.
#[derive(Debug)]
struct Process {
    func_e: Mutex<Child>,
    id: u32,
    admin: SocketAddr,
    log: PathBuf,
}

/// A running Envoy, or the listeners of one that others share.
#[derive(Debug)]
pub struct Envoy {
    process: Arc<Process>,
    listeners: BTreeMap<String, SocketAddr>,
    pub scratch: Scratch,
}

/// An Envoy to which listeners come while it runs. Its start takes seconds of the processor's time, since V8 compiles the
/// whole plugin; one listener more takes none of that.
#[derive(Debug)]
pub struct Shared {
    process: Arc<Process>,
    /// All listeners that it has, as the file says that Envoy watches.
    told: Mutex<Vec<Value>>,
    scratch: Scratch,
}

/// The file with the listeners of a [`Shared`] Envoy.
const LISTENERS: &str = "listeners.json";

impl Shared {
    /// Starts Envoy with a bootstrap's clusters, and none of its listeners.
    ///
    /// # Errors
    /// What Envoy complained of, if it ends instead.
    pub fn start(tools: &Tools, bootstrap: &Bootstrap, key: &str) -> Result<Self, String> {
        let scratch = Scratch::new().map_err(|error| error.to_string())?;
        let (bootstrap, _) = bootstrap.clone().with_listener_discovery(&scratch.path().join(LISTENERS));
        listeners_in(&scratch, &[])?;
        let Envoy { process, scratch, .. } = Envoy::start(tools, scratch, &bootstrap, Some(key))?;
        Ok(Self { process, told: Mutex::default(), scratch })
    }

    /// Adds a bootstrap's listeners, and waits until they are there.
    ///
    /// # Errors
    /// What Envoy complained of, if it takes them not.
    pub fn join(&self, scratch: Scratch, bootstrap: &Bootstrap) -> Result<Envoy, String> {
        let (_, mut discovered) = bootstrap.clone().with_listener_discovery(Path::new(LISTENERS));
        let listeners = discovered["resources"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // Each is known to Envoy by a number and its own name.
        let number = told.len();
        let own = |name: &str| name.strip_prefix(&format!("{number}/")).map(str::to_owned);
        let count = listeners.len();
        told.extend(listeners.into_iter().map(|mut listener| {
            listener["name"] = format!("{number}/{}", listener["name"].as_str().unwrap_or_default()).into();
            listener
        }));
        listeners_in(&self.scratch, &told)?;
        let begun = Instant::now();
        while begun.elapsed() < START {
            if let Some(status) = self.process.ended() {
                return Err(format!("Envoy ended ({status})\n{}", self.process.complaints()));
            }
            // While V8 compiles the first one's plugin, the admin interface answers nobody.
            let (_, known) = self.process.get("/listeners?format=json").unwrap_or_default();
            let listeners: BTreeMap<String, SocketAddr> =
                addresses(&known).into_iter().filter_map(|(name, address)| Some((own(&name)?, address))).collect();
            if listeners.len() == count {
                return Ok(Envoy { process: Arc::clone(&self.process), listeners, scratch });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("Envoy does not take the listeners\n{}", self.process.complaints()))
    }
}

/// Says which listeners there are.
fn listeners_in(scratch: &Scratch, listeners: &[Value]) -> Result<(), String> {
    let response = serde_json::json!({"resources": listeners});
    scratch.write(LISTENERS, &response.to_string()).map(drop).map_err(|error| error.to_string())
}

impl Process {
    /// Waits until it serves.
    fn wait(&mut self, admin: &Path) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < START {
            if let Some(status) = self.ended() {
                return Err(format!("Envoy ended ({status})"));
            }
            if self.admin.port() == 0 {
                if let Some(address) = fs::read_to_string(admin).ok().and_then(|text| text.trim().parse().ok()) {
                    self.admin = address;
                }
            } else if self.get("/ready").is_some_and(|(status, _)| status == 200) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("Envoy did not get ready".to_owned())
    }

    /// How it ended, if it did.
    fn ended(&self) -> Option<ExitStatus> {
        self.func_e.lock().unwrap_or_else(PoisonError::into_inner).try_wait().ok().flatten()
    }

    /// Envoy's own id: func-e's child.
    fn pid(&self) -> Option<u32> {
        // A child belongs to the thread that started it.
        let threads = fs::read_dir(format!("/proc/{}/task", self.id)).ok()?.filter_map(Result::ok);
        let of_thread = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children")).ok();
        let children = threads.filter_map(of_thread).collect::<Vec<_>>().join(" ");
        children.split_whitespace().next()?.parse().ok()
    }

    /// What it has had of the processor's time, where the system tells.
    fn milliseconds(&self) -> u64 {
        self.pid().and_then(processor_time).map_or(0, |seconds| (seconds * 1000.0) as u64)
    }

    /// Asks the admin interface: status and body.
    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut socket = TcpStream::connect(self.admin).ok()?;
        socket.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(socket, "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).ok()?;
        let answer = client::read_http1(&answer, false);
        Some((answer.status, String::from_utf8_lossy(&answer.body).into_owned()))
    }

    /// What Envoy has logged as a warning or worse.
    fn complaints(&self) -> String {
        let log = self.log();
        let loud = |line: &&str| ["[warning]", "[error]", "[critical]"].iter().any(|level| line.contains(level));
        log.lines().filter(loud).collect::<Vec<_>>().join("\n")
    }

    fn log(&self) -> String {
        fs::read(&self.log).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }
}

impl Envoy {
    /// Starts Envoy and waits until it serves.
    ///
    /// # Errors
    /// What Envoy complained of, if it ends instead.
    pub fn start(tools: &Tools, scratch: Scratch, bootstrap: &Bootstrap, key: Option<&str>) -> Result<Self, String> {
        Self::start_with(tools, scratch, bootstrap, key, 1)
    }

    /// Starts Envoy with so many workers and waits until it serves.
    ///
    /// # Errors
    /// What Envoy complained of, if it ends instead.
    pub fn start_with(
        tools: &Tools,
        scratch: Scratch,
        bootstrap: &Bootstrap,
        key: Option<&str>,
        workers: u32,
    ) -> Result<Self, String> {
        let key = key.map(|key| ("FIELDGATE_KEY", key));
        Self::start_keyed(tools, scratch, bootstrap, key.as_slice(), workers)
    }

    /// Starts Envoy with keys under the names of their environment variables, and waits until it serves.
    ///
    /// # Errors
    /// What Envoy complained of, if it ends instead.
    pub fn start_keyed(
        tools: &Tools,
        scratch: Scratch,
        bootstrap: &Bootstrap,
        keys: &[(&str, &str)],
        workers: u32,
    ) -> Result<Self, String> {
        let home = scratch.path();
        let config = scratch.write("envoy.json", &bootstrap.text()).map_err(|error| error.to_string())?;
        let (log, admin) = (home.join("envoy.log"), home.join("admin"));
        let output = File::create(&log).map_err(|error| error.to_string())?;
        let mut command = Command::new(&tools.func_e);
        command
            .arg("run")
            .arg("-c")
            .arg(config)
            .arg("--admin-address-path")
            .arg(&admin)
            // Two Envoys at once are strangers to each other; one worker is the cheapest to start.
            .args(["--disable-hot-restart", "--concurrency", &workers.to_string(), "--log-level", "info"])
            // By default Envoy writes its access log each ten seconds.
            .args(["--file-flush-interval-msec", "100"])
            .env("ENVOY_PATH", &tools.envoy)
            .envs(["CONFIG_HOME", "DATA_HOME", "STATE_HOME", "RUNTIME_DIR"].map(|dir| (format!("FUNC_E_{dir}"), home)))
            .env_remove("FIELDGATE_KEY")
            .env("ENVOY_DYNAMIC_MODULES_SEARCH_PATH", &tools.modules)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(|error| error.to_string())?)
            .envs(keys.iter().copied())
            .stderr(output);
        let func_e = command.spawn().map_err(|error| format!("{}: {error}", tools.func_e.display()))?;
        STARTED.fetch_add(1, Ordering::Relaxed);
        let id = func_e.id();
        let none = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut process = Process { func_e: Mutex::new(func_e), id, admin: none, log };
        process.wait(&admin).map_err(|error| format!("{error}\n{}", process.complaints()))?;
        STARTING.fetch_add(process.milliseconds(), Ordering::Relaxed);
        let (_, listeners) = process.get("/listeners?format=json").ok_or("the admin interface is silent")?;
        Ok(Self { listeners: addresses(&listeners), process: Arc::new(process), scratch })
    }

    /// Where the listener of that name listens.
    pub fn listener(&self, name: &str) -> SocketAddr {
        self.listeners[name]
    }

    /// The id of Envoy's process.
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// What the process has of the machine's memory, where the system tells.
    pub fn memory(&self) -> Option<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()?)).ok()?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()
        };
        Some(Memory { now: kib("VmRSS:")?, peak: kib("VmHWM:")? })
    }

    /// Whether the process is still there.
    pub fn is_running(&self) -> bool {
        self.process.ended().is_none()
    }

    /// Where the admin interface listens.
    pub fn admin(&self) -> SocketAddr {
        self.process.admin
    }

    /// Asks the admin interface: status and body.
    pub fn admin_get(&self, path: &str) -> Option<(u16, String)> {
        self.process.get(path)
    }

    /// A counter or gauge, 0 if Envoy has none of that name.
    pub fn stat(&self, name: &str) -> u64 {
        let (_, text) = self.admin_get(&format!("/stats?filter=^{name}$")).unwrap_or_default();
        text.trim().rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    /// What Envoy has logged as a warning or worse.
    pub fn complaints(&self) -> String {
        self.process.complaints()
    }

    /// The whole lines of its access log so far: of one that is being written a part may be there.
    pub fn access_log(&self) -> Vec<String> {
        let log = fs::read(self.scratch.access_log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        log.rsplit_once('\n').map_or("", |(whole, _)| whole).lines().map(str::to_owned).collect()
    }

    /// The access log's lines about the requests with these ids, as soon as all are written; `None` for those of which none
    /// has come by then: a request that is none to Envoy has no id.
    pub fn lines_of(&self, ids: &[String], patience: Duration) -> Vec<Option<String>> {
        let begun = Instant::now();
        loop {
            let mut lines: HashMap<String, String> = HashMap::new();
            for line in self.access_log() {
                if let Some(id) = line.split(' ').nth(1) {
                    lines.insert(id.to_owned(), line);
                }
            }
            let found: Vec<Option<String>> = ids.iter().map(|id| lines.remove(id)).collect();
            if found.iter().all(Option::is_some) || begun.elapsed() > patience {
                return found;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// All that Envoy has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

impl Drop for Process {
    /// Asks func-e to stop Envoy, and insists after a while.
    fn drop(&mut self) {
        SPENT.fetch_add(self.milliseconds(), Ordering::Relaxed);
        let func_e = self.func_e.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = i32::try_from(func_e.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let begun = Instant::now();
        while matches!(func_e.try_wait(), Ok(None)) {
            if begun.elapsed() > STOP {
                let _ = func_e.kill();
                let _ = func_e.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The decision record in a line of the access log, if there is one.
///
/// # Errors
/// If what looks like one is no JSON.
pub fn record_in(line: &str) -> Result<Option<Value>, String> {
    let Some((_, record)) = line.find("{\"fieldgate\":1").and_then(|at| line.split_at_checked(at)) else {
        return Ok(None);
    };
    serde_json::from_str(record).map(Some).map_err(|fault| format!("{fault}: {line}"))
}

/// Seconds of processor time that a process has had, where the system tells: exactly, as the sum of what its threads have
/// had (those that have ended are lost), or in ticks where the scheduler keeps no account.
pub fn processor_time(pid: u32) -> Option<f64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let spent = |thread: fs::DirEntry| -> Option<f64> {
        let stat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        Some(stat.split_whitespace().next()?.parse::<f64>().ok()? / 1e9)
    };
    // A thread that ends meanwhile has no account: that must not make this sample, and not the next one, one of ticks.
    let accounts: Vec<f64> = threads.flatten().filter_map(spent).collect();
    if accounts.is_empty() { processor_ticks(pid) } else { Some(accounts.iter().sum()) }
}

fn processor_ticks(pid: u32) -> Option<f64> {
    let tick = rustix::param::clock_ticks_per_second();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the program's name, which may hold anything: user and system time are the 12th and 13th.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / tick as f64)
}

/// Name and address of each listener, from `/listeners?format=json`.
fn addresses(listeners: &str) -> BTreeMap<String, SocketAddr> {
    let listeners: Value = serde_json::from_str(listeners).unwrap_or_default();
    let statuses = listeners["listener_statuses"].as_array().cloned().unwrap_or_default();
    let entry = |status: &Value| {
        let socket = &status["local_address"]["socket_address"];
        let port = u16::try_from(socket["port_value"].as_u64()?).ok()?;
        Some((status["name"].as_str()?.to_owned(), SocketAddr::from(([127, 0, 0, 1], port))))
    };
    statuses.iter().filter_map(entry).collect()
}
