//! Both services behind a connection pooler that drops the settings of their sessions.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use nix::sys::signal::Signal;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use test_support::TestDatabase;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixStream},
};
use url::Url;

use crate::support::{Program, command, directory, document};

/// Starts a pooler in front of PostgreSQL. Returns its address.
async fn start_pooler(database: &TestDatabase) -> SocketAddr {
    let url: Url = database.url().parse().expect("it is a URL");
    let host = url.query_pairs().find(|(key, _)| key == "host").expect("it has a socket").1;
    let socket = PathBuf::from(host.into_owned()).join(".s.PGSQL.5432");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pool(client, socket.clone()));
        }
    });
    address
}

async fn pool(mut client: TcpStream, socket: PathBuf) -> io::Result<()> {
    let mut server = UnixStream::connect(socket).await?;
    let length = client.read_u32().await? as usize;
    let mut startup = vec![0; length - size_of::<u32>()];
    client.read_exact(&mut startup).await?;
    let (version, parameters) = startup.split_at(size_of::<u32>());
    let words: Vec<_> = parameters.split_inclusive(|byte| *byte == 0).collect();
    let kept = words.chunks(2).filter(|pair| pair[0] != b"options\0").flatten().copied();
    let startup = [&[version][..], &kept.collect::<Vec<_>>()].concat().concat();
    let length = size_of::<u32>() + startup.len();
    server.write_u32(u32::try_from(length).expect("it is short")).await?;
    server.write_all(&startup).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// Starts the services as a superuser. Returns the settings that their log reports as missing.
async fn missing_settings(dir: &Path, pooler: SocketAddr) -> BTreeSet<String> {
    let log = dir.join("log");
    let mut program = Program::run(
        command(dir)
            .env("DATABASE_URL", format!("postgres://postgres@{pooler}/postgres?sslmode=disable"))
            .stderr(File::create(&log).expect("it can be made")),
    );
    let token = program.log_in(&program.register().await).await;
    program.create(&token, "behind a pooler").await;
    program.end(Signal::SIGTERM).await;
    let log = fs::read_to_string(log).expect("it is text");
    let lines = log.lines().filter_map(|line| line.split_once("sessions lack settings"));
    let lists = lines.map(|(_, list)| list.split('"').nth(1).expect("the settings are quoted"));
    lists.flat_map(|list| list.split(", ")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_the_settings_that_the_role_needs_and_both_roles_have_them() {
    let database = TestDatabase::create_on_own_server().await;
    let (dir, pooler) = (directory(), start_pooler(&database).await);
    let needed = missing_settings(dir.path(), pooler).await;
    assert!(needed.contains("statement_timeout = '3000'"), "{needed:?}");
    assert!(needed.contains("plan_cache_mode = 'force_generic_plan'"), "{needed:?}");

    for setting in &needed {
        database.execute(format!("alter role postgres set {setting}")).await;
    }
    assert_eq!(missing_settings(dir.path(), pooler).await, BTreeSet::new());

    database.execute(document("deploy/roles.sql")).await;
    for role in ["auth_service", "task_service"] {
        let planning = ["plan_cache_mode", "enable_seqscan", "jit"];
        let is_planning = |one: &str| planning.iter().any(|name| one.starts_with(name));
        let expected = needed.iter().filter(|one| role == "task_service" || !is_planning(one));
        assert_eq!(settings_of(role, &database).await, expected.cloned().collect(), "{role}");
    }
}

async fn settings_of(role: &str, database: &TestDatabase) -> BTreeSet<String> {
    let mut connection = PgConnection::connect(database.url()).await.expect("it is there");
    let query = format!("select unnest(rolconfig) from pg_roles where rolname = '{role}'");
    let settings: Vec<String> = sqlx::query_scalar(AssertSqlSafe(query))
        .fetch_all(&mut connection)
        .await
        .expect("every role can read it");
    let spelled = settings.iter().map(|setting| setting.replacen('=', " = '", 1) + "'");
    spelled.collect()
}
