//! How callers call: over connections of their own, a number of calls in flight on each, as fast as
//! they get answers or at a fixed rate, for a time that is measured after a time that is not.

use std::{
    net::SocketAddr,
    rc::Rc,
    thread::{self, sleep},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http::{HeaderValue, Method, uri::PathAndQuery};
use prost::Message;
use tokio::{
    runtime,
    task::{LocalSet, spawn_local},
};

use self::{
    connection::Connection,
    schedule::{Schedule, Share},
};
use crate::usage::Meter;

mod connection;
mod grpc;
mod http1;
mod schedule;

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

/// Somebody who makes one call after the other.
pub(crate) trait Caller {
    /// The next call.
    fn next(&mut self) -> Call;

    /// Looks at the answer to it: the message of a call that succeeded.
    ///
    /// # Errors
    /// It is not what was to be expected, and so the measurement is worth nothing.
    fn check(&mut self, answer: Bytes) -> anyhow::Result<()>;
}

/// A caller, by their number.
pub(crate) type Callers<'a> = dyn Fn(usize) -> Box<dyn Caller + Send> + Sync + 'a;

/// Where calls go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) protocol: Protocol,
}

/// How they are carried.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Grpc,
    Http1,
}

/// How many call, how fast, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// On each connection.
    pub(crate) in_flight: usize,
    pub(crate) pace: Pace,
    /// Until everything is warm; it does not count.
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
}

/// When calls are made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each caller calls as soon as they have an answer: a closed loop.
    Unbounded,
    /// So many calls a second fall due, whatever becomes of those before: an open loop. Latency
    /// counts from when a call was due, so that a wait for a free caller is not left out.
    PerSecond(f64),
}

/// The processes whose CPU time counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meters {
    pub(crate) service: Meter,
    pub(crate) postgres: Meter,
}

/// What one measurement has found.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) calls_per_second: f64,
    /// In microseconds.
    pub(crate) latency: Option<Histogram<u64>>,
    /// CPU time of each call, in microseconds.
    pub(crate) service_cpu: Option<f64>,
    pub(crate) postgres_cpu: f64,
    pub(crate) client_cpu: Option<f64>,
    /// All calls from the beginning to the end, the warm-up's, too.
    pub(crate) all_calls: u64,
}

/// What some of the callers have seen.
struct Seen {
    latency: Histogram<u64>,
    all_calls: u64,
}

/// CPU time so far.
struct Cpu {
    service: Duration,
    postgres: Duration,
    client: Duration,
}

/// Lets callers call.
pub(crate) fn run(
    target: Target,
    load: Load,
    meters: Meters,
    callers: &Callers<'_>,
) -> anyhow::Result<Measured> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(load.connections);
    let schedule = Schedule::begin(&load, threads);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let numbers = (thread..load.connections).step_by(threads);
                let connections: Vec<Vec<_>> = numbers
                    .map(|i| (0..load.in_flight).map(|j| callers(i * load.in_flight + j)).collect())
                    .collect();
                let schedule = schedule.clone();
                scope.spawn(move || work(target, connections, Share::new(schedule, thread)))
            })
            .collect();
        scope.spawn(|| schedule.tick());
        sleep(schedule.from.saturating_duration_since(Instant::now()));
        let before = meters.read()?;
        sleep(schedule.until.saturating_duration_since(Instant::now()));
        let after = meters.read()?;
        let mut all = Seen::nothing();
        for worker in workers {
            all.add(&worker.join().expect("a worker does not panic")?);
        }
        Ok(Measured::new(all, load.duration, &before, &after))
    })
}

/// One thread of the load: some of the connections, on a runtime of its own, so that no call moves
/// between threads.
fn work(
    target: Target,
    connections: Vec<Vec<Box<dyn Caller + Send>>>,
    share: Share,
) -> anyhow::Result<Seen> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let share = Rc::new(share);
    LocalSet::new().block_on(&runtime, async {
        let mut calling = Vec::new();
        for callers in connections {
            let connection = Connection::open(target).await?;
            for caller in callers {
                let calls = call_until_end(connection.clone(), caller, share.clone());
                calling.push(spawn_local(calls));
            }
        }
        share.pace().await;
        let mut all = Seen::nothing();
        for calls in calling {
            all.add(&calls.await??);
        }
        Ok(all)
    })
}

async fn call_until_end(
    connection: Connection,
    mut caller: Box<dyn Caller>,
    share: Rc<Share>,
) -> anyhow::Result<Seen> {
    let mut seen = Seen::nothing();
    while let Some(due) = share.next().await {
        let answer = connection.call(caller.next()).await?;
        let now = Instant::now();
        if share.counts(now) {
            seen.latency.record(u64::try_from((now - due).as_micros())?)?;
        }
        seen.all_calls += 1;
        caller.check(answer)?;
    }
    Ok(seen)
}

impl Seen {
    fn nothing() -> Self {
        let latency = Histogram::new(3).expect("three digits are possible");
        Self { latency, all_calls: 0 }
    }

    fn add(&mut self, other: &Self) {
        self.latency += &other.latency;
        self.all_calls += other.all_calls;
    }
}

impl Meters {
    fn read(self) -> anyhow::Result<Cpu> {
        Ok(Cpu {
            service: self.service.read()?,
            postgres: self.postgres.read()?,
            client: Meter::Process(std::process::id()).read()?,
        })
    }
}

impl Measured {
    #[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
    fn new(seen: Seen, duration: Duration, before: &Cpu, after: &Cpu) -> Self {
        let calls = seen.latency.len() as f64;
        let each = |before: Duration, after: Duration| {
            after.saturating_sub(before).as_secs_f64() * 1e6 / calls
        };
        Self {
            calls_per_second: calls / duration.as_secs_f64(),
            latency: Some(seen.latency),
            service_cpu: Some(each(before.service, after.service)),
            postgres_cpu: each(before.postgres, after.postgres),
            client_cpu: Some(each(before.client, after.client)),
            all_calls: seen.all_calls,
        }
    }

    /// A percentile of the latency, in milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "it is microseconds of seconds")]
    pub(crate) fn percentile(&self, percent: f64) -> Option<f64> {
        let latency = self.latency.as_ref().filter(|latency| !latency.is_empty())?;
        Some(latency.value_at_percentile(percent) as f64 / 1000.0)
    }
}
