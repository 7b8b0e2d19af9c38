//! The program's principals, actions and resources as Cedar's entities.
//!
//! Decides nothing. Invariant: every attribute that the schema asks for is set, so that no policy ends in an error.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use sitewarden_core::{Action, Principal, Resource};

/// All kinds of principals, as the schema names them.
pub(crate) const PRINCIPALS: [&str; 6] = ["Person", "ApiKey", "Device", "Anonymous", "System", "Console"];

/// All kinds of resources, as the schema names them.
pub(crate) const RESOURCES: [&str; 9] =
    ["Site", "Device", "Finding", "User", "Session", "ApiKey", "Rule", "Policy", "TopicSpace"];

/// The schema's name of a principal's kind.
pub(crate) const fn principal_kind(principal: &Principal) -> &'static str {
    match principal {
        Principal::Person { .. } => "Person",
        Principal::ApiKey { .. } => "ApiKey",
        Principal::Device { .. } => "Device",
        Principal::Anonymous => "Anonymous",
        Principal::System { .. } => "System",
        Principal::Console => "Console",
    }
}

/// A name of the schema; `None` for text that is no name.
pub(crate) fn type_name(kind: &str) -> Option<EntityTypeName> {
    kind.parse().ok()
}

pub(crate) fn uid(kind: &str, id: &str) -> Option<EntityUid> {
    Some(EntityUid::from_type_name_and_id(type_name(kind)?, EntityId::new(id)))
}

pub(crate) fn action_uid(action: Action) -> Option<EntityUid> {
    uid("Action", action.as_str())
}

pub(crate) fn principal_entity(principal: &Principal) -> Option<Entity> {
    let kind = principal_kind(principal);
    let (id, attributes) = match principal {
        Principal::Person { id, role } | Principal::ApiKey { id, role } => {
            (id.as_ref(), vec![("id", id.as_ref()), ("role", role.as_str())])
        }
        Principal::Device { id, trust } => {
            (id.as_ref(), vec![("id", id.as_ref()), ("trust", trust.as_str())])
        }
        Principal::System { reason } => (*reason, vec![("reason", *reason)]),
        Principal::Anonymous => ("anonymous", Vec::new()),
        Principal::Console => ("console", Vec::new()),
    };
    entity(kind, id, &attributes)
}

pub(crate) fn resource_entity(resource: &Resource) -> Option<Entity> {
    let id = resource.id();
    let attributes = match resource.kind() {
        "Site" => Vec::new(),
        "Device" => vec![("id", id), ("trust", "untold")],
        "ApiKey" => vec![("id", id), ("role", "untold")],
        "TopicSpace" => vec![("name", id)],
        _ => vec![("id", id)],
    };
    entity(resource.kind(), id, &attributes)
}

fn entity(kind: &str, id: &str, attributes: &[(&str, &str)]) -> Option<Entity> {
    let attributes: HashMap<String, RestrictedExpression> = attributes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), RestrictedExpression::new_string((*value).to_owned())))
        .collect();
    Entity::new(uid(kind, id)?, attributes, HashSet::new()).ok()
}
