{ lib, pkgs, ... }:
{
  services.vks = {
    enable = true;
    pods.web = {
      image = "host:${lib.getExe pkgs.darkhttpd}";
      args = [ "/srv/www" "--port" "8080" ];
      hostNetwork = true;
    };
  };

  # Yours: nixos-generate-config writes it.
  imports = [ ./hardware-configuration.nix ];
  system.stateVersion = "25.11";
}
