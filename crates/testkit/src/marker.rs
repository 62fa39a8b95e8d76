//! Markers: random text in the place of what is withheld, and the search for it in everything that a client got.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Where a template wants a textual marker.
pub const TEXT: &str = "@@";
/// Where a template wants a marker of digits, which is a JSON number.
pub const DIGITS: &str = "##";

/// The markers of one exchange.
#[derive(Debug, Default, Clone)]
pub struct Markers(Vec<String>);

impl Markers {
    /// A new textual marker: 20 letters and digits.
    pub fn text(&mut self) -> String {
        self.keep(format!("mrk{:017x}", random()).chars().take(20).collect())
    }

    /// A new marker of 18 digits, the first not 0.
    pub fn digits(&mut self) -> String {
        self.keep(format!("{}", 100_000_000_000_000_000 + random() % 800_000_000_000_000_000))
    }

    fn keep(&mut self, marker: String) -> String {
        self.0.push(marker.clone());
        marker
    }

    /// The template with a new marker in each of its places.
    pub fn fill(&mut self, template: &[u8]) -> Vec<u8> {
        let mut filled = Vec::with_capacity(template.len());
        let mut rest = template;
        while let Some(&byte) = rest.first() {
            if rest.starts_with(TEXT.as_bytes()) {
                filled.extend_from_slice(self.text().as_bytes());
                rest = &rest[2..];
            } else if rest.starts_with(DIGITS.as_bytes()) {
                filled.extend_from_slice(self.digits().as_bytes());
                rest = &rest[2..];
            } else {
                filled.push(byte);
                rest = &rest[1..];
            }
        }
        filled
    }

    /// Whether `bytes` hold what every marker begins with, or a marker of digits: fast, for very many markers.
    pub fn any_in(&self, bytes: &[u8]) -> bool {
        contains(bytes, b"mrk")
            || self.0.iter().any(|marker| !marker.starts_with("mrk") && contains(bytes, marker.as_bytes()))
    }

    /// The first marker that `bytes` hold: as it is, in hexadecimal, in base64 at any alignment, percent-encoded, backwards.
    pub fn found_in(&self, bytes: &[u8]) -> Option<String> {
        let folded = bytes.to_ascii_lowercase();
        self.0.iter().find_map(|marker| {
            let in_any_case = [
                ("plain", marker.to_lowercase()),
                ("hexadecimal", marker.bytes().map(|byte| format!("{byte:02x}")).collect()),
                ("percent-encoded", marker.bytes().map(|byte| format!("%{byte:02x}")).collect()),
                ("escaped", marker.bytes().map(|byte| format!("\\u{byte:04x}")).collect()),
                ("backwards", marker.chars().rev().collect()),
            ];
            let plain = in_any_case.into_iter().find(|(_, form)| contains(&folded, form.as_bytes()));
            let base64 = || (0..3).find(|&shift| base64_at(marker, shift).iter().any(|form| contains(bytes, form)));
            plain
                .map(|(how, _)| format!("marker {marker} ({how})"))
                .or_else(|| base64().map(|shift| format!("marker {marker} (base64 at {shift})")))
        })
    }
}

/// The characters that `marker` certainly has in the base64 of a text in which it stands at `shift` modulo 3.
fn base64_at(marker: &str, shift: usize) -> [Vec<u8>; 2] {
    let padded = [&b"\0\0\0"[..shift], marker.as_bytes()].concat();
    let whole = padded.len() / 3 * 3;
    let skip = if shift == 0 { 0 } else { 4 };
    [STANDARD_NO_PAD.encode(&padded[..whole]), URL_SAFE_NO_PAD.encode(&padded[..whole])]
        .map(|text| text.as_bytes()[skip..].to_vec())
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(bytes, needle).is_some()
}

/// Random enough to be unique; the standard library's per-process keys are its only source.
pub fn random() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u8(0);
    hasher.finish()
}
