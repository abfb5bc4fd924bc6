//! The compliance engine over HTTP.
//!
//! 1. Claim: everything under `/v1` needs a key whose role allows it; whatever is sent gets an answer, and what is not
//!    carried out one sentence; a decision is answered once it is durable, and nothing that was answered is lost.
//! 2. Layout: `routes` has the routes and who may use them; `/v1/openapi.json` describes them.
//! 3. Assumed: TLS, or the loopback interface, keeps the keys secret on their way.
//! 4. Source: docs/service.md; RFC 6750 (bearer keys), RFC 9457 (problems).

mod behind;
mod decisions;
mod events;
mod evidence;
mod extract;
mod limits;
mod log;
mod metrics;
mod models;
mod problem;
mod routes;
mod state;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rand_core::OsRng;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::ServerConfig;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::config::{Config, Opened, Queue, WORKER_KEY};
use crate::queue::Dispatcher;
use crate::sealing::SealingKey;
use crate::secret_file::KeyFileError;
use behind::Behind;
use routes::Routes;
use state::{Shared, State};

/// Why the service does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Keys would travel in the clear.
    #[error("{0} is no loopback address: name a certificate and its key under [tls] in the configuration")]
    Plain(SocketAddr),
    /// The address cannot be listened on.
    #[error("{address}: {cause}; choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// The certificate or its key.
    #[error("{path}: {cause}")]
    Tls {
        /// The file.
        path: String,
        /// What is wrong.
        cause: String,
    },
    /// The workers' key.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// No thread.
    #[error("no thread can be started: {0}")]
    Thread(io::Error),
}

/// A service that runs.
pub struct Server {
    address: SocketAddr,
    tls: bool,
    runtime: Runtime,
    accepting: JoinHandle<()>,
    behind: Behind,
    // Last: the store may close connections, which must not happen on a thread of the runtime.
    state: Shared,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.address)
    }
}

impl Server {
    /// Starts a service; `log` gets one line for the operator at a time, never a secret.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn start(
        config: Config,
        opened: Opened,
        listen: SocketAddr,
        log: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, ServeError> {
        let tls = match &config.tls {
            Some((certificate, key)) => Some(acceptor(certificate, key)?),
            None if listen.ip().is_loopback() => None,
            None => return Err(ServeError::Plain(listen)),
        };
        let limits = config.limits;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .max_blocking_threads(limits.concurrent + FILE_THREADS)
            .enable_all()
            .build()
            .map_err(ServeError::Thread)?;
        let failed = |cause| ServeError::Listen {
            address: listen,
            cause,
        };
        let listener = runtime
            .block_on(TcpListener::bind(listen))
            .map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let dispatcher = match &config.queue {
            None => None,
            Some(Queue(url)) => {
                let path = config.dir.join(WORKER_KEY);
                // Folders of before there were workers have none.
                let key = match path.exists() {
                    true => SealingKey::load(&path)?,
                    false => SealingKey::generate(&path, &mut OsRng)?,
                };
                Some(Dispatcher::new(url, key).map_err(ServeError::Thread)?)
            }
        };
        let state = State::new(config, opened, Box::new(log));
        let router = Routes::new(&state).router();
        let behind = Behind::start(&state, dispatcher).map_err(ServeError::Thread)?;
        let secured = tls.is_some();
        let accepting = runtime.spawn(accept(listener, tls, router, Arc::clone(&state)));
        Ok(Self {
            address,
            tls: secured,
            runtime,
            accepting,
            behind,
            state,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Waits for SIGTERM or SIGINT.
    ///
    /// # Errors
    /// Those of the system.
    pub fn wait_for_signal(&self) -> io::Result<()> {
        use tokio::signal::unix::{signal, SignalKind};
        self.runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            Ok(())
        })
    }

    /// Takes nothing new, lets what is asked already be answered, and ends. A batch in proof is waited for a moment; if it
    /// takes longer, its decisions wait in the store again.
    pub fn stop(self) {
        let Self {
            runtime,
            accepting,
            behind,
            state,
            ..
        } = self;
        state.stopping.send_replace(true);
        let _ = runtime.block_on(accepting);
        if !behind.stop(PROOF_GRACE) {
            state.log("a batch is still in proof; its decisions wait for the next start");
        }
        runtime.shutdown_timeout(Duration::from_secs(1));
        drop(state);
    }
}

/// Takes connections until the service stops, then lets them end.
async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router, state: Shared) {
    let limits = state.config.limits;
    let connections = Arc::new(Semaphore::new(limits.connections));
    let open = GracefulShutdown::new();
    let mut stopping = state.stopping.subscribe();
    loop {
        let next = async {
            let permit = Arc::clone(&connections).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => break,
            next = next => next,
        };
        let (stream, _) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // No file descriptors, or a peer that is gone already: not a reason to end.
                state.log(&format!("a connection was not taken: {error}"));
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (tls, router, watcher) = (tls.clone(), router.clone(), open.watcher());
        tokio::spawn(async move {
            let _permit = permit;
            match tls {
                None => serve(stream, router, watcher).await,
                Some(tls) => {
                    let hello = tokio::time::timeout(HEADERS_WITHIN, tls.accept(stream)).await;
                    if let Ok(Ok(stream)) = hello {
                        serve(stream, router, watcher).await;
                    }
                }
            }
        });
    }
    drop(listener);
    let most = Duration::from_secs(limits.timeout_s) + CLOSE_GRACE;
    if tokio::time::timeout(most, open.shutdown()).await.is_err() {
        state.log("some connections did not end in time and were closed");
    }
}

/// Serves one connection to its end; that a peer breaks it off is its own affair.
async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEADER_BYTES);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let _ = watcher.watch(connection).await;
}

/// TLS 1.2 and 1.3 with this certificate.
fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, ServeError> {
    let failed = |path: &Path, cause: &dyn fmt::Display| ServeError::Tls {
        path: path.display().to_string(),
        cause: cause.to_string(),
    };
    let chain = CertificateDer::pem_file_iter(certificate);
    let chain = chain.and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|e| failed(certificate, &e))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| failed(key, &e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| failed(certificate, &e))?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|e| failed(certificate, &e))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Method and path of every route, for the test that the description has them all.
#[doc(hidden)]
pub fn listed(config: Config, opened: Opened) -> Vec<(String, &'static str)> {
    let state = State::new(config, opened, Box::new(|_| {}));
    let listed = Routes::new(&state).listed.into_iter();
    listed
        .map(|(method, path)| (method.to_string(), path))
        .collect()
}

/// A peer that is slower is cut off.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
const HEADER_BYTES: usize = 64 << 10;
/// Beyond a request's own time.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
const PROOF_GRACE: Duration = Duration::from_secs(10);
/// Threads that read the portal's files.
const FILE_THREADS: usize = 16;
