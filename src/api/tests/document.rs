//! `/openapi.json` says what the router does.

use std::collections::BTreeMap;

use serde_json::Value;

use super::world::{DATA, World};

async fn document(world: &World) -> Value {
    world.send(axum::http::Request::get("/openapi.json").body(axum::body::Body::empty()).unwrap()).await.json()
}

/// What may be answered, by `METHOD path`.
fn operations(document: &Value) -> BTreeMap<String, Vec<String>> {
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, operation)| {
            let statuses = operation["responses"].as_object().unwrap().keys().cloned().collect();
            (format!("{} {path}", method.to_uppercase()), statuses)
        })
    });
    all.collect()
}

#[tokio::test]
async fn it_is_openapi_3_1_and_knows_each_route_and_status() {
    let document = document(&World::new()).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let protected = "401 403 413 429 500";
    let expected = [
        ("DELETE /volumes/{id}", "204 404 409"),
        ("GET /api/v1/public/ping", "200 403"),
        ("GET /volumes", "200"),
        ("GET /volumes/{id}", "200 404"),
        ("GET /volumes/{id}/quota", "200 404 409"),
        ("POST /auth/tokens", "200 400 408"),
        ("POST /volumes", "200 201 400 408 409 507"),
        ("POST /volumes/{id}/resize", "200 202 400 404 408 409 507"),
    ];
    let expected = expected.map(|(operation, statuses)| {
        let every = if operation.contains("public") { "" } else { protected };
        let mut statuses: Vec<_> = statuses.split(' ').chain(every.split_whitespace()).map(str::to_owned).collect();
        statuses.sort();
        (operation.to_owned(), statuses)
    });
    assert_eq!(operations(&document), BTreeMap::from(expected));
    let refusal = &document["paths"]["/volumes"]["get"]["responses"]["401"]["content"]["application/json"];
    assert_eq!(refusal["schema"]["$ref"], "#/components/schemas/ErrorBody");
    assert!(document["components"]["schemas"]["ErrorBody"].is_object());
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[tokio::test]
async fn what_it_describes_is_there_and_answers_as_it_says() {
    for (operation, statuses) in operations(&document(&World::new()).await) {
        let (method, path) = operation.split_once(' ').unwrap();
        for (id, body) in [(DATA, r#"{"size":4096,"ttl":"1m"}"#), (DATA, "{"), ("none", "{}")] {
            let world = World::new();
            let status = world.ask(method, &path.replace("{id}", id), body).await.status.as_u16();
            assert!(statuses.contains(&status.to_string()), "{operation}: {status}");
            assert!(status != 405 && (status != 404 || id == "none" || method != "GET"), "{operation}: {status}");
        }
    }
}
