//! Topic aliases towards one client (MQTT 5 §3.3.2.3.4): the first topics that it is sent get one each.
//!
//! Not the aliases of a client's own messages: those stand in `publish`. Invariants: no alias above what the
//! client said it takes and above our own bound; an alias is used only after a packet that set it went into the
//! outbox of the same connection.

use std::collections::HashMap;

/// Below this length in bytes a topic costs no more than its alias.
const SHORTEST_TOPIC: usize = 4;

/// What stands in a PUBLISH for its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alias {
    /// The topic alone.
    None,
    /// Topic and a new alias for it.
    New(u16),
    /// The alias alone.
    Known(u16),
}

/// The table of one connection.
#[derive(Debug)]
pub(crate) struct Aliases {
    most: u16,
    known: HashMap<Box<str>, u16>,
}

impl Aliases {
    /// `None` when the client takes no alias.
    pub(crate) fn new(client_takes: Option<u16>, bound: u16) -> Option<Box<Self>> {
        let most = client_takes.unwrap_or(0).min(bound);
        (most > 0).then(|| Box::new(Self { most, known: HashMap::new() }))
    }

    /// What to send for a topic.
    pub(crate) fn of(&self, topic: &str) -> Alias {
        if topic.len() < SHORTEST_TOPIC {
            return Alias::None;
        }
        if let Some(alias) = self.known.get(topic) {
            return Alias::Known(*alias);
        }
        match u16::try_from(self.known.len()) {
            Ok(used) if used < self.most => Alias::New(used + 1),
            _ => Alias::None,
        }
    }

    /// A packet with topic and new alias is on its way.
    pub(crate) fn sent(&mut self, topic: &str, alias: Alias) {
        if let Alias::New(alias) = alias {
            self.known.insert(topic.into(), alias);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_go_to_the_first_topics_and_stay_theirs() {
        assert!(Aliases::new(None, 64).is_none() && Aliases::new(Some(0), 64).is_none());
        let mut aliases = Aliases::new(Some(9), 2).expect("it takes some");
        assert_eq!(aliases.of("site/a"), Alias::New(1));
        assert_eq!(aliases.of("site/a"), Alias::New(1), "nothing was sent");
        aliases.sent("site/a", Alias::New(1));
        assert_eq!((aliases.of("site/a"), aliases.of("site/b")), (Alias::Known(1), Alias::New(2)));
        aliases.sent("site/b", Alias::New(2));
        assert_eq!((aliases.of("site/c"), aliases.of("s/a")), (Alias::None, Alias::None));
    }
}
