//! The lines of `docs/operations.md` that start an Envoy, as they stand there.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::{Value, json};

use super::streams::Test;
use super::support::envoy::Scratch;
use super::world::World;

pub(crate) fn all() -> Vec<(String, Test)> {
    vec![("the lines of docs/operations.md start an Envoy that filters".to_owned(), Box::new(lines))]
}

/// An API that answers every request with an account; where it listens.
fn api() -> Result<u16, String> {
    let account = std::fs::read(super::support::root().join("policies/testdata/account.json"));
    let account = account.map_err(|error| error.to_string())?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            let length = account.len();
            // Whoever leaves in the midst of it leaves.
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
            );
            let _ = stream.write_all(&account);
        }
    });
    Ok(port)
}

fn free() -> Result<u16, String> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .map(|it| it.port())
        .map_err(|e| e.to_string())
}

fn lines(world: &World) -> Result<(), String> {
    let root = super::support::root();
    let page = std::fs::read_to_string(root.join("docs/operations.md")).map_err(|error| error.to_string())?;
    let (_, rest) = page.split_once("```sh\n").ok_or("the page has no lines to run")?;
    let (first, rest) = rest.split_once("```").ok_or("the lines have no end")?;
    let (_, rest) = rest.split_once("```sh\n").ok_or("the page has no lines for a policy that changes")?;
    let (second, _) = rest.split_once("```").ok_or("the lines have no end")?;
    let scratch = Scratch::new().map_err(|error| error.to_string())?;
    let jwks = scratch.write("jwks.json", &world.issuer.jwks()).map_err(|error| error.to_string())?;
    let (api, port) = (api()?, free()?);
    let mut script = format!("set -e\ntrap 'kill $(jobs -p) && wait' EXIT\n{first}\n{second}\n{CHANGED}");
    // What is this machine's own, and how an Envoy stands beside others.
    for (from, to) in [
        ("make wasm && scripts/envoy.sh 1.40.0", ":"),
        ("$PWD/target/wasm32-wasip1/release/fieldgate.wasm", &*world.tools.wasm.to_string_lossy()),
        ("$PWD/jwks.json", &*jwks.to_string_lossy()),
        ("UPSTREAM_PORT=8080", &format!("UPSTREAM_PORT={api}")),
        ("10000", &port.to_string()),
        (
            ".tools/envoy/1.40.0/envoy -c",
            &format!(
                "{} --disable-hot-restart -l error --file-flush-interval-msec 100 -c",
                world.tools.envoy.display()
            ),
        ),
        ("sleep 10", "sleep 1"),
        ("my-envoy.yaml", &*scratch.path().join("my-envoy.yaml").to_string_lossy()),
        ("live-envoy.yaml", &*scratch.path().join("live-envoy.yaml").to_string_lossy()),
        ("LIVE=$PWD/live", &format!("LIVE={}", scratch.path().join("live").display())),
        ("$PWD/access.log", &*scratch.path().join("access.log").to_string_lossy()),
        ("ledger access.log", &format!("ledger {}", scratch.path().join("access.log").display())),
        (">key", &format!(">{}", scratch.path().join("key").display())),
        ("$(cat key)", &format!("$(cat {})", scratch.path().join("key").display())),
        ("admin.txt", &*scratch.path().join("admin.txt").to_string_lossy()),
    ] {
        if !script.contains(from) {
            return Err(format!("the lines have no `{from}`"));
        }
        script = script.replace(from, to);
    }
    let command = Path::new(env!("CARGO_BIN_EXE_fieldgate")).parent().ok_or("the command is nowhere")?;
    let path = format!("{}:{}", command.display(), std::env::var("PATH").unwrap_or_default());
    let token = world.issuer.token(&json!({"azp": "care-app", "scope": "care.read"}));
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(root)
        .env("PATH", path)
        .env("TOKEN", token)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let all = format!("{told}\n{}", String::from_utf8_lossy(&output.stderr));
    // Each check finds the bootstrap sound; the log has one person, of whom one response said something.
    for (what, times) in [
        ("route: nothing found that lets a response past the plugin\n", 2),
        ("\n1 person\n", 1),
        ("fieldgate_responses_total{route=\"get-account\",outcome=\"released\",mode=\"enforced\",client=\"-\"} 1\n", 1),
    ] {
        if told.matches(what).count() != times {
            return Err(format!("{times} times `{what}` in\n{all}"));
        }
    }
    let bodies = told.lines().filter(|line| line.starts_with("{\""));
    let bodies = bodies.map(|line| serde_json::from_str(line.strip_suffix(" 200").unwrap_or(line)));
    let bodies: Vec<Value> = bodies.collect::<Result<_, _>>().map_err(|error| format!("{error}\n{all}"))?;
    let shown = |body: &Value| {
        body["id"] == "ACC-004217"
            && body["payment"] == json!({"iban": "****1332"})
            && body.get("internalRiskFlag").is_none()
    };
    match bodies.as_slice() {
        [fixed, live, changed]
            if shown(fixed)
                && fixed == live
                && shown(changed)
                && fixed.get("notes").is_some()
                && changed.get("notes").is_none() =>
        {
            Ok(())
        }
        other => Err(format!("other answers: {other:#?}\n{all}")),
    }
}

/// The roll-out of a policy that shows less, and the first answer under it.
const CHANGED: &str = r#"
sed 's/, notes: show}/}/' policies/telco.yaml >"$LIVE/next.yaml"
fieldgate render "$LIVE/next.yaml" --to ecds --wasm "$FIELDGATE_WASM" --out "$LIVE" >&2
for try in $(seq 100); do
  answer=$(curl -s -H "authorization: Bearer $TOKEN" http://127.0.0.1:10000/accounts/42)
  case $answer in *notes*) sleep 0.1 ;; *) break ;; esac
done
printf '%s' "$answer"
"#;
