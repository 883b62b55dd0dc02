//! A database for one test, on either engine.

use super::postgres;
use crate::db::world::run;
use letterbox::db::Db;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::ops::Deref;

/// An open database that goes with the test.
pub(crate) struct TestDb {
    pub(crate) db: Db,
    /// What `letterbox serve --database` takes.
    pub(crate) url: String,
    _folder: tempfile::TempDir,
}

/// The engines every test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl TestDb {
    pub(crate) async fn open(engine: Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = fresh_url(engine, &folder).await;
        let db = Db::open(&url, &mut rng()).await.unwrap();
        Self { db, url, _folder: folder }
    }

    /// Keeps the sessions as they are, for [`TestDb::put_sessions_back`].
    pub(crate) async fn keep_sessions(&self) {
        run(self, "CREATE TABLE kept AS SELECT * FROM sessions".to_owned()).await;
    }

    /// As if the server had stopped before it wrote down in a session what it had done for it.
    pub(crate) async fn put_sessions_back(&self) {
        const BACK: &str = "UPDATE sessions SET data = kept.data, \
             webauthn_credential_id = kept.webauthn_credential_id FROM kept WHERE kept.id = sessions.id";
        run(self, BACK.to_owned()).await;
        run(self, "DROP TABLE kept".to_owned()).await;
    }
}

/// The URL of a database that does not exist yet (SQLite) or is empty (PostgreSQL).
pub(crate) async fn fresh_url(engine: Engine, folder: &tempfile::TempDir) -> String {
    match engine {
        Engine::Sqlite => format!("sqlite:{}", folder.path().join("letterbox.db").display()),
        Engine::Postgres => {
            let mut unique = StdRng::try_from_rng(&mut rand::rngs::SysRng).unwrap();
            postgres::fresh_database(&format!("test_{:016x}", unique.next_u64())).await
        }
    }
}

impl Deref for TestDb {
    type Target = Db;
    fn deref(&self) -> &Db {
        &self.db
    }
}

/// The same randomness in every test: a failure repeats.
pub(crate) fn rng() -> StdRng {
    StdRng::seed_from_u64(20)
}

/// Writes each test body once and runs it on SQLite and on PostgreSQL.
macro_rules! on_both_engines {
    ($($(#[$meta:meta])* async fn $name:ident($db:ident) $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn body($db: $crate::support::databases::TestDb) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                use $crate::support::databases::{Engine, TestDb};
                body(TestDb::open(Engine::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                use $crate::support::databases::{Engine, TestDb};
                body(TestDb::open(Engine::Postgres).await).await;
            }
        }
    )*};
}
pub(crate) use on_both_engines;
