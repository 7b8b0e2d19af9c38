//! A network with nothing but its loopback: what works inside of it works with the cable cut.
//!
//! A story that calls [`cut`] runs again in a program of its own inside a network namespace that it makes; the machine's
//! network stays as it is. Where programs for that are missing, the story is skipped as for any other.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::time::Duration;

use super::need::program;
use super::process::run_within;

/// Set inside.
const INSIDE: &str = "SITEWARDEN_STORY_NETWORK";

/// A walk over all pages takes minutes on a busy machine.
const LIMIT: Duration = Duration::from_secs(400);

/// True inside of the cut network, where the story goes on. Outside it runs the story inside and gives false.
///
/// # Panics
/// When the story fails inside, with all that it said.
pub(crate) async fn cut(story: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let (Some(unshare), Some(_ip)) = (program("unshare"), program("ip")) else { return false };
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let mut command = Command::new(unshare);
    // Whoever is not root becomes one inside a namespace of users, and root there owns the network alone.
    command.args(if root { ["--net"].as_slice() } else { &["--map-root-user", "--net"] });
    command.args(["sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; ip link set lo up && exec \"$@\"", "sh"]);
    command.arg(std::env::current_exe().expect("the stories' program"));
    command.args(["--exact", story, "--nocapture"]).env(INSIDE, "cut");

    let said = run_within(LIMIT, &mut command, b"").await.success();

    assert!(said.contains("1 passed"), "the story did not run inside: {said}");
    false
}
