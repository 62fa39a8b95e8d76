//! The messages of `envoy.service.ratelimit.v3`, as far as one descriptor with a limit of its own needs them.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct RateLimitRequest {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(message, repeated, tag = "2")]
    descriptors: Vec<RequestDescriptor>,
    #[prost(uint32, tag = "3")]
    hits_addend: u32,
}

#[derive(Clone, PartialEq, Message)]
struct RequestDescriptor {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<DescriptorEntry>,
    #[prost(message, optional, tag = "2")]
    limit: Option<RequestLimit>,
}

#[derive(Clone, PartialEq, Message)]
struct DescriptorEntry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct RequestLimit {
    #[prost(uint32, tag = "1")]
    requests_per_unit: u32,
    #[prost(int32, tag = "2")]
    unit: i32,
}

#[derive(Clone, PartialEq, Message)]
struct RateLimitResponse {
    #[prost(int32, tag = "1")]
    overall_code: i32,
    #[prost(message, repeated, tag = "2")]
    statuses: Vec<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(message, optional, tag = "2")]
    current_limit: Option<RequestLimit>,
    #[prost(uint32, tag = "3")]
    limit_remaining: u32,
    #[prost(message, optional, tag = "4")]
    duration_until_reset: Option<Duration>,
}

#[derive(Clone, PartialEq, Message)]
struct Duration {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

/// A unit of time, with its number in the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    Second = 1,
    Minute = 2,
    Hour = 3,
    Day = 4,
    Month = 5,
    Year = 6,
    Week = 7,
}

/// So many in a unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) requests: u64,
    pub(crate) unit: TimeUnit,
}

/// What is asked: one descriptor, with the limit that holds for it.
#[derive(Debug)]
pub(crate) struct Descriptor<'a> {
    pub(crate) domain: &'a str,
    pub(crate) entries: [(&'a str, &'a str); 2],
    pub(crate) limit: Limit,
    pub(crate) hits: u64,
}

/// What the service said of the one descriptor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// Whether it is within the limit; `None` if the service does not say.
    pub(crate) granted: Option<bool>,
    /// The limit that it was held against.
    pub(crate) limit: Option<Limit>,
    pub(crate) left: u64,
    /// In whole seconds; 0 if it does not say.
    pub(crate) until_reset: u64,
}

const OK: i32 = 1;
const OVER_LIMIT: i32 = 2;

/// Encodes a `RateLimitRequest`. Numbers beyond 32 bits, which the messages do not have, become the largest.
pub(crate) fn request(descriptor: &Descriptor<'_>) -> Vec<u8> {
    let entries =
        descriptor.entries.map(|(key, value)| DescriptorEntry { key: key.to_owned(), value: value.to_owned() });
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let limit =
        RequestLimit { requests_per_unit: small(descriptor.limit.requests), unit: descriptor.limit.unit as i32 };
    RateLimitRequest {
        domain: descriptor.domain.to_owned(),
        descriptors: vec![RequestDescriptor { entries: entries.into(), limit: Some(limit) }],
        hits_addend: small(descriptor.hits),
    }
    .encode_to_vec()
}

/// Decodes a `RateLimitResponse` to a request with one descriptor; `None` if it is malformed or says of another number.
pub(crate) fn response(bytes: &[u8]) -> Option<Said> {
    let response = RateLimitResponse::decode(bytes).ok()?;
    let [status] = response.statuses.as_slice() else { return None };
    let granted = match (response.overall_code, status.code) {
        (OK, OK) => Some(true),
        (OVER_LIMIT, OVER_LIMIT) => Some(false),
        _ => None,
    };
    let limit = status.current_limit.as_ref().and_then(|limit| {
        let units = [
            TimeUnit::Second,
            TimeUnit::Minute,
            TimeUnit::Hour,
            TimeUnit::Day,
            TimeUnit::Month,
            TimeUnit::Year,
            TimeUnit::Week,
        ]
        .into_iter();
        let unit = units.into_iter().find(|unit| *unit as i32 == limit.unit)?;
        Some(Limit { requests: limit.requests_per_unit.into(), unit })
    });
    let until_reset = status.duration_until_reset.as_ref().map_or(0, |duration| duration.seconds);
    let until_reset = u64::try_from(until_reset).unwrap_or(0);
    Some(Said { granted, limit, left: status.limit_remaining.into(), until_reset })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A response as the service writes it.
    pub(crate) fn answer(code: i32, limit: Option<(u32, i32)>, left: u32, seconds: i64) -> Vec<u8> {
        let current_limit = limit.map(|(requests_per_unit, unit)| RequestLimit { requests_per_unit, unit });
        let duration_until_reset = Some(Duration { seconds });
        let status = Status { code, current_limit, limit_remaining: left, duration_until_reset };
        RateLimitResponse { overall_code: code, statuses: vec![status] }.encode_to_vec()
    }

    #[test]
    fn a_request_has_the_bytes_that_the_service_reads() {
        let limit = Limit { requests: 200, unit: TimeUnit::Hour };
        let entries = [("budget", "b"), ("key", "k")];
        let bytes = request(&Descriptor { domain: "d", entries, limit, hits: 3 });
        let expected = b"\x0a\x01d\x12\x1e\x0a\x0b\x0a\x06budget\x12\x01b\x0a\x08\x0a\x03key\x12\x01k\x12\x05\x08\xc8\x01\x10\x03\x18\x03";
        assert_eq!(bytes.as_slice(), expected.as_slice());
    }

    #[test]
    fn an_answer_is_a_yes_or_a_no_or_neither() {
        let hour = Some(Limit { requests: 200, unit: TimeUnit::Hour });
        let said = |granted, limit, left, until_reset| Some(Said { granted, limit, left, until_reset });
        let rows = [
            ("yes", answer(1, Some((200, 3)), 150, 90), said(Some(true), hour, 150, 90)),
            ("no", answer(2, Some((200, 3)), 0, 90), said(Some(false), hour, 0, 90)),
            ("no limit", answer(1, None, 0, 0), said(Some(true), None, 0, 0)),
            ("a code that is neither", answer(0, Some((200, 3)), 1, 1), said(None, hour, 1, 1)),
            ("a unit that does not exist", answer(1, Some((200, 9)), 1, 1), said(Some(true), None, 1, 1)),
            ("a time before now", answer(1, Some((200, 3)), 1, -5), said(Some(true), hour, 1, 0)),
            ("nothing", Vec::new(), None),
            ("no message", b"\xff\xff".to_vec(), None),
        ];
        for (claim, bytes, expected) in rows {
            assert_eq!(response(&bytes), expected, "{claim}");
        }
        let two = RateLimitResponse { overall_code: 1, statuses: vec![Status::default(), Status::default()] };
        assert_eq!(response(&two.encode_to_vec()), None, "two statuses");
    }
}
