//! The few protobuf messages that the host speaks: `google.protobuf.Struct` and `envoy.config.core.v3.Metadata`.
//!
//! Decoding is bounded: prost refuses more than 100 messages inside each other.

pub(crate) mod ratelimit;
pub(crate) mod service;

use std::collections::BTreeMap;

use prost::Message;
use serde_json::Value as Json;

/// `google.protobuf.Struct`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Struct {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) fields: BTreeMap<String, ProtoValue>,
}

/// `google.protobuf.Value`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ProtoValue {
    #[prost(oneof = "ValueKind", tags = "1, 2, 3, 4, 5, 6")]
    pub(crate) kind: Option<ValueKind>,
}

/// What a `google.protobuf.Value` holds.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum ValueKind {
    #[prost(int32, tag = "1")]
    Null(i32),
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Bool(bool),
    #[prost(message, tag = "5")]
    Struct(Struct),
    #[prost(message, tag = "6")]
    List(List),
}

/// `google.protobuf.ListValue`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct List {
    #[prost(message, repeated, tag = "1")]
    pub(crate) values: Vec<ProtoValue>,
}

/// `envoy.config.core.v3.Metadata`, as far as it is read.
#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(btree_map = "string, message", tag = "1")]
    filter_metadata: BTreeMap<String, Struct>,
}

impl Struct {
    /// Decodes a message; `None` if it is malformed.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        Self::decode(bytes).ok()
    }

    /// Encodes the message, for tests that hand one to a reader.
    #[cfg(test)]
    pub(crate) fn write(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

/// The namespace that Envoy's `jwt_authn` filter writes to.
const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";

/// The claims of the verified token, out of a request's dynamic metadata: the one member of what `jwt_authn` wrote that is named
/// in `payloads`, and which of them it is. Where two are, nobody can say whose the request is: none.
#[must_use]
pub fn verified_claims(metadata: &[u8], payloads: &[String]) -> Option<(usize, Json)> {
    let mut metadata = Metadata::decode(metadata).ok()?;
    let mut verified = metadata.filter_metadata.remove(JWT_AUTHN)?;
    let mut found =
        payloads.iter().enumerate().filter_map(|(at, payload)| Some((at, verified.fields.remove(payload)?.kind)));
    match (found.next()?, found.next()) {
        ((at, Some(ValueKind::Struct(claims))), None) => Some((at, object(claims))),
        _ => None,
    }
}

fn object(from: Struct) -> Json {
    Json::Object(from.fields.into_iter().map(|(name, value)| (name, json(value))).collect())
}

fn json(from: ProtoValue) -> Json {
    match from.kind {
        Some(ValueKind::Struct(inner)) => object(inner),
        Some(ValueKind::List(list)) => Json::Array(list.values.into_iter().map(json).collect()),
        Some(ValueKind::Text(text)) => Json::String(text),
        Some(ValueKind::Bool(value)) => Json::Bool(value),
        Some(ValueKind::Number(number)) => serde_json::Number::from_f64(number).map_or(Json::Null, Json::Number),
        Some(ValueKind::Null(_)) | None => Json::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::{JWT_AUTHN, List, Metadata, ProtoValue, Struct, ValueKind, verified_claims};
    use prost::Message as _;
    use serde_json::json;

    fn one(name: &str, kind: ValueKind) -> Struct {
        Struct { fields: [(name.to_owned(), ProtoValue { kind: Some(kind) })].into() }
    }

    fn two(name: &str, kind: ValueKind, other: &str, its: ValueKind) -> Struct {
        let value = |kind| ProtoValue { kind: Some(kind) };
        Struct { fields: [(name.to_owned(), value(kind)), (other.to_owned(), value(its))].into() }
    }

    #[test]
    fn only_what_the_filter_verified_is_a_claim() {
        let claims = |scope: &str| ValueKind::Struct(one("scope", ValueKind::Text(scope.into())));
        let rows = [
            ("the payload", JWT_AUTHN, one("jwt", claims("a")), Some((0, json!({"scope": "a"})))),
            ("another payload", JWT_AUTHN, one("other", claims("a")), None),
            ("another filter's metadata", "envoy.lb", one("jwt", claims("a")), None),
            ("a payload that is a text", JWT_AUTHN, one("jwt", ValueKind::Text("scope".into())), None),
            ("a payload that is a list", JWT_AUTHN, one("jwt", ValueKind::List(List { values: Vec::new() })), None),
            ("the second issuer's", JWT_AUTHN, one("jwt2", claims("a")), Some((1, json!({"scope": "a"})))),
            ("two issuers' at once", JWT_AUTHN, two("jwt", claims("a"), "jwt2", claims("b")), None),
            ("two, one of them a text", JWT_AUTHN, two("jwt", claims("a"), "jwt2", ValueKind::Text("b".into())), None),
            (
                "one and a stranger's",
                JWT_AUTHN,
                two("jwt", claims("a"), "other", claims("b")),
                Some((0, json!({"scope": "a"}))),
            ),
        ];
        let payloads = ["jwt".to_owned(), "jwt2".to_owned()];
        for (claim, filter, fields, expected) in rows {
            let metadata = Metadata { filter_metadata: [(filter.to_owned(), fields)].into() };
            assert_eq!(verified_claims(&metadata.encode_to_vec(), &payloads), expected, "{claim}");
        }
        assert_eq!(verified_claims(b"\xff", &payloads), None, "no message");
        assert_eq!(verified_claims(b"", &payloads), None, "nothing");
    }
}
