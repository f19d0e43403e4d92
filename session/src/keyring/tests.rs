//! Requirements S06, S08, R10 and S09, for keys.

use super::*;
use base64::Engine as _;
use std::{
    collections::HashSet, env, error::Error as _, fs, io, path::Path, process::Command, thread,
};
use zeroize::ZeroizeOnDrop;

const A: [u8; 32] = [0xa5; 32];
const B: [u8; 32] = [0x5a; 32];
const A_HEX: &str = "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";
/// 32 bytes whose base64 differs in its two alphabets.
const C: [u8; 32] = [0xfb; 32];
const C_BASE64: &str = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s";
const C_BASE64URL: &str = "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s";

fn refused<T>(result: Result<T, ConfigError>) -> String {
    match result {
        Err(refused) => refused.to_string(),
        Ok(_) => panic!("accepted"),
    }
}

/// Whether a keyring has these keys, in this order.
fn holds(keyring: &Keyring, keys: &[[u8; 32]]) -> bool {
    keyring.keys.len() == keys.len()
        && keys.iter().enumerate().all(|(age, key)| {
            let tag = Keyring::new([key]).unwrap().sign(&[b"m"]);
            keyring.verify(&[b"m"], &tag) == Some(age)
        })
}

#[test]
fn the_first_key_signs_and_every_one_verifies() {
    let keyring = Keyring::new([A, B]).unwrap();
    let tag = keyring.sign(&[b"message"]);
    assert_eq!(tag, Keyring::new([A]).unwrap().sign(&[b"message"]));
    assert!(holds(&keyring, &[A, B]));
    assert_eq!(keyring.verify(&[b"another"], &tag), None);
    assert_eq!(Keyring::new([B]).unwrap().verify(&[b"message"], &tag), None);
    assert_eq!(
        keyring.sign(&[b"mess", b"", b"age"]),
        tag,
        "the pieces are one message"
    );
}

#[test]
fn the_signature_is_hmac_sha_256() {
    // RFC 4231, test case 6: its key has the minimum length.
    let tag = Keyring::new([[0xaa; 131]])
        .unwrap()
        .sign(&[b"Test Using Larger Than Block-Size Key - Hash Key First"]);
    let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    );
}

#[test]
fn keys_that_protect_nothing_are_refused_by_position() {
    let none: [&[u8]; 0] = [];
    assert!(refused(Keyring::new(none)).contains("contains no key"));
    let short = refused(Keyring::new([&A[..], &B[..31]]));
    assert!(
        short.contains("key 2 of 2 has 31 bytes, but at least 32"),
        "{short}"
    );
    let twins = refused(Keyring::new([A, B, A]));
    assert!(twins.contains("keys 1 and 3 of 3 are the same"), "{twins}");
    assert!(
        Keyring::new([&A[..], &[1; 500]]).is_ok(),
        "a longer key is fine"
    );
}

#[test]
fn generated_keys_differ() {
    let keys: HashSet<_> = (0..100)
        .map(|_| Keyring::generate().unwrap().sign(&[b""]))
        .collect();
    assert_eq!(keys.len(), 100);
    let texts: HashSet<_> = (0..100).map(|_| Keyring::generate_key().unwrap()).collect();
    assert_eq!(texts.len(), 100);
    assert!(
        texts
            .iter()
            .all(|text| text.len() == 43 && Keyring::from_text(text, "t").is_ok())
    );
}

#[test]
fn keys_are_overwritten_when_dropped() {
    // A keyed HMAC is two states of the hash and a buffer; `Sha256` is one of each, and has the marker only if both
    // overwrite themselves.
    fn overwrites<T: ZeroizeOnDrop>() {}
    overwrites::<Sha256>();
}

#[test]
fn keys_in_every_notation() {
    for text in [
        A_HEX,
        &A_HEX.to_uppercase(),
        "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU",
        "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=",
    ] {
        assert!(
            holds(&Keyring::from_text(text, "t").unwrap(), &[A]),
            "{text}"
        );
    }
    for text in [
        C_BASE64,
        C_BASE64URL,
        &format!("{C_BASE64}="),
        &format!("{C_BASE64URL}="),
    ] {
        assert!(
            holds(&Keyring::from_text(text, "t").unwrap(), &[C]),
            "{text}"
        );
    }
    for separator in [",", " ", "\n", ", ", " ,\t\r\n,"] {
        let text = format!("{separator}{C_BASE64}{separator}{A_HEX}{separator}");
        assert!(
            holds(&Keyring::from_text(&text, "t").unwrap(), &[C, A]),
            "{text:?}"
        );
    }
}

#[test]
fn text_that_is_no_key_is_refused_by_position_and_never_shown() {
    // A short hexadecimal key does not pass as a longer one in base64.
    let hex_24 = &A_HEX[..48];
    let odd_hex = &A_HEX[..63];
    let cases = [
        (String::new(), "contains no key"),
        (" ,\n".to_owned(), "contains no key"),
        (hex_24.to_owned(), "key 1 of 1 has 24 bytes"),
        (format!("{C_BASE64},{odd_hex}"), "key 2 of 2 is neither"),
        (
            format!("{C_BASE64},{}", &C_BASE64[..20]),
            "key 2 of 2 has 15 bytes",
        ),
        (
            format!("{C_BASE64} my-secret-pass-phrase! {A_HEX}"),
            "key 2 of 3 is neither",
        ),
        (format!("{C_BASE64}=="), "key 1 of 1 is neither"),
        (format!("\"{C_BASE64}\""), "key 1 of 1 is neither"),
        (format!("{C_BASE64}\u{fffd}"), "key 1 of 1 is neither"),
        (
            format!("{C_BASE64},{C_BASE64URL}"),
            "keys 1 and 2 of 2 are the same",
        ),
    ];
    for (text, why) in cases {
        let refused = Keyring::from_text(&text, "variable `KEYS`").unwrap_err();
        let shown = format!("{refused} {refused:?}");
        assert!(shown.contains(why), "{text}: {shown}");
        assert!(shown.starts_with("variable `KEYS`: "), "{shown}");
        for word in text.split([',', ' ']).filter(|word| word.len() > 3) {
            assert!(!shown.contains(word), "{shown}");
        }
    }
}

#[test]
fn the_environment() {
    // A process cannot change its own environment safely: this test runs itself in another one.
    const VARIABLE: &str = "LEVEL_SESSION_TEST_KEYS";
    if let Some(role) = env::var_os("LEVEL_SESSION_TEST_ROLE") {
        let keyring = Keyring::from_env(VARIABLE);
        match role.to_str().unwrap() {
            "good" => assert!(holds(&keyring.unwrap(), &[C, A])),
            "not text" => {
                let shown = format!("{:?}", keyring.unwrap_err());
                assert!(
                    shown.contains(VARIABLE) && shown.contains("not text"),
                    "{shown}"
                );
                assert!(!shown.contains("secret"), "{shown}");
            }
            _ => {
                let unset = refused(keyring);
                assert!(
                    unset.contains(VARIABLE) && unset.contains("not set"),
                    "{unset}"
                );
            }
        }
        return;
    }
    let run = |role: &str, keys: Option<&std::ffi::OsStr>| {
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", "keyring::tests::the_environment"]);
        child
            .env("LEVEL_SESSION_TEST_ROLE", role)
            .env_remove(VARIABLE);
        if let Some(keys) = keys {
            child.env(VARIABLE, keys);
        }
        let output = child.output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && stdout.contains("1 passed"),
            "{role}: {stdout}"
        );
    };
    run("good", Some(format!("{C_BASE64URL},{A_HEX}").as_ref()));
    run("unset", None);
    #[cfg(unix)]
    run(
        "not text",
        Some(std::os::unix::ffi::OsStrExt::from_bytes(b"secret\xff")),
    );
}

#[test]
fn a_file_is_made_once_and_read_ever_after() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("session.key");
    let made = Keyring::from_file_or_generate(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.len(), 44, "one key and a line's end");
    let read = Keyring::from_file_or_generate(&path).unwrap();
    assert_eq!(made.sign(&[b"m"]), read.sign(&[b"m"]));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    fs::write(&path, format!("{A_HEX}\n{text}")).unwrap();
    let rotated = Keyring::from_file_or_generate(&path).unwrap();
    assert_eq!(rotated.verify(&[b"m"], &made.sign(&[b"m"])), Some(1));

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let other = directory.path().join("other.key");
        Keyring::from_file_or_generate(&other).unwrap();
        let mode = fs::metadata(&other).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "requirement S09");
    }
}

#[test]
fn processes_that_start_at_once_get_one_key() {
    // If the file were written in place, another process could read a part of it; if it were replaced, two processes
    // could have different keys.
    for _ in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("session.key");
        let start = std::sync::Barrier::new(8);
        let tags: HashSet<_> = thread::scope(|scope| {
            let one = || {
                start.wait();
                Keyring::from_file_or_generate(&path).unwrap().sign(&[b"m"])
            };
            let all: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            all.into_iter()
                .map(|handle| handle.join().unwrap())
                .collect()
        });
        assert_eq!(tags.len(), 1);
        let files: Vec<_> = fs::read_dir(&directory).unwrap().collect();
        assert_eq!(files.len(), 1, "no draft remains");
    }
}

/// The error of file systems without hard links: shared folders, some volumes of containers.
fn no_hard_links(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::PermissionDenied.into())
}

#[test]
fn a_file_system_without_hard_links_will_do() {
    // Otherwise the first start in a shared folder would fail, with the advice to choose a writable directory.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("session.key");
    let made = Keyring::from_file(&path, no_hard_links).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap().len(), 44);
    let read = Keyring::from_file(&path, no_hard_links).unwrap();
    assert_eq!(made.sign(&[b"m"]), read.sign(&[b"m"]));
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "requirement S09");
    }
}

#[test]
fn a_start_that_was_interrupted_is_made_good_without_hard_links() {
    // Otherwise a lock file and a half-written draft of a killed process could block every later start, or be mistaken
    // for the key file.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("session.key");
    fs::write(directory.path().join("session.key.lock"), "").unwrap();
    fs::write(
        directory.path().join("session.key.0123456789abcdef"),
        "half",
    )
    .unwrap();
    Keyring::from_file(&path, no_hard_links).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap().len(), 44);
}

#[test]
fn starting_at_once_without_hard_links_gives_one_key() {
    for _ in 0..50 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("session.key");
        let start = std::sync::Barrier::new(8);
        let tags: HashSet<_> = thread::scope(|scope| {
            let one = || {
                start.wait();
                Keyring::from_file(&path, no_hard_links)
                    .unwrap()
                    .sign(&[b"m"])
            };
            let all: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            all.into_iter()
                .map(|handle| handle.join().unwrap())
                .collect()
        });
        assert_eq!(tags.len(), 1);
        let key = fs::read_to_string(&path).unwrap();
        assert_eq!(
            Keyring::from_text(&key, "t").unwrap().sign(&[b"m"]),
            tags.into_iter().next().unwrap()
        );
    }
}

#[test]
fn a_key_that_was_broken_over_lines_is_explained() {
    // `openssl rand -base64 64` prints one key on two lines: the second one would be reported as a key that is too
    // short.
    let wrapped = |bytes: usize, columns: usize| {
        let text = base64::engine::general_purpose::STANDARD.encode(vec![0xa5; bytes]);
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(columns)
            .map(|line| str::from_utf8(line).unwrap())
            .collect();
        lines.join("\n")
    };
    for (text, second) in [
        (wrapped(64, 64), 2),
        (wrapped(64, 76), 2),
        (format!("{A_HEX}\n{}", wrapped(64, 64)), 3),
    ] {
        let shown = refused(Keyring::from_text(&text, "key file `k`"));
        assert!(
            shown.contains(&format!("key {second} of {second} has")),
            "{shown}"
        );
        assert!(shown.contains("broken over several lines"), "{shown}");
        assert!(shown.contains("openssl rand -base64 48"), "{shown}");
        // An unquoted shell variable replaces the line break by a space.
        let spaced = Keyring::from_text(&text.replace('\n', " "), "t");
        assert!(refused(spaced).contains("broken over several lines"));
    }
    let apart = refused(Keyring::from_text(&wrapped(64, 64).replace('\n', ","), "t"));
    assert!(
        !apart.contains("several lines"),
        "a comma separates keys: {apart}"
    );
    let two = wrapped(48, 64) + "\n" + A_HEX;
    assert!(
        Keyring::from_text(&two, "t").is_ok(),
        "two keys, the first as long as a line"
    );
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing").join("session.key");
    let error = Keyring::from_file_or_generate(&missing).unwrap_err();
    assert!(
        error.to_string().contains("missing") && error.to_string().contains("cannot be created")
    );
    assert!(error.source().is_some());

    let error = Keyring::from_file_or_generate(directory.path()).unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");

    for content in [&b""[..], b"secret", b"\xff\xfe"] {
        let path = directory.path().join("bad.key");
        fs::write(&path, content).unwrap();
        let error = Keyring::from_file_or_generate(&path).unwrap_err();
        assert!(error.to_string().contains("bad.key"), "{error}");
        assert!(!format!("{error:?}").contains("secret"));
    }
}

#[test]
fn nothing_prints_a_key() {
    let keyring = Keyring::new([A, B]).unwrap();
    assert_eq!(format!("{keyring:?}"), "Keyring { keys: 2 }");
}
