//! Programs as children: bounded runs of short ones, long-running ones with their output kept.
//!
//! Ends what it started by process id, never by name. Output is read by threads, so that a full pipe never
//! stops the program under test.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::wait::{LIMIT, wait_for, wait_within};

/// What a program that ended said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Its standard output, if it ended well.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert!(self.status.success(), "{}\n{}\n{}", self.status, self.stdout, self.stderr);
        self.stdout
    }
}

/// Runs a program to its end with this input.
///
/// # Panics
/// When it cannot be started or has not ended after [`LIMIT`]; it is killed then.
pub(crate) async fn run(command: &mut Command, input: &[u8]) -> Finished {
    run_within(LIMIT, command, input).await
}

/// As [`run`], for what takes longer.
///
/// # Panics
/// When it cannot be started or has not ended after `limit`; it is killed then.
pub(crate) async fn run_within(limit: Duration, command: &mut Command, input: &[u8]) -> Finished {
    let mut child = Running::start(command.stdin(Stdio::piped()));
    if let Some(mut stdin) = child.child.stdin.take() {
        let input = input.to_vec();
        // On its own thread: the program may write more than a pipe holds before it has read all.
        std::thread::spawn(move || stdin.write_all(&input));
    }
    let status = child.ended_within(limit).await;
    child.readers.drain(..).for_each(|reader| reader.join().expect("a reader does not panic"));
    Finished { status, stdout: child.stdout.text(), stderr: child.stderr.text() }
}

/// Lines that a program has written so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn text(&self) -> String {
        self.all().join("\n")
    }

    fn read(&self, pipe: impl Read + Send + 'static) -> JoinHandle<()> {
        let lines = self.clone();
        std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                lines.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                line.clear();
            }
        })
    }
}

/// A program that runs until it is ended or dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    readers: Vec<JoinHandle<()>>,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
}

impl Running {
    /// Starts it with both outputs kept.
    ///
    /// # Panics
    /// When it cannot be started.
    pub(crate) fn start(command: &mut Command) -> Self {
        let started = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = started.unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
        let (stdout, stderr) = (Lines::default(), Lines::default());
        let readers = vec![
            stdout.read(child.stdout.take().expect("stdout is piped")),
            stderr.read(child.stderr.take().expect("stderr is piped")),
        ];
        Self { child, readers, stdout, stderr }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// `None` while it runs.
    pub(crate) fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// Waits for its own end.
    ///
    /// # Panics
    /// After [`LIMIT`].
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.ended_within(LIMIT).await
    }

    async fn ended_within(&mut self, limit: Duration) -> ExitStatus {
        let program = self.child.id();
        wait_within(limit, &format!("process {program} to end"), || {
            let status = self.status();
            let said = self.stderr.clone();
            async move { status.ok_or_else(|| format!("still running; it said: {}", said.text())) }
        })
        .await
    }

    /// Sends a signal by name (`TERM`, `INT`, `STOP`, ..).
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), "--", &self.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name} {}", self.id());
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

#[tokio::test]
async fn a_program_gets_its_input_and_gives_its_outputs() {
    let done = run(Command::new("sh").args(["-c", "cat; echo bad >&2; exit 3"]), b"one\ntwo\n").await;

    assert_eq!((done.status.code(), &*done.stdout, &*done.stderr), (Some(3), "one\ntwo", "bad"));
}

#[tokio::test]
async fn a_running_program_is_ended_by_a_signal() {
    let mut program =
        Running::start(Command::new("sh").args(["-c", "echo up; exec cat"]).stdin(Stdio::piped()));
    wait_for("its first line", || {
        let lines = program.stdout.all();
        async move { lines.first().cloned().ok_or_else(|| "nothing".to_owned()) }
    })
    .await;

    program.signal("TERM");

    assert_eq!(program.ended().await.code(), None);
}
