//! Parties that fall silent at each step of a round.

use super::super::coordinator::Step;
use super::*;

/// Party `silent` sends nothing from its first message of `kind` on.
fn silent_from(world: &World, silent: u16, kind: Kind) -> Simulation {
    let mut gone = false;
    world.run(&mut Upward(|from, frame: Vec<u8>| {
        gone |= from == silent && world.signed(&frame).is_some_and(|s| s.kind == kind);
        match gone && from == silent {
            true => vec![],
            false => vec![frame],
        }
    }))
}

#[test]
fn who_leaves_before_the_survivors_are_signed_is_left_out() {
    let world = World::new(5, |_| {});
    for kind in [Kind::Contribution, Kind::Share, Kind::Check] {
        for silent in [0, 3] {
            let run = silent_from(&world, silent, kind);
            let others: Vec<u16> = (0..5).filter(|p| *p != silent).collect();
            assert_sum(&world, &run, &others, &[]);
        }
    }
}

#[test]
fn who_leaves_after_its_check_is_in_the_sum() {
    let world = World::new(5, |_| {});
    for kind in [Kind::Verdict, Kind::Survivors, Kind::Reveal, Kind::Outcome] {
        let run = silent_from(&world, 2, kind);
        assert_sum(&world, &run, &[0, 1, 2, 3, 4], &[]);
    }
}

#[test]
fn a_holder_that_is_not_ready_stays_a_contributor() {
    // It shows its check as contributor still; only its readiness is lost.
    let world = World::new(5, |_| {});
    let run = world.run(&mut corrupt(&world, 1, Kind::Ready, |_| vec![]));
    assert_sum(&world, &run, &[0, 1, 2, 3, 4], &[]);
}

#[test]
fn a_withheld_coin_ends_the_round_and_names_the_holder() {
    let world = World::new(5, |_| {});
    let run = silent_from(&world, 4, Kind::Coin);
    assert_eq!(
        run.coordinator.failure(),
        Some("the coin was withheld by firm 4")
    );
    for party in &run.parties {
        assert_eq!(party.aborted(), Some("the coin was withheld by firm 4"));
        assert!(party.aggregate().is_none());
    }
}

#[test]
fn more_than_the_threshold_gone_ends_the_round() {
    // n = 5, t = 2: a quorum is four; two holders gone before signing leave three.
    let world = World::new(5, |_| {});
    let run = world.run(&mut Upward(|from, frame: Vec<u8>| {
        let gone = from < 2
            && world
                .signed(&frame)
                .is_some_and(|s| s.kind == Kind::Survivors);
        if gone {
            vec![]
        } else {
            vec![frame]
        }
    }));
    assert_eq!(
        run.coordinator.failure(),
        Some("too few holders signed the survivor set")
    );
    assert!(run.parties.iter().all(|p| p.aggregate().is_none()));
}

#[test]
fn the_minimum_of_honest_contributors_is_kept() {
    let world = World::new(4, |manifest| manifest.colluders = 2);
    let run = silent_from(&world, 1, Kind::Contribution);
    assert_eq!(
        run.coordinator.failure(),
        Some("too few parties contributed")
    );
    assert_eq!(run.coordinator.step(), Step::Over);
}

#[test]
fn reveals_beyond_the_threshold_are_enough() {
    let world = World::new(5, |_| {});
    let run = world.run(&mut Upward(|from, frame: Vec<u8>| {
        let lost = from < 2 && world.signed(&frame).is_some_and(|s| s.kind == Kind::Reveal);
        if lost {
            vec![]
        } else {
            vec![frame]
        }
    }));
    assert_sum(&world, &run, &[0, 1, 2, 3, 4], &[]);
}
