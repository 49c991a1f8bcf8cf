//! Asks the box: over the control socket when its server runs, and on the opened store when it does not. Both ways
//! the same code answers (`run/control/execute.rs`).

use super::arguments::Arguments;
use super::{CONFIG_FILE, Failure, load_config, print};
use crate::config::Config;
use crate::limits::{CONTROL_LINE_BYTES_MAX, DISK_RESERVE_BYTES, LANE_STACK_BYTES};
use crate::run::control::{Answer, End, Hands, Line, Request, SocketPath, execute};
use crate::run::lanes::{Lanes, now_millis};
use crate::run::login::Login;
use crate::run::notify::Notify;
use crate::run::privileges;
use crate::store::{self, Options};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Looks for the socket of a server that has the store's lock and is still starting.
const STARTING_LOOKS_MAX: u32 = 10;
const STARTING_LOOK_EVERY: Duration = Duration::from_millis(200);
/// The longest that an answer may take: an account with much mail is removed in one change.
const ANSWER_WITHIN: Duration = Duration::from_secs(600);

/// Which box is meant.
pub struct Place {
    /// The data directory.
    pub data: PathBuf,
    reserve_bytes: u64,
    user: Option<String>,
}

/// A way to the box.
pub struct Door {
    way: Way,
}

enum Way {
    Socket(BufReader<UnixStream>),
    Store {
        runtime: tokio::runtime::Runtime,
        hands: Hands,
    },
}

impl Place {
    /// By `--data DIR`, `--config FILE` or the usual configuration file.
    pub fn of(arguments: &Arguments) -> Result<Place, Failure> {
        if let Some(data) = &arguments.data {
            return Ok(Place {
                data: data.clone(),
                reserve_bytes: DISK_RESERVE_BYTES,
                user: None,
            });
        }
        if arguments.config.is_none() && !Path::new(CONFIG_FILE).exists() {
            return Err(Failure::usage(format!(
                "which box? There is no {CONFIG_FILE}: name the configuration with --config FILE or its data \
                 directory with --data DIR"
            )));
        }
        let config: Config = load_config(arguments.config.as_deref())?;
        Ok(Place {
            data: config.data,
            reserve_bytes: config.disk_reserve_bytes,
            user: config.user,
        })
    }

    /// A misspelt directory must not become a new, empty box: it holds a log, or no `what`.
    pub fn must_hold(&self, what: &str) -> Result<(), Failure> {
        let shown = self.data.display();
        match std::fs::metadata(self.data.join("log")) {
            Ok(found) if found.is_dir() => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Err(Failure::new(format!(
                    "{shown} may not be looked into: run this as root or as the server's user"
                )))
            }
            _ => Err(Failure::new(format!("{shown} holds no {what}"))),
        }
    }

    /// The server's socket, when one runs.
    pub fn connect(&self) -> Option<UnixStream> {
        let path = SocketPath::of(&self.data).ok()?;
        UnixStream::connect(path.as_path()).ok()
    }

    /// How the store of this box is opened by a command.
    pub fn options(&self) -> Options {
        Options {
            dir: self.data.clone(),
            disk: Arc::new(store::disk::real::RealDisk::new(self.data.clone())),
            reserve_bytes: self.reserve_bytes,
            now_millis: now_millis(),
            random,
        }
    }

    /// Root becomes whoever owns the data directory (or will): a file that root made there is one that the server
    /// cannot open.
    pub fn become_owner(&self) -> Result<(), Failure> {
        if let (true, false, Some(user)) = (
            nix::unistd::geteuid().is_root(),
            self.data.exists(),
            &self.user,
        ) {
            self.make_for(user)?;
        }
        privileges::act_as_owner(&self.data).map_err(Failure::new)
    }

    /// Makes the data directory of a box that has not been started yet.
    fn make_for(&self, user: &str) -> Result<(), Failure> {
        let entry = privileges::look_up(user).map_err(Failure::new)?;
        let failed = |e: &dyn std::fmt::Display| {
            Failure::new(format!(
                "cannot make {} for {user}: {e}",
                self.data.display()
            ))
        };
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
        builder.create(&self.data).map_err(|e| failed(&e))?;
        nix::unistd::chown(&self.data, Some(entry.uid), Some(entry.gid)).map_err(|e| failed(&e))
    }
}

impl Door {
    /// Opens the box, which must be there.
    pub fn open(arguments: &Arguments) -> Result<Door, Failure> {
        let place = Place::of(arguments)?;
        place.must_hold(
            "box yet: is the directory right? `pillarbox domain add NAME` makes a new one",
        )?;
        Door::at(place)
    }

    /// Opens the box, or makes it.
    pub fn open_or_make(arguments: &Arguments) -> Result<Door, Failure> {
        Door::at(Place::of(arguments)?)
    }

    fn at(place: Place) -> Result<Door, Failure> {
        if let Some(stream) = place.connect() {
            return Door::over(stream);
        }
        place.become_owner()?;
        let opened = store::open(place.options());
        let (writer, shared) = match opened {
            Ok(opened) => opened,
            Err(error) => return Door::starting(&place).ok_or_else(|| Failure::new(error.0))?,
        };
        let failed = |e: &dyn std::fmt::Display| Failure::new(format!("cannot open the box: {e}"));
        let lanes = Lanes::start(writer, shared, Notify::default()).map_err(|e| failed(&e))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .thread_stack_size(LANE_STACK_BYTES)
            .build()
            .map_err(|e| failed(&e))?;
        let login = Login::new(lanes.clone());
        let hands = Hands { lanes, login };
        Ok(Door {
            way: Way::Store { runtime, hands },
        })
    }

    /// The lock may be held by a server that will have its socket in a moment.
    fn starting(place: &Place) -> Option<Result<Door, Failure>> {
        (0..STARTING_LOOKS_MAX).find_map(|_| {
            std::thread::sleep(STARTING_LOOK_EVERY);
            place.connect().map(Door::over)
        })
    }

    fn over(stream: UnixStream) -> Result<Door, Failure> {
        stream
            .set_read_timeout(Some(ANSWER_WITHIN))
            .map_err(|e| Failure::new(format!("the control socket failed: {e}")))?;
        Ok(Door {
            way: Way::Socket(BufReader::new(stream)),
        })
    }

    /// Asks once.
    pub fn ask(&mut self, request: Request) -> Result<Answer, Failure> {
        match &mut self.way {
            Way::Socket(stream) => over_socket(stream, &request),
            Way::Store { runtime, hands } => runtime
                .block_on(execute(hands, request))
                .map_err(Failure::new),
        }
    }

    /// Asks for a list until it has all rows.
    pub fn ask_all(&mut self, page: fn(u64) -> Request) -> Result<Vec<Value>, Failure> {
        let (mut rows, mut after) = (Vec::new(), 0);
        loop {
            let answer = self.ask(page(after))?;
            rows.extend(answer.rows);
            match answer.end.next {
                Some(next) if next > after => after = next,
                _ => return Ok(rows),
            }
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Way::Store { hands, .. } = &self.way {
            hands.lanes.stop();
        }
    }
}

fn over_socket(stream: &mut BufReader<UnixStream>, request: &Request) -> Result<Answer, Failure> {
    let gone = |e: &dyn std::fmt::Display| {
        Failure::new(format!(
            "the server did not answer ({e}): look at its log; whether the change was made is shown by `list`"
        ))
    };
    let mut line = Zeroizing::new(serde_json::to_vec(request).map_err(|e| gone(&e))?);
    line.push(b'\n');
    if line.len() > CONTROL_LINE_BYTES_MAX {
        return Err(Failure::usage(format!(
            "this request has {} octets and {CONTROL_LINE_BYTES_MAX} are the most: ask in several steps",
            line.len()
        )));
    }
    stream.get_mut().write_all(&line).map_err(|e| gone(&e))?;
    let mut rows = Vec::new();
    loop {
        let mut line = Vec::new();
        let mut limited = stream.by_ref().take(CONTROL_LINE_BYTES_MAX as u64);
        limited.read_until(b'\n', &mut line).map_err(|e| gone(&e))?;
        match serde_json::from_slice(&line).map_err(|e| gone(&e))? {
            Line::Row(row) => rows.push(row),
            Line::Done(end) => return Ok(Answer { rows, end }),
            Line::Error(why) => return Err(Failure::new(why)),
        }
    }
}

/// Says what was done: the sentence and the notes, or one JSON object.
pub fn report(arguments: &Arguments, sentence: &str, end: &End) -> Result<(), Failure> {
    if arguments.json {
        let mut value = json!(end);
        value["ok"] = true.into();
        return print(&format!("{value}\n"));
    }
    let notes = end.notes.iter().map(|note| format!("note: {note}\n"));
    print(&format!("{sentence}\n{}", notes.collect::<String>()))
}

/// Random octets for ids. The kernel's generator does not fail once it is seeded.
fn random(into: &mut [u8]) {
    SystemRandom::new()
        .fill(into)
        .expect("the kernel gives random octets");
}
