# The checks of the flake: the package, and machines that are booted. The module is also evaluated by integration/nix.
{ self, pkgs }:
let
  inherit (pkgs) lib;
  machine = name: lib.nameValuePair "vm-${name}" (pkgs.testers.runNixOSTest (import (./. + "/${name}.nix") { inherit self; }));
in
{
  package = self.packages.${pkgs.stdenv.hostPlatform.system}.vks;
}
// lib.listToAttrs (map machine [ "boot" "switch" "networkd" "no-ipv6" "mesh" "node" ])
