//! The real program, for tests that kill it or that set what one process has once.

use std::{
    net::{SocketAddr, TcpListener},
    process::Stdio,
};

use test_support::{TestDatabase, eventually};
use tokio::process::{Child, Command};
use tonic::transport::{Channel, Endpoint};

/// A program that can be started and started again where its clients look for it.
pub(crate) struct Program<'a> {
    variables: Vec<(&'a str, &'a str)>,
    address: SocketAddr,
}

impl<'a> Program<'a> {
    /// On this database, with the keys at this URL and these variables beside.
    pub(crate) fn new(
        database: &'a TestDatabase,
        jwks_url: &'a str,
        variables: &[(&'a str, &'a str)],
    ) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = free.local_addr().expect("it is bound");
        let own = [
            ("DATABASE_URL", database.url()),
            ("TASK_JWKS_URL", jwks_url),
            ("TASK_OPS_LISTEN_ADDRESS", "127.0.0.1:0"),
            ("RUST_LOG", "off"),
        ];
        Self { variables: [&own, variables].concat(), address }
    }

    /// Starts it. It is killed when what is returned is dropped.
    pub(crate) fn start(&self) -> Child {
        self.start_with_log(Stdio::null())
    }

    /// Starts it with its log there.
    pub(crate) fn start_with_log(&self, log: Stdio) -> Child {
        Command::new(env!("CARGO_BIN_EXE_task-service"))
            .env_clear()
            .envs(self.variables.iter().copied())
            .env("TASK_LISTEN_ADDRESS", self.address.to_string())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts")
    }

    /// Waits until it is.
    pub(crate) async fn ready(&self) {
        eventually("it is ready", async || tandem_server::is_ready(self.address).await).await;
    }

    /// A new channel to it, whenever it is there.
    pub(crate) fn channel(&self) -> Channel {
        let url = format!("http://{}", self.address);
        Endpoint::from_shared(url).expect("it is a URL").connect_lazy()
    }
}
