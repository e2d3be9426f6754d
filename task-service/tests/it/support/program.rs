//! The real program, for tests that kill it, read its log or set variables of the process.

use std::net::{SocketAddr, TcpListener};

use test_support::{TestDatabase, eventually};
use tonic::transport::{Channel, Endpoint};

const PATH: &str = env!("CARGO_BIN_EXE_task-service");

/// The settings of a program that can be restarted at the same address.
pub(crate) struct Program<'a> {
    variables: Vec<(&'a str, &'a str)>,
    address: SocketAddr,
}

impl<'a> Program<'a> {
    /// A program on this database, with the keys at this URL and these variables.
    pub(crate) fn new(
        database: &'a TestDatabase,
        jwks_url: &'a str,
        variables: &[(&'a str, &'a str)],
    ) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = free.local_addr().expect("the listener is bound");
        let own = [
            ("DATABASE_URL", database.url()),
            ("TASK_JWKS_URL", jwks_url),
            ("TASK_OPS_LISTEN_ADDRESS", "127.0.0.1:0"),
            ("RUST_LOG", "off"),
        ];
        Self { variables: [&own, variables].concat(), address }
    }

    /// Starts the program.
    pub(crate) fn start(&self) -> test_support::Program {
        let address = self.address.to_string();
        test_support::Program::start(PATH, &self.variables(&address))
    }

    /// Starts the program with a log that is never read.
    pub(crate) fn start_unread(&self) -> test_support::Program {
        let address = self.address.to_string();
        test_support::Program::start_unread(PATH, &self.variables(&address))
    }

    fn variables<'b>(&'b self, address: &'b str) -> Vec<(&'b str, &'b str)> {
        [&self.variables[..], &[("TASK_LISTEN_ADDRESS", address)]].concat()
    }

    /// Waits until the program is ready.
    pub(crate) async fn ready(&self) {
        let ready = async || tandem_server::is_ready(self.address).await;
        eventually("the program is ready", ready).await;
    }

    /// A connection to the program, which reopens after a restart.
    pub(crate) fn channel(&self) -> Channel {
        let url = format!("http://{}", self.address);
        Endpoint::from_shared(url).expect("an address is a URL").connect_lazy()
    }
}
