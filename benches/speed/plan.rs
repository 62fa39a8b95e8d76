//! Engine C: serde over a tree of what is kept. The rest is `IgnoredAny`, what is kept `&RawValue`. It needs the whole body. Names are
//! looked up by a fast hash, as no stranger chooses what is looked up in.

use std::fmt;

use fieldgate::program::{ContainerRule, ScalarRule, StateId, View};
use fieldgate::transform::mask;
use rustc_hash::FxHashMap;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// What becomes of a place, with all below it.
pub(crate) struct Plan {
    pub(crate) scalar: ScalarRule,
    pub(crate) below: Below,
}

/// What becomes of a container.
pub(crate) enum Below {
    Drop,
    /// Its members by name, and all other members and the elements.
    Walk(FxHashMap<Box<str>, Plan>, Option<Box<Plan>>),
}

/// The part of the view's automaton that the benches use, as a tree: no filters, no `..*`.
pub(crate) fn of(view: &View, id: StateId) -> Plan {
    let state = view.state(id);
    let below = match state.container {
        ContainerRule::Walk => {
            let members = state.members.iter().filter(|(_, child)| *child != StateId::DEAD);
            let members = members.map(|(name, child)| (name.into(), of(view, child))).collect();
            let any = (state.other != StateId::DEAD).then(|| Box::new(of(view, state.other)));
            Below::Walk(members, any)
        }
        _ => Below::Drop,
    };
    Plan { scalar: state.scalar.clone(), below }
}

pub(crate) fn rewrite(plan: &Plan, body: &[u8], out: &mut Vec<u8>) {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let kept = Seed { plan, lead: Lead::None, out }.deserialize(&mut deserializer).expect("a JSON text");
    assert!(kept);
    deserializer.end().expect("nothing behind it");
}

/// What stands before a value, if that is kept.
#[derive(Clone, Copy)]
enum Lead<'a> {
    None,
    Comma,
    Name(&'a str, bool),
}

/// Writes a value as its plan says; answers whether it wrote anything.
struct Seed<'p, 'o> {
    plan: &'p Plan,
    lead: Lead<'p>,
    out: &'o mut Vec<u8>,
}

impl Seed<'_, '_> {
    fn lead(&mut self) {
        match self.lead {
            Lead::None => {}
            Lead::Comma => self.out.push(b','),
            Lead::Name(name, comma) => {
                if comma {
                    self.out.push(b',');
                }
                if name.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
                    self.out.push(b'"');
                    self.out.extend_from_slice(name.as_bytes());
                    self.out.push(b'"');
                } else {
                    serde_json::to_writer(&mut *self.out, name).expect("a vector takes all");
                }
                self.out.push(b':');
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<bool, D::Error> {
        if let Below::Walk(..) = self.plan.below {
            return deserializer.deserialize_any(self);
        }
        if self.plan.scalar == ScalarRule::Hide {
            return deserializer.deserialize_ignored_any(IgnoredAny).map(|_| false);
        }
        let raw = <&RawValue as serde::Deserialize>::deserialize(deserializer)?.get();
        if raw.starts_with(['{', '[']) {
            return Ok(false);
        }
        self.lead();
        match &self.plan.scalar {
            ScalarRule::Mask { form, blank } if raw != "null" => {
                if !mask(*form, raw.as_bytes(), self.out) {
                    self.out.extend_from_slice(blank.as_bytes());
                }
            }
            _ => self.out.extend_from_slice(raw.as_bytes()),
        }
        Ok(true)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<bool, A::Error> {
        let Below::Walk(members, any) = &self.plan.below else { return Ok(false) };
        self.lead();
        self.out.push(b'{');
        let mut begun = false;
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            match members.get(&*name).or(any.as_deref()) {
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
                Some(plan) => {
                    let lead = Lead::Name(&name, begun);
                    begun |= map.next_value_seed(Seed { plan, lead, out: &mut *self.out })?;
                }
            }
        }
        self.out.push(b'}');
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<bool, A::Error> {
        let Below::Walk(_, any) = &self.plan.below else { return Ok(false) };
        self.lead();
        self.out.push(b'[');
        let mut lead = Lead::None;
        match any {
            None => while seq.next_element::<IgnoredAny>()?.is_some() {},
            Some(plan) => {
                while let Some(written) = seq.next_element_seed(Seed { plan, lead, out: &mut *self.out })? {
                    if written {
                        lead = Lead::Comma;
                    }
                }
            }
        }
        self.out.push(b']');
        Ok(true)
    }

    fn visit_unit<E>(mut self) -> Result<bool, E> {
        self.lead();
        self.out.extend_from_slice(b"null");
        Ok(true)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }
}

/// A name, borrowed where it has no escapes.
struct Name<'de>(std::borrow::Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Take;
        impl<'de> Visitor<'de> for Take {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(name.into()))
            }
            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(name.to_owned().into()))
            }
        }
        deserializer.deserialize_str(Take)
    }
}
