{
  description = "A node of a Kubernetes cluster";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    # Where you have vks from.
    vks.url = "git+file:///path/to/vks";
  };

  outputs = { nixpkgs, vks, ... }: {
    nixosConfigurations.node = nixpkgs.lib.nixosSystem {
      system = "x86_64-linux";
      modules = [ vks.nixosModules.default ./configuration.nix ];
    };
  };
}
