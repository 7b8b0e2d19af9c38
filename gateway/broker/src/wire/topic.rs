//! Syntax of topics and filters (MQTT 5 §4.7, §4.8.2).
//!
//! Not matching and not permission: the router and the grants have those. Invariant: what passes here has
//! no U+0000 and at most the given number of levels, so that a trie over levels has a bounded depth.

use super::reason::TopicFault;

/// In front of a shared subscription's group name.
pub const SHARE_PREFIX: &str = "$share/";

/// Checks a topic of a PUBLISH, a will or a response topic.
///
/// # Errors
/// [`TopicFault`]: empty, with U+0000 or a wildcard, too deep.
#[inline]
pub fn check_topic(topic: &str, levels: usize) -> Result<(), TopicFault> {
    if topic.is_empty() {
        return Err(TopicFault::Empty);
    }
    // No branch in the loop: this runs for every message.
    let mut separators = 0_usize;
    let mut nul = false;
    let mut wildcard = false;
    for &byte in topic.as_bytes() {
        nul |= byte == 0;
        wildcard |= byte == b'+' || byte == b'#';
        separators += usize::from(byte == b'/');
    }
    if nul {
        Err(TopicFault::Nul)
    } else if wildcard {
        Err(TopicFault::Wildcard)
    } else if separators >= levels {
        Err(TopicFault::TooDeep)
    } else {
        Ok(())
    }
}

/// Checks a filter of a SUBSCRIBE or UNSUBSCRIBE, with or without `$share/group/`.
///
/// # Errors
/// [`TopicFault`]: empty, U+0000, a wildcard that is not a whole level, too deep, a bad share.
pub fn check_filter(filter: &str, levels: usize) -> Result<(), TopicFault> {
    if let Some(shared) = filter.strip_prefix(SHARE_PREFIX) {
        let (group, inner) = shared.split_once('/').ok_or(TopicFault::Share)?;
        if group.is_empty() || inner.is_empty() || group.contains(['+', '#', '\0']) {
            return Err(TopicFault::Share);
        }
        return check_plain_filter(inner, levels);
    }
    check_plain_filter(filter, levels)
}

fn check_plain_filter(filter: &str, levels: usize) -> Result<(), TopicFault> {
    if filter.is_empty() {
        return Err(TopicFault::Empty);
    }
    if filter.as_bytes().contains(&0) {
        return Err(TopicFault::Nul);
    }
    let mut rest = Some(filter);
    let mut depth = 0_usize;
    while let Some(text) = rest {
        let (level, after) = match text.split_once('/') {
            Some((level, after)) => (level, Some(after)),
            None => (text, None),
        };
        depth += 1;
        if depth > levels {
            return Err(TopicFault::TooDeep);
        }
        if level.contains('#') && (level != "#" || after.is_some()) {
            return Err(TopicFault::MultiLevel);
        }
        if level.contains('+') && level != "+" {
            return Err(TopicFault::SingleLevel);
        }
        rest = after;
    }
    Ok(())
}

/// Group name and inner filter of a shared subscription; `None` for any other filter. For filters that
/// passed [`check_filter`].
#[must_use]
pub fn split_share(filter: &str) -> Option<(&str, &str)> {
    filter.strip_prefix(SHARE_PREFIX)?.split_once('/')
}
