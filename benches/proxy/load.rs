//! An API that always answers the same, and clients that ask it as fast as they get answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// `/r`.
    Plain,
    /// `/r/1`, each time.
    Known,
    /// `/r/N`, of which no `N` comes twice.
    New,
}

impl Path {
    fn request(self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(2);
        let path = match self {
            Self::Plain => "/r".to_owned(),
            Self::Known => "/r/1".to_owned(),
            Self::New => format!("/r/{}", NEXT.fetch_add(1, Ordering::Relaxed)),
        };
        format!("GET {path} HTTP/1.1\r\nhost: api.example\r\n\r\n")
    }
}

/// The API. It ends with the runtime.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
}

impl Upstream {
    pub(crate) async fn start(body: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        let answer: Arc<[u8]> = [head.as_bytes(), body].concat().into();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&answer)));
            }
        });
        Self { address }
    }
}

async fn serve(mut socket: TcpStream, answer: Arc<[u8]>) {
    let _ = socket.set_nodelay(true);
    let mut request = Vec::new();
    loop {
        match socket.read_buf(&mut request).await {
            Ok(0) | Err(_) => return,
            // Envoy sends a request only when the one before has been answered.
            Ok(_) if request.ends_with(b"\r\n\r\n") => {
                request.clear();
                if socket.write_all(&answer).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
        }
    }
}

/// How often clients ask, over how many connections, and for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// In all: a multiple of the connections, or the rest is left out.
    pub(crate) requests: usize,
    pub(crate) connections: usize,
    pub(crate) path: Path,
}

/// Asks so many times: the last body.
pub(crate) async fn run(proxy: SocketAddr, load: Load) -> Option<Vec<u8>> {
    timed(proxy, load).await.0
}

/// Asks so many times: the last body, and how long each request took. No body if a request was not answered with 200.
pub(crate) async fn timed(proxy: SocketAddr, load: Load) -> (Option<Vec<u8>>, Vec<Duration>) {
    let Load { requests, connections, path } = load;
    let clients: Vec<_> = (0..connections).map(|_| tokio::spawn(client(proxy, requests / connections, path))).collect();
    let (mut bodies, mut times) = (Vec::with_capacity(connections), Vec::with_capacity(requests));
    for client in clients {
        let (body, taken) = client.await.unwrap();
        bodies.push(body);
        times.extend(taken);
    }
    let all: Option<Vec<Vec<u8>>> = bodies.into_iter().collect();
    (all.and_then(|mut all| all.pop()), times)
}

async fn client(proxy: SocketAddr, requests: usize, path: Path) -> (Option<Vec<u8>>, Vec<Duration>) {
    let mut times = Vec::with_capacity(requests);
    // A contender that is gone is a fault of its own: the others are measured on.
    let Ok(mut socket) = TcpStream::connect(proxy).await else { return (None, times) };
    socket.set_nodelay(true).unwrap();
    let mut bytes = Vec::with_capacity(256 << 10);
    for _ in 0..requests {
        let start = Instant::now();
        if socket.write_all(path.request().as_bytes()).await.is_err() {
            return (None, times);
        }
        bytes.clear();
        while !is_whole(&bytes) {
            // The caller says so, and ends its Envoy: a panic would leave it behind.
            if !matches!(socket.read_buf(&mut bytes).await, Ok(1..)) {
                return (None, times);
            }
        }
        times.push(start.elapsed());
        if !bytes.starts_with(b"HTTP/1.1 200") {
            eprintln!("{}", String::from_utf8_lossy(&bytes[..bytes.len().min(400)]));
            return (None, times);
        }
    }
    let last = split(&bytes).map(|(head, body)| if length(head).is_some() { body.to_vec() } else { dechunked(body) });
    (last, times)
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n")?;
    Some((&bytes[..end], &bytes[end + 4..]))
}

fn length(head: &[u8]) -> Option<usize> {
    // Envoy writes names in small letters, nginx does not.
    let at =
        [&b"content-length: "[..], b"Content-Length: "].iter().find_map(|name| memchr::memmem::find(head, name))?;
    let rest = &head[at + 16..];
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

fn is_whole(bytes: &[u8]) -> bool {
    split(bytes).is_some_and(|(head, body)| match length(head) {
        Some(length) => body.len() >= length,
        None => body.ends_with(b"\r\n0\r\n\r\n"),
    })
}

fn dechunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(line) = memchr::memmem::find(body, b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap(), 16).unwrap();
        whole.extend_from_slice(&body[line + 2..line + 2 + size]);
        body = &body[line + 4 + size..];
    }
    whole
}
