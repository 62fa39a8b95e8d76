//! A client that asks again and again on one connection, as a harvester does.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What came back.
pub struct Got {
    pub status: u16,
    /// The head's lines, in lower case.
    pub head: String,
    /// The body; `null` if it is not JSON.
    pub body: Value,
}

/// One request on a connection that stays open; `None` if the connection ends first.
pub async fn get(socket: &mut TcpStream, target: &str, token: &str) -> Option<Got> {
    let request = format!("GET {target} HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {token}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.ok()?;
    let mut input = Vec::new();
    let end = loop {
        if let Some(end) = memchr::memmem::find(&input, b"\r\n\r\n") {
            break end;
        }
        if socket.read_buf(&mut input).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&input[..end]).to_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = input.split_off(end + 4);
    match length.and_then(|length| length.trim().parse::<usize>().ok()) {
        Some(length) => {
            while body.len() < length {
                if socket.read_buf(&mut body).await.ok()? == 0 {
                    return None;
                }
            }
        }
        None => {
            while !body.ends_with(b"0\r\n\r\n") {
                if socket.read_buf(&mut body).await.ok()? == 0 {
                    return None;
                }
            }
            body = unchunk(&body);
        }
    }
    Some(Got { status, head, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = memchr::memmem::find(body, b"\r\n") {
        let size = usize::from_str_radix(&String::from_utf8_lossy(&body[..end]), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 2 + size + 2..];
    }
    whole
}
