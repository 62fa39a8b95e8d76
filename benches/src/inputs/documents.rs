//! Documents like those that services send: a telephone company's customers, posts, events, outlines of countries.

use std::fmt::Write as _;

use super::{Input, Kind, view};
use crate::seeded::Seeded;

pub(super) const CUSTOMERS: &[(&str, &str)] = &[
    ("$.items[*].id", "s"),
    ("$.items[*].status", "s"),
    ("$.items[*].name.family", "s"),
    ("$.items[*].email", "m"),
    ("$.items[*].billingAddress.country", "s"),
    ("$.items[*].lines[*].msisdn", "s"),
    ("$.items[*].lines[*].plan.name", "s"),
    ("$.items[*].balance.amount", "s"),
    ("$.items[*].balance.currency", "s"),
    ("$.items[*].characteristics[*].name", "s"),
    ("$.next", "s"),
];

const POSTS: &[(&str, &str)] = &[
    ("$.statuses[*].id", "s"),
    ("$.statuses[*].text", "s"),
    ("$.statuses[*].created_at", "s"),
    ("$.statuses[*].user.screen_name", "s"),
    ("$.statuses[*].user.email", "m"),
    ("$.statuses[*].retweet_count", "s"),
    ("$.statuses[*].entities.hashtags[*].text", "s"),
];

const EVENTS: &[(&str, &str)] = &[
    ("$.events.*.id", "s"),
    ("$.events.*.name", "s"),
    ("$.performances[*].eventId", "s"),
    ("$.performances[*].start", "s"),
    ("$.performances[*].prices[*].amount", "s"),
    ("$.organiser.email", "m"),
];

const OUTLINE: &[(&str, &str)] = &[
    ("$.type", "s"),
    ("$.features[*].type", "s"),
    ("$.features[*].properties.name", "s"),
    ("$.features[*].properties.contact", "m"),
    ("$.features[*].geometry.type", "s"),
];

pub(super) fn customers(name: &'static str, size: usize) -> Input {
    Input::new(name, Kind::Customers, customers_of(size, 1), CUSTOMERS)
}

pub(super) fn posts(name: &'static str) -> Input {
    Input::new(name, Kind::Documents, posts_of(600_000, 2), POSTS)
}

pub(super) fn events(name: &'static str) -> Input {
    Input::new(name, Kind::Documents, events_of(1_700_000, 3), EVENTS)
}

pub(super) fn outline(name: &'static str) -> Input {
    Input::new(name, Kind::Documents, outline_of(2_000_000, 4), OUTLINE)
}

/// Many documents of all kinds, 1 to 60 KB, so that neither caches nor branch predictors know them.
pub(super) fn mixed(name: &'static str) -> Input {
    let views = [view(CUSTOMERS), view(POSTS), view(EVENTS), view(OUTLINE)];
    let makers: [fn(usize, u64) -> String; 4] = [customers_of, posts_of, events_of, outline_of];
    let mut seeded = Seeded::new(5);
    let mut bodies = Vec::new();
    let mut size = 0;
    while size < 8_000_000 {
        let kind = seeded.below(4) as usize;
        let body = makers[kind](1_000 + seeded.below(59_000) as usize, seeded.draw());
        size += body.len();
        bodies.push((body.into_bytes(), views[kind].clone()));
    }
    Input { name, kind: Kind::Documents, bodies }
}

fn customers_of(size: usize, seed: u64) -> String {
    let mut seeded = Seeded::new(seed);
    let mut body = String::from("{\"items\":[");
    loop {
        customer(&mut body, &mut seeded);
        if body.len() >= size {
            break;
        }
        body.push(',');
    }
    let _ = write!(body, "],\"total\":{},\"next\":\"/customers?page={}\"}}", seeded.below(1 << 20), seeded.digits(6));
    body
}

fn customer(body: &mut String, seeded: &mut Seeded) {
    let given = seeded.of(&["Anna", "Bj\u{f6}rn", "Chlo\u{e9}", "David", "Emma", "Farid", "Grace", "Hugo"]);
    let family = seeded.of(&["Andersson", "Garc\u{ed}a", "M\u{fc}ller", "Nowak", "O'Brien", "Rossi", "Smith"]);
    let number = seeded.digits(7);
    let _ = write!(
        body,
        "{{\"id\":\"C-{number}\",\"href\":\"https://api.telco.example/v4/customers/C-{number}\",\
         \"status\":\"{}\",\"statusReason\":\"{}\",\"name\":{{\"given\":\"{given}\",\"family\":\"{family}\",\"title\":\"{}\"}},\
         \"birthDate\":\"19{}-0{}-1{}\",\"nationalId\":\"{}\",\"creditScore\":{},\"vip\":{},\"segment\":\"{}\",\
         \"email\":\"{}.{number}@mail.example\",\"phone\":\"+46{}\",\"language\":\"{}\",\
         \"billingAddress\":{{\"street\":\"{} {}\",\"postcode\":\"{}\",\"city\":\"{}\",\"country\":\"{}\",\
         \"geo\":{{\"lat\":{}.{},\"lon\":-{}.{}}}}},\"lines\":[",
        seeded.of(&["active", "suspended", "closed"]),
        seeded.words(4),
        seeded.of(&["Mr", "Ms", "Dr"]),
        seeded.digits(2),
        1 + seeded.below(9),
        seeded.below(10),
        seeded.digits(12),
        seeded.below(900),
        seeded.of(&["true", "false", "null"]),
        seeded.of(&["consumer", "small business", "enterprise"]),
        given.to_ascii_lowercase().replace(|c: char| !c.is_ascii(), "o"),
        seeded.digits(9),
        seeded.of(&["sv", "en", "de", "fr"]),
        seeded.of(&["Storgatan", "High Street", "Hauptstra\u{df}e", "Rue de la Paix"]),
        seeded.below(200),
        seeded.digits(5),
        seeded.of(&["Stockholm", "London", "K\u{f6}ln", "Paris", "Madrid"]),
        seeded.of(&["SE", "GB", "DE", "FR", "ES"]),
        seeded.below(90),
        seeded.digits(6),
        seeded.below(180),
        seeded.digits(6),
    );
    lines(body, seeded);
    let _ = write!(
        body,
        "],\"payment\":{{\"method\":\"{}\",\"iban\":\"DE{}\",\"holder\":\"{given} {family}\"}},\
         \"balance\":{{\"amount\":-{}.{},\"currency\":\"EUR\",\"due\":\"202{}-0{}-01\"}},\"notes\":[",
        seeded.of(&["sepa", "card", "invoice"]),
        seeded.digits(20),
        seeded.below(500),
        seeded.digits(2),
        seeded.below(10),
        1 + seeded.below(9),
    );
    notes(body, seeded, given);
    body.push_str("],\"characteristics\":[");
    for (index, name) in ["churnRisk", "npsScore", "marketingConsent"].iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(body, "{comma}{{\"name\":\"{name}\",\"value\":{},\"valueType\":\"number\"}}", seeded.below(100));
    }
    body.push_str("]}");
}

fn lines(body: &mut String, seeded: &mut Seeded) {
    for index in 0..1 + seeded.below(3) {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(
            body,
            "{comma}{{\"msisdn\":\"46{}\",\"iccid\":\"89{}\",\"imsi\":\"{}\",\"plan\":{{\"id\":\"P-{}\",\"name\":\"{}\",\
             \"price\":{{\"amount\":{}.{},\"currency\":\"EUR\"}}}},\"usage\":{{\"data\":{},\"voice\":{},\"sms\":{}}},\
             \"roaming\":{},\"activated\":\"20{}-0{}-2{}T1{}:00:00Z\",\"device\":\"{}\"}}",
            seeded.digits(9),
            seeded.digits(17),
            seeded.digits(15),
            seeded.digits(4),
            seeded.of(&["Unlimited 5G", "Family 20 GB", "Prepaid", "Business One"]),
            seeded.below(90),
            seeded.digits(2),
            seeded.draw() >> 30,
            seeded.below(100_000),
            seeded.below(1000),
            seeded.of(&["true", "false"]),
            seeded.digits(2),
            1 + seeded.below(9),
            seeded.below(9),
            seeded.below(9),
            seeded.words(2),
        );
    }
}

fn notes(body: &mut String, seeded: &mut Seeded, given: &str) {
    for index in 0..seeded.below(3) {
        let comma = if index == 0 { "" } else { "," };
        let length = 8 + seeded.below(24);
        let _ = write!(
            body,
            "{comma}{{\"at\":\"202{}-0{}-1{}\",\"by\":\"agent-{}\",\"text\":\"{}: \\\"{}\\\"\\n\"}}",
            seeded.below(10),
            1 + seeded.below(9),
            seeded.below(10),
            seeded.digits(4),
            given,
            seeded.words(length),
        );
    }
}

/// Indented, much of it not ASCII, deep, with many members of `null` and `false`.
fn posts_of(size: usize, seed: u64) -> String {
    let mut seeded = Seeded::new(seed);
    let mut body = String::from("{\n  \"statuses\": [\n");
    loop {
        let id = seeded.number(18);
        let text: String = (0..20 + seeded.below(60))
            .map(|_| char::from_u32(0x3042 + seeded.below(80) as u32).unwrap_or('\u{3042}'))
            .collect();
        let name = seeded.digits(6);
        let _ = write!(
            body,
            "    {{\n      \"metadata\": {{\n        \"result_type\": \"recent\",\n        \"iso_language_code\": \"ja\"\n      }},\n\
             \x20     \"created_at\": \"Sun Aug 31 00:2{}:{} +0000 2014\",\n      \"id\": {id},\n      \"id_str\": \"{id}\",\n\
             \x20     \"text\": \"{text}\\nhttp:\\/\\/t.example\\/{name}\",\n\
             \x20     \"source\": \"<a href=\\\"http://posts.example/download\\\" rel=\\\"nofollow\\\">client</a>\",\n\
             \x20     \"truncated\": false,\n      \"in_reply_to_status_id\": null,\n      \"in_reply_to_user_id\": null,\n\
             \x20     \"user\": {{\n        \"id\": {},\n        \"name\": \"{}\",\n        \"screen_name\": \"u{name}\",\n\
             \x20       \"email\": \"u{name}@posts.example\",\n\
             \x20       \"location\": \"\",\n        \"description\": \"{}\",\n        \"url\": null,\n        \"entities\": {{\n\
             \x20         \"description\": {{\n            \"urls\": []\n          }}\n        }},\n        \"protected\": false,\n\
             \x20       \"followers_count\": {},\n        \"friends_count\": {},\n        \"utc_offset\": null,\n\
             \x20       \"profile_image_url\": \"http://img.example/{}_normal.jpeg\",\n        \"verified\": false\n      }},\n\
             \x20     \"geo\": null,\n      \"coordinates\": null,\n      \"retweet_count\": {},\n      \"entities\": {{\n\
             \x20       \"hashtags\": [\n          {{\n            \"text\": \"{}\",\n            \"indices\": [\n              {},\n\
             \x20             {}\n            ]\n          }}\n        ],\n        \"urls\": []\n      }},\n      \"favorited\": false\n    }}",
            seeded.below(10),
            10 + seeded.below(50),
            seeded.number(9),
            text.chars().take(6).collect::<String>(),
            text.chars().rev().collect::<String>(),
            seeded.below(10_000),
            seeded.below(1000),
            seeded.digits(20),
            seeded.below(50),
            text.chars().skip(3).take(5).collect::<String>(),
            seeded.below(30),
            30 + seeded.below(90),
        );
        if body.len() >= size {
            break;
        }
        body.push_str(",\n");
    }
    body.push_str("\n  ],\n  \"search_metadata\": {\n    \"completed_in\": 0.087,\n    \"count\": 100\n  }\n}\n");
    body
}

/// Indented widely, small objects, numbers for names.
fn events_of(size: usize, seed: u64) -> String {
    let mut seeded = Seeded::new(seed);
    let mut body = String::from(
        "{\n    \"organiser\": {\n        \"email\": \"events@hall.example\"\n    },\n    \"events\": {\n",
    );
    let mut comma = "";
    while body.len() < size / 4 {
        let id = seeded.number(9);
        let _ = write!(
            body,
            "{comma}        \"{id}\": {{\n            \"description\": null,\n            \"id\": {id},\n            \"logo\": null,\n\
             \x20           \"name\": \"{}\",\n            \"subTopicIds\": [\n                337184269,\n                337184283\n\
             \x20           ],\n            \"subjectCode\": null,\n            \"subtitle\": null,\n            \"topicIds\": [\n\
             \x20               324846099,\n                107888604\n            ]\n        }}",
            seeded.words(3),
        );
        comma = ",\n";
    }
    body.push_str("\n    },\n    \"performances\": [\n");
    comma = "";
    while body.len() < size {
        let _ = write!(
            body,
            "{comma}        {{\n            \"eventId\": {},\n            \"id\": {},\n            \"logo\": null,\n            \"name\": null,\n\
             \x20           \"prices\": [\n",
            seeded.number(9),
            seeded.number(9),
        );
        for index in 0..1 + seeded.below(4) {
            let _ = write!(
                body,
                "{}                {{\n                    \"amount\": {},\n                    \"audienceSubCategoryId\": 337100890,\n\
                 \x20                   \"seatCategoryId\": {}\n                }}",
                if index == 0 { "" } else { ",\n" },
                1000 + seeded.below(90_000),
                seeded.number(9),
            );
        }
        let _ = write!(
            body,
            "\n            ],\n            \"seatCategories\": [\n                {{\n                    \"areas\": [\n\
             \x20                       {{\n                            \"areaId\": 205705999,\n                            \"blockIds\": []\n\
             \x20                       }}\n                    ],\n                    \"seatCategoryId\": 338937235\n                }}\n\
             \x20           ],\n            \"seatMapImage\": null,\n            \"start\": 13{},\n            \"venueCode\": \"PLEYEL\"\n        }}",
            seeded.digits(11),
        );
        comma = ",\n";
    }
    body.push_str("\n    ]\n}\n");
    body
}

/// Numbers, nearly nothing else.
fn outline_of(size: usize, seed: u64) -> String {
    let mut seeded = Seeded::new(seed);
    let mut body = String::from("{\"type\":\"FeatureCollection\",\"features\":[");
    let mut comma = "";
    while body.len() < size {
        let _ = write!(
            body,
            "{comma}{{\"type\":\"Feature\",\"properties\":{{\"name\":\"{}\",\"contact\":\"map@outline.example\"}},\
             \"geometry\":{{\"type\":\"Polygon\",\"coordinates\":[[",
            seeded.words(2)
        );
        comma = ",";
        let points = 20 + seeded.below(400);
        for point in 0..points {
            let _ = write!(
                body,
                "{}[-{}.{},{}.{}]",
                if point == 0 { "" } else { "," },
                50 + seeded.below(90),
                seeded.digits(15),
                40 + seeded.below(40),
                seeded.digits(15),
            );
        }
        body.push_str("]]}}");
    }
    body.push_str("]}");
    body
}
