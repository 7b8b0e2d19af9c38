//! The store under power cuts at every write.
//!
//! Invariant: after a cut a value is the old one or the new one.

use super::*;
use crate::testing::{Flash, PAGE};
use std::vec::Vec;

const PAGES: usize = 3;

fn store() -> Store {
    Store::new::<Flash>(0..(PAGES * PAGE) as u32).unwrap()
}

fn enrolment(byte: u8) -> Enrolment {
    let site = SiteKeys { link: [byte; 32], signing: [byte + 1; 32] };
    Enrolment { site, psk: Secret::new([byte + 2; 32]) }
}

fn parameters(flash: &mut Flash) -> Option<Vec<u8>> {
    let mut buffer = [0; STORE_BUFFER];
    store().parameters(flash, &mut buffer).unwrap().map(<[u8]>::to_vec)
}

#[test]
fn what_is_stored_is_there_after_a_restart() {
    let mut flash = Flash::new(PAGES);
    let mut next = 0_u8;
    let mut random = || {
        next += 1;
        Secret::new([next; 32])
    };
    let store = store();

    assert_eq!(store.count_boot(&mut flash), Ok(1));
    assert_eq!(store.count_boot(&mut flash), Ok(2));
    let (link, signing) = store.secrets(&mut flash, &mut random).unwrap();
    assert_eq!((link.expose(), signing.expose()), (&[1; 32], &[2; 32]));
    let (link, signing) = store.secrets(&mut flash, &mut random).unwrap();
    assert_eq!((link.expose(), signing.expose()), (&[1; 32], &[2; 32]), "made once");
    assert_eq!(store.code(&mut flash, &mut random), Ok([3; 19]));
    assert_eq!(store.code(&mut flash, &mut random), Ok([3; 19]), "made once");

    assert!(store.enrolment(&mut flash).unwrap().is_none());
    store.set_enrolment(&mut flash, &enrolment(10)).unwrap();
    let stored = store.enrolment(&mut flash).unwrap().unwrap();
    assert_eq!((stored.site, stored.psk.expose()), (enrolment(10).site, &[12; 32]));
    assert_eq!(store.code(&mut flash, &mut random), Ok([4; 19]), "the old code is gone");
    assert_eq!((store.raised(&mut flash), store.lost(&mut flash)), (Ok(0), Ok(0)));
    store.set_raised(&mut flash, 0x8001).unwrap();
    store.set_lost(&mut flash, 7).unwrap();
    assert_eq!((store.raised(&mut flash), store.lost(&mut flash)), (Ok(0x8001), Ok(7)));
}

#[test]
fn a_power_cut_at_any_write_leaves_the_old_value_or_the_new_one() {
    let sizes = [400, 33, 512, 90, 500, 301, 512, 17];
    let value = |n: usize| std::vec![n as u8 + 1; sizes[n]];
    let run = |flash: &mut Flash| {
        for n in 0..sizes.len() {
            if store().set_parameters(flash, &value(n)).is_err() {
                return n;
            }
            if store().set_raised(flash, n as u16).is_err() {
                return n;
            }
        }
        sizes.len()
    };
    let mut whole = Flash::new(PAGES);
    assert_eq!(run(&mut whole), sizes.len());

    for cut in 0..whole.changed {
        let mut flash = Flash::new(PAGES);
        flash.left = Some(cut);
        let during = run(&mut flash);
        let mut flash = flash.repowered();

        let found = parameters(&mut flash);
        let before = during.checked_sub(1).map(value);
        assert!(found == before || found == Some(value(during)), "cut {cut} during {during}");
        let raised = store().raised(&mut flash).unwrap();
        assert!(usize::from(raised) == during || usize::from(raised) == during.saturating_sub(1));
        store().set_parameters(&mut flash, b"works on").unwrap();
        assert_eq!(parameters(&mut flash).as_deref(), Some(b"works on".as_slice()));
    }
}
