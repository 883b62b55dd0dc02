//! The real server binary, as a process of its own.

use super::eventually::eventually;
use letterbox::client::Server;
use letterbox_protocol::types::Phone;
use std::{
    net::TcpListener,
    process::Stdio,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

/// `letterbox serve` on a port and a database that outlive it.
pub(crate) struct ServerProcess {
    port: u16,
    database: String,
    settings: Vec<(String, String)>,
    child: Child,
    printed: Lines,
    logged: Lines,
}

/// Every test's clients have one address.
const NO_LIMITS: [(&str, &str); 1] = [("sign-ins-per-minute", "1000000")];

type Lines = Arc<Mutex<Vec<String>>>;

impl ServerProcess {
    /// Starts it on a free port and waits until it is ready. A setting is a flag without its
    /// dashes, and a value.
    pub(crate) async fn start(database: &str, settings: &[(&str, &str)]) -> Self {
        let settings: Vec<(String, String)> =
            settings.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        let port = free_port();
        let (printed, logged) = (Lines::default(), Lines::default());
        let child = spawn(port, database, &settings, &printed, &logged);
        let mut process =
            Self { port, database: database.to_owned(), settings, child, printed, logged };
        process.wait_until_ready().await;
        process
    }

    /// `kill -9`, and a wait until nothing of it is left.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("the process can be killed");
    }

    /// Starts it again, on the same port and database.
    pub(crate) async fn restart(&mut self) {
        let Self { port, database, settings, printed, logged, .. } = self;
        self.child = spawn(*port, database, settings, printed, logged);
        self.wait_until_ready().await;
    }

    /// The server as a client reaches it.
    pub(crate) fn server(&self) -> Server {
        let origin = format!("http://localhost:{}", self.port);
        Server::new(origin.parse().expect("a URL")).expect("an http origin")
    }

    /// The host and port that it listens on.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The code that was last sent to this phone, waiting for it.
    pub(crate) async fn code(&self, phone: &Phone) -> String {
        let last = async || self.printed().iter().rev().find_map(|line| code_in(line, phone));
        eventually("a code", last).await
    }

    /// What has come on standard output so far.
    pub(crate) fn printed(&self) -> Vec<String> {
        self.printed.lock().expect("no panic while held").clone()
    }

    /// What has come on standard error so far: the log.
    pub(crate) fn logged(&self) -> Vec<String> {
        self.logged.lock().expect("no panic while held").clone()
    }

    async fn wait_until_ready(&mut self) {
        let Self { child, logged, port, .. } = self;
        eventually("the server", async || {
            let ended = child.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "the server ended: {logged:#?}");
            is_ready(*port).await.then_some(())
        })
        .await;
    }
}

/// Of a test that fails, the server's side as well.
impl Drop for ServerProcess {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server logged: {:#?}", self.logged());
        }
    }
}

async fn is_ready(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let request = "GET /health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).await.is_ok()
        && stream.read_to_string(&mut answer).await.is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

fn spawn(
    port: u16,
    database: &str,
    settings: &[(String, String)],
    printed: &Lines,
    logged: &Lines,
) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_letterbox"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LETTERBOX_")) {
        command.env_remove(name);
    }
    command.arg("serve").args(["--listen", &format!("127.0.0.1:{port}")]);
    command.args(["--public-url", &format!("http://localhost:{port}"), "--database", database]);
    let settings = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in NO_LIMITS.into_iter().chain(settings) {
        command.arg(format!("--{name}")).arg(value);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("the binary was built");
    gather(child.stdout.take().expect("piped"), printed.clone());
    gather(child.stderr.take().expect("piped"), logged.clone());
    child
}

fn gather(stream: impl AsyncRead + Send + Unpin + 'static, into: Lines) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            into.lock().expect("no panic while held").push(line);
        }
    });
}

/// Free now; nobody else in these tests asks the system for this one before it is taken.
fn free_port() -> u16 {
    let probe = TcpListener::bind("127.0.0.1:0").expect("a free port");
    probe.local_addr().expect("bound").port()
}

/// `Text message to +…: Your letterbox code is 123456. …`
fn code_in(line: &str, phone: &Phone) -> Option<String> {
    let text = line.split_once(&format!("to {}:", phone.as_str()))?.1;
    let digits = text.split(|c: char| !c.is_ascii_digit());
    digits.filter(|run| run.len() == 6).map(str::to_owned).next()
}
