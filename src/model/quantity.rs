use super::Bytes;

/// A text that is no size: the value and the reason.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("'{value}' is not a size: {reason}")]
pub struct InvalidQuantity {
    value: String,
    reason: &'static str,
}

/// A size as people write it: a Kubernetes quantity or the looser grammar (`2Gi`, `100M`, `0.5G`, `1 GiB`).
pub fn parse_quantity(text: &str) -> Result<Bytes, InvalidQuantity> {
    let number = text.trim().parse().map(Bytes::new);
    number.map_err(|_| InvalidQuantity { value: text.to_owned(), reason: "not a number" })
}
