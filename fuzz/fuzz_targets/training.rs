//! Training certificates: no bytes make the verifier panic, and what decodes has one encoding.
#![no_main]

use clearproof_shared::training::certificate::Certificate;
use clearproof_shared::training::contribution::Contribution;
use clearproof_shared::training::manifest::Manifest;
use clearproof_shared::training::survivors::SurvivorCertificate;
use clearproof_shared::training::terms::Terms;
use clearproof_shared::verify::training::{verify_certificate, TrainingOptions};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(certificate) = Certificate::decode(bytes) {
        assert_eq!(certificate.encode(), bytes);
        // What lies inside is bytes to the decoder above.
        for round in &certificate.body.rounds {
            let Ok(manifest) = Manifest::decode(&round.manifest) else {
                continue;
            };
            assert_eq!(manifest.encode(), round.manifest);
            if let Ok(survivors) = SurvivorCertificate::decode(&round.survivors, &manifest) {
                assert_eq!(survivors.encode(), round.survivors);
            }
            for bytes in &round.contributions {
                if let Ok(contribution) = Contribution::decode(bytes, &manifest) {
                    assert_eq!(contribution.encode(), *bytes);
                }
            }
            if let Ok(terms) = Terms::decode(&manifest.terms) {
                assert_eq!(terms.encode(), manifest.terms);
            }
        }
    }
    let options = TrainingOptions {
        allow_insecure_setup: true,
        ..TrainingOptions::default()
    };
    verify_certificate(bytes, &options);
});
