use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::Error;

/// How much of what a program printed goes into an error.
const LAST_LINES: usize = 5;

/// Runs a program on a file to its end: no input, untranslated output. An exit code that is not among `good` is an error.
pub(super) fn run(program: &'static str, options: &[&str], file: &Path, good: &[i32]) -> Result<(), Error> {
    run_with(program, options, &[], file, good).map(drop)
}

/// The same, with more in the program's environment; what it printed.
pub(super) fn run_with(
    program: &'static str,
    options: &[&str],
    environment: &[(&str, &str)],
    file: &Path,
    good: &[i32],
) -> Result<String, Error> {
    let failed = |status: String, output: String| Error::Failed { program, status, output };
    let mut command = Command::new(find(program).ok_or(Error::Missing { program })?);
    command.args(options).arg(file).envs(environment.iter().copied());
    let (status, printed) = ended(&mut command).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::Missing { program },
        _ => failed(error.to_string(), String::new()),
    })?;
    match status.code() {
        Some(code) if good.contains(&code) => Ok(printed),
        _ => Err(failed(status.to_string(), last_lines(&printed))),
    }
}

/// What a program says of itself, on either output.
pub(super) fn output(program: &'static str, options: &[&str]) -> Option<String> {
    Some(ended(Command::new(find(program)?).args(options)).ok()?.1)
}

/// How a program ended, and what it printed. It is given by its whole path, and has no PATH of its own: so it is spawned, where
/// else this process would be copied.
fn ended(command: &mut Command) -> io::Result<(ExitStatus, String)> {
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output()?;
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    tracing::debug!(?command, status = %output.status, output = printed.trim(), "ran");
    Ok((output.status, printed))
}

/// Where a program is: these are the superuser's, whose directories are not on everybody's path.
fn find(program: &str) -> Option<PathBuf> {
    let places = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&places).chain(["/usr/sbin".into(), "/sbin".into()]);
    dirs.map(|dir| dir.join(program)).find(|path| path.is_file())
}

fn last_lines(printed: &str) -> String {
    let lines: Vec<_> = printed.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, good: &[i32]) -> Result<(), Error> {
        run("sh", &["-c", script], Path::new("image"), good)
    }

    #[test]
    fn an_exit_code_is_good_only_where_it_is_named() {
        assert!(shell("exit 1", &[0, 1]).is_ok());
        let text = shell("echo one; echo two >&2; exit 4", &[0, 1]).unwrap_err().to_string();
        assert_eq!(text, "sh ended with exit status: 4: one; two");
    }

    #[test]
    fn a_signal_is_a_failure_and_only_the_last_lines_are_told() {
        let text = shell("seq 9; kill -9 $$", &[0]).unwrap_err().to_string();
        assert_eq!(text, "sh ended with signal: 9 (SIGKILL): 5; 6; 7; 8; 9");
    }

    #[test]
    fn there_is_no_input_and_no_translation() {
        assert!(shell("test -z \"$(cat)\" && test $LC_ALL = C", &[0]).is_ok());
    }

    #[test]
    fn a_missing_program_names_its_package() {
        assert!(matches!(run("no-such-program", &[], Path::new("image"), &[0]), Err(Error::Missing { .. })));
        let text = Error::Missing { program: "mkfs.xfs" }.to_string();
        assert_eq!(text, "mkfs.xfs is not installed (Debian package xfsprogs)");
    }
}
