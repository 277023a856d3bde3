//! Into the kernel with a table: by the program where rules are concerned, and without it where only elements are.

use crate::host::nft::elements::{To, Transaction};
use crate::host::nft::{self, NftError};
use crate::plan::network::elements::{self, Elements, Value};
use crate::plan::network::table::{self, TABLE, Table};

/// Puts a table in place of whatever is there of it. One that is there is exchanged in one transaction: nobody misses a
/// service meanwhile. Where there is none, rules come first and elements after them, which takes a fraction of the time.
///
/// # Errors
/// What the program or the kernel refused.
pub fn load(table: &Table) -> Result<(), NftError> {
    if nft::has_table(TABLE)? {
        return nft::run(&table::whole(table));
    }
    let (frame, elements) = elements::split(table);
    nft::run(&table::whole(&frame))?;
    put(&elements).or_else(|error| {
        log::warn!("{}: all of it by nft", crate::chain::line(&error));
        nft::run(&table::whole(table))
    })
}

/// Changes elements without the program, all or none.
///
/// # Errors
/// What the kernel refused.
pub fn put(all: &[Elements]) -> Result<(), NftError> {
    let name = TABLE.split(' ').next_back().unwrap_or(TABLE);
    let mut transaction = Transaction::new(name);
    for set in all {
        let elements = set.elements.iter().map(|(key, value)| {
            let to = match value {
                Value::None => To::Nothing,
                Value::Bytes(bytes) => To::Bytes(bytes),
                Value::Goto(chain) => To::Chain(chain),
            };
            (key.as_slice(), to)
        });
        transaction.elements(&set.set, set.add, elements);
    }
    transaction.run()
}
