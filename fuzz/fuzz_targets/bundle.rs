//! Bundles and the keys in them: no bytes make the decoders panic, and what decodes has one encoding.
#![no_main]

use clearproof_shared::artifact::bundle::Bundle;
use clearproof_shared::artifact::key::VerifyingKey;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(bundle) = Bundle::decode(bytes) {
        assert_eq!(bundle.encode(), bytes);
    }
    if let Ok(key) = VerifyingKey::decode(bytes) {
        assert_eq!(key.encode(), bytes);
    }
});
