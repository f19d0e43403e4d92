//! The README's first example, as a new user builds it: in a separate crate, outside of the workspace.

use level_session_tests::{
    http::Client,
    process::{Server, build, example},
};
use std::{fs, net::TcpListener, path::Path, process::Command};

const README: &str = include_str!("../../../README.md");
const LIBRARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../session");
const LOCK_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");

/// Prevents: an example that compiles only in this repository, or that compiles but does not behave as described.
#[tokio::test]
async fn the_first_example_works_in_a_crate_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);

    // The code of the README, with another port and with the path of the clone.
    let code = block("rust,no_run");
    assert!(code.contains("127.0.0.1:3000"));
    let code = code.replace("127.0.0.1:3000", &address.to_string());
    let clone = "path = \"level-session/session\"";
    let dependencies = block("toml");
    assert!(dependencies.contains(clone));
    let dependencies = dependencies.replace(clone, &format!("path = {LIBRARY:?}"));
    let manifest = format!(
        "[package]\nname = \"newcomer\"\nedition = \"2024\"\n\n{dependencies}\n[workspace]\n"
    );
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/main.rs"), code).unwrap();
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    fs::copy(LOCK_FILE, folder.path().join("Cargo.lock")).unwrap();

    let target = example("server").parent().and_then(Path::parent).unwrap();
    let built = build(&["--target-dir", target.to_str().unwrap()], folder.path());
    let mut program = Command::new(&built["newcomer"]);
    program.current_dir(folder.path());
    let server = Server::at(&mut program, address);

    // The cookie requires HTTPS; this client sends it anyway.
    let mut client = Client::new(address);
    assert_eq!(client.get("/").await.body, "visit 1, cart [\"tea\"]\n");
    let second = "visit 2, cart [\"tea\", \"tea\"]\n";
    assert_eq!(client.get("/").await.body, second);
    assert!(client.jar.contains_key("__Host-s"));
    server.kill();
    let _server = Server::at(&mut program, address);
    let third = "visit 3, cart [\"tea\", \"tea\", \"tea\"]\n";
    assert_eq!(client.get("/").await.body, third);
}

/// The first code block in this language.
fn block(language: &str) -> &'static str {
    let (_, rest) = README
        .split_once(&format!("```{language}\n"))
        .unwrap_or_else(|| panic!("the README has no {language}"));
    rest.split_once("```").expect("an end").0
}
