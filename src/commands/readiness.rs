use std::sync::Arc;

use tokio::sync::watch;

use super::quota::Watch;
use crate::csi::registration::Standing;
use crate::engine::{Engine, PoolStatus};

/// What `/readyz` asks.
pub(super) struct Readiness {
    pub(super) engine: Arc<Engine>,
    /// The volumes that are watched, where there are any.
    pub(super) watch: Option<Watch>,
    /// What the kubelet makes of the driver, where it shall hear of it.
    pub(super) kubelet: Option<watch::Receiver<Standing>>,
}

impl Readiness {
    /// Whether calls can be answered and will come, and every volume is there that is watched; where so, the pools that are
    /// refused beside those that serve.
    pub(super) fn ask(&self) -> Result<Vec<String>, String> {
        self.engine.ready()?;
        self.watch.as_ref().map_or(Ok(()), Watch::ready)?;
        match self.kubelet.as_ref().map(|standing| standing.borrow().clone()) {
            None | Some(Standing::Registered) => {}
            Some(Standing::Unheard) => {
                return Err("the kubelet has not registered the driver: does it watch --registration-dir?".to_owned());
            }
            Some(Standing::Refused(words)) => return Err(format!("the kubelet refuses the driver: {words}")),
        }
        let reason =
            |pool: PoolStatus| Some(format!("pool '{}' is not served: {}", pool.config.name, pool.room.err()?));
        Ok(self.engine.pools().into_iter().filter_map(reason).collect())
    }
}

#[cfg(test)]
#[cfg(feature = "fake")]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Overcommit, PoolConfig, Reserve};
    use crate::host::fake::Fake;
    use crate::model::{Backend, Bytes, PoolName};

    fn config(name: &str) -> PoolConfig {
        PoolConfig {
            name: PoolName::parse(name).unwrap(),
            path: Path::new("/").join(name),
            backend: Backend::Loop,
            require_mount_point: false,
            reserve: Reserve::Share(500),
            overcommit: Overcommit::Unlimited,
            limits: Default::default(),
        }
    }

    #[test]
    fn a_pool_refused_beside_others_is_named_though_ready() {
        let machine = Fake::new(Bytes::gib(100)).machine();
        let engine = Arc::new(Engine::new(machine.clone(), vec![config("a"), config("b")]));
        let readiness = Readiness { engine: engine.clone(), watch: None, kubelet: None };
        assert_eq!(readiness.ask(), Err("volumes are being recovered".to_owned()));
        engine.recover();
        assert!(readiness.ask().unwrap_err().starts_with("no pool is served: "));
        machine.files.create_dir(Path::new("/a")).unwrap();
        engine.tend();
        assert_eq!(readiness.ask(), Ok(vec!["pool 'b' is not served: /b does not exist".to_owned()]));
        machine.files.create_dir(Path::new("/b")).unwrap();
        engine.tend();
        assert_eq!(readiness.ask(), Ok(vec![]));
    }

    #[test]
    fn a_driver_that_the_kubelet_does_not_use_is_not_ready() {
        let machine = Fake::new(Bytes::gib(100)).machine();
        machine.files.create_dir(Path::new("/a")).unwrap();
        let engine = Arc::new(Engine::new(machine, vec![config("a")]));
        engine.recover();
        let (tell, told) = watch::channel(Standing::Unheard);
        let readiness = Readiness { engine, watch: None, kubelet: Some(told) };
        assert!(readiness.ask().unwrap_err().contains("--registration-dir"));
        tell.send_replace(Standing::Refused("no such version".to_owned()));
        assert_eq!(readiness.ask(), Err("the kubelet refuses the driver: no such version".to_owned()));
        tell.send_replace(Standing::Registered);
        assert_eq!(readiness.ask(), Ok(vec![]));
    }
}
