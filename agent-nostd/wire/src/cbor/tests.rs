//! Reader and writer: what comes back, what is skipped, what is refused.
//!
//! The bytes of whole messages are the golden ones.
//! Invariant: a reader that failed stays failed.

use super::*;

fn read<'b, T>(bytes: &'b [u8], value: impl Fn(&mut Reader<'b>) -> T) -> Option<T> {
    let mut reader = Reader::new(bytes);
    let value = value(&mut reader);
    (!reader.failed() && reader.left() == 0).then_some(value)
}

#[test]
fn what_is_written_is_read() {
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    writer.array(2);
    [0, 23, 24, 255, 256, 65_536, u64::MAX].into_iter().for_each(|value| writer.unsigned(value));
    [0, -1, -24, -25, i32::MIN, i32::MAX].into_iter().for_each(|value| writer.signed(value));
    writer.text("text");
    let length = writer.finish().unwrap();

    let mut reader = Reader::new(&buffer[..length]);
    assert_eq!(reader.array(2), 2);
    assert_eq!([(); 7].map(|()| reader.u64()), [0, 23, 24, 255, 256, 65_536, u64::MAX]);
    assert_eq!([(); 6].map(|()| reader.i32()), [0, -1, -24, -25, i32::MIN, i32::MAX]);
    assert_eq!((reader.text(), reader.failed(), reader.left()), ("text", false, 0));
}

#[test]
fn a_value_that_does_not_fit_its_buffer_or_its_type_fails() {
    let mut writer = Writer::new(&mut []);
    writer.unsigned(1);
    assert_eq!(writer.finish(), None);

    assert_eq!(read(&[0x18, 0xff], Reader::u8), Some(255));
    assert_eq!(read(&[0x19, 0x01, 0x00], Reader::u8), None);
    assert_eq!(read(&[0x1a, 0, 1, 0, 0], Reader::u16), None);
    assert_eq!(read(&[0x1a, 0x80, 0, 0, 0], Reader::i32), None);
    assert_eq!(read(&[0x3a, 0x80, 0, 0, 0], Reader::i32), None);
    assert_eq!(read(&[0x20], Reader::u64), None);
    assert_eq!(read(&[0x42, 1, 2], Reader::exact::<2>), Some([1, 2]));
    assert_eq!(read(&[0x43, 1, 2, 3], Reader::exact::<2>), None);
    assert_eq!(read(b"\x61\xff", |reader| reader.text().len()), None);
}

#[test]
fn an_unknown_value_is_skipped_whole() {
    for value in [
        &[0x00][..],
        &[0x3b, 0, 0, 0, 0, 0, 0, 0, 1],
        &[0x42, 1, 2],
        b"\x61a",
        &[0x82, 0x01, 0x81, 0x02],
        &[0xa1, 0x01, 0xa1, 0x02, 0x80],
        &[0xd2, 0x84, 0x40, 0xa0, 0x40, 0x40],
        &[0xf4],
        &[0xf5],
        &[0xf6],
    ] {
        assert_eq!(read(value, |reader| reader.skip(1)), Some(()), "{value:02x?}");
        for cut in 0..value.len() {
            assert_eq!(read(&value[..cut], |reader| reader.skip(1)), None, "{value:02x?} cut at {cut}");
        }
    }
}

#[test]
fn lengths_left_open_and_lengths_of_billions_are_refused() {
    for value in [
        &[0x9f, 0xff][..],
        &[0xbf, 0xff],
        &[0x5f, 0xff],
        &[0x7f, 0xff],
        &[0xff],
        &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
    ] {
        assert_eq!(read(value, |reader| reader.skip(1)), None, "{value:02x?}");
    }
}

#[test]
fn a_key_comes_once_and_a_newer_peers_key_is_skipped() {
    let keys = |reader: &mut Reader<'_>| {
        let mut keys = Keys::of(reader);
        let mut sum = 0;
        while let Some(key) = keys.next(reader) {
            sum += u32::from(key) * reader.u32();
        }
        keys.require(reader, 0b10);
        sum
    };

    assert_eq!(read(&[0xa2, 1, 10, 2, 20], keys), Some(50));
    assert_eq!(read(&[0xa2, 0x18, 32, 0x81, 5, 1, 10], keys), Some(10));
    assert_eq!(read(&[0xa2, 1, 10, 1, 10], keys), None, "twice");
    assert_eq!(read(&[0xa1, 2, 10], keys), None, "a required one is missing");
    assert_eq!(read(&[0xa1, 0x20, 10], keys), None, "a negative key");
}
