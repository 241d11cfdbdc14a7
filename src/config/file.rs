use serde::Deserialize;

use super::{Config, Defaults, Fault, Overcommit, Overrides, PoolConfig, Reserve};
use super::{check, places};
use crate::model::Backend;

/// The file as it is written. Numbers stay text until they are checked, so that a fault can show what was written.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct File {
    driver_name: Option<String>,
    node_name: Option<String>,
    pools: Option<Vec<Pool>>,
    defaults: Option<Wishes>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pool {
    name: String,
    path: String,
    backend: Option<String>,
    require_mount_point: Option<bool>,
    reserve: Option<String>,
    overcommit: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wishes {
    size: Option<String>,
    fs: Option<String>,
}

impl File {
    /// A file that says nothing but where the pool `default` lies.
    pub(super) fn with_pool(path: &str) -> Self {
        let pool = Pool { name: "default".to_owned(), path: path.to_owned(), ..Pool::default() };
        Self { pools: Some(vec![pool]), ..Self::default() }
    }
}

/// The configuration that a file and the flags mean, or everything that is wrong with them.
pub(super) fn checked(file: File, overrides: &Overrides) -> Result<Config, Vec<Fault>> {
    let mut faults = Vec::new();
    let config = Config {
        driver_name: overrides.driver_name(file.driver_name.as_deref(), &mut faults),
        node_name: overrides.node_name(file.node_name.as_deref(), &mut faults),
        pools: pools(file.pools.as_deref().unwrap_or_default(), &mut faults),
        defaults: defaults(&file.defaults.unwrap_or_default(), &mut faults),
    };
    if faults.is_empty() { Ok(config) } else { Err(faults) }
}

fn pools(written: &[Pool], faults: &mut Vec<Fault>) -> Vec<PoolConfig> {
    if written.is_empty() {
        faults.push(Fault::new("pools", "there is none: give at least one, with a name and a path"));
    }
    let indexed = written.iter().enumerate();
    let pools: Vec<_> = indexed.filter_map(|(index, pool)| Some((index, pool.checked(index, faults)?))).collect();
    places::apart(&pools, faults);
    pools.into_iter().map(|(_, pool)| pool).collect()
}

impl Pool {
    fn checked(&self, index: usize, faults: &mut Vec<Fault>) -> Option<PoolConfig> {
        let key = |key: &str| format!("pools[{index}].{key}");
        let name = check::keep(faults, &key("name"), check::pool_name(&self.name));
        let path = check::keep(faults, &key("path"), places::directory(&self.path));
        let backend = self.backend.as_deref().map_or(Ok(Backend::Loop), check::backend);
        let backend = check::keep(faults, &key("backend"), backend);
        let reserve = self.reserve.as_deref().map_or(Ok(Reserve::Share(500)), check::reserve);
        let reserve = check::keep(faults, &key("reserve"), reserve);
        let overcommit = self.overcommit.as_deref().map_or(Ok(Overcommit::Unlimited), check::overcommit);
        let overcommit = check::keep(faults, &key("overcommit"), overcommit);
        Some(PoolConfig {
            name: name?,
            path: path?,
            backend: backend?,
            require_mount_point: self.require_mount_point.unwrap_or(false),
            reserve: reserve?,
            overcommit: overcommit?,
        })
    }
}

fn defaults(written: &Wishes, faults: &mut Vec<Fault>) -> Defaults {
    let mut defaults = Defaults::default();
    if let Some(text) = &written.size
        && let Some(size) = check::keep(faults, "defaults.size", check::default_size(text))
    {
        defaults.size = size;
    }
    if let Some(text) = &written.fs
        && let Some(fs) = check::keep(faults, "defaults.fs", check::default_fs(text))
    {
        defaults.fs = fs;
    }
    check::keep(faults, "defaults.fs", check::together(&defaults));
    defaults
}

#[cfg(test)]
mod tests;
