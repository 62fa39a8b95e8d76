//! Which paths a template fits, and what its parameters are there (rules 3 and 4).

use super::target::is_canonical_segment;
use crate::model::{Template, TemplateSegment, between};

/// The values of a template's parameters in a canonical path, in order, as they stand there; `None` if it does not fit.
pub(super) fn fit<'p>(template: &Template, path: &'p str) -> Option<Vec<&'p str>> {
    let mut rest = path.strip_prefix('/')?;
    if template.trailing_slash {
        let Some(shorter) = rest.strip_suffix('/') else {
            return (template.segments.is_empty() && rest.is_empty()).then(Vec::new);
        };
        rest = shorter;
    }
    let mut values = Vec::new();
    let mut unread = Some(rest);
    for expected in &template.segments {
        let text = unread?;
        let (segment, after) = match text.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (text, None),
        };
        unread = after;
        match expected {
            TemplateSegment::Literal(literal) if literal == segment => {}
            TemplateSegment::Literal(_) => return None,
            TemplateSegment::Part { before, after, .. } => {
                // Half of a percent-encoding is no character.
                let value = between(segment, before, after).filter(|value| is_canonical_segment(value))?;
                values.push(value);
            }
            TemplateSegment::Parameter(_) if !segment.is_empty() => values.push(segment),
            TemplateSegment::Parameter(_) => return None,
            TemplateSegment::Rest(_) => {
                if text.split('/').any(str::is_empty) {
                    return None;
                }
                values.push(text);
                unread = None;
            }
        }
    }
    unread.is_none().then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> TemplateSegment {
        TemplateSegment::Literal(text.into())
    }

    fn part(before: &str, after: &str) -> TemplateSegment {
        TemplateSegment::Part { before: before.into(), name: "id".into(), after: after.into() }
    }

    #[test]
    fn templates_fit_whole_paths() {
        let parameter = || TemplateSegment::Parameter("id".into());
        let rest = || TemplateSegment::Rest("path".into());
        let open = |segments: Vec<TemplateSegment>| Template { segments, trailing_slash: false };
        let closed = |segments: Vec<TemplateSegment>| Template { segments, trailing_slash: true };
        let (one, slash, root) =
            (open(vec![literal("a"), parameter()]), closed(vec![literal("a"), parameter()]), closed(vec![]));
        let (json, cancel, products) = (
            open(vec![part("", ".json")]),
            open(vec![literal("jobs"), part("", ":cancel")]),
            open(vec![part("Products(", ")")]),
        );
        let (files, folder) = (open(vec![literal("files"), rest()]), closed(vec![literal("files"), rest()]));
        let deep = open(vec![part("v", ""), literal("x")]);
        let rows: [(&str, &Template, &str, Option<&[&str]>); 39] = [
            ("a parameter takes one segment", &one, "/a/42", Some(&["42"])),
            ("a parameter takes no empty segment", &one, "/a/", None),
            ("a parameter takes no two segments", &one, "/a/42/b", None),
            ("a slash at the end is one too many", &one, "/a/42/", None),
            ("a slash at the end may be asked for", &slash, "/a/42/", Some(&["42"])),
            ("and then must be there", &slash, "/a/42", None),
            ("literals are compared in their case", &one, "/A/42", None),
            ("a path that is too short", &one, "/a", None),
            ("the root fits itself", &root, "/", Some(&[])),
            ("the root fits nothing else", &root, "/a", None),
            ("text after a parameter", &json, "/42.json", Some(&["42"])),
            ("the parameter may hold the text", &json, "/4.json.json", Some(&["4.json"])),
            ("the text must be there", &json, "/42", None),
            ("the text is compared in its case", &json, "/42.JSON", None),
            ("the text must be at the end", &json, "/42.jsonx", None),
            ("the parameter is not empty", &json, "/.json", None),
            ("the text takes no more segments", &json, "/42.json/x", None),
            ("a verb after a colon", &cancel, "/jobs/42:cancel", Some(&["42"])),
            ("another verb", &cancel, "/jobs/42:retry", None),
            ("an encoded colon is another segment", &cancel, "/jobs/42%3Acancel", None),
            ("text around a parameter", &products, "/Products(42)", Some(&["42"])),
            ("a key in quotes", &products, "/Products('a%20b')", Some(&["'a%20b'"])),
            ("another set", &products, "/Customers(42)", None),
            ("the parameter between texts is not empty", &products, "/Products()", None),
            ("texts around a parameter share no letter", &open(vec![part("ab", "ba")]), "/aba", None),
            ("half an encoding is no parameter", &open(vec![part("", "0")]), "/%20", None),
            ("nor its other half", &open(vec![part("a", "C")]), "/a%2C", None),
            ("a whole encoding is one", &open(vec![part("", "0")]), "/%200", Some(&["%20"])),
            ("text before a parameter, and more segments", &deep, "/v1/x", Some(&["1"])),
            ("and nothing else", &deep, "/v1/y", None),
            ("several segments, one of them", &files, "/files/a", Some(&["a"])),
            ("several segments, three of them", &files, "/files/a/b/c.txt", Some(&["a/b/c.txt"])),
            ("several segments, none of them", &files, "/files", None),
            ("several segments, an empty one", &files, "/files/", None),
            ("several segments and a slash", &files, "/files/a/", None),
            ("several segments, an empty one among them", &files, "/files/a//b", None),
            ("several segments and the slash that is asked for", &folder, "/files/a/b/", Some(&["a/b"])),
            ("the slash that is asked for is not there", &folder, "/files/a/b", None),
            ("nothing before the slash that is asked for", &folder, "/files//", None),
        ];
        for (claim, template, path, expected) in rows {
            assert_eq!(fit(template, path).as_deref(), expected, "{claim}: {path}");
        }
    }
}
