//! What an upstream may say in its head.

use super::super::rows::{at, thing};
use super::super::support::client::Protocol;
use super::super::support::marker::Markers;
use super::super::support::row::{Carriage, Framing, HeadMode, Policy, Row};
use super::super::support::upstream::{Frame, Script};
use super::super::world::{self, World};

/// JSON with markers in what `things.read` does not see, and what it sees.
const BODY: &str = r#"{"name":"lamp","code":"@@","extra":{"@@":[##,"@@"]},"owner":{"iban":"@@"}}"#;
const SEEN: &str = r#"{"name":"lamp","owner":{}}"#;

/// Types that say JSON.
const JSON: [&str; 24] = [
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "application/json; charset=iso-8859-1",
    "application/json; charset=utf-16",
    "application/json; charset=\"utf-8\"; charset=utf-16",
    "application/json ; odata=verbose",
    "APPLICATION/JSON",
    "Application/Problem+Json",
    "text/json",
    "application/problem+json",
    "application/hal+json",
    "application/ld+json",
    "application/vnd.api+json",
    "application/fhir+json",
    "application/geo+json",
    "application/scim+json",
    "application/vnd.company.account.v3+json",
    "application/json-patch+json",
    "image/svg+json",
    "application/json;",
    "application/json; boundary=@@",
    "application/x-json",
    "text/x-json",
];

/// Types that say something else.
const OTHER: [&str; 49] = [
    "text/html",
    "text/html; charset=utf-8",
    "text/plain",
    "text/csv",
    "text/xml",
    "text/javascript",
    "text/event-stream",
    "text/yaml",
    "text/markdown",
    "application/javascript",
    "application/xml",
    "application/atom+xml",
    "application/soap+xml",
    "application/xhtml+xml",
    "application/octet-stream",
    "application/pdf",
    "application/zip",
    "application/gzip",
    "application/cbor",
    "application/msgpack",
    "application/x-msgpack",
    "application/bson",
    "application/protobuf",
    "application/x-protobuf",
    "application/grpc",
    "application/grpc-web",
    "application/grpc+json-seq",
    "application/graphql",
    "application/graphql-response",
    "application/sql",
    "application/vnd.ms-excel",
    "application/x-www-form-urlencoded",
    "application/stream",
    "application/jsonx",
    "application/xjson",
    "application/json5",
    "application/hjson",
    "application/jsonp",
    "multipart/mixed; boundary=x",
    "multipart/byteranges; boundary=x",
    "multipart/form-data; boundary=x",
    "message/http",
    "image/png",
    "video/mp4",
    "json",
    "application",
    "application/json/extra",
    "*/*",
    "application/json, text/html",
];

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

/// Bodies that are not JSON. A marker that is spread over UTF-16 would not be found again: there the whole body is refused.
fn not_json() -> [(&'static str, Vec<u8>); 6] {
    [
        ("UTF-16LE", utf16(r#"{"name":"lamp","code":1}"#, u16::to_le_bytes)),
        ("UTF-16BE with a mark", [b"\xFE\xFF".to_vec(), utf16(r#"{"name":"lamp"}"#, u16::to_be_bytes)].concat()),
        ("XML", b"<account><name>@@</name><iban>@@</iban></account>".to_vec()),
        ("CSV", b"name,iban\n@@,@@\n".to_vec()),
        ("HTML", b"<!doctype html><h1>@@</h1><p>@@".to_vec()),
        ("JSONP", br#"callback({"name":"@@","code":"@@"});"#.to_vec()),
    ]
}

pub(crate) fn content_types() -> Vec<Row> {
    let mut rows = Vec::new();
    for kind in JSON {
        rows.push(thing(&format!("JSON as {kind}")).saying("content-type", kind).answers(200, BODY).sees(SEEN));
        for (what, body) in not_json() {
            let row = thing(&format!("{what} as {kind}")).saying("content-type", kind);
            rows.push(row.answers(200, body).refused_by_body(502));
        }
    }
    for kind in OTHER {
        for (what, body) in not_json().into_iter().chain([("JSON", BODY.into())]) {
            let row = thing(&format!("{what} as {kind}")).saying("content-type", kind);
            rows.push(row.answers(200, body).refused_by_head(502));
        }
    }
    for kinds in [["application/json", "application/json"], ["application/json", "text/html"], ["text/html", ""]] {
        let row = thing(&format!("{kinds:?} at once")).saying("content-type", kinds[0]);
        rows.push(row.and_saying("content-type", kinds[1]).answers(200, BODY).refused_by_head(502));
    }
    let odd = thing("a type that is not UTF-8").saying("content-type", b"application/json\xff");
    rows.push(odd.answers(200, BODY).refused_by_head(502));
    rows
}

/// As the things' policy, but documents, pictures and film pass.
const FILES: &str = r#"
language: 1
policy: files
identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}
classes: {plain: {about: Anybody may know it}, secret: {about: Granted to nobody}}
shapes: {thing: {$.name: plain, $.code: secret, $.owner.iban: secret}}
routes:
  get-thing: {match: 'GET /things/{id}', area: things, other_content: {pass: [application/pdf, "image/*", "video/*"]}, body: {$: {shape: thing}}}
scopes: {things.read: {areas: [things], grant: {plain: show}}}
"#;

pub(crate) fn content_types_where_others_pass() -> Vec<Row> {
    let ask = |claim: String| Row::get(&claim, Policy::Text(FILES), "/things/1").by("app", "things.read");
    let in_disguise: [(&str, &[u8]); 11] = [
        ("a table", b"a,b\n@@,@@\n"),
        ("XML", b"<a><code>@@</code></a>"),
        ("a loop against scripts", b"for(;;);{\"code\":\"@@\"}"),
        ("a comment before JSON", b"/**/{\"code\":\"@@\"}"),
        ("UTF-16LE", b"{\0\"\0a\0\"\0:\x001\0}\0"),
        ("UTF-16BE", b"\0{\0\"\0a\0\"\0:\x001\0}"),
        ("a byte-order mark", b"\xEF\xBB\xBF{\"code\":\"@@\"}"),
        ("a record separator", b"\x1E{\"code\":\"@@\"}\n"),
        ("a prefix against scripts", b")]}',\n{\"code\":\"@@\"}"),
        ("a string", b"\"@@\""),
        ("a torn object", b"{\"code\":\"@@\""),
    ];
    let mut rows = Vec::new();
    let (passed, refused): (Vec<&str>, Vec<&str>) =
        OTHER.iter().partition(|kind| matches!(**kind, "application/pdf" | "image/png" | "video/mp4"));
    assert_eq!(passed.len(), 3);
    for kind in refused.into_iter().chain(["image/svg+xml", "image/x+yaml"]) {
        for body in [
            &b"data: {\"code\":\"@@\"}\n\n"[..],
            b"cb({\"code\":\"@@\"})",
            b"--x\r\n\r\n{\"code\":\"@@\"}\r\n--x--",
            b"name,code\r\nlamp,@@",
            b"{\"code\":\"@@\"}",
        ] {
            let row = ask(format!("{} as {kind}", String::from_utf8_lossy(body))).saying("content-type", kind);
            rows.push(row.answers(200, body).refused_by_head(502));
        }
    }
    for kind in passed {
        let row = |what: &str| ask(format!("{what} as {kind}")).saying("content-type", kind);
        rows.push(row("JSON").answers(200, r#"{"name":"lamp","code":"@@","x":"@@"}"#).sees(r#"{"name":"lamp"}"#));
        rows.push(row("JSON behind white space").answers(200, " \n\t{\"name\":\"lamp\",\"code\":\"@@\"}"));
        for (what, body) in in_disguise {
            // What is more than a few bytes of white space streams: by then the head has gone.
            rows.push(row(what).answers(200, body).never_completed());
        }
        for (what, body) in [
            ("a document", &b"%PDF-1.7\n1 0 obj"[..]),
            ("a picture", b"\xFF\xD8\xFF\xE0\0\x10JFIF"),
            ("film", b"\0\0\0\x20ftypisom\0\0\0\x01"),
        ] {
            rows.push(row(what).answers(200, body).sees(body).and_no("x-trailer"));
        }
    }
    rows
}

pub(crate) fn codings() -> Vec<Row> {
    let gzip: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabVJL\x02\x00";
    let mut rows = Vec::new();
    for coding in [
        "gzip",
        "GZIP",
        "x-gzip",
        "br",
        "zstd",
        "deflate",
        "compress",
        "x-compress",
        "exi",
        "aes128gcm",
        "pack200-gzip",
        "dcb",
        "dcz",
        "lz4",
        "snappy",
        "xz",
        "bzip2",
        "gzip, br",
        "br, gzip, zstd",
        "identity, gzip",
        "gzip, identity",
        "identity, identity",
        "identity;q=1",
        "gzip;q=1.0",
        "*",
        "utf-8",
        "chunked",
        "none",
        "null",
        "8bit",
        "",
        "id entity",
        "identity\u{b}",
        "7bit",
        "base64",
        "x-unknown",
        ",",
        "identity,",
    ] {
        let row = |what: &str| thing(&format!("{what} as {coding:?}")).saying("content-encoding", coding);
        if coding.trim().eq_ignore_ascii_case("identity") {
            continue;
        }
        rows.push(row("JSON").answers(200, BODY).refused_by_head(502));
        rows.push(row("gzip").answers(200, gzip).refused_by_head(502));
        rows.push(row("an error").answers(500, r#"{"title":"@@","detail":"@@"}"#).sees(""));
    }
    for coding in ["identity", "Identity", "IDENTITY"] {
        let row = thing(&format!("{coding} is none")).saying("content-encoding", coding);
        rows.push(row.answers(200, BODY).sees(SEEN).and_no("content-encoding"));
    }
    let lies = [("without a coding", None), ("as identity", Some("identity"))];
    for (what, coding) in lies {
        let row = thing(&format!("gzip {what}"));
        let row = coding.map_or(row.clone(), |coding| row.saying("content-encoding", coding));
        rows.push(row.answers(200, gzip).refused_by_body(502));
    }
    let twice = thing("two codings").saying("content-encoding", "identity").and_saying("content-encoding", "identity");
    rows.push(twice.answers(200, BODY).refused_by_head(502));
    let odd = thing("a coding that is not UTF-8").saying("content-encoding", b"identity\xff");
    rows.push(odd.answers(200, BODY).refused_by_head(502));
    rows
}

pub(crate) fn statuses() -> Vec<Row> {
    let problem = r#"{"type":"about:blank","title":"Gone wrong","status":500,"detail":"@@","instance":"/things/@@","trace":["@@"],"errors":{"code":"@@"}}"#;
    let shown = r#"{"type":"about:blank","title":"Gone wrong","status":500}"#;
    let mut rows = Vec::new();
    for status in 200..600_u16 {
        let row = |what: &str| thing(&format!("{status} with {what}"));
        match status {
            // What has no body is sent none: the rows that say so are with the other ones of one input.
            204 | 304 => {}
            205 => rows.push(row("a body").answers(status, BODY).sees("")),
            206 => {
                rows.push(row("a body").answers(status, BODY).refused_by_head(502));
                let ranges = "--x\r\ncontent-range: bytes 0-9/100\r\n\r\n@@\r\n--x--";
                let row = row("ranges").saying("content-type", "multipart/byteranges; boundary=x");
                rows.push(row.answers(status, ranges).refused_by_head(502));
            }
            200..=299 => rows.push(row("a body").answers(status, BODY).sees(SEEN)),
            _ => {
                rows.push(row("a problem").answers(status, problem).sees(shown));
                rows.push(row("HTML").saying("content-type", "text/html").answers(status, "<pre>@@").sees(""));
            }
        }
    }
    rows
}

/// Field names in use: of RFC 9110 and its like, of caches, proxies, clouds, frameworks and debuggers.
const NAMES: [&str; 198] = [
    "accept-ch",
    "accept-patch",
    "accept-post",
    "accept-ranges",
    "age",
    "akamai-cache-status",
    "alt-svc",
    "alt-used",
    "apigw-requestid",
    "authentication-info",
    "authorization",
    "baggage",
    "cdn-cache-control",
    "cdn-loop",
    "cf-cache-status",
    "cf-ray",
    "clear-site-data",
    "cloudfront-viewer-country",
    "content-digest",
    "content-disposition",
    "content-language",
    "content-location",
    "content-md5",
    "content-range",
    "content-security-policy",
    "content-security-policy-report-only",
    "cookie",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "dav",
    "debug",
    "deprecation",
    "digest",
    "dnt",
    "dpop",
    "dpop-nonce",
    "early-data",
    "edge-control",
    "etag",
    "expect-ct",
    "expires",
    "fastly-debug-digest",
    "fastly-restarts",
    "forwarded",
    "from",
    "grpc-message",
    "grpc-status",
    "host",
    "http2-settings",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "im",
    "last-event-id",
    "last-modified",
    "link",
    "link-template",
    "location",
    "location-hash",
    "max-forwards",
    "memento-datetime",
    "mime-version",
    "ms-author-via",
    "ms-request-id",
    "nel",
    "observe-browsing-topics",
    "odata-version",
    "optional-www-authenticate",
    "origin",
    "origin-agent-cluster",
    "origin-trial",
    "p3p",
    "permissions-policy",
    "pragma",
    "prefer",
    "preference-applied",
    "priority",
    "proxy-authentication-info",
    "proxy-status",
    "public-key-pins",
    "range",
    "ratelimit",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "referer",
    "referrer-policy",
    "refresh",
    "repr-digest",
    "replay-nonce",
    "report-to",
    "reporting-endpoints",
    "request-id",
    "retry-count",
    "sec-websocket-accept",
    "sec-websocket-protocol",
    "server-timing",
    "service-worker-allowed",
    "set-cookie",
    "set-cookie2",
    "signature",
    "signature-input",
    "slug",
    "soapaction",
    "sourcemap",
    "speculation-rules",
    "status",
    "status-uri",
    "sunset",
    "surrogate-capability",
    "surrogate-control",
    "surrogate-key",
    "tcn",
    "timing-allow-origin",
    "tk",
    "traceparent",
    "tracestate",
    "uri",
    "user-agent",
    "variant-vary",
    "via",
    "want-digest",
    "want-content-digest",
    "warning",
    "x-account-id",
    "x-account-msisdn-full",
    "x-amz-cf-id",
    "x-amz-id-2",
    "x-amz-meta-owner",
    "x-amz-request-id",
    "x-amzn-trace-id",
    "x-aspnet-version",
    "x-aspnetmvc-version",
    "x-auth-token",
    "x-azure-ref",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-backend",
    "x-cache",
    "x-cache-hits",
    "x-cache-key",
    "x-client-ip",
    "x-cloud-trace-context",
    "x-content-duration",
    "x-correlation-id",
    "x-count",
    "x-csrf-token",
    "x-customer-id",
    "x-datadog-trace-id",
    "x-debug",
    "x-debug-query",
    "x-debug-token",
    "x-debug-token-link",
    "x-dns-prefetch-control",
    "x-download-options",
    "x-drupal-cache",
    "x-email",
    "x-error",
    "x-exception",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-frame-options",
    "x-generator",
    "x-github-request-id",
    "x-goog-generation",
    "x-goog-hash",
    "x-goog-meta-owner",
    "x-hasura-role",
    "x-http-method-override",
    "x-iban",
    "x-items-total",
    "x-kong-proxy-latency",
    "x-msisdn",
    "x-next-page",
    "x-owner-name",
    "x-oss-meta-user",
    "x-page",
    "x-pagination",
    "x-per-page",
    "x-permitted-cross-domain-policies",
    "x-pingback",
    "x-powered-by",
    "x-prev-page",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-real-ip",
    "x-redirect-by",
    "x-request-ids",
    "x-request-start",
    "x-response-time",
    "x-robots-tag",
    "x-rows",
    "x-runtime",
    "x-served-by",
    "x-sourcemap",
    "x-sql",
];

/// More in one response than Envoy takes would be its own refusal.
pub(crate) fn names() -> Vec<Row> {
    let together = NAMES.chunks(40).enumerate().map(|(index, names)| {
        let row = thing(&format!("forty names, {index}")).answers(200, BODY);
        let row = names.iter().fold(row, |row, name| row.and_saying(name, "@@"));
        names.iter().fold(row.sees(SEEN), |row, name| row.and_no(name))
    });
    let alone = NAMES.iter().map(|name| {
        let row = thing(&format!("{name} alone, twice")).answers(404, r#"{"title":"no"}"#);
        row.and_saying(name, "@@").and_saying(name, "##").sees(r#"{"title":"no"}"#).and_no(name)
    });
    together.chain(alone).collect()
}

pub(crate) fn spellings() -> Vec<Row> {
    let long = "@@".repeat(3_000);
    let mut rows = vec![
        thing("a header of 55 KiB")
            .and_saying("x-long", long.as_bytes())
            .answers(200, BODY)
            .sees(SEEN)
            .and_no("x-long"),
        thing("a value that is not UTF-8").and_saying("x-odd", b"\xff\xfe@@").answers(200, BODY).sees(SEEN),
        thing("an empty value").and_saying("x-empty", "").answers(200, BODY).sees(SEEN).and_no("x-empty"),
        thing("a kept header twice")
            .and_saying("x-request-id", "r-1")
            .and_saying("x-request-id", "r-2")
            .answers(200, BODY)
            .sees(SEEN),
        thing("a kept header that is not UTF-8").and_saying("x-request-id", b"\xff").answers(200, BODY).sees(SEEN),
        thing("a classified header twice")
            .and_saying("x-owner", "@@")
            .and_saying("x-owner", "@@")
            .answers(200, BODY)
            .sees(SEEN),
        thing("a name that resembles a kept one").and_saying("x-request-idd", "@@").answers(200, BODY).sees(SEEN),
        thing("a name with an underscore").and_saying("x_request_id", "@@").answers(200, BODY).sees(SEEN),
        thing("a cache's directives")
            .and_saying("cache-control", "public, no-transform, s-maxage=600, x=@@")
            .and_saying("vary", "*")
            .answers(200, BODY)
            .sees(SEEN)
            .and_header("cache-control", "private, no-store")
            .and_header("vary", "authorization"),
        thing("many of one name"),
    ];
    let many = rows.pop().into_iter().map(|row| (0..60).fold(row, |row, _| row.and_saying("x-many", "@@")));
    rows.extend(many.map(|row| row.answers(200, BODY).sees(SEEN).and_no("x-many")));
    for kept in ["x-request-id", "retry-after", "access-control-allow-origin"] {
        rows.push(
            at(&format!("{kept} is kept"), "/things/1")
                .and_saying(kept, "value")
                .answers(200, BODY)
                .sees(SEEN)
                .and_header(kept, "value"),
        );
    }
    rows
}

/// 103 in a HEADERS frame of its own (RFC 9113 §8.1), several times.
pub(crate) fn early_hints(world: &World) -> Result<(), String> {
    let row = thing("an early hint");
    for head in HeadMode::ALL {
        let policy = World::policy_json(&row.policy, head)?;
        let mut markers = Markers::default();
        let link = ("link".to_owned(), markers.fill(b"</@@>; rel=preload"));
        let frames = [102, 103, 103].map(|status| Frame::Informational { status, fields: vec![link.clone()] });
        let answer = [
            Frame::Head {
                status: 200,
                fields: vec![("content-type".into(), b"application/json".to_vec())],
                last: false,
            },
            Frame::Data { bytes: br#"{"name":"lamp"}"#.to_vec(), last: true },
        ];
        let http2: Vec<_> = frames.into_iter().chain(answer).collect();
        world.with_envoy(&policy, head, |envoy| {
            for carriage in Carriage::all()
                .filter(|c| c.head == head && c.upstream == Protocol::Http2 && c.framing == Framing::Chunked)
            {
                let script = Script { http2: http2.clone(), ..Script::default() };
                let (answer, _) = world.play(envoy, &row, carriage, script);
                if let Some(found) = markers.found_in(&answer.everything()) {
                    return Err(format!("{carriage:?}: {found} left"));
                }
                if answer.status != 200 || answer.body != br#"{"name":"lamp"}"# {
                    return Err(format!("{carriage:?}: {}", world::shown(&answer)));
                }
            }
            Ok(())
        })??;
    }
    Ok(())
}
