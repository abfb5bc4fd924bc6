//! Parties that cheat, and what they are caught at.

use clearproof_shared::training::contribution::Contribution;
use ff::Field;
use halo2curves::bn256::Fr;
use std::cell::RefCell;

use super::super::messages::{CheckMessage, Reveal, SealedShare, ShareMessage, Verdict};
use super::super::party::{Deed, Refusal};
use super::super::seal::{seal, Route};
use super::super::sharing::Share;
use super::super::simulation::Faithful;
use super::super::vectors::SecretVector;
use super::*;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([99; 32])
}

/// Honest parties, those but the cheater, blame it alone and for this deed.
fn assert_blamed(run: &Simulation, cheater: u16, deed: Deed, witnesses: &[u16]) {
    for witness in witnesses {
        let blamed = run.parties[usize::from(*witness)].blamed();
        assert_eq!(
            blamed.get(&cheater),
            Some(&deed),
            "party {witness}: {:?}",
            run.refusals
        );
        assert_eq!(blamed.len(), 1, "party {witness}");
    }
}

/// A share with one scalar changed, as a plaintext.
fn bad_share(world: &World) -> Vec<u8> {
    let scalars = SecretVector::random(world.setup.share_length(), &mut rng());
    ShareMessage {
        salt: [4; 32],
        share: Share::Scalars(scalars),
    }
    .encode()
    .to_vec()
}

#[test]
fn an_announced_share_that_contradicts_the_check_is_shown_and_named() {
    let world = World::new(5, |_| {});
    let (dealer, victim) = (1u16, 3u16);
    let plaintext = bad_share(&world);
    let digest = ShareMessage::digest(&world.setup, dealer, victim, &plaintext);
    let announce = |c: &mut Contribution| c.share_digests[usize::from(victim)] = digest;
    let mut network = corrupt(&world, dealer, Kind::Share, |signed| {
        let share = SealedShare::decode(&signed.body, &world.setup).expect("honest");
        if share.holder != victim {
            return vec![Frame::Signed(signed.clone()).encode()];
        }
        let route = Route {
            manifest: &world.setup.digest,
            from: dealer,
            to: victim,
        };
        let key = &world.setup.manifest.parties[usize::from(victim)].sealing_key;
        let sealed = seal(key, route, &plaintext, &mut rng()).expect("a key");
        vec![world.signed_again(
            signed,
            SealedShare {
                holder: victim,
                sealed,
            }
            .encode(),
        )]
    });
    let run = world.run_with(dealer, announce, &mut network);
    assert_blamed(&run, dealer, Deed::InconsistentShare, &[0, 2, 3, 4]);
    assert_sum(&world, &run, &[0, 2, 3, 4], &[dealer]);
}

#[test]
fn a_share_other_than_announced_leaves_the_dealer_out() {
    let world = World::new(4, |_| {});
    let run = world.run(&mut corrupt(&world, 2, Kind::Share, |signed| {
        let share = SealedShare::decode(&signed.body, &world.setup).expect("honest");
        let route = Route {
            manifest: &world.setup.digest,
            from: 2,
            to: share.holder,
        };
        let key = &world.setup.manifest.parties[usize::from(share.holder)].sealing_key;
        let sealed = seal(key, route, &bad_share(&world), &mut rng()).expect("a key");
        let body = SealedShare {
            holder: share.holder,
            sealed,
        }
        .encode();
        vec![world.signed_again(signed, body)]
    }));
    assert_sum(&world, &run, &[0, 1, 3], &[]);
    let refused = Refusal::Unexpected("a share other than announced");
    assert!(run.refusals.contains(&(Some(0), refused)));
}

#[test]
fn a_commitment_to_another_vector_is_named() {
    for noise in [false, true] {
        let world = World::new(4, |_| {});
        let change = |c: &mut Contribution| {
            let points = if noise { &mut c.noise } else { &mut c.update };
            points[1] = points[0];
        };
        let run = world.run_with(1, change, &mut Faithful);
        assert_blamed(&run, 1, Deed::WrongOpening, &[0, 2, 3]);
        assert_sum(&world, &run, &[0, 2, 3], &[1]);
    }
}

#[test]
fn a_check_that_opens_wrongly_is_named() {
    let world = World::new(4, |_| {});
    let run = world.run(&mut corrupt(&world, 0, Kind::Check, |signed| {
        let mut message = CheckMessage::decode(&signed.body, &world.setup).expect("honest");
        message.values[0][5] += Fr::ONE;
        vec![world.signed_again(signed, message.encode())]
    }));
    assert_blamed(&run, 0, Deed::WrongOpening, &[1, 2, 3]);
    assert_sum(&world, &run, &[1, 2, 3], &[0]);
}

#[test]
fn a_check_that_bends_the_polynomial_away_from_0_is_named() {
    let world = World::new(4, |_| {});
    let run = world.run(&mut corrupt(&world, 0, Kind::Check, |signed| {
        let mut message = CheckMessage::decode(&signed.body, &world.setup).expect("honest");
        message.values[1][5] += Fr::ONE;
        vec![world.signed_again(signed, message.encode())]
    }));
    assert_blamed(&run, 0, Deed::InconsistentShare, &[1, 2, 3]);
    assert_sum(&world, &run, &[1, 2, 3], &[0]);
}

#[test]
fn a_false_complaint_is_named_and_changes_nothing() {
    let world = World::new(5, |_| {});
    for genuine in [false, true] {
        let run = world.run(&mut Upward(|from, frame: Vec<u8>| {
            let signed = world.signed(&frame).expect("parties sign");
            if from != 2 || signed.kind != Kind::Verdict {
                return vec![frame];
            }
            let mut message = Verdict::decode(&signed.body, &world.setup).expect("honest");
            message.accepted.retain(|(p, _)| *p != 0);
            // Either made up, or the seed of a share that is in order.
            let share = if genuine {
                own_share(&world)
            } else {
                bad_share(&world)
            };
            message.complaints.push((0, share));
            vec![world.signed_again(&signed, message.encode())]
        }));
        assert_blamed(&run, 2, Deed::FalseComplaint, &[0, 1, 3, 4]);
        // The other four are a quorum, and go on without the complainer's update.
        assert_sum(&world, &run, &[0, 1, 3, 4], &[]);
    }
}

/// The genuine share that party 2 has of party 0.
fn own_share(world: &World) -> Vec<u8> {
    let found = RefCell::new(vec![]);
    world.run(&mut Upward(|from, frame: Vec<u8>| {
        let signed = world.signed(&frame).expect("parties sign");
        if from == 0 && signed.kind == Kind::Share {
            let share = SealedShare::decode(&signed.body, &world.setup).expect("honest");
            if share.holder == 2 {
                let route = Route {
                    manifest: &world.setup.digest,
                    from: 0,
                    to: 2,
                };
                let opened =
                    super::super::seal::open(world.identities[2].sealing(), route, &share.sealed);
                *found.borrow_mut() = opened.expect("sealed to party 2").to_vec();
            }
        }
        vec![frame]
    }));
    found.into_inner()
}

#[test]
fn a_coin_other_than_committed_counts_as_withheld() {
    let world = World::new(4, |_| {});
    let run = world.run(&mut corrupt(&world, 3, Kind::Coin, |signed| {
        let mut body = signed.body.clone();
        *body.last_mut().expect("not empty") ^= 1;
        vec![world.signed_again(signed, body)]
    }));
    let caught = Refusal::Cheater {
        party: 3,
        deed: Deed::WrongCoin,
    };
    assert!(run.refusals.contains(&(None, caught)));
    assert_eq!(
        run.coordinator.failure(),
        Some("the coin was withheld by firm 3")
    );
}

#[test]
fn a_wrong_share_of_the_sum_is_named_and_the_sum_is_right() {
    for liars in [vec![0u16], vec![0, 1]] {
        let world = World::new(5, |_| {});
        let run = world.run(&mut Upward(|from, frame: Vec<u8>| {
            let signed = world.signed(&frame).expect("parties sign");
            if !liars.contains(&from) || signed.kind != Kind::Reveal {
                return vec![frame];
            }
            vec![world.signed_again(&signed, false_reveal(&world, from).encode())]
        }));
        let others: Vec<u16> = (0..5).filter(|p| !liars.contains(p)).collect();
        assert_sum(&world, &run, &[0, 1, 2, 3, 4], &[]);
        for witness in others {
            let blamed = run.parties[usize::from(witness)].blamed();
            let named: Vec<u16> = blamed.keys().copied().collect();
            assert_eq!(named, liars, "party {witness}");
            assert!(blamed.values().all(|deed| *deed == Deed::WrongReveal));
        }
    }
}

/// A share of the sum that is random.
fn false_reveal(world: &World, from: u16) -> Reveal {
    use hpke::{Kem as _, Serializable};
    let mut rng = rng();
    let key = [3; 32];
    let (_, public) = super::super::seal::Kem::derive_keypair(&key);
    let route = |to| Route {
        manifest: &world.setup.digest,
        from,
        to,
    };
    let sum = SecretVector::random(world.setup.value_length(), &mut rng);
    let bytes = super::super::vectors::to_bytes(&sum);
    let content = seal(&public.to_bytes().into(), route(u16::MAX), &bytes, &mut rng);
    let parties = world.setup.manifest.parties.iter().enumerate();
    let keys = parties
        .map(|(i, p)| seal(&p.sealing_key, route(i as u16), &key, &mut rng).expect("a key"))
        .collect();
    Reveal {
        content: content.expect("a key"),
        keys,
    }
}

#[test]
fn two_contributions_in_one_round_are_named() {
    let world = World::new(4, |_| {});
    let run = world.run(&mut corrupt(&world, 1, Kind::Contribution, |signed| {
        let mut message =
            Contribution::decode(&signed.body, &world.setup.manifest).expect("honest");
        message.proof.push(1);
        let second = world.signed_again(signed, message.encode());
        vec![Frame::Signed(signed.clone()).encode(), second]
    }));
    assert_blamed(&run, 1, Deed::TwoMessages(Kind::Contribution), &[0, 2, 3]);
    assert_sum(&world, &run, &[0, 2, 3], &[]);
}

#[test]
fn a_message_that_no_honest_program_writes_is_named() {
    // The coordinator does not relay it; here it does.
    let world = World::new(4, |_| {});
    let run = world.run(&mut Downward(|to, frame: Vec<u8>| {
        match world.signed(&frame) {
            Some(signed) if to == 0 && signed.party == 1 && signed.kind == Kind::Coin => {
                vec![world.signed_again(&signed, vec![0x81, 0])]
            }
            _ => vec![frame],
        }
    }));
    assert_blamed(&run, 1, Deed::Malformed(Kind::Coin), &[0]);
    let world = World::new(4, |_| {});
    let run = world.run(&mut corrupt(&world, 1, Kind::Contribution, |signed| {
        vec![world.signed_again(signed, vec![0x85, 0, 0, 0, 0, 0])]
    }));
    assert_sum(&world, &run, &[0, 2, 3], &[]);
}

#[test]
fn messages_of_an_earlier_attempt_or_round_are_refused() {
    let first = World::new(4, |_| {});
    let old = RefCell::new(vec![]);
    first.run(&mut Upward(|_, frame: Vec<u8>| {
        old.borrow_mut().push(frame.clone());
        vec![frame]
    }));
    type Change = fn(&mut Manifest);
    let later: [Change; 2] = [
        |manifest| manifest.attempt = 1,
        |manifest| manifest.round += 1,
    ];
    for change in later {
        let again = World::new(4, change);
        let mut old = old.borrow().clone();
        let run = again.run(&mut Downward(|_, frame: Vec<u8>| {
            old.drain(..).chain([frame]).collect()
        }));
        assert_sum(&again, &run, &[0, 1, 2, 3], &[]);
        assert!(run.refusals.len() > 10);
        assert!(run
            .refusals
            .iter()
            .all(|(_, r)| matches!(r, Refusal::Signature(_))));
        // And in earnest: nothing of a round is valid in a round of its own.
        assert!(again.run(&mut Faithful).refusals.is_empty());
    }
}

/// Every coordinate of the update is this.
fn constant(world: &World, value: i64) -> Update {
    let count = world.setup.manifest.coordinates as usize;
    Update {
        clipped: vec![value; count],
        noise: vec![0; count],
    }
}

#[test]
fn an_update_above_the_clip_norm_or_out_of_its_lanes_is_not_proven() {
    let world = World::small(true);
    type Change = fn(&mut Manifest);
    let bounds: [(i64, Change); 2] = [
        // Every coordinate is in range; the norm is 36,700, not 5000.
        (1500, |manifest| manifest.clip_norm = 50_000),
        // Coordinates of 14 bits, in lanes that are wider than agreed.
        (6000, |manifest| {
            manifest.coordinate_bits = 16;
            manifest.clip_norm = 200_000;
        }),
    ];
    for (value, loosen) in bounds {
        let run = world.run_loosely(1, loosen, &constant(&world, value));
        assert_blamed(&run, 1, Deed::Unproven, &[0, 2, 3]);
        assert_sum(&world, &run, &[0, 2, 3], &[1]);
    }
}

#[test]
fn without_norm_proofs_a_sum_out_of_its_lanes_is_no_sum() {
    let world = World::small(false);
    let wide = |manifest: &mut Manifest| {
        manifest.coordinate_bits = 18;
        manifest.clip_norm = 200_000;
    };
    let run = world.run_loosely(1, wide, &constant(&world, 6000));
    for party in [0, 2, 3].map(|i: usize| &run.parties[i]) {
        assert!(party.aggregate().is_none());
        let reason = "the sum overflows its lanes: a contributor is out of range";
        assert_eq!(party.aborted(), Some(reason));
    }
}

#[test]
fn a_share_that_comes_after_readiness_is_not_taken() {
    // The dealer keeps one holder's share back until the coins are open, when it could fit it to the check.
    let world = World::new(5, |_| {});
    let kept = RefCell::new(vec![]);
    let run = world.run(&mut Downward(|to, frame: Vec<u8>| {
        match world.signed(&frame) {
            Some(s) if to == 3 && s.party == 0 && s.kind == Kind::Share => {
                kept.borrow_mut().push(frame);
                vec![]
            }
            Some(s) if to == 3 && s.kind == Kind::Coin => {
                let mut frames = kept.borrow_mut().split_off(0);
                frames.push(frame);
                frames
            }
            _ => vec![frame],
        }
    }));
    let late = Refusal::Unexpected("a share after readiness");
    assert!(run.refusals.contains(&(Some(3), late)));
    // Holder 3 is left out of the toss and judges nothing; four are a quorum.
    let idle = Refusal::Unexpected("no verdict is due of a holder that was not ready");
    assert!(
        run.refusals.contains(&(Some(3), idle)),
        "{:?}",
        run.refusals
    );
    assert_sum(&world, &run, &[0, 1, 2, 3, 4], &[]);
}
