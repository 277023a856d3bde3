//! Header blocks: a number of pairs, each part with its length before it, all of it through zlib with the protocol's
//! dictionary. One zlib stream runs through all blocks of a direction.

use super::SpdyError;
use super::dictionary;
use flate2::{Decompress, FlushDecompress, Status};

/// Names, in lower case, and values.
pub type Headers = Vec<(String, String)>;

/// The most bytes of an unpacked block.
pub const LARGEST: usize = 64 << 10;
/// The most pairs of a block.
const MOST: usize = 256;
/// Between several values of one name.
const SEPARATOR: char = '\0';

/// The first value of a name.
pub fn value<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(found, _)| found == name);
    found.map(|(_, value)| value.split(SEPARATOR).next().unwrap_or_default())
}

/// Unpacks the blocks of a direction, in their order.
#[derive(Debug)]
pub struct Unpacker {
    zlib: Decompress,
}

impl Default for Unpacker {
    fn default() -> Self {
        Self {
            zlib: Decompress::new(true),
        }
    }
}

impl Unpacker {
    /// The headers of the next block.
    pub fn unpack(&mut self, block: &[u8]) -> Result<Headers, SpdyError> {
        parse(&self.inflate(block)?)
    }

    fn inflate(&mut self, block: &[u8]) -> Result<Vec<u8>, SpdyError> {
        let mut plain = Vec::new();
        let mut part = vec![0; 4096];
        let mut rest = block;
        loop {
            let (before_in, before_out) = (self.zlib.total_in(), self.zlib.total_out());
            let result = self.zlib.decompress(rest, &mut part, FlushDecompress::Sync);
            let taken = difference(self.zlib.total_in(), before_in);
            let given = difference(self.zlib.total_out(), before_out);
            rest = rest.get(taken..).unwrap_or_default();
            plain.extend_from_slice(part.get(..given).unwrap_or_default());
            if plain.len() > LARGEST {
                return Err(SpdyError::Headers);
            }
            match result {
                Err(error) if error.needs_dictionary() == Some(dictionary::CHECKSUM) => {
                    let set = self.zlib.set_dictionary(&dictionary::bytes());
                    set.map_err(|_| SpdyError::Packed)?;
                }
                // A block never ends the stream.
                Err(_) | Ok(Status::StreamEnd) => return Err(SpdyError::Packed),
                Ok(_) if given == part.len() => {}
                Ok(_) if rest.is_empty() => return Ok(plain),
                // Neither input was taken nor output given: there is no more to come.
                Ok(_) if taken == 0 && given == 0 => return Err(SpdyError::Packed),
                Ok(_) => {}
            }
        }
    }
}

fn difference(after: u64, before: u64) -> usize {
    usize::try_from(after.saturating_sub(before)).unwrap_or_default()
}

/// The pairs of an unpacked block.
pub fn parse(mut bytes: &[u8]) -> Result<Headers, SpdyError> {
    let count = usize::try_from(number(&mut bytes)?).map_err(|_| SpdyError::Headers)?;
    if count > MOST {
        return Err(SpdyError::Headers);
    }
    let mut headers = Headers::new();
    for _ in 0..count {
        let name = text(&mut bytes)?;
        let value = text(&mut bytes)?;
        let good = !name.is_empty() && !name.bytes().any(|byte| byte.is_ascii_uppercase());
        if !good || headers.iter().any(|(known, _)| *known == name) {
            return Err(SpdyError::Headers);
        }
        headers.push((name, value));
    }
    match bytes.is_empty() {
        true => Ok(headers),
        false => Err(SpdyError::Headers),
    }
}

fn number(bytes: &mut &[u8]) -> Result<u32, SpdyError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(SpdyError::Headers)?;
    *bytes = rest;
    Ok(u32::from_be_bytes(*number))
}

fn text(bytes: &mut &[u8]) -> Result<String, SpdyError> {
    let length = usize::try_from(number(bytes)?).map_err(|_| SpdyError::Headers)?;
    let (text, rest) = bytes.split_at_checked(length).ok_or(SpdyError::Headers)?;
    *bytes = rest;
    String::from_utf8(text.to_vec()).map_err(|_| SpdyError::Headers)
}

/// Packs the blocks of a direction, in their order. What we say in headers is so short that nothing is gained by packing
/// it: it goes as stored blocks, which need no memory.
#[derive(Debug, Default)]
pub struct Packer {
    begun: bool,
}

impl Packer {
    /// Appends the next block.
    pub fn pack(&mut self, headers: &Headers, out: &mut Vec<u8>) {
        if !self.begun {
            self.begun = true;
            // Deflate with a window of 32 KiB and a dictionary; a multiple of 31.
            out.extend_from_slice(&[0x78, 0x20]);
            out.extend_from_slice(&dictionary::CHECKSUM.to_be_bytes());
        }
        let mut plain = Vec::new();
        push(&mut plain, headers.len());
        for (name, value) in headers {
            for part in [name, value] {
                push(&mut plain, part.len());
                plain.extend_from_slice(part.as_bytes());
            }
        }
        // At the end an empty one, as a flush makes it: Go's reader hands out what it has only then.
        for part in plain.chunks(usize::from(u16::MAX)).chain([&[][..]]) {
            let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
            out.push(0);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&(!length).to_le_bytes());
            out.extend_from_slice(part);
        }
    }
}

fn push(out: &mut Vec<u8>, number: usize) {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    out.extend_from_slice(&number.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};
    use proptest::prelude::*;

    /// Packs as other implementations do.
    fn deflate(zlib: &mut Compress, plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(plain.len() + 1024);
        zlib.compress_vec(plain, &mut out, FlushCompress::Sync)
            .unwrap();
        out
    }

    fn compressor() -> Compress {
        let mut zlib = Compress::new(Compression::best(), true);
        zlib.set_dictionary(&dictionary::bytes()).unwrap();
        zlib
    }

    fn plain(headers: &Headers) -> Vec<u8> {
        let mut out = Vec::new();
        Packer { begun: true }.pack(headers, &mut out);
        // Without the head of the stored block, and the empty one.
        out.truncate(out.len() - 5);
        out.split_off(5)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Headers {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(own).collect()
    }

    #[test]
    fn what_others_pack_is_unpacked() {
        let mut zlib = compressor();
        let mut unpacker = Unpacker::default();
        for name in ["error", "stdin", "stdout", "resize"] {
            let headers = pairs(&[("streamtype", name), (":host", "localhost:80")]);
            let packed = deflate(&mut zlib, &plain(&headers));
            assert_eq!(unpacker.unpack(&packed), Ok(headers.clone()));
            assert_eq!(value(&headers, "streamtype"), Some(name));
        }
    }

    #[test]
    fn wrong_blocks_are_refused() {
        let cases: &[&[u8]] = &[
            b"",
            &[0, 0, 0, 1],
            &[0, 0, 0, 1, 0, 0, 0, 9, b'a'],
            &[255, 255, 255, 255],
            &[0, 0, 0, 0, 0],
            &[0, 0, 0, 1, 0, 0, 0, 1, b'A', 0, 0, 0, 0],
            &[0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0, 0, 0, 0],
            &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        ];
        for case in cases {
            assert_eq!(parse(case), Err(SpdyError::Headers), "{case:?}");
        }
        let twice = pairs(&[("a", "1"), ("a", "2")]);
        assert_eq!(parse(&plain(&twice)), Err(SpdyError::Headers));
    }

    #[test]
    fn a_block_that_grows_without_end_is_refused() {
        let packed = deflate(&mut compressor(), &vec![0; 8 << 20]);
        assert!(packed.len() < 64 << 10);
        assert_eq!(Unpacker::default().unpack(&packed), Err(SpdyError::Headers));
    }

    #[test]
    fn another_dictionary_is_refused() {
        let mut zlib = Compress::new(Compression::best(), true);
        zlib.set_dictionary(b"something else").unwrap();
        let packed = deflate(&mut zlib, &plain(&pairs(&[("a", "b")])));
        assert_eq!(Unpacker::default().unpack(&packed), Err(SpdyError::Packed));
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(blocks in prop::collection::vec(
            prop::collection::btree_map("[a-z]{1,9}", ".{0,99}", 0..5), 1..5)) {
            let (mut packer, mut unpacker, mut zlib) = (Packer::default(), Unpacker::default(), compressor());
            let mut other = Unpacker::default();
            for block in blocks {
                let headers: Headers = block.into_iter().collect();
                let mut packed = Vec::new();
                packer.pack(&headers, &mut packed);
                prop_assert_eq!(unpacker.unpack(&packed), Ok(headers.clone()));
                let packed = deflate(&mut zlib, &plain(&headers));
                prop_assert_eq!(other.unpack(&packed), Ok(headers));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..4)) {
            let mut unpacker = Unpacker::default();
            for block in blocks {
                let _ = parse(&block);
                let _ = unpacker.unpack(&block);
            }
        }
    }
}
