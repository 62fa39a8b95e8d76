//! Pseudonyms (rule 23): keyed, and pairwise per client.

use std::fmt;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::text::{Piece, Text};
use crate::model::{Link, Pseudonym};

/// The least length of a key, in bytes: that of the MAC, below which HMAC-SHA-256 is weaker than it looks (FIPS 198-1 §3).
const KEY_BYTES: usize = 32;

/// Characters of base32 that a pseudonym has: 130 bits, so that chance collisions need about 2^65 values.
const CHARACTERS: usize = 26;

/// What a pseudonym starts with.
const PREFIX: &str = "ps_";

/// RFC 4648 §6, in lower case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Separates what is hashed: U+001F, information separator one.
const UNIT_SEPARATOR: &[u8] = &[0x1f];

/// The key of all pseudonyms (rule 23), ready to use. Its `Debug` form does not show it.
#[derive(Clone)]
pub struct PseudonymKey(Hmac<Sha256>, Prefix);

/// What the pseudonyms of a key start with: `ps_`, or `ps_NAME_` for a key with a name.
type Prefix = Rc<str>;

/// Why a text is not a key. It holds nothing of that text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFault {
    /// It is not base64 (RFC 4648 §4).
    NotBase64,
    /// It decodes to fewer than 32 bytes.
    TooShort {
        /// How many bytes it decodes to.
        bytes: usize,
    },
}

impl PseudonymKey {
    /// Reads a key as `FIELDGATE_KEY` holds it: at least 32 bytes in base64 (RFC 4648 §4), with or without padding; white
    /// space around it does not matter.
    ///
    /// # Errors
    /// See [`KeyFault`].
    pub fn from_base64(text: &str) -> Result<Self, KeyFault> {
        let key = STANDARD_PAD_INDIFFERENT.decode(text.trim()).map_err(|_| KeyFault::NotBase64)?;
        if key.len() < KEY_BYTES {
            return Err(KeyFault::TooShort { bytes: key.len() });
        }
        // HMAC takes a key of any length; were that to change, no key is the safe answer.
        let mac = Hmac::new_from_slice(&key).map_err(|_| KeyFault::TooShort { bytes: 0 })?;
        Ok(Self(mac, PREFIX.into()))
    }

    /// The key under the name that a policy gives it: its pseudonyms say which key made them, so that a key can be replaced
    /// while old pseudonyms are still about (rule 23).
    #[must_use]
    pub fn named(self, name: Option<&str>) -> Self {
        let prefix = name.map_or_else(|| PREFIX.into(), |name| format!("{PREFIX}{name}_").into());
        Self(self.0, prefix)
    }

    /// Whether a text is a pseudonym of this shape, under whatever key of whatever name.
    #[must_use]
    pub fn is_pseudonym(text: &str) -> bool {
        let Some(rest) = text.strip_prefix(PREFIX) else { return false };
        let digits = match rest.split_once('_') {
            Some((name, digits)) => {
                let ok = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
                if !(1..=8).contains(&name.len()) || !name.bytes().all(ok) {
                    return false;
                }
                digits
            }
            None => rest,
        };
        digits.len() == CHARACTERS && digits.bytes().all(|byte| BASE32.contains(&byte))
    }

    /// A key for another purpose, which that text names: the HMAC of the text, as four numbers.
    pub(crate) fn derive(&self, purpose: &[u8]) -> [u64; 4] {
        let mut mac = self.0.clone();
        mac.update(purpose);
        let bytes = mac.finalize().into_bytes();
        let (numbers, _) = bytes.as_chunks::<8>();
        let number = |at: usize| numbers.get(at).map_or(0, |bytes| u64::from_le_bytes(*bytes));
        [number(0), number(1), number(2), number(3)]
    }
}

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PseudonymKey(withheld)")
    }
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBase64 => f.write_str("the key is not base64"),
            Self::TooShort { bytes } => write!(f, "the key has {bytes} bytes; it needs at least {KEY_BYTES}"),
        }
    }
}

impl std::error::Error for KeyFault {}

/// Appends the pseudonym of `token` as a string token.
///
/// `client` is the caller's client id, empty for a caller without one (rule 9); it does not count where the form links
/// across clients. `token` is a checked string, number, `true` or `false`; see the [module](crate::transform) for what `false` means.
/// A string counts as the text that it stands for, however it is escaped; a number as its JSON text.
#[must_use]
pub fn pseudonym(key: &PseudonymKey, form: &Pseudonym, client: &str, token: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(text) = Text::of(token) else { return false };
    let client = match form.link {
        Link::Client => client,
        Link::All => "",
    };
    let mut mac = key.0.clone();
    mac.update(b"1");
    mac.update(UNIT_SEPARATOR);
    mac.update(form.namespace.as_bytes());
    mac.update(UNIT_SEPARATOR);
    mac.update(client.as_bytes());
    mac.update(UNIT_SEPARATOR);
    for piece in text.pieces() {
        match piece {
            Piece::Run(run) => mac.update(run.as_bytes()),
            Piece::Escape(char) => mac.update(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
    out.extend_from_slice(key.1.as_bytes());
    out.extend(base32(&mac.finalize().into_bytes()).take(CHARACTERS));
    out.push(b'"');
    true
}

/// Base32 (RFC 4648 §6) of whole groups of five bytes, in lower case.
fn base32(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.chunks_exact(5).flat_map(|group| {
        let bits = group.iter().fold(0u64, |bits, byte| (bits << 8) | u64::from(*byte));
        [35u32, 30, 25, 20, 15, 10, 5, 0].map(|shift| {
            let index = (bits >> shift) as usize & 0x1f;
            BASE32.get(index).copied().unwrap_or(b'a')
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "small numbers")]

    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> PseudonymKey {
        PseudonymKey::from_base64(&STANDARD_PAD_INDIFFERENT.encode([byte; 32])).unwrap()
    }

    fn form(namespace: &str, link: Link) -> Pseudonym {
        Pseudonym { namespace: namespace.into(), link }
    }

    fn of(key: &PseudonymKey, form: &Pseudonym, client: &str, token: &str) -> Option<String> {
        let mut out = b"before".to_vec();
        let fits = pseudonym(key, form, client, token.as_bytes(), &mut out);
        let rest = out.strip_prefix(b"before").expect("what was there stays").to_vec();
        assert_eq!(fits, !rest.is_empty());
        fits.then(|| String::from_utf8(rest).unwrap())
    }

    /// RFC 4231 §4.2 to §4.8, but for the truncated §4.6.
    #[test]
    fn the_mac_is_hmac_sha_256() {
        let rows: &[(&[u8], &[u8], &str)] = &[
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            (
                b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19",
                &[0xcd; 50],
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                &[0xaa; 131],
                b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.",
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
        ];
        for (key, data, expected) in rows {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            mac.update(data);
            let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, *expected);
        }
    }

    /// RFC 4648 §10, the vectors without padding, and the alphabet from end to end.
    #[test]
    fn base32_has_the_alphabet_of_rfc_4648_in_lower_case() {
        let text = |bytes: &[u8]| String::from_utf8(base32(bytes).collect()).unwrap();
        assert_eq!(text(b"fooba"), "mzxw6ytb");
        assert_eq!(text(&[0x00, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6, 0x35, 0xcf]), "abcdefghijklmnop");
        assert_eq!(text(&[0x84, 0x65, 0x3a, 0x56, 0xd7, 0xc6, 0x75, 0xbe, 0x77, 0xdf]), "qrstuvwxyz234567");
    }

    /// Computed with Python's `hmac`, `hashlib` and `base64`; a changed row means that every pseudonym ever given out changes.
    #[test]
    fn a_pseudonym_is_what_the_rule_says() {
        let rows = [
            ("customer", "acme", r#""C-1001""#, "ps_37vz6vjg2awsxzpa34jf76jyvv"),
            ("customer", "", r#""C-1001""#, "ps_xks7j4elukolewdhimckqtje2x"),
            ("number", "acme", "4915550142", "ps_uzehlvnceypy6j3c66anvcdgan"),
            ("email", "acme", r#""zo\u00eb@example.com""#, "ps_7zvlrpg4nccrykp5m6h43gp7ti"),
        ];
        for (namespace, client, token, expected) in rows {
            let made = of(&key(7), &form(namespace, Link::Client), client, token);
            assert_eq!(made, Some(format!("\"{expected}\"")), "{namespace} {client} {token}");
        }
    }

    #[test]
    fn key_namespace_client_and_text_all_count() {
        let base = of(&key(1), &form("a", Link::Client), "x", r#""v""#);
        assert_eq!(base.as_ref().map(String::len), Some(2 + 3 + CHARACTERS));
        assert_ne!(base, of(&key(2), &form("a", Link::Client), "x", r#""v""#));
        assert_ne!(base, of(&key(1), &form("b", Link::Client), "x", r#""v""#));
        assert_ne!(base, of(&key(1), &form("a", Link::Client), "y", r#""v""#));
        assert_ne!(base, of(&key(1), &form("a", Link::Client), "x", r#""w""#));
    }

    #[test]
    fn a_key_with_a_name_makes_the_pseudonyms_of_the_key_and_says_its_name() {
        let plain = of(&key(1), &form("a", Link::Client), "x", r#""v""#).unwrap();
        let named = of(&key(1).named(Some("k2")), &form("a", Link::Client), "x", r#""v""#).unwrap();
        assert_eq!(named, plain.replacen("ps_", "ps_k2_", 1));
        assert_eq!(of(&key(1).named(Some("k2")).named(None), &form("a", Link::Client), "x", r#""v""#), Some(plain));
    }

    #[test]
    fn a_pseudonym_is_known_by_its_shape() {
        let digits = "37vz6vjg2awsxzpa34jf76jyvv";
        for (text, is) in [
            (format!("ps_{digits}"), true),
            (format!("ps_k2_{digits}"), true),
            (format!("ps_12345678_{digits}"), true),
            (format!("ps_123456789_{digits}"), false),
            (format!("ps__{digits}"), false),
            (format!("ps_K2_{digits}"), false),
            (format!("ps_k2_x_{digits}"), false),
            (format!("ps_{digits}a"), false),
            (format!("ps_{}", digits.replace('v', "1")), false),
            (digits.to_owned(), false),
        ] {
            assert_eq!(PseudonymKey::is_pseudonym(&text), is, "{text}");
        }
    }

    #[test]
    fn a_linking_form_leaves_the_client_out() {
        let all = form("a", Link::All);
        let made = of(&key(1), &all, "x", r#""v""#);
        assert_eq!(made, of(&key(1), &all, "y", r#""v""#));
        assert_eq!(made, of(&key(1), &form("a", Link::Client), "", r#""v""#));
    }

    #[test]
    fn spelling_does_not_count_for_strings_and_does_for_numbers() {
        let made = |token| of(&key(1), &form("a", Link::Client), "x", token);
        assert_eq!(made(r#""a/😀""#), made(r#""\u0061\/\ud83d\ude00""#));
        assert_eq!(made("12"), made(r#""12""#));
        assert_ne!(made("1"), made("1.0"));
    }

    #[test]
    fn booleans_and_what_is_no_token_have_no_pseudonym() {
        for token in ["true", "false", "null", "", "{}", "\""] {
            assert_eq!(of(&key(1), &form("a", Link::Client), "x", token), None, "{token}");
        }
    }

    #[test]
    fn a_key_is_32_bytes_of_base64_or_more() {
        let encode = |length| STANDARD_PAD_INDIFFERENT.encode(vec![5; length]);
        for length in [32, 33, 34, 64, 200] {
            let padded = encode(length);
            assert!(PseudonymKey::from_base64(&padded).is_ok(), "{length}");
            assert!(PseudonymKey::from_base64(padded.trim_end_matches('=')).is_ok(), "{length} without padding");
            assert!(PseudonymKey::from_base64(&format!(" {padded}\n")).is_ok(), "{length} with white space");
        }
        for (text, fault) in [
            (encode(31), KeyFault::TooShort { bytes: 31 }),
            (String::new(), KeyFault::TooShort { bytes: 0 }),
            (String::from("  \n"), KeyFault::TooShort { bytes: 0 }),
            (encode(32).replace('U', "-"), KeyFault::NotBase64),
            (encode(32).replacen('U', "U U", 1), KeyFault::NotBase64),
            (format!("{}====", encode(32)), KeyFault::NotBase64),
            (String::from("not a key!"), KeyFault::NotBase64),
        ] {
            assert_eq!(PseudonymKey::from_base64(&text).err(), Some(fault), "{text}");
        }
        let spelling = |text: &str| of(&PseudonymKey::from_base64(text).unwrap(), &form("a", Link::All), "", "1");
        assert_eq!(spelling(&encode(32)), spelling(encode(32).trim_end_matches('=')));
    }

    #[test]
    fn neither_a_key_nor_a_fault_shows_the_key() {
        assert_eq!(format!("{:?}", key(0x41)), "PseudonymKey(withheld)");
        assert_eq!(KeyFault::NotBase64.to_string(), "the key is not base64");
        assert_eq!(KeyFault::TooShort { bytes: 3 }.to_string(), "the key has 3 bytes; it needs at least 32");
    }

    proptest! {
        #[test]
        fn a_pseudonym_reveals_nothing_but_its_own_shape(text: String) {
            let token = serde_json::to_string(&text).unwrap();
            let made = of(&key(1), &form("a", Link::Client), "x", &token).unwrap();
            prop_assert_eq!(made.len(), 31);
            prop_assert!(made.starts_with("\"ps_") && made.ends_with('"'));
            prop_assert!(made[4..30].bytes().all(|byte| BASE32.contains(&byte)));
        }
    }
}
