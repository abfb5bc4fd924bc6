//! Rounds: honest ones, ones that lose parties, and ones where somebody cheats.

mod attacks;
mod constraints;
mod coordinator;
mod dropouts;
mod honest;
mod privacy;

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use clearproof_prover::prove::columns::ColumnBases;
use clearproof_shared::training::contribution::Contribution;
use clearproof_shared::training::manifest::Manifest;
use clearproof_shared::training::signed::{Kind, Signed};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::coordinator::Coordinator;
use super::identity::Identity;
use super::messages::{sha256, Frame};
use super::party::{Party, Update};
use super::setup::Setup;
use super::simulation::{exchange, simulate, Cost, Faithful, Network, Simulation};
use crate::norm::NormKey;

/// Parties with keys and updates.
struct World {
    setup: Arc<Setup>,
    identities: Vec<Identity>,
    updates: Vec<Update>,
    seeds: Vec<[u8; 32]>,
}

fn bases() -> ColumnBases {
    static BASES: OnceLock<ColumnBases> = OnceLock::new();
    BASES.get_or_init(|| ColumnBases::transparent(6)).clone()
}

impl World {
    fn new(parties: usize, change: impl FnOnce(&mut Manifest)) -> Self {
        let mut rng = ChaCha20Rng::from_seed([parties as u8; 32]);
        let identities: Vec<Identity> = (0..parties)
            .map(|i| Identity::generate(&format!("firm {i}"), &mut rng))
            .collect();
        let mut manifest = Manifest {
            session: [1; 32],
            round: 7,
            attempt: 0,
            model: [2; 32],
            parties: identities.iter().map(Identity::entry).collect(),
            holders: (0..parties as u16).collect(),
            threshold: (parties as u16 - 1) / 2,
            colluders: 0,
            minimum_honest: 2,
            coordinates: 1000,
            coordinate_bits: 20,
            log_rows: 6,
            clip_norm: 1 << 22,
            noise_norm: 1 << 20,
            norm_circuit: None,
            terms: vec![],
        };
        change(&mut manifest);
        let count = manifest.coordinates as usize;
        let mut draw = |bits: u32| -> Vec<i64> {
            let half = 1i64 << (bits - 1);
            (0..count)
                .map(|_| i64::from(rng.next_u32() >> (32 - bits)) - half)
                .collect()
        };
        let updates = (0..parties)
            .map(|_| Update {
                clipped: draw(17),
                noise: draw(14),
            })
            .collect();
        let seeds = (0..parties).map(|i| [i as u8 + 50; 32]).collect();
        let setup = Arc::new(Setup::new(manifest, bases()).expect("a good manifest"));
        World {
            setup,
            identities,
            updates,
            seeds,
        }
    }

    /// Four parties with small updates, which are proven within their bounds or not.
    fn small(proven: bool) -> Self {
        let mut world = World::new(4, |manifest| {
            manifest.coordinates = 600;
            manifest.coordinate_bits = 13;
            manifest.clip_norm = 5000;
            manifest.noise_norm = 1000;
            let key = proven.then(|| NormKey::new(manifest, &bases()).expect("a circuit"));
            manifest.norm_circuit = key.map(|key| key.circuit_id());
        });
        for update in &mut world.updates {
            update.clipped.iter_mut().for_each(|x| *x %= 100);
            update.noise.iter_mut().for_each(|x| *x %= 10);
        }
        world
    }

    /// A round in which a cheater's program has other bounds, and takes the manifest for one with those.
    fn run_loosely(
        &self,
        cheater: u16,
        loosen: impl FnOnce(&mut Manifest),
        update: &Update,
    ) -> Simulation {
        let mut manifest = self.setup.manifest.clone();
        loosen(&mut manifest);
        let key = self.setup.norm_key();
        let key = key.map(|_| NormKey::new(&manifest, &bases()).expect("a circuit"));
        manifest.norm_circuit = key.map(|key| key.circuit_id());
        let mut loose = Setup::new(manifest, bases()).expect("a good manifest");
        loose.digest = self.setup.digest;
        let loose = Arc::new(loose);
        let (mut parties, mut frames) = (vec![], VecDeque::new());
        for (i, identity) in self.identities.iter().enumerate() {
            let (setup, update) = match i as u16 == cheater {
                true => (&loose, update),
                false => (&self.setup, &self.updates[i]),
            };
            let begun = Party::begin(Arc::clone(setup), identity, update, &self.seeds[i]);
            let (party, sent) = begun.expect("in its bounds");
            frames.extend(sent.into_iter().map(|frame| (i as u16, frame)));
            parties.push(party);
        }
        let coordinator = Coordinator::new(Arc::clone(&self.setup));
        let costs = vec![Cost::default(); parties.len()];
        exchange(coordinator, parties, costs, frames, &mut Faithful)
    }

    fn run(&self, network: &mut dyn Network) -> Simulation {
        simulate(
            &self.setup,
            &self.identities,
            &self.updates,
            &self.seeds,
            network,
        )
        .expect("updates within their bounds")
    }

    /// A round in which a party's own contribution is another one too, so that its machine goes on with it.
    fn run_with(
        &self,
        cheater: u16,
        change: impl Fn(&mut Contribution),
        network: &mut dyn Network,
    ) -> Simulation {
        let (mut parties, mut frames) = (vec![], VecDeque::new());
        for (i, identity) in self.identities.iter().enumerate() {
            let setup = Arc::clone(&self.setup);
            let (mut party, sent) =
                Party::begin(setup, identity, &self.updates[i], &self.seeds[i]).expect("in bounds");
            for frame in sent {
                let signed = self.signed(&frame).expect("parties sign");
                if i as u16 != cheater || signed.kind != Kind::Contribution {
                    frames.push_back((i as u16, frame));
                    continue;
                }
                let own = party.contributions.get_mut(&cheater).expect("its own");
                change(&mut own.contribution);
                let body = own.contribution.encode();
                own.digest = sha256(&body);
                frames.push_back((cheater, self.signed_again(&signed, body)));
            }
            parties.push(party);
        }
        let costs = vec![Cost::default(); parties.len()];
        let coordinator = Coordinator::new(Arc::clone(&self.setup));
        exchange(coordinator, parties, costs, frames, network)
    }

    /// The sum that these parties should get.
    fn expected(&self, survivors: &[u16]) -> Vec<i64> {
        let mut sum = vec![0; self.setup.manifest.coordinates as usize];
        for survivor in survivors {
            let update = &self.updates[usize::from(*survivor)];
            for (s, (u, n)) in sum.iter_mut().zip(update.clipped.iter().zip(&update.noise)) {
                *s += u + n;
            }
        }
        sum
    }

    /// Signs a changed message again with its sender's key.
    fn signed_again(&self, signed: &Signed, body: Vec<u8>) -> Vec<u8> {
        let identity = &self.identities[usize::from(signed.party)];
        let digest = &self.setup.digest;
        Frame::Signed(identity.sign(digest, signed.party, signed.kind, body)).encode()
    }

    fn signed(&self, frame: &[u8]) -> Option<Signed> {
        match Frame::decode(frame, &self.setup).expect("a frame") {
            Frame::Signed(signed) => Some(signed),
            Frame::Request(_) => None,
        }
    }
}

/// A network whose frames to the coordinator a function changes.
struct Upward<F>(F);

impl<F: FnMut(u16, Vec<u8>) -> Vec<Vec<u8>>> Network for Upward<F> {
    fn to_coordinator(&mut self, from: u16, frame: Vec<u8>) -> Vec<Vec<u8>> {
        (self.0)(from, frame)
    }
    fn to_party(&mut self, _: u16, frame: Vec<u8>) -> Vec<Vec<u8>> {
        vec![frame]
    }
}

/// A network whose frames to parties a function changes.
struct Downward<F>(F);

impl<F: FnMut(u16, Vec<u8>) -> Vec<Vec<u8>>> Network for Downward<F> {
    fn to_coordinator(&mut self, _: u16, frame: Vec<u8>) -> Vec<Vec<u8>> {
        vec![frame]
    }
    fn to_party(&mut self, to: u16, frame: Vec<u8>) -> Vec<Vec<u8>> {
        (self.0)(to, frame)
    }
}

/// Changes the messages of one kind of one party.
fn corrupt<'a>(
    world: &'a World,
    party: u16,
    kind: Kind,
    mut change: impl FnMut(&Signed) -> Vec<Vec<u8>> + 'a,
) -> Upward<impl FnMut(u16, Vec<u8>) -> Vec<Vec<u8>> + 'a> {
    Upward(move |from, frame: Vec<u8>| match world.signed(&frame) {
        Some(signed) if from == party && signed.kind == kind => change(&signed),
        _ => vec![frame],
    })
}

/// All parties but these have the sum of the survivors.
fn assert_sum(world: &World, run: &Simulation, survivors: &[u16], without: &[u16]) {
    for (i, party) in run.parties.iter().enumerate() {
        if without.contains(&(i as u16)) {
            continue;
        }
        let aggregate = party.aggregate().unwrap_or_else(|| {
            panic!(
                "party {i} has no sum: {:?} {:?}",
                party.aborted(),
                run.refusals
            )
        });
        let listed: Vec<u16> = aggregate
            .certificate
            .survivors
            .survivors
            .iter()
            .map(|s| s.party)
            .collect();
        assert_eq!(listed, survivors, "party {i}");
        assert!(
            aggregate.sum == world.expected(survivors),
            "another sum at party {i}"
        );
    }
}
