//! How a release is linked: relocations take a tenth of the room, which is memory of every vks that runs. Needs the C library that
//! releases are for, 2.36.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
