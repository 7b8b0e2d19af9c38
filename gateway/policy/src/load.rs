//! From text to a set that can be asked: parse, name, validate against the schema, slice.
//!
//! All or nothing: the first mistake refuses the whole set. Invariant: every policy in a [`Loaded`] is valid in
//! Cedar's strict mode, has a unique id and stands in every slice whose requests it can apply to.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{
    ActionConstraint, Effect, Entity, EntityUid, Policy, PolicyId, PolicySet, PrincipalConstraint,
    RequestEnv, ResourceConstraint, Schema, SchemaFragment, ValidationMode, Validator,
};
use sitewarden_core::Action;

use crate::error::{PolicyError, wrong};
use crate::files::{File, Files};
use crate::limits::POLICIES;
use crate::spaces::Spaces;
use crate::vocabulary::{PRINCIPALS, RESOURCES, action_uid, type_name};

/// Which requests a slice is for: kinds of principal and resource, and the action.
type SliceKey = (&'static str, Action, &'static str);

/// A file as `GET /policies` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoadedFile {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) policies: Vec<String>,
}

/// A valid set.
pub(crate) struct Loaded {
    pub(crate) files: Vec<LoadedFile>,
    pub(crate) spaces: Spaces,
    pub(crate) digest: String,
    slices: HashMap<SliceKey, Arc<PolicySet>>,
    actions: HashMap<Action, Entity>,
}

impl Loaded {
    /// Reads a set; the first mistake refuses it.
    pub(crate) fn parse(files: &Files) -> Result<Self, PolicyError> {
        let spaces = Spaces::parse(&files.spaces)?;
        let schema = parse_schema(&files.schema)?;
        let mut policies: Vec<Policy> = Vec::new();
        let mut shown = Vec::new();
        let validator = Validator::new(schema.clone());
        for file in &files.policies {
            let named = parse_policies(file, policies.len())?;
            validate(&validator, file, &named)?;
            let ids = named.iter().map(|policy| policy.id().to_string()).collect();
            shown.push(LoadedFile { name: file.name.clone(), source: file.text.clone(), policies: ids });
            policies.extend(named);
        }
        check_unique(&shown)?;
        check_spaces(files, &policies, &spaces)?;
        let action_entities = schema
            .action_entities()
            .map_err(|error| wrong(&files.schema.name, &files.schema.text, &error))?;
        let actions: HashMap<Action, Entity> = Action::ALL
            .iter()
            .filter_map(|action| Some((*action, action_entities.get(&action_uid(*action)?)?.clone())))
            .collect();
        check_actions(&files.schema, &actions)?;
        let is_in = |action: &EntityUid, group: &EntityUid| {
            action == group || action_entities.is_ancestor_of(group, action)
        };
        let slices = slice(&schema, &policies, is_in);
        for file in [&files.schema, &files.spaces] {
            shown.push(LoadedFile {
                name: file.name.clone(),
                source: file.text.clone(),
                policies: Vec::new(),
            });
        }
        Ok(Self { files: shown, spaces, digest: files.digest(), slices, actions })
    }

    /// The policies that can apply to such a request; `None` when the schema knows no such request.
    pub(crate) fn slice(
        &self,
        principal: &'static str,
        action: Action,
        resource: &str,
    ) -> Option<&Arc<PolicySet>> {
        let resource = RESOURCES.into_iter().find(|kind| *kind == resource)?;
        self.slices.get(&(principal, action, resource))
    }

    /// The action with its groups.
    pub(crate) fn action(&self, action: Action) -> Option<&Entity> {
        self.actions.get(&action)
    }
}

/// A schema of one's own must know what the program asks for: what it does not know would be refused to all.
fn check_actions(schema: &File, actions: &HashMap<Action, Entity>) -> Result<(), PolicyError> {
    let Some(missing) = Action::ALL.iter().find(|action| !actions.contains_key(action)) else {
        return Ok(());
    };
    Err(PolicyError::Wrong {
        file: schema.name.clone(),
        line: 1,
        message: format!("the schema does not know the action \"{missing}\""),
        hint: "take the shipped schema over, or remove the file to use it".to_owned(),
    })
}

fn parse_schema(file: &File) -> Result<Schema, PolicyError> {
    let (fragment, _warnings) = SchemaFragment::from_cedarschema_str(&file.text)
        .map_err(|error| wrong(&file.name, &file.text, &error))?;
    Schema::from_schema_fragments([fragment]).map_err(|error| wrong(&file.name, &file.text, &error))
}

/// Parses one file and gives each policy its `@id`, or file name and number where it has none.
fn parse_policies(file: &File, before: usize) -> Result<Vec<Policy>, PolicyError> {
    let set: PolicySet = file.text.parse().map_err(|errors: cedar_policy::ParseErrors| {
        errors.iter().next().map_or_else(
            || wrong(&file.name, &file.text, &errors),
            |first| wrong(&file.name, &file.text, first),
        )
    })?;
    if let Some(template) = set.templates().next() {
        let hint = "name the principal and the resource, or use `is` and `when`".to_owned();
        let message = format!("{} is a template", template.annotation("id").unwrap_or("a policy"));
        return Err(PolicyError::Wrong { file: file.name.clone(), line: 1, message, hint });
    }
    let found = before + set.policies().count();
    if found > POLICIES {
        return Err(PolicyError::TooMuch {
            file: file.name.clone(),
            what: "policies",
            found: found as u64,
            most: POLICIES as u64,
        });
    }
    // Cedar numbers them policy0, policy1 and so on in the order of the text.
    let mut numbered: Vec<(usize, &Policy)> =
        set.policies().map(|policy| (number_of(policy), policy)).collect();
    numbered.sort_unstable_by_key(|(number, _)| *number);
    let stem = file.name.trim_end_matches(".cedar");
    let mut named: Vec<Policy> = Vec::with_capacity(numbered.len());
    for (number, policy) in numbered {
        let id = policy.annotation("id").map_or_else(|| format!("{stem}-{}", number + 1), str::to_owned);
        if named.iter().any(|other| other.id().to_string() == id) {
            return Err(duplicate(&file.name, &file.text, &id));
        }
        named.push(policy.new_id(PolicyId::new(id)));
    }
    Ok(named)
}

fn number_of(policy: &Policy) -> usize {
    policy.id().to_string().trim_start_matches("policy").parse().unwrap_or(usize::MAX)
}

fn duplicate(file: &str, text: &str, id: &str) -> PolicyError {
    let quoted = format!("@id(\"{id}\")");
    let line = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains(&quoted))
        .last()
        .map_or(1, |(number, _)| number + 1);
    PolicyError::Wrong {
        file: file.to_owned(),
        line,
        message: format!("the id {id:?} is used twice"),
        hint: "give each policy an @id of its own".to_owned(),
    }
}

fn check_unique(files: &[LoadedFile]) -> Result<(), PolicyError> {
    let mut seen = HashSet::new();
    for file in files {
        for id in &file.policies {
            if !seen.insert(id.as_str()) {
                return Err(duplicate(&file.name, &file.source, id));
            }
        }
    }
    Ok(())
}

fn validate(validator: &Validator, file: &File, policies: &[Policy]) -> Result<(), PolicyError> {
    let set = PolicySet::from_policies(policies.iter().cloned())
        .map_err(|error| wrong(&file.name, &file.text, &error))?;
    let result = validator.validate(&set, ValidationMode::default());
    let first =
        result.validation_errors().map(|error| wrong(&file.name, &file.text, error)).min_by_key(|error| {
            match error {
                PolicyError::Wrong { line, .. } => *line,
                _ => 0,
            }
        });
    first.map_or(Ok(()), Err)
}

/// A policy that names a topic space which does not exist would never apply: most likely a slip of the pen.
fn check_spaces(files: &Files, policies: &[Policy], spaces: &Spaces) -> Result<(), PolicyError> {
    for policy in policies {
        for named in policy.entity_literals() {
            let id = named.id().unescaped();
            if named.type_name().to_string() != "TopicSpace" || spaces.names().any(|name| name.as_ref() == id)
            {
                continue;
            }
            let quoted = format!("TopicSpace::\"{id}\"");
            let place = files.policies.iter().find_map(|file| {
                let line = file.text.lines().position(|line| line.contains(&quoted))?;
                Some((file.name.clone(), line + 1))
            });
            let (file, line) = place.unwrap_or_else(|| (files.spaces.name.clone(), 1));
            let known: Vec<&str> = spaces.names().map(AsRef::as_ref).collect();
            return Err(PolicyError::Wrong {
                file,
                line,
                message: format!("there is no topic space {id:?}"),
                hint: format!("{} has: {}", files.spaces.name, known.join(", ")),
            });
        }
    }
    Ok(())
}

/// For each kind of request of the schema, the policies whose scope can match it. Requests with the same policies
/// share one set.
fn slice(
    schema: &Schema,
    policies: &[Policy],
    is_in: impl Fn(&EntityUid, &EntityUid) -> bool,
) -> HashMap<SliceKey, Arc<PolicySet>> {
    let known: HashSet<RequestEnv> = schema.request_envs().collect();
    let mut shared: BTreeMap<Vec<usize>, Arc<PolicySet>> = BTreeMap::new();
    let mut slices = HashMap::new();
    for principal in PRINCIPALS {
        for action in Action::ALL {
            for resource in RESOURCES {
                let parts = (type_name(principal), action_uid(*action), type_name(resource));
                let (Some(principal_type), Some(uid), Some(resource_type)) = parts else { continue };
                if !known.contains(&RequestEnv::new(principal_type, uid.clone(), resource_type)) {
                    continue;
                }
                let members: Vec<usize> = (0..policies.len())
                    .filter(|index| {
                        policies
                            .get(*index)
                            .is_some_and(|policy| can_apply(policy, principal, &uid, resource, &is_in))
                    })
                    .collect();
                let set = shared.entry(members).or_insert_with_key(|members| {
                    let chosen = members.iter().filter_map(|index| policies.get(*index)).cloned();
                    Arc::new(PolicySet::from_policies(chosen).expect("ids were checked to be unique"))
                });
                slices.insert((principal, *action, resource), Arc::clone(set));
            }
        }
    }
    slices
}

fn can_apply(
    policy: &Policy,
    principal: &str,
    action: &EntityUid,
    resource: &str,
    is_in: impl Fn(&EntityUid, &EntityUid) -> bool,
) -> bool {
    let principal_fits = match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::In(_) => true,
        PrincipalConstraint::Eq(uid) => uid.type_name().to_string() == principal,
        PrincipalConstraint::Is(name) | PrincipalConstraint::IsIn(name, _) => name.to_string() == principal,
    };
    let action_fits = match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => uid == *action,
        ActionConstraint::In(groups) => groups.iter().any(|group| is_in(action, group)),
    };
    let resource_fits = match policy.resource_constraint() {
        ResourceConstraint::Any | ResourceConstraint::In(_) => true,
        ResourceConstraint::Eq(uid) => uid.type_name().to_string() == resource,
        ResourceConstraint::Is(name) | ResourceConstraint::IsIn(name, _) => name.to_string() == resource,
    };
    principal_fits && action_fits && resource_fits
}

/// Whether a set has a policy that forbids.
pub(crate) fn has_forbid(set: &PolicySet, ids: &[Arc<str>]) -> bool {
    set.policies().any(|policy| {
        policy.effect() == Effect::Forbid && ids.iter().any(|id| policy.id().to_string() == **id)
    })
}
