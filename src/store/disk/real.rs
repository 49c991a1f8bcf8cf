//! The disk as it is: files below one directory, `pread`, `pwritev`, `fdatasync`.

use super::{Disk, DiskFile, Flush};
use crate::limits::SEGMENT_BYTES;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::uio::pwritev;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Files below a directory of the file system.
pub struct RealDisk {
    root: PathBuf,
}

struct RealFile(File);

/// `pwritev` takes at most 1024 pieces (IOV_MAX of Linux); fewer keep the array on the stack small.
const PIECES_MAX: usize = 64;

impl RealDisk {
    /// Files below `root`, which exists.
    pub fn new(root: PathBuf) -> RealDisk {
        RealDisk { root }
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        // The standard library opens with O_CLOEXEC. Mail is nobody else's business: 0600.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(create)
            .mode(0o600)
            .open(self.root.join(path))?;
        Ok(Box::new(RealFile(file)))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(self.root.join(from), self.root.join(to))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(self.root.join(path))
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match std::fs::create_dir(self.root.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.root.join(path))? {
            // A name that is not UTF-8 is none of ours.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }
    fn sync_dir(&self, path: &Path, _which: Flush) -> io::Result<()> {
        File::open(self.root.join(path))?.sync_all()
    }
    fn free_bytes(&self) -> io::Result<u64> {
        let stat = nix::sys::statvfs::statvfs(&self.root)?;
        // Both are `unsigned long`, which is 32 bits wide on some targets.
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
        Ok(stat.blocks_available() as u64 * stat.fragment_size() as u64)
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < into.len() {
            match self.0.read_at(&mut into[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bufs: &[&[u8]], mut offset: u64) -> io::Result<()> {
        let mut rest = bufs;
        let mut skip = 0;
        while let Some(first) = rest.first() {
            if skip == first.len() {
                (rest, skip) = (&rest[1..], 0);
                continue;
            }
            let mut pieces = [IoSlice::new(&[]); PIECES_MAX];
            let count = rest.len().min(PIECES_MAX);
            pieces[0] = IoSlice::new(&first[skip..]);
            for (piece, buf) in pieces.iter_mut().zip(rest).take(count).skip(1) {
                *piece = IoSlice::new(buf);
            }
            let at = i64::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
            let mut written = match pwritev(&self.0, &pieces[..count], at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            offset += written as u64;
            // A short write goes on where it ended.
            while let Some(first) = rest.first() {
                let left = first.len() - skip;
                if written < left {
                    skip += written;
                    break;
                }
                written -= left;
                (rest, skip) = (&rest[1..], 0);
            }
        }
        Ok(())
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let length = i64::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        match fallocate(&self.0, FallocateFlags::empty(), 0, length) {
            Ok(()) => Ok(()),
            // A file system without reservation: zeros keep the promise that later writes find room.
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => {
                let zeros = vec![0; 64 * 1024];
                let mut at = self.len()?;
                while at < bytes.min(SEGMENT_BYTES) {
                    let count = (bytes - at).min(zeros.len() as u64);
                    self.write_at(&[&zeros[..count as usize]], at)?;
                    at += count;
                }
                Ok(())
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn sync_data(&self, _which: Flush) -> io::Result<()> {
        self.0.sync_data()
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> RealDisk {
        let root =
            std::env::temp_dir().join(format!("pillarbox-disk-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(&root).unwrap();
        RealDisk::new(root)
    }

    #[test]
    fn more_pieces_than_one_call_takes_arrive_in_order() {
        let disk = scratch("pieces");
        let file = disk.open(Path::new("f"), true).unwrap();
        let octets: Vec<[u8; 3]> = (0..200u8).map(|n| [n; 3]).collect();
        let bufs: Vec<&[u8]> = octets.iter().flat_map(|o| [&o[..], &[]]).collect();
        file.write_at(&bufs, 5).unwrap();
        let mut back = vec![9; 700];
        assert_eq!(file.read_at(&mut back, 0).unwrap(), 605);
        assert_eq!(back[..5], [0; 5]);
        assert_eq!(back[5..605], octets.concat());
        std::fs::remove_dir_all(&disk.root).unwrap();
    }

    #[test]
    fn names_are_made_once_moved_and_removed() {
        let disk = scratch("names");
        disk.create_dir(Path::new("d")).unwrap();
        disk.create_dir(Path::new("d")).unwrap();
        drop(disk.open(Path::new("d/a"), true).unwrap());
        assert!(disk.open(Path::new("d/a"), true).is_err());
        assert!(disk.open(Path::new("d/b"), false).is_err());
        disk.rename(Path::new("d/a"), Path::new("d/b")).unwrap();
        disk.sync_dir(Path::new("d"), Flush::MessageName).unwrap();
        assert_eq!(disk.list(Path::new("d")).unwrap(), ["b"]);
        disk.remove(Path::new("d/b")).unwrap();
        assert!(disk.free_bytes().unwrap() > 0);
        std::fs::remove_dir_all(&disk.root).unwrap();
    }
}
