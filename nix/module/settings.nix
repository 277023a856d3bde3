# vks.toml, see vks.toml(5).
{ config, lib, pkgs, ... }:
let
  cfg = config.services.vks;
  format = pkgs.formats.toml { };
  # What is not set is not written: vks has defaults for all of it.
  written = lib.filterAttrs (_: section: section != { })
    (lib.mapAttrs (_: section: if lib.isAttrs section then lib.filterAttrs (_: value: value != null) section else section) cfg.settings);
in
{
  options.services.vks = {
    settings = lib.mkOption {
      default = { };
      example = { node.name = "rack7"; };
      description = "The settings of vks, as in {manpage}`vks.toml(5)`.";
      type = lib.types.submodule {
        freeformType = format.type;
        options = {
          node = {
            name = lib.mkOption {
              type = lib.types.nullOr lib.types.str;
              default = null;
              example = "rack7";
              description = "The name of this host as pods see it. The host name when null.";
            };
            ip = lib.mkOption {
              type = lib.types.nullOr lib.types.str;
              default = null;
              example = "192.0.2.7";
              description = "The address of this host as pods see it. That of the default route when null.";
            };
            program = lib.mkOption {
              type = lib.types.path;
              default = "/run/current-system/sw/bin/vks";
              example = "/nix/var/nix/profiles/vks/bin/vks";
              description = ''
                The vks that the units of pods call. The default is the same path for every version, so that a new one
                changes no unit.
              '';
            };
          };
          pods.directories = lib.mkOption {
            type = lib.types.listOf lib.types.path;
            default = [ "/etc/vks/pods.d" ];
            example = [ "/etc/vks/pods.d" "/srv/pods" ];
            description = ''
              Where manifests are. Those of {option}`services.vks.pods` and {option}`services.vks.manifests` are in
              {file}`/etc/vks/pods.d`.
            '';
          };
        };
      };
    };
  };

  config = lib.mkIf cfg.enable {
    environment.etc."vks/vks.toml".source = format.generate "vks.toml" written;
    # Secrets come by way of the credentials of the agent.
    services.vks.settings.pods.directories = lib.mkIf (cfg.secrets != { }) [ "/etc/vks/pods.d" "/run/credentials/vks.service" ];
  };
}
