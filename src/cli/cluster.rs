use clap::{Args, Subcommand};

use crate::commands::{Result, cluster};
use crate::k8s::Fixed;

/// `ullage cluster`.
#[derive(Args, Debug)]
pub(super) struct Cluster {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Fail while volumes of a driver exist, and name them: before it is uninstalled
    CheckUninstall {
        /// The CSI driver's name
        #[arg(
            long,
            env = "ULLAGE_DRIVER_NAME",
            hide_env_values = true,
            value_name = "NAME",
            default_value = "csi.ullage.dev"
        )]
        driver_name: String,
    },
    /// Delete StorageClasses and CSIDrivers that an upgrade makes anew, since they cannot be changed; volumes stay
    Forget(Forget),
}

#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
struct Forget {
    /// A StorageClass; may be repeated
    #[arg(long, env = "ULLAGE_STORAGE_CLASS", hide_env_values = true, value_name = "NAME")]
    storage_class: Vec<String>,
    /// A CSIDriver; may be repeated
    #[arg(long, env = "ULLAGE_CSI_DRIVER", hide_env_values = true, value_name = "NAME")]
    csi_driver: Vec<String>,
}

impl Cluster {
    pub(super) fn run(self) -> Result<()> {
        match self.verb {
            Verb::CheckUninstall { driver_name } => cluster::check_uninstall(&driver_name),
            Verb::Forget(Forget { storage_class, csi_driver }) => {
                let classes = storage_class.into_iter().map(Fixed::StorageClass);
                let objects: Vec<Fixed> = classes.chain(csi_driver.into_iter().map(Fixed::CsiDriver)).collect();
                cluster::forget(&objects)
            }
        }
    }
}
