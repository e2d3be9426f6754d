//! The load: clients over connections of their own, with several calls in flight on each, as fast
//! as responses come or at a fixed rate. A warm-up is not measured.

use std::{
    fmt::{self, Display, Formatter},
    net::SocketAddr,
    rc::Rc,
    thread::{self, sleep},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Method, uri::PathAndQuery};
use prost::Message;
use tokio::{
    runtime,
    task::{LocalSet, spawn_local},
    time::timeout,
};

use self::{
    connection::Connection,
    measured::Tally,
    schedule::{Schedule, Share},
};

mod connection;
mod grpc;
mod http1;
mod measured;
mod schedule;

pub(crate) use measured::{Measured, Meters, median};

/// The time until caches and pools are warm.
pub(crate) const WARM_UP: Duration = Duration::from_secs(1);

/// A call to make.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: PathAndQuery,
    pub(crate) content_type: &'static str,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) body: Bytes,
}

impl Call {
    /// A call of a gRPC method.
    pub(crate) fn grpc(
        path: &'static str,
        authorization: Option<HeaderValue>,
        request: &impl Message,
    ) -> Self {
        Self {
            method: Method::POST,
            path: PathAndQuery::from_static(path),
            content_type: "application/grpc",
            authorization,
            body: grpc::framed(request),
        }
    }
}

/// Makes one call after the other.
pub(crate) trait Client {
    /// The next call.
    fn next(&mut self) -> Call;

    /// Checks the message of a successful response.
    ///
    /// # Errors
    /// The response is not the expected one. The call then counts as failed.
    fn check(&mut self, response: Bytes) -> anyhow::Result<()>;

    /// Drops what earlier responses taught, after a call that failed.
    fn forget(&mut self) {}
}

/// Makes the client with each number.
pub(crate) type NewClient = dyn Fn(usize) -> Box<dyn Client + Send> + Sync;

/// The destination of calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) protocol: Protocol,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Grpc,
    Http1,
}

/// The number of calls, their pace, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Calls in flight on each connection, at most.
    pub(crate) in_flight: usize,
    pub(crate) pace: Pace,
    /// The time before the measurement.
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    /// Cancels calls that take longer.
    pub(crate) cancel_after: Option<Duration>,
    /// Whether a failed call is counted. Otherwise it ends the run.
    pub(crate) may_fail: bool,
}

/// When calls are made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// A closed loop: each client makes its next call when it has a response.
    Unbounded,
    /// An open loop: calls fall due at this rate, however long earlier ones take. Latency counts
    /// from when a call was due, and so includes the wait for a free client.
    PerSecond(f64),
}

impl Load {
    /// A load in which no call may fail. The level is a number of connections, and of calls in
    /// flight on each.
    pub(crate) fn new(level: (usize, usize), pace: Pace, duration: Duration) -> Self {
        let (connections, in_flight) = level;
        let (warm_up, cancel_after, may_fail) = (WARM_UP, None, false);
        Self { connections, in_flight, pace, warm_up, duration, cancel_after, may_fail }
    }
}

impl Display for Load {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.pace {
            Pace::Unbounded => write!(f, "{} in flight", self.connections * self.in_flight),
            Pace::PerSecond(rate) => write!(f, "{rate:.0} calls/s"),
        }
    }
}

/// Runs a load, and measures it.
pub(crate) fn run(
    target: Target,
    load: Load,
    meters: Meters,
    new_client: &NewClient,
) -> anyhow::Result<Measured> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(load.connections);
    let schedule = Schedule::begin(&load, threads);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let numbers = (thread..load.connections).step_by(threads);
                let connections: Vec<Vec<_>> = numbers
                    .map(|i| {
                        (0..load.in_flight).map(|j| new_client(i * load.in_flight + j)).collect()
                    })
                    .collect();
                let schedule = schedule.clone();
                scope.spawn(move || work(target, load, connections, Share::new(schedule, thread)))
            })
            .collect();
        scope.spawn(|| schedule.tick());
        sleep(schedule.from.saturating_duration_since(Instant::now()));
        let before = meters.read()?;
        sleep(schedule.until.saturating_duration_since(Instant::now()));
        let after = meters.read()?;
        let mut all = Tally::default();
        for worker in workers {
            all.add(worker.join().expect("a worker does not panic")?);
        }
        Ok(Measured::new(all, load.duration, &before, &after))
    })
}

/// One thread of the load: some of the connections, on a runtime of its own, so that no call moves
/// between threads.
fn work(
    target: Target,
    load: Load,
    connections: Vec<Vec<Box<dyn Client + Send>>>,
    share: Share,
) -> anyhow::Result<Tally> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let share = Rc::new(share);
    LocalSet::new().block_on(&runtime, async {
        let mut calling = Vec::new();
        for clients in connections {
            let connection = Connection::open(target).await?;
            for client in clients {
                let calls = call_until_end(connection.clone(), client, load, share.clone());
                calling.push(spawn_local(calls));
            }
        }
        share.pace().await;
        let mut all = Tally::default();
        for calls in calling {
            all.add(calls.await??);
        }
        Ok(all)
    })
}

async fn call_until_end(
    connection: Connection,
    mut client: Box<dyn Client>,
    load: Load,
    share: Rc<Share>,
) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    while let Some(due) = share.next().await {
        tally.all_calls += 1;
        let call = connection.call(client.next());
        let response = match load.cancel_after {
            None => call.await,
            Some(limit) => match timeout(limit, call).await {
                Ok(response) => response,
                Err(_) => continue,
            },
        };
        let end = Instant::now();
        let is_measured = share.measures(due, end);
        match response.and_then(|response| client.check(response)) {
            Ok(()) if is_measured => tally.success(end - due)?,
            Ok(()) => {}
            Err(error) if !load.may_fail => return Err(error),
            Err(error) => {
                client.forget();
                if is_measured {
                    tally.failure(&error);
                }
            }
        }
    }
    Ok(tally)
}
