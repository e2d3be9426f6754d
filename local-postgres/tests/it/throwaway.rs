//! A server that is removed after use.

use std::{path::Path, thread};

use local_postgres::LocalPostgres;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{cluster_of, eventually_left, execute, postmaster_of, query};

#[test]
fn concurrent_servers_leave_nothing() {
    let clusters = thread::scope(|scope| {
        let servers = [(); 4].map(|()| {
            scope.spawn(|| {
                let server = LocalPostgres::throwaway().unwrap();
                let cluster = cluster_of(&server.url("postgres"));
                assert_eq!(query(&server.url("postgres"), "current_setting('fsync')"), "off");
                assert!(cluster.exists());
                server.stop().unwrap();
                cluster
            })
        });
        servers.map(|server| server.join().unwrap())
    });
    for cluster in clusters {
        let home = cluster.parent().unwrap();
        assert!(!home.exists());
        eventually_left(home);
    }
}

#[test]
fn a_drop_removes_the_directory() {
    let server = LocalPostgres::throwaway().unwrap();
    let cluster = cluster_of(&server.url("postgres"));
    drop(server);
    assert!(!cluster.parent().unwrap().exists());
}

#[test]
fn an_outage_keeps_data_and_url() {
    let mut server = LocalPostgres::throwaway().unwrap();
    let url = server.url("postgres");
    execute(&url, "create table kept as select 42 as answer");
    let cluster = cluster_of(&url);
    server.halt().unwrap();
    assert!(!Path::new(&cluster).join("postmaster.pid").exists());
    server.resume().unwrap();
    assert_eq!(server.url("postgres"), url);
    assert_eq!(query(&url, "select answer from kept"), "42");
}

#[test]
fn the_server_recovers_from_a_crash() {
    let mut server = LocalPostgres::throwaway().unwrap();
    let url = server.url("postgres");
    let kill_postmaster = || {
        let postmaster = postmaster_of(&cluster_of(&url));
        kill(Pid::from_raw(postmaster), Signal::SIGKILL).unwrap();
    };
    kill_postmaster();
    let crashed = server.halt().unwrap_err().to_string();
    assert!(crashed.contains("signal: 9"), "{crashed}");
    server.resume().unwrap();
    assert_eq!(query(&url, "1 + 1"), "2");
    kill_postmaster();
    server.resume().unwrap();
    assert_eq!(query(&url, "1 + 1"), "2");
}
