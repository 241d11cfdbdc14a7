use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::objects::{CreateBody, QuotaBody, ResizeBody, ResizedBody, VolumeBody, size};
use crate::api::Api;
use crate::api::answer::{ErrorBody, Problem, Result, Success, json};
use crate::api::body::{Body, Word};
use crate::api::volumes;

/// Numbers younger than this are as good as new ones: the monitor looks no more often than that.
const FRESH: Duration = Duration::from_millis(50);

/// Makes a volume and mounts it; in a pod, hands out one of the pod's own.
#[utoipa::path(post, path = "/volumes", tag = "volumes", request_body = Option<CreateBody>, responses(
    (status = 201, description = "Made, or handed out for the first time", body = Success<VolumeBody>),
    (status = 200, description = "Handed out before", body = Success<VolumeBody>),
    (status = 400, description = "The body cannot be meant so", body = ErrorBody),
    (status = 404, description = "It was deleted again meanwhile", body = ErrorBody),
    (status = 408, description = "The body did not come in time", body = ErrorBody),
    (status = 409, description = "Another volume of that name is there", body = ErrorBody),
    (status = 507, description = "No room", body = ErrorBody),
))]
pub(super) async fn create(State(api): State<Arc<Api>>, Body(body): Body<Option<CreateBody>>) -> Result<Response> {
    let wish = body.map(CreateBody::wish).transpose()?.unwrap_or_default();
    let volumes = api.volumes.clone();
    let created = api.change(async move { volumes.create(wish).await }).await?;
    let status = if created.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Success::response(status, &VolumeBody::from(&created.volume)))
}

/// Every volume here.
#[utoipa::path(get, path = "/volumes", tag = "volumes", responses(
    (status = 200, body = Vec<VolumeBody>),
    ))]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Result<Json<Vec<VolumeBody>>> {
    Ok(Json(api.catalog.read().await?.iter().map(|volume| VolumeBody::from(&***volume)).collect()))
}

/// A volume, by its id or the first 8 characters of it, its name, its claim's name, or `default` where it is the only one.
#[utoipa::path(get, path = "/volumes/{id}", tag = "volumes", params(("id" = String, Path)), responses(
    (status = 200, body = Success<VolumeBody>),
    (status = 404, description = "There is no such volume", body = ErrorBody),
    ))]
pub(super) async fn show(State(api): State<Arc<Api>>, Word(word): Word) -> Result<Response> {
    Ok(Success::response(StatusCode::OK, &VolumeBody::from(&**api.catalog.find(&word).await?)))
}

/// How full a volume is.
#[utoipa::path(get, path = "/volumes/{id}/quota", tag = "volumes", params(("id" = String, Path)), responses(
    (status = 200, body = Success<QuotaBody>),
    (status = 404, description = "There is no such volume", body = ErrorBody),
    (status = 409, description = "It is not mounted", body = ErrorBody),
    ))]
pub(super) async fn quota(State(api): State<Arc<Api>>, Word(word): Word) -> Result<Response> {
    let volume = api.catalog.find(&word).await?;
    let status = api.measured(&volume.id, FRESH).await;
    // One without a look yet is just being mounted, or unmounted.
    let status = status.filter(|status| status.reading.is_some() || status.lost.is_some() || status.hung);
    let status = status.ok_or_else(|| Problem::NotMounted(volume.id.to_string()))?;
    let reading = status.reading.filter(|_| status.lost.is_none()).ok_or_else(|| {
        let reason = status.lost.as_deref().unwrap_or("its filesystem does not answer");
        Problem::Volume(volumes::Error::Failed(format!("Volume '{}' cannot be measured: {reason}", volume.id)))
    })?;
    let is_pending = api.volumes.pending(&volume, reading.size);
    let print = || Success::text(&QuotaBody::new(&status, reading, is_pending));
    Ok(json(StatusCode::OK, volume.text(&status, is_pending, print)?))
}

/// Brings a volume to a size: larger while it is used; smaller where that can be.
#[utoipa::path(post, path = "/volumes/{id}/resize", tag = "volumes", params(("id" = String, Path)),
    request_body = ResizeBody, responses(
    (status = 200, description = "It has that size", body = Success<ResizedBody>),
    (status = 202, description = "It will have that size", body = Success<ResizedBody>),
    (status = 400, description = "The body cannot be meant so", body = ErrorBody),
    (status = 408, description = "The body did not come in time", body = ErrorBody),
    (status = 404, description = "There is no such volume", body = ErrorBody),
    (status = 409, description = "Not as things are: in use, or not that small", body = ErrorBody),
    (status = 507, description = "No room", body = ErrorBody),
))]
pub(super) async fn resize(
    State(api): State<Arc<Api>>,
    Word(word): Word,
    Body(body): Body<ResizeBody>,
) -> Result<Response> {
    let size = size(body.size)?;
    let volume = api.catalog.find(&word).await?;
    let (volumes, which) = (api.volumes.clone(), volume.clone());
    let resized = api.change(async move { volumes.resize(&which, size).await }).await?;
    // Whoever listens hears of it before whoever asked has the answer.
    api.monitor.measure(&volume.id).await;
    let status = if resized.is_pending { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(Success::response(status, &ResizedBody::new(&volume, resized)))
}

/// Deletes a volume, and what is in it.
#[utoipa::path(delete, path = "/volumes/{id}", tag = "volumes", params(("id" = String, Path)), responses(
    (status = 204, description = "Gone"),
    (status = 404, description = "There is no such volume", body = ErrorBody),
    (status = 409, description = "It is in use, or is not ours to delete", body = ErrorBody),
    ))]
pub(super) async fn delete(State(api): State<Arc<Api>>, Word(word): Word) -> Result<StatusCode> {
    let volume = api.catalog.find(&word).await?;
    let volumes = api.volumes.clone();
    api.change(async move { volumes.delete(&volume).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
