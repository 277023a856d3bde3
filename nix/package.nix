{ lib, stdenv, rustPlatform, installShellFiles, testers }:

rustPlatform.buildRustPackage (finalAttrs: {
  pname = "vks";
  inherit ((lib.importTOML ../Cargo.toml).package) version;

  # What is built and tested, so that a change elsewhere builds nothing anew.
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../Cargo.lock
      ../Cargo.toml
      ../build.rs
      ../clippy.toml
      ../docs
      ../examples
      ../integration
      ../rustfmt.toml
      ../src
      ../units
    ];
  };

  cargoLock.lockFile = ../Cargo.lock;

  nativeBuildInputs = [ installShellFiles ];

  # The tests that need no root. Those that do are the checks of the flake, and integration/test.sh.
  cargoTestFlags = [ "--lib" "--test" "golden" "--test" "fields" ];

  postInstall = ''
    mkdir -p $out/lib
    cp -r units/usr/lib/systemd units/usr/lib/tmpfiles.d $out/lib/
    chmod -R u+w $out/lib
    substituteInPlace $out/lib/systemd/system/*.service --replace-quiet /usr/bin/vks $out/bin/vks
    installManPage docs/man/*.[0-9]
  '' + lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    $out/bin/vks man --dir man1
    installManPage man1/*
    installShellCompletion --cmd vks \
      --bash <($out/bin/vks completions bash) \
      --fish <($out/bin/vks completions fish) \
      --zsh <($out/bin/vks completions zsh)
  '';

  strictDeps = true;

  # The flake's checks boot machines with it.
  passthru.tests.version = testers.testVersion {
    package = finalAttrs.finalPackage;
    command = "vks version";
  };

  meta = {
    description = "Run Kubernetes pods as systemd units";
    license = lib.licenses.asl20;
    platforms = lib.platforms.linux;
    mainProgram = "vks";
  };
})
