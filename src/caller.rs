//! Who is asking (rule 7): from what the host has verified to a client and its scopes.
//!
//! Evidence is absent, readable or unreadable, and the three are never taken for each other: a claim that is absent leaves its
//! part of the identity open, and one that is there and cannot be read makes the caller nobody, whatever else is there. An entry
//! under `clients` can only lower what a scope gives (rule 9), so a client that could make its own name unreadable and keep its
//! scopes would rid itself of its ceiling.
//!
//! | evidence | the caller |
//! |---|---|
//! | `{"azp": "acme", "scope": "a b"}` | `acme` with `a` and `b` |
//! | `{"azp": ["acme"], "scope": ["a", "b"]}` | `acme` with `a` and `b`: RFC 7519 allows `aud` both ways |
//! | `{"scope": "a b"}` | no client, with `a` and `b`: the entry `"*"` |
//! | `{"azp": 42, "scope": "a b"}`, `{"azp": "acme", "scope": {"a": true}}` | nobody |

use std::cell::OnceCell;
use std::rc::Rc;

use serde_json::Value;

use crate::model::{ClaimPath, Client, ClientId, Identity, PolicySet, RouteId, ScopeId};

/// What the host knows of the caller. The plugin brings the kind that the policy asks for.
#[derive(Debug, Clone)]
pub enum Evidence<'a> {
    /// The claims of a verified token.
    Claims(Value),
    /// The first URI SAN of the verified peer certificate.
    PeerUri(&'a [u8]),
    /// Nothing was verified; headers are looked at if the policy trusts them.
    Nothing,
}

/// A caller: no client and no scopes unless something verified says so.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The client's id, empty without one (rule 9).
    pub client: Rc<str>,
    /// Its entry; `None` only in a policy without `clients`.
    pub entry: Option<ClientId>,
    /// Its scopes, as they are spelt, in order and without repeats.
    pub scopes: Vec<String>,
    /// The claims, for `when: {claims: …}` (rule 8).
    pub claims: Value,
    /// Where several payloads are named in `identity`: the one that the claims came from, by its place.
    pub payload: Option<usize>,
    /// The scopes that are active on the route that was asked for first: a request has one, and asks for each header.
    active: OnceCell<(RouteId, Rc<[ScopeId]>)>,
}

/// How many scopes a caller may bring. Each is compared with the policy's on every request, and a token of thousands is no
/// issuer's habit: providers stop at some hundred. Over it, the evidence counts as unreadable.
const MOST_SCOPES: usize = 1024;

/// How many bytes the scopes of a caller may have together, for the same reason: more than Envoy takes of a whole request head
/// by default (60 KiB).
const MOST_SCOPE_BYTES: usize = 64 << 10;

/// Evidence that is there and cannot be read: its bearer is nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UnreadableEvidence;

impl Caller {
    /// The caller that a request comes from, by the policy's `identity` (rule 7).
    ///
    /// `headers` are the request's, names in lower case.
    #[must_use]
    pub fn identify(policy: &PolicySet, evidence: Evidence<'_>, headers: &[(Vec<u8>, Vec<u8>)]) -> Self {
        Self::read(policy, evidence, headers).unwrap_or_else(|UnreadableEvidence| Self::nobody(policy))
    }

    /// The caller that a request comes from, by a host that has evidence: only what the policy asks for is looked for.
    ///
    /// `claims` finds those of the one verified payload among the names that it is given, and which of them it is; `peer_uri`
    /// the first URI SAN of the verified peer certificate.
    #[must_use]
    pub fn known_by(
        policy: &PolicySet,
        headers: &[(Vec<u8>, Vec<u8>)],
        claims: impl FnOnce(&[String]) -> Option<(usize, Value)>,
        peer_uri: impl FnOnce() -> Option<Vec<u8>>,
    ) -> Self {
        match &policy.identity {
            Identity::JwtAuthn { payloads, .. } => {
                let (payload, claims) = claims(payloads).unzip();
                let mut caller = Self::identify(policy, claims.map_or(Evidence::Nothing, Evidence::Claims), headers);
                caller.payload = payload;
                caller
            }
            Identity::Mtls => {
                let uri = peer_uri();
                Self::identify(policy, uri.as_deref().map_or(Evidence::Nothing, Evidence::PeerUri), headers)
            }
            Identity::TrustedHeader { .. } => Self::identify(policy, Evidence::Nothing, headers),
        }
    }

    fn read(
        policy: &PolicySet,
        evidence: Evidence<'_>,
        headers: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<Self, UnreadableEvidence> {
        match (&policy.identity, evidence) {
            (Identity::JwtAuthn { client, scopes, .. }, Evidence::Claims(claims)) => {
                let client = client_claim(&claims, client)?.map(Rc::from);
                let scopes = scope_claim(&claims, scopes)?;
                Ok(Self::made(policy, client, scopes.unwrap_or_default(), claims))
            }
            (Identity::Mtls, Evidence::PeerUri(uri)) => {
                let uri = std::str::from_utf8(uri).map_err(|_| UnreadableEvidence)?;
                Ok(Self::with_own_scopes(policy, client_id(uri)?))
            }
            (Identity::TrustedHeader { client, scopes }, _) => {
                let client = header(headers, client)?.map(client_id).transpose()?;
                let Some(scopes) = scopes else {
                    return Ok(
                        client.map_or_else(|| Self::nobody(policy), |client| Self::with_own_scopes(policy, client))
                    );
                };
                let scopes = header(headers, scopes)?.map(split).transpose()?;
                Ok(Self::made(policy, client.map(Rc::from), scopes.unwrap_or_default(), Value::Null))
            }
            _ => Err(UnreadableEvidence),
        }
    }

    /// A caller with a client id (empty for none), scopes and claims. If one of the first two could not have been read from
    /// evidence, it is nobody.
    #[must_use]
    pub fn new(policy: &PolicySet, client: &str, scopes: Vec<String>, claims: Value) -> Self {
        let client = if client.is_empty() { Ok(None) } else { client_id(client).map(Some) };
        match (client, bounded(scopes)) {
            (Ok(client), Ok(scopes)) => Self::made(policy, client.map(Rc::from), scopes, claims),
            (Err(UnreadableEvidence), _) | (_, Err(UnreadableEvidence)) => Self::nobody(policy),
        }
    }

    /// A caller that nothing readable speaks for: no client, no scopes, no claims.
    #[must_use]
    pub fn nobody(policy: &PolicySet) -> Self {
        Self::made(policy, None, Vec::new(), Value::Null)
    }

    /// Whether no identity was found: neither a client nor a scope (rule 7).
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.client.is_empty() && self.scopes.is_empty()
    }

    /// The scopes that are active on a route, worked out once.
    pub(crate) fn active_on(&self, route: RouteId, work_out: impl Fn() -> Rc<[ScopeId]>) -> Rc<[ScopeId]> {
        let (known, active) = self.active.get_or_init(|| (route, work_out()));
        if *known == route { Rc::clone(active) } else { work_out() }
    }

    fn made(policy: &PolicySet, client: Option<Rc<str>>, mut scopes: Vec<String>, claims: Value) -> Self {
        let client = client.unwrap_or_else(|| "".into());
        scopes.sort_unstable();
        scopes.dedup();
        Self { entry: entry(policy, &client), client, scopes, claims, payload: None, active: OnceCell::new() }
    }

    /// A client whose scopes are those of its entry (rule 7, mTLS).
    fn with_own_scopes(policy: &PolicySet, client: &str) -> Self {
        let own = entry(policy, client).and_then(|entry| policy.clients.get(usize::from(entry.0))?.scopes.clone());
        Self::made(policy, Some(client.into()), own.unwrap_or_default(), Value::Null)
    }
}

/// The entry with the exact id, else `*` (rule 9). A caller without an id falls under `*`, and so does one that calls
/// itself `*`.
fn entry(policy: &PolicySet, client: &str) -> Option<ClientId> {
    // Entries are in name order.
    let named = |entry: &Client| entry.name.as_str().cmp(client);
    let own = if client.is_empty() { None } else { policy.clients.binary_search_by(named).ok() };
    own.and_then(|index| u16::try_from(index).ok()).map(ClientId).or(policy.any_client)
}

/// A text that can name a client. No issuer makes an empty id, nor one with a control character: in a pseudonym's text the
/// client stands beside the value, with such a character between them (rule 23), so that with one of its own a client could
/// give its values another's pseudonyms.
fn client_id(text: &str) -> Result<&str, UnreadableEvidence> {
    if text.is_empty() || text.chars().any(char::is_control) { Err(UnreadableEvidence) } else { Ok(text) }
}

/// The claim at a path; `None` if its last member, or one on the way, is absent. Something on the way that is not an object
/// hides whether the claim is there.
fn claim<'a>(claims: &'a Value, path: &ClaimPath) -> Result<Option<&'a Value>, UnreadableEvidence> {
    let mut at = claims;
    for name in &path.0 {
        match at.as_object().ok_or(UnreadableEvidence)?.get(name) {
            Some(value) => at = value,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// The client that a claim names: a string, or an array of one string.
fn client_claim<'a>(claims: &'a Value, path: &ClaimPath) -> Result<Option<&'a str>, UnreadableEvidence> {
    match claim(claims, path)? {
        None => Ok(None),
        Some(Value::String(text)) => client_id(text).map(Some),
        Some(Value::Array(items)) => match items.as_slice() {
            [Value::String(text)] => client_id(text).map(Some),
            _ => Err(UnreadableEvidence),
        },
        Some(_) => Err(UnreadableEvidence),
    }
}

/// The scopes that a claim lists: a space-separated string (RFC 6749 §3.3), or an array of strings.
fn scope_claim(claims: &Value, path: &ClaimPath) -> Result<Option<Vec<String>>, UnreadableEvidence> {
    match claim(claims, path)? {
        None => Ok(None),
        Some(Value::String(scopes)) => split(scopes).map(Some),
        Some(Value::Array(scopes)) if scopes.len() <= MOST_SCOPES => {
            let texts: Option<Vec<String>> = scopes.iter().map(|scope| scope.as_str().map(str::to_owned)).collect();
            texts.ok_or(UnreadableEvidence).and_then(bounded).map(Some)
        }
        Some(_) => Err(UnreadableEvidence),
    }
}

fn split(scopes: &str) -> Result<Vec<String>, UnreadableEvidence> {
    let scopes = scopes.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned);
    bounded(scopes.take(MOST_SCOPES.saturating_add(1)).collect())
}

fn bounded(scopes: Vec<String>) -> Result<Vec<String>, UnreadableEvidence> {
    let bytes = scopes.iter().map(String::len).fold(0, usize::saturating_add);
    if scopes.len() > MOST_SCOPES || bytes > MOST_SCOPE_BYTES { Err(UnreadableEvidence) } else { Ok(scopes) }
}

/// The value of a header that identity may come from. Repeated, or not valid UTF-8, it cannot be read (rule 7).
fn header<'a>(headers: &'a [(Vec<u8>, Vec<u8>)], name: &str) -> Result<Option<&'a str>, UnreadableEvidence> {
    let mut values = headers.iter().filter(|(known, _)| known.as_slice() == name.as_bytes()).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(UnreadableEvidence),
        (Some(value), None) => std::str::from_utf8(value).map(Some).map_err(|_| UnreadableEvidence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policy(identity: &Value) -> PolicySet {
        let text = json!({
            "language": 1, "policy": "test", "identity": identity,
            "classes": {"open": {"about": "open"}},
            "routes": {"r": {"match": "GET /r", "area": "x", "body": {"$.a": "open"}}},
            "scopes": {"a": {"areas": ["x"], "grant": {"open": "show"}}, "b": {"areas": ["x"], "grant": {"open": "show"}}},
            "clients": {"*": {"scopes": ["a"]}, "acme": {"scopes": ["a"]}, "spiffe://x/app": {"scopes": ["b"]}},
        });
        crate::policy::from_json(text.to_string().as_bytes()).unwrap_or_else(|found| panic!("{found}")).0
    }

    /// Client, entry and scopes, as one line.
    fn line(policy: &PolicySet, caller: &Caller) -> String {
        let entry = caller.entry.map_or("-", |entry| policy.clients[usize::from(entry.0)].name.as_str());
        format!("{}|{entry}|{}", caller.client, caller.scopes.join(","))
    }

    #[test]
    fn a_token_says_who_is_asking() {
        let policy =
            policy(&json!({"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "$.access.scopes"}));
        let many = |count: usize, name: &str| -> String { (0..count).map(|i| format!("{name}{i} ")).collect() };
        let listed = |text: String| -> Value { text.split_whitespace().collect() };
        let full = many(1024, "s").split_whitespace().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
        let full = format!("|*|{}", full.into_iter().collect::<Vec<_>>().join(","));
        let with = |azp: Value| json!({"azp": azp, "access": {"scopes": "a"}});
        let of = |scopes: Value| json!({"azp": "acme", "access": {"scopes": scopes}});
        let rows = [
            ("scopes are separated by spaces", of(json!("a  b ")), "acme|acme|a,b"),
            ("scopes may be an array", of(json!(["a", "b c"])), "acme|acme|a,b c"),
            ("a scope twice is one scope", of(json!("b a b")), "acme|acme|a,b"),
            ("an empty array of scopes is no scopes", of(json!([])), "acme|acme|"),
            ("an empty text of scopes is no scopes", of(json!("")), "acme|acme|"),
            ("a missing claim is no scopes", json!({"azp": "acme"}), "acme|acme|"),
            ("a claim missing below is no scopes", json!({"azp": "acme", "access": {}}), "acme|acme|"),
            ("tabs do not separate scopes", of(json!("a\tb")), "acme|acme|a\tb"),
            ("scopes of another type are nobody's: an array of more than strings", of(json!(["a", 1])), "|*|"),
            ("scopes of another type are nobody's: an array in an array", of(json!([["a"]])), "|*|"),
            ("scopes of another type are nobody's: a null among strings", of(json!(["a", null])), "|*|"),
            ("scopes of another type are nobody's: an object", of(json!({"a": true})), "|*|"),
            ("scopes of another type are nobody's: a number", of(json!(1)), "|*|"),
            ("scopes of another type are nobody's: a boolean", of(json!(true)), "|*|"),
            ("scopes of another type are nobody's: null", of(json!(null)), "|*|"),
            ("what hides the scopes is nobody's: null", json!({"azp": "acme", "access": null}), "|*|"),
            ("what hides the scopes is nobody's: a text", json!({"azp": "acme", "access": "a"}), "|*|"),
            ("what hides the scopes is nobody's: an array", json!({"azp": "acme", "access": [{"scopes": "a"}]}), "|*|"),
            ("1024 scopes can be read", json!({"access": {"scopes": many(1024, "s")}}), full.as_str()),
            (
                "1024 scopes in an array can be read",
                json!({"access": {"scopes": listed(many(1024, "s"))}}),
                full.as_str(),
            ),
            ("1025 scopes are nobody's", of(json!(many(1025, "s"))), "|*|"),
            ("1025 scopes in an array are nobody's", of(listed(many(1025, "s"))), "|*|"),
            ("over 64 KiB of scopes are nobody's", of(json!(many(2, &"s".repeat(40_000)))), "|*|"),
            ("over 64 KiB of scopes in an array are nobody's", of(listed(many(2, &"s".repeat(40_000)))), "|*|"),
            ("an unknown client falls under the star", with(json!("other")), "other|*|a"),
            ("clients are compared exactly", with(json!("Acme")), "Acme|*|a"),
            ("a client called star is no entry of its own", with(json!("*")), "*|*|a"),
            ("no client falls under the star", json!({"access": {"scopes": "a"}}), "|*|a"),
            ("an empty token names nobody", json!({}), "|*|"),
            ("a client in an array of one string is that string", with(json!(["acme"])), "acme|acme|a"),
            ("a client of another type is nobody: an array of two", with(json!(["acme", "acme"])), "|*|"),
            ("a client of another type is nobody: an empty array", with(json!([])), "|*|"),
            ("a client of another type is nobody: an array of one number", with(json!([42])), "|*|"),
            ("a client of another type is nobody: an array in an array", with(json!([["acme"]])), "|*|"),
            ("a client of another type is nobody: a number", with(json!(42)), "|*|"),
            ("a client of another type is nobody: a boolean", with(json!(true)), "|*|"),
            ("a client of another type is nobody: an object", with(json!({"acme": "acme"})), "|*|"),
            ("a client of another type is nobody: null", with(json!(null)), "|*|"),
            ("a client without a letter is nobody", with(json!("")), "|*|"),
            ("a client without a letter in an array is nobody", with(json!([""])), "|*|"),
            ("a client with a control character is nobody", with(json!("acme\u{1f}x")), "|*|"),
            ("a client with one of the later control characters is nobody", with(json!("acme\u{9b}x")), "|*|"),
            ("a client with a control character in an array is nobody", with(json!(["acme\n"])), "|*|"),
            ("claims that are not an object are nobody's: a text", json!("acme"), "|*|"),
            ("claims that are not an object are nobody's: an array", json!([{"azp": "acme"}]), "|*|"),
            ("claims that are not an object are nobody's: null", json!(null), "|*|"),
        ];
        for (claim, claims, expected) in rows {
            let caller = Caller::identify(&policy, Evidence::Claims(claims), &[]);
            assert_eq!(line(&policy, &caller), expected, "{claim}");
            assert!(
                !caller.is_nobody() || caller.claims.as_object().is_none_or(serde_json::Map::is_empty),
                "{claim}: claims"
            );
        }
        let forged = [(b"x-client".to_vec(), b"acme".to_vec())];
        let caller = Caller::identify(&policy, Evidence::Nothing, &forged);
        assert_eq!(line(&policy, &caller), "|*|", "without a token there is nobody, whatever the headers say");
        let caller = Caller::identify(&policy, Evidence::PeerUri(b"acme"), &[]);
        assert_eq!(line(&policy, &caller), "|*|", "a certificate is not what the policy asks for");
    }

    #[test]
    fn a_host_is_asked_for_what_the_policy_wants_and_nothing_else() {
        let jwt = policy(&json!({"source": "jwt_authn", "payload": ["p", "q"], "client": "azp", "scopes": "scope"}));
        let mtls = policy(&json!({"source": "mtls"}));
        let header = policy(&json!({"source": "trusted_header", "header": "x-client", "trusted": "the edge sets it"}));
        let (token, certificate) = (json!({"azp": "acme", "scope": "a"}), b"spiffe://x/app".as_slice());
        type Row<'a> = (&'a str, &'a PolicySet, Option<Value>, Option<&'a [u8]>, &'a str, Option<usize>, &'a [&'a str]);
        let rows: [Row<'_>; 5] = [
            ("a token", &jwt, Some(token.clone()), Some(certificate), "acme|acme|a", Some(1), &["claims of p q"]),
            ("no token, whatever the certificate", &jwt, None, Some(certificate), "|*|", None, &["claims of p q"]),
            (
                "a certificate",
                &mtls,
                Some(token.clone()),
                Some(certificate),
                "spiffe://x/app|spiffe://x/app|b",
                None,
                &["certificate"],
            ),
            ("no certificate, whatever the token", &mtls, Some(token.clone()), None, "|*|", None, &["certificate"]),
            ("a header", &header, Some(token), Some(certificate), "edge|*|a", None, &[]),
        ];
        for (claim, policy, claims, uri, expected, payload, asked) in rows {
            let calls = std::cell::RefCell::new(Vec::new());
            let headers = [(b"x-client".to_vec(), b"edge".to_vec())];
            let of_token = |names: &[String]| {
                calls.borrow_mut().push(format!("claims of {}", names.join(" ")));
                claims.map(|claims| (1, claims))
            };
            let of_peer = || {
                calls.borrow_mut().push("certificate".to_owned());
                uri.map(<[u8]>::to_vec)
            };
            let caller = Caller::known_by(policy, &headers, of_token, of_peer);
            assert_eq!((line(policy, &caller).as_str(), caller.payload), (expected, payload), "{claim}");
            assert_eq!(*calls.borrow(), asked, "{claim}");
        }
    }

    #[test]
    fn nobody_is_who_has_neither_client_nor_scope() {
        let policy = policy(&json!({"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"}));
        let rows = [
            ("a client", json!({"azp": "acme"}), false),
            ("a scope", json!({"scope": "a"}), false),
            ("neither", json!({"sub": "42"}), true),
            ("a client that cannot be read", json!({"azp": 1, "scope": "a"}), true),
        ];
        for (claim, claims, expected) in rows {
            let caller = Caller::identify(&policy, Evidence::Claims(claims), &[]);
            assert_eq!(caller.is_nobody(), expected, "{claim}");
        }
        assert!(Caller::identify(&policy, Evidence::Nothing, &[]).is_nobody(), "no token");
        let declared = Caller::new(&policy, "acme\n", vec!["a".to_owned()], json!({"acr": "x"}));
        assert!(declared.is_nobody() && declared.claims.is_null(), "a declared caller is held to the same");
    }

    #[test]
    fn a_certificate_says_who_is_asking() {
        let policy = policy(&json!({"source": "mtls"}));
        let rows: [(&str, &[u8], &str); 6] = [
            ("the scopes are those of the entry", b"spiffe://x/app", "spiffe://x/app|spiffe://x/app|b"),
            ("an unknown peer has those of the star", b"spiffe://x/other", "spiffe://x/other|*|a"),
            ("no SAN is nobody", b"", "|*|"),
            ("a SAN that is not UTF-8 is nobody", b"\xff", "|*|"),
            ("a SAN that is not UTF-8 to its end is nobody", b"spiffe://x/app\xff", "|*|"),
            ("a SAN with a control character is nobody", b"spiffe://x/app\n", "|*|"),
        ];
        for (claim, uri, expected) in rows {
            let caller = Caller::identify(&policy, Evidence::PeerUri(uri), &[]);
            assert_eq!(line(&policy, &caller), expected, "{claim}");
        }
    }

    #[test]
    fn a_trusted_header_says_who_is_asking() {
        let alone = policy(&json!({"source": "trusted_header", "header": "x-client", "trusted": "the edge sets it"}));
        let both = policy(
            &json!({"source": "trusted_header", "header": "x-client", "scopes": "x-scope", "trusted": "the edge sets it"}),
        );
        type Row<'a> = (&'a str, &'a PolicySet, &'a [(&'a str, &'a [u8])], &'a str);
        let rows: [Row<'_>; 18] = [
            ("one header is the client", &alone, &[("x-client", b"acme")], "acme|acme|a"),
            ("none is nobody", &alone, &[], "|*|"),
            ("an empty one is nobody", &alone, &[("x-client", b"")], "|*|"),
            ("a repeated one is nobody", &alone, &[("x-client", b"acme"), ("x-client", b"acme")], "|*|"),
            ("one that is not UTF-8 is nobody", &alone, &[("x-client", b"acme\xff")], "|*|"),
            ("another may hold scopes", &both, &[("x-client", b"acme"), ("x-scope", b"a b")], "acme|acme|a,b"),
            ("without it there are none", &both, &[("x-client", b"acme")], "acme|acme|"),
            ("scopes may be without a client", &both, &[("x-scope", b"a")], "|*|a"),
            ("scopes twice are nobody's", &both, &[("x-client", b"acme"), ("x-scope", b"a"), ("x-scope", b"b")], "|*|"),
            ("scopes twice are nobody's without a client", &both, &[("x-scope", b"a"), ("x-scope", b"b")], "|*|"),
            ("scopes that are not UTF-8 are nobody's", &both, &[("x-client", b"acme"), ("x-scope", b"a\xff")], "|*|"),
            ("an empty client with scopes is nobody", &both, &[("x-client", b""), ("x-scope", b"a")], "|*|"),
            ("a client that is not UTF-8 has no scopes", &both, &[("x-client", b"acme\xff"), ("x-scope", b"a")], "|*|"),
            (
                "a client with a control character has no scopes",
                &both,
                &[("x-client", b"a\x7fb"), ("x-scope", b"a")],
                "|*|",
            ),
            ("an empty header of scopes is no scopes", &both, &[("x-client", b"acme"), ("x-scope", b"")], "acme|acme|"),
            ("a header of the policy's name in another case is none", &both, &[("X-Client", b"acme")], "|*|"),
            ("neither header is nobody", &both, &[], "|*|"),
            (
                "a client twice has no scopes",
                &both,
                &[("x-client", b"a"), ("x-client", b"b"), ("x-scope", b"a")],
                "|*|",
            ),
        ];
        for (claim, policy, headers, expected) in rows {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect();
            let caller = Caller::identify(policy, Evidence::Nothing, &headers);
            assert_eq!(line(policy, &caller), expected, "{claim}");
        }
    }
}
