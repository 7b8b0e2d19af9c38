//! What board files may say and how mistakes are told.

use super::*;

fn error_of(text: &str) -> String {
    Description::parse("b.toml", text).expect_err("has a mistake").to_string()
}

#[test]
fn every_shipped_board_is_good_and_the_list_is_the_folder() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/boards");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
        .collect();
    files.sort();

    assert_eq!(files, names());
    for name in names() {
        let board = shipped(name).unwrap();
        assert!(!board.leds.is_empty() || !board.temperatures.is_empty(), "{name} gives nothing a name");
    }
}

#[test]
fn an_unknown_board_is_told_which_there_are() {
    let error = shipped("raspberry").expect_err("no such board").to_string();

    assert_eq!(error, "no board is called \"raspberry\"; there are: generic-x86, raspberry-pi, sim");
}

#[test]
fn a_mistake_is_told_with_its_place() {
    let error =
        error_of("title = \"B\"\nbackend = \"linux\"\n\n[[contacts]]\nname = \"t\"\nrole = \"tampr\"\n");

    assert!(error.starts_with("b.toml:6:8: unknown variant `tampr`"), "{error}");
}

#[test]
fn names_are_plain_and_stand_once() {
    let error = error_of(
        "title = \"B\"\nbackend = \"sim\"\n\
         [[leds]]\nname = \"a b\"\ncolour = \"green\"\n\
         [[contacts]]\nname = \"x\"\nrole = \"tamper\"\n\
         [[fans]]\nname = \"x\"\nminimum-rpm = 1\n",
    );

    assert_eq!(
        error,
        "b.toml: led \"a b\": a name has 1 to 32 of the characters a-z, 0-9 and -; fan \"x\": the name stands twice"
    );
}

#[test]
fn a_linux_board_says_where_everything_is() {
    let error =
        error_of("title = \"B\"\nbackend = \"linux\"\n[[contacts]]\nname = \"tamper\"\nrole = \"tamper\"\n");

    assert!(error.contains("\"tamper\" has no source"), "{error}");
}

#[test]
fn values_that_cannot_be_are_refused_all_at_once() {
    let error = error_of(
        "title = \"B\"\nbackend = \"recorded\"\n\
         [[temperatures]]\nname = \"cpu\"\nlimit-celsius = 900.0\nsource = { lm75 = { bus = \"/dev/i2c-1\", address = 3 } }\n\
         [[serial]]\nname = \"rs485\"\npath = \"/dev/ttyS0\"\nbaud = 1\n\
         [[leds]]\nname = \"l\"\ncolour = \"red\"\nsource = { class = \"../../x\" }\n\
         [[contacts]]\nname = \"a\"\nrole = \"door\"\nsource = { gpio = { chip = \"gpiochip0\", line = 4 } }\n\
         [[contacts]]\nname = \"b\"\nrole = \"door\"\nsource = { gpio = { chip = \"gpiochip0\", line = 4, debounce-ms = 5000 } }\n",
    );

    for part in [
        "limit-celsius is 0 to 150",
        "an I2C address is 0x08 to 0x77",
        "baud is 300 to 4000000",
        "led class \"../../x\"",
        "debounce-ms is 0 to 1000",
        "line 4 of gpiochip0 is used twice",
        "needs `recording`",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.toml");
    std::fs::write(&path, vec![b'#'; 70_000]).unwrap();

    let error = Description::read(&path).expect_err("too large");

    assert!(matches!(error, FileError::TooLarge { bytes: 70_000, .. }), "{error}");
}

#[test]
fn a_recording_is_taken_from_the_folder_of_its_board_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.toml");
    std::fs::write(&path, "title = \"B\"\nbackend = \"recorded\"\nrecording = \"day.jsonl\"\n").unwrap();

    let board = Description::read(&path).unwrap();

    assert_eq!(board.recording, Some(folder.path().join("day.jsonl")));
}
