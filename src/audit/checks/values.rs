//! Columns hold what they are for, and nothing else fits in: no id of somebody under another name.

use super::{Check, Column, Engine, Look, Rule, Table};
use crate::audit::manifest;
use crate::db::Form;

impl Look<'_> {
    pub(super) async fn values(&self) -> Check {
        let claim = "texts, numbers and first keys of JSON are those that the manifest allows";
        let mut check = Check::new("values", claim);
        for (table, column) in self.columns() {
            self.words(&mut check, table, column).await;
            self.numbers(&mut check, table, column).await;
            self.counted(&mut check, table, column).await;
            if self.engine == Engine::Sqlite && !table.is_bookkeeping() {
                let rule = Rule::Typed { column: &column.name, kind: &column.kind };
                let meaning = format!("no value of its type, {}", column.kind);
                self.count(&mut check, table, &column.name, rule, &meaning).await;
            }
        }
        check
    }

    async fn words(&self, check: &mut Check, table: &Table, column: &Column) {
        let name = column.name.as_str();
        if let Some(values) = &column.values {
            let rule = Rule::OneOf { column: name, values };
            let meaning = format!("another word than {}", values.join(", "));
            self.count(check, table, name, rule, &meaning).await;
        }
        if let Some(form) = column.form {
            let (form, meaning) = match form {
                manifest::Form::Identifier => {
                    (Form::Identifier, "not 16 bytes in base64url: something else stands there")
                }
                manifest::Form::Phone => {
                    (Form::Phone, "not a phone number: something else stands there")
                }
            };
            self.count(check, table, name, Rule::Formed { column: name, form }, meaning).await;
        }
        if let Some(keys) = &column.keys {
            let rule = Rule::Keyed { column: name, keys };
            let meaning = format!("no JSON object, or with another key than {}", keys.join(", "));
            self.count(check, table, name, rule, &meaning).await;
        }
    }

    async fn numbers(&self, check: &mut Check, table: &Table, column: &Column) {
        let name = column.name.as_str();
        if let Some(numbers) = &column.numbers {
            let all: Vec<String> = numbers.iter().map(i64::to_string).collect();
            let meaning = format!("another number than {}", all.join(", "));
            self.count(check, table, name, Rule::Numbered { column: name, numbers }, &meaning)
                .await;
        }
        if column.counter {
            let meaning = "too high to have been counted up to: it may be somebody's id";
            self.count(check, table, name, Rule::Counted { column: name }, meaning).await;
        }
    }
}
