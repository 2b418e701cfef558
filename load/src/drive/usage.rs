//! What the programs started here use while they are driven: processor time and memory.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// The name under which a program's processes are counted together.
type Program = String;

/// What all processes below this one have used up to a moment.
#[derive(Debug)]
pub struct Usage(BTreeMap<Program, Used>);

/// What one program used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Processor time of all its processes.
    pub processor: Duration,
    /// Resident bytes of the largest of its processes: they may share them.
    pub resident: u64,
}

impl Usage {
    /// Reads it from the operating system; nothing where that does not tell.
    #[must_use]
    pub fn now() -> Self {
        let Ok(mut system) = System::new() else {
            return Self(BTreeMap::new());
        };
        let wanted = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, wanted);
        let own = sysinfo::get_current_pid().ok();
        let mut usage = BTreeMap::<Program, Used>::new();
        for process in system.processes().values() {
            if own.is_some_and(|own| descends(&system, process.parent(), own)) {
                let used = usage.entry(process.name().to_string_lossy().into_owned()).or_default();
                used.processor += Duration::from_millis(process.accumulated_cpu_time());
                used.resident = used.resident.max(process.memory());
            }
        }
        Self(usage)
    }

    /// What was used since an earlier moment, and the memory of now.
    #[must_use]
    pub fn since(self, earlier: &Self) -> BTreeMap<Program, Used> {
        let mut usage = self.0;
        for (program, used) in &mut usage {
            let before = earlier.0.get(program).map_or(Duration::ZERO, |used| used.processor);
            used.processor = used.processor.saturating_sub(before);
        }
        usage
    }
}

/// The processor time that this process itself has used so far.
pub(super) fn own_processor_time() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(used.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(used.tv_nsec).unwrap_or_default())
}

/// Whether a process is below another.
fn descends(system: &System, mut parent: Option<Pid>, from: Pid) -> bool {
    // As deep as anybody's processes are; a bound where ids are given out anew meanwhile.
    for _ in 0..16 {
        match parent {
            Some(pid) if pid == from => return true,
            Some(pid) => parent = system.process(pid).and_then(sysinfo::Process::parent),
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_started_here_is_counted_and_others_are_not() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let usage = Usage::now();
        child.kill().unwrap();
        child.wait().unwrap();
        let names: Vec<&String> = usage.0.keys().collect();
        assert_eq!(names, ["sleep"]);
        assert!(usage.0["sleep"].resident > 0);
    }

    #[test]
    fn what_was_used_before_does_not_count() {
        let of = |millis| Used { processor: Duration::from_millis(millis), resident: 7 };
        let earlier = Usage(BTreeMap::from([("a".to_owned(), of(100))]));
        let now = Usage(BTreeMap::from([("a".to_owned(), of(130)), ("b".to_owned(), of(20))]));
        let since = now.since(&earlier);
        assert_eq!(since, BTreeMap::from([("a".to_owned(), of(30)), ("b".to_owned(), of(20))]));
    }
}
