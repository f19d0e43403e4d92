//! Every adapter, on a real server in a real process.

use level_session_adapter_conformance::Conformance;
use std::process::Command;

#[test]
fn axum() {
    Conformance::new(|| Command::new(env!("CARGO_BIN_EXE_conformance-axum"))).run();
}

#[test]
fn actix_web() {
    Conformance::new(|| Command::new(env!("CARGO_BIN_EXE_conformance-actix-web")))
        .serves_clients_that_are_gone()
        .run();
}

#[test]
fn poem() {
    Conformance::new(|| Command::new(env!("CARGO_BIN_EXE_conformance-poem")))
        .serves_clients_that_are_gone()
        .run();
}

#[test]
fn rocket() {
    Conformance::new(|| Command::new(env!("CARGO_BIN_EXE_conformance-rocket")))
        .serves_clients_that_are_gone()
        .is_around_every_route()
        .run();
}

#[test]
fn salvo() {
    Conformance::new(|| Command::new(env!("CARGO_BIN_EXE_conformance-salvo"))).run();
}

#[test]
fn warp() {
    Conformance::new(|| Command::new(env!("CARGO_BIN_EXE_conformance-warp")))
        .is_around_every_route()
        .run();
}

#[test]
fn hyper() {
    Conformance::new(|| Command::new(env!("CARGO_BIN_EXE_conformance-hyper")))
        .is_around_every_route()
        .run();
}
