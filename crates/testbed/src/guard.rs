//! Ends the processes that we started and removes their folders when this process is gone, even after a SIGKILL.
//!
//! One small shell per process of ours reads a list from a pipe. The kernel closes that pipe when we end, however we end,
//! and the shell then kills and removes what is still on the list. It must not depend on anything but a POSIX shell.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result};

/// Signals that reach a whole terminal group are ignored, else Ctrl-C would end the guard before its work.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
pids='' dirs=''
while IFS=' ' read -r verb what; do
  case $verb in
    watch) pids="$pids $what" ;;
    release) left=''; for p in $pids; do [ "$p" = "$what" ] || left="$left $p"; done; pids=$left ;;
    remove) dirs="$dirs$what
" ;;
  esac
done
for p in $pids; do kill -9 "$p" 2>/dev/null; done
printf '%s' "$dirs" | while IFS= read -r dir; do rm -rf "$dir" || { sleep 1; rm -rf "$dir"; }; done
"#;

struct Guard {
    list: Mutex<ChildStdin>,
}

static GUARD: OnceLock<Guard> = OnceLock::new();

/// Starts a command as a child that ends when this process ends, in its own process group, so that Ctrl-C reaches only us
/// and the order of shutdown stays ours.
pub fn spawn(command: &mut Command) -> Result<Child> {
    start()?;
    let child = command
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
    tell("watch", &child.id().to_string())?;
    Ok(child)
}

/// Takes a process that has ended from the list, before its id can be used again.
pub fn release(pid: u32) {
    // Nothing is lost if the guard is gone: the process has ended already.
    let _ = tell("release", &pid.to_string());
}

/// Has a folder removed when this process is gone.
pub fn remove_at_exit(folder: &Path) -> Result<()> {
    start()?;
    tell("remove", &folder.to_string_lossy())
}

fn start() -> Result<()> {
    if GUARD.get().is_some() {
        return Ok(());
    }
    let mut shell = Command::new("sh")
        .args(["-c", SCRIPT])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start a shell that guards our processes")?;
    let list = Mutex::new(shell.stdin.take().context("the guard should have a pipe")?);
    // A second guard from a race gets an empty list, and ends with this function.
    let _ = GUARD.set(Guard { list });
    Ok(())
}

fn tell(verb: &str, what: &str) -> Result<()> {
    let guard = GUARD.get().context("the guard is not running")?;
    let mut list = guard.list.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(list, "{verb} {what}").context("the guard of our processes has ended")
}
