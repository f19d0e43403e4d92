//! Copies the tests that each version of tower-sessions publishes with its crate into the build directory, so that this
//! repository does not contain them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let metadata = Command::new(env::var_os("CARGO").expect("cargo sets it"))
        .args(["metadata", "--format-version", "1"])
        .output()
        .expect("cargo can be started");
    assert!(
        metadata.status.success(),
        "{}",
        String::from_utf8_lossy(&metadata.stderr)
    );
    let metadata: serde_json::Value =
        serde_json::from_slice(&metadata.stdout).expect("cargo prints JSON");
    for line in ["0.14", "0.15"] {
        let is_it = |package: &&serde_json::Value| {
            let of_line = |version: &str| version.starts_with(&format!("{line}."));
            package["name"] == "tower-sessions" && package["version"].as_str().is_some_and(of_line)
        };
        let packages = metadata["packages"].as_array().expect("there are packages");
        let package = packages.iter().find(is_it).expect("it is a dependency");
        let manifest = Path::new(package["manifest_path"].as_str().expect("it is a path"));
        let tests = manifest.with_file_name("tests").join("common/mod.rs");
        let copy = out.join(format!("routes-{line}.rs"));
        fs::copy(&tests, &copy).unwrap_or_else(|cause| {
            panic!("tower-sessions {line} does not publish {tests:?}: {cause}")
        });
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../Cargo.lock");
}
