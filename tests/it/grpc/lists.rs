//! Lists come in pages, and go on where they were left.

use tonic::Code::{Aborted, InvalidArgument};
use ullage::rpc::csi::{ControllerListVolumeHealthRequest, DeleteVolumeRequest, ListVolumesRequest};

use super::ask::*;
use super::server::Server;

async fn page(server: &mut Server, max_entries: i32, token: &str) -> (Vec<String>, String) {
    let request = ListVolumesRequest { max_entries, starting_token: token.into() };
    let answer = server.controller.list_volumes(request).await.unwrap().into_inner();
    let ids = answer.entries.into_iter().map(|entry| entry.volume.unwrap().volume_id);
    (ids.collect(), answer.next_token)
}

#[tokio::test]
async fn volumes_are_listed_in_pages() {
    let mut server = Server::start().await;
    assert_eq!(page(&mut server, 0, "").await, (vec![], String::new()));
    for name in ["c", "a", "e", "b", "d"] {
        server.create(create(name)).await.unwrap();
    }
    assert_eq!(page(&mut server, 0, "").await.0, ["a", "b", "c", "d", "e"]);
    let (first, token) = page(&mut server, 2, "").await;
    assert_eq!(first, ["a", "b"]);
    let (second, token) = page(&mut server, 2, &token).await;
    assert_eq!(second, ["c", "d"]);
    assert_eq!(page(&mut server, 2, &token).await, (vec!["e".to_owned()], String::new()));
    assert_eq!(page(&mut server, 5, "").await.1, "", "a page that holds the last has none behind it");
}

#[tokio::test]
async fn a_token_outlives_its_volume() {
    let mut server = Server::start().await;
    for name in ["a", "b", "c"] {
        server.create(create(name)).await.unwrap();
    }
    let (listed, token) = page(&mut server, 2, "").await;
    for id in listed {
        let request = DeleteVolumeRequest { volume_id: id, ..Default::default() };
        server.controller.delete_volume(request).await.unwrap();
    }
    server.create(create("d")).await.unwrap();
    assert_eq!(page(&mut server, 0, &token).await, (vec!["c".to_owned(), "d".to_owned()], String::new()));
}

#[tokio::test]
async fn a_token_of_somebody_else_is_refused() {
    let mut server = Server::start().await;
    for token in ["invalid-token", "1", "after:", "after:../x", "a"] {
        let text = format!("starting_token '{token}' is not one of ours");
        let request = ListVolumesRequest { max_entries: 0, starting_token: token.into() };
        refused(server.controller.list_volumes(request).await, Aborted, &text);
        let request = ControllerListVolumeHealthRequest { starting_token: token.into(), ..Default::default() };
        refused(server.controller.controller_list_volume_health(request).await, Aborted, &text);
    }
    let text = "max_entries cannot be negative, and is -1";
    let request = ListVolumesRequest { max_entries: -1, starting_token: String::new() };
    refused(server.controller.list_volumes(request).await, InvalidArgument, text);
    let request = ControllerListVolumeHealthRequest { max_entries: -1, ..Default::default() };
    refused(server.controller.controller_list_volume_health(request).await, InvalidArgument, text);
}
