//! What stands around the gateway: the API, the place from which the plugin is fetched, and callers.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Where the rows' Gateway listens. In a network of its own any port is free.
pub(super) const GATEWAY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8888);
pub(super) const API: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);
pub(super) const FILES: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5056);

/// How long a gateway may take for something on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(240);

/// How long rows that must see nothing look.
pub(super) const LOOK: Duration = Duration::from_secs(15);

/// What no caller may see.
pub(super) const MARKER: &str = "WITHHELD-4711";

/// What a caller with `care.read` gets of an account.
pub(super) const FILTERED: &str = r#"{"status":"active"}"#;

/// Status, content type and body.
type Response = (u16, &'static str, Vec<u8>);

/// Answers every request by its path.
pub(super) fn serve(address: SocketAddr, answer: impl Fn(&str) -> Response + Send + Sync + 'static) {
    let listener = TcpListener::bind(address).expect("a port of this network");
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                // Whoever leaves in the midst of it leaves.
                let _ = respond(stream, &*answer);
            });
        }
    });
}

fn respond(mut stream: TcpStream, answer: &dyn Fn(&str) -> Response) -> std::io::Result<()> {
    loop {
        let Some(head) = read_head(&mut stream)? else { return Ok(()) };
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let (status, kind, body) = answer(&path);
        write!(stream, "HTTP/1.1 {status} Status\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len())?;
        if !head.starts_with("HEAD") {
            stream.write_all(&body)?;
        }
    }
}

fn read_head(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.extend_from_slice(&byte);
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

/// Starts the API: an account with a field that no scope sees.
pub(super) fn start_api(address: SocketAddr) {
    serve(address, |_| {
        let body = format!(r#"{{"status":"active","pin":"{MARKER}"}}"#);
        (200, "application/json", body.into_bytes())
    });
}

/// What one request got: the status, or 0 without an answer, and the body.
pub(super) fn ask(path: &str, token: Option<&str>) -> (u16, String) {
    ask_at(GATEWAY, path, token)
}

/// As [`ask`], of another server.
pub(super) fn ask_at(server: SocketAddr, path: &str, token: Option<&str>) -> (u16, String) {
    asked(server, path, token).unwrap_or_default()
}

/// What another server has at a path.
pub(super) fn found_at(server: SocketAddr, path: &str) -> Result<String, String> {
    match ask_at(server, path, None) {
        (200, body) => Ok(body),
        other => Err(format!("{path}: {other:?}")),
    }
}

/// Waits for a filtered answer.
pub(super) fn filters(token: &str) -> Result<(), String> {
    let expected = (200, FILTERED.to_owned());
    if within(PATIENCE, || ask("/accounts/42", Some(token)) == expected) {
        Ok(())
    } else {
        Err(format!("no filtered answer; the last was {:?}", ask("/accounts/42", Some(token))))
    }
}

fn asked(server: SocketAddr, path: &str, token: Option<&str>) -> Option<(u16, String)> {
    let wait = Duration::from_secs(10);
    let mut stream = TcpStream::connect_timeout(&server, wait).ok()?;
    stream.set_read_timeout(Some(wait)).ok()?;
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: api.example\r\n{token}connection: close\r\n\r\n").ok()?;
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    // What came before a reset counts. Envoy closes a second later than it could.
    while let Ok(more @ 1..) = stream.read(&mut part) {
        all.extend_from_slice(&part[..more]);
        if is_whole(&String::from_utf8_lossy(&all)) {
            break;
        }
    }
    let text = String::from_utf8_lossy(&all);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = if is_in_chunks(head) { joined(body) } else { body.to_owned() };
    Some((status, body))
}

fn is_in_chunks(head: &str) -> bool {
    head.lines().any(|line| line.eq_ignore_ascii_case("transfer-encoding: chunked"))
}

/// What chunks hold (RFC 9112 §7.1). The rows' bodies have no line ends.
fn joined(chunks: &str) -> String {
    chunks.split("\r\n").skip(1).step_by(2).collect()
}

/// Whether a response has as much body as it says.
fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    if is_in_chunks(head) {
        return body.ends_with("0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

/// What watchers saw: how often each status came, and how many answers held what is withheld.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    pub(super) statuses: std::collections::BTreeMap<u16, u32>,
    pub(super) leaked: u32,
    pub(super) asked: u32,
}

impl Seen {
    /// No answer held what is withheld.
    pub(super) fn closed(&self) -> Result<(), String> {
        if self.leaked == 0 && self.asked > 50 { Ok(()) } else { Err(format!("{self:?}")) }
    }

    /// As [`Seen::closed`], and each answer had this status.
    pub(super) fn only(&self, status: u16) -> Result<(), String> {
        self.closed()?;
        if self.statuses.keys().eq([&status]) { Ok(()) } else { Err(format!("{self:?}")) }
    }

    /// Nobody has got anything of the API's.
    pub(super) fn nothing(&self) -> Result<(), String> {
        self.closed()?;
        if self.statuses.contains_key(&200) { Err(format!("{self:?}")) } else { Ok(()) }
    }
}

/// Callers that ask all the while, until they are told to stop.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    callers: Vec<JoinHandle<()>>,
}

impl Watch {
    /// `tokens` are the callers: one asks with each, all in turn with a rest of `pause`.
    pub(super) fn start(path: &'static str, tokens: Vec<Option<String>>, pause: Duration) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let caller = |token: Option<String>| {
            let (stop, seen) = (Arc::clone(&stop), Arc::clone(&seen));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let (status, body) = ask(path, token.as_deref());
                    let mut seen = seen.lock().unwrap();
                    *seen.statuses.entry(status).or_default() += 1;
                    seen.leaked += u32::from(body.contains(MARKER));
                    seen.asked += 1;
                    drop(seen);
                    thread::sleep(pause);
                }
            })
        };
        let callers = tokens.into_iter().map(caller).collect();
        Self { stop, seen, callers }
    }

    /// One caller with a token and one without.
    pub(super) fn two(token: &str) -> Self {
        Self::start("/accounts/42", vec![Some(token.to_owned()), None], Duration::from_millis(10))
    }

    pub(super) fn so_far(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        for caller in self.callers {
            caller.join().expect("a caller");
        }
        self.seen.lock().unwrap().clone()
    }
}

/// Waits until it holds, at most so long; whether it did.
pub(super) fn within(patience: Duration, holds: impl FnMut() -> bool) -> bool {
    looked(patience, Duration::from_millis(100), holds)
}

/// [`within`] for what may hold for a moment only: it is looked at a hundred times a second.
pub(super) fn often(patience: Duration, holds: impl FnMut() -> bool) -> bool {
    looked(patience, Duration::from_millis(10), holds)
}

fn looked(patience: Duration, pause: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < patience {
        if holds() {
            return true;
        }
        thread::sleep(pause);
    }
    false
}
