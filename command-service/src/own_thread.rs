//! A task on a thread of its own.
//!
//! On the shared threads, a task that is woken takes its turn behind all others that were woken
//! before: with hundreds of connections those are milliseconds. A thread's turn comes from the
//! operating system, which soon runs one that mostly waits.

use std::io;
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Runs a task on a thread of this name, with sockets and timers of its own. The handle ends as that of a
/// spawned task does, and aborting it ends the task where it next waits; to be called inside a runtime.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn spawn<F>(name: &'static str, task: F) -> io::Result<JoinHandle<()>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let aborted = CancellationToken::new();
    let abort_on_drop = aborted.clone().drop_guard();
    let (done, ended) = oneshot::channel();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let ran = Builder::new_current_thread().enable_all().build().map(|runtime| {
            runtime.block_on(aborted.run_until_cancelled_owned(task));
        });
        drop(done.send(ran));
    })?;
    Ok(tokio::spawn(async move {
        let _aborted_with_this = abort_on_drop;
        let ran = ended.await.expect("a thread says when it is done, unless it panics");
        if let Err(error) = ran {
            tracing::error!(%error, "there is no runtime for the thread {name}");
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn a_task_works_on_a_thread_of_its_name_to_its_end() {
        let (tell, told) = oneshot::channel();
        let work = async move {
            // With its own timer: on a thread without one this panics.
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            drop(tell.send(thread::current().name().map(str::to_owned)));
        };
        let working = spawn("worker", work).expect("a thread");
        assert_eq!(told.await.expect("it runs").as_deref(), Some("worker"));
        working.await.expect("it ends well");
    }

    #[tokio::test]
    async fn a_panic_is_told_like_that_of_any_task() {
        let working = spawn("worker", async { panic!("as it is meant to") }).expect("a thread");
        assert!(working.await.expect_err("a panic").is_panic());
    }

    #[tokio::test]
    async fn an_aborted_task_is_dropped() {
        let (held, dropped) = oneshot::channel::<()>();
        let working = spawn("worker", async move {
            let _held = held;
            pending::<()>().await;
        });
        working.expect("a thread").abort();
        dropped.await.expect_err("it is dropped without a word");
    }
}
