//! What `/openapi.json` says beside what each route says of itself.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::OpenApi;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Object, Ref, Required, ResponseBuilder, Type};

use super::elsewhere;
use crate::api::alerts;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Ullage quota API",
        description = "How much is left of a volume, and more of it. Every protected request says `Accept: application/vnd.pkglatv1+json`. \
            What comes over the WebSocket at `/ws/{internal_id}`: docs/alerts.md. Under `x-managed-elsewhere` are routes of Lightd that \
            answer 501, and what does that now."
    ),
    paths(alerts::upgrade),
    security(("bearer" = []))
)]
pub(super) struct Document;

/// What any protected request may be answered, and with which header.
const REFUSALS: [(&str, &str, Option<&str>); 5] = [
    ("401", "The bearer token is missing, unknown or expired", Some("WWW-Authenticate")),
    ("403", "The origin, the vendor header or the token does not allow it", None),
    ("413", "The body is over 1 MiB", None),
    ("429", "Too many requests: `Retry-After` says when", Some("Retry-After")),
    ("500", "It failed here", None),
];

/// What a client of Lightd says in each.
const VENDOR: &str = "application/vnd.pkglatv1+json";

/// Describes what goes for many routes.
pub(super) fn complete(document: &mut utoipa::openapi::OpenApi) {
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let query = SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::new("token")));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", bearer);
    components.add_security_scheme("query", query);
    for (path, item) in &mut document.paths.paths {
        let is_socket = path.starts_with("/ws/");
        let operations = [&mut item.get, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            // A route that needs no token says so by another security than everybody's.
            let is_protected = operation.security.is_none();
            if is_protected {
                operation.parameters.get_or_insert_default().push(vendor().into());
            }
            if is_protected || is_socket {
                refuse(operation, is_socket);
            }
        }
    }
    let routes: BTreeMap<_, _> = elsewhere::table().into_iter().collect();
    document.extensions.get_or_insert_default().insert("x-managed-elsewhere".to_owned(), json!(routes));
}

fn vendor() -> Parameter {
    let schema = Object::with_type(Type::String);
    let says = "`application/vnd.pkglat` must be in it, in any case of letters";
    ParameterBuilder::new()
        .name("Accept")
        .parameter_in(ParameterIn::Header)
        .required(Required::True)
        .description(Some(says))
        .schema(Some(schema))
        .example(Some(json!(VENDOR)))
        .build()
}

/// What a route says itself of a status stays.
fn refuse(operation: &mut Operation, is_socket: bool) {
    // A socket has no body.
    for (status, description, header) in REFUSALS.into_iter().filter(|(status, ..)| !is_socket || *status != "413") {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
        let refusal = ResponseBuilder::new().description(description).content("application/json", content);
        let refusal = match header {
            Some("Retry-After") => {
                let seconds = HeaderBuilder::new().schema(Some(Object::with_type(Type::Integer)));
                refusal.header("Retry-After", seconds.description(Some("Seconds, at least 1")).build())
            }
            Some(name) => {
                let scheme = HeaderBuilder::new().schema(Some(Object::with_type(Type::String)));
                refusal.header(name, scheme.description(Some("`Bearer`")).build())
            }
            None => refusal,
        };
        operation.responses.responses.entry(status.to_owned()).or_insert(refusal.build().into());
    }
}
