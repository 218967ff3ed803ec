//! The outer structure of JPEG and WebP files: segments and chunks, walked over as far as they are well-formed.

/// The segments between a JPEG's start and its first scan: marker and payload.
pub(super) fn jpeg_segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        // Fill bytes and, as decoders do, stray bytes before a marker are passed over.
        let at = rest
            .windows(2)
            .position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff))?;
        let marker = rest[at + 1];
        // From the start of scan on, segments are mixed with coded pixels.
        if matches!(marker, 0xd9 | 0xda) {
            return None;
        }
        let (length, after) = rest[at + 2..].split_first_chunk()?;
        let payload = after.get(..usize::from(u16::from_be_bytes(*length)).checked_sub(2)?)?;
        rest = &after[payload.len()..];
        Some((marker, payload))
    })
}

/// The chunks of a RIFF file: name and payload.
pub(super) fn riff_chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = bytes.get(12..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (name, after) = rest.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let payload = after.get(..length)?;
        rest = after.get(length.checked_next_multiple_of(2)?..).unwrap_or_default();
        Some((name, payload))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jpeg_segments_end_at_the_scan_or_where_the_file_does() {
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xee\0\x02\xff\xda\0\x02";
        assert_eq!(
            jpeg_segments(jpeg).collect::<Vec<_>>(),
            [(0xe0, &b"ab"[..]), (0xee, &b""[..])]
        );
        assert_eq!(jpeg_segments(b"\xff\xd8\xff\xe0\0\x09ab").count(), 0);
        assert_eq!(jpeg_segments(b"\xff\xd8\xff\xe0\0\x01ab").count(), 0);
        assert_eq!(jpeg_segments(b"\xff").count(), 0);
    }

    #[test]
    fn riff_chunks_are_padded_to_even_lengths() {
        let riff = b"RIFF\0\0\0\0WEBPABCD\x03\0\0\0abc\0EFGH\x01\0\0\0x";
        assert_eq!(
            riff_chunks(riff).collect::<Vec<_>>(),
            [(b"ABCD", &b"abc"[..]), (b"EFGH", &b"x"[..])]
        );
        assert_eq!(riff_chunks(b"RIFF\0\0\0\0WEBPABCD\xff\xff\xff\xffabc").count(), 0);
    }
}
