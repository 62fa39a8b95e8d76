//! An external processor (`envoy.service.ext_proc.v3`) that runs fieldgate's engine in a process of its own: gRPC over h2,
//! whole bodies in and out.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use fieldgate::json::Texts;
use fieldgate::program::View;
use fieldgate::rewrite::Rewriter;
use http::{HeaderMap, Response};
use prost::Message;
use tokio::net::TcpListener;

use fieldgate_benches::inputs;

/// Of `ProcessingRequest`, what is asked for.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, optional, tag = "5")]
    response_body: Option<HttpBody>,
}

#[derive(Clone, PartialEq, Message)]
struct HttpBody {
    #[prost(bytes = "bytes", tag = "1")]
    body: Bytes,
    #[prost(bool, tag = "2")]
    end_of_stream: bool,
}

/// Of `ProcessingResponse`, what is answered.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(message, optional, tag = "4")]
    response_body: Option<BodyResponse>,
}

#[derive(Clone, PartialEq, Message)]
struct BodyResponse {
    #[prost(message, optional, tag = "1")]
    response: Option<CommonResponse>,
}

#[derive(Clone, PartialEq, Message)]
struct CommonResponse {
    #[prost(message, optional, tag = "3")]
    body_mutation: Option<BodyMutation>,
}

#[derive(Clone, PartialEq, Message)]
struct BodyMutation {
    #[prost(bytes = "vec", tag = "1")]
    body: Vec<u8>,
}

/// The server's process, which ends with the value.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn start(input: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["ext-proc", input])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: line.trim().parse().unwrap() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until the process is ended.
pub(crate) fn serve(input: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let input = inputs::all(&[input.to_owned()]).remove(0);
    let view = Rc::clone(&input.bodies[0].1);
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        std::io::stdout().flush().unwrap();
        while let Ok((socket, _)) = listener.accept().await {
            let _ = socket.set_nodelay(true);
            let view = Rc::clone(&view);
            tokio::task::spawn_local(async move {
                let mut builder = h2::server::Builder::new();
                builder.initial_window_size(1 << 20).initial_connection_window_size(16 << 20);
                let mut connection = builder.handshake::<_, Bytes>(socket).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::task::spawn_local(process(request.into_body(), respond, Rc::clone(&view)));
                }
            });
        }
    });
}

/// One gRPC stream: for each whole body of a response, the filtered one.
async fn process(mut body: h2::RecvStream, mut respond: h2::server::SendResponse<Bytes>, view: Rc<View>) -> Option<()> {
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let mut stream = respond.send_response(head, false).ok()?;
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece.ok()?;
        body.flow_control().release_capacity(piece.len()).ok()?;
        bytes.extend_from_slice(&piece);
        while let Some(length) = bytes.get(1..5).map(|mut length| length.get_u32() as usize) {
            if bytes.len() < 5 + length {
                break;
            }
            bytes.advance(5);
            let request = Request::decode(bytes.split_to(length).freeze()).ok()?;
            let Some(part) = request.response_body else { continue };
            let mut filtered = Vec::new();
            let rewriter = Rewriter::new(Rc::clone(&view), Texts::One).push(&part.body, &mut filtered).ok()?;
            rewriter.finish(&mut filtered).ok()?;
            let body_mutation = Some(BodyMutation { body: filtered });
            let response = Some(CommonResponse { body_mutation });
            let answer = Answer { response_body: Some(BodyResponse { response }) }.encode_to_vec();
            let mut message = BytesMut::with_capacity(5 + answer.len());
            message.put_u8(0);
            message.put_u32(u32::try_from(answer.len()).ok()?);
            message.extend_from_slice(&answer);
            stream.send_data(message.freeze(), false).ok()?;
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().ok()?);
    stream.send_trailers(trailers).ok()
}
