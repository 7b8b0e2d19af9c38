//! What the agent reads from its flash at the start, and makes where it is not there yet.
//!
//! The stored parameters are not among it: their signature's check and the start need their stack one after the other.
//! Invariant: keys and code are on flash before they are used.

use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use sitewarden_wire::code::Code;
use sitewarden_wire::keys::{DeviceId, KeyPair, Secret};

use crate::flash::{FlashError, Layout};
use crate::queue::Queue;
use crate::store::{Enrolment, Store};

/// What the flash holds at the start.
pub(super) struct Parts {
    pub(super) store: Store,
    pub(super) queue: Queue,
    pub(super) keys: KeyPair,
    pub(super) signing: Secret,
    pub(super) enrolment: Option<Enrolment>,
    pub(super) code: Code,
    pub(super) boot_counter: u32,
    pub(super) boot_id: [u8; 8],
    pub(super) queued: u32,
    pub(super) lost: u32,
    pub(super) device: DeviceId,
}

impl Parts {
    #[inline(never)] // its frame is freed before the agent's is made
    pub(super) fn read<F: MultiwriteNorFlash>(
        flash: &mut F,
        layout: Layout,
        random: &mut dyn FnMut() -> Secret,
    ) -> Result<Self, FlashError> {
        let store = Store::new::<F>(layout.store)?;
        let queue = Queue::new::<F>(layout.queue)?;
        let boot_counter = store.count_boot(flash)?;
        let (link, signing) = store.secrets(flash, random)?;
        let enrolment = store.enrolment(flash)?;
        let code = match enrolment {
            None => store.code(flash, random)?,
            Some(_) => [0; 19],
        };
        let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = *random().expose();
        let keys = KeyPair::from_secret(link);
        Ok(Self {
            device: DeviceId::of(keys.public()),
            queued: queue.count(flash)?,
            lost: store.lost(flash)?,
            store,
            queue,
            keys,
            signing,
            enrolment,
            code: Code::from_random(&code),
            boot_counter,
            boot_id: [b0, b1, b2, b3, b4, b5, b6, b7],
        })
    }
}
