//! What a field may be, by its name and format: a suggestion for a reviewer, written as a comment and nothing else.

use super::{Kind, Step};

/// A class that fits, and what it is about.
pub(super) const CLASSES: [(&str, &str); 8] = [
    ("key", "Ids that link records"),
    ("reference", "Status, type, currency, country"),
    ("identity", "Name, birth date, government ids"),
    ("contact", "Address, e-mail, phone"),
    ("financial", "Amounts, balances, bank details"),
    ("location", "Where somebody is or was"),
    ("notes", "Text that people typed"),
    ("secret", "Passwords, tokens: best left out"),
];

/// What somebody is called in an API.
const PEOPLE: &[&str] = &[
    "author",
    "contact",
    "creditor",
    "customer",
    "debtor",
    "employee",
    "holder",
    "member",
    "owner",
    "party",
    "passenger",
    "patient",
    "payee",
    "payer",
    "person",
    "recipient",
    "sender",
    "user",
];

/// What a value must be for a row to speak of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Any,
    /// A string, or one of which the type is not said.
    Text,
    /// A string that is not one of a list.
    FreeText,
    Number,
    /// A number, or a string that may be one: amounts are strings in many APIs.
    Amount,
    Boolean,
    /// One of a list.
    Listed,
}

/// A guess, and what it is made from. An empty list asks for nothing; a row whose first four lists are empty is for every name.
struct Guess {
    of: Of,
    /// Words of which the name has one.
    words: &'static [&'static str],
    /// Words of which the name's last is one.
    last: &'static [&'static str],
    /// Ends of which the name, its words run together, has one.
    ends: &'static [&'static str],
    /// Formats of which the value has one. A name that fits, or a format, is enough.
    formats: &'static [&'static str],
    /// Words of which the name has one besides.
    besides: &'static [&'static str],
    /// Words of which what holds the field has one.
    above: &'static [&'static str],
    class: &'static str,
    /// `STEM` stands for what the id is of.
    forms: &'static str,
}

/// A row for every name.
const fn row(class: &'static str, forms: &'static str) -> Guess {
    Guess { of: Of::Any, words: &[], last: &[], ends: &[], formats: &[], besides: &[], above: &[], class, forms }
}

/// The guesses: the first that fits is made.
const ROWS: &[Guess] = &[
    Guess { of: Of::Boolean, ..row("reference", "") },
    // A link has the ids of what it leads to in it.
    Guess { of: Of::Text, above: &["link", "links"], ..row("key", "") },
    Guess { words: &["password", "passwd", "secret", "pin", "cvv", "cvc", "otp"], ..row("secret", "") },
    Guess { of: Of::Text, ends: &["token", "apikey", "privatekey"], ..row("secret", "") },
    Guess {
        ends: &["email", "emailaddress", "mail"],
        formats: &["email", "idn-email"],
        ..row("contact", "mask: email, pseudonym: email")
    },
    Guess {
        words: &["phone", "mobile", "msisdn", "fax", "telephone", "tel", "cellphone", "phonenumber"],
        formats: &["phone"],
        ..row("contact", "mask: {last: 3}, pseudonym: phone")
    },
    Guess {
        words: &["iban", "bban", "pan", "maskedpan"],
        ends: &["accountnumber", "cardnumber"],
        formats: &["iban"],
        ..row("financial", "mask: {last: 4}")
    },
    // Of an account in Open Banking: an IBAN, or a sort code and a number.
    Guess {
        of: Of::FreeText,
        ends: &["identification"],
        above: &["account", "accounts"],
        ..row("financial", "mask: {last: 4}")
    },
    Guess {
        words: &["bic", "swift", "last4"],
        ends: &["lastfour", "routingnumber", "sortcode", "sortcodeaccountnumber"],
        ..row("financial", "")
    },
    Guess { words: BIRTH, ..row("identity", "mask: year") },
    // A date of birth in parts.
    Guess { words: &["day", "month", "year"], above: BIRTH, ..row("identity", "") },
    Guess {
        words: &["gender", "sex", "nationality", "citizenship", "ethnicity", "religion", "disability", "pep"],
        ends: &["maritalstatus", "politicalexposure", "politicallyexposed"],
        ..row("identity", "")
    },
    Guess {
        words: &["ssn", "passport", "nino", "nif", "dni", "vat"],
        ends: &[
            "nationalid",
            "taxid",
            "taxnumber",
            "socialsecuritynumber",
            "idnumber",
            "licensenumber",
            "licencenumber",
        ],
        ..row("identity", "mask: {last: 3}")
    },
    Guess { of: Of::Number, words: PLACES, ..row("location", "mask: {round: 0.01}") },
    Guess { words: PLACES, ..row("location", "") },
    Guess {
        words: &["ip", "ipaddress", "ipv4", "ipv6"],
        formats: &["ipv4", "ipv6"],
        ..row("location", "pseudonym: ip")
    },
    Guess {
        words: &["postcode", "postalcode", "zip", "zipcode", "postal"],
        ends: &["postcode", "postalcode"],
        ..row("contact", "mask: {first: 2}")
    },
    Guess { words: &["country", "currency", "locale", "language", "timezone"], ..row("reference", "") },
    Guess {
        words: &["address", "street", "city", "town", "housenumber", "addressline", "line1", "line2"],
        ..row("contact", "")
    },
    Guess {
        words: &["state", "region", "county", "line", "number", "district"],
        above: &["address"],
        ..row("contact", "")
    },
    Guess {
        words: &["username", "login", "nickname"],
        ends: &[
            "firstname",
            "lastname",
            "givenname",
            "familyname",
            "fullname",
            "surname",
            "middlename",
            "displayname",
            "legalname",
        ],
        ..row("identity", "mask: initials")
    },
    Guess { of: Of::Text, words: &["name"], above: PEOPLE, ..row("identity", "mask: initials") },
    Guess { of: Of::Text, ends: &["name"], besides: PEOPLE, ..row("identity", "mask: initials") },
    // How many there are, not how much.
    Guess {
        ends: &["totalpages", "totalcount", "totalitems", "totalresults", "totalrecords", "totalelements"],
        ..row("reference", "")
    },
    Guess { of: Of::Amount, words: AMOUNTS, ..row("financial", "mask: {round: 100}") },
    Guess { last: &["id", "uuid", "guid"], formats: &["uuid"], ..row("key", "pseudonym: STEM") },
    Guess {
        of: Of::FreeText,
        words: &[
            "note",
            "notes",
            "comment",
            "comments",
            "remark",
            "remarks",
            "message",
            "freetext",
            "memo",
            "narrative",
            "remittance",
        ],
        ends: &["transactioninformation"],
        ..row("notes", "detect: [card, email, iban, phone]")
    },
    Guess { of: Of::Listed, ..row("reference", "") },
    Guess { words: &["status", "state", "type", "kind", "code", "version"], ..row("reference", "") },
    Guess { formats: &["date", "date-time"], ..row("reference", "mask: month") },
];

const BIRTH: &[&str] = &["birth", "dob", "birthday", "birthdate", "dateofbirth"];

const PLACES: &[&str] = &["latitude", "longitude", "lat", "lng", "lon", "geolocation", "coordinates"];

const AMOUNTS: &[&str] =
    &["amount", "balance", "price", "total", "salary", "income", "fee", "cost", "credit", "debit", "tax"];

/// A class and forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suggestion {
    pub(super) class: &'static str,
    /// `mask: email, pseudonym: email`; empty if none.
    pub(super) forms: String,
}

/// The words of a name, lower case: `billingAddress`, `billing_address` and `billing-address` are the same two.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut lower_before = false;
    for c in name.chars() {
        let cut = !c.is_alphanumeric() || (c.is_uppercase() && lower_before);
        if cut && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        lower_before = c.is_lowercase() || c.is_ascii_digit();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

impl Of {
    fn fits(self, kind: &Kind) -> bool {
        let is_text = kind.base.is_empty() || kind.base == "string";
        let is_number = kind.base == "number";
        match self {
            Self::Any => true,
            Self::Text => is_text,
            Self::FreeText => is_text && !kind.listed,
            Self::Number => is_number,
            Self::Amount => (is_number || is_text) && !kind.listed,
            Self::Boolean => kind.base == "boolean",
            Self::Listed => kind.listed,
        }
    }
}

/// What a field may be.
pub(super) fn suggest(shape: &str, steps: &[Step], kind: &Kind) -> Option<Suggestion> {
    let names: Vec<&str> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Member(name) => Some(name.as_str()),
            Step::Elements | Step::Members => None,
        })
        .collect();
    let (last, parents) = names.split_last()?;
    let words = self::words(last);
    let above = parents.last().map_or_else(|| self::words(shape), |parent| self::words(parent));
    let whole = words.concat();
    let fits = |row: &&Guess| {
        let is_any = [row.words, row.last, row.ends, row.formats].iter().all(|list| list.is_empty());
        let has = |any: &[&str], words: &[String]| words.iter().any(|word| any.contains(&word.as_str()));
        let named = has(row.words, &words)
            || words.last().is_some_and(|word| row.last.contains(&word.as_str()))
            || row.ends.iter().any(|end| whole.ends_with(end))
            || row.formats.contains(&kind.format.as_str());
        row.of.fits(kind)
            && (is_any || named)
            && (row.besides.is_empty() || has(row.besides, &words))
            && (row.above.is_empty() || has(row.above, &above))
    };
    let row = ROWS.iter().find(fits)?;
    // An id is of what stands before it in its name, else of what holds it.
    let stem = words.iter().rev().nth(1).or_else(|| above.last());
    let stem = stem.filter(|stem| stem.chars().all(|c| c.is_ascii_alphanumeric())).map_or("record", String::as_str);
    Some(Suggestion { class: row.class, forms: row.forms.replace("STEM", stem) })
}
