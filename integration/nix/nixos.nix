# The options of NixOS that the module sets, as far as it does.
{ lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  list = type: mkOption { type = types.listOf type; default = [ ]; };
  units = mkOption {
    default = { };
    type = types.attrsOf (types.submodule {
      options = {
        description = mkOption { type = types.str; default = ""; };
        wantedBy = list types.str;
        wants = list types.str;
        after = list types.str;
        restartTriggers = list types.anything;
        reloadTriggers = list types.anything;
        path = list types.package;
        restartIfChanged = mkOption { type = types.bool; default = true; };
        reloadIfChanged = mkOption { type = types.bool; default = false; };
        stopIfChanged = mkOption { type = types.bool; default = true; };
        serviceConfig = mkOption { type = types.attrsOf types.anything; default = { }; };
        unitConfig = mkOption { type = types.attrsOf types.anything; default = { }; };
      };
    });
  };
in
{
  options = {
    assertions = list types.anything;
    warnings = list types.str;
    environment.systemPackages = list types.package;
    environment.etc = mkOption {
      default = { };
      type = types.attrsOf (types.submodule { options.source = mkOption { type = types.path; }; });
    };
    # What the machines of the checks set.
    networking.useNetworkd = mkOption { type = types.bool; default = false; };
    networking.hostName = mkOption { type = types.str; default = "host"; };
    networking.enableIPv6 = mkOption { type = types.bool; default = true; };
    specialisation = mkOption {
      default = { };
      type = types.attrsOf (types.submodule { options.configuration = mkOption { type = types.anything; }; });
    };
    system.switch.enable = mkOption { type = types.bool; default = true; };
    virtualisation.memorySize = mkOption { type = types.int; default = 1024; };
    services.k3s = mkOption { type = types.attrsOf types.anything; default = { }; };
    networking.firewall.enable = mkOption { type = types.bool; default = true; };
    networking.firewall.allowedTCPPorts = list types.port;
    networking.firewall.allowedUDPPorts = list types.port;
    systemd = {
      package = mkOption { type = types.package; default = pkgs.systemd; };
      packages = list types.package;
      tmpfiles.packages = list types.package;
      services = units;
      targets = units;
      timers = units;
    };
  };
}
