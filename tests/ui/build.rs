//! Whether the compiler is the one whose messages `**/*.stderr` hold: `cfg(ui_version)`.

use std::{env, fs, process::Command};

fn main() {
    println!("cargo::rustc-check-cfg=cfg(ui_version)");
    println!("cargo::rerun-if-changed=rust-version");
    let version = Command::new(env::var_os("RUSTC").expect("cargo names the compiler"))
        .arg("--version")
        .output()
        .expect("the compiler tells its version");
    let version = String::from_utf8_lossy(&version.stdout);
    let expected = fs::read_to_string("rust-version").expect("rust-version");
    if version.starts_with(&format!("rustc {}.", expected.trim())) {
        println!("cargo::rustc-cfg=ui_version");
    }
}
