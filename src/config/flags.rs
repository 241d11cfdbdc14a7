use super::check;
use super::{Config, Fault};

/// What the command line and the environment say; it goes before the file, the flag before the variable.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Overrides {
    /// `--driver-name`.
    pub driver_name: Option<String>,
    /// `--node-name`.
    pub node_name: Option<String>,
    /// `NODE_NAME`, as a pod has it from the downward API. Empty is not given.
    pub node_env: Option<String>,
}

impl Overrides {
    pub(super) fn driver_name(&self, file: Option<&str>, faults: &mut Vec<Fault>) -> String {
        let given = [("--driver-name", self.driver_name.as_deref()), ("driverName", file)];
        let (key, name) = first(given).unwrap_or(("driverName", Config::DRIVER_NAME));
        check::keep(faults, key, check::driver_name(name)).unwrap_or_default()
    }

    pub(super) fn node_name(&self, file: Option<&str>, faults: &mut Vec<Fault>) -> Option<String> {
        let env = self.node_env.as_deref().filter(|name| !name.is_empty());
        let given = [("--node-name", self.node_name.as_deref()), ("NODE_NAME", env), ("nodeName", file)];
        let (key, name) = first(given)?;
        check::keep(faults, key, check::node_name(name))
    }
}

fn first<'a>(given: impl IntoIterator<Item = (&'static str, Option<&'a str>)>) -> Option<(&'static str, &'a str)> {
    given.into_iter().find_map(|(key, value)| value.map(|value| (key, value)))
}
