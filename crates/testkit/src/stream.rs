//! Long bodies: made as they are sent, read as they come.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::client::{Protocol, Request, http1_bytes};
use super::http1::{self, Field, Parsed};
use super::row::{Framing, lines};
use super::upstream::{Frame, Script, Step, fields, header_map};

/// Longer than a part of a body takes to come; what is not there by then hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A part of a body, as the upstream makes it.
#[derive(Debug, Clone)]
pub enum Part {
    /// These bytes, so many times.
    Bytes(Bytes, usize),
    /// Waits until the test says so.
    Gate(Arc<Notify>),
    /// The connection ends, or the stream is reset.
    Cut,
}

/// `200` with a JSON body of these parts, in a framing, for both protocols.
pub fn script(parts: &[Part], framing: Framing, trailers: &[Field]) -> Script {
    let mut head = vec![("content-type".to_owned(), b"application/json".to_vec())];
    let is_cut = parts.iter().any(|part| matches!(part, Part::Cut));
    if framing == Framing::Length {
        // A cut body promises more than comes.
        let length = parts.iter().map(Part::length).sum::<usize>() + usize::from(is_cut);
        head.push(("content-length".to_owned(), length.to_string().into_bytes()));
    }
    let trailers = if framing == Framing::Trailers { trailers } else { &[] };
    Script {
        http1: http1_steps(parts, framing, head.clone(), trailers),
        http2: http2_frames(parts, head, trailers),
        ..Script::default()
    }
}

impl Part {
    fn length(&self) -> usize {
        if let Self::Bytes(bytes, times) = self { bytes.len() * times } else { 0 }
    }
}

fn http1_steps(parts: &[Part], framing: Framing, mut fields: Vec<Field>, trailers: &[Field]) -> Vec<Step> {
    let is_chunked = framing != Framing::Length;
    if is_chunked {
        fields.push(("transfer-encoding".to_owned(), b"chunked".to_vec()));
    }
    let mut head = b"HTTP/1.1 200 As scripted\r\n".to_vec();
    lines(&mut head, &fields);
    let mut steps = vec![Step::Bytes(head)];
    for part in parts {
        steps.push(match part {
            Part::Bytes(bytes, times) if is_chunked => {
                let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
                Step::Repeat(chunk.into(), *times)
            }
            Part::Bytes(bytes, times) => Step::Repeat(bytes.clone(), *times),
            Part::Gate(gate) => Step::Gate(Arc::clone(gate)),
            Part::Cut => Step::Close,
        });
    }
    if is_chunked {
        let mut end = b"0\r\n".to_vec();
        lines(&mut end, trailers);
        steps.push(Step::Bytes(end));
    }
    steps
}

fn http2_frames(parts: &[Part], fields: Vec<Field>, trailers: &[Field]) -> Vec<Frame> {
    let mut frames = vec![Frame::Head { status: 200, fields, last: false }];
    for part in parts {
        frames.push(match part {
            Part::Bytes(bytes, times) => Frame::Repeat(bytes.clone(), *times),
            Part::Gate(gate) => Frame::Gate(Arc::clone(gate)),
            Part::Cut => {
                frames.push(Frame::Reset);
                return frames;
            }
        });
    }
    frames.push(if trailers.is_empty() {
        Frame::Data { bytes: Vec::new(), last: true }
    } else {
        Frame::Trailers(trailers.to_vec())
    });
    frames
}

/// What comes next of a body.
#[derive(Debug)]
pub enum Piece {
    Bytes(Bytes),
    /// The body is complete; trailers, if any, follow it.
    End(Vec<Field>),
    /// The connection was cut, or the stream reset.
    Cut(String),
}

/// A response whose head has come.
pub struct Coming {
    /// 0 if the connection ended before a head came.
    pub status: u16,
    pub fields: Vec<Field>,
    reader: Reader,
}

enum Reader {
    Http1 { socket: tokio::net::TcpStream, buffer: BytesMut, left: Left },
    Http2 { body: h2::RecvStream, unread: usize, connection: JoinHandle<()> },
    Ended(String),
}

/// How the end of an HTTP/1 body is found.
#[derive(Clone, Copy)]
enum Left {
    /// So many bytes are left.
    Length(usize),
    /// So many bytes of a chunk are left, its end of line included.
    Chunk(usize),
    /// A chunk's size comes next.
    Size,
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Self::Http2 { connection, .. } = self {
            connection.abort();
        }
    }
}

/// Sends a request on a connection of its own, whose receive buffer in the kernel is small, and waits for the head.
pub async fn open(address: SocketAddr, protocol: Protocol, request: &Request) -> Coming {
    let opened = async {
        match protocol {
            Protocol::Http1 => open_http1(address, request).await,
            Protocol::Http2 => open_http2(address, request).await,
        }
    };
    match tokio::time::timeout(PATIENCE, opened).await {
        Ok(Ok(coming)) => coming,
        Ok(Err(error)) => none(format!("no head: {error}")),
        Err(_) => none("no head: it hangs".to_owned()),
    }
}

fn none(why: String) -> Coming {
    Coming { status: 0, fields: Vec::new(), reader: Reader::Ended(why) }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connect(address: SocketAddr) -> std::io::Result<tokio::net::TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(64 << 10)?;
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

async fn open_http1(address: SocketAddr, request: &Request) -> Result<Coming, Failure> {
    let mut socket = connect(address).await?;
    socket.write_all(&http1_bytes(request)).await?;
    let mut buffer = BytesMut::new();
    let head = loop {
        match http1::head(&buffer) {
            Parsed::Done(head, length) => {
                buffer.advance(length);
                break head;
            }
            Parsed::More => {}
            Parsed::Wrong(wrong) => return Err(wrong.into()),
        }
        if socket.read_buf(&mut buffer).await? == 0 {
            return Err("the connection ended".into());
        }
    };
    let left = match head.text("content-length") {
        Some(length) => Left::Length(length.parse()?),
        None => Left::Size,
    };
    let status = head.status().ok_or("no status")?;
    Ok(Coming { status, fields: head.fields, reader: Reader::Http1 { socket, buffer, left } })
}

async fn open_http2(address: SocketAddr, request: &Request) -> Result<Coming, Failure> {
    let (client, connection) = h2::client::handshake(connect(address).await?).await?;
    let connection = tokio::spawn(async move {
        let _ = connection.await;
    });
    let mut client = client.ready().await?;
    let uri = format!("http://{}{}", request.authority(), request.path);
    let mut message = http::Request::builder().method(request.method.as_str()).uri(uri).body(())?;
    *message.headers_mut() = header_map(request.fields_but_host().cloned().collect());
    let (response, _) = client.send_request(message, true)?;
    let response = response.await?;
    let (status, fields) = (response.status().as_u16(), fields(response.headers()));
    let reader = Reader::Http2 { body: response.into_body(), unread: 0, connection };
    Ok(Coming { status, fields, reader })
}

impl Coming {
    /// What comes next. The peer may send more only as this is called.
    pub async fn next(&mut self) -> Piece {
        let next = async {
            match &mut self.reader {
                Reader::Http1 { socket, buffer, left } => next_http1(socket, buffer, left).await,
                Reader::Http2 { body, unread, .. } => next_http2(body, unread).await,
                Reader::Ended(why) => Err(why.clone().into()),
            }
        };
        match tokio::time::timeout(PATIENCE, next).await {
            Ok(Ok(piece)) => piece,
            Ok(Err(error)) => Piece::Cut(error.to_string()),
            Err(_) => panic!("the body hangs"),
        }
    }
}

async fn next_http1(
    socket: &mut tokio::net::TcpStream,
    buffer: &mut BytesMut,
    left: &mut Left,
) -> Result<Piece, Failure> {
    loop {
        match *left {
            Left::Length(0) => return Ok(Piece::End(Vec::new())),
            Left::Length(length) if !buffer.is_empty() => {
                let piece = buffer.split_to(buffer.len().min(length));
                *left = Left::Length(length - piece.len());
                return Ok(Piece::Bytes(piece.freeze()));
            }
            Left::Chunk(length @ 1..=2) if buffer.len() >= length => {
                buffer.advance(length);
                *left = Left::Size;
                continue;
            }
            Left::Chunk(length @ 3..) if !buffer.is_empty() => {
                let piece = buffer.split_to(buffer.len().min(length - 2));
                *left = Left::Chunk(length - piece.len());
                return Ok(Piece::Bytes(piece.freeze()));
            }
            Left::Size => {
                if let Some(line) = buffer.windows(2).position(|window| window == b"\r\n") {
                    let size = usize::from_str_radix(std::str::from_utf8(&buffer[..line])?, 16)?;
                    if size > 0 {
                        buffer.advance(line + 2);
                        *left = Left::Chunk(size + 2);
                        continue;
                    }
                    let mut end = http1::Body::default();
                    match http1::chunked(buffer, &mut end) {
                        Parsed::Done((), _) => return Ok(Piece::End(end.trailers)),
                        Parsed::More => {}
                        Parsed::Wrong(wrong) => return Err(wrong.into()),
                    }
                }
            }
            _ => {}
        }
        if socket.read_buf(buffer).await? == 0 {
            return Err("the connection ended".into());
        }
    }
}

async fn next_http2(body: &mut h2::RecvStream, unread: &mut usize) -> Result<Piece, Failure> {
    body.flow_control().release_capacity(std::mem::take(unread))?;
    Ok(match body.data().await {
        Some(piece) => {
            let piece = piece?;
            *unread = piece.len();
            Piece::Bytes(piece)
        }
        None => Piece::End(body.trailers().await?.as_ref().map(fields).unwrap_or_default()),
    })
}
