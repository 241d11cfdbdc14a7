use std::path::{Path, PathBuf};

use tonic::transport::Channel;

use super::Result;
use crate::model::Bytes;
use crate::rpc::admin::admin_client::AdminClient;
use crate::rpc::admin::{GetVolumeRequest, ListVolumesRequest, ListVolumesResponse, ResizeVolumeRequest, Volume};
use crate::rpc::csi::controller_client::ControllerClient;
use crate::rpc::csi::node_client::NodeClient;
use crate::rpc::csi::{
    CreateVolumeRequest, DeleteVolumeRequest, NodePublishVolumeRequest, NodeStageVolumeRequest,
    NodeUnpublishVolumeRequest, NodeUnstageVolumeRequest, VolumeCapability,
};
use crate::rpc::socket;

/// Whoever serves, and the calls that are made there.
pub(super) struct Client {
    channel: Channel,
    socket: PathBuf,
}

impl Client {
    pub(super) async fn connect(socket: PathBuf) -> Result<Self> {
        Ok(Self { channel: socket::connect(&socket).await?, socket })
    }

    /// Where this client lets a volume be staged: beside the socket, gone after a reboot as the mount is.
    pub(super) fn staging(&self, id: &str) -> PathBuf {
        self.socket.with_file_name("staging").join(id)
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

    pub(super) async fn stage(&self, volume_id: String, capability: VolumeCapability) -> Result<()> {
        let staging_target_path = text(&self.staging(&volume_id));
        let volume_capability = Some(capability);
        let asked = NodeStageVolumeRequest { volume_id, staging_target_path, volume_capability, ..Default::default() };
        self.node().node_stage_volume(asked).await?;
        Ok(())
    }

    pub(super) async fn unstage(&self, volume_id: String) -> Result<()> {
        let staging_target_path = text(&self.staging(&volume_id));
        self.node().node_unstage_volume(NodeUnstageVolumeRequest { volume_id, staging_target_path }).await?;
        Ok(())
    }

    pub(super) async fn publish(
        &self,
        volume_id: String,
        capability: VolumeCapability,
        target: &Path,
        readonly: bool,
    ) -> Result<()> {
        let asked = NodePublishVolumeRequest {
            staging_target_path: text(&self.staging(&volume_id)),
            volume_id,
            target_path: text(target),
            volume_capability: Some(capability),
            readonly,
            ..Default::default()
        };
        self.node().node_publish_volume(asked).await?;
        Ok(())
    }

    pub(super) async fn unpublish(&self, volume_id: String, target: &Path) -> Result<()> {
        let asked = NodeUnpublishVolumeRequest { volume_id, target_path: text(target) };
        self.node().node_unpublish_volume(asked).await?;
        Ok(())
    }

    fn admin(&self) -> AdminClient<Channel> {
        // A thousand volumes are a megabyte; the default bound is four.
        AdminClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    fn controller(&self) -> ControllerClient<Channel> {
        ControllerClient::new(self.channel.clone())
    }

    fn node(&self) -> NodeClient<Channel> {
        NodeClient::new(self.channel.clone())
    }
}

/// A path on the wire is text.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
