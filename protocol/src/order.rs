//! Putting short lists in order.
//!
//! The standard library's sort is built for millions of entries, and built anew for each type that
//! it sorts: four kilobytes a time in what the page fetches.

/// Puts items in ascending order of their keys; equal ones stay as they were among themselves.
///
/// Each is moved down to its place, and none is copied elsewhere: quick for some thousand of them.
pub(crate) fn put_in_order<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    for next in 1..items.len() {
        let (ordered, rest) = items.split_at(next);
        let Some(item) = rest.first().map(&key) else { return };
        let place = ordered.partition_point(|other| key(other) <= item);
        (place..next).rev().for_each(|at| items.swap(at, at + 1));
    }
}

#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod tests {
    use super::put_in_order;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_a_stable_sort(mut items: Vec<(u8, u32)>) {
            let mut sorted = items.clone();
            sorted.sort_by_key(|item| item.0);
            put_in_order(&mut items, |item| item.0);
            prop_assert_eq!(items, sorted);
        }
    }
}
