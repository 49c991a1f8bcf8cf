//! What every session of the process shares: configuration, lanes, TLS, and the wish to stop.

use super::authentic::{Authentic, Names};
use super::body::BodyPool;
use super::lanes::Lanes;
use super::login::Login;
use super::reports::Reports;
use crate::config::Config;
use crate::net::tls::Acceptor;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// Shared by all sessions; one per process.
pub struct Server {
    /// The configuration in force; SIGHUP swaps it, a session takes it once at its start.
    config: RwLock<Arc<Config>>,
    /// Doors to the disk.
    pub lanes: Lanes,
    /// Buffers for contents on their way in.
    pub bodies: BodyPool,
    /// Checks mail: whom to believe.
    pub authentic: Authentic,
    /// Reports about mail.
    pub reports: Reports,
    /// Checks passwords.
    pub login: Login,
    /// TLS with the certificates in force.
    pub tls: Acceptor,
    /// True from the moment that the server wants to stop: sessions end at their next safe point (421, BYE).
    drain: watch::Sender<bool>,
}

impl Server {
    /// Puts the parts together.
    pub fn new(config: Config, lanes: Lanes, tls: Acceptor, names: Names) -> Arc<Server> {
        Arc::new(Server {
            config: RwLock::new(Arc::new(config)),
            login: Login::new(lanes.clone()),
            bodies: BodyPool::default(),
            authentic: Authentic::new(names),
            reports: Reports::default(),
            lanes,
            tls,
            drain: watch::channel(false).0,
        })
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.config
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A new configuration for sessions that begin from now on.
    pub fn reconfigure(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// Tells every session to end.
    pub fn start_drain(&self) {
        self.drain.send_replace(true);
    }

    /// Whether the server wants to stop.
    pub fn draining(&self) -> bool {
        *self.drain.borrow()
    }

    /// Returns when the server wants to stop. Cancel-safe: put it into a `select!` beside reading a command.
    pub async fn drained(&self) {
        let mut drain = self.drain.subscribe();
        // The sender lives in self: an error cannot come.
        let _ = drain.wait_for(|stop| *stop).await;
    }
}
