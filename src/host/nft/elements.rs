//! Elements of sets and maps, straight to the kernel (linux/netfilter/nf_tables.h): a change takes microseconds,
//! where the program takes milliseconds, the more the larger the table is.

use super::super::netfilter::{CREATE, Message, Netfilter};
use super::NftError;

const SUBSYSTEM: u8 = 10;
const NEW_ELEMENT: u8 = 12;
const DELETE_ELEMENT: u8 = 14;
/// NFPROTO_INET
const INET: u8 = 1;
const GOTO: i32 = -4;
/// A nested attribute may have 64 KiB: well below.
const MOST_BYTES: usize = 32 << 10;

/// What an element of a map leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To<'a> {
    /// Nothing: it is in a set, or goes.
    Nothing,
    /// A value in the kernel's form.
    Bytes(&'a [u8]),
    /// A chain.
    Chain(&'a str),
}

/// A transaction of elements of one table of family `inet`.
#[derive(Debug)]
pub struct Transaction<'a> {
    table: &'a str,
    messages: Vec<Message>,
}

impl<'a> Transaction<'a> {
    /// Of a table, by its name.
    pub fn new(table: &'a str) -> Self {
        let messages = Vec::new();
        Self { table, messages }
    }

    /// Puts elements into a set, or takes them out of it.
    pub fn elements<'e>(
        &mut self,
        set: &str,
        add: bool,
        elements: impl IntoIterator<Item = (&'e [u8], To<'e>)>,
    ) {
        let mut elements = elements.into_iter().peekable();
        while elements.peek().is_some() {
            let (kind, flags) = if add {
                (NEW_ELEMENT, CREATE)
            } else {
                (DELETE_ELEMENT, 0)
            };
            let mut message = Message::new(SUBSYSTEM, kind, flags, INET, 0);
            message.text(1, self.table).text(2, set).nest(3, |list| {
                while list.len() < MOST_BYTES
                    && let Some((key, to)) = elements.next()
                {
                    list.nest(1, |element| write(element, key, to));
                }
            });
            self.messages.push(message);
        }
    }

    /// Has the kernel do all of it, or nothing.
    ///
    /// # Errors
    /// What it refused first; then nothing has changed.
    pub fn run(self) -> Result<(), NftError> {
        if self.messages.is_empty() {
            return Ok(());
        }
        let kernel = Netfilter::open().map_err(NftError::Kernel)?;
        let done = kernel.batch(SUBSYSTEM, self.messages);
        done.map_err(NftError::Kernel)
    }
}

fn write(element: &mut Message, key: &[u8], to: To) {
    element.nest(1, |data| {
        data.put(1, key);
    });
    match to {
        To::Nothing => {}
        To::Bytes(bytes) => {
            element.nest(2, |data| {
                data.put(1, bytes);
            });
        }
        To::Chain(chain) => {
            element.nest(2, |data| {
                data.nest(2, |verdict| {
                    verdict.put(1, &GOTO.to_be_bytes()).text(2, chain);
                });
            });
        }
    }
}
