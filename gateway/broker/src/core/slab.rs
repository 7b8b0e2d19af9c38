//! A table with keys that die: a key of a removed entry never finds its successor.
//!
//! Not a map for outside names. Entries are boxed: a table that grows copies pointers and leaves no large
//! holes in the heap, which counts with 10,000 idle connections. Invariant: the generation of a slot grows with each removal, so deferred
//! work that holds an old key finds nothing.

/// Names one entry of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// The slot: small, reused, for tables beside this one.
    #[must_use]
    pub const fn slot(self) -> usize {
        self.index as usize
    }
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<Box<T>>,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn insert(&mut self, value: T) -> Key {
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            slot.value = Some(Box::new(value));
            return Key { index, generation: slot.generation };
        }
        let index = u32::try_from(self.slots.len()).expect("the limits keep tables below 2^32 entries");
        self.slots.push(Slot { generation: 0, value: Some(Box::new(value)) });
        Key { index, generation: 0 }
    }

    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(key.slot())?;
        if slot.generation == key.generation { slot.value.as_deref() } else { None }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.slot())?;
        if slot.generation == key.generation { slot.value.as_deref_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.slot())?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(*value)
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        let filled = (0_u32..).zip(&self.slots).filter(|(_, slot)| slot.value.is_some());
        filled.map(|(index, slot)| Key { index, generation: slot.generation }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_key_does_not_find_the_new_entry_of_its_slot() {
        let mut slab = Slab::default();
        let old = slab.insert("old");
        assert_eq!(slab.remove(old), Some("old"));
        let new = slab.insert("new");

        assert_eq!(new.slot(), old.slot());
        assert_eq!(slab.get(old), None);
        assert_eq!(slab.remove(old), None);
        assert_eq!(slab.get(new), Some(&"new"));
        assert_eq!((slab.len(), slab.keys()), (1, vec![new]));
    }
}
