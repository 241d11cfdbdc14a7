use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::model::{Bytes, parse_quantity};

/// In the largest binary unit in which it comes out even: what people then see is what they would have written.
pub(super) fn quantity(size: Bytes) -> Quantity {
    const UNITS: [(u32, &str); 4] = [(40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")];
    let bytes = size.get();
    let even = UNITS.into_iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    Quantity(even.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift)))
}

/// In bytes, rounded up. Kubernetes alone writes thousandths (`m`): of a request for part of a byte.
pub(super) fn bytes(quantity: &Quantity) -> Option<Bytes> {
    match quantity.0.strip_suffix('m') {
        Some(thousandths) => Some(Bytes::new(thousandths.parse::<u64>().ok()?.div_ceil(1000))),
        None => parse_quantity(&quantity.0).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let cases = [
            (Bytes::gib(4), "4Gi"),
            (Bytes::mib(2500), "2500Mi"),
            (Bytes::gib(2048), "2Ti"),
            (Bytes::new((2 << 30) + 4096), "2097156Ki"),
            (Bytes::new(1_000_001), "1000001"),
            (Bytes::ZERO, "0"),
        ];
        for (size, text) in cases {
            assert_eq!(quantity(size).0, text);
            assert_eq!(bytes(&quantity(size)), Some(size));
        }
    }

    #[test]
    fn reads_what_the_api_server_writes() {
        for (text, expected) in [("1500m", Some(2)), ("1e3", Some(1000)), ("2k", Some(2000)), ("x", None), ("m", None)]
        {
            assert_eq!(bytes(&Quantity(text.to_owned())), expected.map(Bytes::new), "{text}");
        }
    }
}
