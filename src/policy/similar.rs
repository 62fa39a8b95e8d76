//! "Did you mean": the nearest of the names that exist.

/// The candidate nearest to `word`, if it is near enough to be a slip: one letter, or a third of them.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = word.chars().count().max(1);
    let allowed = letters.checked_div(3).unwrap_or(0).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(letters) <= allowed)
        .map(|candidate| (distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters have to be inserted, removed, replaced or swapped with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (row, ca) in a.chars().enumerate() {
        let mut line = vec![row.saturating_add(1)];
        let mut last_b = None;
        for (column, cb) in b.iter().copied().enumerate() {
            let cell = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX);
            let replace = cell(&above, column).saturating_add(usize::from(ca != cb));
            let remove = cell(&above, column.saturating_add(1)).saturating_add(1);
            let insert = cell(&line, column).saturating_add(1);
            let mut best = replace.min(remove).min(insert);
            if last_a == Some(cb) && last_b == Some(ca) {
                best = best.min(cell(&before, column.saturating_sub(1)).saturating_add(1));
            }
            line.push(best);
            last_b = Some(cb);
        }
        last_a = Some(ca);
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied().unwrap_or(0)
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
        ] {
            assert_eq!(nearest(word, names), near, "{word}");
        }
    }
}
