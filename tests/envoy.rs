//! probe
#[path = "support/mod.rs"]
mod support;
use support::*;
fn main() {
    let rt = tokio::runtime::Runtime::new().unwrap();
    let tools = envoy::Tools::find().unwrap();
    println!("{}", tools.envoy_version());
    let up = rt.block_on(upstream::Upstream::start()).unwrap();
    let issuer = token::Issuer::new();
    let scratch = envoy::Scratch::new().unwrap();
    let jwks = scratch.write("jwks.json", &issuer.jwks()).unwrap();
    let b = bootstrap::Bootstrap::reference(&bootstrap::Blanks {
        wasm: &tools.wasm,
        policy: "{\"language\":1, \"aaaaaaaaaaaaaaaaa\":2}",
        jwks: &jwks,
        upstream: up.http1,
    })
    .in_every_framing(up.http2);
    let t = std::time::Instant::now();
    let e = envoy::Envoy::start(&tools, scratch, &b, Some("a2V5")).unwrap_or_else(|e| panic!("{e}"));
    println!("started in {:?} {:?}", t.elapsed(), e.listener("api"));
    up.play("1", upstream::Script { http1: vec![upstream::Step::Bytes(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\netag: \"x\"\r\n\r\n".to_vec())], http2: vec![upstream::Frame::Head { status: 200, fields: vec![("a".into(), b"b".to_vec())], last: false }, upstream::Frame::Data { bytes: b"{\"a\":1}".to_vec(), last: false }, upstream::Frame::Trailers(vec![("etag".into(), b"x".to_vec())])] });
    let request = client::Request {
        method: "GET".into(),
        path: "/accounts/42".into(),
        fields: vec![
            ("x-script".into(), b"1".to_vec()),
            (
                "authorization".into(),
                format!("Bearer {}", issuer.token(&serde_json::json!({"azp":"c","scope":"a b"}))).into_bytes(),
            ),
        ],
        body: vec![],
    };
    for l in ["api", "api-http2"] {
        for p in [client::Protocol::Http1, client::Protocol::Http2] {
            let t = std::time::Instant::now();
            let mut a = rt.block_on(client::ask(e.listener(l), p, &request));
            a.wire.clear();
            println!("{l} {p:?} {:?} {a:?}", t.elapsed());
        }
    }
    println!("{:?}", up.forget("1"));
    println!("{}", e.log().lines().filter(|l| l.contains("wasm") || l.contains("warn")).collect::<Vec<_>>().join("\n"));
    let t = std::time::Instant::now();
    drop(e);
    println!("stopped in {:?}", t.elapsed());
}
