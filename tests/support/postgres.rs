//! One temporary PostgreSQL cluster, from the installed binaries, for all test processes of a run.
//!
//! The first process that needs it starts it; each process holds a shared lock while it lives; a
//! watchdog stops the cluster and removes it a few seconds after the last lock is gone, however the
//! tests ended. A missing PostgreSQL fails the test.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// Holds the shared lock until the process ends.
static IN_USE: OnceLock<File> = OnceLock::new();

/// The URL of a database that nobody has used before, on a cluster that trades durability for speed.
#[allow(dead_code, reason = "the tests use this one")]
pub(crate) async fn fresh_database(name: &str) -> String {
    Cluster::of_this_machine("tests", "-c fsync=off -c full_page_writes=off").create(name).await
}

/// The same on a cluster that writes to the disk as a real one does.
#[allow(dead_code, reason = "the benchmarks use this one")]
pub(crate) async fn durable_database(name: &str) -> String {
    Cluster::of_this_machine("bench", "-c fsync=on").create(name).await
}

struct Cluster {
    /// Holds the locks, and lives on.
    home: PathBuf,
    bin: PathBuf,
    is_root: bool,
    settings: &'static str,
}

impl Cluster {
    fn of_this_machine(purpose: &str, settings: &'static str) -> Self {
        let uid = fs::metadata("/proc/self").unwrap().uid();
        let home = PathBuf::from(format!("/tmp/letterbox-{purpose}-{uid}"));
        Self { home, bin: binaries(), is_root: uid == 0, settings }
    }

    async fn create(&self, name: &str) -> String {
        IN_USE.get_or_init(|| self.enter());
        let admin = sqlx::PgPool::connect(&self.url("postgres")).await.unwrap();
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(create).execute(&admin).await.unwrap();
        admin.close().await;
        self.url(name)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://letterbox@localhost/{database}?host={}", self.data().display())
    }

    fn data(&self) -> PathBuf {
        self.home.join("cluster")
    }

    /// Starts the cluster where it does not run, and keeps it running.
    fn enter(&self) -> File {
        fs::create_dir_all(&self.home).unwrap();
        let starting = self.lock_file("starting");
        starting.lock().unwrap();
        let in_use = self.lock_file("in-use");
        in_use.lock_shared().unwrap();
        if !self.answers() {
            self.start();
        }
        in_use
    }

    fn lock_file(&self, name: &str) -> File {
        File::options().create(true).append(true).open(self.home.join(name)).unwrap()
    }

    fn answers(&self) -> bool {
        let mut ready = Command::new(self.bin.join("pg_isready"));
        ready.args(["-q", "-h"]).arg(self.data());
        ready.status().unwrap().success()
    }

    fn start(&self) {
        let data = self.data();
        let _ = fs::remove_dir_all(&data);
        fs::create_dir(&data).unwrap();
        if self.is_root {
            run(Command::new("chown").arg("postgres").arg(&data));
        }
        let mut initdb = self.as_owner("initdb");
        run(initdb
            .args(["-A", "trust", "-U", "letterbox", "-E", "UTF8", "--locale=C", "-N", "-D"])
            .arg(&data));
        let options = format!(
            "-k {} -c listen_addresses='' -c max_connections=400 {}",
            data.display(),
            self.settings
        );
        let mut start = self.as_owner("pg_ctl");
        start
            .args(["start", "-w", "-s", "-o", &options, "-l"])
            .arg(data.join("log"))
            .arg("-D")
            .arg(&data);
        run(&mut start);
        self.watch();
    }

    /// PostgreSQL refuses to run as root.
    fn as_owner(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = if self.is_root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/");
        command
    }

    /// Leaves a process behind that stops the cluster once nobody has used it for a few seconds.
    fn watch(&self) {
        const WATCH: &str = r#"
            idle=0
            while [ $idle -lt 5 ]; do
                sleep 1
                if flock -n -x "$1/in-use" true; then idle=$((idle + 1)); else idle=0; fi
            done
            exec 9>>"$1/starting" 8>>"$1/in-use"
            flock -x 9
            flock -n -x 8 || exec sh -c "$0" "$0" "$@" 8>&- 9>&-
            shift
            "$@"
            rm -rf "$WATCHED"
        "#;
        let mut stop = self.as_owner("pg_ctl");
        stop.args(["stop", "-s", "-m", "immediate", "-D"]).arg(self.data());
        let mut watch = Command::new("sh");
        // The inner shell is left behind in a session of its own; the outer one ends at once.
        watch.args(["-c", r#"setsid sh -c "$0" "$0" "$@" &"#, WATCH]).arg(&self.home);
        watch.arg(stop.get_program()).args(stop.get_args());
        watch.env("WATCHED", self.data()).current_dir("/").stderr(Stdio::null());
        run(&mut watch);
    }
}

/// The newest installed server's binaries.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = debian.chain(std::env::split_paths(&path)).collect();
    found.retain(|bin| bin.join("initdb").exists() && bin.join("pg_ctl").exists());
    found.sort_by_key(|bin| version(bin));
    let newest = found.pop();
    assert!(
        newest.is_some(),
        "PostgreSQL is not installed: the tests need its server (apt install postgresql)"
    );
    newest.unwrap()
}

fn version(bin: &Path) -> u32 {
    let name = bin.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or(0)
}

fn run(command: &mut Command) {
    // Not captured through a pipe: the server that pg_ctl starts would keep it open.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?} failed");
}
