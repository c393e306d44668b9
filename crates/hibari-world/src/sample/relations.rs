//! Relations between two members of the cast, drawn when both are known, since they ask something of both.

use crate::random::Random;
use crate::script::{Member, Role};
use crate::slots::{PartialMember, PartialScript};
use crate::vocabulary::{Action, Facing, Kind, Mix, Relation, Subject};

/// What is said of a member, and what follows from what is said of the other: what is held is a thing.
pub(super) fn as_partner(
    said: &PartialMember,
    idx: usize,
    stated: &PartialScript,
) -> PartialMember {
    let mut said = said.clone();
    let main = stated.cast.first().and_then(|main| main.relation);
    let second = stated.cast.get(1).and_then(|second| second.relation);
    let moves = [Relation::Follows, Relation::Chases].map(Some);
    match idx {
        1 if main == Some(Relation::Holds) => {
            said.kind = said.subject.is_none().then_some(Kind::Thing);
            said.action = Some(Action::Stand);
        }
        0 if main == Some(Relation::Holds) => {
            said.kind = said.subject.is_none().then_some(Kind::Person);
            said.action = said.action.or(Some(Action::Stand));
        }
        0 | 1 if moves.contains(&main) || moves.contains(&second) => {
            // Who follows and who is followed both move along.
            if said.action.is_none()
                && let Some(subject) = said.subject
            {
                said.action = travelling(subject, main == Some(Relation::Chases));
            } else if said.action.is_none() {
                said.action = Some(Action::Walk);
            }
        }
        _ => {}
    }
    said
}

/// Settles how the second member stands to the main one, or the main one to the second.
pub(super) fn relate(
    cast: &[Member],
    roles: &mut [Role],
    stated: &PartialScript,
    stream: &dyn Fn(&str) -> Random,
) {
    let [main, second, rest @ ..] = roles else { return };
    for other in rest {
        // Only the first two collide, and a third one stands aside.
        if let Some(relation) = stated.cast.get(other.member).and_then(|said| said.relation)
            && relation == Relation::Behind
        {
            other.relation = relation;
        }
    }
    let said = |idx: usize| stated.cast.get(idx).cloned().unwrap_or_default();
    let (said_main, said_second) = (said(0), said(1));
    let (first, other) = (cast[main.member].subject, cast[second.member].subject);
    if main.action == Action::Collide || second.action == Action::Collide {
        if second.action == Action::Collide && main.action == Action::Collide {
            // From the side both are seen.
            if said_main.facing.is_none() {
                main.facing = stream("way of a collision").pick(&[Facing::Left, Facing::Right]);
            }
            settle(second, main, Relation::Meets);
        } else {
            // One alone cannot collide.
            let alone = |subject: Subject| subject.actions(Mix::Whole)[0];
            main.action = if main.action == Action::Collide { alone(first) } else { main.action };
            second.action =
                if second.action == Action::Collide { alone(other) } else { second.action };
        }
        return;
    }
    let follow = main.action.travels() && can_follow(other, first);
    let hold = can_hold(first, other)
        && said_second.action.is_none_or(|action| action == Action::Stand)
        && main.action != Action::Wave;
    if let Some(relation) = said_main.relation.filter(|relation| *relation != Relation::Alone) {
        let possible = match relation {
            Relation::Holds => hold,
            Relation::Follows | Relation::Chases => {
                main.action.travels() && second.action.travels() && can_follow(first, other)
            }
            _ => true,
        };
        if possible && second.relation != Relation::Alone {
            settle(main, second, relation);
            if relation != Relation::Meets {
                second.facing = main.facing;
            }
            if relation == Relation::Holds {
                second.action = Action::Stand;
            }
            (second.relation, second.partner) = (Relation::Alone, None);
        }
        return;
    }
    let drawn = || {
        let mut weights = vec![(Relation::Beside, 0.4), (Relation::Behind, 0.15)];
        if follow {
            weights.extend([(Relation::Follows, 0.15), (Relation::Chases, 0.15)]);
        }
        if other.kind() != Kind::Thing && first.kind() != Kind::Thing {
            weights.push((Relation::Meets, 0.15));
        }
        if hold {
            weights.push((Relation::Holds, 0.5));
        }
        stream("relation").weighted(&weights)
    };
    let wanted = match said_second.relation {
        Some(Relation::Alone) => return,
        Some(Relation::Holds) | None if said_second.facing.is_some() => Relation::Beside,
        Some(Relation::Holds) | None => drawn(),
        Some(relation) => relation,
    };
    match wanted {
        Relation::Holds => {
            second.action = Action::Stand;
            settle(main, second, Relation::Holds);
            (second.relation, second.partner) = (Relation::Alone, None);
        }
        Relation::Follows | Relation::Chases if follow => {
            if !second.action.travels() {
                let quick = wanted == Relation::Chases;
                second.action = travelling(other, quick).unwrap_or(second.action);
            }
            settle(second, main, wanted);
        }
        Relation::Follows | Relation::Chases => settle(second, main, Relation::Behind),
        relation => settle(second, main, relation),
    }
}

/// States that `role` stands in `relation` to `other`, and turns it accordingly.
fn settle(role: &mut Role, other: &Role, relation: Relation) {
    (role.relation, role.partner) = (relation, Some(other.member));
    role.facing = match relation {
        Relation::Meets => other.facing.opposite(),
        Relation::Follows | Relation::Chases => other.facing,
        _ => role.facing,
    };
}

/// Whether `follower` can go after `other`, who moves along as well.
fn can_follow(follower: Subject, other: Subject) -> bool {
    follower.kind() != Kind::Thing
        && travelling(follower, false).is_some()
        && travelling(other, false).is_some()
}

fn can_hold(first: Subject, other: Subject) -> bool {
    first.kind() == Kind::Person && other.kind() == Kind::Thing
}

/// An action that carries `subject` along.
fn travelling(subject: Subject, quick: bool) -> Option<Action> {
    let actions = subject.actions(Mix::Whole);
    let run = quick && actions.contains(&Action::Run);
    if run { Some(Action::Run) } else { actions.iter().copied().find(|action| action.travels()) }
}
