//! One field of a trade file at a time: bytes in, a value out.

use chrono::NaiveDateTime;
use shared_events::time::Timestamp;

use crate::replay::trade::Kind;

/// The longest name an item may have, in characters.
const NAME_CHARS_MAX: usize = 255;

/// A field without the blanks around it. The shop's files are UTF-8 here and Latin-1 elsewhere,
/// where every byte is the character of that number.
pub(super) fn text(field: &[u8]) -> String {
    match std::str::from_utf8(field) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => {
            let latin: String = field.iter().copied().map(char::from).collect();
            latin.trim().to_owned()
        }
    }
}

/// What sort of invoice has this number: six digits, or a C and digits, or neither.
pub(super) fn kind(number: &str) -> Option<Kind> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match number.strip_prefix('C') {
        Some(rest) if is_digits(rest) => Some(Kind::Return),
        None if number.len() == 6 && is_digits(number) => Some(Kind::Sale),
        _ => None,
    }
}

/// Whether a StockCode is an item of stock: it starts with five digits. Postage, discounts,
/// vouchers and fees do not.
pub(super) fn is_stock(code: &str) -> bool {
    code.len() >= 5 && code.bytes().take(5).all(|byte| byte.is_ascii_digit())
}

/// Whole units. They fit 32 bits, so that no sum over a trade can leave 64.
pub(super) fn quantity(field: &[u8]) -> Result<i64, String> {
    let digits = text(field);
    digits.parse::<i32>().map(i64::from).map_err(|error| format!("Quantity {digits:?}: {error}"))
}

/// The shop's local time, taken as UTC.
pub(super) fn moment(field: &[u8]) -> Result<Timestamp, String> {
    let date = text(field);
    NaiveDateTime::parse_from_str(&date, "%Y-%m-%d %H:%M:%S")
        .map(|moment| Timestamp::new(moment.and_utc()))
        .map_err(|error| format!("InvoiceDate {date:?}: {error}"))
}

/// A description as an item's name: no control characters, not longer than a name may be, and
/// empty when nothing is left.
pub(super) fn name(field: &[u8]) -> String {
    let plain: String =
        text(field).chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let cut: String = plain.trim().chars().take(NAME_CHARS_MAX).collect();
    cut.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latin_bytes_and_utf8_become_the_same_letters() {
        assert_eq!(text(b" SET OF 3 NOTEBOOKS \xa31 "), "SET OF 3 NOTEBOOKS £1");
        assert_eq!(text("SET OF 3 NOTEBOOKS £1".as_bytes()), "SET OF 3 NOTEBOOKS £1");
    }

    #[test]
    fn a_name_is_printable_and_bounded_in_characters() {
        assert_eq!(name(b" RED\tLANTERN\x85\n"), "RED LANTERN");
        assert_eq!(name(b"\x00\x9f"), "");
        assert_eq!(name("ü".repeat(300).as_bytes()), "ü".repeat(255));
        assert_eq!(name(format!("{} x", "a".repeat(254)).as_bytes()), "a".repeat(254));
    }

    #[test]
    fn six_digits_are_a_sale_c_and_digits_a_return_and_all_else_neither() {
        assert_eq!(kind("536365"), Some(Kind::Sale));
        assert_eq!(kind("C536379"), Some(Kind::Return));
        for other in ["", "C", "A563185", "53636", "5363655", "CC5363", "c536379", "53636五"] {
            assert_eq!(kind(other), None, "{other}");
        }
    }

    #[test]
    fn an_item_of_stock_starts_with_five_digits() {
        for stock in ["85123A", "22633", "15056bl", "84997BX"] {
            assert!(is_stock(stock), "{stock}");
        }
        for other in ["POST", "C2", "DCGS0003", "gift_0001_20", "1234", "1234A", ""] {
            assert!(!is_stock(other), "{other}");
        }
    }

    #[test]
    fn a_quantity_is_a_whole_number_of_32_bits() {
        assert_eq!(quantity(b"-80995"), Ok(-80_995));
        for bad in ["", "1.0", "1e3", "x", "2147483648"] {
            assert!(quantity(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
