# services.vks.images: what names of images mean.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.vks;
in
{
  options.services.vks.images = {
    default = mkOption {
      type = types.nullOr (types.enum [ "oci" "nix" "deb" "host" ]);
      default = null;
      example = "nix";
      description = "What an image is whose name does not begin with a kind. That of vks, `oci`, when null.";
    };
    aliases = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = lib.literalExpression ''{ "nginx*" = "nix:''${pkgs.nginx}"; }'';
      description = ''
        What names of images mean on this host; `*` stands for any text. A package that is named here is on the host
        with the configuration, so that its pods need no registry.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    services.vks.settings.images = lib.mkMerge [
      (lib.mkIf (cfg.images.default != null) { inherit (cfg.images) default; })
      (lib.mkIf (cfg.images.aliases != { }) { inherit (cfg.images) aliases; })
    ];
  };
}
