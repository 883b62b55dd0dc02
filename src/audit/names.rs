//! What no schema may hold, whatever the manifest says of it: names that say who did something, two
//! people in one row, keys that lead from letters to people. The same rules are held against the
//! manifest when it is tested and against a live database when it is audited.

use super::manifest::Forbidden;

/// A table with its columns, each with the table that it points to: of the manifest or of a database.
pub(super) type Shape<'a> = (&'a str, Vec<(&'a str, Option<&'a str>)>);

/// What is forbidden in a table: the column, where it is one column's fault, and why.
pub(super) fn forbidden(rules: &Forbidden, (table, columns): &Shape<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (column, name) in [("", *table)].into_iter().chain(columns.iter().map(|c| (c.0, c.0))) {
        if let Some(word) = rules.words.iter().find(|word| holds(name, word)) {
            let meaning = format!("\"{word}\" in a name says who wrote, asked or is known to whom");
            found.push((column.to_owned(), meaning));
        }
    }
    if rules.apart.iter().any(|apart| apart == table) {
        let keys = columns.iter().filter_map(|(column, to)| Some((*column, (*to)?)));
        found.extend(keys.map(|(column, to)| {
            (
                column.to_owned(),
                format!("a key leads from here to {to}: this table names nobody but a mailbox"),
            )
        }));
    }
    let people: Vec<&str> =
        columns.iter().filter(|column| is_person(column)).map(|c| c.0).collect();
    if people.len() > 1 {
        let meaning = format!("{} name two people in one row", people.join(" and "));
        found.push((String::new(), meaning));
    }
    found
}

/// Whether a name holds a word, alone or between underscores.
fn holds(name: &str, word: &str) -> bool {
    format!("_{}_", name.to_lowercase()).contains(&format!("_{word}_"))
}

/// Whether a column holds somebody: a row of `users`, or a phone. A device's row stands beside its
/// owner's in `device_session_keys`, and both are one person.
fn is_person((column, refers): &(&str, Option<&str>)) -> bool {
    let user = refers
        .is_some_and(|to| to.split(',').any(|to| to.split_whitespace().next() == Some("users")));
    user || holds(column, "phone") || holds(column, "user") && !holds(column, "handle")
}

#[cfg(test)]
mod tests {
    use super::{super::manifest::Manifest, *};

    /// The manifest's tables.
    fn shapes(manifest: &Manifest) -> impl Iterator<Item = Shape<'_>> {
        manifest.tables.iter().map(|table| {
            let columns = table.columns.iter().map(|c| (c.name.as_str(), c.references.as_deref()));
            (table.name.as_str(), columns.collect())
        })
    }

    fn reasons(shape: Shape<'_>) -> usize {
        forbidden(&Manifest::load().unwrap().forbidden, &shape).len()
    }

    #[test]
    fn the_manifest_holds_nothing_forbidden() {
        let manifest = Manifest::load().unwrap();
        for shape in shapes(&manifest) {
            assert_eq!(forbidden(&manifest.forbidden, &shape), [], "{}", shape.0);
        }
    }

    #[test]
    fn what_says_who_wrote_is_forbidden() {
        assert_eq!(reasons(("messages", vec![("sender_id", None)])), 1);
        assert_eq!(reasons(("one_time_prekeys", vec![("used_by", None)])), 1);
        assert_eq!(reasons(("contacts", vec![])), 1);
        assert_eq!(reasons(("messages", vec![("owner", Some("users"))])), 1);
        assert_eq!(reasons(("pairs", vec![("one", Some("users")), ("other_phone", None)])), 1);
        assert_eq!(reasons(("letters", vec![("destination_phone", None), ("by_day", None)])), 1);
        assert_eq!(reasons(("sessions", vec![("user_id", Some("users")), ("goodbye", None)])), 0);
    }
}
