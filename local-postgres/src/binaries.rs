//! Finds PostgreSQL server binaries: installed ones, otherwise the downloaded release. The download
//! and running a server with them are not here.

use std::{
    cmp::Reverse,
    env, fs,
    path::{Path, PathBuf},
};

use crate::{
    Error,
    download::{self, Release},
    places,
    run_as::RunAs,
    wait::Cancelled,
};

/// Older major versions are not tested.
pub(crate) const OLDEST_MAJOR: u32 = 15;

/// One installed major version.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Installation {
    /// Holds `postgres` and `initdb`; resolved, without symbolic links.
    pub(crate) bin_dir: PathBuf,
    pub(crate) major: u32,
}

impl Installation {
    pub(crate) fn postgres(&self) -> PathBuf {
        self.bin_dir.join("postgres")
    }
}

/// What a search finds.
#[derive(Debug, Default)]
struct Search {
    /// Newest major version first. Installations of the same one keep the order of the search.
    found: Vec<Installation>,
    /// Each directory with an unusable `postgres`, and the download, with the reason.
    skipped: Vec<String>,
}

/// The installation for a directory that holds data of these major versions; the newest one if the
/// list is empty. Downloads one if none is found.
pub(crate) fn find(
    run_as: &RunAs,
    data_dir: &Path,
    data_majors: &[u32],
    cancelled: Cancelled,
) -> Result<Installation, Error> {
    let Surroundings { pg_bin_dir, path, may_download, user_cache } = surroundings();
    if let Some(dir) = pg_bin_dir {
        let found = vec![from_bin_dir(run_as, dir)?];
        return choose(Search { found, ..Search::default() }, data_dir, data_majors);
    }
    let cache = places::cache_dir(run_as, user_cache.as_deref());
    let release = Release::for_this_machine();
    let mut places = usual_places(run_as, &path);
    places.extend(release.as_ref().map(|release| release.bin_dir(&cache)));
    let mut search = search(run_as, places);
    if search.found.iter().all(|found| found.major < OLDEST_MAJOR) {
        match downloadable(release, may_download, data_majors) {
            Ok(release) => search.found = vec![download(run_as, &release, &cache, cancelled)?],
            Err(reason) => search.skipped.push(format!("the download, because {reason}")),
        }
    }
    choose(search, data_dir, data_majors)
}

/// The release to download, or why none is downloaded.
fn downloadable(
    release: Option<Release>,
    may_download: bool,
    data_majors: &[u32],
) -> Result<Release, String> {
    if !may_download {
        return Err("PG_DOWNLOAD forbids it".to_owned());
    }
    let release = release.ok_or("it does not exist for this platform")?;
    match data_majors.iter().max() {
        Some(needed) if !data_majors.contains(&download::MAJOR) => {
            Err(format!("it is PostgreSQL {}, and the data need {needed}", download::MAJOR))
        }
        _ => Ok(release),
    }
}

fn download(
    run_as: &RunAs,
    release: &Release,
    cache: &Path,
    cancelled: Cancelled,
) -> Result<Installation, Error> {
    release.download(cache, cancelled)?;
    let dir = release.bin_dir(cache);
    installation(run_as, &dir).map_err(|problem| Error::BadDownload { dir, problem })
}

struct Surroundings {
    pg_bin_dir: Option<PathBuf>,
    path: Vec<PathBuf>,
    may_download: bool,
    user_cache: Option<PathBuf>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the location of programs is a fact about the machine, not a setting of a service"
)]
fn surroundings() -> Surroundings {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
    // The XDG Base Directory Specification ignores a relative path.
    let xdg = variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    Surroundings {
        pg_bin_dir: variable("PG_BIN_DIR").map(PathBuf::from),
        path: env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default(),
        may_download: variable("PG_DOWNLOAD").is_none_or(|value| value == "true"),
        user_cache: xdg.or_else(|| env::home_dir().map(|home| home.join(".cache"))),
    }
}

fn from_bin_dir(run_as: &RunAs, dir: PathBuf) -> Result<Installation, Error> {
    let problem = match installation(run_as, &dir) {
        Ok(found) if found.major >= OLDEST_MAJOR => return Ok(found),
        Ok(found) => format!("holds PostgreSQL {}", found.major),
        Err(problem) => problem,
    };
    Err(Error::BadBinDir { dir, problem })
}

/// Directories that may hold `postgres`, preferred ones first.
fn usual_places(run_as: &RunAs, path: &[PathBuf]) -> Vec<PathBuf> {
    let mut places = path.to_vec();
    let configured = path.iter().map(|dir| dir.join("pg_config"));
    let configured = configured.filter_map(|program| output(run_as, &program, "--bindir").ok());
    places.extend(configured.map(PathBuf::from));
    for (parent, prefix, tail) in [
        ("/usr/lib/postgresql", "", "bin"), // Debian, Ubuntu
        ("/usr", "pgsql-", "bin"),          // PostgreSQL's own RPMs
        ("/usr/libexec", "postgresql", ""), // Alpine
        ("/opt/homebrew/opt", "postgresql", "bin"),
        ("/usr/local/opt", "postgresql", "bin"), // Homebrew on Intel
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ] {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        places.extend(
            entries
                .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
                .map(|entry| entry.path().join(tail)),
        );
    }
    places
}

fn search(run_as: &RunAs, places: Vec<PathBuf>) -> Search {
    let mut seen = Vec::new();
    let mut search = Search::default();
    for place in places {
        // Often a link, such as /usr/local/bin/postgres to /usr/lib/postgresql/15/bin/postgres.
        let Ok(program) = fs::canonicalize(place.join("postgres")) else { continue };
        let Some(bin_dir) = program.parent().map(Path::to_path_buf) else { continue };
        if seen.contains(&bin_dir) {
            continue;
        }
        match installation(run_as, &bin_dir) {
            Ok(found) => search.found.push(found),
            Err(problem) => {
                tracing::warn!(dir = %bin_dir.display(), problem, "skipping a PostgreSQL");
                search.skipped.push(format!("{} {problem}", bin_dir.display()));
            }
        }
        seen.push(bin_dir);
    }
    search.found.sort_by_key(|found| Reverse(found.major));
    search
}

/// The installation in `dir`, or what is wrong with `dir` as the end of a sentence.
fn installation(run_as: &RunAs, dir: &Path) -> Result<Installation, String> {
    let unusable = || "does not hold a working `postgres` and `initdb`".to_owned();
    let program = fs::canonicalize(dir.join("postgres")).map_err(|_| unusable())?;
    let bin_dir = program.parent().ok_or_else(unusable)?.to_path_buf();
    let initdb = fs::canonicalize(bin_dir.join("initdb")).map_err(|_| unusable())?;
    check_trust(run_as, &initdb)?;
    let version = output(run_as, &program, "--version")?;
    let major = major_in(&version).ok_or_else(unusable)?;
    Ok(Installation { bin_dir, major })
}

/// The output of a program, or what is wrong with it as the end of a sentence.
fn output(run_as: &RunAs, program: &Path, argument: &str) -> Result<String, String> {
    let unusable = || format!("holds a program that does not work: {}", program.display());
    let program = fs::canonicalize(program).map_err(|_| unusable())?;
    check_trust(run_as, &program)?;
    let output = run_as.command(&program).arg(argument).output().map_err(|_| unusable())?;
    let output = output.status.success().then_some(output.stdout).ok_or_else(unusable)?;
    Ok(String::from_utf8_lossy(&output).trim().to_owned())
}

fn check_trust(run_as: &RunAs, program: &Path) -> Result<(), String> {
    match run_as.changeable_part(program) {
        None => Ok(()),
        Some(part) => Err(format!(
            "holds a program that root does not run, because other users can change {}",
            part.display()
        )),
    }
}

/// 15 from `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, and 19 from `… 19devel`.
fn major_in(version: &str) -> Option<u32> {
    let number = version.split_once(')')?.1.trim_start();
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

fn choose(search: Search, data_dir: &Path, data_majors: &[u32]) -> Result<Installation, Error> {
    let (usable, older): (Vec<_>, Vec<_>) =
        search.found.into_iter().partition(|found| found.major >= OLDEST_MAJOR);
    let Some(newest) = usable.first() else {
        let older = older.first().map(|found| found.major);
        return Err(Error::NotInstalled { older, skipped: search.skipped });
    };
    let Some(&needed) = data_majors.iter().max() else { return Ok(newest.clone()) };
    match usable.iter().find(|found| data_majors.contains(&found.major)) {
        Some(found) => Ok(found.clone()),
        None => Err(Error::MajorNotInstalled {
            dir: data_dir.to_path_buf(),
            needed,
            found: newest.major,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt, process::Command};

    use tempfile::TempDir;

    use super::*;

    /// A directory that PostgreSQL's user can enter.
    fn open_dir() -> TempDir {
        let open = Permissions::from_mode(0o755);
        tempfile::Builder::new().permissions(open).tempdir_in("/tmp").unwrap()
    }

    fn run_as() -> RunAs {
        RunAs::detect().unwrap()
    }

    /// Installs a script as `postgres`. Another process writes it, because Linux does not execute a
    /// file that this process, or a child that it forks meanwhile, has open for writing.
    fn install(root: &Path, name: &str, version: &str) -> PathBuf {
        let dir = root.join(name);
        let script = "mkdir $1; cd $1; echo \"#!/bin/sh\necho '$2'\" >postgres; \
                      touch initdb; chmod 755 postgres initdb";
        let args = ["-c", script, "sh", dir.to_str().unwrap(), version];
        assert!(Command::new("/bin/sh").args(args).status().unwrap().success());
        dir
    }

    #[test]
    fn the_newest_version_comes_first_and_a_link_is_not_counted_twice() {
        let root = open_dir();
        let old = install(root.path(), "a", "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)");
        let new = install(root.path(), "b", "postgres (PostgreSQL) 19devel");
        let same = install(root.path(), "c", "postgres (PostgreSQL) 15.1");
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&old, &link).unwrap();
        let places = vec![root.path().join("none"), old.clone(), link, new.clone(), same.clone()];
        let found = search(&run_as(), places).found;
        let found: Vec<_> = found.into_iter().map(|i| (i.bin_dir, i.major)).collect();
        assert_eq!(found, [(new, 19), (old, 15), (same, 15)]);
    }

    #[test]
    fn the_major_version_of_existing_data_is_chosen() {
        let installed = |majors: &[u32]| {
            let bin_dir = PathBuf::from("/bin");
            let found =
                majors.iter().map(|&major| Installation { bin_dir: bin_dir.clone(), major });
            Search { found: found.collect(), skipped: vec![] }
        };
        let choose = |majors: &[u32], data: &[u32]| {
            choose(installed(majors), Path::new("/data"), data).map(|found| found.major)
        };
        assert_eq!(choose(&[18, 16, 15], &[]).unwrap(), 18);
        assert_eq!(choose(&[18, 16, 15], &[15, 16]).unwrap(), 16);
        assert_eq!(choose(&[18, 15], &[15, 16]).unwrap(), 15);
        let missing = choose(&[18, 15], &[16]).unwrap_err();
        assert!(matches!(missing, Error::MajorNotInstalled { needed: 16, found: 18, .. }));
    }

    #[test]
    fn nothing_is_downloaded_if_it_is_forbidden_or_of_no_use() {
        let reason = |may_download, data_majors: &[u32]| {
            downloadable(Release::for_this_machine(), may_download, data_majors).err()
        };
        if Release::for_this_machine().is_some() {
            assert_eq!(reason(true, &[]), None);
            assert_eq!(reason(true, &[15, download::MAJOR]), None);
            assert!(reason(true, &[15, 16]).unwrap().contains("the data need 16"));
        }
        assert!(reason(false, &[]).unwrap().contains("PG_DOWNLOAD"));
        assert!(downloadable(None, true, &[]).unwrap_err().contains("this platform"));
    }

    #[test]
    fn the_error_says_what_is_missing_and_how_to_install_it() {
        let none = choose(Search::default(), Path::new("/data"), &[]).unwrap_err().to_string();
        assert!(none.contains("none is installed"), "{none}");
        for hint in ["apt", "dnf", "apk", "brew", "DATABASE_URL", "docker compose up"] {
            assert!(none.contains(hint), "{none}");
        }
        let root = open_dir();
        let old = install(root.path(), "old", "postgres (PostgreSQL) 14.2");
        let found = search(&run_as(), vec![old.clone()]);
        let too_old = choose(found, Path::new("/data"), &[]).unwrap_err().to_string();
        assert!(too_old.contains("the newest installed is 14"), "{too_old}");
        let bin_dir = from_bin_dir(&run_as(), old).unwrap_err().to_string();
        assert!(bin_dir.contains("holds PostgreSQL 14"), "{bin_dir}");
    }
}
