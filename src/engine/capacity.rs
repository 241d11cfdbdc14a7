use super::{Engine, Result};
use crate::model::{Bytes, PoolName};

/// What a pool can still take (`GetCapacity`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capacity {
    /// The room for volumes.
    pub available: Bytes,
    /// The largest one that can be made.
    pub maximum: Bytes,
}

impl Engine {
    /// The room in a pool for volumes of a sort. A pool that is not served has none.
    pub fn capacity(&self, pool: &PoolName, sparse: bool) -> Result<Capacity> {
        let pool = self.pool(pool)?;
        let Ok(served) = pool.still_there(&self.machine).and_then(|()| pool.served()) else {
            return Ok(Capacity { available: Bytes::ZERO, maximum: Bytes::ZERO });
        };
        let room = pool.room(&self.machine)?;
        let sparse = pool.ledger.is_sparse(sparse);
        let available = match (sparse, room.sparse_bound) {
            (false, _) => room.available,
            (true, _) if room.available == Bytes::ZERO => Bytes::ZERO,
            (true, Some(bound)) => bound.saturating_sub(room.promised_sparse).round_down(),
            (true, None) => served.longest,
        };
        Ok(Capacity { available, maximum: available.min(served.longest) })
    }
}
