//! How many of the values that are there the built-in detectors find, and how often they find what is none: seeded
//! generators of valid and invalid values of each kind, and the rows of `docs/detectors.md`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;
use std::path::Path;

use fieldgate::model::pattern::Effort;
use fieldgate::model::region::Region;
use fieldgate::model::{BuiltIn, Detector};
use fieldgate::transform::{Searched, detect};

/// Values of each kind that are drawn.
const DRAWN: usize = 4000;

fn root(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

fn shown(detectors: &[Detector], text: &str) -> String {
    let token = serde_json::to_string(text).unwrap();
    let mut out = Vec::new();
    let searched = detect(detectors, token.as_bytes(), &mut { Effort::RESPONSE }, &mut out);
    assert!(matches!(searched, Searched::Clean | Searched::Replaced), "{text}");
    serde_json::from_slice(&out).unwrap()
}

fn all() -> Vec<Detector> {
    BuiltIn::ALL.into_iter().map(Detector::BuiltIn).collect()
}

/// Numbers that look drawn, and are the same each time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
    }

    /// `#` becomes a digit, `x` a hexadecimal one, `A` a capital letter.
    fn like(&mut self, shape: &str) -> String {
        shape
            .chars()
            .map(|char| match char {
                '#' => char::from(b'0' + self.below(10) as u8),
                'x' => char::from(b"0123456789abcdef"[self.below(16) as usize]),
                'A' => char::from(b'A' + self.below(26) as u8),
                other => other,
            })
            .collect()
    }
}

/// A check digit that makes the sum of the weighted digits a multiple of ten; weights from the right, the check digit aside.
fn check_digit(digits: &str, weigh: impl Fn(usize, u32) -> u32) -> char {
    let sum: u32 =
        digits.chars().rev().enumerate().map(|(place, digit)| weigh(place, digit.to_digit(10).unwrap())).sum();
    char::from_digit((10 - sum % 10) % 10, 10).unwrap()
}

fn luhn(place: usize, digit: u32) -> u32 {
    if !place.is_multiple_of(2) { digit } else { digit * 2 / 10 + digit * 2 % 10 }
}

fn article(place: usize, digit: u32) -> u32 {
    if place.is_multiple_of(2) { digit * 3 } else { digit }
}

fn with_check(digits: String, weigh: impl Fn(usize, u32) -> u32) -> String {
    let check = check_digit(&digits, weigh);
    digits + &check.to_string()
}

fn card(draw: &mut Draw) -> String {
    let networks: [(&[&str], &[usize]); 9] = [
        (&["4"], &[16, 16, 16, 19]),
        (&["51", "52", "53", "54", "55", "2221", "2345", "2720"], &[16]),
        (&["34", "37"], &[15]),
        (&["6011", "644", "649", "65"], &[16, 19]),
        (&["300", "305", "36", "38", "39"], &[14]),
        (&["3528", "3589", "3550"], &[16]),
        (&["62"], &[16, 17, 18, 19]),
        (&["5018", "5020", "5038", "6304", "6759", "6761", "6763"], &[12, 13, 16, 18, 19]),
        (&["2200", "2204"], &[16, 19]),
    ];
    let (prefixes, lengths) = networks[draw.below(9) as usize];
    let prefix = draw.of(prefixes);
    let length = lengths[draw.below(lengths.len() as u64) as usize];
    let body = draw.digits(length - 1 - prefix.len());
    with_check(format!("{prefix}{body}"), luhn)
}

/// The separators that people, forms and word processors put between groups.
const SEPARATORS: &[&str] = &[
    " ", "-", "\u{a0}", "\u{2013}", ".", "/", "  ", "\u{2009}", " - ", "_", "\u{202f}", "\u{2011}", "\n", "\t",
    "\u{200b}", "\u{ad}",
];

fn grouped(text: &str, sizes: &[usize], separator: &str) -> String {
    let mut out = String::new();
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(*sizes.last().unwrap()));
    let mut left = sizes.next().unwrap();
    for char in text.chars() {
        if left == 0 {
            out.push_str(separator);
            left = sizes.next().unwrap();
        }
        out.push(char);
        left -= 1;
    }
    out
}

fn card_spelling(draw: &mut Draw) -> String {
    let card = card(draw);
    let sizes: &[usize] = if card.len() == 15 || card.len() == 14 && draw.below(2) == 0 { &[4, 6, 5] } else { &[4] };
    match draw.below(8) {
        0..=2 => card,
        3 => card.chars().map(|digit| char::from_u32(u32::from(digit) + 0xfee0).unwrap()).collect(),
        _ => grouped(&card, sizes, draw.of(SEPARATORS)),
    }
}

/// Countries, and accounts as their registry has them: `#` a digit, `A` a letter.
const ACCOUNTS: &[(&str, &str)] = &[
    ("AD", "########AA##AA####A#"),
    ("AT", "################"),
    ("BE", "############"),
    ("BG", "AAAA######AA######"),
    ("CH", "#####A##A####A###"),
    ("CY", "########A###############"),
    ("CZ", "####################"),
    ("DE", "##################"),
    ("DK", "##############"),
    ("EE", "################"),
    ("ES", "####################"),
    ("FI", "##############"),
    ("FR", "##########A##########A#"),
    ("GB", "AAAA##############"),
    ("GI", "AAAA###############"),
    ("GR", "#######A####A#######A##"),
    ("HR", "#################"),
    ("HU", "########################"),
    ("IE", "AAAA##############"),
    ("IT", "A##########A###A#######"),
    ("LT", "################"),
    ("LU", "###A######A##A##"),
    ("LV", "AAAA###A######A##"),
    ("MT", "AAAA#####A####A####A#######"),
    ("NL", "AAAA##########"),
    ("NO", "###########"),
    ("PL", "########################"),
    ("PT", "#####################"),
    ("RO", "AAAA####A######A####"),
    ("SE", "####################"),
    ("SI", "###############"),
    ("SK", "####################"),
    ("TR", "######A#####A#########"),
    ("SA", "##A#####A###########"),
    ("AE", "###################"),
    ("BR", "#######################AA"),
    ("UA", "######A############A#####"),
    ("KZ", "###A######A##A##"),
];

fn account(draw: &mut Draw) -> String {
    let (country, shape) = ACCOUNTS[draw.below(ACCOUNTS.len() as u64) as usize];
    let account = draw.like(shape);
    let numeric: String =
        format!("{account}{country}00").chars().map(|char| char.to_digit(36).unwrap().to_string()).collect();
    let rest = numeric.bytes().fold(0u32, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
    format!("{country}{:02}{account}", 98 - rest)
}

fn account_spelling(draw: &mut Draw) -> String {
    let account = account(draw);
    let account = match draw.below(4) {
        0 => account.to_lowercase(),
        1 => account[..1].to_owned() + &account[1..].to_lowercase(),
        _ => account,
    };
    if draw.below(2) == 0 { account } else { grouped(&account, &[4], draw.of(SEPARATORS)) }
}

/// Text around a value, with marks where the value is.
fn embedded(draw: &mut Draw, value: &str) -> String {
    draw.of(&[
        "{}",
        "call {} please",
        "({})",
        "ref: {}.",
        "a, {}, b",
        "x: {};",
        "\u{201c}{}\u{201d}",
        "\u{ab}{}\u{bb} ok",
        "the number\n{}\nis it",
        "{} 12:30",
    ])
    .replace("{}", value)
}

/// The share of values that are found whole, in thousandths of a percent; fails with what was missed if that is too little.
fn recalled(claim: &str, name: &str, detectors: &[Detector], least: f64, mut value: impl FnMut(&mut Draw) -> String) {
    let mut draw = Draw(7);
    let mut missed = Vec::new();
    for _ in 0..DRAWN {
        let value = value(&mut draw);
        let text = embedded(&mut draw, &value);
        if shown(detectors, &text) != text.replace(&value, &format!("[{name}]")) {
            missed.push(text);
        }
    }
    let share = 100.0 - 100.0 * missed.len() as f64 / DRAWN as f64;
    println!("{claim}: {share:.2} % found");
    assert!(share >= least, "{claim}: {share:.2} %, missed {:?}", &missed[..missed.len().min(20)]);
}

#[test]
fn cards_are_found() {
    recalled("cards", "card", &all(), 99.5, card_spelling);
    recalled("cards without other detectors", "card", &[Detector::BuiltIn(BuiltIn::Card)], 99.5, card_spelling);
}

#[test]
fn accounts_are_found() {
    recalled("accounts", "iban", &all(), 99.5, account_spelling);
}

/// Region, E.164, international and national spelling.
fn phones() -> Vec<[String; 4]> {
    let table = root("tests/detectors/phones.tsv");
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()).collect()
}

#[test]
fn international_telephone_numbers_are_found() {
    let phones = phones();
    assert!(phones.len() > 4000);
    let number = |draw: &mut Draw| phones[draw.below(phones.len() as u64) as usize].clone();
    recalled("E.164 numbers", "phone", &all(), 99.5, |draw| number(draw)[1].clone());
    recalled("international spellings", "phone", &all(), 99.5, |draw| number(draw)[2].clone());
    recalled("international spellings, separators", "phone", &all(), 99.5, |draw| {
        let separator = draw.of(&["-", ".", "\u{a0}", "\u{2013}", "  ", "/", "\u{2009}"]);
        number(draw)[2].replace([' ', '-'], separator)
    });
}

#[test]
fn national_telephone_numbers_are_found_where_their_region_is_named() {
    let phones: Vec<_> = phones().into_iter().filter(|row| row[0] != "001" && row[3].len() > 6).collect();
    let (mut missed, mut drawn) = (Vec::new(), 0);
    for [region, _, _, national] in &phones {
        let detectors = [Detector::BuiltIn(BuiltIn::Phone), Detector::Phone(Region::named(region).unwrap())];
        drawn += 1;
        if shown(&detectors, national) != "[phone]" {
            missed.push(format!("{region} {national} {}", shown(&detectors, national)));
        }
    }
    let share = 100.0 - 100.0 * missed.len() as f64 / f64::from(drawn);
    println!("national numbers of {drawn}: {share:.2} % found");
    assert!(share >= 97.0, "{share:.2} %, missed {:?}", &missed[..missed.len().min(40)]);
}

#[test]
fn addresses_and_social_security_numbers_are_found() {
    recalled("addresses", "email", &all(), 99.5, |draw| {
        let user =
            draw.of(&["anna", "a.b", "john_doe", "x+tag", "o'neil", "josé", "7", "a-b", "\"a b\"", "an\u{200b}na"]);
        let sign = draw.of(&["@", "@", "@", "\u{ff20}"]);
        let host = draw.of(&[
            "example.com",
            "mail.example.co.uk",
            "163.com",
            "müller.de",
            "xn--bcher-kva.example",
            "a.b.c.museum",
        ]);
        format!("{user}{sign}{host}")
    });
    recalled("social security numbers", "ssn", &all(), 99.5, |draw| {
        let area = 1 + draw.below(899);
        let area = if area == 666 { 667 } else { area };
        let separator = draw.of(&["-", " ", "\u{2013}", ".", "\u{2011}", "\u{a0}"]);
        format!("{area:03}{separator}{:02}{separator}{:04}", 1 + draw.below(99), 1 + draw.below(9999))
    });
}

/// At most one of a thousand values of a kind may have something found in it by any built-in detector.
fn left_alone(claim: &str, mut value: impl FnMut(&mut Draw) -> String) {
    let mut draw = Draw(11);
    let detectors = all();
    let mut found = Vec::new();
    for _ in 0..DRAWN {
        let value = value(&mut draw);
        let text = embedded(&mut draw, &value);
        if shown(&detectors, &text) != text {
            found.push(text);
        }
    }
    let share = 100.0 * found.len() as f64 / DRAWN as f64;
    println!("{claim}: {share:.3} % found");
    assert!(share <= 0.1, "{claim}: {share:.2} %, found {:?}", &found[..found.len().min(20)]);
}

#[test]
fn what_is_none_is_left_alone() {
    // Moments from 2009 to 2033.
    left_alone("stamps in milliseconds", |draw| (1_230_000_000_000 + draw.below(780_000_000_000)).to_string());
    left_alone("stamps in microseconds", |draw| {
        format!("{}{}", 1_230_000_000 + draw.below(780_000_000), draw.digits(6))
    });
    left_alone("stamps in nanoseconds", |draw| {
        format!("{}{}", 1_230_000_000 + draw.below(780_000_000), draw.digits(9))
    });
    let day =
        |draw: &mut Draw| format!("20{:02}{:02}{:02}", 10 + draw.below(25), 1 + draw.below(12), 1 + draw.below(28));
    left_alone("stamps of digits", |draw| {
        format!("{}{:02}{:02}{:02}", day(draw), draw.below(24), draw.below(60), draw.below(60))
    });
    left_alone("stamps of digits with milliseconds", |draw| {
        format!("{}{:02}{:02}{:02}{}", day(draw), draw.below(24), draw.below(60), draw.below(60), draw.digits(3))
    });
    left_alone("stamps of RFC 3339", |draw| {
        let day = day(draw);
        format!(
            "{}-{}-{}T{:02}:{:02}:00.{}+0{}:00",
            &day[..4],
            &day[4..6],
            &day[6..],
            draw.below(24),
            draw.below(60),
            draw.digits(6),
            draw.below(9)
        )
    });
    left_alone("days", |draw| {
        let day = day(draw);
        let separator = draw.of(&["-", ".", "/", " "]);
        format!("{}{separator}{}{separator}{}", &day[6..], &day[4..6], &day[..4])
    });
    // Milliseconds since the epochs of Twitter and Discord, 22 bits to the left.
    left_alone("snowflakes", |draw| {
        (((20_000_000_000 + draw.below(400_000) * 1_000_000) << 22) | draw.below(1 << 22)).to_string()
    });
    left_alone("ids that count", |draw| (draw.below(1 << 31) * 4 + draw.below(4)).to_string());
    left_alone("ids with zeros before", |draw| format!("0{}", draw.digits(10)));
    left_alone("longer ids with zeros before", |draw| format!("{:012}", draw.below(1 << 31)));
    left_alone("ids with letters", |draw| draw.like("AA##########"));
    left_alone("ids in groups", |draw| draw.like("A####-######-##"));
    left_alone("orders of 3-7-7", |draw| format!("{}-{}-{}", draw.digits(3), draw.digits(7), draw.digits(7)));
    left_alone("orders of a year and a number", |draw| format!("20{:02}{}", draw.below(35), draw.digits(12)));
    left_alone("articles (EAN-13)", |draw| with_check(draw.digits(12), article));
    left_alone("articles (EAN-8)", |draw| with_check(draw.digits(7), article));
    left_alone("articles (UPC-A)", |draw| with_check(draw.digits(11), article));
    left_alone("books (ISBN-13)", |draw| with_check(format!("97{}{}", 8 + draw.below(2), draw.digits(9)), article));
    left_alone("books in groups", |draw| {
        let isbn = with_check(format!("978{}", draw.digits(9)), article);
        let separator = draw.of(&["-", " "]);
        grouped(&isbn, &[3, 1, 4, 4, 1], separator)
    });
    left_alone("devices (IMEI)", |draw| {
        let body = draw.of(&["35", "86", "01", "99", "45", "52"]);
        with_check(format!("{body}{}", draw.digits(12)), luhn)
    });
    left_alone("devices in groups", |draw| {
        let imei = with_check(format!("35{}", draw.digits(12)), luhn);
        grouped(&imei, &[2, 6, 6, 1], draw.of(&["-", " "]))
    });
    left_alone("SIM cards (ICCID)", |draw| with_check(format!("89{}", draw.digits(17)), luhn));
    left_alone("UUIDs", |draw| draw.like("xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx"));
    left_alone("UUIDs in capitals", |draw| draw.like("xxxxxxxx-xxxx-4xxx-bxxx-xxxxxxxxxxxx").to_uppercase());
    left_alone("UUIDs without dashes", |draw| draw.like("xxxxxxxxxxxx4xxxaxxxxxxxxxxxxxxx"));
    left_alone("hashes of 40", |draw| draw.like("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    left_alone("hashes of 64", |draw| draw.like("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    left_alone("short hashes", |draw| draw.like("xxxxxxxxxxxx"));
    left_alone("object ids", |draw| draw.like("xxxxxxxxxxxxxxxxxxxxxxxx"));
    left_alone("hardware addresses", |draw| draw.like("xx:xx:xx:xx:xx:xx"));
    left_alone("network addresses", |draw| {
        let part = |draw: &mut Draw| {
            if draw.below(4) == 0 { format!("{:03}", draw.below(256)) } else { draw.below(256).to_string() }
        };
        format!("{}.{}.{}.{}", part(draw), part(draw), part(draw), part(draw))
    });
    left_alone("versions", |draw| format!("v{}.{}.{}", draw.below(30), draw.below(200), draw.below(2000)));
    left_alone("packages", |draw| {
        let stage = draw.of(&["rc", "beta", "tgz", "next", "tar.gz"]);
        format!("pkg@{}.{}.{}.{stage}", draw.below(30), draw.below(30), draw.below(30))
    });
    left_alone("prices", |draw| {
        format!("{}{}.{:02}", draw.of(&["", "EUR ", "$", "+", "-"]), draw.below(1 << 30), draw.below(100))
    });
    left_alone("prices in groups", |draw| {
        let separator = draw.of(&[",", ".", " ", "\u{a0}"]);
        format!("{}{separator}{}{separator}{}", 1 + draw.below(999), draw.digits(3), draw.digits(3))
    });
    left_alone("prices with a sign", |draw| {
        format!("+{} {}.{:02}", 1 + draw.below(999), draw.digits(3), draw.below(100))
    });
    left_alone("measures", |draw| format!("{}.{} kg", draw.below(1 << 20), draw.digits(9)));
    left_alone("coordinates", |draw| {
        format!("{}.{}, -{}.{}", draw.below(90), draw.digits(7), draw.below(180), draw.digits(7))
    });
}

/// What `docs/detectors.md` says of each text is so: rows of a text, a detector's list, and what comes out.
#[test]
fn the_page_says_what_is_found() {
    let page = root("docs/detectors.md");
    let mut rows = 0;
    let mut wrong = String::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        let [text, names, expected] = cells[..] else { panic!("three cells: {line}") };
        let detectors: Vec<Detector> = names
            .split(", ")
            .map(|name| match name.strip_prefix("phone ") {
                Some(region) => Detector::Phone(Region::named(region).unwrap()),
                None => Detector::BuiltIn(BuiltIn::ALL.into_iter().find(|one| one.name() == name).unwrap()),
            })
            .collect();
        let text = text.replace("\\u200b", "\u{200b}").replace("\\n", "\n");
        let seen = shown(&detectors, &text);
        if seen != expected.replace("\\u200b", "\u{200b}") {
            writeln!(wrong, "{text}: {seen}").unwrap();
        }
        rows += 1;
    }
    assert!(wrong.is_empty() && rows > 60, "{rows} rows\n{wrong}");
}

/// A second reading of what a card and a social security number are, by hand and slow: every part of a text is tried, the
/// leftmost and longest that fits is the find.
mod naive {
    use regex_lite::Regex;

    /// What a character is read as, for those that the texts are made of.
    fn read(char: char) -> Option<char> {
        match char {
            '\u{200b}' | '\u{ad}' => None,
            '\u{2013}' => Some('-'),
            '\u{a0}' | '\n' => Some(' '),
            '\u{ff10}'..='\u{ff19}' => char::from_u32(u32::from(char) - 0xfee0),
            other => Some(other),
        }
    }

    pub(crate) struct Reading {
        forms: Vec<Regex>,
        before: Regex,
        name: &'static str,
        holds: fn(&str, &str, &str) -> bool,
    }

    impl Reading {
        pub(crate) fn card() -> Self {
            let gap = r"(?: {1,3}|[-./_] {0,2}| [-./_] ?|  [-./_])";
            let forms = [
                r"\d{12,19}",
                r"\d{4}(?:G\d{4})+",
                r"\d{4}(?:G\d{4})+G\d{1,3}",
                r"\d{4}G\d{1,3}",
                r"\d{4}G\d{6}G\d{4,5}",
                r"\d{6}G\d{6,13}",
                r"\d{4}G\d{8,12}",
                r"(?:\d{4}|\d{8})(?:G\d{4})+G(?:\d{5}|\d{7}|\d{8})",
                r"\d{8}(?:G\d{4})+(?:G\d{1,4})?",
                r"\d{8}G(?:\d{8}|\d{11})",
            ];
            let forms = forms.map(|form| Regex::new(&format!("^(?:{})$", form.replace('G', gap))).unwrap());
            Self { forms: forms.into(), before: Regex::new(r"\d\.$").unwrap(), name: "card", holds: is_card }
        }

        pub(crate) fn ssn() -> Self {
            let forms = [r"\d{3} \d\d \d{4}", r"\d{3}-\d\d-\d{4}", r"\d{3}\.\d\d\.\d{4}"];
            let forms = forms.map(|form| Regex::new(&format!("^{form}$")).unwrap());
            Self { forms: forms.into(), before: Regex::new(r"\d[-.]$").unwrap(), name: "ssn", holds: is_ssn }
        }

        pub(crate) fn shown(&self, text: &str) -> String {
            let read: Vec<(usize, char)> =
                text.char_indices().filter_map(|(at, char)| Some((at, read(char)?))).collect();
            let plain: String = read.iter().map(|(_, char)| *char).collect();
            let (mut out, mut written, mut start) = (String::new(), 0, 0);
            while start < plain.len() {
                let end = (start + 1..=plain.len()).rev().find(|end| self.is_find(&plain, start, *end));
                if let Some(end) = end {
                    let (last, _) = read[end - 1];
                    out.push_str(&text[written..read[start].0]);
                    out.push_str(&format!("[{}]", self.name));
                    written = last + text[last..].chars().next().unwrap().len_utf8();
                }
                start = end.unwrap_or(start + 1);
            }
            out + &text[written..]
        }

        fn is_find(&self, text: &str, start: usize, end: usize) -> bool {
            let (before, found, after) = (&text[..start], &text[start..end], &text[end..]);
            let digit = |char: char| char.is_ascii_digit();
            if !found.starts_with(digit) || !found.ends_with(digit) || !(9..20).contains(&found.matches(digit).count())
            {
                return false;
            }
            let word = before.chars().rev().take_while(char::is_ascii_alphabetic).count();
            let hexadecimal = |word: &str| {
                word.chars().all(|char| char.is_ascii_hexdigit())
                    && word.contains(|char: char| char.is_ascii_digit())
                    && word.contains(|char: char| char.is_ascii_alphabetic())
            };
            let words = |text: &str| text.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
            let backwards: String = before.chars().rev().collect();
            self.forms.iter().any(|form| form.is_match(found))
                && word != 1
                && !before[..start - word].ends_with(|char: char| char.is_ascii_digit())
                && !after.starts_with(|char: char| char.is_ascii_alphanumeric())
                && !self.before.is_match(before)
                && !backwards.strip_prefix('-').is_some_and(|text| hexadecimal(&words(text)))
                && !after.strip_prefix('-').is_some_and(|text| hexadecimal(&words(text)))
                && (self.holds)(before, found, after)
        }
    }

    fn goes_on(after: &str, joint: char) -> bool {
        after.strip_prefix(joint).is_some_and(|rest| rest.starts_with(|char: char| char.is_ascii_digit()))
    }

    fn is_card(_: &str, found: &str, after: &str) -> bool {
        let digits: Vec<u32> = found.chars().filter_map(|char| char.to_digit(10)).collect();
        let groups = found.split(|char: char| !char.is_ascii_digit()).filter(|group| !group.is_empty()).count();
        let prefix = digits.iter().take(4).fold(0, |prefix, digit| prefix * 10 + digit);
        let article = digits.iter().enumerate().map(|(place, digit)| digit * [1, 3][place % 2]).sum::<u32>() % 10 == 0;
        let issued = match (prefix, digits.len()) {
            (4000..5000, 13) => !article,
            (4000..5000, 16 | 19) | (5100..5600 | 2221..2721, 16) | (3400..3500 | 3700..3800, 15) | (6011, 16 | 19) => {
                true
            }
            _ => false,
        };
        let doubled = |(place, digit): (usize, &u32)| {
            if place.is_multiple_of(2) { *digit } else { digit * 2 / 10 + digit * 2 % 10 }
        };
        issued
            && digits.iter().rev().enumerate().map(doubled).sum::<u32>() % 10 == 0
            && !(groups == 2 && found.contains('.'))
            && !goes_on(after, '.')
    }

    fn is_ssn(_: &str, found: &str, after: &str) -> bool {
        let part = |range: std::ops::Range<usize>| found[range].parse::<u32>().unwrap();
        let (area, group, serial) = (part(0..3), part(4..6), part(7..11));
        (1..900).contains(&area) && area != 666 && group > 0 && serial > 0 && !goes_on(after, '-')
    }
}

#[test]
fn a_second_reading_finds_what_the_detectors_find() {
    let fragments = [
        "4111",
        "1111",
        "4111 1111 1111 1111",
        "5555555555554444",
        "5555-5555-5555-4444",
        "378282",
        "246310",
        "005",
        "3782 822463 10005",
        "6011",
        "0009",
        "9013",
        "9424",
        "4222222222222",
        "123-45-6789",
        "123",
        "45",
        "6789",
        "078",
        "05",
        "1120",
        " ",
        " ",
        "-",
        "-",
        ".",
        "/",
        "_",
        "  ",
        "\n",
        "\u{a0}",
        "\u{2013}",
        "\u{200b}",
        "x",
        "card",
        "ab",
        "SS",
        "f2",
        ",",
        "(",
        "\u{ff14}111",
        "1",
        "0",
    ];
    let mut draw = Draw(5);
    let readings = [(naive::Reading::card(), BuiltIn::Card), (naive::Reading::ssn(), BuiltIn::Ssn)];
    let mut found = [0; 2];
    for _ in 0..600 {
        let text: String = (0..1 + draw.below(14)).map(|_| draw.of(&fragments)).collect();
        for ((reading, detector), found) in readings.iter().zip(&mut found) {
            let seen = shown(&[Detector::BuiltIn(*detector)], &text);
            assert_eq!(seen, reading.shown(&text), "{detector:?} in {text:?}");
            *found += usize::from(seen != text);
        }
    }
    assert!(found.iter().all(|found| *found > 10), "{found:?}");
}
