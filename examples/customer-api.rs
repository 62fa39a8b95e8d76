//! A demonstration upstream: a small customer-account API that says too much, as many do.
//!
//! ```text
//! GET /accounts/{1..37000}          a customer
//! GET /accounts/{id}/invoices       ?page=1&limit=10
//! GET /accounts/{id}/calls          ?page=1
//! GET /healthz
//! ```
//!
//! Everybody in it is made up, the same at every start: the customer of an id is a function of the id. An id has one spelling, in a
//! path as in a body: who counts people by it (rule 34) needs that. It knows nothing of
//! tokens or scopes and shows everything to whoever asks: that is what the filter in front of it is for. It is no template
//! for a server: one thread a connection, HTTP/1.1 only, no limits.
//!
//! It listens on 127.0.0.1, on a free port or the one given as its argument, and says which on its first line.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;

use serde_json::{Value, json};

const CUSTOMERS: u64 = 37_000;

fn main() -> ExitCode {
    let port = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0_u16);
    match serve(port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("customer-api: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on {}", listener.local_addr()?);
    io::stdout().flush()?;
    for connection in listener.incoming() {
        let connection = connection?;
        thread::spawn(move || converse(connection));
    }
    Ok(())
}

/// Answers one connection's requests until it ends.
fn converse(connection: TcpStream) -> io::Result<()> {
    let mut answers = connection.try_clone()?;
    let mut lines = BufReader::new(connection).lines();
    while let Some(start) = lines.next().transpose()? {
        for line in lines.by_ref() {
            if line?.is_empty() {
                break;
            }
        }
        let mut words = start.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        answers.write_all(answer(method, target).as_bytes())?;
    }
    Ok(())
}

/// A whole response.
fn answer(method: &str, target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let segments: Vec<_> = path.split('/').skip(1).collect();
    let body = match (method, segments.as_slice()) {
        ("GET" | "HEAD", ["healthz"]) => Some(json!({"status": "up", "version": "demo", "host": "accounts-7f9c-db2"})),
        ("GET" | "HEAD", ["accounts", id]) => customer(id).map(|customer| customer.account()),
        ("GET" | "HEAD", ["accounts", id, "invoices"]) => customer(id).map(|customer| customer.invoices(query)),
        ("GET" | "HEAD", ["accounts", id, "calls"]) => customer(id).map(|customer| customer.calls(query)),
        _ => None,
    };
    let (status, kind) = if body.is_some() { ("200 OK", "json") } else { ("404 Not Found", "problem+json") };
    let body = body.unwrap_or_else(|| not_found(path)).to_string();
    let headers = oversharing(path, body.len());
    let shown = if method == "HEAD" { "" } else { body.as_str() };
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/{kind}\r\ncontent-length: {length}\r\n{headers}\r\n{shown}")
}

/// Who has that id: `42`, and not `042`.
fn customer(id: &str) -> Option<Customer> {
    let number = id.parse().ok().filter(|number| (1..=CUSTOMERS).contains(number))?;
    (number.to_string() == id).then_some(Customer(number))
}

/// An error that tells how the thing is built.
fn not_found(path: &str) -> Value {
    json!({
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": format!("SELECT * FROM accounts_eu WHERE path = '{path}' returned no row"),
        "trace": ["AccountRepository.java:118", "AccountController.java:64"],
        "host": "accounts-7f9c-db2.internal",
    })
}

/// Headers that say more than they should.
fn oversharing(path: &str, length: usize) -> String {
    let number = path.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    [
        format!("x-request-id: req-{number:016x}"),
        format!("etag: \"{number:x}-{length}\""),
        "x-account-msisdn: +34655010123".to_owned(),
        "x-served-by: accounts-7f9c-db2.internal".to_owned(),
        "x-debug-query: SELECT * FROM accounts_eu WHERE id = ?".to_owned(),
        "server-timing: db;dur=12.4, fraud;dur=3.1".to_owned(),
        format!("set-cookie: agent_session={number:x}; Path=/"),
        "cache-control: public, max-age=300\r\n".to_owned(),
    ]
    .join("\r\n")
}

/// A customer, who is a function of the id.
struct Customer(u64);

const GIVEN: [&str; 12] =
    ["Ana María", "Jonas", "Chiara", "Łukasz", "Siobhán", "Mehmet", "Ingrid", "José", "Zoë", "Priya", "Tomás", "Aoife"];
const FAMILY: [&str; 11] =
    ["Ruiz", "Lindqvist", "Bianchi", "Nowak", "O'Brien", "Yılmaz", "Hansen", "Ferreira", "de Vries", "Nair", "Kovač"];
const STREETS: [&str; 7] =
    ["Harbour Street", "Calle Mayor", "Via Roma", "Lange Gasse", "Mill Lane", "Rua Nova", "Kerkstraat"];
const COUNTRIES: [(&str, &str); 5] =
    [("ES", "28013"), ("IE", "D02 X285"), ("IT", "00184"), ("DE", "10115"), ("NL", "1012 AB")];
const PLANS: [&str; 4] = ["Fibra 600", "Móvil 20", "Unlimited 5G", "Prepaid S"];

impl Customer {
    /// A number below `most`, the same every time for the same `what`.
    fn pick(&self, what: u64, most: u64) -> u64 {
        // SplitMix64's finaliser: well mixed, and short.
        let mut mixed =
            self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(what.wrapping_mul(0xbf58_476d_1ce4_e5b9));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(most).unwrap_or(0)
    }

    #[expect(clippy::indexing_slicing, reason = "the index is below N")]
    fn one_of<T: Copy, const N: usize>(&self, what: u64, of: &[T; N]) -> T {
        let index = usize::try_from(self.pick(what, N as u64)).unwrap_or(0);
        of[index]
    }

    fn phone(&self, what: u64) -> String {
        format!("+34655{:06}", self.pick(what, 1_000_000))
    }

    fn account(&self) -> Value {
        let (given, family) = (self.one_of(1, &GIVEN), self.one_of(2, &FAMILY));
        let (country, postcode) = self.one_of(3, &COUNTRIES);
        let user: String = given.chars().chain(family.chars()).filter(char::is_ascii_alphabetic).collect();
        let phone = self.phone(4);
        let lines: Vec<_> = (0..=self.pick(5, 3))
            .map(|line| {
                json!({
                    "msisdn": if line == 0 { phone.clone() } else { self.phone(40_u64.saturating_add(line)) },
                    "plan": self.one_of(60_u64.saturating_add(line), &PLANS),
                    "sim": format!("89340711{:011}", self.pick(80_u64.saturating_add(line), 99_999_999_999)),
                    "puk": format!("{:08}", self.pick(100_u64.saturating_add(line), 100_000_000)),
                })
            })
            .collect();
        json!({
            "id": self.0.to_string(),
            "status": self.one_of(6, &["active", "active", "active", "suspended"]),
            "loyaltyTier": self.one_of(7, &["gold", "silver", "bronze"]),
            "holder": {
                "name": format!("{given} {family}"),
                "birthDate": format!("{}-{:02}-{:02}", 1945_u64.saturating_add(self.pick(8, 60)), self.pick(9, 12).saturating_add(1), self.pick(10, 28).saturating_add(1)),
                "nationalId": format!("X-{:04}-{:03}-{:03}", self.pick(11, 10_000), self.pick(12, 1000), self.pick(13, 1000)),
                "maritalStatus": self.one_of(14, &["single", "married", "divorced"]),
            },
            "email": format!("{}@example.com", user.to_lowercase()),
            "billingAddress": {
                "street": format!("{} {}", self.pick(15, 120).saturating_add(1), self.one_of(16, &STREETS)),
                "postcode": postcode,
                "country": country,
                "doorCode": format!("{:04}", self.pick(17, 10_000)),
            },
            "payment": {
                "iban": format!("ES91{:020}", self.pick(18, 99_999_999_999_999_999)),
                "cardToken": format!("tok_{:016x}", self.pick(19, u64::MAX)),
            },
            "balance": {"amount": -12.50, "currency": "EUR", "creditLimit": 600},
            "lines": lines,
            "notes": [{
                "text": format!("Call {phone} after six."),
                "agent": format!("u-{}", self.pick(20, 400)),
            }],
            "characteristic": [
                {"name": "creditScore", "value": self.pick(21, 500).saturating_add(350)},
                {"name": "churnRisk", "value": "high"},
            ],
            "fraudScore": 0.82,
            "internalNotes": "difficult; see ticket 88121 (ex-partner asks for the address)",
            "passwordHash": format!("$2b$12${:016x}{:016x}", self.pick(22, u64::MAX), self.pick(23, u64::MAX)),
        })
    }

    fn invoices(&self, query: &str) -> Value {
        let (page, limit) = (parameter(query, "page").unwrap_or(1), parameter(query, "limit").unwrap_or(10).min(100));
        let item = |index: u64| {
            json!({
                "id": format!("INV-{:04}-{index:03}", self.0),
                "status": self.one_of(200_u64.saturating_add(index), &["paid", "paid", "open", "draft"]),
                "issued": format!("2026-{:02}-01", index.checked_rem(12).unwrap_or(0).saturating_add(1)),
                "total": self.pick(300_u64.saturating_add(index), 20_000).saturating_add(999),
                "marginPercent": self.pick(400_u64.saturating_add(index), 60),
            })
        };
        let first = page.saturating_sub(1).saturating_mul(limit);
        let items: Vec<_> = (first..first.saturating_add(limit).min(36)).map(item).collect();
        let next = format!("/accounts/{}/invoices?page={}&limit={limit}", self.0, page.saturating_add(1));
        json!({"items": items, "next": next, "total": 36})
    }

    fn calls(&self, query: &str) -> Value {
        let page = parameter(query, "page").unwrap_or(1);
        let item = |index: u64| {
            let seed = page.saturating_mul(1000).saturating_add(index);
            json!({
                "start": format!("2026-10-{:02}T{:02}:15:00Z", index.checked_rem(28).unwrap_or(0).saturating_add(1), self.pick(seed, 24)),
                "to": self.phone(seed.saturating_add(1)),
                "seconds": self.pick(seed.saturating_add(2), 4).saturating_mul(97),
                "cell": format!("214-07-{:05}", self.pick(seed.saturating_add(3), 100_000)),
            })
        };
        json!({"items": (0..250).map(item).collect::<Vec<_>>()})
    }
}

/// A numeric query parameter.
fn parameter(query: &str, name: &str) -> Option<u64> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_spelled_in_one_way() {
        let body = |target: &str| answer("GET", target).split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        let account: Value = serde_json::from_str(&body("/accounts/42").unwrap_or_default()).unwrap_or_default();
        assert_eq!(account["id"], "42", "{account}");
        for other in ["042", "+42", "ACC-000042", "0", "37001", ""] {
            assert!(answer("GET", &format!("/accounts/{other}")).starts_with("HTTP/1.1 404 "), "{other}");
            assert!(answer("GET", &format!("/accounts/{other}/invoices")).starts_with("HTTP/1.1 404 "), "{other}");
        }
    }
}
