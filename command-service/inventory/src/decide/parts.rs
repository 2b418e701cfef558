//! Parts of the lines of a reservation or a transfer.

use std::collections::BTreeMap;

use shared_events::reservation::Part;

use crate::rejection::{Excess, Rejection};

/// The quantity for each line, by ascending line: the sum of the parts that name it, or, without parts,
/// all that is possible. Of an unknown line nothing is possible.
pub(super) fn parts_of(
    possible: impl Iterator<Item = (u32, i64)>,
    asked: Option<&[Part]>,
    over: fn(Excess) -> Rejection,
) -> Result<Vec<Part>, Rejection> {
    let Some(asked) = asked else {
        let all = possible.map(|(line, quantity)| Part { line, quantity });
        return Ok(all.filter(|part| part.quantity > 0).collect());
    };
    let mut sums: BTreeMap<u32, i64> = BTreeMap::new();
    for part in asked {
        let sum = sums.entry(part.line).or_default();
        *sum = sum.saturating_add(part.quantity);
    }
    let possible: BTreeMap<u32, i64> = possible.collect();
    let check = |(line, asked)| {
        let possible = possible.get(&line).copied().unwrap_or_default();
        if asked > possible {
            return Err(over(Excess { line, asked, possible }));
        }
        Ok(Part { line, quantity: asked })
    };
    sums.into_iter().map(check).collect()
}

/// Books the parts on their lines, each by its number, and returns those lines with the booked
/// quantities.
pub(super) fn book<L: Clone>(
    lines: &mut [L],
    number: fn(&L) -> u32,
    parts: &[Part],
    book: fn(&mut L, i64),
) -> Vec<(L, i64)> {
    let mut parts = parts.iter().peekable();
    let mut booked = Vec::with_capacity(parts.len());
    for line in lines {
        // Both are sorted by line.
        if let Some(part) = parts.next_if(|part| part.line == number(line)) {
            book(line, part.quantity);
            booked.push((line.clone(), part.quantity));
        }
    }
    booked
}
