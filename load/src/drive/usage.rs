//! What this program and the programs that it started use: processor time and memory.

use std::collections::BTreeMap;
use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// What was used up to a moment, or between two.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) generator: Duration,
    /// All processes below this one, by the name of their program.
    pub(crate) programs: BTreeMap<String, Used>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// Processor time of all its processes.
    pub(crate) processor: Duration,
    /// Resident bytes of the largest of its processes, because they may share memory.
    pub(crate) resident: u64,
}

impl Usage {
    /// Asks the operating system; it is empty where that does not answer.
    pub(crate) fn now() -> Self {
        let mut usage = Self::default();
        let (Ok(mut system), Ok(own)) = (System::new(), sysinfo::get_current_pid()) else {
            return usage;
        };
        let wanted = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, wanted);
        for process in system.processes().values() {
            let processor = Duration::from_millis(process.accumulated_cpu_time());
            if process.pid() == own {
                usage.generator = processor;
            } else if descends(&system, process.parent(), own) {
                let name = process.name().to_string_lossy().into_owned();
                let used = usage.programs.entry(name).or_default();
                used.processor += processor;
                used.resident = used.resident.max(process.memory());
            }
        }
        usage
    }

    /// What was used since an earlier moment, and the memory of now.
    pub(crate) fn since(mut self, earlier: &Self) -> Self {
        self.generator = self.generator.saturating_sub(earlier.generator);
        for (program, used) in &mut self.programs {
            let before = earlier.programs.get(program).copied().unwrap_or_default();
            used.processor = used.processor.saturating_sub(before.processor);
        }
        self
    }
}

fn descends(system: &System, mut parent: Option<Pid>, from: Pid) -> bool {
    // The bound ends a circle, which can appear when ids are reused in between.
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
        let names: Vec<&String> = usage.programs.keys().collect();
        assert_eq!(names, ["sleep"]);
        assert!(usage.programs["sleep"].resident > 0);
    }

    #[test]
    fn earlier_use_does_not_count() {
        let of = |millis, programs: &[(&str, u64)]| Usage {
            generator: Duration::from_millis(millis),
            programs: programs
                .iter()
                .map(|(name, millis)| {
                    let processor = Duration::from_millis(*millis);
                    ((*name).to_owned(), Used { processor, resident: 7 })
                })
                .collect(),
        };
        let since = of(9, &[("a", 130), ("b", 20)]).since(&of(4, &[("a", 100)]));
        assert_eq!(since, of(5, &[("a", 30), ("b", 20)]));
    }
}
