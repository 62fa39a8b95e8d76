//! "Did you mean": the nearest of the names that exist.

use strsim::osa_distance;

/// The candidate nearest to `word`, if it is near enough to be a slip: one letter, or a third of them. Of several that are as
/// near, the first by name.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    all_nearest(word, candidates).into_iter().next()
}

/// "did you mean `a`?", or "did you mean `a` or `b`?" where two names are as near: then only the author knows.
#[must_use]
pub fn question<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names: Vec<String> =
        all_nearest(word, candidates).into_iter().take(MOST_ASKED).map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!("did you mean {}?", names.join(" or ")))
}

/// Most names that one question asks for.
const MOST_ASKED: usize = 3;

/// All candidates that are nearest to `word`, in name order, each once.
pub(super) fn all_nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let letters = word.chars().count();
    let allowed = letters.checked_div(3).unwrap_or(0).max(1);
    // Letters that are inserted, removed, replaced or swapped with their neighbour (optimal string alignment).
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(letters) <= allowed)
        .map(|candidate| (osa_distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        // A word of one letter with another letter is another word.
        .filter(|(distance, _)| *distance <= allowed && *distance < letters)
        .collect();
    near.sort_unstable();
    near.dedup();
    let least = near.first().map(|(distance, _)| *distance);
    near.into_iter().filter(|(distance, _)| Some(*distance) == least).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_one_slip_away() {
        let names = ["financial", "contact", "key", "reference", "birthDate"];
        for (word, near) in [
            ("finacial", Some("financial")),
            ("contcat", Some("contact")),
            ("KEY", Some("key")),
            ("birthdate", Some("birthDate")),
            ("refrence", Some("reference")),
            ("ky", Some("key")),
            ("notes", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, names), near, "{word}");
        }
    }

    #[test]
    fn names_that_are_as_near_are_all_asked_for() {
        let names = ["contact2", "contact1", "financial", "contact1", "contact3", "contact4"];
        for (word, asked) in [
            ("finacial", Some("did you mean `financial`?")),
            ("contact", Some("did you mean `contact1` or `contact2` or `contact3`?")),
            ("contact1", Some("did you mean `contact1`?")),
            ("notes", None),
        ] {
            assert_eq!(question(word, names).as_deref(), asked, "{word}");
        }
    }
}
