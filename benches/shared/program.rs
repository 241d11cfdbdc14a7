//! The program under test.

use std::process::Command;

/// `ullage`, told nothing by the environment of whoever measures: a variable of his would be a flag.
pub(crate) fn ullage() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ullage"));
    for (name, _) in std::env::vars_os() {
        if name == "NODE_NAME" || name.to_string_lossy().starts_with("ULLAGE_") {
            command.env_remove(name);
        }
    }
    command
}
