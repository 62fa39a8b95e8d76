//! The rate limit service of Envoy's project with a Redis of its own, started and stopped with the value that stands for them.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::envoy::Scratch;

const START: Duration = Duration::from_secs(20);

/// A running rate limit service, whose configuration is a domain and nothing else.
pub struct Service {
    /// Where it answers calls, on this machine.
    pub port: u16,
    /// Redis, and the service.
    programs: Vec<Child>,
    _scratch: Scratch,
}

/// What of a rate limit service can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The store that it counts in.
    Redis,
    /// The service itself.
    Service,
}

impl Service {
    /// Starts Redis and the service; `None` where they are not installed, which CI does not allow.
    ///
    /// # Errors
    /// What keeps them from starting.
    pub fn start() -> Result<Option<Self>, String> {
        let project = crate::root();
        let pinned = fs::read_to_string(project.join("scripts/versions.env")).map_err(|error| error.to_string())?;
        let version = pinned.lines().find_map(|line| line.strip_prefix("RATELIMIT_VERSION=")).unwrap_or_default();
        let service = project.join(".tools/ratelimit").join(version).join("service_cmd");
        let redis = project.join(".tools/ratelimit/redis-server");
        if !service.exists() || !redis.exists() {
            let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
            return if is_ci { Err("run scripts/ratelimit.sh".to_owned()) } else { Ok(None) };
        }
        // A port that is free now may be taken in a moment: another is tried then.
        let mut last = String::new();
        for _ in 0..3 {
            match Self::try_start(&service, &redis) {
                Ok(started) => return Ok(Some(started)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn try_start(service: &Path, redis: &Path) -> Result<Self, String> {
        let scratch = Scratch::new().map_err(|error| error.to_string())?;
        let rules = scratch.path().join("ratelimit/config");
        fs::create_dir_all(&rules).map_err(|error| error.to_string())?;
        fs::write(rules.join("fieldgate.yaml"), "domain: fieldgate\n").map_err(|error| error.to_string())?;
        let socket = scratch.path().join("redis.sock");
        let run = |command: &mut Command| {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(|e| e.to_string())
        };
        let mut redis = Command::new(redis);
        redis.current_dir(scratch.path()).args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]);
        let mut programs = vec![run(redis.arg(&socket))?];
        let ports = [(); 3].map(|()| free_port());
        let [http, grpc, debug] = ports;
        let mut command = Command::new(service);
        command
            .current_dir(scratch.path())
            .envs([("USE_STATSD", "false"), ("REDIS_SOCKET_TYPE", "unix"), ("RUNTIME_SUBDIRECTORY", "ratelimit")])
            .envs([("RUNTIME_WATCH_ROOT", "false"), ("LOG_LEVEL", "error")])
            .envs([("HOST", "127.0.0.1"), ("GRPC_HOST", "127.0.0.1"), ("DEBUG_HOST", "127.0.0.1")])
            .env("REDIS_URL", &socket)
            .env("RUNTIME_ROOT", scratch.path())
            .env("PORT", http.to_string())
            .env("GRPC_PORT", grpc.to_string())
            .env("DEBUG_PORT", debug.to_string());
        wait(|| socket.exists())?;
        programs.push(run(&mut command)?);
        let mut started = Self { port: grpc, programs, _scratch: scratch };
        wait(|| std::net::TcpStream::connect(("127.0.0.1", grpc)).is_ok())?;
        // Where somebody else has taken a port, the service ends, and it was that one who accepted.
        std::thread::sleep(Duration::from_millis(100));
        match started.programs.iter_mut().all(|program| matches!(program.try_wait(), Ok(None))) {
            true => Ok(started),
            false => Err("a part of the rate limit service has ended".to_owned()),
        }
    }
}

impl Service {
    /// Ends a part of it at once, as a crash does: calls that are out are cut.
    pub fn kill(&mut self, part: Part) {
        if let Some(program) = self.programs.get_mut(part as usize) {
            let _ = program.kill();
            let _ = program.wait();
        }
    }

    /// Stops a part of it, or lets it go on: what is asked of it meanwhile waits.
    pub fn stop(&self, part: Part, stopped: bool) {
        use rustix::process::{Pid, Signal, kill_process};
        let signal = if stopped { Signal::STOP } else { Signal::CONT };
        let Some(id) = self.programs.get(part as usize).map(Child::id) else { return };
        if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
        if stopped {
            // On a busy machine it may still answer a moment later.
            let _ = wait(|| is_stopped(id));
        }
    }
}

/// Whether all threads of a process have stopped. Where there is no `/proc` nobody can tell, and they are taken to have.
fn is_stopped(process: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return true };
    // The state stands behind the program's name, which is in brackets and may hold any character.
    let has_stopped = |stat: String| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'));
    threads.flatten().all(|thread| fs::read_to_string(thread.path().join("stat")).is_ok_and(has_stopped))
}

impl Drop for Service {
    fn drop(&mut self) {
        for program in &mut self.programs {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).map_or(0, |address| address.port())
}

fn wait(mut ready: impl FnMut() -> bool) -> Result<(), String> {
    let begun = Instant::now();
    while begun.elapsed() < START {
        if ready() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err("the rate limit service did not get ready".to_owned())
}
