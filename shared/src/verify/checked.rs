//! Bundles that were checked before.
//!
//! 1. Claim: a bundle found here has exactly the bytes of one whose keys, bases and registration
//!    proofs all held.
//! 2. Method: named by SHA-256 of all its bytes; the least recently used goes first, once there are
//!    more than [`MOST_BUNDLES`] or their encodings exceed [`MOST_BYTES`].
//! 3. Assumed: SHA-256 is collision resistant. Nothing of the auditor's is kept: whether a bundle is
//!    pinned, and which reference strings are accepted, is decided anew for every file.
//! 4. Source: SOUNDNESS conditions 1 to 4 and 12.

use std::sync::Arc;

use super::bundle::PreparedBundle;

/// The bundles, least recently used first.
#[derive(Debug, Default)]
pub(super) struct CheckedBundles {
    bundles: Vec<Arc<PreparedBundle>>,
}

impl CheckedBundles {
    /// The bundle with this digest.
    pub(super) fn find(&self, digest: &[u8; 32]) -> Option<Arc<PreparedBundle>> {
        let found = self.bundles.iter().find(|b| b.digest() == digest);
        found.map(Arc::clone)
    }

    /// Keeps a bundle, all of whose checks held, as the most recently used one. One that borrowed
    /// its generators is not kept: its bytes do not say which.
    pub(super) fn keep(&mut self, bundle: &Arc<PreparedBundle>) {
        self.bundles.retain(|b| b.digest() != bundle.digest());
        if !bundle.is_self_contained() || bundle.bytes() > MOST_BYTES {
            return;
        }
        self.bundles.push(Arc::clone(bundle));
        while self.bundles.len() > MOST_BUNDLES || self.bytes() > MOST_BYTES {
            self.bundles.remove(0);
        }
    }

    fn bytes(&self) -> usize {
        self.bundles.iter().map(|bundle| bundle.bytes()).sum()
    }
}

const MOST_BUNDLES: usize = 8;
/// Of encodings; in memory it is about three times as much.
const MOST_BYTES: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::artifact::bundle::Bundle;
    use crate::artifact::evidence::{BundleRef, Evidence};
    use crate::verify::report::{names, Outcome, Report, Verdict};
    use crate::verify::{Options, Verifier};

    const KZG: (&[u8], &[u8]) = (
        include_bytes!("../../../tests/vectors/kzg-one.evidence"),
        include_bytes!("../../../tests/vectors/kzg-one.verifier.bin"),
    );
    const IPA: (&[u8], &[u8]) = (
        include_bytes!("../../../tests/vectors/ipa-one.evidence"),
        include_bytes!("../../../tests/vectors/ipa-one.verifier.bin"),
    );

    fn trusting<'a>(trust: &[&'a [u8]]) -> Options<'a> {
        Options {
            trust: trust.to_vec(),
            allow_insecure_dev_srs: true,
            log_keys: vec![],
            witness_keys: vec![],
            clock: None,
        }
    }

    fn judge(verifier: &mut Verifier, evidence: &[u8], options: &Options<'_>) -> Report {
        let mut reports = verifier.verify_files(&[("file", evidence)], options);
        reports.pop().unwrap()
    }

    fn before(report: &Report) -> bool {
        let told = |name| report.check(name).unwrap().reason.contains("before");
        assert_eq!(told(names::KEY_BASES), told(names::REGISTRATION));
        told(names::REGISTRATION)
    }

    /// The evidence with its bundle changed.
    fn with_bundle(evidence: &[u8], change: impl FnOnce(&mut Bundle)) -> Vec<u8> {
        let mut evidence = Evidence::decode(evidence).unwrap();
        let BundleRef::Embedded(bytes) = &mut evidence.bundles[0] else {
            panic!("the vectors embed their bundles");
        };
        let mut bundle = Bundle::decode(bytes).unwrap();
        change(&mut bundle);
        *bytes = bundle.encode();
        evidence.encode()
    }

    #[test]
    fn a_second_file_gets_the_same_report_but_for_the_reason() {
        for (evidence, bundle) in [KZG, IPA] {
            let options = trusting(&[bundle]);
            let mut verifier = Verifier::default();
            let first = judge(&mut verifier, evidence, &options);
            let mut second = judge(&mut verifier, evidence, &options);
            assert_eq!(first.verdict, Verdict::Valid);
            assert!(!before(&first) && before(&second));
            for (check, first) in second.checks.iter_mut().zip(&first.checks) {
                if check.reason.contains("before") {
                    check.reason = first.reason.clone();
                }
            }
            assert_eq!(first, second);
        }
    }

    #[test]
    fn neither_pins_nor_permissions_are_remembered() {
        let (evidence, bundle) = KZG;
        let mut verifier = Verifier::default();
        let report = judge(&mut verifier, evidence, &trusting(&[bundle]));
        assert_eq!(report.verdict, Verdict::Valid);
        let report = judge(&mut verifier, evidence, &trusting(&[]));
        assert_eq!(report.verdict, Verdict::Unknown);
        assert!(before(&report));
        let strict = Options {
            allow_insecure_dev_srs: false,
            ..trusting(&[bundle])
        };
        let report = judge(&mut verifier, evidence, &strict);
        assert_eq!(report.verdict, Verdict::Invalid);
        let srs = report.check(names::SRS_RECOGNISED).unwrap();
        assert_eq!(srs.outcome, Outcome::Failed);
    }

    #[test]
    fn bad_proofs_are_found_under_a_remembered_bundle() {
        for (evidence, bundle) in [KZG, IPA] {
            let options = trusting(&[bundle]);
            let mut verifier = Verifier::default();
            judge(&mut verifier, evidence, &options);
            for back in [100, 400] {
                let mut bad = evidence.to_vec();
                let at = bad.len() - back;
                bad[at] ^= 1;
                let report = judge(&mut verifier, &bad, &options);
                assert_eq!(report.verdict, Verdict::Invalid);
                assert_eq!(report.records, []);
            }
        }
    }

    #[test]
    fn bundles_that_failed_are_not_remembered() {
        for (evidence, _) in [KZG, IPA] {
            let bad = with_bundle(evidence, |bundle| {
                let proof = &mut bundle.registration[0].proof;
                let at = proof.len() - 40;
                proof[at] ^= 1;
            });
            let mut verifier = Verifier::default();
            for _visit in 0..2 {
                let report = judge(&mut verifier, &bad, &trusting(&[]));
                let check = report.check(names::REGISTRATION).unwrap();
                assert_eq!(check.outcome, Outcome::Failed);
                assert!(!check.reason.contains("before"));
            }
            assert!(verifier.checked().bundles.is_empty());
        }
    }

    #[test]
    fn a_changed_bundle_is_another_one() {
        let (evidence, bundle) = KZG;
        let mut verifier = Verifier::default();
        judge(&mut verifier, evidence, &trusting(&[bundle]));
        let renamed = with_bundle(evidence, |bundle| bundle.name.push('2'));
        assert!(!before(&judge(&mut verifier, &renamed, &trusting(&[]))));
        assert!(before(&judge(&mut verifier, &renamed, &trusting(&[]))));
    }

    #[test]
    fn borrowed_generators_are_not_remembered() {
        let (evidence, bundle) = IPA;
        let bare = with_bundle(evidence, |bundle| bundle.generators = None);
        let mut verifier = Verifier::default();
        for _visit in 0..2 {
            let report = judge(&mut verifier, &bare, &trusting(&[bundle]));
            assert_eq!(report.verdict, Verdict::Valid);
            assert!(!before(&report));
        }
        // Without the lender it is refused, as if nothing had been seen before.
        let report = judge(&mut verifier, &bare, &trusting(&[]));
        assert_eq!(report.verdict, Verdict::Invalid);
    }

    fn prepared(change: impl FnOnce(&mut Bundle)) -> Arc<PreparedBundle> {
        let mut bundle = Bundle::decode(KZG.1).unwrap();
        change(&mut bundle);
        let bytes = bundle.encode();
        let digest = Sha256::digest(&bytes).into();
        Arc::new(PreparedBundle::read(&bytes, digest, [].into_iter()).unwrap())
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let named = |i: usize| prepared(|bundle| bundle.name = i.to_string());
        let bundles: Vec<_> = (0..=MOST_BUNDLES).map(named).collect();
        let mut checked = CheckedBundles::default();
        for bundle in &bundles[..MOST_BUNDLES] {
            checked.keep(bundle);
        }
        checked.keep(&bundles[0]);
        checked.keep(&bundles[MOST_BUNDLES]);
        let found: Vec<bool> = bundles
            .iter()
            .map(|bundle| checked.find(bundle.digest()).is_some())
            .collect();
        assert_eq!(checked.bundles.len(), MOST_BUNDLES);
        assert_eq!(found.iter().position(|found| !found), Some(1));
    }

    #[test]
    fn bytes_are_bounded() {
        let large = |fill: u8, bytes: usize| prepared(|b| b.skeleton = vec![fill; bytes]);
        let mut checked = CheckedBundles::default();
        let (first, second) = (large(1, MOST_BYTES / 2), large(2, MOST_BYTES / 2));
        checked.keep(&first);
        checked.keep(&second);
        assert!(checked.find(first.digest()).is_none());
        assert!(checked.find(second.digest()).is_some());
        checked.keep(&large(3, MOST_BYTES));
        assert!(checked.find(second.digest()).is_some());
        assert_eq!(checked.bundles.len(), 1);
    }
}
