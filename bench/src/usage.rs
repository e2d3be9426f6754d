//! CPU time and memory of processes, from Linux: proc_pid_stat(5), proc_pid_status(5).

use std::{fs, time::Duration};

use anyhow::Context as _;
use nix::unistd::{SysconfVar, sysconf};

/// A process whose CPU time is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meter {
    /// This process alone.
    Process(u32),
    /// This process and its children, also those that have ended.
    Family(u32),
}

impl Meter {
    /// The CPU time since the start.
    pub(crate) fn read(self) -> anyhow::Result<Duration> {
        let ticks = match self {
            Self::Process(pid) => Stat::of(pid)?.own,
            Self::Family(pid) => {
                let parent = Stat::of(pid)?;
                let children = children_of(pid)?;
                // A child that ends meanwhile is in the parent's count at the next reading.
                let alive = children.iter().filter_map(|&child| Stat::of(child).ok());
                parent.own + parent.ended_children + alive.map(|child| child.own).sum::<u64>()
            }
        };
        let per_second = sysconf(SysconfVar::CLK_TCK)?.context("a tick has a length")?;
        Ok(Duration::from_secs(ticks) / u32::try_from(per_second)?)
    }
}

/// The resident memory of a process, in MiB.
#[expect(clippy::cast_precision_loss, reason = "memory is below 2^52 KiB")]
pub(crate) fn resident_mib(pid: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|text| text.trim().strip_suffix(" kB"));
    Ok(kib.context("a process has memory")?.parse::<u64>()? as f64 / 1024.0)
}

/// Whether this process exists.
pub(crate) fn is_alive(pid: u32) -> bool {
    Stat::of(pid).is_ok()
}

/// The parent of a process.
pub(crate) fn parent_of(pid: u32) -> anyhow::Result<u32> {
    Ok(Stat::of(pid)?.parent)
}

/// The fields of /proc/PID/stat that are used here. Times are in ticks.
struct Stat {
    parent: u32,
    own: u64,
    ended_children: u64,
}

impl Stat {
    fn of(pid: u32) -> anyhow::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("process {pid} does not exist"))?;
        // The name, in parentheses, may contain any character.
        let (_, rest) = stat.rsplit_once(')').context("stat has a name")?;
        let fields: Vec<_> = rest.split_whitespace().collect();
        let number = |field: usize| -> anyhow::Result<u64> {
            // Fields are numbered from 1, and `rest` starts with the third.
            Ok(fields.get(field - 3).context("stat is short")?.parse()?)
        };
        Ok(Self {
            parent: number(4)?.try_into()?,
            own: number(14)? + number(15)?,
            ended_children: number(16)? + number(17)?,
        })
    }
}

fn children_of(pid: u32) -> anyhow::Result<Vec<u32>> {
    let names = fs::read_dir("/proc")?.flatten().map(|entry| entry.file_name());
    let pids = names.filter_map(|name| name.to_str()?.parse().ok());
    Ok(pids.filter(|&child| parent_of(child).is_ok_and(|parent| parent == pid)).collect())
}
