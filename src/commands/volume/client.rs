use std::path::{Path, PathBuf};

use tonic::transport::Channel;

use super::Result;
use crate::model::Bytes;
use crate::rpc::admin::admin_client::AdminClient;
use crate::rpc::admin::{
    GetVolumeRequest, ImportHostletRequest, ImportedItem, ListVolumesRequest, ListVolumesResponse, MountVolumeRequest,
    ResizeVolumeRequest, UnmountVolumeRequest, Volume,
};
use crate::rpc::csi::controller_client::ControllerClient;
use crate::rpc::csi::{CreateVolumeRequest, DeleteVolumeRequest};
use crate::rpc::socket;

/// Whoever serves, and the calls that are made there.
pub(in crate::commands) struct Client {
    channel: Channel,
}

impl Client {
    pub(in crate::commands) async fn connect(socket: PathBuf) -> Result<Self> {
        Ok(Self { channel: socket::connect(&socket).await? })
    }

    pub(super) async fn list(&self) -> Result<ListVolumesResponse> {
        Ok(self.admin().list_volumes(ListVolumesRequest {}).await?.into_inner())
    }

    pub(super) async fn get(&self, name: &str) -> Result<Volume> {
        let asked = GetVolumeRequest { volume: name.to_owned() };
        Ok(self.admin().get_volume(asked).await?.into_inner().volume.unwrap_or_default())
    }

    pub(super) async fn resize(&self, name: &str, size: Bytes) -> Result<Volume> {
        let asked = ResizeVolumeRequest { volume: name.to_owned(), size_bytes: size.get() };
        Ok(self.admin().resize_volume(asked).await?.into_inner().volume.unwrap_or_default())
    }

    pub(super) async fn create(&self, asked: CreateVolumeRequest) -> Result<()> {
        self.controller().create_volume(asked).await?;
        Ok(())
    }

    pub(super) async fn delete(&self, volume_id: String) -> Result<()> {
        self.controller().delete_volume(DeleteVolumeRequest { volume_id, ..Default::default() }).await?;
        Ok(())
    }

    pub(super) async fn mount(&self, name: &str, path: &Path, read_only: bool) -> Result<()> {
        let asked = MountVolumeRequest { volume: name.to_owned(), path: text(path), read_only };
        self.admin().mount_volume(asked).await?;
        Ok(())
    }

    pub(super) async fn unmount(&self, volume: String, path: &Path) -> Result<()> {
        self.admin().unmount_volume(UnmountVolumeRequest { volume, path: text(path) }).await?;
        Ok(())
    }

    /// What becomes of hostlet's items, or could.
    pub(in crate::commands) async fn import(&self, asked: ImportHostletRequest) -> Result<Vec<ImportedItem>> {
        Ok(self.admin().import_hostlet(asked).await?.into_inner().items)
    }

    fn admin(&self) -> AdminClient<Channel> {
        // A thousand volumes are a megabyte; the default bound is four.
        AdminClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    fn controller(&self) -> ControllerClient<Channel> {
        ControllerClient::new(self.channel.clone())
    }
}

/// A path on the wire is text.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
