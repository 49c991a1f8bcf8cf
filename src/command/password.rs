//! Where a command gets a new password from: a prompt without echo, standard input, or chance.

use super::Failure;
use super::arguments::Arguments;
use crate::limits::PASSWORD_BYTES_MAX;
use crate::run::control::Secret;
use crate::run::password;
use nix::sys::termios::{
    LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read, Write};
use zeroize::{Zeroize, Zeroizing};

/// A new password, and whether it must be shown because nobody knows it yet.
pub struct NewPassword {
    /// The password.
    pub secret: Secret,
    /// Made by `--generate`.
    pub generated: bool,
}

/// The options that choose, for `Known::plain`.
pub const OPTIONS: [&str; 2] = ["generate", "password-stdin"];

/// Gets the new password of `who`.
pub fn obtain(arguments: &Arguments, who: &str) -> Result<NewPassword, Failure> {
    let typed = |secret| NewPassword {
        secret,
        generated: false,
    };
    match (arguments.has(OPTIONS[0]), arguments.has(OPTIONS[1])) {
        (true, true) => Err(Failure::usage(
            "give one of --generate and --password-stdin",
        )),
        (true, false) => Ok(NewPassword {
            secret: Secret(password::generate().map_err(Failure::new)?.to_string()),
            generated: true,
        }),
        (false, true) => from_stdin().map(typed),
        (false, false) => prompt_twice(who).map(typed),
    }
}

/// All of standard input, without the line end at its end.
fn from_stdin() -> Result<Secret, Failure> {
    let mut octets = Zeroizing::new(Vec::with_capacity(PASSWORD_BYTES_MAX + 3));
    let most = PASSWORD_BYTES_MAX as u64 + 3;
    std::io::stdin()
        .lock()
        .take(most)
        .read_to_end(&mut octets)
        .map_err(|e| Failure::new(format!("standard input cannot be read: {e}")))?;
    let line = octets.strip_suffix(b"\n").unwrap_or(&octets);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    checked(line)
}

fn checked(line: &[u8]) -> Result<Secret, Failure> {
    let text = std::str::from_utf8(line).map_err(|_| {
        Failure::new("the password is not UTF-8; choose letters that every client can send")
    })?;
    if text.is_empty() {
        return Err(Failure::new(
            "the password is empty: nothing was changed; --generate makes one",
        ));
    }
    if text.contains(['\0', '\r', '\n']) {
        return Err(Failure::new(
            "the password has a line end or NUL in it, which no mail client can send",
        ));
    }
    Ok(Secret(text.to_owned()))
}

fn prompt_twice(who: &str) -> Result<Secret, Failure> {
    let Ok(terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        return Err(Failure::usage(
            "there is no terminal to ask for the password: use --password-stdin or --generate",
        ));
    };
    let first = prompt(&terminal, &format!("New password for {who}: "))?;
    let again = prompt(&terminal, "The same again: ")?;
    if first.0 != again.0 {
        return Err(Failure::new(
            "the two passwords differ: nothing was changed",
        ));
    }
    Ok(first)
}

/// Puts the terminal back as it was, whatever happens.
struct Silent<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Silent<'a> {
    /// Every key comes at once and unseen, Ctrl-C too: so the terminal is put right before we go.
    fn on(terminal: &'a File) -> nix::Result<Silent<'a>> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent
            .local_flags
            .remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
        silent.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        silent.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        tcsetattr(terminal, SetArg::TCSAFLUSH, &silent)?;
        Ok(Silent { terminal, before })
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}

fn prompt(mut terminal: &File, question: &str) -> Result<Secret, Failure> {
    let failed = |e: &dyn std::fmt::Display| Failure::new(format!("the terminal failed: {e}"));
    write!(terminal, "{question}").map_err(|e| failed(&e))?;
    let silent = Silent::on(terminal).map_err(|e| failed(&e))?;
    let line = read_keys(terminal).map_err(|e| failed(&e));
    drop(silent);
    let _ = writeln!(terminal);
    match line? {
        Some(line) => checked(&line),
        None => Err(Failure::new("cancelled: nothing was changed")),
    }
}

/// Keys up to Enter; None for Ctrl-C, Ctrl-D or the terminal's end.
fn read_keys(mut keys: impl Read) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(PASSWORD_BYTES_MAX + 1));
    let mut key = [0];
    loop {
        if keys.read(&mut key)? == 0 {
            return Ok(None);
        }
        match key[0] {
            b'\r' | b'\n' => return Ok(Some(line)),
            3 | 4 => return Ok(None),
            // Backspace takes a whole character, not an octet of it.
            8 | 127 => while line.pop().is_some_and(|octet| octet & 0xc0 == 0x80) {},
            // Ctrl-U
            21 => line.clear(),
            octet if line.len() <= PASSWORD_BYTES_MAX => line.push(octet),
            _ => {}
        }
        key.zeroize();
    }
}

/// Asks a yes-or-no question on the terminal; no terminal means no.
pub fn confirmed(question: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    eprint!("{question} [y/N] ");
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_prompt() {
        let typed = |keys: &[u8]| read_keys(keys).unwrap().map(|line| line.to_vec());
        assert_eq!(typed(b"secret\r").unwrap(), b"secret");
        assert_eq!(typed("a\u{fc}\u{7f}b\n".as_bytes()).unwrap(), b"ab");
        assert_eq!(typed(b"\x7f\x7fabc\x15xy\n").unwrap(), b"xy");
        assert_eq!(typed(b"sec\x03ret\n"), None);
        assert_eq!(typed(b"no end"), None);
        let long = [vec![b'x'; PASSWORD_BYTES_MAX + 50], vec![b'\n']].concat();
        assert_eq!(typed(&long).unwrap().len(), PASSWORD_BYTES_MAX + 1);
    }

    #[test]
    fn a_password_must_be_sendable() {
        assert_eq!(
            checked("pässword with spaces ".as_bytes()).unwrap().0,
            "pässword with spaces "
        );
        for wrong in [&b""[..], b"\xff", b"a\0b", b"a\nb"] {
            assert!(checked(wrong).is_err(), "{wrong:?}");
        }
    }
}
