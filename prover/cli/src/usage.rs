//! What this process has used so far: processor time and memory, as the system counts them.

use serde_json::{json, Value};

/// Processor time over all threads and the greatest resident size; `None` where the system does not tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Seconds, user and system.
    pub(crate) cpu_s: Option<f64>,
    /// Bytes.
    pub(crate) peak_memory_bytes: Option<u64>,
}

impl Usage {
    /// Since the process began.
    pub(crate) fn so_far() -> Usage {
        Usage {
            cpu_s: cpu_s(),
            peak_memory_bytes: peak_memory_bytes(),
        }
    }

    /// As it stands in the JSON of commands.
    pub(crate) fn to_json(self) -> Value {
        json!({"cpu_s": self.cpu_s, "peak_memory_bytes": self.peak_memory_bytes})
    }

    /// What [`Usage::to_json`] wrote.
    pub(crate) fn from_json(value: &Value) -> Usage {
        Usage {
            cpu_s: value["cpu_s"].as_f64(),
            peak_memory_bytes: value["peak_memory_bytes"].as_u64(),
        }
    }
}

#[cfg(unix)]
fn cpu_s() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
}

#[cfg(not(unix))]
fn cpu_s() -> Option<f64> {
    None
}

/// Linux keeps the high-water mark in /proc; elsewhere there is no file to read.
fn peak_memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
