//! `letterbox serve`: puts the parts together and runs them until told to stop.

use crate::{
    app::{App, Parts},
    clock::Clock,
    config::{Config, Origin},
    db::{self, Db},
    jobs,
    mailbox::{Wake, writer},
    net::{Connections, Limits, Rates},
    observe,
    randomness::Randomness,
    router,
    sms::{Gateway, Sms},
    stop::{self, StopGiver},
    tokens::Issuers,
};
use axum::{Router, routing::get};
use letterbox_protocol::{keys::IdentitySecret, tokens::challenge_digest};
use metrics_exporter_prometheus::PrometheusHandle;
use rand::{SeedableRng as _, rngs::StdRng};
use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, signal, task::JoinHandle};
use webauthn_rs::{Webauthn, WebauthnBuilder};

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address could not be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The database could not be opened.
    #[error("setting `database`: {0}")]
    Database(#[from] db::OpenError),
    /// The database failed in the first statements.
    #[error("{0}")]
    Storage(#[from] db::Error),
    /// Passkeys cannot be had under this origin.
    #[error("setting `public_url`: passkeys cannot be had under this origin")]
    PublicUrl,
    /// The client for the SMS webhook could not be made.
    #[error("setting `sms_webhook_url`: no HTTP client for it could be made")]
    SmsClient,
    /// The log directives are not good.
    #[error(transparent)]
    Log(#[from] observe::BadDirectives),
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    app: App,
    address: SocketAddr,
    listener: TcpListener,
    metrics: Option<(TcpListener, PrometheusHandle)>,
    writer: writer::Writer,
    stop: StopGiver,
}

impl Server {
    /// Opens the database and listens. `gateway` takes the text messages; without one, the
    /// settings' does.
    ///
    /// # Errors
    /// Whatever keeps it from starting.
    pub async fn bind(
        config: Config,
        clock: Clock,
        gateway: Option<Gateway>,
    ) -> Result<Self, ServeError> {
        Self::bind_with(config, clock, Randomness::System, gateway).await
    }

    /// The same, with randomness that lets a simulation store the same rows in the same order again.
    ///
    /// # Errors
    /// Whatever keeps it from starting.
    pub async fn bind_with(
        config: Config,
        clock: Clock,
        randomness: Randomness,
        gateway: Option<Gateway>,
    ) -> Result<Self, ServeError> {
        let rng = &mut randomness.rng();
        let db = Db::open(config.database.url(), rng).await?;
        let keys = db.certificate_keys(clock.now(), rng).await?;
        let keys = keys.iter().map(|key| IdentitySecret::from_bytes(key.secret)).collect();
        let epoch = db.epoch().await?.to_text();
        let (listener, address) = listen(config.listen).await?;
        let metrics = metrics(&config).await?;
        let origin = config.public_url.clone();
        let origin = origin.unwrap_or_else(|| Origin::localhost(address.port()));
        let gateway = match gateway {
            Some(gateway) => gateway,
            None => {
                Gateway::from_config(&config, clock.clone()).map_err(|_| ServeError::SmsClient)?
            }
        };
        let challenge = challenge_digest(origin.host()).map_err(|_| ServeError::PublicUrl)?;
        let issuers = Issuers::new(db.clone(), clock.clone(), randomness.clone(), challenge);
        issuers.keys().await?;
        let wake = Wake::default();
        let (sends, writer) = start_writer(&config, &db, &clock, &wake, StdRng::from_rng(rng));
        let (stop, stopped) = stop::channel();
        let app = App::new(Parts {
            webauthn: passkeys(&origin).ok_or(ServeError::PublicUrl)?,
            rates: Rates::new(&config, clock.clone()),
            sms: Sms::start(gateway),
            issuers,
            certificate_keys: keys,
            writer: sends,
            stop: stopped,
            config,
            origin,
            clock,
            randomness,
            db,
            wake,
            epoch,
        });
        Ok(Self { app, address, listener, metrics, writer, stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The origin under which browsers reach it.
    pub fn origin(&self) -> &Origin {
        &self.app.origin
    }

    /// What its handlers share, for programs that drive the router without a connection.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Answers until `stop` is ready; then lets open requests finish, and commits what was taken.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let limits = limits(&self.app.config);
        let stopped = self.app.stop.clone();
        let sweeps = tokio::spawn(jobs::run(self.app.clone()));
        let metrics = self.metrics.map(|(listener, handle)| {
            let router = Router::new().route("/metrics", get(async move || handle.render()));
            tokio::spawn(Connections::new(router, limits).serve(listener, stopped.clone()))
        });
        let router = router::router(self.app.clone());
        let answering =
            tokio::spawn(Connections::new(router, limits).serve(self.listener, stopped));
        stop.await;
        tracing::info!("stopping");
        self.stop.give();
        for task in [Some(answering), metrics, Some(sweeps)].into_iter().flatten() {
            let _ = task.await;
        }
        self.writer.drain().await;
        self.app.db.close().await;
    }

    /// Answers in the background, for programs that run a server beside something else.
    pub fn start(self) -> Running {
        let (address, origin) = (self.address, self.app.origin.clone());
        let (stop, mut stopped) = stop::channel();
        let task = tokio::spawn(self.serve(async move {
            stopped.given().await;
        }));
        Running { address, origin, stop, task }
    }
}

/// A server that answers in the background. Dropped, it stops by itself.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The origin under which clients reach it.
    pub origin: Origin,
    stop: StopGiver,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops it, and waits until it has.
    pub async fn stop(self) {
        self.stop.give();
        let _ = self.task.await;
    }
}

/// Runs the server until SIGTERM or ctrl-c.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn run(config: Config) -> Result<(), ServeError> {
    observe::start_logging(&config.log, config.log_format)?;
    let server = Server::bind(config, Clock::System, None).await?;
    greet(&server);
    server.serve(told_to_stop()).await;
    Ok(())
}

#[allow(clippy::print_stdout, reason = "for the person who started it")]
fn greet(server: &Server) {
    let (origin, config) = (server.origin().header(), &server.app.config);
    println!("letterbox listens on {}. Open {origin}", server.address());
    if matches!(config.sms, crate::config::SmsGateway::Console) {
        println!("Codes for phones are printed here, because `sms` is `console`.");
        if !origin.starts_with("http://localhost") {
            println!("Others can reach this server, and will wait for their codes in vain.");
        }
    }
}

async fn told_to_stop() {
    let terminated = async {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut terminated) => drop(terminated.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminated => {}
        _ = signal::ctrl_c() => {}
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

async fn metrics(config: &Config) -> Result<Option<(TcpListener, PrometheusHandle)>, ServeError> {
    let Some(address) = config.metrics_listen else { return Ok(None) };
    let (listener, _) = listen(address).await?;
    Ok(observe::start_metrics().map(|handle| (listener, handle)))
}

fn passkeys(origin: &Origin) -> Option<Webauthn> {
    let builder = WebauthnBuilder::new(origin.host(), origin.url()).ok()?;
    builder.rp_name("letterbox").build().ok()
}

fn start_writer(
    config: &Config,
    db: &Db,
    clock: &Clock,
    wake: &Wake,
    rng: StdRng,
) -> (writer::MailboxWriter, writer::Writer) {
    let limits = db::Limits {
        letters: config.mailbox_letters.into(),
        bytes: i64::try_from(config.mailbox_bytes).unwrap_or(i64::MAX),
        envelopes: config.mailbox_envelopes.into(),
    };
    let wake = wake.clone();
    let look: writer::OnStored = Arc::new(move |devices| wake.look(devices.iter().copied()));
    writer::start(db.clone(), limits, clock.clone(), rng, look)
}

fn limits(config: &Config) -> Limits {
    let seconds = |seconds: u16| Duration::from_secs(seconds.into());
    Limits {
        connections: config.connections,
        header: seconds(config.header_seconds),
        write: seconds(config.body_seconds),
        drain: seconds(config.drain_seconds),
    }
}
