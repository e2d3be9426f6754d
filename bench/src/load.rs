//! How callers call: over connections of their own, a number of calls in flight on each, for a time
//! that is measured after a time that is not.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    thread::{self, sleep},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http::HeaderValue;
use tokio::{runtime, task::LocalSet};

use self::connection::Connection;
pub(crate) use self::connection::framed;
use crate::cpu::Meter;

mod connection;

/// A call to make.
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) authorization: HeaderValue,
    pub(crate) body: Bytes,
}

/// Somebody who makes one call after the other.
pub(crate) trait Caller: Send {
    /// The next call.
    fn next(&mut self) -> Call;

    /// Looks at the answer to it.
    ///
    /// # Errors
    /// It is not what was to be expected, and so the measurement is worth nothing.
    fn check(&mut self, answer: Bytes) -> anyhow::Result<()>;
}

/// How many call, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// On each connection.
    pub(crate) in_flight: usize,
    /// Until everything is warm; it does not count.
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
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
}

/// CPU time so far.
pub(crate) struct Cpu {
    service: Duration,
    postgres: Duration,
    client: Duration,
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

/// What the callers are to do: the phases of a measurement.
const WARM_UP: u8 = 0;
const MEASURE: u8 = 1;
const END: u8 = 2;

/// Lets callers call as fast as they get answers.
pub(crate) fn closed_loop<C: Caller + 'static>(
    address: SocketAddr,
    load: Load,
    meters: Meters,
    caller: impl Fn(usize) -> C + Sync,
) -> anyhow::Result<Measured> {
    let phase = Arc::new(AtomicU8::new(WARM_UP));
    let threads = thread::available_parallelism().map_or(1, usize::from).min(load.connections);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let connections = (thread..load.connections).step_by(threads);
                let callers: Vec<Vec<C>> = connections
                    .map(|i| (0..load.in_flight).map(|j| caller(i * load.in_flight + j)).collect())
                    .collect();
                let phase = phase.clone();
                scope.spawn(move || work(address, callers, &phase))
            })
            .collect();
        sleep(load.warm_up);
        let before = meters.read()?;
        let start = Instant::now();
        phase.store(MEASURE, Ordering::Relaxed);
        sleep(load.duration);
        phase.store(END, Ordering::Relaxed);
        let elapsed = start.elapsed();
        let after = meters.read()?;
        let mut latency = new_histogram();
        for worker in workers {
            latency += worker.join().expect("a worker does not panic")?;
        }
        Ok(Measured::new(latency, elapsed, &before, &after))
    })
}

impl Measured {
    #[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
    fn new(latency: Histogram<u64>, elapsed: Duration, before: &Cpu, after: &Cpu) -> Self {
        let calls = latency.len() as f64;
        let each = |before: Duration, after: Duration| (after - before).as_secs_f64() * 1e6 / calls;
        Self {
            calls_per_second: calls / elapsed.as_secs_f64(),
            latency: Some(latency),
            service_cpu: Some(each(before.service, after.service)),
            postgres_cpu: each(before.postgres, after.postgres),
            client_cpu: Some(each(before.client, after.client)),
        }
    }
}

fn new_histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are possible")
}

/// One thread of the load: some of the connections, on a runtime of its own, so that no call moves
/// between threads.
fn work<C: Caller + 'static>(
    address: SocketAddr,
    connections: Vec<Vec<C>>,
    phase: &Arc<AtomicU8>,
) -> anyhow::Result<Histogram<u64>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut calling = Vec::new();
        for callers in connections {
            let connection = Connection::open(address).await?;
            for caller in callers {
                let calls = call_until_end(connection.clone(), caller, phase.clone());
                calling.push(tokio::task::spawn_local(calls));
            }
        }
        let mut latency = new_histogram();
        for calls in calling {
            latency += calls.await??;
        }
        Ok(latency)
    })
}

async fn call_until_end(
    connection: Connection,
    mut caller: impl Caller,
    phase: Arc<AtomicU8>,
) -> anyhow::Result<Histogram<u64>> {
    let mut latency = new_histogram();
    loop {
        let call = caller.next();
        let start = Instant::now();
        let answer = connection.call(call).await?;
        let took = start.elapsed();
        match phase.load(Ordering::Relaxed) {
            WARM_UP => {}
            MEASURE => latency.record(u64::try_from(took.as_micros())?)?,
            _ => return Ok(latency),
        }
        caller.check(answer)?;
    }
}
