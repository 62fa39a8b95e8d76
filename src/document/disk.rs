//! Files of the machine, read without surprise: bounded, and for those that another file names, regular files below a directory.
//!
//! A policy and its tests may come from somebody else's branch, and what they name is shown when it does not fit: a snippet of
//! a policy's line, a value that a test did not expect. So a file that is only named by another one is read only where the
//! author of that one put it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::include::Files;

/// The files of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        read_whole(Path::new(path), super::MAX_BYTES)
    }

    fn read_named(&self, directory: &str, path: &str) -> io::Result<Vec<u8>> {
        let directory = if directory.is_empty() { "." } else { directory };
        read_below(&[Path::new(directory)], Path::new(path), super::MAX_BYTES)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let directory = if directory.is_empty() { "." } else { directory };
        fs::read_dir(Path::new(directory))?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }
}

/// The bytes of a regular file, wherever it is; or of what was opened for this process: `/dev/stdin`, `/dev/fd/63`.
///
/// # Errors
/// If it is no such file, is over `most` bytes, or cannot be read.
pub fn read_whole(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    if !OPENED.iter().any(|opened| path.starts_with(opened)) {
        regular(path)?;
    }
    bounded(File::open(path)?, most)
}

/// Where a shell puts what it opens for a process: a pipe there has somebody who writes.
const OPENED: [&str; 3] = ["/dev/stdin", "/dev/fd", "/proc/self/fd"];

/// A pipe or a device would keep the reader waiting, or never end.
fn regular(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_file() { Ok(()) } else { Err(io::Error::other("it is not a regular file")) }
}

/// The bytes of a regular file whose real place, links followed, is below one of `directories`.
///
/// # Errors
/// If it is elsewhere, is no regular file, is over `most` bytes, or cannot be read.
pub fn read_below(directories: &[&Path], path: &Path, most: usize) -> io::Result<Vec<u8>> {
    bounded(File::open(place_below(directories, path)?)?, most)
}

/// The real place of a regular file, links followed, if that is below one of `directories`.
///
/// # Errors
/// If it is elsewhere, or is no regular file.
pub fn place_below(directories: &[&Path], path: &Path) -> io::Result<PathBuf> {
    let place = fs::canonicalize(path)?;
    let below = |directory: &&Path| {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        fs::canonicalize(directory).is_ok_and(|directory| place.starts_with(directory))
    };
    if !directories.iter().any(below) {
        return Err(io::Error::other("it is, or leads, outside of the directory of the file that names it"));
    }
    regular(&place)?;
    Ok(place)
}

/// What can be read, up to a bound that does not trust what the file says of its length.
fn bounded(file: File, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is over {most} bytes")));
    }
    Ok(bytes)
}
