//! What an upstream may send as a body, and how.

use std::time::Duration;

use bytes::Bytes;

use super::super::rows::{at, thing};
use super::super::support::client::{End, Protocol};
use super::super::support::envoy::Envoy;
use super::super::support::marker::Markers;
use super::super::support::row::{Carriage, Framing, HeadMode, Policy, Row};
use super::super::support::upstream::{Frame, Script, Step};
use super::super::world::{self, World};

/// Values that are JSON (RFC 8259), with markers where they have room.
const VALUES: [&str; 36] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "-1",
    "##",
    "0.1",
    "-0.0",
    "1e1",
    "1E1",
    "1e+1",
    "1e-1",
    "0e0",
    "1.5E+300",
    "1e400",
    "-1e-400",
    "123456789012345678901234567890",
    "0.000000000000000000000000000000001",
    r#""""#,
    r#""@@""#,
    r#""\"@@\\""#,
    r#""\/\b\f\n\r\t@@""#,
    r#""\u0000@@""#,
    r#""\ud83d\ude00@@""#,
    "\"\u{7f}@@\"",
    "\"é\u{2028}\u{ffff}\u{10ffff}@@\"",
    "[]",
    "[ ]",
    "{}",
    "{ }",
    r#"["@@",[##]]"#,
    r#"{"":"@@"}"#,
    r#"{"@@":{"@@":["@@"]}}"#,
    r#"{"a":1,"b":"@@","a\u0000":2}"#,
];

/// Values that are not.
const NO_VALUES: [&[u8]; 110] = [
    b"",
    b"nul",
    b"nulll",
    b"NULL",
    b"True",
    b"TRUE",
    b"tru",
    b"fals",
    b"falsey",
    b"undefined",
    b"NaN",
    b"-NaN",
    b"nan",
    b"Infinity",
    b"-Infinity",
    b"inf",
    b"+1",
    b"++1",
    b"--1",
    b"-",
    b"+",
    b".",
    b".5",
    b"-.5",
    b"1.",
    b"1.e1",
    b"1.2.3",
    b"1e",
    b"1e+",
    b"1E-",
    b"1ee1",
    b"1e1.5",
    b"01",
    b"-01",
    b"00",
    b"007",
    b"0x1F",
    b"0b1",
    b"0o7",
    b"1_000",
    b"1,000",
    b"1 000",
    b"1f",
    b"1n",
    b"0.1.",
    b"e1",
    b"\xef\xbc\x91",
    b"'@@'",
    b"`@@`",
    b"@@",
    b"\"@@",
    b"@@\"",
    b"\"@@\"\"",
    b"\"@@\"@@",
    b"\"\\\"",
    b"\"\\",
    b"\"\\@@\"",
    b"\"\\x41@@\"",
    b"\"\\a@@\"",
    b"\"\\0\"",
    b"\"\\'\"",
    b"\"\\U0041\"",
    b"\"\\u\"",
    b"\"\\u1\"",
    b"\"\\u12\"",
    b"\"\\u123\"",
    b"\"\\u12g4\"",
    b"\"\\u 123\"",
    b"\"\\ud800\"",
    b"\"\\udc00\"",
    b"\"\\ud800@@\"",
    b"\"\\ud800\\n\"",
    b"\"\\ud800\\u0041\"",
    b"\"\\ud800\\ud800\"",
    b"\"\\udc00\\ud800\"",
    b"\"\x00@@\"",
    b"\"\x01@@\"",
    b"\"\x1f@@\"",
    b"\"\n@@\"",
    b"\"\t@@\"",
    b"\"\r\"",
    b"\"\x80@@\"",
    b"\"\xbf\"",
    b"\"\xc0\x80\"",
    b"\"\xc1\xbf\"",
    b"\"\xc3@@\"",
    b"\"\xe0\x80\xaf\"",
    b"\"\xed\xa0\x80\"",
    b"\"\xed\xbf\xbf\"",
    b"\"\xf0\x80\x80\xaf\"",
    b"\"\xf4\x90\x80\x80\"",
    b"\"\xf5\x80\x80\x80\"",
    b"\"\xfe\xff\"",
    b"\"\xe2\x82\"",
    b"\xef\xbb\xbf1",
    b"\x00",
    b"\x0c1",
    b"\xc2\xa01",
    b"\xe2\x80\xa81",
    b"[",
    b"[1",
    b"[1,",
    b"[,1]",
    b"[1,]",
    b"[1,,2]",
    b"[1 2]",
    b"{\"@@\"}",
    b"{\"a\":1,}",
    b"{a:1}",
    b"{1:1}",
];

/// What may stand around a value that is sound.
const AROUND: [(&[u8], &[u8]); 24] = [
    (b"{\"code\":", b"}}"),
    (b"{\"code\":", b"]"),
    (b"{\"code\":", b""),
    (b"[\"code\":", b"]"),
    (b"{{\"code\":", b"}"),
    (b"{\"code\" ", b"}"),
    (b"{\"code\"::", b"}"),
    (b"{\"code\",", b"}"),
    (b"{,\"code\":", b"}"),
    (b"{\"code\":", b",,\"x\":1}"),
    (b"{\"code\":", b"\"x\":1}"),
    (b"{\"code\":", b"}{\"code\":\"@@\"}"),
    (b"{\"code\":", b"}\n{\"code\":\"@@\"}"),
    (b"{\"code\":", b"},"),
    (b"{\"code\":", b"};"),
    (b"{\"code\":", b"}\x00"),
    (b"{\"code\":", b"} x@@"),
    (b"/*@@*/{\"code\":", b"}"),
    (b"//@@\n{\"code\":", b"}"),
    (b"#@@\n{\"code\":", b"}"),
    (b"{\"code\":", b"/*@@*/}"),
    (b"while(1);{\"code\":", b"}"),
    (b"\xef\xbb\xbf{\"code\":", b"}"),
    (b"\x1e{\"code\":", b"}"),
];

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn strictness() -> Vec<Row> {
    let mut rows = Vec::new();
    for value in VALUES {
        let body = format!(r#"{{"name":"lamp","code":{value},"more":[{value}]}}"#);
        rows.push(thing(&format!("{value} is JSON, and withheld")).answers(200, body).sees(r#"{"name":"lamp"}"#));
    }
    let scalars = VALUES.iter().filter(|value| !value.contains(['@', '#', '[', '{']));
    rows.extend(scalars.map(|value| {
        let body = format!(r#"{{"code":"@@","name" : {value} }}"#);
        thing(&format!("{value} is shown byte for byte")).answers(200, body).sees(format!(r#"{{"name":{value}}}"#))
    }));
    for value in NO_VALUES {
        // A faulty value is refused where it would have been withheld, where it would have been shown, and in what is skipped.
        for place in ["code", "name", "elsewhere"] {
            // What is shown and stands before the fault may go, where the body comes in parts: no marker is looked for there.
            let sent = if place == "name" { Markers::default().fill(value) } else { value.to_vec() };
            let body = [format!(r#"{{"{place}":"#).as_bytes(), &sent, br#","id":"@@"}"#].concat();
            let row = thing(&format!("{} as {place} is refused", shown(value)));
            rows.push(row.answers(200, body).refused_by_body(502));
        }
    }
    for (before, after) in AROUND {
        let body = [before, b"\"@@\"", after].concat();
        rows.push(thing(&format!("{} is refused", shown(&body))).answers(200, body).refused_by_body(502));
    }
    rows
}

pub(crate) fn names() -> Vec<Row> {
    let mut rows = Vec::new();
    let others = [
        "Name",
        "NAME",
        "nAme",
        " name",
        "name ",
        "name\\u0000",
        "\\u0000name",
        "n\\u0000ame",
        "name\\t",
        "na\\u00adme",
        "na\\u200bme",
        "na\\ufeffme",
        "ｎａｍｅ",
        "nаme",
        "n\\u0430me",
        "name\\u0301",
        "nam\u{e9}",
        "$.name",
        "/name",
        "~name",
        "name~0",
        ".name",
        "name.",
        "na.me",
        "[name]",
        "['name']",
        "name[0]",
        "*",
        "$",
        "..",
        "@",
        "",
        "\\\"name\\\"",
        "name\\\\",
        "owner.name",
        "owner/name",
        "items[0].name",
        "__proto__",
        "constructor",
        "toString",
        "name:",
        "name=",
        "names",
        "nam",
        "n",
        "\\ud83d\\ude00",
        "name\\u0020",
    ];
    for name in others {
        let body = format!(r#"{{"{name}":"@@","owner":{{"{name}":"@@"}},"name":"lamp"}}"#);
        let row = thing(&format!("{name:?} is another name")).answers(200, body);
        rows.push(row.sees(r#"{"owner":{},"name":"lamp"}"#));
    }
    for name in ["n\\u0061me", "\\u006e\\u0061\\u006d\\u0065", "nam\\u0065"] {
        let body = format!(r#"{{"{name}":"lamp","code":"@@"}}"#);
        rows.push(thing(&format!("{name} is the name")).answers(200, body).sees(format!(r#"{{"{name}":"lamp"}}"#)));
        for other in ["name", name] {
            let body = format!(r#"{{"{other}":"lamp","{name}":"@@"}}"#);
            rows.push(thing(&format!("{other} and {name} are one name twice")).answers(200, body).refused_by_body(502));
        }
    }
    for (once, again) in [("code", "code"), ("c\\u006fde", "code"), ("owner", "\\u006fwner")] {
        let body = format!(r#"{{"{once}":"@@","name":"lamp","{again}":{{"email":"@@"}}}}"#);
        rows.push(thing(&format!("{once} and {again} are one name twice")).answers(200, body).refused_by_body(502));
    }
    let twice = r#"{"owner":{"email":"ana@example.com","email":"@@"},"name":"lamp"}"#;
    rows.push(thing("a name twice further down").answers(200, twice).refused_by_body(502));
    rows
}

pub(crate) fn places() -> Vec<Row> {
    let row = |what: &str, body: &str, seen: &str| thing(what).answers(200, body).sees(seen);
    let list = |what: &str, body: &str, seen: &str| at(what, "/things").answers(200, body).sees(seen);
    let mut rows = vec![
        row("an object in a scalar's place", r#"{"name":{"name":"@@"},"price":1}"#, r#"{"price":1}"#),
        row("an array in a scalar's place", r#"{"name":["@@","@@"],"price":1}"#, r#"{"price":1}"#),
        row("empty containers in scalars' places", r#"{"name":{},"price":[],"code":"@@"}"#, "{}"),
        row(
            "deep containers in scalars' places",
            r#"{"name":[[[[{"name":"@@"}]]]],"price":{"price":{"price":##}}}"#,
            "{}",
        ),
        row("a scalar in a container's place", r#"{"owner":"@@","name":"lamp"}"#, r#"{"name":"lamp"}"#),
        row("a number in a container's place", r#"{"owner":##,"name":"lamp"}"#, r#"{"name":"lamp"}"#),
        row(
            "an array in an object's place",
            r#"{"owner":[{"email":"@@"},"@@"],"name":"lamp"}"#,
            r#"{"owner":[],"name":"lamp"}"#,
        ),
        row("null in a container's place", r#"{"owner":null,"code":"@@"}"#, r#"{"owner":null}"#),
        row("what is known, at another depth", r#"{"owner":{"name":"@@","owner":{"email":"@@"}}}"#, r#"{"owner":{}}"#),
        row("what is known, in a wrapper", r#"{"data":{"name":"@@","owner":{"email":"@@"}}}"#, "{}"),
        row("what is known, in links", r#"{"_links":{"self":{"href":"/things/@@"}},"_embedded":{"name":"@@"}}"#, "{}"),
        thing("an array around what is known").answers(200, r#"[{"name":"@@"}]"#).sees("[]"),
        list(
            "an object in an array's place",
            r#"{"items":{"name":"@@","price":1},"next":"n"}"#,
            r#"{"items":{},"next":"n"}"#,
        ),
        list("arrays of arrays", r#"{"items":[[{"name":"@@","price":1}]],"next":"n"}"#, r#"{"items":[],"next":"n"}"#),
        list(
            "scalars in an array of objects",
            r#"{"items":["@@",##,null,true],"next":"n"}"#,
            r#"{"items":[],"next":"n"}"#,
        ),
        list("an array at the top", r#"[{"name":"@@","price":1}]"#, "[]"),
    ];
    // Not `null`, which passes: chunks and trailers end it where nothing can be written any more, and it is reset.
    for root in [r#""@@""#, "##", "true", "false", "0", " \"@@\" "] {
        rows.push(thing(&format!("the lone scalar {root}")).answers(200, root).refused_by_body(502));
    }
    // A misfit is blank, never raw.
    for misfit in [
        r#""@@""#,
        "##",
        "true",
        r#""@@@@@@""#,
        r#""a@b@@@""#,
        r#""a@@@""#,
        r#""a@ex ample.@@""#,
        r#""a@éxample.@@""#,
        r#""@@@""#,
    ] {
        let body = format!(r#"{{"owner":{{"email":{misfit}}}}}"#);
        let row = thing(&format!("{misfit} behind a mask for e-mail")).answers(200, body);
        rows.push(row.sees(r#"{"owner":{"email":null}}"#));
    }
    rows
}

/// Every limit small, so that what goes over it need not be large.
const LIMITS: &str = r"
language: 1
policy: limits
identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}
limits: {body: 64KiB, record: 4KiB, depth: 6, hold: 2KiB}
classes: {plain: {about: Anybody may know it}, key: {about: Links records}, secret: {about: Granted to nobody}}
shapes: {thing: {$.id: {class: key, mask: {last: 2}}, $.name: plain, $.code: secret, $.open..*: plain}}
routes:
  get-thing: {match: 'GET /things/{id}', area: things, body: {$: {shape: thing}}}
  list-things: {match: GET /things, area: things, body: {'$.items[*]': {shape: thing}}, rows: '$.items[?@.name]'}
  cut-things: {match: GET /cut, area: things, body: {'$.items[*]': {shape: thing}}, max_records: {at: '$.items[*]', max: 3, over: truncate}}
  few-things: {match: GET /few, area: things, body: {'$.items[*]': {shape: thing}}, max_records: {at: '$.items[*]', max: 3, over: reject}}
scopes: {things.read: {areas: [things], grant: {plain: show, key: mask}}}
";

pub(crate) fn limits() -> Vec<Row> {
    let ask = |what: String, path: &str| Row::get(&what, Policy::Text(LIMITS), path).by("app", "things.read");
    let mut rows = Vec::new();
    // The body: 64 KiB pass, one byte more is refused. It streams by then, so the head may have gone.
    for (length, passes) in
        [(65_534, true), (65_535, true), (65_536, true), (65_537, false), (65_538, false), (200_000, false)]
    {
        let rest = length - r#"{"name":"lamp","code":"@@"}"#.len() - 18;
        let body = format!(r#"{{"name":"lamp","code":"@@{}"}}"#, "x".repeat(rest));
        let row = ask(format!("a body of {length} bytes"), "/things/1").answers(200, body);
        rows.push(if passes { row.sees(r#"{"name":"lamp"}"#) } else { row.never_completed() });
    }
    // A record that a filter must see whole: 4 KiB.
    for (length, passes) in [(4_095, true), (4_096, true), (4_097, false), (8_192, false), (40_000, false)] {
        let rest = length - r#"{"name":"a","code":"@@"}"#.len() - 18;
        let body = format!(r#"{{"items":[{{"name":"a","code":"@@{}"}}]}}"#, "x".repeat(rest));
        let row = ask(format!("a record of {length} bytes"), "/things").answers(200, body);
        rows.push(if passes { row.sees(r#"{"items":[{"name":"a"}]}"#) } else { row.never_completed() });
    }
    // Depth: 6 containers at once.
    for (place, open) in [("code", false), ("elsewhere", false), ("open", true)] {
        for depth in 1..=8_usize {
            let (head, tail) = ("[".repeat(depth), "]".repeat(depth));
            let body = format!(r#"{{"name":"lamp","{place}":{head}{tail}}}"#);
            let row = ask(format!("{place} {depth} deep"), "/things/1").answers(200, &body);
            rows.push(match (depth < 6, open) {
                (true, true) => row.sees(body),
                (true, false) => row.sees(r#"{"name":"lamp"}"#),
                (false, _) => row.refused_by_body(502),
            });
        }
    }
    // The hold window, and what comes whole around it.
    for length in [2_046, 2_047, 2_048, 2_049, 4_096, 16_384] {
        let name = "x".repeat(length - r#"{"name":"","code":"@@"}"#.len() - 18);
        let body = format!(r#"{{"name":"{name}","code":"@@"}}"#);
        let seen = format!(r#"{{"name":"{name}"}}"#);
        rows.push(ask(format!("{length} bytes around the hold window"), "/things/1").answers(200, body).sees(seen));
    }
    // A scalar that is to be masked: 64 KiB are more than this policy's bodies, so with the things' policy below.
    for count in 0..=6_usize {
        let items = |count: usize| vec![r#"{"name":"a","code":"@@"}"#; count].join(",");
        let seen = |count: usize| format!(r#"{{"items":[{}]}}"#, vec![r#"{"name":"a"}"#; count].join(","));
        let body = format!(r#"{{"items":[{}]}}"#, items(count));
        let cut = ask(format!("{count} records, of which three stay"), "/cut").answers(200, &body);
        rows.push(cut.sees(seen(count.min(3))));
        let few = ask(format!("{count} records, of which three may be"), "/few").answers(200, &body);
        rows.push(if count <= 3 { few.sees(seen(count)) } else { few.refused_by_body(403) });
    }
    for length in [65_535, 65_536, 65_537, 131_072] {
        // A name of 64 KiB before the sign: longer than the mask takes, and so blank.
        let body = format!(r#"{{"owner":{{"email":"{}@example.com"}},"code":"@@"}}"#, "x".repeat(length - 14));
        let row = thing(&format!("an e-mail of {length} bytes with its quotation marks")).answers(200, body);
        rows.push(row);
    }
    rows
}

/// `THING`, with the place of every byte a cut.
pub(crate) fn cuts() -> Vec<Row> {
    let body = r#"{"id":"@@","name":"la\u006dp","price":12.50,"owner":{"email":"ana@example.com","phone":"@@"},"list":[true,{}]}"#;
    let length = Markers::default().fill(body.as_bytes()).len();
    let whole = thing("cut").answers(200, body);
    let at = |at: usize| {
        let mut row = whole.clone().cut_at(at).never_completed();
        row.claim = format!("cut at byte {at}");
        row
    };
    // At its end too: the upstream has not said that it is the end. By a length it has, so that one is left out.
    let truncated = (0..length).map(|to| {
        let sent = Markers::default().fill(body.as_bytes())[..to].to_vec();
        let row = thing(&format!("a document that ends at byte {to}")).answers(200, sent);
        if to == 0 { row } else { row.refused_by_body(502) }
    });
    (0..length).map(at).chain(truncated).collect()
}

/// In single bytes, at once and with pauses, the end told in every way.
pub(crate) fn crumbs(world: &World) -> Result<(), String> {
    let row = thing("in single bytes").answers(
        200,
        r#"{"id":"@@","na\u006de":"l\u0061mp","price":1.50e1,"owner":{"email":"ana@example.com","phone":##},"code":["@@",{"@@":"@@"}]}"#,
    );
    let mut asked = 0;
    for head in HeadMode::ALL {
        let policy = World::policy_json(&row.policy, head)?;
        let native = world::native(&policy, &row)?;
        world.with_envoy(&policy, head, |envoy| {
            for carriage in Carriage::all().filter(|carriage| carriage.head == head) {
                for pause in [None, Some(Duration::from_millis(1))] {
                    let mut markers = Markers::default();
                    let scripted = row.upstream.marked(&mut markers);
                    let trailers = [("etag".to_owned(), markers.text().into_bytes())];
                    let mut script = scripted.script(carriage.framing, &trailers, false, |_| 1);
                    if let Some(pause) = pause {
                        script.http1 = script.http1.into_iter().flat_map(|step| [step, Step::Pause(pause)]).collect();
                        script.http2 =
                            script.http2.into_iter().flat_map(|frame| [frame, Frame::Pause(pause)]).collect();
                    }
                    let (answer, arrived) = world.play(envoy, &row, carriage, script);
                    let fetched = world::Fetched { answer, markers, scripted, arrived, line: None };
                    world::judge(&row, carriage, &native, fetched).map_err(|error| format!("{carriage:?}: {error}"))?;
                    asked += 1;
                }
            }
            Ok::<(), String>(())
        })??;
    }
    println!("{asked} bodies in single bytes");
    Ok(())
}

/// A content-length that is too short or too long, twice, signed, with chunks beside it: nothing of the body spills into
/// what the connection is used for next, nothing hangs, nothing withheld leaves.
pub(crate) fn lying_lengths(world: &World) -> Result<(), String> {
    let row = thing("a length that lies");
    let mut asked = 0;
    for head in HeadMode::ALL {
        let policy = World::policy_json(&row.policy, head)?;
        // An Envoy of its own, whose connections are used again, and by nobody else.
        let (scratch, bootstrap) = world.reference(&policy);
        let bootstrap = bootstrap.with_head(head).in_every_framing(world.upstream.http2);
        let envoy = Envoy::start(&world.tools, scratch, &bootstrap, Some(world::KEY))?;
        for carriage in Carriage::all().filter(|carriage| carriage.head == head && carriage.framing == Framing::Length)
        {
            let mut markers = Markers::default();
            let body = markers.fill(br#"{"name":"lamp","code":"@@","more":"@@"}"#);
            let (short, long) = (body.len() - 10, body.len() + 10);
            let lies = [
                format!("content-length: {short}\r\n"),
                format!("content-length: {long}\r\n"),
                "content-length: 0\r\n".to_owned(),
                format!("content-length: -{short}\r\n"),
                format!("content-length: +{short}\r\n"),
                format!("content-length: {short}\r\ncontent-length: {long}\r\n"),
                format!("content-length: {short}, {long}\r\n"),
                format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", body.len()),
                "transfer-encoding: gzip, chunked\r\n".to_owned(),
                "transfer-encoding: identity\r\n".to_owned(),
                "content-length: 99999999999999999999\r\n".to_owned(),
                String::new(),
            ];
            for lie in lies {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{lie}\r\n");
                let length = lie.split([' ', '\r']).nth(1).and_then(|text| text.parse::<u64>().ok());
                let mut fields = vec![("content-type".to_owned(), b"application/json".to_vec())];
                fields.extend(length.map(|length| ("content-length".to_owned(), length.to_string().into_bytes())));
                let script = Script {
                    http1: vec![
                        Step::Bytes(head.into_bytes()),
                        Step::Repeat(Bytes::from(body.clone()), 1),
                        Step::Close,
                    ],
                    http2: vec![
                        Frame::Head { status: 200, fields, last: false },
                        Frame::Data { bytes: body.clone(), last: true },
                    ],
                    ..Script::default()
                };
                let (answer, _) = world.play(&envoy, &row, carriage, script);
                if let Some(found) = markers.found_in(&answer.everything()) {
                    return Err(format!("{lie:?} {carriage:?}: {found} left"));
                }
                // Only a response whose end the upstream told rightly may be completed.
                let own = u64::try_from(body.len()).ok();
                let is_honest =
                    lie.is_empty() || carriage.upstream == Protocol::Http2 && (length.is_none() || length == own);
                let is_right = answer.body == br#"{"name":"lamp"}"#;
                let is_empty = answer.status == 200 && answer.body.is_empty() && length == Some(0);
                match answer.end {
                    End::Complete if answer.status == 200 && !(is_honest && is_right || is_empty) => {
                        return Err(format!("{lie:?} {carriage:?}: {}", world::shown(&answer)));
                    }
                    End::Hung => return Err(format!("{lie:?} {carriage:?}: hangs")),
                    _ => {}
                }
                asked += 1;
            }
            // The next exchange on whatever connection is left is its own.
            let next = thing("next").answers(200, r#"{"name":"lamp","code":"@@"}"#).sees(r#"{"name":"lamp"}"#);
            let native = world::native(&policy, &next)?;
            world::judge(&next, carriage, &native, world.fetch(&envoy, &next, carriage))?;
        }
    }
    println!("{asked} lengths that lie");
    Ok(())
}
