//! Memory, idle and with a thousand connections, and the time until a started process is ready.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use proto::{
    auth::v1::{GetJsonWebKeySetRequest, auth_service_client::AuthServiceClient},
    task::v1::{GetTaskRequest, ListTasksRequest, task_service_client::TaskServiceClient},
};
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};

use super::{Finding, Study};
use crate::{
    environment::{DATABASE, Environment, Owners, Process, Tokens, task_id},
    load::median,
    progress,
};

const CONNECTIONS: u64 = 1000;
const STARTS: usize = 5;
/// The time until a service has freed the memory that its start needed.
const SETTLE: Duration = Duration::from_secs(2);

pub(super) fn measure(environment: &mut Environment) -> anyhow::Result<Vec<Finding>> {
    let mut found = Vec::new();
    for (name, settings) in [
        ("task-service", environment.task_settings(DATABASE)),
        ("auth-service", environment.auth_settings()),
    ] {
        let found_of = |what: &str, value, unit| {
            Study::Footprint.found(format!("{name}, {what}"), value, unit)
        };
        progress::print(format_args!("    {name}"));
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            let start = Instant::now();
            let _process = environment.start_service(&settings)?;
            starts.push(start.elapsed().as_secs_f64() * 1000.0);
        }
        let process = environment.start_service(&settings)?;
        sleep(SETTLE);
        let idle = process.resident_mib()?;
        let channels = connect(environment, &process, name)?;
        sleep(SETTLE);
        let connected = process.resident_mib()?;
        if name == "task-service" {
            list(environment, &channels)?;
            sleep(SETTLE);
            let what = "with 1,000 connections and cached pages";
            found.push(found_of(what, process.resident_mib()?, "MiB"));
        }
        drop(channels);
        found.extend([
            found_of("ready after", median(starts).unwrap_or(f64::NAN), "ms"),
            found_of("idle", idle, "MiB"),
            found_of("with 1,000 connections", connected, "MiB"),
        ]);
    }
    Ok(found)
}

/// Opens connections, and makes a call on each.
fn connect(
    environment: &mut Environment,
    process: &Process,
    name: &str,
) -> anyhow::Result<Vec<Channel>> {
    let population = environment.dataset.population(Owners::Large);
    let tokens = environment.tokens(population);
    let endpoint = Endpoint::from_shared(format!("http://{}", process.address()))?;
    environment.runtime.block_on(async {
        let mut channels = Vec::new();
        for number in 0..CONNECTIONS {
            let channel = endpoint.connect().await?;
            if name == "auth-service" {
                let mut client = AuthServiceClient::new(channel.clone());
                client.get_json_web_key_set(GetJsonWebKeySetRequest {}).await?;
            } else {
                let owner = population.owner(number.try_into()?);
                let task_id = task_id(population.any_task(owner)).to_string();
                let request = request_by(&tokens, owner, GetTaskRequest { task_id })?;
                TaskServiceClient::new(channel.clone()).get_task(request).await?;
            }
            channels.push(channel);
        }
        Ok(channels)
    })
}

/// Lists the first page of each owner, so that the service caches it.
fn list(environment: &mut Environment, channels: &[Channel]) -> anyhow::Result<()> {
    let population = environment.dataset.population(Owners::Large);
    let tokens = environment.tokens(population);
    environment.runtime.block_on(async {
        for (number, channel) in channels.iter().enumerate() {
            let owner = population.owner(number);
            let request = request_by(&tokens, owner, ListTasksRequest::default())?;
            TaskServiceClient::new(channel.clone()).list_tasks(request).await?;
        }
        Ok(())
    })
}

fn request_by<T>(tokens: &Tokens, owner: u64, message: T) -> anyhow::Result<Request<T>> {
    let mut request = Request::new(message);
    let token = tokens.of(owner).to_str()?.parse().context("a token is ASCII")?;
    request.metadata_mut().insert("authorization", token);
    Ok(request)
}
