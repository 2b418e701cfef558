//! What a credential may do.

use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! scopes {
    ($($(#[doc = $about:literal])+ $variant:ident $name:literal)+) => {
        /// A right. Every route requires one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope {
            $($(#[doc = $about])+ $variant,)+
        }

        impl Scope {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in tokens, keys and OpenAPI.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// What it is for.
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($about),+),)+
                }
            }
        }
    };
}

scopes! {
    /// Ask for stock and for what concerns it.
    StockRead "stock:read"
    /// Receive, issue, move, adjust and count stock.
    StockWrite "stock:write"
    /// Hold stock, and take reservations their steps.
    ReservationsWrite "reservations:write"
    /// Place, cancel and resume orders.
    OrdersWrite "orders:write"
    /// Dispatch transfers, and take them their steps.
    TransfersWrite "transfers:write"
    /// Register, change and retire items and locations.
    CatalogueWrite "catalogue:write"
    /// Reverse earlier events.
    ReversalsWrite "reversals:write"
    /// Read the log.
    LogRead "log:read"
    /// Open personal data.
    PersonalRead "personal:read"
    /// Forget a person.
    SubjectsForget "subjects:forget"
    /// Name somebody else as the actor.
    ActAs "act_as"
    /// What operators do: metrics, audit, API keys, skips, rebuilds, redactions.
    Operate "operate"
}

/// The scopes of those who send commands.
pub const WRITING: &[Scope] = &[
    Scope::StockWrite,
    Scope::ReservationsWrite,
    Scope::OrdersWrite,
    Scope::TransfersWrite,
    Scope::CatalogueWrite,
    Scope::ReversalsWrite,
];

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().find(|scope| scope.as_str() == text);
        known.copied().ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|scope| scope.as_str()).collect();
            format!("must be one of {}", names.join(", "))
        })
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Several scopes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u16);

impl Scopes {
    pub fn has(self, scope: Scope) -> bool {
        self.0 & Self::bit(scope) != 0
    }

    const fn bit(scope: Scope) -> u16 {
        1 << scope as u16
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        Self(scopes.into_iter().fold(0, |all, scope| all | Self::bit(scope)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_into_it() {
        let some: Scopes = [Scope::StockRead, Scope::Operate].into_iter().collect();
        for scope in Scope::ALL {
            let expected = matches!(scope, Scope::StockRead | Scope::Operate);
            assert_eq!(some.has(*scope), expected, "{scope}");
            assert_eq!(scope.as_str().parse(), Ok(*scope));
        }
        assert!("stock".parse::<Scope>().is_err());
    }
}
