//! Suggestions for attribute names that do not exist.

/// Names from other libraries, with the corresponding names of this one.
const SYNONYMS: &[(&str, &str)] = &[
    ("expire", "ttl"),
    ("expires", "ttl"),
    ("expiry", "ttl"),
    ("flatten", "nest"),
    ("ignore", "skip"),
    ("key", "rename"),
    ("lifetime", "ttl"),
    ("max_age", "ttl"),
    ("name", "rename"),
    ("nested", "nest"),
    ("once", "flash"),
    ("prefix", "namespace"),
    ("transient", "skip"),
];

/// The element of `names` that was probably meant by `written`.
pub(crate) fn suggest<'a>(written: &str, names: &[&'a str]) -> Option<&'a str> {
    let written = written.to_lowercase();
    let synonym = SYNONYMS.iter().find(|(theirs, _)| *theirs == written);
    if let Some((_, ours)) = synonym {
        return names.iter().find(|name| *name == ours).copied();
    }
    let distances = names.iter().map(|name| (distance(&written, name), *name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    // A third of the letters may be wrong: `tll` is `ttl`, but `cart` is not `skip`.
    let close = distance <= name.len().div_ceil(3);
    let begun = written.len() >= 3 && (name.starts_with(&written) || written.starts_with(name));
    (close || begun).then_some(name)
}

/// The number of letters to add, remove, replace or swap with a neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &[
        "default", "rename", "ttl", "flash", "index", "counter", "skip", "nest",
    ];

    #[test]
    fn distances_are_damerau_s() {
        assert_eq!(distance("flash", "flash"), 0);
        assert_eq!(distance("falsh", "flash"), 1);
        assert_eq!(distance("flas", "flash"), 1);
        assert_eq!(distance("", "ttl"), 3);
        assert_eq!(distance("skip", "nest"), 4);
    }

    #[test]
    fn slips_synonyms_and_longer_forms_are_understood() {
        for (written, meant) in [
            ("falsh", "flash"),
            ("tll", "ttl"),
            ("TTL", "ttl"),
            ("defualt", "default"),
            ("indexed", "index"),
            ("default_value", "default"),
            ("count", "counter"),
            ("max_age", "ttl"),
            ("flatten", "nest"),
            ("skipped", "skip"),
        ] {
            assert_eq!(suggest(written, NAMES), Some(meant), "{written}");
        }
    }

    #[test]
    fn a_guess_is_not_made_up() {
        for written in ["cart", "serialize_with", "x", "", "prefix"] {
            assert_eq!(suggest(written, NAMES), None, "{written}");
        }
    }
}
