# A host with one pod, for the tests of machines.
{ self }:
{ pkgs, ... }:
{
  imports = [ self.nixosModules.default ];
  services.vks = {
    enable = true;
    pods.web = {
      image = "host:${pkgs.python3}/bin/python3";
      args = [ "-m" "http.server" "8080" ];
      hostNetwork = true;
      spec.terminationGracePeriodSeconds = 2;
    };
  };
}
