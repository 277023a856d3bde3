# services.vks: the agent, its settings, and pods that are checked when the system is built.
{ config, lib, pkgs, ... }:
let
  cfg = config.services.vks;
in
{
  imports = [ ./settings.nix ./pods.nix ./manifests.nix ./images.nix ./wireguard.nix ./kubernetes.nix ./checks.nix ];

  options.services.vks = {
    enable = lib.mkEnableOption "vks, which runs pods as systemd units";

    package = lib.mkPackageOption pkgs "vks" { };

    openFirewall = lib.mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = ''
        Whether to open in the firewall the ports that the containers of {option}`services.vks.pods` name, for pods
        with `hostNetwork`, and those of the mesh and of the node's API where they are enabled.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];

    systemd = {
      packages = [ cfg.package ];
      tmpfiles.packages = [ cfg.package ];

      services.vks = {
        wantedBy = [ "multi-user.target" ];
        # Pods are units of their own: the agent may go and come without them.
        stopIfChanged = false;
        restartTriggers = [ config.environment.etc."vks/vks.toml".source ];
        # Changed manifests are read anew, and change the pods that they change.
        reloadTriggers = [ cfg.checked ];
        path = [ pkgs.nftables ];
        serviceConfig.LoadCredential = lib.mapAttrsToList (name: secret: "${name}.yaml:${secret.file}") cfg.secrets;
      };

      # Stopping it would take the network from all pods: a new version takes over what there is.
      services.vks-network = {
        path = [ pkgs.nftables ];
        reloadIfChanged = true;
      };
      services.vks-wireguard.reloadIfChanged = true;

      # Where /etc cannot be written at all (system.etc.overlay.mutable = false).
      services.vks-units.wantedBy = [ "multi-user.target" ];

      timers.vks-images.wantedBy = [ "timers.target" ];

      targets.vks-pods = {
        wantedBy = [ "multi-user.target" ];
        # A switch starts the targets that are up: pods that somebody has stopped would start with it.
        unitConfig.X-OnlyManualStart = true;
      };
    };

    networking.firewall = lib.mkIf cfg.openFirewall (
      let
        open = protocol: lib.concatMap (pod: pod.ports.${protocol}) (lib.attrValues (lib.filterAttrs (_: pod: pod.enable) cfg.pods));
      in
      {
        allowedTCPPorts = open "TCP";
        allowedUDPPorts = open "UDP";
      }
    );
  };
}
