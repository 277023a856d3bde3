# What the flake gives.
{ self, nixpkgs }:
let
  inherit (nixpkgs) lib;
  each = f: lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (system: f nixpkgs.legacyPackages.${system});
  packages = each (pkgs: rec {
    vks = pkgs.callPackage ./package.nix { };
    default = vks;
  });
in
{
  inherit packages;

  overlays.default = final: _prev: { vks = final.callPackage ./package.nix { }; };

  nixosModules = rec {
    # The package of the flake, whatever nixpkgs the host is made of.
    vks = { lib, pkgs, ... }: {
      imports = [ ./module ];
      config.services.vks.package = lib.mkDefault packages.${pkgs.stdenv.hostPlatform.system}.vks;
    };
    default = vks;
  };

  checks = each (pkgs: import ./checks { inherit self pkgs; });

  devShells = each (pkgs: {
    default = pkgs.mkShell {
      packages = [ pkgs.cargo pkgs.rustc pkgs.clippy pkgs.rustfmt pkgs.cargo-deny pkgs.groff pkgs.jq ];
    };
  });

  formatter = each (pkgs: pkgs.nixfmt-tree);

  templates = rec {
    host = {
      path = ./templates/host;
      description = "A host with pods";
    };
    node = {
      path = ./templates/node;
      description = "A node of a Kubernetes cluster";
    };
    default = host;
  };
}
