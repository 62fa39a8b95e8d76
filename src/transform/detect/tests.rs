//! Rows: what each detector finds in a text and what it leaves.

#![allow(clippy::arithmetic_side_effects, reason = "small numbers")]

use proptest::prelude::*;

use std::rc::Rc;

use super::*;
use crate::diagnostic::Span;
use crate::model::CustomDetector;
use crate::model::pattern::Pattern;

const ALL: &[BuiltIn] = &BuiltIn::ALL;

fn built_in(detectors: &[BuiltIn]) -> Vec<Detector> {
    detectors.iter().copied().map(Detector::BuiltIn).collect()
}

fn shown(detectors: &[BuiltIn], token: &str) -> String {
    shown_by(&built_in(detectors), token)
}

fn custom(name: &str, pattern: &str) -> Detector {
    let span = Span { file: 0, start: 0, end: 0 };
    let pattern = Pattern::parse(pattern).unwrap();
    Detector::Custom(Rc::new(CustomDetector { name: name.to_owned(), about: String::new(), pattern, span }))
}

fn shown_by(detectors: &[Detector], token: &str) -> String {
    let mut out = b"before".to_vec();
    let searched = detect(detectors, token.as_bytes(), &mut { Effort::RESPONSE }, &mut out);
    let changed = out.strip_prefix(b"before") != Some(token.as_bytes());
    assert!(matches!(searched, Searched::Clean | Searched::Replaced), "{token}");
    assert!(searched == Searched::Replaced || !changed, "{token}");
    String::from_utf8(out.strip_prefix(b"before").expect("what was there stays").to_vec()).unwrap()
}

/// Rows of text before and after, for one detector.
fn holds(detector: BuiltIn, rows: &[(&str, &str)]) {
    for (text, expected) in rows {
        let token = serde_json::to_string(text).unwrap();
        assert_eq!(shown(&[detector], &token), serde_json::to_string(expected).unwrap(), "{detector:?} in {text}");
    }
}

fn leaves(detector: BuiltIn, texts: &[&str]) {
    for text in texts {
        holds(detector, &[(text, text)]);
    }
}

#[test]
fn an_email_address_is_found_in_text() {
    holds(
        BuiltIn::Email,
        &[
            ("anna@example.com", "[email]"),
            ("write to anna.b+tag@mail.example.co.uk, please", "write to [email], please"),
            ("<anna@example.com>;bob@example.org", "<[email]>;[email]"),
            ("It was anna@example.com.", "It was [email]."),
            ("mailto:anna@example.com?subject=x", "mailto:[email]?subject=x"),
            ("'o'brien@example.com'", "'[email]'"),
            ("josé@müller.de und zoë@例え.テスト", "[email] und [email]"),
            ("“anna@example.com”", "“[email]”"),
            ("a@xn--bcher-kva.xn--p1ai", "[email]"),
            ("a..b.@docomo.ne.jp", "[email]"),
            ("a@b.com@c.org", "[email]@c.org"),
            ("- anna@example.com-", "- [email]-"),
            ("anna@example.com_old", "[email]_old"),
            ("an\u{200b}na@exa\u{ad}mple.com", "[email]"),
            ("anna＠example．com", "[email]"),
            ("\"ana b\"@example.com", "[email]"),
            ("to \"ana b\"@example.com.", "to [email]."),
            ("anna@163.com", "[email]"),
            ("anna@3com.com", "[email]"),
            ("anna@example.com:8080", "[email]:8080"),
            ("anna@example.com: hello", "[email]: hello"),
            ("https://example.com/?to=anna@example.com", "https://example.com/?[email]"),
            ("git@example.com", "[email]"),
        ],
    );
}

#[test]
fn what_only_has_an_at_sign_is_no_email_address() {
    leaves(
        BuiltIn::Email,
        &[
            "@",
            "a@",
            "@b.com",
            "meet @ noon",
            "a @b.com",
            "anna@localhost",
            "3 apples @ 1.50",
            "a@b.c",
            "a@-b.com",
            "a@.com",
            "a@b..com",
            "x@1.50",
            "...@example.com",
            "pkg@1.2.3.rc",
            "pkg@v1.2.3.tgz",
            "pkg@1.rc",
            "pkg@1.0-beta.2.next",
            "icon@2x.png",
            "git@github.com:acme/x.git",
            "https://user@host.example.com/p",
            "https://user:secret@host.example.com/p",
            "ssh://git@host.example.com/p",
            "https://medium.com/@jane.doe",
            "\"\"@example.com",
        ],
    );
}

#[test]
fn a_card_number_is_found_by_its_checksum() {
    holds(
        BuiltIn::Card,
        &[
            ("4111111111111111", "[card]"),
            ("card 4111 1111 1111 1111 exp 12/27", "card [card] exp 12/27"),
            ("5555-5555-5555-4444.", "[card]."),
            ("378282246310005", "[card]"),
            ("3782 822463 10005", "[card]"),
            ("41111111 11111111", "[card]"),
            ("4111 1111 11111111", "[card]"),
            ("41111111 1111 1111", "[card]"),
            ("41111111-11111111", "[card]"),
            ("3056 930902 5904", "[card]"),
            ("4222222222222", "[card]"),
            ("6304000000000000000", "[card]"),
            ("6759 6498 2643 8453", "[card]"),
            ("2223 0031 2200 3222", "[card]"),
            ("6212 3456 7890 0000 003", "[card]"),
            ("4111-1111–1111\u{2212}1111", "[card]"),
            ("4111.1111.1111.1111", "[card]"),
            ("4111/1111/1111/1111", "[card]"),
            ("4111_1111_1111_1111", "[card]"),
            ("4111  1111 1111 1111", "[card]"),
            ("4111 - 1111 - 1111 - 1111", "[card]"),
            ("4111 1111 1111\n1111", "[card]"),
            ("4111\t1111\u{3000}1111\r\n1111", "[card]"),
            ("card_4111111111111111", "card_[card]"),
            ("card4111111111111111", "card[card]"),
            ("Karte:4111111111111111", "Karte:[card]"),
            ("４１１１１１１１１１１１１１１１", "[card]"),
            ("٤١١١١١١١١١١١١١١١", "[card]"),
            ("41111111\u{200b}11111111", "[card]"),
            ("\u{200b}4111\u{ad}1111\u{2060}11111111\u{feff}!", "\u{200b}[card]\u{feff}!"),
            ("4111111111111111_x", "[card]_x"),
            ("4111 1111 1111 1111 12/27 123", "[card] 12/27 123"),
            ("12345 4111 1111 1111 1111", "12345 [card]"),
            ("4111\u{a0}1111\u{a0}1111\u{a0}1111", "[card]"),
            ("(4111111111111111)", "([card])"),
            ("4111111111111111,5555555555554444", "[card],[card]"),
        ],
    );
}

#[test]
fn other_numbers_are_no_card() {
    leaves(
        BuiltIn::Card,
        &[
            "4111111111111112",
            "411111111111",
            "41111111111111110000",
            "0000000000000000",
            "x4111111111111111",
            "4111111111111111x",
            "0.4111111111111111",
            "4111111111111111.25",
            // A stamp, a trace, a migration, orders, snowflakes, an article.
            "created 1748503543004",
            "trace 1647725122201",
            "migration 20260823120007",
            "order 1000234500012342",
            "order 2026091500001230",
            "614-5394313-3231022",
            "588107142120614694",
            "case 1747-9192-2056-7223",
            "6312416712217",
            "4006381333931",
            "IMEI 356938035643809",
            "SIM 8949300000001234563",
            // Parts of a UUID, whole and cut.
            "quote(token:47223179-9330-4259-b66c-f2db26efb20c)",
            "47223179-9330-4259-b66c",
            "b66c-4111111111111111",
            "c4111111111111111",
            "4111\u{200b}1111111111112",
            "4111    1111 1111 1111",
            "4111 11 1111111111",
            "41 11 11 11 11 11 11 11",
            // Luhn holds for the digits, but these are dates, and a bank account.
            "2024-01-15 2024-02-14",
            "DE62 3704 0044 0532 0130 01",
            "DE89 3704 0044 0532 0130 01",
            "DE89 3704 0044 0532 0130 0",
            "DE893704004405320130011",
        ],
    );
}

#[test]
fn a_bank_account_number_is_found_by_country_length_and_checksum() {
    holds(
        BuiltIn::Iban,
        &[
            ("DE89370400440532013000", "[iban]"),
            ("IBAN: DE89 3704 0044 0532 0130 00, thanks", "IBAN: [iban], thanks"),
            ("gb29 nwbk 6016 1331 9268 19", "[iban]"),
            ("GB29-NWBK-6016-1331-9268-19", "[iban]"),
            ("DE 89 3704 0044 0532 0130 00", "[iban]"),
            ("NL91ABNA0417164300/FR1420041010050500013M02606", "[iban]/[iban]"),
            ("MT84MALT011000012345MTLCAST001S", "[iban]"),
            ("NO9386011117947.", "[iban]."),
            ("AX DE89 3704 0044 0532 0130 00 and", "AX [iban] and"),
            ("De89370400440532013000", "[iban]"),
            ("GB29 nwbk 6016 1331 9268 19", "[iban]"),
            ("NL91 abna 0417 1643 00", "[iban]"),
            ("IBANES9121000418450200051332", "IBAN[iban]"),
            ("Es9121000418450200051332", "[iban]"),
            ("iban_DE89370400440532013000", "iban_[iban]"),
            ("DE89  3704 0044 0532 0130 00", "[iban]"),
            ("DE89.3704.0044.0532.0130.00", "[iban]"),
            ("DE89\t3704\u{a0}0044\u{2013}0532/0130\n00", "[iban]"),
            ("ＤＥ８９370400440532013000", "[iban]"),
            ("DE89\u{200b}370400440532013000", "[iban]"),
        ],
    );
}

#[test]
fn every_country_of_the_table_is_found() {
    for example in [
        "AD1200012030200359100100",
        "AE070331234567890123456",
        "AL47212110090000000235698741",
        "AT611904300234573201",
        "AZ21NABZ00000000137010001944",
        "BA391290079401028494",
        "BE68539007547034",
        "BG80BNBG96611020345678",
        "BH67BMAG00001299123456",
        "BR1800360305000010009795493C1",
        "CH9300762011623852957",
        "CR05015202001026284066",
        "CY17002001280000001200527600",
        "CZ6508000000192000145399",
        "DE89370400440532013000",
        "DK5000400440116243",
        "DO28BAGR00000001212453611324",
        "EE382200221020145685",
        "ES9121000418450200051332",
        "FI2112345600000785",
        "FO6264600001631634",
        "FR1420041010050500013M02606",
        "GB29NWBK60161331926819",
        "GE29NB0000000101904917",
        "GI75NWBK000000007099453",
        "GL8964710001000206",
        "GR1601101250000000012300695",
        "GT82TRAJ01020000001210029690",
        "HR1210010051863000160",
        "HU42117730161111101800000000",
        "IE29AIBK93115212345678",
        "IL620108000000099999999",
        "IS140159260076545510730339",
        "IT60X0542811101000000123456",
        "JO94CBJO0010000000000131000302",
        "KW81CBKU0000000000001234560101",
        "KZ86125KZT5004100100",
        "LB62099900000001001901229114",
        "LI21088100002324013AA",
        "LT121000011101001000",
        "LU280019400644750000",
        "LV80BANK0000435195001",
        "MC5811222000010123456789030",
        "MD24AG000225100013104168",
        "ME25505000012345678951",
        "MK07250120000058984",
        "MR1300020001010000123456753",
        "MT84MALT011000012345MTLCAST001S",
        "MU17BOMM0101101030300200000MUR",
        "NL91ABNA0417164300",
        "NO9386011117947",
        "PK36SCBL0000001123456702",
        "PL61109010140000071219812874",
        "PS92PALS000000000400123456702",
        "PT50000201231234567890154",
        "QA58DOHB00001234567890ABCDEFG",
        "RO49AAAA1B31007593840000",
        "RS35260005601001611379",
        "SA0380000000608010167519",
        "SE4550000000058398257466",
        "SI56263300012039086",
        "SK3112000000198742637541",
        "SM86U0322509800000000270100",
        "TN5910006035183598478831",
        "TR330006100519786457841326",
        "UA213223130000026007233566001",
        "VA59001123000012345678",
        "VG96VPVG0000012345678901",
        "XK051212012345678906",
    ] {
        holds(BuiltIn::Iban, &[(example, "[iban]")]);
    }
}

#[test]
fn what_the_checksum_or_the_country_denies_is_no_bank_account_number() {
    leaves(
        BuiltIn::Iban,
        &[
            "DE89370400440532013001",
            "DE8937040044053201300",
            "DE893704004405320130000",
            "XX89370400440532013000",
            "ADE89370400440532013000",
            "DE89    3704 0044 0532 0130 00",
            "c7b0c07a-e253-49da-be86-839bde82f0e5",
            "be86-839bde82f0e5",
            "at 15 minutes before noon we go there",
            "DE",
            "DE8",
        ],
    );
}

#[test]
fn a_telephone_number_is_found_in_its_common_spellings() {
    holds(
        BuiltIn::Phone,
        &[
            ("+4917612345678", "[phone]"),
            ("+49 176 12345678", "[phone]"),
            ("+49 (0) 176 1234567", "[phone]"),
            ("+44 (0)20 7946 0958", "[phone]"),
            ("(+44) 20 7946 0958", "[phone]"),
            ("+1 (415) 555-0123", "[phone]"),
            ("+1.4155550123", "[phone]"),
            ("+33 1 23 45 67 89", "[phone]"),
            ("+49-30-1234567-0", "[phone]"),
            ("tel:+14155550123;ext=5", "tel:[phone];ext=5"),
            ("0049 176 1234567", "[phone]"),
            ("00441214960123", "[phone]"),
            ("415-555-0123", "[phone]"),
            ("(415) 555-0123", "[phone]"),
            ("(415)555-0123", "[phone]"),
            ("415.555.0123", "[phone]"),
            ("415 555 0123", "[phone]"),
            ("1-800-555-0199 x12", "[phone] x12"),
            ("1 (415) 555-0123", "[phone]"),
            ("020 7946 0958", "[phone]"),
            ("(020) 7946 0958", "[phone]"),
            ("(020 7946 0958)", "([phone])"),
            ("07700 900123", "[phone]"),
            ("01 23 45 67 89", "[phone]"),
            ("01.23.45.67.89", "[phone]"),
            ("030/1234567", "[phone]"),
            ("06-12345678", "[phone]"),
            ("call 0176 1234567.", "call [phone]."),
            ("020 7946 0958/07700 900123", "[phone]/[phone]"),
            ("+47 22 12 34 56 2024-01-15", "[phone] 2024-01-15"),
            ("15.01.2024 020 7946 0958", "15.01.2024 [phone]"),
            ("+41\u{a0}44\u{a0}668\u{a0}18\u{a0}00", "[phone]"),
            ("+33 6 69 06 04 43", "[phone]"),
            ("06 69 06 04 43", "[phone]"),
            ("06.69.06.04.43", "[phone]"),
            ("+46 8 12 14 12", "[phone]"),
            ("+47 22 01 22 73", "[phone]"),
            ("+34 831 02 04 36", "[phone]"),
            ("+257 22 20 12 34", "[phone]"),
            ("+687 20.12.34", "[phone]"),
            ("+44 7700–900–123", "[phone]"),
            ("+683 4002", "[phone]"),
            ("+ 49 176 12345678", "[phone]"),
            ("+49 30 123456 2024-01-15", "[phone] 2024-01-15"),
            ("+49 30 123456 15.01.2024", "[phone] 15.01.2024"),
            ("Tel+49 176 12345678", "Tel[phone]"),
            ("+1 415 555 0123x12", "[phone]x12"),
            ("+1 415-555-0123-45", "[phone]-45"),
            ("415-555-0123 ext. 4", "[phone] ext. 4"),
            ("(510)3041234", "[phone]"),
            ("415 – 555 – 0123", "[phone]"),
            ("＋４９ １７６ １２３４５６７８", "[phone]"),
            ("+49\u{200b}176\u{ad}12345678", "[phone]"),
            ("+٤٩ ١٧٦ ١٢٣٤٥٦٧٨", "[phone]"),
        ],
    );
}

#[test]
fn dates_bank_accounts_and_other_numbers_are_no_telephone() {
    leaves(
        BuiltIn::Phone,
        &[
            "2024-01-15",
            "01.02.2024",
            "01/02/2024 10:30",
            "01-02-2024 10 30",
            "01 02 2024 10 30",
            "01-02-24 10 30",
            "2024-01-15T10:30:00+01:00",
            "2024-01-15T10:30:00.012345678Z",
            "from 01.02.2024-03.04.2024",
            "DE89 3704 0044 0532 0130 00",
            "NL91 ABNA 0417 1643 00",
            "NL91 ABNA 0417 1643 01",
            "NL91 abna 0417 1643 0",
            "NL91ABNA0417164300",
            "4111 1111 1111 1111",
            "4155550123",
            "123456789",
            "1 234 567 890",
            "1,234,567.89",
            "3.0123456789",
            "0.0123456789",
            "0012345678",
            "192.168.100.200",
            "+5",
            "+12 345",
            "+12 345 678.50",
            "+1 000 000",
            "+0 176 1234567",
            "123-45-6789",
            "115-555-0123",
            "415-155-0123",
            "415-555-0123-4567",
            "12-415-555-0123",
            "order #0123456789",
            "invoice 0020230001234",
            "0123456789",
            "05683645026",
            "07700900123",
            "ip 010.000.000.001",
            "+999 123 456 789",
            "+1 115 555 0123",
            "012-3456789-0123456",
            "978-0-306-40615-7",
            "0-306-40615-2",
            "4006381333931",
            "0012345678905",
            "612 34 56 78",
            "13812345678",
            "c1-415-555-0123",
            "a0123456789",
            "0123456789a",
            "550e8400-e29b-41d4-a716-446655440000",
        ],
    );
}

#[test]
fn a_social_security_number_is_found_by_its_parts() {
    holds(
        BuiltIn::Ssn,
        &[
            ("123-45-6789", "[ssn]"),
            ("SSN: 123 45 6789.", "SSN: [ssn]."),
            ("899-99-9999", "[ssn]"),
            ("001-01-0001", "[ssn]"),
            ("SSN123-45-6789", "SSN[ssn]"),
            ("SSN:123-45-6789", "SSN:[ssn]"),
            ("123–45–6789", "[ssn]"),
            ("123.45.6789", "[ssn]"),
            ("123\u{a0}45\u{a0}6789", "[ssn]"),
            ("SSN 123456789", "SSN [ssn]"),
            ("ssn#: 123456789", "ssn#: [ssn]"),
            ("ssn123456789", "ssn[ssn]"),
            ("１２３-４５-６７８９", "[ssn]"),
            ("12\u{200b}3-45-6789", "[ssn]"),
        ],
    );
    leaves(
        BuiltIn::Ssn,
        &[
            "000-45-6789",
            "666-45-6789",
            "900-45-6789",
            "999-45-6789",
            "123-00-6789",
            "123-45-0000",
            "123456789",
            "123-45 6789",
            "123-45-67890",
            "1123-45-6789",
            "1-123-45-6789",
            "123-45-6789-1",
            "x123-45-6789",
            "123-45-678",
        ],
    );
}

#[test]
fn leftmost_then_longest_then_by_name() {
    let rows = [
        ("anna@example.com 4111 1111 1111 1111 +4917612345678", "[email] [card] [phone]"),
        ("DE89 3704 0044 0532 0130 00 123-45-6789", "[iban] [ssn]"),
        // Two finds begin at one byte: the longer one wins.
        ("+14155550123@example.com", "[email]"),
        ("4111111111111111@example.com", "[email]"),
        ("+4111111111111111", "+[card]"),
        ("", ""),
        ("nothing here", "nothing here"),
    ];
    for (text, expected) in rows {
        assert_eq!(shown(ALL, &format!("\"{text}\"")), format!("\"{expected}\""), "{text}");
    }
}

#[test]
fn only_what_is_asked_for_is_looked_for() {
    let token = r#""anna@example.com 4111111111111111""#;
    assert_eq!(shown(&[BuiltIn::Card], token), r#""anna@example.com [card]""#);
    assert_eq!(shown(&[BuiltIn::Email], token), r#""[email] 4111111111111111""#);
    assert_eq!(shown(&[], token), token);
}

#[test]
fn a_string_without_finds_keeps_its_spelling() {
    for token in [r#""a\/b\u0041\u00e9 é""#, r#""""#, r#""\ud83d\ude00 12""#, "12.50", "true", "false"] {
        assert_eq!(shown(ALL, token), token);
    }
}

#[test]
fn a_string_with_finds_is_written_with_the_fewest_escapes() {
    assert_eq!(shown(ALL, r#""\u0041\/\n\"\u00e9: anna\u0040example.com""#), r#""A/\n\"é: [email]""#);
    assert_eq!(shown(ALL, r#""\u0034111111111111111""#), r#""[card]""#);
}

#[test]
fn a_policys_own_detector_takes_part_as_the_others_do() {
    let case = || custom("case", r"(?i)\bcase[- ]?\d{4,8}\b");
    let digits = || custom("digits", r"\d+");
    let all = |more: &[Detector]| [&built_in(ALL), more].concat();
    let rows: [(&str, Vec<Detector>, &str, &str); 12] = [
        ("it finds text without a digit", vec![custom("name", "Ana|Bo")], "Ana and Bo", "[name] and [name]"),
        ("it finds nothing", vec![case()], "in any case 123", "in any case 123"),
        ("it knows its own shape", vec![case()], "CASE-12345, case 1234", "[case], [case]"),
        ("leftmost first", all(&[case()]), "case 1234 a@b.com", "[case] [email]"),
        ("longest of those that start together", all(&[digits()]), "4111111111111111", "[card]"),
        ("longest, also if it is the other", all(&[custom("x", r"\d{16} .")]), "4111111111111111 y", "[x]"),
        ("then by name", vec![custom("b", "abc"), custom("a", "abc")], "abc", "[a]"),
        ("a name before a built-in's", all(&[custom("a", r"\d{16}")]), "4111111111111111", "[a]"),
        ("a name after a built-in's", all(&[custom("z", r"\d{16}")]), "4111111111111111", "[card]"),
        ("what another has taken is gone", vec![custom("a", "ab"), custom("b", "bc")], "abc bc", "[a]c [b]"),
        ("it sees what stands before", vec![custom("a", "x"), custom("b", r"\bc")], "xc c", "[a]c [b]"),
        ("it prefers its first alternative", vec![custom("a", "a|ab")], "ab", "[a]b"),
    ];
    for (claim, detectors, text, expected) in rows {
        assert_eq!(shown_by(&detectors, &format!("\"{text}\"")), format!("\"{expected}\""), "{claim}");
    }
}

#[test]
fn a_match_that_is_empty_where_it_stands_is_passed_over() {
    let detectors = [custom("x", r"[a0_]|\b{start}")];
    assert_eq!(shown_by(&detectors, r#""q a éq""#), r#""q [x] éq""#);
}

#[test]
fn all_strings_and_detectors_of_a_response_draw_on_one_effort() {
    // Each search looks through the whole text before it settles on one character.
    let slow = |name: &str| custom(name, "a.*b|a");
    let token = |length| format!("\"{}\"", "a".repeat(length));
    let rows: [(&str, Vec<Detector>, usize, usize, bool); 6] = [
        ("one string that is cheap", vec![slow("x")], 1 << 7, 1, true),
        ("one string that is not", vec![slow("x")], 1 << 10, 1, false),
        ("many strings that are cheap one by one", vec![slow("x")], 1 << 7, 50, false),
        ("many detectors that are cheap one by one", (0..9).map(|n| slow(&format!("x{n}"))).collect(), 300, 1, false),
        ("a string that cannot be looked through", vec![custom("x", "[a-z0-9._-]{1,64}#")], 1 << 16, 1, false),
        ("a string in which no find can begin", vec![custom("x", "#[a-z0-9._-]{1,64}")], 1 << 16, 50, true),
    ];
    for (claim, detectors, length, times, done) in rows {
        let mut effort = Effort::RESPONSE;
        let mut out = b"before".to_vec();
        let mut last = Searched::Clean;
        for _ in 0..times {
            out.truncate(6);
            last = detect(&detectors, token(length).as_bytes(), &mut effort, &mut out);
        }
        assert_eq!(last != Searched::Exhausted, done, "{claim}");
        assert_eq!(out == b"before", !done, "{claim}");
        if !done {
            // What is spent is spent for every later string, but for those that cost nothing.
            let email = [custom("x", "a#"), Detector::BuiltIn(BuiltIn::Email)];
            assert_eq!(detect(&email, br#""aa""#, &mut effort, &mut out), Searched::Exhausted, "{claim}");
            assert_eq!(detect(&email, br#""b@c.de""#, &mut effort, &mut out), Searched::Replaced, "{claim}");
        }
    }
}

#[test]
fn what_is_no_token_is_a_misfit() {
    let mut out = Vec::new();
    for token in [&b"null"[..], b"", b"\"", b"{}", b"\"\xff\""] {
        assert_eq!(detect(&built_in(ALL), token, &mut { Effort::RESPONSE }, &mut out), Searched::Misfit);
    }
    assert_eq!(out, b"");
}

#[test]
fn long_texts_of_near_misses_take_linear_time() {
    // Quadratic work on any of these would take many seconds.
    for part in [
        "@",
        "a",
        "a@",
        "a@b.",
        "1",
        "1 ",
        "1-",
        "0",
        "+",
        "(",
        "+1",
        "DE89 ",
        "DE89",
        "d8",
        "12-",
        "4111 ",
        "01.02.2024 ",
        "é",
        "aaaa.",
        "+49 (0",
        "-",
    ] {
        let token = format!("\"{}\"", part.repeat((1 << 17) / part.len()));
        shown(ALL, &token);
    }
}

proptest! {
    #[test]
    fn every_text_stays_a_string_and_what_was_found_is_gone(text in "([0-9]{1,5}|[-+ ./(),@#]|[a-eA-E]{1,3}|DE89|\\.com|[éß\u{a0}\\\\\"])*") {
        let token = serde_json::to_string(&text).unwrap();
        let once = shown(ALL, &token);
        serde_json::from_str::<String>(&once).unwrap();
        if once == token {
            prop_assert_eq!(&shown(ALL, &once), &once);
        }
    }

    #[test]
    fn finds_come_in_order_and_stand_on_characters(text in "([0-9]{1,5}|[-+ ./()@]|[a-e]{1,3}|\\.com|[éß\u{a0}])*") {
        let mut from = 0;
        let detectors = built_in(ALL);
        let mut effort = Effort::RESPONSE;
        let mut finds = Finds::new(&detectors, &text, &mut effort).unwrap();
        while let Some(find) = finds.next().unwrap() {
            prop_assert!(find.start >= from && find.end > find.start);
            prop_assert!(text.get(find.start..find.end).is_some());
            from = find.end;
        }
    }

    #[test]
    fn a_find_is_found_wherever_it_stands(before in "[a-z]{0,8}( |: |, )", after in "( |, |; |\\. )[a-z]{0,8}") {
        for (text, name) in [
            ("anna@example.com", "[email]"), ("4111 1111 1111 1111", "[card]"), ("DE89 3704 0044 0532 0130 00", "[iban]"),
            ("+49 176 12345678", "[phone]"), ("415-555-0123", "[phone]"), ("123-45-6789", "[ssn]"),
        ] {
            prop_assert_eq!(shown(ALL, &format!("\"{before}{text}{after}\"")), format!("\"{before}{name}{after}\""));
        }
    }
}

#[test]
fn national_numbers_are_found_for_the_regions_that_a_policy_names() {
    let rows: [(&str, &str, &str); 24] = [
        ("US", "(510)3041234", "[phone]"),
        ("US", "510 3041234", "[phone]"),
        ("US", "5103041234", "[phone]"),
        ("US", "1 510 304 1234", "[phone]"),
        ("US", "110 304 1234", "110 304 1234"),
        ("BR", "(11) 98456-5666", "[phone]"),
        ("RU", "8 (912) 345-67-89", "[phone]"),
        ("ES", "612 34 56 78", "[phone]"),
        ("ES", "tel. 612345678.", "tel. [phone]."),
        ("ES", "412345678", "412345678"),
        ("ES", "6123456789", "6123456789"),
        ("ES", "a612345678", "a612345678"),
        ("ES", "#612345678", "#612345678"),
        ("ES", "2024-01-15", "2024-01-15"),
        ("ES", "612345678.50", "612345678.50"),
        ("PL", "512 345 678", "[phone]"),
        ("CN", "138 1234 5678", "[phone]"),
        ("CN", "13812345678", "[phone]"),
        ("CO", "(601) 2345678", "[phone]"),
        ("GB", "07700900123", "[phone]"),
        ("GB", "7700900123", "7700900123"),
        ("GB", "00447700900123", "[phone]"),
        ("FR", "06 69 06 04 43", "[phone]"),
        ("ES", "+34 612 34 56 78", "[phone]"),
    ];
    for (region, text, expected) in rows {
        let region = Region::named(region).unwrap();
        let detectors = [Detector::BuiltIn(BuiltIn::Phone), Detector::Phone(region)];
        assert_eq!(shown_by(&detectors, &format!("\"{text}\"")), format!("\"{expected}\""), "{region} in {text}");
    }
    let both = ["DE", "ES"].map(|name| Detector::Phone(Region::named(name).unwrap()));
    assert_eq!(shown_by(&both, r#""612345678, 0176 1234567""#), r#""[phone], [phone]""#);
}

#[test]
fn nothing_is_found_in_an_account_with_a_slip() {
    for text in [
        "DE89 3704 0044 0532 0130 01",
        "DE98 3704 0044 0532 0130 00",
        "DE89 3704 0044 0532 0130 0",
        "DE89 3704 0044 0532 0130 000",
        "de89-3704-0044-0532-0130-01",
        "NL91 ABNA 0417 1643 01",
        "ES91 2100 0418 4502 0005 1333",
        "FR1420041010050500013M02607",
        "IBANDE89370400440532013001",
    ] {
        assert_eq!(shown(ALL, &format!("\"{text}\"")), format!("\"{text}\""));
    }
    // What is no account hides nothing.
    for (text, expected) in [
        ("paid at 12 4111 1111 1111 1111", "paid at 12 [card]"),
        ("DE12 3456 4111 1111 1111 1111", "DE12 3456 [card]"),
        ("DE89 and thereafter 4111 1111 1111 1111", "DE89 and thereafter [card]"),
        ("be 4111 1111 1111 1111", "be [card]"),
    ] {
        assert_eq!(shown(ALL, &format!("\"{text}\"")), format!("\"{expected}\""));
    }
}
