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
    let above: Vec<String> = parents.last().map_or_else(|| self::words(shape), |parent| self::words(parent));
    let has = |any: &[&str]| words.iter().any(|word| any.contains(&word.as_str()));
    let all = words.concat();
    let ends = |any: &[&str]| any.iter().any(|end| all.ends_with(end));
    let under = |any: &[&str]| above.iter().any(|word| any.contains(&word.as_str()));
    let found = |class, forms: &str| Some(Suggestion { class, forms: forms.to_owned() });
    let text = kind.base.is_empty() || kind.base == "string";
    let number = kind.base == "number";

    if kind.base == "boolean" {
        return found("reference", "");
    }
    if has(&["password", "passwd", "secret", "pin", "cvv", "cvc", "otp"])
        || (text && ends(&["token", "apikey", "privatekey"]))
    {
        return found("secret", "");
    }
    if kind.format == "email" || kind.format == "idn-email" || ends(&["email", "emailaddress", "mail"]) {
        return found("contact", "mask: email, pseudonym: email");
    }
    if has(&["phone", "mobile", "msisdn", "fax", "telephone", "tel", "cellphone", "phonenumber"])
        || kind.format == "phone"
    {
        return found("contact", "mask: {last: 3}, pseudonym: phone");
    }
    if kind.format == "iban"
        || has(&["iban", "bban", "pan", "accountnumber", "cardnumber", "maskedpan"])
        || ends(&["accountnumber", "cardnumber"])
    {
        return found("financial", "mask: {last: 4}");
    }
    if has(&["birth", "dob", "birthday", "birthdate", "dateofbirth"]) {
        return found("identity", "mask: year");
    }
    if has(&["ssn", "passport", "nino", "nif", "dni", "vat"])
        || ends(&[
            "nationalid",
            "taxid",
            "taxnumber",
            "socialsecuritynumber",
            "idnumber",
            "licensenumber",
            "licencenumber",
        ])
    {
        return found("identity", "mask: {last: 3}");
    }
    if has(&["latitude", "longitude", "lat", "lng", "lon", "geolocation", "coordinates"]) {
        return found("location", if number { "mask: {round: 1}" } else { "" });
    }
    if has(&["ip", "ipaddress", "ipv4", "ipv6"]) || matches!(kind.format.as_str(), "ipv4" | "ipv6") {
        return found("location", "pseudonym: ip");
    }
    if has(&["postcode", "postalcode", "zip", "zipcode", "postal"]) || ends(&["postcode", "postalcode"]) {
        return found("contact", "mask: {first: 2}");
    }
    if has(&["country", "currency", "locale", "language", "timezone", "nationality"]) {
        return found("reference", "");
    }
    if has(&["address", "street", "city", "town", "housenumber", "addressline", "line1", "line2"])
        || (under(&["address"]) && has(&["state", "region", "county", "line", "number", "district"]))
    {
        return found("contact", "");
    }
    let personal =
        ["firstname", "lastname", "givenname", "familyname", "fullname", "surname", "middlename", "displayname"];
    if ends(&personal)
        || (text && all == "name" && under(PEOPLE))
        || (text && all.ends_with("name") && has(PEOPLE))
        || has(&["username", "login", "nickname"])
    {
        return found("identity", "mask: initials");
    }
    if has(&["amount", "balance", "price", "total", "salary", "income", "fee", "cost", "credit", "debit", "tax"])
        && !kind.listed
    {
        return found("financial", if number { "mask: {round: 100}" } else { "" });
    }
    if kind.format == "uuid" || words.last().is_some_and(|word| matches!(word.as_str(), "id" | "uuid" | "guid")) {
        let stem: Vec<&String> = words.iter().take(words.len().saturating_sub(1)).collect();
        let stem = if stem.is_empty() { above.last() } else { stem.last().copied() };
        let namespace =
            stem.filter(|stem| stem.chars().all(|c| c.is_ascii_alphanumeric())).map_or("record", String::as_str);
        return found("key", &format!("pseudonym: {namespace}"));
    }
    if has(&["note", "notes", "comment", "comments", "remark", "remarks", "message", "freetext"])
        && text
        && !kind.listed
    {
        return found("notes", "detect: [card, email, iban, phone]");
    }
    if kind.listed || has(&["status", "state", "type", "kind", "code", "version"]) {
        return found("reference", "");
    }
    if matches!(kind.format.as_str(), "date" | "date-time") {
        return found("reference", "mask: month");
    }
    None
}
