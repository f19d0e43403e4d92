//! The functions of the fuzz target for records.

use super::record::{Record, Session};
use level_session_store::{Bytes, FieldName, Lease, Timestamp, rules::Life};
use std::sync::Arc;

/// Arbitrary bytes as a record of the `meta` keyspace: decoding fails, or the record is encoded as it was decoded. Then
/// the same bytes as the fields of a session, changed one by one: decoding returns what was encoded.
#[doc(hidden)]
pub fn records(data: &[u8]) {
    match Record::decode(data) {
        Err(problem) => assert!(!problem.is_empty()),
        Ok(record) => {
            let bytes = record.encode();
            assert!(bytes.len() <= data.len(), "the shortest spelling");
            let again = Record::decode(&bytes).expect("an encoded record can be decoded");
            assert_eq!(again.encode(), bytes);
            assert_eq!(again.deadline(), record.deadline());
        }
    }
    let at = Timestamp::from_millis(data.len() as u64);
    let life = Life {
        created: at,
        lease: Lease::new(at, at, at, data.first().map(|_| at)),
        former: None,
    };
    let mut session = Session::new(7, life);
    for part in data.split(|byte| *byte == 0) {
        let Some((what, rest)) = part.split_first() else {
            continue;
        };
        let (name, entry) = rest.split_at(rest.len().min(usize::from(*what % 8)));
        let name: Arc<str> = String::from_utf8_lossy(name).into();
        if what & 0x80 == 0 {
            let index = (what & 0x40 != 0).then(|| Bytes::from(entry));
            session
                .fields
                .set(&FieldName::from(name), index, Bytes::from(entry));
        } else {
            session.fields.remove(&name);
        }
    }
    let bytes = session.encode();
    let Ok(Record::Live(again)) = Record::decode(&bytes) else {
        panic!("a session that was encoded is one")
    };
    assert_eq!(again.encode(), bytes);
    assert_eq!(again.index_entries(), session.index_entries());
    let names = |session: &Session| -> Vec<_> {
        let fields = session.fields.fields();
        fields.map(|field| field.name.clone()).collect()
    };
    assert_eq!(names(&again), names(&session));
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// The fuzzer's corpus. A published package does not contain it.
    #[test]
    fn the_corpus_is_replayed() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/commit");
        if !corpus.exists() {
            return;
        }
        let inputs: Vec<_> = fs::read_dir(corpus).unwrap().collect();
        assert!(!inputs.is_empty(), "the corpus is empty");
        for input in inputs {
            super::records(&fs::read(input.unwrap().path()).unwrap());
        }
    }
}
