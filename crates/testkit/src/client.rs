//! Clients that keep every byte they were sent, over HTTP/1 and over HTTP/2.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::http1::{self, Body, Field, Parsed};
use super::upstream::{fields, header_map};

/// Longer than anything that works takes; what is not there by then hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Long enough for a byte that spills over the end of a response to arrive.
const QUIET: Duration = Duration::from_millis(50);

/// The protocol of one side of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// A request to send.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub fields: Vec<Field>,
    pub body: Vec<u8>,
}

impl Request {
    /// The host that is asked for: the field `host`, else the tests' own.
    pub fn authority(&self) -> String {
        let named = self.fields.iter().find(|(name, _)| name == HOST);
        named.map_or_else(|| "api.example".to_owned(), |(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    /// The other fields: in HTTP/2 the host is no field.
    pub fn fields_but_host(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|(name, _)| name != HOST)
    }
}

const HOST: &str = "host";

/// How a response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As its framing says.
    Complete,
    /// Before: the connection was cut, or the stream reset.
    Cut,
    /// Not at all.
    Hung,
}

/// What a client was sent.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 0 if no final status came.
    pub status: u16,
    pub fields: Vec<Field>,
    pub body: Vec<u8>,
    pub trailers: Vec<Field>,
    pub end: End,
    /// Every byte that was on the connection.
    pub wire: Vec<u8>,
    /// What no sound server sends: bytes after the end, a head that cannot be read.
    pub fault: Option<String>,
}

impl Answer {
    fn empty(end: End) -> Self {
        let (fields, body, trailers, wire) = Default::default();
        Self { status: 0, fields, body, trailers, end, wire, fault: None }
    }

    /// The values of a field, as text, in order.
    pub fn values(&self, name: &str) -> Vec<String> {
        let of_name = self.fields.iter().filter(|(field, _)| field == name);
        of_name.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// All that reached the client, decoded and as it was on the wire: where no marker may be.
    pub fn everything(&self) -> Vec<u8> {
        let mut all = self.wire.clone();
        all.push(b'\n');
        for (name, value) in self.fields.iter().chain(&self.trailers) {
            all.extend_from_slice(name.as_bytes());
            all.extend_from_slice(b": ");
            all.extend_from_slice(value);
            all.push(b'\n');
        }
        all.extend_from_slice(&self.body);
        all
    }
}

/// Sends a request on a connection of its own.
pub async fn ask(address: SocketAddr, protocol: Protocol, request: &Request) -> Answer {
    match protocol {
        Protocol::Http1 => ask_http1(address, request).await,
        Protocol::Http2 => ask_http2(address, request).await,
    }
}

/// The bytes of an HTTP/1.1 request. `connection: close` makes the server end the connection after its response, so that
/// bytes that spill over the end of the response are seen.
pub fn http1_bytes(request: &Request) -> Vec<u8> {
    let mut last = request.clone();
    last.fields.push(("connection".to_owned(), b"close".to_vec()));
    http1_message(&last)
}

fn http1_message(request: &Request) -> Vec<u8> {
    let authority = request.authority();
    let mut bytes = format!("{} {} HTTP/1.1\r\nhost: {authority}\r\n", request.method, request.path).into_bytes();
    for (name, value) in request.fields_but_host() {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
    if !request.body.is_empty() {
        bytes.extend_from_slice(format!("content-length: {}\r\n", request.body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&request.body);
    bytes
}

async fn ask_http1(address: SocketAddr, request: &Request) -> Answer {
    let mut wire = Vec::new();
    let exchange = async {
        let mut socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        socket.write_all(&http1_bytes(request)).await?;
        let no_body = request.method == "HEAD";
        loop {
            match tokio::time::timeout(QUIET, socket.read_buf(&mut wire)).await {
                Ok(read) => {
                    if read? == 0 {
                        return io::Result::Ok(());
                    }
                }
                // Envoy keeps some connections for a second after its reply, unless the client ends first.
                Err(_) if read_http1(&wire, no_body).end == End::Complete => {
                    socket.shutdown().await?;
                    while socket.read_buf(&mut wire).await? > 0 {}
                    return Ok(());
                }
                Err(_) => {}
            }
        }
    };
    let hung = tokio::time::timeout(PATIENCE, exchange).await.is_err();
    let mut answer = read_http1(&wire, request.method == "HEAD");
    if hung {
        answer.end = End::Hung;
    }
    answer.wire = wire;
    answer
}

/// Reads all of a connection's bytes as one response, after any 1xx.
pub fn read_http1(bytes: &[u8], no_body: bool) -> Answer {
    let (mut answer, rest) = read_first(bytes, no_body);
    if answer.fault.is_none() && !rest.is_empty() {
        answer.fault = Some(format!("{} bytes after the response", rest.len()));
    }
    answer
}

/// Reads the first response of a connection's bytes, after any 1xx, and what follows it.
fn read_first(mut bytes: &[u8], no_body: bool) -> (Answer, &[u8]) {
    let mut answer = Answer::empty(End::Cut);
    let head = loop {
        match http1::head(bytes) {
            Parsed::Done(head, length) => {
                bytes = &bytes[length..];
                match head.status() {
                    Some(100..200) => {}
                    Some(status) => {
                        answer.status = status;
                        break head;
                    }
                    None => {
                        answer.fault = Some(format!("no status line: {}", head.start));
                        return (answer, &[]);
                    }
                }
            }
            Parsed::More => return (answer, &[]),
            Parsed::Wrong(wrong) => {
                answer.fault = Some(wrong);
                return (answer, &[]);
            }
        }
    };
    answer.fields.clone_from(&head.fields);
    let lengths: Vec<_> = head.values("content-length").collect();
    let is_chunked = head.values("transfer-encoding").any(|value| value == b"chunked");
    if is_chunked && !lengths.is_empty() {
        answer.fault = Some("both content-length and transfer-encoding".to_owned());
    }
    if no_body || matches!(answer.status, 204 | 304) {
        answer.end = End::Complete;
    } else if is_chunked {
        let mut body = Body::default();
        match http1::chunked(bytes, &mut body) {
            Parsed::Done((), length) => {
                bytes = &bytes[length..];
                answer.end = End::Complete;
            }
            Parsed::More => bytes = &[],
            Parsed::Wrong(wrong) => answer.fault = Some(wrong),
        }
        (answer.body, answer.trailers) = (body.bytes, body.trailers);
    } else {
        let length = match lengths.as_slice() {
            [length] => std::str::from_utf8(length).ok().and_then(|text| text.parse().ok()),
            _ => None,
        };
        let Some(length) = length else {
            answer.fault = Some("neither one content-length nor chunked".to_owned());
            return (answer, &[]);
        };
        answer.body = bytes[..bytes.len().min(length)].to_vec();
        answer.end = if bytes.len() < length { End::Cut } else { End::Complete };
        bytes = &bytes[answer.body.len()..];
    }
    (answer, bytes)
}

/// Sends requests one behind the other on one connection of HTTP/1, before any of them is answered, and reads the answers in
/// order. A response that is cut ends the connection: those after it have no status.
pub async fn ask_in_a_row(address: SocketAddr, requests: &[Request]) -> Vec<Answer> {
    let mut wire = Vec::new();
    let mut answers = Vec::new();
    let exchange = async {
        let mut socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let (last, first) = requests.split_last().expect("requests");
        let all: Vec<u8> = first.iter().map(http1_message).chain([http1_bytes(last)]).flatten().collect();
        socket.write_all(&all).await?;
        while answers.len() < requests.len() {
            let is_over = socket.read_buf(&mut wire).await? == 0;
            loop {
                let is_head = requests.get(answers.len()).is_some_and(|request| request.method == "HEAD");
                let (mut answer, rest) = read_first(&wire, is_head);
                if answer.end != End::Complete || answers.len() == requests.len() {
                    break;
                }
                answer.wire = wire[..wire.len() - rest.len()].to_vec();
                wire.drain(..answer.wire.len());
                answers.push(answer);
            }
            if is_over {
                break;
            }
        }
        io::Result::Ok(())
    };
    let hung = tokio::time::timeout(PATIENCE, exchange).await.is_err();
    if answers.len() < requests.len() {
        let (mut answer, _) = read_first(&wire, false);
        answer.end = if hung { End::Hung } else { End::Cut };
        answer.wire = wire;
        answers.push(answer);
    } else if !wire.is_empty()
        && let Some(last) = answers.last_mut()
    {
        last.fault = Some(format!("{} bytes after the last response", wire.len()));
        last.wire.extend_from_slice(&wire);
    }
    answers.resize(requests.len(), Answer::empty(End::Cut));
    answers
}

/// Sends requests at once on one connection of HTTP/2, each with how long its caller stays at most. `None` for who left. What was
/// on the connection is nobody's alone, and is not kept.
pub async fn ask_together(address: SocketAddr, requests: Vec<(Request, Option<Duration>)>) -> Vec<Option<Answer>> {
    let opened = async {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(h2::client::handshake(socket).await?)
    };
    let Ok((client, connection)) = opened.await else {
        return requests.iter().map(|_| Some(Answer::empty(End::Cut))).collect();
    };
    let connection = tokio::spawn(connection);
    let asked: Vec<_> = requests
        .into_iter()
        .map(|(request, stays)| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut answer = Answer::empty(End::Hung);
                let stay = stays.unwrap_or(PATIENCE);
                match tokio::time::timeout(stay, stream_http2(&client, &request, &mut answer)).await {
                    Ok(Ok(())) => answer.end = End::Complete,
                    Ok(Err(_)) => answer.end = End::Cut,
                    // Its stream is reset: the others go on.
                    Err(_) if stays.is_some() => return None,
                    Err(_) => {}
                }
                Some(answer)
            })
        })
        .collect();
    let mut answers = Vec::new();
    for asked in asked {
        answers.push(asked.await.unwrap());
    }
    connection.abort();
    answers
}

async fn ask_http2(address: SocketAddr, request: &Request) -> Answer {
    let wire = Arc::new(Mutex::new(Vec::new()));
    let mut answer = Answer::empty(End::Hung);
    let exchange = exchange_http2(address, request, Arc::clone(&wire), &mut answer);
    match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(Ok(())) => answer.end = End::Complete,
        Ok(Err(_)) => answer.end = End::Cut,
        Err(_) => answer.end = End::Hung,
    }
    answer.wire = std::mem::take(&mut *wire.lock().unwrap());
    answer
}

async fn exchange_http2(
    address: SocketAddr,
    request: &Request,
    wire: Arc<Mutex<Vec<u8>>>,
    answer: &mut Answer,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let socket = Recorded { socket, wire };
    let (client, connection) = h2::client::handshake(socket).await?;
    let connection = tokio::spawn(connection);
    let outcome = stream_http2(&client, request, answer).await;
    connection.abort();
    outcome
}

async fn stream_http2(
    client: &h2::client::SendRequest<Bytes>,
    request: &Request,
    answer: &mut Answer,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut client = client.clone().ready().await?;
    let mut message = http::Request::builder()
        .method(request.method.as_str())
        .uri(format!("http://{}{}", request.authority(), request.path))
        .body(())?;
    *message.headers_mut() = header_map(request.fields_but_host().cloned().collect());
    let (response, mut body) = client.send_request(message, request.body.is_empty())?;
    if !request.body.is_empty() {
        body.send_data(request.body.clone().into(), true)?;
    }
    let response = response.await?;
    answer.status = response.status().as_u16();
    answer.fields = fields(response.headers());
    let mut body = response.into_body();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        answer.body.extend_from_slice(&piece);
        body.flow_control().release_capacity(piece.len())?;
    }
    if let Some(trailers) = body.trailers().await? {
        answer.trailers = fields(&trailers);
    }
    Ok(())
}

/// A connection that is kept for one request after the other.
pub enum Kept {
    Http1(TcpStream),
    Http2 { client: h2::client::SendRequest<Bytes>, connection: JoinHandle<()>, wire: Arc<Mutex<Vec<u8>>> },
}

impl Kept {
    pub async fn open(address: SocketAddr, protocol: Protocol) -> Result<Self, String> {
        let socket = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        socket.set_nodelay(true).map_err(|error| error.to_string())?;
        if protocol == Protocol::Http1 {
            return Ok(Self::Http1(socket));
        }
        let wire = Arc::<Mutex<_>>::default();
        let socket = Recorded { socket, wire: Arc::clone(&wire) };
        let (client, connection) = h2::client::handshake(socket).await.map_err(|error| error.to_string())?;
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self::Http2 { client, connection, wire })
    }

    /// Sends a request whose response has a body. Bytes that spilled over the response before are a fault of this one.
    pub async fn ask(&mut self, request: &Request) -> Answer {
        let mut answer = Answer::empty(End::Cut);
        match self {
            Self::Http1(socket) => {
                let exchange = async {
                    socket.write_all(&http1_message(request)).await?;
                    while answer.end != End::Complete {
                        let mut wire = std::mem::take(&mut answer.wire);
                        let is_over = socket.read_buf(&mut wire).await? == 0;
                        answer = read_http1(&wire, false);
                        answer.wire = wire;
                        if is_over {
                            break;
                        }
                    }
                    io::Result::Ok(())
                };
                let outcome = tokio::time::timeout(PATIENCE, exchange).await;
                match outcome {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => answer.fault = Some(error.to_string()),
                    Err(_) => answer.end = End::Hung,
                }
            }
            Self::Http2 { client, wire, .. } => {
                match tokio::time::timeout(PATIENCE, stream_http2(client, request, &mut answer)).await {
                    Ok(Ok(())) => answer.end = End::Complete,
                    Ok(Err(error)) => answer.fault = Some(error.to_string()),
                    Err(_) => answer.end = End::Hung,
                }
                answer.wire = std::mem::take(&mut *wire.lock().unwrap());
            }
        }
        answer
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Self::Http2 { connection, .. } = self {
            connection.abort();
        }
    }
}

/// A connection that keeps what it reads.
struct Recorded {
    socket: TcpStream,
    wire: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.socket).poll_read(context, buffer);
        self.wire.lock().unwrap().extend_from_slice(&buffer.filled()[before..]);
        outcome
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
