//! Evidence files: no bytes make the verifier panic, and what decodes has one encoding.
#![no_main]

use clearproof_shared::artifact::evidence::Evidence;
use clearproof_shared::verify::{verify_evidence, Options};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(evidence) = Evidence::decode(bytes) {
        assert_eq!(evidence.encode(), bytes);
    }
    verify_evidence(bytes, &Options::default());
});
