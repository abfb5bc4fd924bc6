//! What t colluding holders see is explained by any updates of the others with the same sum.
//!
//! The argument of docs/federated.md, carried out: for honest dealers a, b and any difference d, the polynomials
//! `f_a + d L`, `f_b - d L` and masks `m_a - gamma d L`, .. with `L(0) = 1`, L = 0 at the colluders' points, give the
//! colluders the same shares, the same published checks and the same shares of the sum.

use ff::Field;
use halo2curves::bn256::Fr;

use super::super::dealing::masked_fold;
use super::super::sharing::{share, weights};
use super::super::vectors::SecretVector;
use super::*;

#[test]
fn other_updates_with_the_same_sum_explain_the_view_of_t_colluders() {
    let world = World::new(5, |_| {});
    let setup = &world.setup;
    let colluders = [1usize, 3];
    let mut rng = ChaCha20Rng::from_seed([6; 32]);
    let length = setup.share_length();
    let secrets: Vec<SecretVector> = (0..2)
        .map(|_| SecretVector::random(length, &mut rng))
        .collect();
    let shares: Vec<Vec<SecretVector>> = secrets
        .iter()
        .enumerate()
        .map(|(dealer, secret)| {
            let dealer = [0, 4][dealer];
            share(setup, dealer, secret, &mut rng)
                .iter()
                .map(|s| s.expand(length))
                .collect()
        })
        .collect();
    let gamma = Fr::random(&mut rng);
    let difference = SecretVector::random(setup.value_length(), &mut rng);
    // The other world: values shifted by +-d, masks by what hides it from the check.
    let fold = setup.fold(&difference, gamma);
    let mut shift = SecretVector(difference.to_vec());
    shift.extend(fold.iter().map(|x| -*x * gamma));
    // L at each holder's point: 1 at 0, 0 at the colluders'.
    let mut nodes = vec![Fr::ZERO];
    nodes.extend(colluders.map(Setup::point));
    let other = |dealer: usize, at: Fr, share: &SecretVector| {
        let factor = weights(&nodes, at)[0] * if dealer == 0 { Fr::ONE } else { -Fr::ONE };
        let mut moved = share.clone();
        super::super::vectors::add_multiple(&mut moved, factor, &shift);
        moved
    };
    #[allow(clippy::needless_range_loop)] // the holder is an index of two lists
    for holder in 0..5 {
        let at = Setup::point(holder);
        let moved: Vec<SecretVector> = (0..2).map(|d| other(d, at, &shares[d][holder])).collect();
        for dealer in 0..2 {
            // Colluders have the same shares, others do not.
            assert_eq!(
                moved[dealer] == shares[dealer][holder],
                colluders.contains(&holder)
            );
            // The published check is the same polynomial.
            let check = masked_fold(setup, &shares[dealer][holder], gamma);
            assert_eq!(masked_fold(setup, &moved[dealer], gamma), check);
        }
        // The revealed share of the sum is the same.
        for i in 0..setup.value_length() {
            let sum = shares[0][holder][i] + shares[1][holder][i];
            assert_eq!(moved[0][i] + moved[1][i], sum);
        }
    }
    // And it is another world: the secrets differ.
    assert_ne!(other(0, Fr::ZERO, &secrets[0]), secrets[0]);
}

#[test]
fn any_t_shares_of_a_fixed_secret_are_spread_over_the_field() {
    // Top bits of a share of zero over many sharings: a chi-square test over 16 classes at fixed seeds.
    let world = World::new(5, |manifest| manifest.coordinates = 1);
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let zero = SecretVector(vec![Fr::ZERO; 1]);
    for holder in 0..5 {
        let mut counts = [0u32; 16];
        for _ in 0..1600 {
            let shares = share(&world.setup, 0, &zero, &mut rng);
            let bytes = super::super::vectors::to_bytes(&shares[holder].expand(1));
            counts[usize::from(bytes[0] >> 4)] += 1;
        }
        let statistic: f64 = counts
            .iter()
            .map(|c| (f64::from(*c) - 100.0).powi(2) / 100.0)
            .sum();
        // 15 degrees of freedom: 44.3 is exceeded with probability 1e-4.
        assert!(statistic < 44.3, "holder {holder}: {statistic}");
    }
}
