//! What the agent keeps besides findings: keys, boot counter, enrolment, parameters, raised rules.
//!
//! A small map in flash; each value is replaced whole, so after a power cut it is the old one or the new one. Secrets lie in
//! it as they are: whoever reads the flash is the device.
//! Invariant: a value has one key and one length here, and another length is read as "not there".

use core::ops::Range;

use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use sequential_storage::cache::Cache;
use sequential_storage::map::{MapConfig, MapStorage};
use sitewarden_wire::code::CODE_LENGTH;
use sitewarden_wire::handshake::SiteKeys;
use sitewarden_wire::keys::Secret;
use zeroize::Zeroize as _;

use crate::flash::{FlashError, block_on};
use crate::limits::STORE_BUFFER;

/// Keys of the map. Never renumbered: they are on flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Key {
    LinkSecret = 1,
    SigningSecret = 2,
    BootCounter = 3,
    Code = 4,
    Enrolment = 5,
    Parameters = 6,
    Raised = 7,
    Lost = 8,
}

/// What an enrolment leaves.
#[derive(Debug, Clone)]
pub(crate) struct Enrolment {
    pub(crate) site: SiteKeys,
    pub(crate) psk: Secret,
}

/// The store; the flash itself is lent to each call.
pub(crate) struct Store {
    range: Range<u32>,
}

impl Store {
    pub(crate) fn new<F: MultiwriteNorFlash>(range: Range<u32>) -> Result<Self, FlashError> {
        MapConfig::<F>::try_new(range.clone()).map_err(|_| FlashError::Layout)?;
        Ok(Self { range })
    }

    fn put<F: MultiwriteNorFlash>(&self, flash: &mut F, key: Key, value: &[u8]) -> Result<(), FlashError> {
        let config = MapConfig::try_new(self.range.clone()).map_err(|_| FlashError::Layout)?;
        let mut map = MapStorage::<u8, _, _>::new(flash, config, Cache::new_uncached());
        let mut buffer = [0; STORE_BUFFER];
        let stored = block_on(map.store_item(&mut buffer, &(key as u8), &value));
        buffer.zeroize();
        Ok(stored?)
    }

    /// The value of `key` at the start of `buffer`.
    fn get<'b, F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        key: Key,
        buffer: &'b mut [u8; STORE_BUFFER],
    ) -> Result<Option<&'b [u8]>, FlashError> {
        let config = MapConfig::try_new(self.range.clone()).map_err(|_| FlashError::Layout)?;
        let mut map = MapStorage::<u8, _, _>::new(flash, config, Cache::new_uncached());
        Ok(block_on(map.fetch_item::<&[u8]>(buffer.as_mut_slice(), &(key as u8)))?)
    }

    fn fixed<F: MultiwriteNorFlash, const N: usize>(
        &self,
        flash: &mut F,
        key: Key,
    ) -> Result<Option<[u8; N]>, FlashError> {
        let mut buffer = [0; STORE_BUFFER];
        let value = self.get(flash, key, &mut buffer)?.and_then(|value| value.try_into().ok());
        buffer.zeroize();
        Ok(value)
    }

    /// The device's two secrets: those that were stored, else new ones, stored before they are used.
    pub(crate) fn secrets<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        random: &mut dyn FnMut() -> Secret,
    ) -> Result<(Secret, Secret), FlashError> {
        let mut secret = |key| -> Result<Secret, FlashError> {
            match self.fixed(flash, key)? {
                Some(bytes) => Ok(Secret::new(bytes)),
                None => {
                    let secret = random();
                    self.put(flash, key, secret.expose())?;
                    Ok(secret)
                }
            }
        };
        Ok((secret(Key::LinkSecret)?, secret(Key::SigningSecret)?))
    }

    /// Counts this start.
    pub(crate) fn count_boot<F: MultiwriteNorFlash>(&self, flash: &mut F) -> Result<u32, FlashError> {
        let counter = self.fixed(flash, Key::BootCounter)?.map_or(0, u32::from_be_bytes).saturating_add(1);
        self.put(flash, Key::BootCounter, &counter.to_be_bytes())?;
        Ok(counter)
    }

    /// The random bytes of the code to enrol with: those that were stored, else new ones.
    pub(crate) fn code<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        random: &mut dyn FnMut() -> Secret,
    ) -> Result<[u8; CODE_LENGTH - 1], FlashError> {
        if let Some(code) = self.fixed(flash, Key::Code)? {
            return Ok(code);
        }
        let mut code = [0; CODE_LENGTH - 1];
        code.iter_mut().zip(random().expose()).for_each(|(to, from)| *to = *from);
        self.put(flash, Key::Code, &code)?;
        Ok(code)
    }

    pub(crate) fn enrolment<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
    ) -> Result<Option<Enrolment>, FlashError> {
        let stored: Option<[u8; 96]> = self.fixed(flash, Key::Enrolment)?;
        Ok(stored.and_then(|mut bytes| {
            let (link, rest) = bytes.split_first_chunk::<32>()?;
            let (signing, psk) = rest.split_first_chunk::<32>()?;
            let site = SiteKeys { link: *link, signing: *signing };
            let psk = Secret::new(psk.try_into().ok()?);
            bytes.zeroize();
            Some(Enrolment { site, psk })
        }))
    }

    /// Stores an enrolment; the code is forgotten after it, never before.
    pub(crate) fn set_enrolment<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        enrolment: &Enrolment,
    ) -> Result<(), FlashError> {
        let mut bytes = [0; 96];
        let fields = enrolment.site.link.iter().chain(&enrolment.site.signing).chain(enrolment.psk.expose());
        bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = *from);
        let stored = self.put(flash, Key::Enrolment, &bytes);
        bytes.zeroize();
        stored?;
        // Another length than a code's: read as "not there". The code is of no use any more, so a failure costs nothing.
        let _ = self.put(flash, Key::Code, &[]);
        Ok(())
    }

    pub(crate) fn parameters<'b, F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        buffer: &'b mut [u8; STORE_BUFFER],
    ) -> Result<Option<&'b [u8]>, FlashError> {
        self.get(flash, Key::Parameters, buffer)
    }

    pub(crate) fn set_parameters<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        cose: &[u8],
    ) -> Result<(), FlashError> {
        self.put(flash, Key::Parameters, cose)
    }

    /// The rules that were raised, one bit each in the order of the parameters; the highest bit is the tamper contact.
    pub(crate) fn raised<F: MultiwriteNorFlash>(&self, flash: &mut F) -> Result<u16, FlashError> {
        Ok(self.fixed(flash, Key::Raised)?.map_or(0, u16::from_be_bytes))
    }

    pub(crate) fn set_raised<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        raised: u16,
    ) -> Result<(), FlashError> {
        self.put(flash, Key::Raised, &raised.to_be_bytes())
    }

    /// Findings that could not be stored and of which nobody was told yet.
    pub(crate) fn lost<F: MultiwriteNorFlash>(&self, flash: &mut F) -> Result<u32, FlashError> {
        Ok(self.fixed(flash, Key::Lost)?.map_or(0, u32::from_be_bytes))
    }

    pub(crate) fn set_lost<F: MultiwriteNorFlash>(&self, flash: &mut F, lost: u32) -> Result<(), FlashError> {
        self.put(flash, Key::Lost, &lost.to_be_bytes())
    }
}

#[cfg(test)]
mod tests;
