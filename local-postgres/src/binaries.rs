//! Finds installed PostgreSQL server binaries. Running a server with them is not here.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Error;

/// Older major versions are not tested.
pub(crate) const OLDEST_MAJOR: u32 = 15;

/// One installed major version.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Installation {
    /// Holds `postgres` and `initdb`; resolved, without symbolic links.
    pub(crate) bin_dir: PathBuf,
    pub(crate) major: u32,
}

/// The installation for a directory that holds data of these major versions; the newest one if the
/// list is empty.
pub(crate) fn find(data_dir: &Path, data_majors: &[u32]) -> Result<Installation, Error> {
    let Surroundings { pg_bin_dir, path } = surroundings();
    let installed = match pg_bin_dir {
        Some(dir) => vec![from_bin_dir(dir)?],
        None => installations_in(usual_places(&path)),
    };
    choose(installed, data_dir, data_majors)
}

struct Surroundings {
    pg_bin_dir: Option<PathBuf>,
    path: Vec<PathBuf>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the location of programs is a fact about the machine, not a setting of a service"
)]
fn surroundings() -> Surroundings {
    Surroundings {
        pg_bin_dir: env::var_os("PG_BIN_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from),
        path: env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default(),
    }
}

fn from_bin_dir(dir: PathBuf) -> Result<Installation, Error> {
    let problem = match installation(&dir) {
        Some(found) if found.major >= OLDEST_MAJOR => return Ok(found),
        Some(found) => format!("holds PostgreSQL {}", found.major),
        None => "does not hold a working `postgres` and `initdb`".to_owned(),
    };
    Err(Error::BadBinDir { dir, problem })
}

/// Directories that may hold `postgres`, preferred ones first.
fn usual_places(path: &[PathBuf]) -> Vec<PathBuf> {
    let mut places = path.to_vec();
    places.extend(output(Command::new("pg_config").arg("--bindir")).map(PathBuf::from));
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

/// Newest major version first. Installations of the same major version keep the order of `places`.
fn installations_in(places: Vec<PathBuf>) -> Vec<Installation> {
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for place in places {
        // Often a link, such as /usr/local/bin/postgres to /usr/lib/postgresql/15/bin/postgres.
        let Ok(program) = fs::canonicalize(place.join("postgres")) else { continue };
        let Some(bin_dir) = program.parent().map(Path::to_path_buf) else { continue };
        if !seen.contains(&bin_dir) {
            found.extend(installation(&bin_dir));
            seen.push(bin_dir);
        }
    }
    found.sort_by_key(|installation| std::cmp::Reverse(installation.major));
    found
}

fn installation(dir: &Path) -> Option<Installation> {
    let program = fs::canonicalize(dir.join("postgres")).ok()?;
    let bin_dir = program.parent()?.to_path_buf();
    let version = output(Command::new(&program).arg("--version"))?;
    let major = major_in(&version)?;
    bin_dir.join("initdb").is_file().then_some(Installation { bin_dir, major })
}

/// 15 from `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, and 19 from `… 19devel`.
fn major_in(version: &str) -> Option<u32> {
    let number = version.split_once(')')?.1.trim_start();
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn choose(
    installed: Vec<Installation>,
    data_dir: &Path,
    data_majors: &[u32],
) -> Result<Installation, Error> {
    let (usable, older): (Vec<_>, Vec<_>) =
        installed.into_iter().partition(|found| found.major >= OLDEST_MAJOR);
    let Some(newest) = usable.first() else {
        return Err(Error::NotInstalled { older: older.first().map(|found| found.major) });
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
    use super::*;

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
        let root = tempfile::tempdir().unwrap();
        let old = install(root.path(), "a", "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)");
        let new = install(root.path(), "b", "postgres (PostgreSQL) 19devel");
        let same = install(root.path(), "c", "postgres (PostgreSQL) 15.1");
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&old, &link).unwrap();
        let places = vec![root.path().join("none"), old.clone(), link, new.clone(), same.clone()];
        let found: Vec<_> =
            installations_in(places).into_iter().map(|i| (i.bin_dir, i.major)).collect();
        assert_eq!(found, [(new, 19), (old, 15), (same, 15)]);
    }

    #[test]
    fn the_major_version_of_existing_data_is_chosen() {
        let installed = |majors: &[u32]| -> Vec<Installation> {
            let bin_dir = PathBuf::from("/bin");
            majors.iter().map(|&major| Installation { bin_dir: bin_dir.clone(), major }).collect()
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
    fn the_error_says_what_is_missing_and_how_to_install_it() {
        let none = choose(vec![], Path::new("/data"), &[]).unwrap_err().to_string();
        assert!(none.contains("none is installed"), "{none}");
        for hint in ["apt", "dnf", "apk", "brew", "DATABASE_URL", "docker compose up"] {
            assert!(none.contains(hint), "{none}");
        }
        let root = tempfile::tempdir().unwrap();
        let old = install(root.path(), "old", "postgres (PostgreSQL) 14.2");
        let found = installations_in(vec![old.clone()]);
        let too_old = choose(found, Path::new("/data"), &[]).unwrap_err().to_string();
        assert!(too_old.contains("the newest installed is 14"), "{too_old}");
        let bin_dir = from_bin_dir(old).unwrap_err().to_string();
        assert!(bin_dir.contains("holds PostgreSQL 14"), "{bin_dir}");
    }
}
