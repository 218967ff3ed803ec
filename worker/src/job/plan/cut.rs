//! Cuts a list of unknown length into fewer than 10,000 shards.

use collodion_crds::Shard;

use crate::job::row::Image;

/// Cuts images into shards, in order.
///
/// How many there will be is unknown while they stream by, so a shard's bounds follow from its number alone: after
/// every 500 shards they double. A hundred million images in shards of 100 make 5,478 shards; the last one allowed has
/// no bounds.
pub(super) struct Cutter {
    bounds: Shard,
    growth: Growth,
    shard: u32,
    images: Vec<Image>,
    bytes: u64,
}

/// How shards grow with their number.
#[derive(Clone, Copy)]
struct Growth {
    /// Shards after which bounds double.
    step: u32,
    /// Number of the last shard.
    last: u32,
}

const GROWTH: Growth = Growth { step: 500, last: 9_998 };

impl Cutter {
    /// A cutter whose next shard has this number.
    pub(super) fn new(bounds: Shard, shard: u32) -> Self {
        Self {
            bounds,
            growth: GROWTH,
            shard,
            images: Vec::new(),
            bytes: 0,
        }
    }

    /// Adds an image; answers the shard before it where that is full.
    pub(super) fn push(&mut self, image: Image) -> Option<Vec<Image>> {
        let full = !self.images.is_empty() && !self.has_room_for(image.size);
        let shard = full.then(|| {
            self.shard += 1;
            self.finish()
        });
        self.bytes += image.size;
        self.images.push(image);
        shard
    }

    /// The images of the last shard.
    pub(super) fn finish(&mut self) -> Vec<Image> {
        self.bytes = 0;
        std::mem::take(&mut self.images)
    }

    fn has_room_for(&self, size: u64) -> bool {
        let Growth { step, last } = self.growth;
        let factor = 1u64 << (self.shard / step).min(63);
        let objects = u64::from(self.bounds.objects).saturating_mul(factor);
        let bytes = self.bounds.bytes.get().saturating_mul(factor);
        self.shard >= last || (self.images.len() as u64) < objects && self.bytes.saturating_add(size) <= bytes
    }
}

#[cfg(test)]
mod tests {
    use collodion_crds::Quantity;
    use proptest::prelude::*;

    use super::*;

    fn cut(sizes: &[u64], bounds: Shard, growth: Growth) -> Vec<Vec<Image>> {
        let mut cutter = Cutter {
            growth,
            ..Cutter::new(bounds, 0)
        };
        let image = |(n, size): (usize, &u64)| Image {
            key: format!("{n:08}"),
            size: *size,
            etag: String::new(),
        };
        let mut shards: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(image)
            .filter_map(|image| cutter.push(image))
            .collect();
        shards.push(cutter.finish());
        shards.retain(|shard| !shard.is_empty());
        shards
    }

    proptest! {
        #[test]
        fn every_image_is_in_one_shard_within_bounds_and_there_are_few_enough(
            sizes in prop::collection::vec(0u64..50, 0..300),
            objects in 1u32..5,
            bytes in 1u64..60,
        ) {
            let growth = Growth { step: 3, last: 8 };
            let shards = cut(&sizes, Shard { objects, bytes: Quantity::new(bytes) }, growth);
            prop_assert!(shards.len() <= 9);
            let all: Vec<u64> = shards.iter().flatten().map(|image| image.size).collect();
            prop_assert_eq!(all, sizes);
            prop_assert!(shards.iter().flatten().map(|image| &image.key).is_sorted());
            for (number, shard) in shards.iter().enumerate().take(8) {
                let factor = 1 << (number / 3);
                let sum: u64 = shard.iter().map(|image| image.size).sum();
                prop_assert!(shard.len() == 1 || shard.len() <= objects as usize * factor && sum <= bytes * factor as u64);
            }
        }
    }

    #[test]
    fn a_million_images_in_shards_of_one_stay_under_ten_thousand_shards() {
        let shards = cut(
            &vec![1; 1_000_000],
            Shard {
                objects: 1,
                bytes: Quantity::new(1),
            },
            GROWTH,
        );
        assert_eq!(shards.len(), 5478);
    }
}
