//! Which item a request is about.

use std::sync::Arc;

use rand::{Rng, RngExt};

/// How requests spread over items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Spread {
    /// Every item as often as any other.
    Uniform,
    /// The n-th item 1/n as often as the first, as shops sell.
    Zipf,
    /// One item only.
    One,
}

/// Items to draw from, numbered from 0.
#[derive(Debug, Clone)]
pub enum Keys {
    /// Every one of so many as often as any other.
    Uniform(u32),
    /// The n-th 1/n as often as the first: the sums of the shares up to each, the last being 1.
    Zipf(Arc<[f64]>),
    /// This one only.
    One(u32),
}

impl Keys {
    /// So many items with this spread.
    #[must_use]
    pub fn new(spread: Spread, items: u32) -> Self {
        match spread {
            Spread::Uniform => Self::Uniform(items),
            Spread::Zipf => Self::zipf(items),
            Spread::One => Self::One(0),
        }
    }

    fn zipf(items: u32) -> Self {
        let total: f64 = (1..=items).map(|nth| f64::from(nth).recip()).sum();
        let mut sum = 0.0;
        let sums = (1..=items).map(|nth| {
            sum += f64::from(nth).recip() / total;
            sum
        });
        Self::Zipf(sums.collect())
    }

    /// Draws an item.
    pub fn draw(&self, rng: &mut impl Rng) -> u32 {
        match self {
            Self::Uniform(items) => rng.random_range(0..*items),
            Self::Zipf(sums) => {
                let drawn: f64 = rng.random();
                let place = sums.partition_point(|sum| *sum <= drawn).min(sums.len() - 1);
                u32::try_from(place).unwrap_or_default()
            }
            Self::One(item) => *item,
        }
    }
}

/// The name of an item; all have the same length.
#[must_use]
pub fn sku(item: u32) -> String {
    format!("sku-{item:05}")
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    fn drawn(keys: &Keys) -> [u32; 10] {
        let mut rng = SmallRng::seed_from_u64(7);
        let mut counts = [0; 10];
        for _ in 0..100_000 {
            counts[usize::try_from(keys.draw(&mut rng)).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn uniform_draws_every_item_as_often() {
        let counts = drawn(&Keys::new(Spread::Uniform, 10));
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
    }

    #[test]
    fn zipf_draws_the_second_half_as_often_as_the_first_and_the_last_a_tenth() {
        let counts = drawn(&Keys::new(Spread::Zipf, 10)).map(f64::from);
        let ratio = |nth: usize| counts[0] / counts[nth - 1];
        assert!((1.9..2.1).contains(&ratio(2)), "{counts:?}");
        assert!((9.0..11.0).contains(&ratio(10)), "{counts:?}");
    }

    #[test]
    fn one_draws_one() {
        assert_eq!(drawn(&Keys::new(Spread::One, 10))[0], 100_000);
    }
}
