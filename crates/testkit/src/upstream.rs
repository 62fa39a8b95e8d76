//! An upstream that answers byte for byte as a script says, over HTTP/1 and over HTTP/2.
//!
//! A request says with [`SCRIPT`] which script answers it, by an id that [`Upstream::play`] gives: tests that run at the same
//! time share an upstream, and none may get what another one plays. What reached the upstream is kept with the script.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::http1::{self, Field, Parsed};

/// The request header that names the script.
pub const SCRIPT: &str = "x-script";

/// One thing that an HTTP/1 upstream does on its connection.
#[derive(Debug, Clone)]
pub enum Step {
    /// Sends these bytes, and nothing between them and the wire.
    Bytes(Vec<u8>),
    /// Sends these bytes so many times.
    Repeat(Bytes, usize),
    /// Waits.
    Pause(Duration),
    /// Waits until the test says so.
    Gate(Arc<Notify>),
    /// Ends the connection in order.
    Close,
    /// Ends it with a reset.
    Abort,
}

/// One thing that an HTTP/2 upstream does on its stream.
#[derive(Debug, Clone)]
pub enum Frame {
    /// HEADERS of a 1xx response.
    Informational { status: u16, fields: Vec<Field> },
    /// HEADERS.
    Head { status: u16, fields: Vec<Field>, last: bool },
    /// DATA.
    Data { bytes: Vec<u8>, last: bool },
    /// DATA, so many times.
    Repeat(Bytes, usize),
    /// Trailing HEADERS, which end the stream.
    Trailers(Vec<Field>),
    /// Waits.
    Pause(Duration),
    /// Waits until the test says so.
    Gate(Arc<Notify>),
    /// RST_STREAM.
    Reset,
}

/// What a request is answered with, in both protocols.
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub http1: Vec<Step>,
    pub http2: Vec<Frame>,
    /// How many bytes the peer's flow control has let go so far.
    pub sent: Arc<AtomicU64>,
}

impl Script {
    /// The script with a pause after each part, so that each is read by itself.
    pub fn paused(mut self, pause: Duration) -> Self {
        let steps = |step: Step| [step, Step::Pause(pause)];
        self.http1 = self.http1.into_iter().flat_map(steps).collect();
        let frames = |frame: Frame| [frame, Frame::Pause(pause)];
        self.http2 = self.http2.into_iter().flat_map(frames).collect();
        // Not behind the end: the connection is for the next request.
        self.http1.pop();
        self.http2.pop();
        self
    }
}

/// A request as it reached the upstream.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub method: String,
    pub path: String,
    pub fields: Vec<Field>,
}

#[derive(Default)]
struct Book {
    played: u64,
    scripts: HashMap<String, Arc<Script>>,
    arrived: HashMap<String, Arrived>,
}

/// Both listeners; they end with the runtime.
#[derive(Clone)]
pub struct Upstream {
    book: Arc<Mutex<Book>>,
    pub http1: SocketAddr,
    pub http2: SocketAddr,
}

impl Upstream {
    pub async fn start() -> std::io::Result<Self> {
        let (first, second) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let upstream = Self { book: Arc::default(), http1: first.local_addr()?, http2: second.local_addr()? };
        let book = Arc::clone(&upstream.book);
        tokio::spawn(async move {
            while let Ok((socket, _)) = first.accept().await {
                tokio::spawn(serve_http1(socket, Arc::clone(&book)));
            }
        });
        let book = Arc::clone(&upstream.book);
        tokio::spawn(async move {
            while let Ok((socket, _)) = second.accept().await {
                tokio::spawn(serve_http2(socket, Arc::clone(&book)));
            }
        });
        Ok(upstream)
    }

    /// Lets requests that name the id be answered by `script`. No other script ever has that id.
    pub fn play(&self, script: Script) -> String {
        let mut book = self.book.lock().unwrap();
        book.played += 1;
        let id = book.played.to_string();
        book.scripts.insert(id.clone(), Arc::new(script));
        id
    }

    /// Whether a request that names `id` has come.
    pub fn was_asked(&self, id: &str) -> bool {
        self.book.lock().unwrap().arrived.contains_key(id)
    }

    /// Forgets `id`; what of it reached the upstream, if anything did.
    pub fn forget(&self, id: &str) -> Option<Arrived> {
        let mut book = self.book.lock().unwrap();
        book.scripts.remove(id);
        book.arrived.remove(id)
    }
}

fn look_up(book: &Mutex<Book>, arrived: Arrived) -> Option<Arc<Script>> {
    let id = arrived.fields.iter().find(|(name, _)| name == SCRIPT)?;
    let id = String::from_utf8_lossy(&id.1).into_owned();
    let mut book = book.lock().unwrap();
    let script = book.scripts.get(&id).cloned();
    book.arrived.insert(id, arrived);
    script
}

async fn serve_http1(mut socket: TcpStream, book: Arc<Mutex<Book>>) {
    // Each step is a packet of its own, at once.
    let _ = socket.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Some(arrived) = read_http1(&mut socket, &mut buffer).await {
        let Some(script) = look_up(&book, arrived) else {
            let _ = socket.write_all(b"HTTP/1.1 599 No script\r\ncontent-length: 0\r\n\r\n").await;
            continue;
        };
        if play_http1(&mut socket, &script).await.is_none() {
            return;
        }
    }
}

/// The next request, its body read and forgotten; `None` when there is none.
async fn read_http1(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Arrived> {
    let head = loop {
        match http1::head(buffer) {
            Parsed::Done(head, length) => {
                buffer.drain(..length);
                break head;
            }
            Parsed::More => read_more(socket, buffer).await?,
            Parsed::Wrong(_) => return None,
        }
    };
    let length = head.text("content-length").and_then(|text| text.parse().ok()).unwrap_or(0_usize);
    while buffer.len() < length {
        read_more(socket, buffer).await?;
    }
    buffer.drain(..length);
    let mut words = head.start.split(' ').map(str::to_owned);
    Some(Arrived {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        fields: head.fields,
    })
}

async fn read_more(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    socket.read_buf(buffer).await.ok().filter(|count| *count > 0).map(drop)
}

/// Plays a script; `None` when the connection has ended with it.
async fn play_http1(socket: &mut TcpStream, script: &Script) -> Option<()> {
    for step in &script.http1 {
        match step {
            Step::Bytes(bytes) => {
                socket.write_all(bytes).await.ok()?;
                count(&script.sent, bytes.len());
                // A separate read on the other side is likely, not certain.
                let _ = socket.flush().await;
                tokio::task::yield_now().await;
            }
            Step::Repeat(bytes, times) => {
                for _ in 0..*times {
                    socket.write_all(bytes).await.ok()?;
                    count(&script.sent, bytes.len());
                }
            }
            Step::Pause(time) => tokio::time::sleep(*time).await,
            Step::Gate(gate) => gate.notified().await,
            Step::Close => return None,
            Step::Abort => {
                let _ = socket.set_zero_linger();
                return None;
            }
        }
    }
    Some(())
}

async fn serve_http2(socket: TcpStream, book: Arc<Mutex<Book>>) {
    let _ = socket.set_nodelay(true);
    let Ok(mut connection) = h2::server::handshake(socket).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let arrived = Arrived {
            method: request.method().to_string(),
            path: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            fields: fields(request.headers()),
        };
        let script = look_up(&book, arrived);
        tokio::spawn(async move {
            let missing = || Script {
                http2: vec![Frame::Head { status: 599, fields: Vec::new(), last: true }],
                ..Script::default()
            };
            let script = script.unwrap_or_else(|| Arc::new(missing()));
            let _ = play_http2(respond, &script).await;
            drop(request);
        });
    }
}

async fn play_http2(mut respond: h2::server::SendResponse<Bytes>, script: &Script) -> Result<(), h2::Error> {
    let mut stream = None;
    for frame in script.http2.iter().cloned() {
        match (frame, stream.as_mut()) {
            (Frame::Pause(time), _) => tokio::time::sleep(time).await,
            (Frame::Gate(gate), _) => gate.notified().await,
            (Frame::Informational { status, fields }, None) => respond.send_informational(head(status, fields))?,
            (Frame::Head { status, fields, last }, None) => {
                stream = Some(respond.send_response(head(status, fields), last)?);
            }
            (Frame::Data { bytes, last }, Some(stream)) => send_data(stream, bytes.into(), last, &script.sent).await?,
            (Frame::Repeat(bytes, times), Some(stream)) => {
                for _ in 0..times {
                    send_data(stream, bytes.clone(), false, &script.sent).await?;
                }
            }
            (Frame::Trailers(fields), Some(stream)) => stream.send_trailers(header_map(fields))?,
            (Frame::Reset, Some(stream)) => stream.send_reset(h2::Reason::INTERNAL_ERROR),
            (Frame::Reset, None) => respond.send_reset(h2::Reason::INTERNAL_ERROR),
            (frame, _) => panic!("a script sends {frame:?} out of order"),
        }
    }
    Ok(())
}

fn head(status: u16, fields: Vec<Field>) -> http::Response<()> {
    let mut response = http::Response::new(());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    *response.headers_mut() = header_map(fields);
    response
}

/// Sends one piece of a body as the peer's flow control lets it.
async fn send_data(
    stream: &mut h2::SendStream<Bytes>,
    mut bytes: Bytes,
    last: bool,
    sent: &AtomicU64,
) -> Result<(), h2::Error> {
    if bytes.is_empty() {
        return stream.send_data(bytes, last);
    }
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let Some(room) = std::future::poll_fn(|context| stream.poll_capacity(context)).await else { return Ok(()) };
        let piece = bytes.split_to(room?.min(bytes.len()));
        count(sent, piece.len());
        stream.send_data(piece, last && bytes.is_empty())?;
    }
    Ok(())
}

fn count(sent: &AtomicU64, bytes: usize) {
    sent.fetch_add(u64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
}

pub fn header_map(fields: Vec<Field>) -> HeaderMap {
    let name = |name: String| HeaderName::try_from(name).unwrap();
    fields.into_iter().map(|(key, value)| (name(key), HeaderValue::from_bytes(&value).unwrap())).collect()
}

pub fn fields(map: &HeaderMap) -> Vec<Field> {
    map.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}
