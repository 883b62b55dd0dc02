//! Opening, migrating, and both schemas being one.

use super::world::{NOW, run};
use crate::support::databases::{Engine, TestDb, on_both_engines, rng};
use letterbox::{
    audit::{Manifest, Verdict, audit, page::page},
    db::{Db, OpenError, Schema},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::PermissionsExt,
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema.md");

const DEFINITIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/db/definitions.json");

/// How PostgreSQL defines what the migrations make: the audit has no fresh database to compare with.
async fn definitions(postgres: &Db) -> String {
    let mut tables: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for ((table, name), text) in postgres.definitions().await.unwrap() {
        tables.entry(table).or_default().insert(name, text);
    }
    serde_json::to_string_pretty(&tables).unwrap() + "\n"
}

/// Columns in order and indexes, without the types, which the engines name differently.
fn names(schema: &Schema) -> Vec<(String, Vec<String>, Vec<String>)> {
    let tables = schema.tables.iter().map(|(name, table)| {
        let columns = table.columns.iter().map(|column| column.column_name.clone()).collect();
        (name.clone(), columns, table.indexes.keys().cloned().collect())
    });
    tables.collect()
}

/// That each is as the manifest says, another test shows; this one, that they say the same in the same
/// order, and that the page says what they are.
#[tokio::test]
async fn both_schemas_are_one_and_the_page_is_current() {
    let (sqlite, postgres) =
        (TestDb::open(Engine::Sqlite).await, TestDb::open(Engine::Postgres).await);
    let (ours, theirs) = (sqlite.schema().await.unwrap(), postgres.schema().await.unwrap());
    assert_eq!(names(&ours), names(&theirs));
    let current = page(&Manifest::load().unwrap(), &ours, &theirs);
    for (path, current) in [(PAGE, current), (DEFINITIONS, definitions(&postgres).await)] {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == current,
            "{path} is not current: run `UPDATE_DOCS=1 cargo test --test tests the_page_is_current`"
        );
    }
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
    /// A migration that adds what the manifest does not name fails here.
    async fn a_fresh_database_is_as_the_manifest_says(db) {
        let report = audit(&db, &Manifest::load().unwrap(), NOW, 0).await.unwrap();
        assert_eq!(report.verdict, Verdict::Passed, "{report}");
    }

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
