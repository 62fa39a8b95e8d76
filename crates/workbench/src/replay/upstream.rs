//! [`Upstream`]: what the API answers in a replay.

use fieldgate::exchange::Headers;
use fieldgate::model::field_path::Segment;
use fieldgate::model::{Governed, PolicySet, Route, RouteBody, RowRule, ScopeId, SubjectPlace};
use serde_json::{Value, json};

use super::counted;
use crate::fault::Fault;
use crate::invented;

/// Stands for the customer in the text of a body: then the number of the place in its record, and [`END`].
const CUSTOMER: &str = "@customer:";
const END: &str = "@";
/// Stands for the records in the text of a body.
const RECORDS: &str = "@records@";

/// What the API answers: a page of records, each about a customer of its own.
#[derive(Debug, Clone)]
pub struct Upstream {
    route: String,
    authority: Option<String>,
    path: Path,
    /// The text before and after the records.
    around: (String, String),
    /// The pieces of one record; after each but the last stands the customer of a place.
    record: Vec<(String, Option<usize>)>,
    /// Customers of one record.
    places: u64,
    /// Values of one record, and of the whole around them.
    values: u64,
    /// The most records of a page.
    most: u64,
    /// The query parameter for a smaller page.
    query: Option<String>,
}

/// How a request names what it wants.
#[derive(Debug, Clone)]
enum Path {
    /// The customer is in the path, between these.
    Customer(String, String),
    /// The whole path.
    List(String),
}

impl Path {
    /// The path of a route with a place for the customer.
    fn to_customer(route: &Route) -> Result<Self, Fault> {
        let text = route.template.example("@");
        let (before, after) = text.split_once('@').ok_or_else(|| {
            Fault::new(
                format!("`{}` always answers with the same customer", route.name),
                "name a route whose path has a parameter, or a list",
            )
        })?;
        Ok(Self::Customer(before.to_owned(), after.replace('@', "0")))
    }
}

/// Writes a mark at each place of a body that identifies somebody; how many there are.
fn marked(body: &mut Value, governed: &Governed, namespace: Option<&str>) -> u64 {
    let mut places = 0u64;
    for entry in governed.subject_entries(namespace) {
        if set(body, &entry.path.segments, &json!(format!("{CUSTOMER}{places}{END}"))) {
            places = places.saturating_add(1);
        }
    }
    places
}

/// One page: how it is asked for, and what comes.
#[derive(Debug)]
pub struct Page {
    /// Path and query of the request.
    pub target: String,
    /// The body of the answer.
    pub body: Vec<u8>,
}

impl Upstream {
    /// The API behind a route. Its records look like those of `sample`, else like the places that the policy names; places
    /// with a filter are then left out.
    ///
    /// # Errors
    /// When nothing in the route's answers says whose they are, or the sample has no place for it.
    pub fn new(policy: &PolicySet, route: &Route, sample: Option<Value>) -> Result<Self, Fault> {
        let RouteBody::Governed(governed) = &route.body else {
            return Err(Fault::new(
                format!("`{}` is forwarded untouched, so whoever may ask gets all", route.name),
                "name a route that the policy governs",
            ));
        };
        let nobody = || {
            Fault::new(
                format!("nothing in the answers of `{}` says whose they are", route.name),
                "write `subject: customer` at the field that identifies one",
            )
        };
        let namespace = counted(policy);
        let mut body =
            sample.unwrap_or_else(|| invented::body(governed.entries.iter().filter(|entry| !entry.path.is_filtered())));
        let place = governed.subjects_of(namespace.as_deref());
        let array = match &place {
            SubjectPlace::Nowhere => return Err(nobody()),
            SubjectPlace::Array(array) => Some(array),
            SubjectPlace::Root | SubjectPlace::Path(_) => None,
        };
        let places = marked(&mut body, governed, namespace.as_deref());
        let by_path = matches!(place, SubjectPlace::Path(_));
        if places == 0 && !by_path {
            return Err(Fault::new(
                format!("the sample has no place that identifies a {}", namespace.as_deref().unwrap_or("subject")),
                format!("it must look like an answer of `{}`", route.name),
            ));
        }
        let (around, record) = match array {
            None => (String::from(RECORDS), body),
            Some(array) => {
                let record = take(&mut body, &array.segments).ok_or_else(nobody)?;
                (body.to_string().replacen(&format!("\"{RECORDS}\""), RECORDS, 1), record)
            }
        };
        let (before, after) = around.split_once(RECORDS).ok_or_else(nobody)?;
        let path = if by_path || array.is_none() {
            Path::to_customer(route)?
        } else {
            Path::List(route.template.example("0"))
        };
        let limits = governed.max_records.as_ref().filter(|_| array.is_some());
        Ok(Self {
            route: route.name.clone(),
            authority: policy.hosts.first().cloned(),
            path,
            around: (before.to_owned(), after.to_owned()),
            record: pieces(&record.to_string()),
            places: places.max(1),
            values: scalars(&record),
            most: match (array, limits) {
                (None, _) => 1,
                (Some(_), Some(limits)) => limits.max.min(MOST_PAGE),
                (Some(_), None) => PAGE,
            },
            query: limits.and_then(|limits| limits.query.clone()),
        })
    }

    /// The route's name.
    #[must_use]
    pub fn route(&self) -> &str {
        &self.route
    }

    /// The most records of one page: what the route allows, and no more than 10,000.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.most
    }

    /// Whether a request can ask for a smaller page.
    #[must_use]
    pub fn has_pages(&self) -> bool {
        self.query.is_some()
    }

    /// Values of the data of so many customers, without a policy: of as many records as tell of them.
    #[must_use]
    pub fn values(&self, customers: u64) -> u64 {
        customers.div_ceil(self.places.max(1)).saturating_mul(self.values)
    }

    /// Customers of one record.
    #[must_use]
    pub fn places(&self) -> u64 {
        self.places
    }

    /// The headers of a request, besides method and path.
    pub(super) fn headers(&self) -> Headers {
        let authority = self.authority.as_deref().unwrap_or("localhost");
        vec![(b":authority".to_vec(), authority.as_bytes().to_vec())]
    }

    /// The row condition that leaves the records of this API out, where each of these scopes has one: nothing of them would leave,
    /// and a replay would say so of a real API too.
    #[must_use]
    pub fn left_out<'g>(&self, governed: &'g Governed, scopes: &[ScopeId]) -> Option<&'g RowRule> {
        let body: Value = serde_json::from_slice(&self.page(0, 1).body).ok()?;
        let loses = |rule: &RowRule| {
            first_element(&body, &rule.array.segments).is_some_and(|element| !rule.filter.selects(element))
        };
        let rule_of =
            |scope: &ScopeId| governed.rows.iter().find(|rule| rule.scope.is_none_or(|of| of == *scope) && loses(rule));
        let found: Option<Vec<&RowRule>> = scopes.iter().map(rule_of).collect();
        found?.first().copied()
    }

    /// So many records, the first of which is about the customer with this number.
    #[must_use]
    pub fn page(&self, first: u64, records: u64) -> Page {
        let customer = |number: u64| format!("A{number:08}");
        let target = match (&self.path, &self.query) {
            (Path::Customer(before, after), _) => format!("{before}{}{after}", customer(first)),
            (Path::List(path), Some(query)) => format!("{path}?{query}={records}"),
            (Path::List(path), None) => path.clone(),
        };
        let mut body = self.around.0.clone();
        for record in 0..records {
            if record > 0 {
                body.push(',');
            }
            let number = first.saturating_add(record.saturating_mul(self.places));
            for (text, place) in &self.record {
                body.push_str(text);
                if let Some(place) = place {
                    body.push_str(&customer(number.saturating_add(u64::try_from(*place).unwrap_or(0))));
                }
            }
        }
        body.push_str(&self.around.1);
        Page { target, body: body.into_bytes() }
    }
}

/// Records of a page of a list without `max_records`.
const PAGE: u64 = 100;

/// Records of the largest page that is played: a page is built in memory, and a policy may allow any number.
const MOST_PAGE: u64 = 10_000;

/// The pieces of a text between customers.
fn pieces(text: &str) -> Vec<(String, Option<usize>)> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(CUSTOMER) {
        let Some((place, after)) = behind.split_once(END) else { break };
        pieces.push((before.to_owned(), place.parse().ok()));
        rest = after;
    }
    pieces.push((rest.to_owned(), None));
    pieces
}

fn scalars(value: &Value) -> u64 {
    match value {
        Value::Object(members) => members.values().map(scalars).sum(),
        Value::Array(elements) => elements.iter().map(scalars).sum(),
        _ => 1,
    }
}

/// Puts a value in the first place that a path names and that a body has. Whether there is one.
fn set(body: &mut Value, path: &[Segment], value: &Value) -> bool {
    let Some((segment, rest)) = path.split_first() else {
        if body.is_object() || body.is_array() {
            return false;
        }
        *body = value.clone();
        return true;
    };
    match (segment, body) {
        (Segment::Member(name), Value::Object(members)) => {
            members.get_mut(&**name).is_some_and(|next| set(next, rest, value))
        }
        (Segment::Any | Segment::Filtered(_), Value::Array(elements)) => {
            elements.first_mut().is_some_and(|next| set(next, rest, value))
        }
        (Segment::Any | Segment::Filtered(_), Value::Object(members)) => {
            members.values_mut().next().is_some_and(|next| set(next, rest, value))
        }
        _ => false,
    }
}

/// The first element of the array at a path.
fn first_element<'v>(body: &'v Value, array: &[Segment]) -> Option<&'v Value> {
    let of_array = |value: &'v Value| value.as_array()?.first();
    match array.split_first() {
        None => of_array(body),
        Some((Segment::Member(name), rest)) => first_element(body.get(&**name)?, rest),
        Some((Segment::Any | Segment::Filtered(_), rest)) => first_element(of_array(body)?, rest),
    }
}

/// Takes the first element of an array out, and leaves the mark of the records as its only one.
fn take(body: &mut Value, array: &[Segment]) -> Option<Value> {
    let (segment, rest) = array.split_first()?;
    let next = match (segment, body) {
        (Segment::Member(name), Value::Object(members)) => members.get_mut(&**name)?,
        (Segment::Any | Segment::Filtered(_), Value::Array(elements)) => {
            if rest.is_empty() {
                let first = elements.first_mut().map(Value::take)?;
                *elements = vec![json!(RECORDS)];
                return Some(first);
            }
            elements.first_mut()?
        }
        _ => return None,
    };
    take(next, rest)
}
