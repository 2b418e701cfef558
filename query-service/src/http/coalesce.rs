//! Point reads that share statements: many callers, few round trips, and no cache.
//!
//! A question that comes while a statement runs waits for the next one, never for the one that runs:
//! that may have looked before the question was there. So an answer is as fresh as if it had been
//! read alone, and the busier the service is, the more answers a statement brings.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::http::problem::Problem;

/// The most questions that one statement answers. The limit on concurrent requests also limits how many
/// questions wait.
const BATCH_MAX: usize = 256;

/// Questions of one kind, answered together.
#[derive(Debug)]
pub struct Coalesced<Question, Answer> {
    queue: Arc<Queue<Question, Answer>>,
}

type Asker<Answer> = oneshot::Sender<Result<Answer, Problem>>;

impl<Question, Answer> Coalesced<Question, Answer>
where
    Question: Ord + Clone + Send + 'static,
    Answer: Clone + Send + 'static,
{
    /// The answer of a statement that begins after this call. `read` answers many questions at once and
    /// must be the same for all callers. If the statement fails, all its questions fail.
    pub async fn ask<Reading>(
        &self,
        question: Question,
        read: impl Fn(Vec<Question>) -> Reading + Send + 'static,
    ) -> Result<Answer, Problem>
    where
        Reading: Future<Output = Result<BTreeMap<Question, Answer>, Problem>> + Send + 'static,
    {
        let (asker, answer) = oneshot::channel();
        if let Some(serving) = self.queue.join(question, asker) {
            // In a separate task, so that a caller who hangs up does not stop it for the others.
            tokio::spawn(serve(serving, read));
        }
        let left_out =
            || Problem::internal(&"a shared statement left a question without an answer");
        answer.await.unwrap_or_else(|_| Err(left_out()))
    }
}

impl<Question, Answer> Default for Coalesced<Question, Answer> {
    fn default() -> Self {
        let waiting = Waiting { questions: VecDeque::new(), is_served: false };
        Self { queue: Arc::new(Queue(Mutex::new(waiting))) }
    }
}

/// Runs statement after statement until no question waits.
async fn serve<Question, Answer, Reading>(
    serving: Serving<Question, Answer>,
    read: impl Fn(Vec<Question>) -> Reading,
) where
    Question: Ord + Clone,
    Answer: Clone,
    Reading: Future<Output = Result<BTreeMap<Question, Answer>, Problem>>,
{
    while let Some(batch) = serving.next() {
        // Callers with the same question share its answer.
        let mut askers: BTreeMap<Question, Vec<Asker<Answer>>> = BTreeMap::new();
        for (question, asker) in batch {
            askers.entry(question).or_default().push(asker);
        }
        let outcome = read(askers.keys().cloned().collect()).await;
        for (question, askers) in askers {
            let answer = match &outcome {
                Ok(answers) => answers.get(&question).cloned().map(Ok),
                Err(problem) => Some(Err(problem.clone())),
            };
            for asker in askers {
                if let Some(answer) = answer.clone() {
                    // A caller that has hung up needs no answer.
                    let _ = asker.send(answer);
                }
            }
        }
    }
}

#[derive(Debug)]
struct Queue<Question, Answer>(Mutex<Waiting<Question, Answer>>);

#[derive(Debug)]
struct Waiting<Question, Answer> {
    /// In the order of arrival.
    questions: VecDeque<(Question, Asker<Answer>)>,
    /// Whether a task answers them.
    is_served: bool,
}

impl<Question, Answer> Queue<Question, Answer> {
    /// Adds a question. The caller that finds the queue unserved has to serve it.
    fn join(
        self: &Arc<Self>,
        question: Question,
        asker: Asker<Answer>,
    ) -> Option<Serving<Question, Answer>> {
        let mut waiting = self.lock();
        waiting.questions.push_back((question, asker));
        let is_served = std::mem::replace(&mut waiting.is_served, true);
        (!is_served).then(|| Serving(Arc::clone(self)))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<Question, Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty to serve a queue.
struct Serving<Question, Answer>(Arc<Queue<Question, Answer>>);

impl<Question, Answer> Serving<Question, Answer> {
    /// The questions that have waited longest; if there are none, the duty is over.
    fn next(&self) -> Option<Vec<(Question, Asker<Answer>)>> {
        let mut waiting = self.0.lock();
        let count = waiting.questions.len().min(BATCH_MAX);
        waiting.is_served = count > 0;
        waiting.is_served.then(|| waiting.questions.drain(..count).collect())
    }
}

impl<Question, Answer> Drop for Serving<Question, Answer> {
    /// After a panic no caller is left waiting, and the next one serves the queue again.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut waiting = self.0.lock();
            waiting.questions.clear();
            waiting.is_served = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures::future::join_all;

    use super::*;
    use crate::http::problem::Code;

    /// A view that advances by itself. A statement sees the state at its beginning, and yields to other
    /// tasks a few times before it ends.
    #[derive(Debug, Default)]
    struct View {
        now: AtomicU64,
        statements: AtomicU64,
    }

    impl View {
        async fn read(self: Arc<Self>, keys: Vec<u64>) -> Result<BTreeMap<u64, u64>, Problem> {
            assert!((1..=BATCH_MAX).contains(&keys.len()));
            self.statements.fetch_add(1, Ordering::SeqCst);
            let seen = self.now.load(Ordering::SeqCst);
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            Ok(keys.into_iter().map(|key| (key, seen)).collect())
        }
    }

    fn reader(view: &Arc<View>) -> impl Fn(Vec<u64>) -> super::tests::Read + use<> {
        let view = Arc::clone(view);
        move |keys| Box::pin(Arc::clone(&view).read(keys))
    }

    type Read = std::pin::Pin<Box<dyn Future<Output = Result<BTreeMap<u64, u64>, Problem>> + Send>>;

    #[tokio::test]
    async fn many_callers_at_once_make_two_statements() {
        let (view, shared) = (Arc::new(View::default()), Coalesced::default());
        let callers = (0..200).map(|caller| shared.ask(caller % 7, reader(&view)));
        let answers = join_all(callers).await;
        assert!(answers.iter().all(Result::is_ok));
        assert!(view.statements.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test]
    async fn a_batch_is_bounded_and_all_are_answered() {
        let (view, shared) = (Arc::new(View::default()), Coalesced::default());
        let answers = join_all((0..1_000).map(|key| shared.ask(key, reader(&view)))).await;
        assert!(answers.iter().all(Result::is_ok));
        let statements = view.statements.load(Ordering::SeqCst);
        assert!((4..=6).contains(&statements), "{statements}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn an_answer_is_at_least_as_fresh_as_its_question() {
        let (view, shared) = (Arc::new(View::default()), Arc::new(Coalesced::default()));
        let caller = |key: u64| {
            let (view, shared) = (Arc::clone(&view), Arc::clone(&shared));
            tokio::spawn(async move {
                for _ in 0..200 {
                    let written = view.now.fetch_add(1, Ordering::SeqCst) + 1;
                    let seen = shared.ask(key % 3, reader(&view)).await.expect("an answer");
                    assert!(seen >= written, "saw {seen} after writing {written}");
                }
            })
        };
        for ended in join_all((0..32).map(caller)).await {
            ended.expect("no caller saw an old state");
        }
        let statements = view.statements.load(Ordering::SeqCst);
        assert!(statements < 32 * 200 / 4, "{statements} statements for {} reads", 32 * 200);
    }

    #[tokio::test]
    async fn a_failed_statement_does_not_fail_the_next_one() {
        let shared: Coalesced<u64, u64> = Coalesced::default();
        let fail = |_: Vec<u64>| async { Err(Problem::invalid_cursor()) };
        let failed = join_all((0..5).map(|key| shared.ask(key, fail))).await;
        assert!(
            failed
                .iter()
                .all(|one| matches!(one, Err(problem) if problem.code() == Code::InvalidCursor)),
            "{failed:?}"
        );
        let view = Arc::new(View::default());
        assert!(shared.ask(1, reader(&view)).await.is_ok());
    }

    #[tokio::test]
    async fn after_a_panic_no_caller_waits_forever() {
        let shared: Coalesced<u64, u64> = Coalesced::default();
        let panic = |keys: Vec<u64>| async move {
            assert!(keys.is_empty(), "a fault in the reading");
            Ok(BTreeMap::new())
        };
        let failed = join_all((0..3).map(|key| shared.ask(key, panic))).await;
        assert!(
            failed
                .iter()
                .all(|one| matches!(one, Err(problem) if problem.code() == Code::Internal)),
            "{failed:?}"
        );
        let view = Arc::new(View::default());
        assert!(shared.ask(1, reader(&view)).await.is_ok());
    }
}
