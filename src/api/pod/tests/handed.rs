use std::path::Path;

use super::*;
use crate::host::fake::Fake;
use crate::model::MountAttributes;

#[tokio::test]
async fn volumes_are_handed_out_in_turn() {
    let (pod, _) = pod_of(VOLUMES, Growth::Forbidden("no".to_owned()), None);
    let mut given = Vec::new();
    for _ in 0..3 {
        let created = pod.create(Create::default()).await.unwrap();
        given.push((created.volume.name, created.is_new));
    }
    assert_eq!(given, [("data".to_owned(), true), ("logs".to_owned(), true), ("data".to_owned(), false)]);
}

#[tokio::test]
async fn one_that_is_smaller_than_asked_is_grown_or_given_as_it_is() {
    let (pod, told) = pod_of(VOLUMES, Growth::Completed(Bytes::gib(4)), None);
    let created = pod.create(of(Bytes::gib(4))).await.unwrap();
    assert_eq!((created.volume.size, created.is_new), (Bytes::gib(4), true));
    assert_eq!(*told.asked.lock().unwrap(), ["grow my-claim to 4Gi"]);
    for refusal in [Growth::NoRoom(String::new()), Growth::Forbidden(String::new()), Growth::Pending(String::new())] {
        let (pod, _) = pod_of(VOLUMES, refusal, None);
        let created = pod.create(of(Bytes::gib(4))).await.unwrap();
        assert_eq!((created.volume.size, created.is_new), (Bytes::gib(2), false));
    }
}

#[tokio::test]
async fn who_asks_for_no_size_asks_for_1024_mb() {
    for create in [Create::default(), of(Bytes::mib(1024))] {
        let (pod, told) = pod_of("data=/proc,pvc=c,size=512Mi", Growth::Completed(Bytes::gib(1)), None);
        let created = pod.create(create).await.unwrap();
        assert_eq!((created.volume.size, created.is_new), (Bytes::gib(1), true));
        assert_eq!(*told.asked.lock().unwrap(), ["grow c to 1Gi"]);
    }
    let (pod, _) = pod_of("data=/proc,pvc=c,size=512Mi", Growth::Forbidden("no".to_owned()), None);
    let created = pod.create(Create::default()).await.unwrap();
    assert_eq!((created.volume.size, created.is_new), (Bytes::mib(512), false));
}

#[tokio::test]
async fn a_volume_that_is_not_there_is_passed_over_and_named() {
    let (pod, _) = pod_of("gone=/nowhere,size=1Gi;data=/proc,size=1Gi", Growth::NotFound, None);
    assert_eq!(pod.create(Create::default()).await.unwrap().volume.name, "data");
    for volumes in ["gone=/nowhere", ""] {
        let (pod, _) = pod_of(volumes, Growth::NotFound, None);
        let said = pod.create(Create::default()).await.unwrap_err().to_string();
        assert!(said.contains("/nowhere is no mount point") || said.contains("--volume data=/data"), "{said}");
    }
}

#[tokio::test]
async fn one_that_was_passed_over_is_new_when_it_is_handed_out_first() {
    let machine = Fake::new(Bytes::gib(10)).machine();
    for dir in ["/late", "/there", "/from"] {
        machine.files.create_dir(Path::new(dir)).unwrap();
    }
    let mount = |at: &str| machine.mounts.bind(Path::new("/from"), Path::new(at), &MountAttributes::default());
    mount("/there").unwrap();
    let pod = pod_on(&machine, "late=/late;there=/there", told(Growth::NotFound, Duration::ZERO), None);
    let mut given = Vec::new();
    for round in 0..5 {
        if round == 2 {
            mount("/late").unwrap();
        }
        let created = pod.create(Create::default()).await.unwrap();
        given.push((created.volume.name, created.is_new));
    }
    let given: Vec<_> = given.iter().map(|(name, is_new)| (name.as_str(), *is_new)).collect();
    let expected = [("there", true), ("there", false), ("late", true), ("there", false), ("late", false)];
    assert_eq!(given, expected);
}
