//! A token issuer: ES256 (RFC 7518 §3.4) with a key made when it starts, and its public half as a JWK set (RFC 7517).

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::Generate as _;
use serde_json::{Value, json};

/// `iss` of every token, as the reference bootstrap wants it.
const ISSUER: &str = "https://issuer.example";
/// `aud` of every token, as the reference bootstrap wants it.
const AUDIENCE: &str = "https://api.example";
const KEY_ID: &str = "made-at-start";

/// Signs tokens; the key lives as long as the process.
pub struct Issuer {
    key: SigningKey,
}

impl Issuer {
    pub fn new() -> Self {
        Self { key: SigningKey::generate() }
    }

    /// The public key, as the file that `local_jwks` names.
    pub fn jwks(&self) -> String {
        let point = self.key.verifying_key().to_sec1_point(false);
        let coordinate =
            |bytes: Option<&_>| URL_SAFE_NO_PAD.encode::<&[u8]>(bytes.map(AsRef::as_ref).unwrap_or_default());
        json!({"keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": KEY_ID,
            "x": coordinate(point.x()), "y": coordinate(point.y()),
        }]})
        .to_string()
    }

    /// A token that is good for a day, with `claims` beside the registered ones (which `claims` may overwrite).
    pub fn token(&self, claims: &Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut payload = json!({"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now.saturating_add(86_400)});
        if let (Some(payload), Some(claims)) = (payload.as_object_mut(), claims.as_object()) {
            payload.extend(claims.clone());
        }
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": KEY_ID});
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload.to_string()));
        let signature: Signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}
