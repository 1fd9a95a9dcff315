//! Reads from /proc what processes and the machine have used, so that each measurement carries its own noise.

use std::collections::BTreeMap;
use std::fs;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// /proc counts in USER_HZ, which is 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process with its descendants, under a name: `app=4711`.
#[derive(Clone)]
pub struct Group {
    name: String,
    pid: u32,
}

impl FromStr for Group {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, pid) = text.split_once('=').ok_or("write it as NAME=PID")?;
        let pid = pid.parse().map_err(|_| format!("{pid} is no process id"))?;
        Ok(Self {
            name: name.to_owned(),
            pid,
        })
    }
}

/// CPU seconds used until one moment.
pub struct Reading {
    at: Instant,
    machine: Machine,
    tool: f64,
    groups: Vec<f64>,
}

struct Machine {
    /// All but idle and steal. Interrupts are in it, because the kernel charges them to the processes that they interrupt.
    busy: f64,
    softirq: f64,
    steal: f64,
}

struct Process {
    parent: u32,
    /// Its own time, and that of the children it has waited for.
    cpu: f64,
}

impl Reading {
    pub fn take(groups: &[Group]) -> Result<Self> {
        let all = processes()?;
        Ok(Self {
            at: Instant::now(),
            machine: machine()?,
            tool: all.get(&std::process::id()).map_or(0.0, |own| own.cpu),
            groups: groups
                .iter()
                .map(|group| tree(&all, group.pid).map(|pid| all[&pid].cpu).sum())
                .collect(),
        })
    }

    /// What was used since, and the memory now. `other_cores` is the work of neither the groups nor this tool;
    /// the machine's time is sampled and the processes' is not, so it may fall a little below nothing.
    pub fn until_now(&self, groups: &[Group], answers: u64) -> Result<Value> {
        let now = Self::take(groups)?;
        let all = processes()?;
        let seconds = (now.at - self.at).as_secs_f64();
        let tool = now.tool - self.tool;
        let mut known = tool;
        let mut named = Map::new();
        for (index, group) in groups.iter().enumerate() {
            let cpu = now.groups[index] - self.groups[index];
            known += cpu;
            let pids: Vec<u32> = tree(&all, group.pid).collect();
            named.insert(
                group.name.clone(),
                json!({
                    "cpu_seconds": cpu,
                    "cpu_us_per_answer": (answers > 0).then(|| cpu * 1e6 / answers as f64),
                    "pss_mb": memory_mb(&pids, "Pss:"),
                    "rss_mb": memory_mb(&pids, "Rss:"),
                }),
            );
        }
        let busy = now.machine.busy - self.machine.busy;
        Ok(json!({
            "seconds": seconds,
            "processes": named,
            "tool_cpu_seconds": tool,
            "busy_cores": busy / seconds,
            "softirq_cores": (now.machine.softirq - self.machine.softirq) / seconds,
            "steal_cores": (now.machine.steal - self.machine.steal) / seconds,
            "other_cores": (busy - known) / seconds,
        }))
    }
}

pub async fn watch(groups: &[Group], duration: Duration) -> Result<Value> {
    let before = Reading::take(groups)?;
    tokio::time::sleep(duration).await;
    before.until_now(groups, 0)
}

fn machine() -> Result<Machine> {
    let stat = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    // cpu user nice system idle iowait irq softirq steal …
    let ticks: Vec<f64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    let second = |index: usize| ticks.get(index).map_or(0.0, |count| count / TICKS_PER_SECOND);
    let softirq = second(5) + second(6);
    Ok(Machine {
        busy: second(0) + second(1) + second(2) + softirq,
        softirq,
        steal: second(7),
    })
}

fn processes() -> Result<BTreeMap<u32, Process>> {
    let entries = fs::read_dir("/proc").context("/proc")?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // A process may end between the listing and the reading: then it is not there.
    Ok(pids.filter_map(|pid| Some((pid, process(pid)?))).collect())
}

fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, so count from its end: state ppid … utime stime cutime cstime.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields
        .get(11..15)?
        .iter()
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        cpu: ticks / TICKS_PER_SECOND,
    })
}

fn tree(all: &BTreeMap<u32, Process>, root: u32) -> impl Iterator<Item = u32> {
    all.keys().copied().filter(move |pid| descends(all, *pid, root))
}

fn descends(all: &BTreeMap<u32, Process>, pid: u32, root: u32) -> bool {
    let mut current = pid;
    while current != root {
        match all.get(&current) {
            Some(process) if process.parent != 0 => current = process.parent,
            _ => return false,
        }
    }
    true
}

/// None when a process is somebody else's, or gone.
fn memory_mb(pids: &[u32], field: &str) -> Option<f64> {
    let kilobytes: Option<Vec<f64>> = pids.iter().map(|pid| rollup(*pid, field)).collect();
    kilobytes
        .filter(|each| !each.is_empty())
        .map(|each| each.iter().sum::<f64>() / 1024.0)
}

fn rollup(pid: u32, field: &str) -> Option<f64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
