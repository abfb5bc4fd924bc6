//! Log entries, notes, checkpoints and keys: no bytes make the decoders panic, and what decodes has one
//! encoding.
#![no_main]

use clearproof_shared::log::checkpoint::Checkpoint;
use clearproof_shared::log::entry::Entry;
use clearproof_shared::log::note::{Note, VerifierKey};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = Entry::decode(bytes) {
        assert_eq!(entry.encode(), bytes);
    }
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.encode(), bytes);
        if let Ok(checkpoint) = Checkpoint::of_note(note) {
            assert_eq!(checkpoint.note.encode(), bytes);
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(key) = VerifierKey::parse(text) {
            assert_eq!(key.to_string(), text);
        }
    }
});
