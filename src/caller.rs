//! Who is asking (rule 7): from what the host has verified to a client and its scopes.

use std::rc::Rc;

use serde_json::Value;

use crate::policy::model::{ClaimPath, ClientId, Identity, PolicySet};

/// What the host knows of the caller. The plugin brings the kind that the policy asks for.
#[derive(Debug, Clone, Copy)]
pub enum Evidence<'a> {
    /// The claims of a verified token.
    Claims(&'a Value),
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
    /// Its scopes, as they came.
    pub scopes: Vec<String>,
    /// The claims, for `when: {claims: …}` (rule 8).
    pub claims: Value,
}

impl Caller {
    /// The caller that a request comes from, by the policy's `identity` (rule 7).
    ///
    /// `headers` are the request's, names in lower case.
    #[must_use]
    pub fn identify(policy: &PolicySet, evidence: Evidence<'_>, headers: &[(Vec<u8>, Vec<u8>)]) -> Self {
        match (&policy.identity, evidence) {
            (Identity::JwtAuthn { client, scopes, .. }, Evidence::Claims(claims)) => {
                Self::new(policy, text(claim(claims, client)), scope_list(claim(claims, scopes)), claims.clone())
            }
            (Identity::Mtls, Evidence::PeerUri(uri)) => {
                Self::with_own_scopes(policy, std::str::from_utf8(uri).unwrap_or_default())
            }
            (Identity::TrustedHeader { client, scopes }, _) => {
                let scopes = scopes.as_ref().map(|name| header(headers, name));
                match (header(headers, client), scopes) {
                    (Header::Many, _) | (_, Some(Header::Many)) => Self::nobody(policy),
                    (Header::One(client), Some(Header::One(scopes))) => {
                        Self::new(policy, client, split(scopes), Value::Null)
                    }
                    (Header::One(client), None) => Self::with_own_scopes(policy, client),
                    (Header::One(client), Some(Header::None)) => Self::new(policy, client, Vec::new(), Value::Null),
                    (Header::None, Some(Header::One(scopes))) => Self::new(policy, "", split(scopes), Value::Null),
                    (Header::None, _) => Self::nobody(policy),
                }
            }
            _ => Self::nobody(policy),
        }
    }

    /// A caller with a client id (empty for none), scopes and claims. A client id with a control character is no identity.
    #[must_use]
    pub fn new(policy: &PolicySet, client: &str, scopes: Vec<String>, claims: Value) -> Self {
        // In a pseudonym's text the client stands beside the value, with a control character between them (rule 23): with
        // one of its own, a client could give its values another's pseudonyms. No issuer makes such ids.
        if client.chars().any(char::is_control) {
            return Self::nobody(policy);
        }
        Self { client: client.into(), entry: entry(policy, client), scopes, claims }
    }

    /// A caller that nothing verified speaks for.
    #[must_use]
    pub fn nobody(policy: &PolicySet) -> Self {
        Self::new(policy, "", Vec::new(), Value::Null)
    }

    /// A client whose scopes are those of its entry (rule 7, mTLS).
    fn with_own_scopes(policy: &PolicySet, client: &str) -> Self {
        let caller = Self::new(policy, client, Vec::new(), Value::Null);
        let own = caller.entry.and_then(|entry| policy.clients.get(usize::from(entry.0))?.scopes.clone());
        let scopes = if client.is_empty() { Vec::new() } else { own.unwrap_or_default() };
        Self { scopes, ..caller }
    }
}

/// The entry with the exact id, else `*` (rule 9). A caller without an id falls under `*`, and so does one that calls
/// itself `*`.
fn entry(policy: &PolicySet, client: &str) -> Option<ClientId> {
    (0u16..)
        .map(ClientId)
        .zip(&policy.clients)
        .find(|(_, entry)| !client.is_empty() && entry.name == client)
        .map(|(id, _)| id)
        .or(policy.any_client)
}

fn claim<'a>(claims: &'a Value, path: &ClaimPath) -> Option<&'a Value> {
    path.0.iter().try_fold(claims, |value, name| value.as_object()?.get(name))
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

/// A space-separated string (RFC 6749 §3.3), or an array of strings; anything else is no scopes.
fn scope_list(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(scopes)) => split(scopes),
        Some(Value::Array(scopes)) => {
            let scopes: Option<Vec<String>> = scopes.iter().map(|scope| scope.as_str().map(str::to_owned)).collect();
            scopes.unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

fn split(scopes: &str) -> Vec<String> {
    scopes.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

/// A header that identity may come from: repeated, or not valid UTF-8, it is no identity (rule 7).
enum Header<'a> {
    None,
    One(&'a str),
    Many,
}

fn header<'a>(headers: &'a [(Vec<u8>, Vec<u8>)], name: &str) -> Header<'a> {
    let mut values = headers.iter().filter(|(known, _)| known.as_slice() == name.as_bytes()).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (None, _) => Header::None,
        (Some(_), Some(_)) => Header::Many,
        (Some(value), None) => std::str::from_utf8(value).map_or(Header::Many, Header::One),
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
        let rows = [
            ("scopes are separated by spaces", json!({"azp": "acme", "access": {"scopes": "a  b "}}), "acme|acme|a,b"),
            ("scopes may be an array", json!({"azp": "acme", "access": {"scopes": ["a", "b c"]}}), "acme|acme|a,b c"),
            (
                "an array of anything else is no scopes",
                json!({"azp": "acme", "access": {"scopes": ["a", 1]}}),
                "acme|acme|",
            ),
            ("an object is no scopes", json!({"azp": "acme", "access": {"scopes": {"a": true}}}), "acme|acme|"),
            ("a missing claim is no scopes", json!({"azp": "acme"}), "acme|acme|"),
            ("a null claim is no scopes", json!({"azp": "acme", "access": null}), "acme|acme|"),
            ("tabs do not separate scopes", json!({"azp": "acme", "access": {"scopes": "a\tb"}}), "acme|acme|a\tb"),
            ("an unknown client falls under the star", json!({"azp": "other"}), "other|*|"),
            ("clients are compared exactly", json!({"azp": "Acme"}), "Acme|*|"),
            ("no client falls under the star", json!({}), "|*|"),
            ("a client that is no string is none", json!({"azp": ["acme"]}), "|*|"),
            ("a client called star is no entry of its own", json!({"azp": "*"}), "*|*|"),
            (
                "a client with a control character is nobody",
                json!({"azp": "acme\u{1f}x", "access": {"scopes": "a"}}),
                "|*|",
            ),
            ("claims that are no object are none", json!("acme"), "|*|"),
        ];
        for (claim, claims, expected) in rows {
            let caller = Caller::identify(&policy, Evidence::Claims(&claims), &[]);
            assert_eq!(line(&policy, &caller), expected, "{claim}: {claims}");
        }
        let forged = [(b"x-client".to_vec(), b"acme".to_vec())];
        let caller = Caller::identify(&policy, Evidence::Nothing, &forged);
        assert_eq!(line(&policy, &caller), "|*|", "without a token there is nobody, whatever the headers say");
        let caller = Caller::identify(&policy, Evidence::PeerUri(b"acme"), &[]);
        assert_eq!(line(&policy, &caller), "|*|", "a certificate is not what the policy asks for");
    }

    #[test]
    fn a_certificate_says_who_is_asking() {
        let policy = policy(&json!({"source": "mtls"}));
        let rows: [(&str, &[u8], &str); 4] = [
            ("the scopes are those of the entry", b"spiffe://x/app", "spiffe://x/app|spiffe://x/app|b"),
            ("an unknown peer has those of the star", b"spiffe://x/other", "spiffe://x/other|*|a"),
            ("no SAN is nobody", b"", "|*|"),
            ("a SAN that is not UTF-8 is nobody", b"\xff", "|*|"),
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
        let rows: [Row<'_>; 12] = [
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
