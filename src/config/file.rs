use serde::Deserialize;

use super::{Config, Defaults, Fault, LimitSettings, Overcommit, Overrides, PoolConfig, PoolImage, Reserve};
use super::{check, places};
use crate::model::Backend;
use crate::projects::ProjectRange;

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
    project_ids: Option<String>,
    projects_file: Option<bool>,
    projects_directory: Option<String>,
    image: Option<Image>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Image {
    file: String,
    size: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wishes {
    size: Option<String>,
    fs: Option<String>,
}

impl File {
    /// A file that says nothing but where the pool `default` lies, and how its volumes are made.
    pub(super) fn with_pool(path: &str, backend: &str) -> Self {
        let backend = Some(backend.to_owned());
        let pool = Pool { name: "default".to_owned(), path: path.to_owned(), backend, ..Pool::default() };
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
        // Of limits nobody should be promised what another has; sparse volumes are asked for as such.
        let overcommit = match backend {
            Some(Backend::Quota) => Overcommit::NONE,
            _ => Overcommit::Unlimited,
        };
        let overcommit = self.overcommit.as_deref().map_or(Ok(overcommit), check::overcommit);
        let overcommit = check::keep(faults, &key("overcommit"), overcommit);
        let limits = self.limits(backend, &key, faults);
        Some(PoolConfig {
            name: name?,
            path: path?,
            backend: backend?,
            require_mount_point: self.require_mount_point.unwrap_or(false),
            reserve: reserve?,
            overcommit: overcommit?,
            limits: limits?,
        })
    }

    /// What only a pool of limits may be told.
    fn limits(
        &self,
        backend: Option<Backend>,
        key: &dyn Fn(&str) -> String,
        faults: &mut Vec<Fault>,
    ) -> Option<LimitSettings> {
        let told = [
            ("projectIds", self.project_ids.is_some()),
            ("projectsFile", self.projects_file.is_some()),
            ("projectsDirectory", self.projects_directory.is_some()),
            ("image", self.image.is_some()),
        ];
        if backend == Some(Backend::Loop) {
            let others = told.iter().filter(|(_, is_told)| *is_told);
            faults.extend(others.map(|(name, _)| Fault::new(key(name), "only a pool with backend quota has it")));
        }
        let projects = self.project_ids.as_deref().map_or(Ok(ProjectRange::default()), check::project_range);
        let projects = check::keep(faults, &key("projectIds"), projects);
        let etc = places::directory(self.projects_directory.as_deref().unwrap_or("/etc"));
        let etc = check::keep(faults, &key("projectsDirectory"), etc);
        let image = self.image.as_ref().map(|image| {
            let file = check::keep(faults, &key("image.file"), places::directory(&image.file));
            let size = check::keep(faults, &key("image.size"), check::image_size(&image.size));
            Some(PoolImage { file: file?, size: size? })
        });
        let writes_names = self.projects_file.unwrap_or(false);
        Some(LimitSettings {
            projects: projects?,
            etc: etc?,
            writes_names,
            image: image.map_or(Some(None), |image| image.map(Some))?,
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
