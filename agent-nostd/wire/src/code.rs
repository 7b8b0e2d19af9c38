//! The one-time code of an enrolment: four groups of five characters.
//!
//! Nineteen characters are random (95 bits), the last one checks them. The alphabet is Crockford's base 32: no `I L O U`.
//! A typed code and the text of a QR code give the same key: case, blanks and hyphens do not matter, `O` is `0`, `I` and `L`
//! are `1`, and the QR text has a prefix. The code is no permanent key: it proves itself once, in an enrolment, and both
//! sides forget it. It is long enough that a recorded handshake does not help to guess it.
//! Invariant: a [`Code`] is always whole and its check character fits.

use core::fmt;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroize;

use crate::keys::Secret;

/// Characters of a code without its hyphens.
pub const CODE_LENGTH: usize = 20;

/// What a QR code's text begins with.
pub const QR_PREFIX: &str = "SITEWARDEN:1:";

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const GROUP: usize = 5;
/// Odd, so that no single mistyped character keeps the sum modulo 32; different for neighbours, to notice most swaps.
const WEIGHTS: [u32; CODE_LENGTH - 1] = [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 3, 7, 11];

/// Why a text is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Not twenty characters.
    #[error("a code has {CODE_LENGTH} characters, this has {length}: type it again or scan the QR code")]
    Length {
        /// Characters without blanks and hyphens.
        length: usize,
    },
    /// A character that no code has.
    #[error("the character at place {place} is none of a code's: type it again or scan the QR code")]
    Character {
        /// Its place, from 1, without blanks and hyphens.
        place: usize,
    },
    /// The check character does not fit.
    #[error("a character was mistyped: compare it with the label or scan the QR code")]
    Check,
}

/// A one-time code.
#[derive(Clone, PartialEq, Eq)]
pub struct Code([u8; CODE_LENGTH]);

impl Code {
    /// The code of these random bytes; five bits of each are used.
    #[must_use]
    pub fn from_random(random: &[u8; CODE_LENGTH - 1]) -> Self {
        let mut symbols = [0; CODE_LENGTH];
        symbols.iter_mut().zip(random).for_each(|(symbol, byte)| *symbol = byte & 31);
        if let Some(last) = symbols.last_mut() {
            *last = check(random.iter().map(|byte| byte & 31));
        }
        Self(symbols)
    }

    /// The code that was typed or scanned.
    ///
    /// # Errors
    /// [`CodeError`], to be shown to whoever typed.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let text = text.trim();
        let text = match text.split_at_checked(QR_PREFIX.len()) {
            Some((head, rest)) if head.eq_ignore_ascii_case(QR_PREFIX) => rest,
            _ => text,
        };
        let mut symbols = [0; CODE_LENGTH];
        let mut length = 0;
        for character in text.chars().filter(|c| !matches!(c, '-' | ' ' | '\u{2010}'..='\u{2015}')) {
            let symbol = symbol(character).ok_or(CodeError::Character { place: length + 1 })?;
            if let Some(slot) = symbols.get_mut(length) {
                *slot = symbol;
            }
            length += 1;
        }
        if length != CODE_LENGTH {
            return Err(CodeError::Length { length });
        }
        let [data @ .., last] = symbols;
        if check(data.iter().copied()) != last {
            return Err(CodeError::Check);
        }
        Ok(Self(symbols))
    }

    /// The code as it is printed, in four groups; a console without formatting shows these.
    pub fn characters(&self) -> impl Iterator<Item = char> {
        self.0.iter().enumerate().flat_map(|(place, &symbol)| {
            let separator = (place > 0 && place % GROUP == 0).then_some('-');
            let character = ALPHABET.get(usize::from(symbol)).copied().unwrap_or(b'?');
            separator.into_iter().chain([char::from(character)])
        })
    }

    /// The pre-shared key of the enrolment.
    #[must_use]
    pub fn key(&self) -> Secret {
        let mut hash = Sha256::new();
        hash.update(b"sitewarden enrolment code 1");
        hash.update(self.0);
        Secret::new(hash.finalize().into())
    }
}

fn check(symbols: impl Iterator<Item = u8>) -> u8 {
    let sum: u32 = symbols.zip(WEIGHTS).map(|(symbol, weight)| u32::from(symbol) * weight).sum();
    (sum & 31) as u8
}

fn symbol(character: char) -> Option<u8> {
    let upper = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    ALPHABET.iter().position(|&known| char::from(known) == upper).and_then(|at| u8::try_from(at).ok())
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.characters().try_for_each(|character| fmt::Write::write_char(f, character))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Fuzz body: codes from hostile text.
pub fn fuzz_code(data: &[u8]) {
    if let Ok(text) = core::str::from_utf8(data)
        && let Ok(code) = Code::parse(text)
    {
        let mut again = heapless::String::<32>::new();
        fmt::Write::write_fmt(&mut again, format_args!("{code}")).expect("a code has 23 characters");
        assert_eq!(Code::parse(&again).as_ref(), Ok(&code), "parse(print(x)) = x");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Seeded, mutate};
    use std::format;
    use std::string::{String, ToString as _};

    fn code() -> Code {
        Code::from_random(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 255])
    }

    #[test]
    fn typed_code_and_qr_text_are_the_same_code() {
        let printed = code().to_string();
        assert_eq!(printed, "12345-6789A-BCDEF-GHJZE");

        for typed in [
            printed.clone(),
            printed.to_lowercase(),
            printed.replace('-', ""),
            printed.replace('-', " "),
            printed.replace('1', "I"),
            printed.replace('1', "l"),
            format!("{QR_PREFIX}{printed}"),
            format!("  {}{printed}\n", QR_PREFIX.to_lowercase()),
        ] {
            assert_eq!(Code::parse(&typed).unwrap(), code(), "{typed}");
            assert_eq!(Code::parse(&typed).unwrap().key().expose(), code().key().expose());
        }
    }

    #[test]
    fn each_mistake_is_named() {
        assert_eq!(Code::parse("12345"), Err(CodeError::Length { length: 5 }));
        assert_eq!(Code::parse("12345-6789U"), Err(CodeError::Character { place: 10 }));
        assert_eq!(Code::parse("12345-6789A-BCDEF-GHJZY"), Err(CodeError::Check));
        assert_eq!(Code::parse(&"1".repeat(4000)), Err(CodeError::Length { length: 4000 }));
    }

    #[test]
    fn every_single_mistyped_character_is_noticed() {
        let printed: String = code().to_string().replace('-', "");
        for place in 0..CODE_LENGTH {
            for &other in ALPHABET {
                let mut typed = printed.clone().into_bytes();
                if typed[place] == other {
                    continue;
                }
                typed[place] = other;
                let typed = String::from_utf8(typed).unwrap();
                assert_eq!(Code::parse(&typed), Err(CodeError::Check), "{typed}");
            }
        }
    }

    #[test]
    fn seeded_mutations() {
        let seed = code().to_string();
        let mut random = Seeded::new(1);
        for _ in 0..2000 {
            fuzz_code(&mutate(&mut random, seed.as_bytes()));
        }
    }
}
