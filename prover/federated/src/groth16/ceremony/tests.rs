//! Honest ceremonies end in keys that work; each dishonest step is named.

use super::phase_one::testing::ptau;
use super::*;
use crate::groth16::compliance::Compliance;
use crate::groth16::{context, verifying_key};

fn statement() -> Compliance {
    let text = r#"{ "fields": ["num_samples"], "constraints": [{ "name": "num_samples", "min": 100, "max": 355 }] }"#;
    serde_json::from_str(text).unwrap()
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Powers for the statement above, of secrets that nobody published.
fn powers() -> PhaseOne {
    let [tau, alpha, beta] = [31u64, 32, 33].map(Fr::from);
    PhaseOne::of_secrets(tau, alpha, beta)
}

fn contributed() -> (PhaseOne, Ceremony) {
    let powers = powers();
    let mut ceremony = Ceremony::new(Statement::Compliance(statement()), &powers).unwrap();
    ceremony.contribute("Alice of A", &mut rng(1)).unwrap();
    ceremony.contribute("Bob of B", &mut rng(2)).unwrap();
    (powers, ceremony)
}

#[test]
fn a_ceremony_gives_keys_that_work_and_names_its_contributors() {
    let (powers, mut ceremony) = contributed();
    ceremony
        .beacon("block 900000", b"0000000000000000000123", 4)
        .unwrap();
    let ceremony = Ceremony::from_bytes(&ceremony.to_bytes()).unwrap();
    let report = ceremony.verify(&powers).unwrap();
    let names: Vec<_> = report
        .contributors
        .iter()
        .map(|(name, beacon)| (&name[..], *beacon))
        .collect();
    assert_eq!(
        names,
        [
            ("Alice of A", false),
            ("Bob of B", false),
            ("block 900000", true)
        ]
    );
    assert_eq!(report.insecure, None);
    let key = ceremony.keys(&powers, false).unwrap();
    let statement = statement();
    let record = statement
        .record(&[("num_samples".into(), 120)].into(), &mut rng(3))
        .unwrap();
    let proven = statement
        .prove(key, &record, context(b"x"), &mut rng(4))
        .unwrap();
    let verifier = verifying_key(key).unwrap();
    assert_eq!(
        report.key,
        clearproof_shared::encoding::hex(&verifier.fingerprint())
    );
    proven.verify(&verifier).unwrap();
    // The second ceremony's key does not verify the first one's proof.
    let mut other = Ceremony::new(Statement::Compliance(statement), &powers).unwrap();
    other.contribute("Carol", &mut rng(5)).unwrap();
    assert!(proven.verify(&verifying_key(&other.key).unwrap()).is_err());
}

/// From points, and in the exponent of the same secrets.
#[test]
fn both_ways_to_the_first_key_agree() {
    let published = PhaseOne::insecure();
    let secrets = published.secrets().unwrap().clone();
    let statement = Statement::Compliance(statement());
    let bytes = ptau(2, secrets.tau, secrets.alpha, secrets.beta);
    // Published secrets are recognised in a file, too.
    assert_eq!(PhaseOne::from_ptau(&bytes).unwrap(), published);
    let [tau, alpha, beta] = [31u64, 32, 33].map(Fr::from);
    let file = PhaseOne::from_ptau(&ptau(11, tau, alpha, beta)).unwrap();
    let from_points = initial::key(&statement, &file);
    let in_exponent = initial::key(&statement, &powers());
    assert_eq!(from_points.unwrap(), in_exponent.unwrap());
}

#[test]
fn insecure_set_ups_are_marked_and_refused() {
    let powers = powers();
    let statement = Statement::Compliance(statement());
    let mut ceremony = Ceremony::new(statement.clone(), &powers).unwrap();
    assert!(matches!(
        ceremony.keys(&powers, true),
        Err(CeremonyError::Insecure("nobody contributed"))
    ));
    ceremony.contribute("Alice", &mut rng(1)).unwrap();
    ceremony.contribute("Alice", &mut rng(2)).unwrap();
    ceremony.beacon("drand", b"1", 0).unwrap();
    let refused = ceremony.keys(&powers, false).unwrap_err();
    assert_eq!(
        refused,
        CeremonyError::Insecure("a single party contributed")
    );
    assert!(ceremony.keys(&powers, true).is_ok());
    let published = PhaseOne::insecure();
    let mut ceremony = Ceremony::new(statement, &published).unwrap();
    ceremony.contribute("Alice", &mut rng(1)).unwrap();
    ceremony.contribute("Bob", &mut rng(2)).unwrap();
    let refused = ceremony.keys(&published, false).unwrap_err();
    assert!(matches!(refused, CeremonyError::Insecure(_)));
    assert!(ceremony.keys(&published, true).is_ok());
}

#[test]
fn dishonest_contributions_are_named() {
    let (powers, honest) = contributed();
    let dishonest = |index: usize, reason: &'static str, edit: &dyn Fn(&mut Ceremony)| {
        let mut ceremony = honest.clone();
        edit(&mut ceremony);
        let name = ceremony.contributions[index].name.clone();
        let expected = CeremonyError::Contribution {
            index,
            name,
            reason,
        };
        assert_eq!(ceremony.verify(&powers).unwrap_err(), expected);
    };
    let two = Fr::from(2u64);
    let proof = "its proof of knowledge does not hold";
    dishonest(0, proof, &|c| c.contributions[0].name = "Mallory".into());
    dishonest(0, proof, &|c| c.contributions.swap(0, 1));
    dishonest(1, proof, &|c| {
        c.contributions.remove(0);
        c.contributions.insert(0, c.contributions[0].clone());
        c.contributions[0] = honest.contributions[0].clone();
        c.contributions[1].evidence = honest.contributions[0].evidence.clone();
    });
    dishonest(1, proof, &|c| match &mut c.contributions[1].evidence {
        Evidence::Schnorr { response, .. } => *response += two,
        Evidence::Beacon { .. } => unreachable!("Bob is a person"),
    });
    // Delta set to a chosen multiple without knowledge of the quotient.
    dishonest(1, proof, &|c| {
        c.contributions[1].delta_g1 = (c.contributions[1].delta_g1 * two).into_affine();
        c.contributions[1].delta_g2 = (c.contributions[1].delta_g2 * two).into_affine();
    });
    dishonest(1, "its delta differs between the groups", &|c| {
        c.contributions[1].delta_g2 = (c.contributions[1].delta_g2 * two).into_affine();
    });
    dishonest(1, "its delta is zero", &|c| {
        c.contributions[1].delta_g1 = G1Affine::zero()
    });
    // A beacon that is not the hash.
    let mut ceremony = honest.clone();
    ceremony.beacon("drand", b"1", 1).unwrap();
    match &mut ceremony.contributions[2].evidence {
        Evidence::Beacon { value, .. } => *value = b"2".to_vec(),
        Evidence::Schnorr { .. } => unreachable!("it is a beacon"),
    }
    let refused = ceremony.verify(&powers).unwrap_err();
    assert!(matches!(
        refused,
        CeremonyError::Contribution {
            index: 2,
            reason: "its delta is not the beacon's",
            ..
        }
    ));
}

#[test]
fn a_key_that_does_not_follow_is_refused() {
    let (powers, honest) = contributed();
    let differs = |part: &'static str, edit: &dyn Fn(&mut ProvingKey)| {
        let mut ceremony = honest.clone();
        edit(&mut ceremony.key);
        let refused = ceremony.verify(&powers).unwrap_err();
        // alpha, beta and the public part are in every challenge, so the first contribution fails.
        let named = matches!(refused, CeremonyError::Contribution { index: 0, .. })
            || refused == CeremonyError::Key(part);
        assert!(named, "{part}: {refused}");
    };
    let g1 = |p: &mut G1Affine| *p = (*p * Fr::from(2u64)).into_affine();
    let g2 = |p: &mut G2Affine| *p = (*p * Fr::from(2u64)).into_affine();
    differs("delta", &|k| g1(&mut k.delta_g1));
    differs("delta", &|k| g2(&mut k.vk.delta_g2));
    differs("alpha", &|k| g1(&mut k.vk.alpha_g1));
    differs("beta", &|k| g1(&mut k.beta_g1));
    differs("beta", &|k| g2(&mut k.vk.beta_g2));
    differs("gamma", &|k| g2(&mut k.vk.gamma_g2));
    differs(
        "the public inputs' part",
        &|k| g1(&mut k.vk.gamma_abc_g1[1]),
    );
    differs("A", &|k| {
        k.a_query[3] = (G1Affine::generator() * Fr::from(9u64)).into_affine()
    });
    differs("B in G1", &|k| k.b_g1_query[9] = G1Affine::generator());
    differs("B in G2", &|k| k.b_g2_query[9] = G2Affine::generator());
    differs("h", &|k| g1(&mut k.h_query[3]));
    differs("h", &|k| {
        k.h_query.pop();
    });
    differs("l", &|k| g1(&mut k.l_query[4]));
    // Two that cancel in a plain sum.
    differs("l", &|k| k.l_query.swap(4, 5));
    // Another statement's key under this transcript.
    let mut ceremony = honest.clone();
    let text = r#"{ "fields": ["num_samples"], "constraints": [{ "name": "num_samples", "min": 10, "max": 265 }] }"#;
    ceremony.statement = Statement::Compliance(serde_json::from_str(text).unwrap());
    assert!(ceremony.verify(&powers).is_err());
}

#[test]
fn files_are_canonical_and_bounded() {
    let (_, ceremony) = contributed();
    let bytes = ceremony.to_bytes();
    assert_eq!(Ceremony::from_bytes(&bytes).unwrap(), ceremony);
    for cut in (0..bytes.len()).step_by(bytes.len() / 60) {
        assert!(Ceremony::from_bytes(&bytes[..cut]).is_err(), "{cut}");
    }
    assert!(Ceremony::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
    // A length of a whole address space.
    let key = bytes.len() - ark_bytes(&ceremony.key).len();
    let mut huge = bytes.clone();
    huge[key + 448..key + 456].fill(0xff);
    assert_eq!(
        Ceremony::from_bytes(&huge).unwrap_err(),
        CeremonyError::Malformed("its key is cut off or too long")
    );
    let mut huge = bytes;
    huge[TAG.len()..TAG.len() + 8].fill(0xff);
    assert!(Ceremony::from_bytes(&huge).is_err());
    let mut ceremony = ceremony;
    for name in ["", "a\nb", &"x".repeat(201)] {
        assert_eq!(
            ceremony.contribute(name, &mut rng(1)),
            Err(CeremonyError::Name)
        );
    }
}

#[test]
fn powers_that_are_not_powers_are_refused() {
    let [tau, alpha, beta] = [31u64, 32, 33].map(Fr::from);
    let good = ptau(3, tau, alpha, beta);
    let small = PhaseOne::from_ptau(&good).unwrap();
    let refused = Ceremony::new(Statement::Compliance(statement()), &small).unwrap_err();
    assert!(
        matches!(refused, CeremonyError::TooFewPowers { given: 3, .. }),
        "{refused}"
    );
    // Sections start behind 12 bytes of file header; each has 12 of its own.
    let starts: Vec<usize> = {
        let lengths = [44, 15 * 64, 8 * 128, 8 * 64, 8 * 64, 128];
        lengths
            .iter()
            .scan(12, |at, length| {
                let start = *at + 12;
                *at = start + length;
                Some(start)
            })
            .collect()
    };
    // Swap two neighbouring points of each section.
    for (section, size, reason) in [
        (
            1,
            64,
            "the powers of tau in G1 are not powers of one number",
        ),
        (2, 128, "the powers of tau in G2 are not those of G1"),
        (3, 64, "the powers times alpha have another ratio"),
        (4, 64, "the powers times beta have another ratio"),
    ] {
        let mut bad = good.clone();
        let at = starts[section] + 4 * size;
        bad[at..at + 2 * size].rotate_left(size);
        assert_eq!(
            PhaseOne::from_ptau(&bad).unwrap_err(),
            CeremonyError::PhaseOne(reason)
        );
    }
    let mut bad = good.clone();
    bad[starts[5]..].copy_from_slice(&good[starts[2] + 128..starts[2] + 256]);
    assert_eq!(
        PhaseOne::from_ptau(&bad).unwrap_err(),
        CeremonyError::PhaseOne("beta differs between the groups")
    );
    let mut bad = good.clone();
    bad[starts[1] + 70] ^= 1;
    assert_eq!(
        PhaseOne::from_ptau(&bad).unwrap_err(),
        CeremonyError::PhaseOne("a point is not in its group")
    );
    for cut in 0..good.len() {
        assert!(PhaseOne::from_ptau(&good[..cut]).is_err());
    }
}
