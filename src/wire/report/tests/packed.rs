//! gzip and zip as they occur, as they lie, and as bombs.

use super::*;
use flate2::write::DeflateEncoder;

/// One file of a zip; `streamed`: CRC and sizes stand behind the octets.
struct Zipped<'a> {
    name: &'a str,
    octets: &'a [u8],
    streamed: bool,
    flags: u16,
    stored: bool,
}

fn zip(files: &[Zipped<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for file in files {
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::default());
        packed.write_all(file.octets).unwrap();
        let packed = match file.stored {
            true => file.octets.to_vec(),
            false => packed.finish().unwrap(),
        };
        let mut crc = flate2::Crc::new();
        crc.update(file.octets);
        let ends = [crc.sum(), packed.len() as u32, file.octets.len() as u32];
        let flags = file.flags | if file.streamed { 8 } else { 0 };
        out.extend_from_slice(b"PK\x03\x04\x14\0");
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(if file.stored { b"\0\0" } else { b"\x08\0" });
        out.extend_from_slice(&[0; 4]);
        for end in ends {
            let end = if file.streamed { 0 } else { end };
            out.extend_from_slice(&end.to_le_bytes());
        }
        out.extend_from_slice(&(file.name.len() as u16).to_le_bytes());
        out.extend_from_slice(b"\x03\0");
        out.extend_from_slice(file.name.as_bytes());
        out.extend_from_slice(b"ext");
        out.extend_from_slice(&packed);
        if file.streamed {
            out.extend_from_slice(b"PK\x07\x08");
            ends.iter()
                .for_each(|end| out.extend_from_slice(&end.to_le_bytes()));
        }
    }
    out.extend_from_slice(b"PK\x01\x02 and a directory of lies");
    out
}

fn plain<'a>(name: &'a str, octets: &'a [u8]) -> Zipped<'a> {
    Zipped {
        name,
        octets,
        streamed: false,
        flags: 0,
        stored: false,
    }
}

#[test]
fn zips_as_they_occur() {
    let xml = OLD.as_bytes();
    let expected = aggregate(xml);
    let dark = Zipped {
        stored: true,
        ..plain("__MACOSX/._report.xml", b"rubbish")
    };
    for files in [
        vec![plain("report.xml", xml)],
        vec![Zipped {
            streamed: true,
            ..plain("REPORT.XML", xml)
        }],
        vec![Zipped {
            stored: true,
            ..plain("a/report.xml", xml)
        }],
        vec![
            plain("a/", b""),
            plain("readme.txt", b"hello"),
            dark,
            plain("report.xml", xml),
            plain("other.xml", b"no"),
        ],
    ] {
        assert_eq!(aggregate(&zip(&files)), expected);
    }
    for (files, why) in [
        (
            vec![Zipped {
                flags: 1,
                ..plain("report.xml", xml)
            }],
            "encrypted",
        ),
        (
            vec![Zipped {
                streamed: true,
                stored: true,
                ..plain("report.xml", xml)
            }],
            "no known end",
        ),
        (vec![plain("letter.docx", xml)], "no XML"),
        (
            vec![plain("inner.xml", &zip(&[plain("report.xml", xml)]))],
            "packed twice",
        ),
    ] {
        let fault = fault(&zip(&files));
        assert!(fault.contains(why), "{fault}");
    }
    assert!(fault(b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0").contains("empty"));
    let others = |n: usize| {
        let mut files: Vec<_> = (0..n).map(|_| plain("x.txt", b"x")).collect();
        files.push(plain("report.xml", xml));
        zip(&files)
    };
    assert!(read(&others(REPORT_ZIP_ENTRIES_MAX - 1)).is_ok());
    assert!(fault(&others(REPORT_ZIP_ENTRIES_MAX)).contains("many files"));
    assert!(fault(&others(10_000)).contains("many files"));
}

#[test]
fn packings_that_lie() {
    let whole = zip(&[plain("report.xml", OLD.as_bytes())]);
    for (at, what) in [(14, "crc"), (22, "size")] {
        let mut lying = whole.clone();
        lying[at] ^= 1;
        assert!(fault(&lying).contains("checksum or size"), "{what}");
    }
    // A packed size that is a lie changes nothing: the octets say where they end.
    let mut lying = whole.clone();
    lying[18] ^= 0xff;
    assert!(read(&lying).is_ok());
    let packed = gzip(OLD.as_bytes());
    for cut in 1..packed.len() {
        assert!(read_chunked(&packed[..cut], 64).is_err(), "{cut}");
    }
    for cut in 1..whole.len() - 40 {
        assert!(read_chunked(&whole[..cut], 64).is_err(), "{cut}");
    }
    let mut broken = packed.clone();
    broken[15] ^= 0x55;
    assert!(read(&broken).is_err());
    assert!(read(&[packed.as_slice(), b"\r\n"].concat()).is_ok());
    // Every optional field of a gzip header.
    let mut odd = packed[..10].to_vec();
    odd[3] = 2 | 4 | 8 | 16;
    odd.extend_from_slice(b"\x03\0abcname\0comment\0hc");
    odd.extend_from_slice(&packed[10..]);
    assert!(read(&odd).is_ok());
    assert!(fault(&gzip(&packed)).contains("packed twice"));
}

#[test]
fn bombs_are_refused_early() {
    // 1 GiB of zeros, packed: the first blocks show what it is.
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"<feedback><a>").unwrap();
    let zeros = vec![b'0'; 1 << 20];
    (0..64).for_each(|_| packed.write_all(&zeros).unwrap());
    let bomb = packed.finish().unwrap();
    let mut given = 0u64;
    let mut unpacker = unpack::Unpacker::default();
    let result = bomb.chunks(4096).try_for_each(|chunk| {
        unpacker.feed(chunk, &mut |octets| {
            given += octets.len() as u64;
            Ok(())
        })
    });
    assert_eq!(result, Err(Fault::Bomb));
    assert!(
        given <= REPORT_RATIO_FREE_BYTES + 4096 * REPORT_RATIO_MAX,
        "{given}"
    );
    assert_eq!(read(&bomb), Err(Fault::Bomb));
    let zeros = [b"<feedback>".as_slice(), &zeros, &zeros].concat();
    assert_eq!(read(&zip(&[plain("a.xml", &zeros)])), Err(Fault::Bomb));
}

#[test]
fn sizes_have_bounds() {
    let result = |more: usize| {
        let mut unpacker = unpack::Unpacker::default();
        let mebibyte = vec![b' '; 1 << 20];
        (0..REPORT_PACKED_BYTES_MAX >> 20)
            .try_for_each(|_| unpacker.feed(&mebibyte, &mut |_| Ok(())))
            .and_then(|()| unpacker.feed(&vec![b' '; more], &mut |_| Ok(())))
    };
    assert_eq!(result(0), Ok(()));
    assert!(result(1).is_err());
}
