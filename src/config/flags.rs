use super::check;
use super::{Config, Fault};

/// What the command line and the environment say; it goes before the file, the flag before the variable. Empty is not given:
/// a manifest may name a variable that nobody has filled in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Overrides {
    /// `--driver-name`.
    pub driver_name: Option<String>,
    /// `--node-name`.
    pub node_name: Option<String>,
    /// `NODE_NAME`, as a pod has it from the downward API.
    pub node_env: Option<String>,
}

impl Overrides {
    pub(super) fn driver_name(&self, file: Option<&str>, faults: &mut Vec<Fault>) -> String {
        let all = [("--driver-name", given(self.driver_name.as_ref())), ("driverName", file)];
        let (key, name) = first(all).unwrap_or(("driverName", Config::DRIVER_NAME));
        check::keep(faults, key, check::driver_name(name)).unwrap_or_default()
    }

    pub(super) fn node_name(&self, file: Option<&str>, faults: &mut Vec<Fault>) -> Option<String> {
        let all = [
            ("--node-name", given(self.node_name.as_ref())),
            ("NODE_NAME", given(self.node_env.as_ref())),
            ("nodeName", file),
        ];
        let (key, name) = first(all)?;
        check::keep(faults, key, check::node_name(name))
    }
}

fn given(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str).filter(|value| !value.is_empty())
}

fn first<'a>(all: impl IntoIterator<Item = (&'static str, Option<&'a str>)>) -> Option<(&'static str, &'a str)> {
    all.into_iter().find_map(|(key, value)| value.map(|value| (key, value)))
}
