//! Opening, migrating, and both schemas being one.

use super::world::run;
use crate::support::databases::{Engine, TestDb, on_both_engines, rng};
use letterbox::db::{Db, OpenError};
use std::{collections::BTreeSet, os::unix::fs::PermissionsExt};

/// Every column of every table.
async fn columns(db: &Db) -> BTreeSet<(String, String)> {
    let rows: Vec<(String, String)> = match db {
        Db::Sqlite { writer, .. } => sqlx::query_as(
            "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'",
        ).fetch_all(writer).await.unwrap(),
        Db::Postgres(pool) => sqlx::query_as(
            "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public'",
        ).fetch_all(pool).await.unwrap(),
    };
    rows.into_iter().filter(|(table, _)| table != "_sqlx_migrations").collect()
}

async fn indexes(db: &Db) -> BTreeSet<String> {
    let rows: Vec<String> = match db {
        Db::Sqlite { writer, .. } => {
            sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE 'idx_%'")
                .fetch_all(writer).await.unwrap()
        }
        Db::Postgres(pool) => {
            sqlx::query_scalar("SELECT indexname::text FROM pg_indexes WHERE schemaname = 'public' AND indexname LIKE 'idx_%'")
                .fetch_all(pool).await.unwrap()
        }
    };
    rows.into_iter().collect()
}

#[tokio::test]
async fn both_schemas_are_one() {
    let (sqlite, postgres) =
        (TestDb::open(Engine::Sqlite).await, TestDb::open(Engine::Postgres).await);
    let ours = columns(&sqlite).await;
    assert_eq!(ours, columns(&postgres).await);
    assert_eq!(indexes(&sqlite).await, indexes(&postgres).await);
    assert!(ours.contains(&("messages".to_owned(), "destination_phone".to_owned())));
    // What never happens: no column says who wrote.
    let telling = ["sender", "author", "source", "origin", "used_by", "claimed_by"];
    assert!(ours.iter().all(|(_, column)| telling.iter().all(|word| !column.contains(word))));
}

/// What `docs/schema.md` names: columns with their types, and indexes.
#[derive(Default, Debug, PartialEq, Eq)]
struct Described {
    columns: BTreeSet<(String, String, String)>,
    indexes: BTreeSet<String>,
}

fn described() -> Described {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema.md");
    let (mut page, mut table) = (Described::default(), String::new());
    for line in std::fs::read_to_string(path).unwrap().lines() {
        if let Some(name) = line.strip_prefix("### ") {
            table = name.to_owned();
        } else if let Some(row) = line.strip_prefix("| `") {
            let [column, kind, _] = row.splitn(3, '|').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let column = column.trim().trim_end_matches('`').to_owned();
            page.columns.insert((table.clone(), column, kind.trim().to_owned()));
        } else if line.starts_with("Indexes: ") {
            let names = line.split('`').filter(|text| text.starts_with("idx_"));
            page.indexes.extend(names.map(str::to_owned));
        }
    }
    page
}

/// Every table, column and index is on the page, and the page names no other. Types are compared
/// with PostgreSQL's; that both schemas have the same columns is tested above.
#[tokio::test]
async fn the_page_describes_the_schema() {
    let db = TestDb::open(Engine::Postgres).await;
    let Db::Postgres(pool) = &db.db else { panic!() };
    let live: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT c.relname::text, a.attname::text, upper(format_type(a.atttypid, a.atttypmod)) \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' \
         AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> '_sqlx_migrations'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let short = |kind: String| {
        let kind = kind.replace("CHARACTER VARYING", "VARCHAR");
        kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
    };
    let columns = live.into_iter().map(|(table, column, kind)| (table, column, short(kind)));
    let live = Described { columns: columns.collect(), indexes: indexes(&db).await };
    let page = described();
    let missing: Vec<_> = live.columns.difference(&page.columns).collect();
    let invented: Vec<_> = page.columns.difference(&live.columns).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "missing {missing:?}, invented {invented:?}"
    );
    assert_eq!(page.indexes, live.indexes);
}

#[test]
fn both_folders_have_the_same_files() {
    let names = |folder: &str| -> BTreeSet<String> {
        let files =
            std::fs::read_dir(format!("{}/migrations/{folder}", env!("CARGO_MANIFEST_DIR")))
                .unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(names("sqlite"), names("postgres"));
}

#[tokio::test]
async fn a_new_file_is_for_its_owner_only() {
    let db = TestDb::open(Engine::Sqlite).await;
    let path = std::path::PathBuf::from(db.url.strip_prefix("sqlite:").unwrap());
    for file in ["", "-wal", "-shm"] {
        let path = format!("{}{file}", path.display());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn other_urls_are_refused() {
    for url in ["", "mysql://localhost/x", "letterbox.db", "sqlite:", "sqlite::memory:"] {
        assert!(matches!(Db::open(url, &mut rng()).await, Err(OpenError::Url)), "{url}");
    }
    let missing = Db::open("sqlite:/nonexistent-folder/letterbox.db", &mut rng()).await;
    assert!(matches!(missing, Err(OpenError::File(_))));
}

on_both_engines! {
    async fn a_reopened_database_keeps_its_epoch(db) {
        let epoch = db.epoch().await.unwrap();
        db.close().await;
        let mut other = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(99);
        let again = Db::open(&db.url, &mut other).await.unwrap();
        assert_eq!(again.epoch().await.unwrap(), epoch);
        again.renew_epoch(&mut other).await.unwrap();
        assert_ne!(again.epoch().await.unwrap(), epoch);
        again.ping().await.unwrap();
    }

    async fn a_newer_database_is_refused(db) {
        let checksum = if db.url.starts_with("sqlite") { "x'00'" } else { "'\\x00'::bytea" };
        run(&db, format!("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
            VALUES (9999, 'later', TRUE, {checksum}, 0)")).await;
        db.close().await;
        let refused = Db::open(&db.url, &mut rng()).await;
        let Err(error @ OpenError::Newer(9999)) = refused else { panic!("{refused:?}") };
        assert!(error.to_string().contains("newer letterbox"));
    }
}
