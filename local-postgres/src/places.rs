//! The directories of a server, their permissions and their lock. Their content is not here.

use std::{
    env,
    fs::{self, File, Permissions, TryLockError},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use nix::{fcntl::OFlag, sys::statvfs::statvfs};
use tempfile::TempDir;

use crate::{
    Error,
    process::is_alive,
    run_as::RunAs,
    wait::{Cancelled, check},
};

/// Holds data whose preferred directory PostgreSQL's user cannot enter.
const FALLBACK: &str = "/var/lib/tandem";
/// Holds downloaded binaries if the user's cache directory does not suit.
const SYSTEM_CACHE: &str = "/var/cache";
/// Other users may pass through to their own files, and may neither list nor add files.
const PASSAGE: u32 = 0o711;
/// In bytes. macOS and the BSDs accept at most 103, Linux accepts at most 107.
const MAX_SOCKET_PATH: usize = 103;
pub(crate) const SOCKET: &str = ".s.PGSQL.5432";
/// In bytes: one cluster, and a small database for each of a hundred tests.
const MIN_FREE_MEMORY: u128 = 1 << 30;
/// How long the server of a dead process may take to stop: longer than [`crate::process::STOP`].
const ORPHAN_PATIENCE: Duration = Duration::from_secs(30);
/// How long the kernel may take to close the files of a process that is ending.
const HOLDER_PATIENCE: Duration = Duration::from_millis(500);

/// The directory for durable data: `preferred`, except where this process is root and PostgreSQL's
/// user cannot enter it, for example in a clone below `/root`. Then it is a directory below
/// `/var/lib/tandem`, always the same one for the same `preferred`.
pub fn durable_dir(preferred: &Path) -> Result<PathBuf, Error> {
    let preferred = absolute(preferred)?;
    let run_as = RunAs::detect()?;
    match run_as.check_reach(&preferred) {
        Err(Error::Unreachable { .. }) => {}
        reached => return reached.map(|()| preferred),
    }
    let parent = Path::new(FALLBACK);
    create_passage(parent)?;
    check_trust(parent, 0, 0o022)?;
    run_as.check_reach(parent)?;
    Ok(parent.join(hash(&preferred)))
}

/// The directory for downloaded binaries, below the user's cache directory. Root uses it only if
/// PostgreSQL's user can enter it and no other user can change it; otherwise, and without a home
/// directory, it is below `/var/cache`.
pub(crate) fn cache_dir(run_as: &RunAs, user_cache: Option<&Path>) -> PathBuf {
    let suits = |dir: &&Path| {
        let existing = dir.ancestors().find_map(|dir| fs::canonicalize(dir).ok());
        existing.is_some_and(|dir| run_as.changeable_part(&dir).is_none())
            && run_as.check_reach(dir).is_ok()
    };
    user_cache.filter(suits).unwrap_or(Path::new(SYSTEM_CACHE)).join("tandem/postgresql")
}

pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(Error::io("find", path))
}

/// Creates the directory of a durable server if needed, and checks that PostgreSQL's user can
/// enter it.
pub(crate) fn prepare(run_as: &RunAs, dir: &Path) -> Result<(), Error> {
    create_passage(dir)?;
    // The owner of a directory can replace what root writes to it.
    if run_as.is_switched() {
        check_trust(dir, 0, 0o022)?;
    }
    run_as.check_reach(dir)
}

/// A new directory with a unique name, in memory if that has enough free space. Dropping it removes
/// it.
pub(crate) fn create_throwaway(run_as: &RunAs) -> Result<TempDir, Error> {
    let memory = Path::new("/dev/shm");
    let has_room = statvfs(memory).is_ok_and(|fs| {
        u128::from(fs.blocks_available()) * u128::from(fs.fragment_size()) >= MIN_FREE_MEMORY
    });
    let disks = [env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")];
    let mut failure = None;
    for parent in has_room.then(|| memory.to_path_buf()).into_iter().chain(disks) {
        let made = run_as.check_reach(&parent).and_then(|()| {
            tempfile::Builder::new()
                .prefix("tandem-")
                .tempdir_in(&parent)
                .and_then(|dir| set_passage(dir.path()).map(|()| dir))
                .map_err(Error::io("create a directory in", &parent))
        });
        match made {
            Ok(dir) => return Ok(dir),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.expect("the list of parents is not empty"))
}

/// The lock of a directory. It is held while any process has a copy of the file open, so it can be
/// passed to a process that outlives this one. `stop_orphan` stops the server of a dead holder.
pub(crate) fn lock(
    dir: &Path,
    cancelled: Cancelled,
    stop_orphan: impl Fn() -> Result<(), Error>,
) -> Result<File, Error> {
    let path = dir.join("lock");
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(&path)
        .map_err(Error::io("open", &path))?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => {
                return Err(Error::io("lock", &path)(error));
            }
            Err(TryLockError::WouldBlock) => {}
        }
        check(cancelled)?;
        let holder = fs::read_to_string(&path).unwrap_or_default();
        let limit = if is_alive(&holder) {
            HOLDER_PATIENCE
        } else {
            stop_orphan()?;
            ORPHAN_PATIENCE
        };
        if start.elapsed() > limit {
            let pid = if holder.is_empty() { "?".to_owned() } else { holder };
            return Err(Error::InUse { dir: dir.to_path_buf(), pid });
        }
        sleep(Duration::from_millis(5));
    }
    file.set_len(0)
        .and_then(|()| write!(file, "{}", std::process::id()))
        .map_err(Error::io("write", &path))?;
    Ok(file)
}

/// A directory for the socket of a cluster, if the socket cannot be in the cluster: its path would
/// be too long for the kernel, or not Unicode. The directory is created, is the same one every
/// time, and must be removed after use.
pub(crate) fn short_socket_dir(run_as: &RunAs, cluster: &Path) -> Result<Option<PathBuf>, Error> {
    let socket = cluster.join(SOCKET);
    if socket.to_str().is_some_and(|path| path.len() <= MAX_SOCKET_PATH) {
        return Ok(None);
    }
    let dir = Path::new("/tmp").join(format!("tandem-{}", hash(cluster)));
    match run_as.create_private_dir(&dir) {
        // Left behind by a crash of the machine, or planted by another user.
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
            check_trust(&dir, run_as.uid(), 0o077)?;
        }
        created => created?,
    }
    Ok(Some(dir))
}

pub(crate) fn create_passage(dir: &Path) -> Result<(), Error> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir).and_then(|()| set_passage(dir)).map_err(Error::io("create", dir))
}

/// Sets the mode after the creation, because the umask applies to the creation.
fn set_passage(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, Permissions::from_mode(PASSAGE))
}

/// Checks that `dir` is a directory, has this owner, and has none of these mode bits.
fn check_trust(dir: &Path, owner: u32, forbidden: u32) -> Result<(), Error> {
    let found = fs::symlink_metadata(dir).map_err(Error::io("inspect", dir))?;
    if found.is_dir() && found.uid() == owner && found.mode() & forbidden == 0 {
        return Ok(());
    }
    Err(Error::Untrusted { dir: dir.to_path_buf(), owner })
}

/// FNV-1a, because the result must be the same in every version of this program.
fn hash(path: &Path) -> String {
    let hash =
        path.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;

    #[test]
    fn root_downloads_only_to_where_postgresql_can_read_and_other_users_cannot_write() {
        let run_as = RunAs::detect().unwrap();
        let set_mode = |dir: &Path, mode| {
            fs::set_permissions(dir, Permissions::from_mode(mode)).unwrap();
        };
        let home = tempfile::tempdir_in("/tmp").unwrap();
        set_mode(home.path(), 0o755);
        let user_cache = home.path().join(".cache");
        let chosen = || cache_dir(&run_as, Some(&user_cache));
        let system_cache = Path::new("/var/cache/tandem/postgresql");
        assert_eq!(chosen(), user_cache.join("tandem/postgresql"));
        assert_eq!(cache_dir(&run_as, None), system_cache);
        if !run_as.is_switched() {
            return;
        }
        set_mode(home.path(), 0o700);
        assert_eq!(chosen(), system_cache);
        set_mode(home.path(), 0o777);
        assert_eq!(chosen(), system_cache);
        set_mode(home.path(), 0o755);
        chown(home.path(), Some(65534), None).unwrap();
        assert_eq!(chosen(), system_cache);
    }
}
