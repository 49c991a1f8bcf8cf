//! From bound sockets to a clean end: store, lanes, sessions, control socket, signals.
//!
//! `serve` and `try` share this; they differ in where the configuration comes from and in what is printed.

use super::authentic::Names;
use super::lanes::{Lanes, now_millis};
use super::notify::Notify;
use super::serve::{self, Running, Sockets};
use super::server::Server;
use super::{certificates, control, random, reports, resolver};
use crate::config::Config;
use crate::limits::{CERTIFICATE_LOOK_SECS, DRAIN_MILLIS, LANE_STACK_BYTES};
use crate::net::tls::{Acceptor, TlsError};
use crate::store::disk::real::RealDisk;
use crate::store::{self, Options};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// A server that accepts mail.
pub struct Up {
    /// What sessions share.
    pub server: Arc<Server>,
    /// The services.
    pub running: Running,
    source: Source,
}

/// Where the configuration came from, for SIGHUP.
#[derive(Clone)]
pub enum Source {
    /// A file, read again.
    File(PathBuf),
    /// Made by `try`: only certificates are read again.
    Made,
}

/// Panics since the start: each was a bug of ours and ended one connection or one job.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Makes a panic a line of the log that says what to do with it. It still unwinds, and ends what it happened in.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let count = PANICS.fetch_add(1, Ordering::Relaxed) + 1;
        log::error!(
            "bug: {panic} (number {count} since the start); one connection or job ended, please report this line"
        );
    }));
}

/// The runtime of the socket thread.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .thread_stack_size(LANE_STACK_BYTES)
        .build()
}

/// The certificates of a configuration, parsed. Errors name the file and the command that mends it.
pub fn acceptor(config: &Config) -> Result<Acceptor, TlsError> {
    Acceptor::new(&certificates::load(config)?)
}

/// Opens the store and starts everything. Runs inside [`runtime`].
pub async fn bring_up(
    config: Config,
    source: Source,
    tls: Acceptor,
    sockets: Sockets,
) -> Result<Up, String> {
    let options = Options {
        dir: config.data.clone(),
        disk: Arc::new(RealDisk::new(config.data.clone())),
        reserve_bytes: config.disk_reserve_bytes,
        now_millis: now_millis(),
        random: random::fill,
    };
    let (writer, shared) = store::open(options).map_err(|error| error.to_string())?;
    let report = shared.open_report();
    for line in &report.lines {
        log::warn!("opening the store: {line}");
    }
    if report.orphans > 0 {
        log::info!(
            "opening the store: {} files of messages that were not accepted before the last end were removed",
            report.orphans
        );
    }
    let lanes =
        Lanes::start(writer, shared, Notify::default()).map_err(|error| error.to_string())?;
    let names = names(&source, &config)?;
    let server = Server::new(config, lanes, tls, names);
    control::start(&server).map_err(|error| error.to_string())?;
    let running = serve::start(&server, sockets)
        .map_err(|error| format!("cannot accept connections: {error}"))?;
    tokio::spawn(watch_certificates(server.clone()));
    reports::start(&server);
    Ok(Up {
        server,
        running,
        source,
    })
}

/// Where answers of the DNS come from. `try` knows itself alone and looks nothing up.
fn names(source: &Source, config: &Config) -> Result<Names, String> {
    if let Source::Made = source {
        return Ok(Names::own(&config.hostname));
    }
    for warning in resolver::warnings(&config.dns) {
        log::warn!("{warning}");
    }
    resolver::open(&config.dns).map(Names::Resolver)
}

impl Up {
    /// Serves until SIGTERM or Ctrl-C, then drains and closes the store. SIGHUP reads configuration and
    /// certificates again.
    pub async fn until_told(self) -> Result<(), String> {
        let on = |kind| signal(kind).map_err(|error| format!("cannot wait for signals: {error}"));
        let (mut term, mut interrupt, mut hangup) = (
            on(SignalKind::terminate())?,
            on(SignalKind::interrupt())?,
            on(SignalKind::hangup())?,
        );
        loop {
            tokio::select! {
                _ = term.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => reload(&self.server, &self.source).await,
            }
        }
        log::info!(
            "stopping; sessions get up to {} s to finish what they are doing",
            DRAIN_MILLIS / 1000
        );
        // Whoever asks again while sessions finish gets an end at once; what was acknowledged is safe all the same.
        for again in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            let at_once = Arc::new(AtomicBool::new(true));
            let _ = signal_hook::flag::register_conditional_shutdown(again, 1, at_once);
        }
        self.down().await;
        log::info!("stopped; everything is on the disk");
        Ok(())
    }

    /// Ends everything in order.
    pub async fn down(self) {
        let lanes = self.server.lanes.clone();
        let server = self.server.clone();
        self.running.drain().await;
        server.reports.flush(&lanes).await;
        lanes.stop();
    }
}

/// SIGHUP: a mistake in the new file leaves everything as it was.
async fn reload(server: &Arc<Server>, source: &Source) {
    let old = server.config();
    let source = source.clone();
    let read = server.lanes.disk(move |_| match source {
        Source::File(file) => Config::load(&file).map_err(|mistakes| mistakes.to_string()),
        Source::Made => Ok((*old).clone()),
    });
    let config = match read.await {
        Ok(config) => config,
        Err(mistakes) => {
            log::error!("the configuration was not reloaded, the old one stays:\n{mistakes}");
            return;
        }
    };
    let (config, restart) = server.config().reloaded(config);
    if !restart.is_empty() {
        log::warn!(
            "these keys have changed and need a restart: {}",
            restart.join(", ")
        );
    }
    if reload_certificates(server, config.clone()).await {
        server.reconfigure(config);
        log::info!("configuration and certificates reloaded");
    } else {
        log::error!("nor was the configuration reloaded: mend this and reload again");
    }
}

/// Reads the certificates and takes them for new handshakes; whether that worked.
async fn reload_certificates(server: &Arc<Server>, config: Config) -> bool {
    let pems = server
        .lanes
        .disk(move |_| certificates::load(&config))
        .await;
    match pems.and_then(|pems| server.tls.reload(&pems)) {
        Ok(()) => true,
        Err(error) => {
            log::error!("certificates were not reloaded, the old ones stay: {error}");
            false
        }
    }
}

/// Notices PEM files that were replaced (a renewal), without a signal.
async fn watch_certificates(server: Arc<Server>) {
    let mut watch = certificates::Watch::new(&server.config());
    loop {
        tokio::select! {
            () = server.drained() => return,
            () = tokio::time::sleep(Duration::from_secs(CERTIFICATE_LOOK_SECS)) => {}
        }
        let config = server.config();
        let changed;
        (watch, changed) = server
            .lanes
            .disk(move |_| {
                let changed = watch.changed(&config);
                (watch, changed)
            })
            .await;
        if changed && reload_certificates(&server, (*server.config()).clone()).await {
            log::info!("a certificate file has changed; the new certificate is in use");
        }
    }
}
