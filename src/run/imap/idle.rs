//! IDLE (RFC 2177): news as they come, and a sign of life for home routers.

use super::reply::Reply;
use super::{End, Session, revoked};
use crate::limits::IMAP_TAG_BYTES_MAX;
use crate::session::imap::gate::IDLE_KEEP_ALIVE;
use crate::session::imap::view::{Expunges, Naming};
use crate::wire::imap::frame::Step;
use crate::wire::imap::write::put_untagged;
use std::io;

/// What ended a wait.
enum Woken {
    Input(io::Result<usize>),
    News,
    Revoked,
    Drained,
}

impl Session {
    pub(super) async fn idle(&mut self) -> Result<Reply, End> {
        self.out.extend_from_slice(b"+ idling\r\n");
        loop {
            let (taken, step) = self.framer.feed_line(self.conn.input());
            self.conn.consume(taken);
            match step {
                // DONE has four octets.
                Step::More if self.framer.text().len() > IMAP_TAG_BYTES_MAX => {
                    return Err(End::Bye("DONE ends IDLE"));
                }
                Step::More => {}
                Step::Command if self.framer.text().eq_ignore_ascii_case(b"DONE") => {
                    self.framer.clear();
                    return Ok(Reply::ok("IDLE completed"));
                }
                _ => {
                    self.framer.clear();
                    return Ok(Reply::bad("DONE ends IDLE"));
                }
            }
            if self.news_waiting(Expunges::Told) {
                Box::pin(self.tell_news(Expunges::Told, Naming::Sequence, None)).await?;
            }
            self.flush().await?;
            self.framer.release();
            match self.wait().await {
                Woken::Input(Ok(0)) => return Err(End::Gone(io::ErrorKind::UnexpectedEof.into())),
                Woken::Input(Ok(_)) => {}
                Woken::Input(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {
                    put_untagged(&mut self.out, "OK Still here");
                }
                Woken::Input(Err(error)) => return Err(End::Gone(error)),
                Woken::News => {
                    Box::pin(self.tell_news(Expunges::Told, Naming::Sequence, None)).await?
                }
                Woken::Revoked => return Err(End::Bye(super::REVOKED)),
                Woken::Drained => return Err(End::Bye("server is stopping")),
            }
        }
    }

    async fn wait(&mut self) -> Woken {
        let changed = async {
            match &mut self.selected {
                Some(selected) => selected.watch.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            filled = self.conn.fill(IDLE_KEEP_ALIVE) => Woken::Input(filled),
            () = changed => Woken::News,
            () = revoked(&mut self.user) => Woken::Revoked,
            () = self.imap.server.drained() => Woken::Drained,
        }
    }
}
