//! Parts of a reservation.

use std::collections::BTreeMap;

use shared_events::reservation::{Part, ReservationLine};

use crate::rejection::{Excess, Rejection};

/// What is asked of each line, lines ascending: parts that name the same line added up, or, where
/// no parts are named, all that is possible.
///
/// # Errors
/// More is asked of a line than is possible; of a line that does not exist nothing is.
pub(super) fn parts_of(
    lines: &[ReservationLine],
    asked: Option<&[Part]>,
    possible: fn(&ReservationLine) -> i64,
    over: fn(Excess) -> Rejection,
) -> Result<Vec<Part>, Rejection> {
    let Some(asked) = asked else {
        let all = lines.iter().map(|line| Part { line: line.line, quantity: possible(line) });
        return Ok(all.filter(|part| part.quantity > 0).collect());
    };
    let mut sums: BTreeMap<u32, i64> = BTreeMap::new();
    for part in asked {
        let sum = sums.entry(part.line).or_default();
        *sum = sum.saturating_add(part.quantity);
    }
    let possible: BTreeMap<u32, i64> =
        lines.iter().map(|line| (line.line, possible(line))).collect();
    let check = |(line, asked)| {
        let possible = possible.get(&line).copied().unwrap_or_default();
        if asked > possible {
            return Err(over(Excess { line, asked, possible }));
        }
        Ok(Part { line, quantity: asked })
    };
    sums.into_iter().map(check).collect()
}
