//! Address prefixes, such as `10.1.2.0/24`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A prefix in its normal form: no bit of the address is set behind the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

/// Why a text is no prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Not an address, a slash and a number.
    #[error("{0:?} is not a prefix: write an address, a slash and a length, such as 10.1.2.0/24")]
    Form(String),
    /// The address goes on behind the length.
    #[error("{text} has bits set behind its length: write {right}")]
    Bits {
        /// What was written.
        text: String,
        /// What it ought to be.
        right: Prefix,
    },
}

impl Prefix {
    /// A prefix of an address; bits behind the length are cleared, a length that is too large is cut.
    pub fn new(address: IpAddr, length: u8) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let length = length.min(32);
                let mask = u32::MAX.checked_shl(u32::from(32 - length)).unwrap_or(0);
                Self {
                    address: Ipv4Addr::from(u32::from(v4) & mask).into(),
                    length,
                }
            }
            IpAddr::V6(v6) => {
                let length = length.min(128);
                let mask = u128::MAX.checked_shl(u32::from(128 - length)).unwrap_or(0);
                Self {
                    address: Ipv6Addr::from(u128::from(v6) & mask).into(),
                    length,
                }
            }
        }
    }

    /// An address alone.
    pub fn host(address: IpAddr) -> Self {
        Self::new(address, 128)
    }

    /// Its first address.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// Bits that are the same for all its addresses.
    pub fn length(self) -> u8 {
        self.length
    }

    /// Of IPv4.
    pub fn is_ipv4(self) -> bool {
        self.address.is_ipv4()
    }

    /// Whether an address is in it.
    pub fn contains(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && Self::new(address, self.length).address == self.address
    }

    /// Whether some address is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }

    /// How many addresses it has, the largest number if that cannot be said.
    pub fn size(self) -> u128 {
        let bits = if self.is_ipv4() { 32 } else { 128 } - u32::from(self.length);
        1u128.checked_shl(bits).unwrap_or(u128::MAX)
    }

    /// An address by its number, from 0; beyond the last one it begins anew.
    pub fn nth(self, index: u128) -> IpAddr {
        let index = index % self.size();
        match self.address {
            IpAddr::V4(v4) => {
                let offset = u32::try_from(index).unwrap_or_default();
                Ipv4Addr::from(u32::from(v4).wrapping_add(offset)).into()
            }
            IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6).wrapping_add(index)).into(),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let form = || PrefixError::Form(text.to_owned());
        let (address, length) = text.split_once('/').ok_or_else(form)?;
        let address: IpAddr = address.parse().map_err(|_| form())?;
        let length: u8 = length.parse().map_err(|_| form())?;
        if length > if address.is_ipv4() { 32 } else { 128 } {
            return Err(form());
        }
        let right = Self::new(address, length);
        if right.address != address {
            return Err(PrefixError::Bits {
                text: text.to_owned(),
                right,
            });
        }
        Ok(right)
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_strict() {
        for good in [
            "10.1.2.0/24",
            "0.0.0.0/0",
            "fd00::/64",
            "::/0",
            "10.0.0.1/32",
        ] {
            assert_eq!(good.parse::<Prefix>().unwrap().to_string(), good);
        }
        for bad in [
            "10.1.2.0",
            "10.1.2.0/33",
            "10.1.2/24",
            "fd00::/129",
            "",
            "/",
            "10.1.2.0/-1",
        ] {
            assert!(
                matches!(bad.parse::<Prefix>(), Err(PrefixError::Form(_))),
                "{bad}"
            );
        }
        let error = "10.1.2.3/24".parse::<Prefix>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "10.1.2.3/24 has bits set behind its length: write 10.1.2.0/24"
        );
    }

    #[test]
    fn arithmetic() {
        let prefix: Prefix = "10.1.2.0/24".parse().unwrap();
        assert_eq!(prefix.size(), 256);
        assert_eq!(prefix.nth(1).to_string(), "10.1.2.1");
        assert_eq!(prefix.nth(257).to_string(), "10.1.2.1");
        assert!(prefix.contains("10.1.2.255".parse().unwrap()));
        assert!(!prefix.contains("10.1.3.0".parse().unwrap()));
        assert!(!prefix.contains("::1".parse().unwrap()));
        let all: Prefix = "0.0.0.0/0".parse().unwrap();
        assert!(all.overlaps(prefix) && prefix.overlaps(all));
        assert!(!"::/0".parse::<Prefix>().unwrap().overlaps(prefix));
        assert_eq!("::/0".parse::<Prefix>().unwrap().size(), u128::MAX);
        assert_eq!(
            "fd00::/64"
                .parse::<Prefix>()
                .unwrap()
                .nth(0x1_0000)
                .to_string(),
            "fd00::1:0"
        );
    }
}
