//! A coordinator that is curious, and one that lies.

use clearproof_shared::training::survivors::{SurvivorCertificate, Survivors, SurvivorsError};
use std::cell::RefCell;

use super::super::messages::{Ready, Request};
use super::super::party::Refusal;
use super::super::simulation::Faithful;
use super::*;

#[test]
fn what_passes_through_it_shows_no_update() {
    // It sees every frame. Neither a packed element, nor a coordinate run, nor the sum occurs in any.
    let world = World::new(4, |_| {});
    let frames = RefCell::new(vec![]);
    world.run(&mut Upward(|_, frame: Vec<u8>| {
        frames.borrow_mut().push(frame.clone());
        vec![frame]
    }));
    let frames = frames.into_inner();
    let mut needles: Vec<Vec<u8>> = vec![];
    let mut add = |values: &[i64]| {
        let packed = world.setup.lanes.pack(values).expect("in range");
        needles.push(super::super::vectors::to_bytes(&packed)[..32].to_vec());
        needles.push(values[..4].iter().flat_map(|v| v.to_le_bytes()).collect());
    };
    for update in &world.updates {
        add(&update.clipped);
        add(&update.noise);
        let total: Vec<i64> = update
            .clipped
            .iter()
            .zip(&update.noise)
            .map(|(u, n)| u + n)
            .collect();
        add(&total);
    }
    let mut sum = vec![halo2curves::bn256::Fr::zero(); 1];
    for survivor in 0..4u16 {
        sum[0] += world
            .setup
            .lanes
            .pack(&world.expected(&[survivor]))
            .expect("in range")[0];
    }
    needles.push(super::super::vectors::to_bytes(&sum).to_vec());
    for needle in &needles {
        for frame in &frames {
            assert!(!frame.windows(needle.len()).any(|w| w == &needle[..]));
        }
    }
}

#[test]
fn frames_that_it_repeats_or_delays_change_nothing() {
    let world = World::new(4, |_| {});
    let run = world.run(&mut Downward(|_, frame: Vec<u8>| {
        vec![frame.clone(), frame]
    }));
    assert_sum(&world, &run, &[0, 1, 2, 3], &[]);
    // Shares before their contributions are lost, and asked for no more: those dealers are left out, or all is well.
    let held = RefCell::new(vec![]);
    let run = world.run(&mut Downward(|to, frame: Vec<u8>| {
        let signed = world.signed(&frame);
        match signed {
            Some(s) if to == 1 && s.party == 0 && s.kind == Kind::Contribution => {
                held.borrow_mut().push(frame);
                vec![]
            }
            Some(s) if to == 1 && s.party == 3 && s.kind == Kind::Share => {
                let mut frames = held.borrow_mut().split_off(0);
                frames.push(frame);
                frames
            }
            _ => vec![frame],
        }
    }));
    assert_sum(&world, &run, &[0, 1, 2, 3], &[]);
}

#[test]
fn every_altered_frame_is_refused() {
    let world = World::new(4, |_| {});
    for kind in [
        Kind::Contribution,
        Kind::Share,
        Kind::Coin,
        Kind::Check,
        Kind::Reveal,
    ] {
        let mut altered = 0;
        let run = world.run(&mut Downward(|to, frame: Vec<u8>| {
            let Some(mut signed) = world.signed(&frame).filter(|s| to == 0 && s.kind == kind)
            else {
                return vec![frame];
            };
            altered += 1;
            let middle = signed.body.len() / 2;
            signed.body[middle] ^= 1;
            vec![Frame::Signed(signed).encode()]
        }));
        assert!(altered > 0, "{kind:?}");
        let refused = run
            .refusals
            .iter()
            .filter(|(by, r)| *by == Some(0) && matches!(r, Refusal::Signature(_)));
        assert_eq!(refused.count(), altered, "{kind:?}");
        assert!(run.parties.iter().all(|p| p.blamed().is_empty()));
    }
}

#[test]
fn two_survivor_sets_get_no_certificate() {
    let world = World::new(4, |_| {});
    let run = world.run(&mut Downward(|to, frame: Vec<u8>| {
        match Frame::decode(&frame, &world.setup).expect("a frame") {
            Frame::Request(Request::Survivors(all)) if to < 2 => {
                let fewer = all[..3].to_vec();
                let frame = |list| Frame::Request(Request::Survivors(list)).encode();
                // Both sets to each of these two: the second is refused.
                vec![frame(fewer), frame(all)]
            }
            _ => vec![frame],
        }
    }));
    let second = Refusal::Coordinator("a second survivor set in one round");
    assert_eq!(run.refusals, [(Some(0), second.clone()), (Some(1), second)]);
    assert_eq!(
        run.coordinator.failure(),
        Some("too few holders signed the survivor set")
    );
    assert!(run.parties.iter().all(|p| p.aggregate().is_none()));
}

/// Asks party 2 for another survivor set than the others; party 3 signs both, and party 2 is shown what came of its set.
struct Split<'a> {
    world: &'a World,
    fewer: Option<Signed>,
    twice: Option<Signed>,
}

impl Network for Split<'_> {
    fn to_coordinator(&mut self, from: u16, frame: Vec<u8>) -> Vec<Vec<u8>> {
        let signed = self.world.signed(&frame).expect("parties sign");
        match (from, signed.kind, &self.fewer) {
            (2, Kind::Survivors, _) => self.fewer = Some(signed),
            (3, Kind::Survivors, Some(fewer)) => {
                let second = self.world.signed_again(&signed, fewer.body.clone());
                self.twice = self.world.signed(&second);
            }
            _ => {}
        }
        vec![frame]
    }
    fn to_party(&mut self, to: u16, frame: Vec<u8>) -> Vec<Vec<u8>> {
        let shown = |request| Frame::Request(request).encode();
        match Frame::decode(&frame, &self.world.setup).expect("a frame") {
            Frame::Request(Request::Survivors(all)) if to == 2 => {
                vec![shown(Request::Survivors(all[..3].to_vec()))]
            }
            Frame::Request(Request::Reveal(_)) if to == 2 => {
                let own = self.fewer.as_ref().expect("signed before");
                let twice = self.twice.as_ref().expect("signed after it");
                let manifest = &self.world.setup.manifest;
                let certificate = SurvivorCertificate {
                    survivors: Survivors::decode(&own.body, manifest).expect("honest"),
                    signatures: vec![(2, own.signature), (3, twice.signature)],
                };
                vec![shown(Request::Reveal(certificate.encode())), frame]
            }
            _ => vec![frame],
        }
    }
}

#[test]
fn a_holder_that_signs_two_survivor_sets_certifies_one() {
    let world = World::new(4, |_| {});
    let mut network = Split {
        world: &world,
        fewer: None,
        twice: None,
    };
    let run = world.run(&mut network);
    // Of two sets, each of a quorum, an honest holder would have signed both.
    let few = SurvivorsError::Quorum { got: 2, quorum: 3 };
    assert_eq!(run.refusals, [(Some(2), Refusal::Survivors(few))]);
    assert_sum(&world, &run, &[0, 1, 2, 3], &[]);
}

#[test]
fn a_certificate_that_lacks_or_bends_anything_reveals_nothing() {
    let world = World::new(4, |_| {});
    type Change = fn(&mut SurvivorCertificate);
    let change: [(&str, Change); 5] = [
        ("a signature less", |c| {
            c.signatures.truncate(2);
        }),
        ("one signature twice", |c| {
            c.signatures.truncate(2);
            let last = c.signatures[1];
            c.signatures.push(last);
        }),
        ("a survivor less", |c| {
            c.survivors.survivors.pop();
        }),
        ("another check", |c| c.survivors.survivors[0].check[0] ^= 1),
        ("another coin", |c| c.survivors.coin[0] ^= 1),
    ];
    for (what, change) in change {
        let mut revealed = 0;
        let run = simulate_certificates(&world, change, &mut revealed);
        assert_eq!(revealed, 0, "{what}");
        assert!(
            run.parties.iter().all(|p| p.aggregate().is_none()),
            "{what}"
        );
        let expected = run.refusals.iter().all(|(by, r)| {
            by.is_some() && matches!(r, Refusal::Survivors(_) | Refusal::Signature(_))
        });
        assert!(
            expected && run.refusals.len() == 4,
            "{what}: {:?}",
            run.refusals
        );
    }
}

struct Certificates<'a> {
    world: &'a World,
    change: fn(&mut SurvivorCertificate),
    revealed: &'a mut usize,
}

impl Network for Certificates<'_> {
    fn to_coordinator(&mut self, _: u16, frame: Vec<u8>) -> Vec<Vec<u8>> {
        let signed = self.world.signed(&frame).expect("parties sign");
        *self.revealed += usize::from(signed.kind == Kind::Reveal);
        vec![frame]
    }
    fn to_party(&mut self, _: u16, frame: Vec<u8>) -> Vec<Vec<u8>> {
        let Frame::Request(Request::Reveal(bytes)) =
            Frame::decode(&frame, &self.world.setup).expect("a frame")
        else {
            return vec![frame];
        };
        let mut certificate =
            SurvivorCertificate::decode(&bytes, &self.world.setup.manifest).expect("honest");
        (self.change)(&mut certificate);
        vec![Frame::Request(Request::Reveal(certificate.encode())).encode()]
    }
}

fn simulate_certificates(
    world: &World,
    change: fn(&mut SurvivorCertificate),
    revealed: &mut usize,
) -> Simulation {
    world.run(&mut Certificates {
        world,
        change,
        revealed,
    })
}

#[test]
fn too_few_signatures_say_how_many() {
    let world = World::new(4, |_| {});
    let run = world.run(&mut Faithful);
    let mut certificate = run.parties[0]
        .aggregate()
        .expect("a sum")
        .certificate
        .clone();
    let (manifest, digest) = (&world.setup.manifest, &world.setup.digest);
    assert_eq!(certificate.verify(manifest, digest), Ok(()));
    certificate.signatures.truncate(2);
    let few = SurvivorsError::Quorum { got: 2, quorum: 3 };
    assert_eq!(certificate.verify(manifest, digest), Err(few));
    certificate.survivors.survivors.truncate(1);
    let few = SurvivorsError::TooFew { got: 1, least: 2 };
    assert_eq!(certificate.verify(manifest, digest), Err(few));
}

#[test]
fn proposals_that_the_signed_messages_do_not_bear_out_are_refused() {
    let world = World::new(4, |_| {});
    type Change = fn(&mut Vec<u16>, &mut Vec<Signed>);
    let change: [(&str, Change); 3] = [
        ("too few holders are ready", |_, ready| ready.truncate(2)),
        ("too few contributors", |dealers, _| dealers.truncate(1)),
        ("readiness of no holder, or twice of one", |_, ready| {
            let first = ready[0].clone();
            ready[1] = first;
        }),
    ];
    for (reason, change) in change {
        let run = world.run(&mut Downward(|_, frame: Vec<u8>| {
            match Frame::decode(&frame, &world.setup).expect("a frame") {
                Frame::Request(Request::Coins(mut dealers, mut ready)) => {
                    change(&mut dealers, &mut ready);
                    vec![Frame::Request(Request::Coins(dealers, ready)).encode()]
                }
                _ => vec![frame],
            }
        }));
        let refused = Refusal::Coordinator(reason);
        assert!(
            run.refusals.contains(&(Some(0), refused)),
            "{reason}: {:?}",
            run.refusals
        );
        assert!(run.parties.iter().all(|p| p.aggregate().is_none()));
    }
}

#[test]
fn holders_that_differ_on_a_contribution_open_no_coin() {
    let world = World::new(4, |_| {});
    let run = world.run(&mut corrupt(&world, 3, Kind::Ready, |signed| {
        let mut message = Ready::decode(&signed.body, &world.setup).expect("honest");
        message.dealers[0].1[0] ^= 1;
        vec![world.signed_again(signed, message.encode())]
    }));
    let refused = Refusal::Coordinator("holders differ on a contribution");
    assert!(
        run.refusals.contains(&(Some(0), refused)),
        "{:?}",
        run.refusals
    );
    assert!(run
        .coordinator
        .failure()
        .is_some_and(|f| f.starts_with("the coin was withheld")));
}
