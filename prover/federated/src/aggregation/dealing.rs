//! A contributor's part: commit, share, and later show a masked combination of what was shared.
//!
//! Claim of the check: with c columns x_k (elements, then blinding) of the value and the mask m, all shared by
//! polynomials F_k, M of degree t, the dealer publishes `W = M + sum_k gamma^(k+1) F_k` for a coin gamma drawn when
//! commitments and shares are fixed. W(0) must open `C_m + sum gamma^(k+1) C_k`, and each holder's own combination must
//! be W at its point. If some honest holders' shares lie on no polynomial of degree t, or on one whose value at 0
//! is not the committed one, a check passes with probability at most c / r. M is uniform, so W says nothing.

use clearproof_prover::prove::columns::normalize;
use clearproof_prover::prove::export::g1_to_ark;
use clearproof_shared::training::contribution::Contribution;
use clearproof_shared::training::signed::Kind;
use ff::Field;
use halo2curves::bn256::{Fr, G1Affine, G1};
use rand_core::RngCore;

use super::messages::{CheckMessage, SealedShare, ShareMessage};
use super::party::{BeginError, Party, Received, Update};
use super::seal::{seal, Route};
use super::sharing::{expand, share};
use super::vectors::{add_multiple, SecretVector};
use crate::norm::NormWitness;

impl Party {
    pub(super) fn deal(&mut self, update: &Update) -> Result<Vec<Vec<u8>>, BeginError> {
        let setup = std::sync::Arc::clone(&self.setup);
        let manifest = &setup.manifest;
        // 1. The bounds.
        let sum: Vec<i64> = update
            .clipped
            .iter()
            .zip(&update.noise)
            .map(|(u, n)| u.saturating_add(*n))
            .collect();
        let total = SecretVector(setup.lanes.pack(&sum)?);
        let clipped = SecretVector(setup.lanes.pack(&update.clipped)?);
        let noise = SecretVector(setup.lanes.pack(&update.noise)?);
        bounded("clipped update", &update.clipped, manifest.clip_norm)?;
        bounded("noise share", &update.noise, manifest.noise_norm)?;
        // 2. Commitments to both parts and to the mask.
        let mut rng = self.rng("deal");
        let blind = |rng: &mut _| SecretVector::random(manifest.columns(), rng);
        let (clipped_blinds, noise_blinds) = (blind(&mut rng), blind(&mut rng));
        let mask = SecretVector::random(setup.folded_length(), &mut rng);
        let commit = |elements: &[Fr], blinds: &[Fr]| -> Vec<G1> {
            elements
                .chunks(manifest.rows_per_column())
                .zip(blinds)
                .map(|(column, blind)| setup.bases.commit(column, *blind))
                .collect()
        };
        let to_ark = |points: &[G1]| normalize(points).iter().map(g1_to_ark).collect();
        let update_points = commit(&clipped, &clipped_blinds);
        let noise_points = commit(&noise, &noise_blinds);
        // 3. Shares of the total with its blinding, and of the mask.
        let mut secret = total;
        secret.extend(
            clipped_blinds
                .iter()
                .zip(noise_blinds.iter())
                .map(|(a, b)| a + b),
        );
        secret.extend_from_slice(&mask);
        let shares = share(&setup, self.me, &secret, &mut rng);
        self.secret = secret;
        let seeded = setup.seeded(self.me);
        self.own_seeds = seeded.iter().filter_map(|h| shares[*h].seed()).collect();
        let mut share_digests = vec![];
        let mut sealed_frames = vec![];
        for (share, holder) in shares.into_iter().zip(&manifest.holders) {
            let mut salt = [0; 32];
            rng.fill_bytes(&mut salt);
            let message = ShareMessage { salt, share };
            let plaintext = message.encode();
            share_digests.push(ShareMessage::digest(&setup, self.me, *holder, &plaintext));
            if *holder == self.me {
                let scalars = message.share.expand(setup.share_length());
                self.shares.insert(self.me, (message, scalars));
                continue;
            }
            let route = Route {
                manifest: &setup.digest,
                from: self.me,
                to: *holder,
            };
            let key = &manifest.parties[usize::from(*holder)].sealing_key;
            let sealed = seal(key, route, &plaintext, &mut rng);
            let sealed = sealed.ok_or(BeginError::SealingKey(*holder))?;
            let body = SealedShare {
                holder: *holder,
                sealed,
            }
            .encode();
            sealed_frames.push(self.sign(Kind::Share, body));
        }
        let mut contribution = Contribution {
            update: to_ark(&update_points),
            noise: to_ark(&noise_points),
            mask: g1_to_ark(&setup.commit_folded(&mask)),
            share_digests,
            proof: vec![],
        };
        // 4. The norm proof, with randomness of its own.
        if let Some(key) = &setup.norm {
            let blindings = SecretVector([&clipped_blinds[..], &noise_blinds[..]].concat());
            let witness = NormWitness {
                update: &update.clipped,
                noise: &update.noise,
                blindings: &blindings,
            };
            let mut rng = self.rng("norm proof");
            contribution.proof = key
                .prove(
                    &setup.bases,
                    &setup.digest,
                    self.me,
                    &contribution,
                    witness,
                    &mut rng,
                )
                .map_err(BeginError::Proof)?;
        }
        let body = contribution.encode();
        let digest = super::messages::sha256(&body);
        self.seen.insert((self.me, Kind::Contribution), digest);
        self.contributions.insert(
            self.me,
            Received {
                contribution,
                digest,
            },
        );
        let mut frames = vec![self.sign(Kind::Contribution, body)];
        frames.extend(sealed_frames);
        Ok(frames)
    }

    /// The masked combination of the own sharing, for the coin.
    pub(super) fn own_check(&mut self, coin: [u8; 32]) -> Vec<u8> {
        let setup = std::sync::Arc::clone(&self.setup);
        let challenge = challenge(&coin);
        let mut values = vec![masked_fold(&setup, &self.secret, challenge)];
        for seed in &self.own_seeds {
            values.push(masked_fold(
                &setup,
                &expand(seed, setup.share_length()),
                challenge,
            ));
        }
        self.secret = SecretVector::default();
        CheckMessage { coin, values }.encode()
    }
}

/// `m + sum_k gamma^(k+1) column_k` of a value and a mask, or of shares of them.
pub(super) fn masked_fold(
    setup: &super::setup::Setup,
    shared: &[Fr],
    challenge: Fr,
) -> SecretVector {
    let (value, mask) = shared.split_at(setup.value_length());
    let mut sum = SecretVector(mask.to_vec());
    add_multiple(&mut sum, challenge, &setup.fold(value, challenge));
    sum
}

/// The challenge of a coin.
pub(super) fn challenge(coin: &[u8; 32]) -> Fr {
    use halo2curves::ff::FromUniformBytes;
    let mut wide = [0; 64];
    wide[..32].copy_from_slice(coin);
    wide[32..].copy_from_slice(&super::messages::hash(&[
        b"clearproof federated gamma v1",
        coin,
    ]));
    Fr::from_uniform_bytes(&wide)
}

/// `C_m + sum_k gamma^(k+1) (C_u,k + C_n,k)`.
pub(super) fn folded_commitment(
    contribution: &Contribution,
    challenge: Fr,
) -> (Vec<Fr>, Vec<G1Affine>) {
    use clearproof_prover::prove::export::g1_from_ark;
    let mut scalars = vec![Fr::ONE];
    let mut points = vec![g1_from_ark(&contribution.mask)];
    for list in [&contribution.update, &contribution.noise] {
        let mut power = challenge;
        for point in list {
            scalars.push(power);
            points.push(g1_from_ark(point));
            power *= challenge;
        }
    }
    (scalars, points)
}

fn bounded(what: &'static str, values: &[i64], bound: u64) -> Result<(), BeginError> {
    let square: u128 = values
        .iter()
        .map(|v| u128::from(v.unsigned_abs()).pow(2))
        .sum();
    match square <= u128::from(bound).pow(2) {
        true => Ok(()),
        false => Err(BeginError::Norm {
            what,
            norm: (square as f64).sqrt(),
            bound,
        }),
    }
}
