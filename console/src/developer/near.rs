//! Which names are near to one that there is not.

/// Names that differ in a few characters, or have a word of it, the nearest first.
pub fn near<'n>(wanted: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let most = wanted.chars().count() / 3 + 1;
    let has_word = |name: &str| {
        let mut words = wanted.split(['.', '_', '-']).filter(|word| word.len() > 2);
        words.any(|word| name.split(['.', '_']).any(|other| other == word))
    };
    let mut found: Vec<_> = names
        .into_iter()
        .map(|name| (distance(wanted, name), name))
        .filter(|(distance, name)| *distance <= most || has_word(name))
        .collect();
    found.sort_unstable();
    found.truncate(5);
    found.into_iter().map(|(_, name)| name).collect()
}

/// How many characters have to be inserted, removed or replaced (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, character) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, compared) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(character != *compared);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_come_first() {
        let names = [
            "document.processed",
            "document.deleted",
            "job.created",
            "job.failed",
        ];
        assert_eq!(
            near("document.processed2", names),
            ["document.processed", "document.deleted"]
        );
        assert_eq!(near("job.create", names), ["job.created", "job.failed"]);
        assert!(near("x", names).is_empty());
        assert_eq!(
            (distance("", "ab"), distance("ab", "b"), distance("ü", "u")),
            (2, 1, 1)
        );
    }
}
