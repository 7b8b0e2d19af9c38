//! The last message of each topic that asked to be kept.
//!
//! Not its persistence. Invariants: count and bytes never exceed the limits; an expired message is never
//! found; the order of what a filter finds is the order of topics.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use sitewarden_core::time::Timestamp;

use crate::limits::Limit;
use crate::state::Message;

/// Retained messages by topic.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    topics: BTreeMap<Arc<str>, Arc<Message>>,
    bytes: u64,
}

fn size(message: &Message) -> u64 {
    u64::try_from(message.topic.len() + message.payload.len()).unwrap_or(u64::MAX)
}

impl Retained {
    pub(crate) fn len(&self) -> usize {
        self.topics.len()
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the topic has one, be it expired.
    pub(crate) fn has(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// Which bound the message would break.
    pub(crate) fn refuses(&self, topic: &str, payload: usize, count: u32, bytes: u64) -> Option<Limit> {
        let old = self.topics.get(topic);
        if old.is_none() && self.topics.len() >= usize::try_from(count).unwrap_or(usize::MAX) {
            return Some(Limit::RetainedMessages);
        }
        let new = u64::try_from(topic.len() + payload).unwrap_or(u64::MAX);
        let kept = self.bytes - old.map_or(0, |old| size(old));
        (kept.saturating_add(new) > bytes).then_some(Limit::RetainedBytes)
    }

    /// Sets the message of its topic; the one before comes back.
    pub(crate) fn set(&mut self, message: Arc<Message>) -> Option<Arc<Message>> {
        self.bytes += size(&message);
        let old = self.topics.insert(message.topic.clone(), message);
        self.bytes -= old.as_deref().map_or(0, size);
        old
    }

    /// Removes the message of a topic.
    pub(crate) fn remove(&mut self, topic: &str) -> Option<Arc<Message>> {
        let old = self.topics.remove(topic);
        self.bytes -= old.as_deref().map_or(0, size);
        old
    }

    /// All messages whose topic the filter matches and that have not expired.
    pub(crate) fn find(&self, filter: &str, now: Timestamp) -> Vec<Arc<Message>> {
        let live = |message: &&Arc<Message>| message.expires.is_none_or(|end| end > now);
        let Some(wild) = filter.find(['+', '#']) else {
            return self.topics.get(filter).filter(live).cloned().into_iter().collect();
        };
        // Topics sort by bytes, so those that share the text before the first wildcard stand together;
        // `a/#` also finds `a` itself, which stands before them.
        let prefix = filter.get(..wild).unwrap_or_default();
        let parent = prefix.strip_suffix('/').unwrap_or(prefix);
        self.topics
            .range::<str, _>((Bound::Included(parent), Bound::Unbounded))
            .take_while(|(topic, _)| topic.starts_with(parent))
            .filter(|(topic, message)| live(message) && filter_matches(filter, topic))
            .map(|(_, message)| message.clone())
            .collect()
    }

    /// Topics whose message has expired.
    pub(crate) fn expired(&self, now: Timestamp) -> Vec<Arc<str>> {
        let dead = self.topics.iter().filter(|(_, message)| message.expires.is_some_and(|end| end <= now));
        dead.map(|(topic, _)| topic.clone()).collect()
    }

    /// All of them, in the order of topics.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Message>> {
        self.topics.values()
    }
}

/// Whether a filter matches a topic (MQTT 5 §4.7). Both are valid.
pub(crate) fn filter_matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::wire::QoS;

    fn message(topic: &str, expires: Option<i64>) -> Arc<Message> {
        Arc::new(Message {
            id: 0,
            topic: topic.into(),
            payload: Bytes::from_static(b"x"),
            qos: QoS::AtMostOnce,
            retain: true,
            properties: None,
            expires: expires.map(Timestamp::from_seconds),
        })
    }

    fn topics(retained: &Retained, filter: &str, now: i64) -> Vec<String> {
        let found = retained.find(filter, Timestamp::from_seconds(now));
        found.iter().map(|message| message.topic.to_string()).collect()
    }

    #[test]
    fn filters_find_what_they_match() {
        let mut retained = Retained::default();
        for topic in ["a", "a/b", "a!b", "a/b/c", "b/b", "/b", "$SYS/x"] {
            retained.set(message(topic, None));
        }
        assert_eq!(topics(&retained, "a/#", 0), ["a", "a/b", "a/b/c"]);
        assert_eq!(topics(&retained, "+/b", 0), ["/b", "a/b", "b/b"]);
        assert_eq!(topics(&retained, "a/+", 0), ["a/b"]);
        assert_eq!(topics(&retained, "a/+/#", 0), ["a/b", "a/b/c"]);
        assert_eq!(topics(&retained, "$SYS/#", 0), ["$SYS/x"]);
        assert_eq!(topics(&retained, "#", 0).len(), 6);
        assert_eq!(topics(&retained, "a!b", 0), ["a!b"]);
    }

    #[test]
    fn expired_messages_are_not_found_and_are_swept() {
        let mut retained = Retained::default();
        retained.set(message("a", Some(10)));
        assert_eq!(topics(&retained, "a", 9), ["a"]);
        assert_eq!(topics(&retained, "+", 10), Vec::<String>::new());
        assert_eq!(retained.expired(Timestamp::from_seconds(10)), ["a".into()]);
    }

    #[test]
    fn bytes_follow_replacement_and_removal() {
        let mut retained = Retained::default();
        retained.set(message("abc", None));
        retained.set(message("abc", None));
        assert_eq!((retained.len(), retained.bytes()), (1, 4));
        assert_eq!(retained.refuses("abc", 1, 1, 4), None, "replacing needs no room");
        assert_eq!(retained.refuses("d", 1, 1, 100), Some(Limit::RetainedMessages));
        assert_eq!(retained.refuses("d", 9, 2, 8), Some(Limit::RetainedBytes));
        retained.remove("abc");
        assert_eq!((retained.len(), retained.bytes()), (0, 0));
    }
}
