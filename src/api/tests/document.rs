//! `/openapi.json` says what the router does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::world::{DATA, World};
use crate::api::volumes::Error;

type Operations = BTreeMap<String, BTreeSet<u16>>;

async fn document(world: &World) -> Value {
    world.send(axum::http::Request::get("/openapi.json").body(axum::body::Body::empty()).unwrap()).await.json()
}

/// Each operation, by `METHOD path`.
fn described(document: &Value) -> BTreeMap<String, &Value> {
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        operations.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    });
    all.collect()
}

/// What may be answered.
fn operations(document: &Value) -> Operations {
    let statuses = |operation: &Value| {
        let statuses = operation["responses"].as_object().unwrap().keys();
        statuses.map(|status| status.parse().unwrap()).collect()
    };
    described(document).into_iter().map(|(name, operation)| (name, statuses(operation))).collect()
}

/// An operation of a client that means `id`.
fn path_of<'a>(operation: &'a str, id: &str) -> (&'a str, String) {
    let (method, path) = operation.split_once(' ').unwrap();
    (method, path.replace("{id}", id).replace("{internal_id}", id))
}

#[tokio::test]
async fn it_is_openapi_3_1_and_knows_each_route_and_status() {
    let document = document(&World::new()).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let expected = [
        ("DELETE /volumes/{id}", "204 404 409 401 403 413 429 500"),
        ("GET /api/v1/public/ping", "200 403"),
        ("GET /volumes", "200 401 403 413 429 500"),
        ("GET /volumes/{id}", "200 404 401 403 413 429 500"),
        ("GET /volumes/{id}/quota", "200 404 409 401 403 413 429 500"),
        ("GET /ws/{internal_id}", "101 426 401 403 429 500"),
        ("POST /auth/tokens", "200 400 408 401 403 413 429 500"),
        ("POST /volumes", "200 201 400 404 408 409 507 401 403 413 429 500"),
        ("POST /volumes/{id}/resize", "200 202 400 404 408 409 507 401 403 413 429 500"),
    ];
    let expected = expected.map(|(operation, statuses)| {
        let statuses = statuses.split(' ').map(|status| status.parse().unwrap()).collect();
        (operation.to_owned(), statuses)
    });
    assert_eq!(operations(&document), BTreeMap::from(expected));
    for scheme in ["bearer", "query"] {
        assert!(document["components"]["securitySchemes"][scheme].is_object(), "{scheme}");
    }
}

#[tokio::test]
async fn it_tells_the_headers_that_are_asked_for_and_answered() {
    let document = document(&World::new()).await;
    for (name, operation) in described(&document) {
        let is_public = name.contains("public");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let vendor = parameters.iter().find(|parameter| parameter["name"] == "Accept" && parameter["in"] == "header");
        assert_eq!(vendor.is_some(), !is_public && !name.contains("/ws/"), "{name}");
        assert!(vendor.is_none_or(|vendor| vendor["required"] == true), "{name}");
        let responses = &operation["responses"];
        for (status, header) in [("401", "WWW-Authenticate"), ("429", "Retry-After")] {
            assert_eq!(responses[status]["headers"][header].is_object(), !is_public, "{name} {status}");
        }
        let refusals = responses.as_object().unwrap().iter().filter(|(status, _)| status.as_str() >= "400");
        for (status, response) in refusals {
            let schema = &response["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/ErrorBody", "{name} {status}");
        }
    }
    let body = &document["components"]["schemas"]["ErrorBody"]["properties"];
    assert!(["error", "code", "reason"].iter().all(|field| body[field].is_object()), "{body}");
}

#[tokio::test]
async fn what_it_describes_is_there_and_answers_as_it_says() {
    for (operation, statuses) in operations(&document(&World::new()).await) {
        for (id, body) in [(DATA, r#"{"size":4096,"ttl":"1m"}"#), (DATA, "{"), ("none", "{}")] {
            let (world, (method, path)) = (World::new(), path_of(&operation, id));
            let status = world.ask(method, &path, body).await.status.as_u16();
            assert!(statuses.contains(&status), "{operation}: {status}");
            assert!(status != 405 && (status != 404 || id == "none" || method != "GET"), "{operation}: {status}");
        }
    }
}

/// What each change may be refused with, on a machine or in a pod.
#[tokio::test]
async fn whatever_a_volume_is_refused_with_is_described() {
    let refused = || Error::Refused { code: None, reason: "no".into() };
    let no_room = || Error::NoRoom { reason: None };
    let any = || Error::Failed("no".into());
    let forbidden = || Error::Forbidden("no".into());
    let everywhere = [Error::NotFound, refused(), any()];
    let more = [Error::Invalid("no".into()), no_room(), forbidden()];
    let all = operations(&document(&World::new()).await);
    for (operation, errors) in [
        ("POST /volumes", [&everywhere[..], &more].concat()),
        ("POST /volumes/{id}/resize", [&everywhere[..], &more].concat()),
        ("DELETE /volumes/{id}", everywhere.to_vec()),
    ] {
        for error in errors {
            let (world, (method, path)) = (World::new(), path_of(operation, DATA));
            *world.shelf.fails.lock().unwrap() = Some(error.clone());
            let status = world.ask(method, &path, r#"{"size":4096}"#).await.status.as_u16();
            assert!(status >= 400 && all[operation].contains(&status), "{operation}: {status} for {error:?}");
        }
    }
}

#[tokio::test]
async fn what_is_managed_elsewhere_is_listed_and_nothing_else_says_so() {
    let world = World::new();
    let document = document(&world).await;
    let elsewhere = document["x-managed-elsewhere"].as_object().unwrap();
    assert!(elsewhere.len() > 10, "{elsewhere:?}");
    for (path, what) in elsewhere {
        for path in [path.replace("{id}", DATA), path.replace("{id}", DATA) + "/a/b"] {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                let answer = world.ask(method, &path, "").await;
                let said = format!("Managed by Kubernetes: use {}", what.as_str().unwrap());
                assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (501, Some(&*said)), "{path}");
            }
        }
    }
    for operation in operations(&document).keys() {
        let (method, path) = path_of(operation, DATA);
        assert_ne!(world.ask(method, &path, "").await.status, 501, "{operation}");
    }
}
