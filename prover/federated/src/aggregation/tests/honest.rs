//! Everybody is honest and there.

use super::super::lanes::LanesError;
use super::super::party::{BeginError, Party};
use super::super::simulation::Faithful;
use super::*;

#[test]
fn all_parties_get_the_sum_and_sign_it() {
    for parties in [3, 4, 5, 7] {
        let world = World::new(parties, |_| {});
        let run = world.run(&mut Faithful);
        let all: Vec<u16> = (0..parties as u16).collect();
        assert_sum(&world, &run, &all, &[]);
        assert_eq!(run.refusals, []);
        for party in &run.parties {
            assert!(party.blamed().is_empty());
            assert_eq!(party.outcomes().len(), parties);
        }
    }
}

#[test]
fn a_committee_holds_the_shares_of_sixteen() {
    let world = World::new(16, |manifest| {
        manifest.holders = vec![1, 4, 6, 9, 15];
        manifest.threshold = 2;
        manifest.colluders = 5;
    });
    let run = world.run(&mut Faithful);
    let all: Vec<u16> = (0..16).collect();
    assert_sum(&world, &run, &all, &[]);
    assert_eq!(run.refusals, []);
}

#[test]
fn one_column_and_many_columns() {
    for coordinates in [1, 11, 48 * 10, 48 * 10 + 1, 5000] {
        let world = World::new(3, |manifest| manifest.coordinates = coordinates);
        let run = world.run(&mut Faithful);
        assert_sum(&world, &run, &[0, 1, 2], &[]);
    }
}

#[test]
fn a_resumed_party_sends_the_same_bytes() {
    let world = World::new(4, |_| {});
    let begin = |seed: &[u8; 32]| {
        Party::begin(
            Arc::clone(&world.setup),
            &world.identities[2],
            &world.updates[2],
            seed,
        )
        .expect("in its bounds")
        .1
    };
    assert_eq!(begin(&[9; 32]), begin(&[9; 32]));
    assert_ne!(begin(&[9; 32]), begin(&[8; 32]));
    // The same seed with another update draws other randomness: no two openings of one blinding.
    let mut other = world.updates[2].clone();
    other.noise[0] += 1;
    let setup = Arc::clone(&world.setup);
    let (_, frames) =
        Party::begin(setup, &world.identities[2], &other, &[9; 32]).expect("in its bounds");
    let share = |frames: &[Vec<u8>]| world.signed(&frames[1]).expect("a share").body;
    assert_ne!(share(&frames), share(&begin(&[9; 32])));
}

#[test]
fn updates_outside_the_bounds_do_not_begin() {
    let world = World::new(4, |manifest| manifest.clip_norm = 1000);
    let begin = |identity: &Identity, clipped: Vec<i64>, noise: Vec<i64>| {
        let update = Update { clipped, noise };
        Party::begin(Arc::clone(&world.setup), identity, &update, &[0; 32])
            .map(|_| ())
            .expect_err("outside the bounds")
    };
    let one = |value: i64| {
        let mut vector = vec![0; 1000];
        vector[3] = value;
        vector
    };
    let own = &world.identities[0];
    assert!(matches!(
        begin(own, one(1001), one(0)),
        BeginError::Norm {
            what: "clipped update",
            ..
        }
    ));
    assert!(matches!(
        begin(own, one(0), one(1 << 19)),
        BeginError::Lanes(LanesError::Range { index: 3, .. })
    ));
    assert!(matches!(
        begin(own, vec![0; 999], vec![0; 999]),
        BeginError::Lanes(LanesError::Length { .. })
    ));
    let stranger = Identity::generate("stranger", &mut ChaCha20Rng::from_seed([77; 32]));
    assert!(matches!(
        begin(&stranger, one(0), one(0)),
        BeginError::NotInRoster(_)
    ));
}

#[test]
fn rounds_with_norm_proofs_leave_out_who_is_not_proven() {
    let world = World::small(true);
    let run = world.run(&mut Faithful);
    assert_sum(&world, &run, &[0, 1, 2, 3], &[]);
    assert_eq!(run.refusals, []);
    // The proof of another round, under a good signature.
    let replace = |signed: &Signed| {
        let mut message =
            Contribution::decode(&signed.body, &world.setup.manifest).expect("honest");
        let proof = &mut message.proof;
        let last = proof.len() - 1;
        proof[last] ^= 1;
        vec![world.signed_again(signed, message.encode())]
    };
    let run = world.run(&mut corrupt(&world, 1, Kind::Contribution, replace));
    for witness in [0, 2, 3] {
        let blamed = run.parties[witness].blamed();
        assert_eq!(blamed.get(&1), Some(&super::super::party::Deed::Unproven));
    }
    assert_sum(&world, &run, &[0, 2, 3], &[1]);
    // A manifest that names another circuit has no setup.
    let mut manifest = world.setup.manifest.clone();
    manifest.clip_norm += 1;
    assert!(Setup::new(manifest, bases()).is_err());
}
