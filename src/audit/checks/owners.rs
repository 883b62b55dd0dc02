//! Whose a row is: nothing of one mailbox stands in another, or in what belongs to nobody.

use super::{Check, Column, Look, Rule, Table};
use crate::{
    audit::manifest::{Form, Holds, Of, Once},
    db::{Held, Owner, Value, Whose},
};

impl Look<'_> {
    pub(super) async fn mailboxes(&self) -> Check {
        let claim = "no identifier, ciphertext or public key stands in two mailboxes";
        let mut check = Check::new("mailboxes", claim);
        for group in [Once::Identifier, Once::Ciphertext, Once::Key] {
            let all: Vec<_> = self.columns().filter(|(_, c)| c.once == Some(group)).collect();
            let held: Vec<Held<'_>> = all.iter().filter_map(|(t, c)| held(t, c, group)).collect();
            for (table, column) in all {
                let rule = Rule::InOneMailbox { column: &column.name, held: &held };
                let meaning = "the same value stands in another mailbox: whoever put it there is tied to both";
                self.count(&mut check, table, &column.name, rule, meaning).await;
            }
        }
        check
    }

    /// What a sender chooses is no value that the server has seen of an account: identifiers, and bytes
    /// in the tables that name nobody.
    pub(super) async fn apart(&self) -> Check {
        let claim =
            "no id, key or digest that came with a sealed request is one of somebody's account";
        let mut check = Check::new("apart", claim);
        let is_apart = |table: &Table| self.manifest.forbidden.apart.contains(&table.name);
        let theirs = |size: i64| -> Vec<Value<'_>> {
            let all = self.columns().filter(|(table, column)| {
                table.of.is_some() && !is_apart(table) && column.only_size() == Some(size)
            });
            all.map(|(table, column)| value_of(table, column)).collect()
        };
        for (table, column) in self.columns() {
            let text = column.form == Some(Form::Identifier);
            let size = if text { Some(16) } else { column.only_size().filter(|_| is_apart(table)) };
            let Some(size) = size else { continue };
            let rule = Rule::NotAmong { column: &column.name, text, values: &theirs(size) };
            let meaning = "it is a value of somebody's device, key, session or tokens: the row is tied to them";
            self.count(&mut check, table, &column.name, rule, meaning).await;
        }
        check
    }

    /// A row and the row that it points to, where both are somebody's, are the same person's.
    pub(super) async fn owners(&self) -> Check {
        let claim = "a row and whatever it points to belong to one mailbox";
        let mut check = Check::new("owners", claim);
        for (table, column) in self.columns() {
            let Some(of) = table.of.as_ref().filter(|of| of.column != column.name) else {
                continue;
            };
            let Some(to) = column.references.as_deref() else { continue };
            let Some(other) = self.manifest.table(to).and_then(|to| to.of.as_ref()) else {
                continue;
            };
            let rule =
                Rule::OneMailbox { of: whose(of), column: &column.name, to, whose: whose(other) };
            let meaning = format!(
                "the row of {to} that it points to is somebody else's: the row ties two people"
            );
            self.count(&mut check, table, &column.name, rule, &meaning).await;
        }
        check
    }

    /// What a table's rows count, another table's rows of the same person have counted as well.
    pub(super) async fn counted(&self, check: &mut Check, table: &Table, column: &Column) {
        let Some(to) = column.up_to.as_deref() else { return };
        let other = self.manifest.table(to).and_then(|to| to.of.as_ref());
        let (Some(of), Some(other)) = (&table.of, other) else { return };
        let rule = Rule::UpTo { of: whose(of), column: &column.name, to, whose: whose(other) };
        let meaning = format!("higher than any of its owner's in {to}: it was not counted up to");
        self.count(check, table, &column.name, rule, &meaning).await;
    }

    pub(super) async fn orphans(&self) -> Check {
        let claim = "every row that points to another finds it: deleted accounts, revoked devices and letters left nothing";
        let mut check = Check::new("orphans", claim);
        for (table, column) in self.columns() {
            let name = column.name.as_str();
            if let Some(to) = column.references.as_deref() {
                let at = if name == "phone" { "phone" } else { "id" };
                let rule = Rule::Leads { column: name, to, at, later: None };
                let meaning = format!("the row of {to} that it points to is gone");
                self.count(&mut check, table, name, rule, &meaning).await;
                if let Some(flag) = self.manifest.table(to).and_then(|to| to.ends.as_deref()) {
                    let meaning = format!(
                        "the row of {to} that it points to has ended, and it is still there"
                    );
                    self.count(
                        &mut check,
                        table,
                        name,
                        Rule::Lasts { column: name, to, flag },
                        &meaning,
                    )
                    .await;
                }
            }
            if let Some(to) = column.leads.as_deref() {
                // What it names goes when it may go itself, and perhaps sooner.
                let later = table.expiry.first();
                let later = later.map(|own| (own.column.as_str(), self.now.plus(self.grace)));
                let rule = Rule::Leads { column: name, to, at: "id", later };
                let meaning = format!("no row of {to} has this id: it may name something else");
                self.count(&mut check, table, name, rule, &meaning).await;
            }
            if table.of.as_ref().is_some_and(|of| of.account && of.column == column.name) {
                let rule = Rule::Leads { column: name, to: "users", at: "phone", later: None };
                let meaning = "no account has this number: it was deleted, or never was";
                self.count(&mut check, table, name, rule, meaning).await;
            }
        }
        check
    }
}

fn whose(of: &Of) -> Whose<'_> {
    Whose { column: &of.column, owner: owner(of.holds) }
}

/// The storage's word for it.
pub(in crate::audit) fn owner(holds: Holds) -> Owner {
    match holds {
        Holds::Phone => Owner::Phone,
        Holds::User => Owner::User,
        Holds::Device => Owner::Device,
    }
}

fn held<'a>(table: &'a Table, column: &'a Column, group: Once) -> Option<Held<'a>> {
    let whose = whose(table.of.as_ref()?);
    let long = group == Once::Ciphertext;
    Some(Held { table: &table.name, column: &column.name, whose, long })
}

fn value_of<'a>(table: &'a Table, column: &'a Column) -> Value<'a> {
    Value { table: &table.name, column: &column.name, uuid: column.kind == "UUID" }
}
