//! A row: who asks for what, what the upstream answers, and what the caller must get. Its name is a claim.
//!
//! The row says nothing of framing. Whoever runs it multiplies it: [`Framing`] × protocols × head held or released.

use std::path::{Path, PathBuf};

use fieldgate_workbench::suite::{self, Case};
use serde_json::{Value, json};

use super::client::{Protocol, Request};
use super::http1::Field;
use super::marker::Markers;
use super::upstream::{Frame, Script, Step};

/// Where a row's policy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// In a file, from the project's root.
    File(PathBuf),
    /// Here, as YAML.
    Text(&'static str),
}

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// By `content-length`.
    Length,
    /// By the last chunk, or the last DATA frame.
    Chunked,
    /// By trailers.
    Trailers,
}

impl Framing {
    pub const ALL: [Self; 3] = [Self::Length, Self::Chunked, Self::Trailers];
}

/// Whether the response's head waits for the verdict on the body (rule 40).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadMode {
    Held,
    Released,
}

impl HeadMode {
    pub const ALL: [Self; 2] = [Self::Held, Self::Released];

    /// As the policy says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Released => "released",
        }
    }
}

/// What the upstream answers. Values and body are templates: `@@` and `##` become markers.
#[derive(Debug, Clone)]
pub struct Upstream {
    pub status: u16,
    pub fields: Vec<Field>,
    pub body: Vec<u8>,
    /// The body ends after so many bytes, and the connection or stream with it.
    pub cut_at: Option<usize>,
}

/// What the caller must get.
#[derive(Debug, Clone)]
pub enum Expected {
    /// The upstream's response, filtered: this status and exactly this body.
    Answer { status: u16, body: Vec<u8> },
    /// A problem of this status, before the body is looked at.
    Refused(u16),
    /// A problem of this status, decided by the body: with the head gone, a reset.
    RefusedByBody(u16),
    /// This status and no body, decided by the body: with the head gone, a reset.
    EmptiedByBody(u16),
    /// A reset, in either head mode: the head has gone when the verdict comes.
    Reset,
    /// A reply of Envoy's own, or a cut: whatever holds no byte of the upstream's.
    HostsOwn,
    /// Anything but a whole response of the upstream's: a refusal, or a cut.
    NotCompleted,
    /// The upstream's response, untouched: trailers too.
    Untouched,
    /// Whatever the native core says, in every framing the same.
    AsNative,
}

/// One row.
#[derive(Debug, Clone)]
pub struct Row {
    pub claim: String,
    pub policy: Policy,
    pub claims: Value,
    pub request: Request,
    pub upstream: Upstream,
    pub expected: Expected,
    /// Headers that must come exactly so; `None` must not come.
    pub headers: Vec<(&'static str, Option<&'static str>)>,
    /// Whether the request reaches the upstream, where the row says.
    pub asks_upstream: Option<bool>,
}

impl Row {
    /// `GET path` by nobody, answered by `200 {}`.
    pub fn get(claim: &str, policy: Policy, path: &str) -> Self {
        Self {
            claim: claim.to_owned(),
            policy,
            claims: json!({}),
            request: Request { method: "GET".to_owned(), path: path.to_owned(), fields: Vec::new(), body: Vec::new() },
            upstream: Upstream {
                status: 200,
                fields: vec![("content-type".to_owned(), b"application/json".to_vec())],
                body: b"{}".to_vec(),
                cut_at: None,
            },
            expected: Expected::AsNative,
            headers: Vec::new(),
            asks_upstream: Some(true),
        }
    }

    /// A row of a shipped suite. `fieldgate test` judges what the native core makes of it; here it must come out the same.
    pub fn of_suite(policy: &Path, case: &Case) -> Self {
        let bytes = |fields: &[(String, String)]| {
            fields.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect()
        };
        let mut row = Self::get(&case.name, Policy::file(policy), &case.request.path).method(&case.request.method);
        row.claims = case.request.claims.clone();
        if let Some(claims) = row.claims.as_object_mut() {
            claims.insert("scope".to_owned(), json!(case.request.scopes));
            claims.extend(case.request.client.iter().map(|client| ("azp".to_owned(), json!(client))));
        }
        row.request.fields = bytes(&case.request.headers);
        row.upstream.status = case.response.status;
        row.upstream.fields = bytes(&case.response.headers);
        row.upstream.body.clone_from(&case.response.body);
        // Where the suite expects an answer, one that Envoy refuses would be the native core's only by sharing its fault.
        row.asks_upstream = matches!(case.expected, suite::Expected::Answer { .. }).then_some(true);
        row
    }

    pub fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.request.method);
        self
    }

    /// Asked by a client with these scopes.
    pub fn by(mut self, client: &str, scopes: &str) -> Self {
        self.claims = json!({"azp": client, "scope": scopes});
        self
    }

    /// Asked with exactly these claims.
    pub fn claims(mut self, claims: Value) -> Self {
        self.claims = claims;
        self
    }

    /// With one more request header.
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.request.fields.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// The native core says what the caller gets, and whether the upstream is asked at all.
    pub fn either_way(mut self) -> Self {
        self.asks_upstream = None;
        self
    }

    /// Answered by this status and body.
    pub fn answers(mut self, status: u16, body: impl AsRef<[u8]>) -> Self {
        self.upstream.status = status;
        self.upstream.body = body.as_ref().to_vec();
        self
    }

    /// Answered with this response header, instead of any of that name.
    pub fn saying(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.upstream.fields.retain(|(field, _)| field != name);
        self.and_saying(name, value)
    }

    /// Answered with this response header too.
    pub fn and_saying(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.upstream.fields.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// The upstream dies after so many bytes of the body.
    pub fn cut_at(mut self, at: usize) -> Self {
        self.upstream.cut_at = Some(at);
        self
    }

    /// The caller gets exactly this body, with the upstream's status.
    pub fn sees(mut self, body: impl AsRef<[u8]>) -> Self {
        self.expected = Expected::Answer { status: self.upstream.status, body: body.as_ref().to_vec() };
        self
    }

    /// The request is refused; the upstream is never asked.
    pub fn refused(mut self, status: u16) -> Self {
        self.expected = Expected::Refused(status);
        self.asks_upstream = Some(false);
        self
    }

    /// The response is refused by its head.
    pub fn refused_by_head(mut self, status: u16) -> Self {
        self.expected = Expected::Refused(status);
        self
    }

    /// The response is refused by its body.
    pub fn refused_by_body(mut self, status: u16) -> Self {
        self.expected = Expected::RefusedByBody(status);
        self
    }

    /// The upstream's status, without its body.
    pub fn emptied_by_body(mut self) -> Self {
        self.expected = Expected::EmptiedByBody(self.upstream.status);
        self
    }

    /// The response is cut off by its body, whose head has gone.
    pub fn reset(mut self) -> Self {
        self.expected = Expected::Reset;
        self
    }

    /// The caller gets an answer of Envoy's own, or none.
    pub fn leaves_it_to_envoy(mut self) -> Self {
        self.expected = Expected::HostsOwn;
        self
    }

    /// The caller gets no whole response.
    pub fn never_completed(mut self) -> Self {
        self.expected = Expected::NotCompleted;
        self
    }

    /// The caller gets what the upstream sent.
    pub fn untouched(mut self) -> Self {
        self.expected = Expected::Untouched;
        self
    }

    /// The caller gets this header.
    pub fn and_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, Some(value)));
        self
    }

    /// The caller does not get this header.
    pub fn and_no(mut self, name: &'static str) -> Self {
        self.headers.push((name, None));
        self
    }

    /// Whether the response has no body whatever its headers say (RFC 9110 §6.4.1).
    pub fn is_bodiless(&self) -> bool {
        self.request.method == "HEAD" || matches!(self.upstream.status, 204 | 304)
    }
}

impl Upstream {
    /// This upstream, with markers in their places.
    pub fn marked(&self, markers: &mut Markers) -> Self {
        let fields = self.fields.iter().map(|(name, value)| (name.clone(), markers.fill(value))).collect();
        Self { fields, body: markers.fill(&self.body), ..self.clone() }
    }

    /// The response in a framing, for both protocols. `trailers` come with [`Framing::Trailers`] only. The body is sent in
    /// pieces that `cuts` chooses: it gets the length of what is left.
    pub fn script(
        &self,
        framing: Framing,
        trailers: &[Field],
        is_bodiless: bool,
        mut cuts: impl FnMut(usize) -> usize,
    ) -> Script {
        let sent = self.cut_at.map_or(&*self.body, |at| &self.body[..at]);
        let mut pieces = Vec::new();
        let mut rest = if is_bodiless { &[] } else { sent };
        while !rest.is_empty() {
            let (piece, left) = rest.split_at(cuts(rest.len()).clamp(1, rest.len()));
            pieces.push(piece.to_vec());
            rest = left;
        }
        let mut fields = self.fields.clone();
        if framing == Framing::Length {
            fields.push(("content-length".to_owned(), self.body.len().to_string().into_bytes()));
        }
        Script {
            http1: self.http1(framing, fields.clone(), trailers, is_bodiless, &pieces),
            http2: self.http2(framing, fields, trailers, is_bodiless, &pieces),
            ..Script::default()
        }
    }

    fn http1(
        &self,
        framing: Framing,
        mut fields: Vec<Field>,
        trailers: &[Field],
        is_bodiless: bool,
        pieces: &[Vec<u8>],
    ) -> Vec<Step> {
        // 204 and 304 have no body and no framing of one (RFC 9112 §6.1).
        let is_chunked = framing != Framing::Length && !matches!(self.status, 204 | 304);
        if is_chunked {
            fields.push(("transfer-encoding".to_owned(), b"chunked".to_vec()));
        }
        if self.status == 204 {
            fields.retain(|(name, _)| name != "content-length");
        }
        let mut head = format!("HTTP/1.1 {} As scripted\r\n", self.status).into_bytes();
        lines(&mut head, &fields);
        let mut steps = vec![Step::Bytes(head)];
        for piece in pieces {
            steps.push(Step::Bytes(if is_chunked {
                [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
            } else {
                piece.clone()
            }));
        }
        if self.cut_at.is_some() {
            steps.push(Step::Close);
        } else if is_chunked && !is_bodiless {
            let mut end = b"0\r\n".to_vec();
            lines(&mut end, if framing == Framing::Trailers { trailers } else { &[] });
            steps.push(Step::Bytes(end));
        }
        steps
    }

    fn http2(
        &self,
        framing: Framing,
        fields: Vec<Field>,
        trailers: &[Field],
        is_bodiless: bool,
        pieces: &[Vec<u8>],
    ) -> Vec<Frame> {
        let has_trailers = framing == Framing::Trailers && self.cut_at.is_none();
        // An empty body ends with its head, with an empty DATA frame, or with trailers.
        let ends_with_head = pieces.is_empty() && framing == Framing::Length && self.cut_at.is_none();
        // A length is a promise that HEAD and 304 do not keep, which the h2 crate does not let a server break.
        let fields =
            fields.into_iter().filter(|(name, _)| !(is_bodiless && self.status == 204 && name == "content-length"));
        let mut frames = vec![Frame::Head { status: self.status, fields: fields.collect(), last: ends_with_head }];
        for (index, piece) in pieces.iter().enumerate() {
            let last = index + 1 == pieces.len() && !has_trailers && self.cut_at.is_none();
            frames.push(Frame::Data { bytes: piece.clone(), last });
        }
        if self.cut_at.is_some() {
            frames.push(Frame::Reset);
        } else if has_trailers {
            frames.push(Frame::Trailers(trailers.to_vec()));
        } else if pieces.is_empty() && !ends_with_head {
            frames.push(Frame::Data { bytes: Vec::new(), last: true });
        }
        frames
    }
}

pub fn lines(message: &mut Vec<u8>, fields: &[Field]) {
    for (name, value) in fields {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            message.extend_from_slice(part);
        }
    }
    message.extend_from_slice(b"\r\n");
}

impl Policy {
    /// A file under the project's root.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::File(path.as_ref().to_owned())
    }
}

/// One way to carry a row.
#[derive(Debug, Clone, Copy)]
pub struct Carriage {
    pub head: HeadMode,
    pub framing: Framing,
    pub upstream: Protocol,
    pub downstream: Protocol,
}

impl Carriage {
    /// All of them: 24.
    pub fn all() -> impl Iterator<Item = Self> {
        let protocols = [Protocol::Http1, Protocol::Http2];
        HeadMode::ALL.into_iter().flat_map(move |head| {
            Framing::ALL.into_iter().flat_map(move |framing| {
                protocols.into_iter().flat_map(move |upstream| {
                    protocols.into_iter().map(move |downstream| Self { head, framing, upstream, downstream })
                })
            })
        })
    }
}
