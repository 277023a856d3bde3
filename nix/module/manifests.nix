# services.vks.manifests and secrets: files of objects, checked and rendered when the system is built.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.vks;
  wanted = lib.filterAttrs (_: manifest: manifest.enable) cfg.manifests;

  list = content: if lib.isList content then { apiVersion = "v1"; kind = "List"; items = content; } else content;
  fileOf = name: manifest:
    if manifest.source != null then "${manifest.source}"
    else "${pkgs.writeText "vks-${name}.json" (builtins.toJSON (list manifest.content))}";
  # The extension says what is in it.
  extension = manifest:
    let ends = lib.filter (end: lib.hasSuffix end (toString manifest.source)) [ ".toml" ".yaml" ".yml" ".json" ]; in
    if manifest.source == null || ends == [ ] then ".json" else lib.head ends;
  installed = name: manifest: "${name}${extension manifest}";

  # What a Secret has, with values that mean nothing: the real ones are not there when the system is built.
  standIn = name: secret: pkgs.writeText "vks-secret-${name}.json" (builtins.toJSON {
    apiVersion = "v1";
    kind = "Secret";
    metadata = { inherit name; inherit (secret) namespace; };
    stringData = lib.genAttrs secret.keys (_: "x");
  });
  standIns = lib.mapAttrsToList standIn cfg.secrets;

  checked = pkgs.runCommandLocal "vks-manifests" { nativeBuildInputs = [ cfg.package ]; } ''
    mkdir -p $out/manifests settings/etc/vks
    cp ${config.environment.etc."vks/vks.toml".source} settings/etc/vks/vks.toml
    ${lib.concatStringsSep "\n" (lib.mapAttrsToList (name: manifest:
      "cp ${fileOf name manifest} $out/manifests/${lib.escapeShellArg (installed name manifest)}") wanted)}
    vks --root settings verify $out/manifests ${lib.concatMapStringsSep " " toString standIns}
    vks --root settings render --given ${pkgs.writeText "vks-given.json" (builtins.toJSON cfg.given)} \
      -f $out/manifests ${lib.concatMapStringsSep " " (file: "-f ${file}") standIns} --output-dir $out/lib/systemd/system
  '';

  # What there is to say of a pod that only its units can do. Such a pod has to be a unit of the configuration.
  said = lib.filterAttrs (_: pod: pod.enable && (!pod.autoStart || !pod.restartIfChanged || pod.serviceConfig != { })) cfg.pods;
  lines = value: if lib.isList value then lib.concatMap lines value
    else [ (if value == true then "true" else if value == false then "false" else toString value) ];
in
{
  options.services.vks = {
    manifests = mkOption {
      default = { };
      example = lib.literalExpression "{ shop.source = ./shop.yaml; }";
      description = "Files with any objects that vks takes, by name. They are checked when the system is built.";
      type = types.attrsOf (types.submodule {
        options = {
          enable = mkOption {
            type = types.bool;
            default = true;
            example = false;
            description = "Whether the objects are wanted. Without it their pods are stopped and removed.";
          };
          content = mkOption {
            type = types.nullOr types.anything;
            default = null;
            example = { kind = "ConfigMap"; apiVersion = "v1"; metadata.name = "web"; data.mode = "fast"; };
            description = "An object, or a list of objects.";
          };
          source = mkOption {
            type = types.nullOr types.path;
            default = null;
            example = lib.literalExpression "./shop.yaml";
            description = "A file of TOML, YAML or JSON, whichever its name says, instead of `content`.";
          };
        };
      });
    };

    secrets = mkOption {
      default = { };
      example = lib.literalExpression ''{ db = { keys = [ "password" ]; file = config.sops.templates."db.yaml".path; }; }'';
      description = ''
        Secrets by name, each from a file that is there when the host runs, such as one of sops-nix or agenix. The
        agent gets it as a credential, so that nobody else can read it.
      '';
      type = types.attrsOf (types.submodule {
        options = {
          file = mkOption {
            type = types.str;
            example = "/run/secrets/rendered/db.yaml";
            description = "A file with the manifest of the Secret, in YAML or JSON. Not a path of the Nix store, which all can read.";
          };
          namespace = mkOption {
            type = types.str;
            default = "default";
            example = "shop";
            description = "The namespace of the Secret.";
          };
          keys = mkOption {
            type = types.listOf types.str;
            example = [ "password" ];
            description = "The keys that it has: what refers to another one is found wrong when the system is built.";
          };
        };
      });
    };

    given = mkOption {
      type = types.anything;
      readOnly = true;
      internal = true;
      description = "What the build of the units is told beside the manifests.";
    };

    checked = mkOption {
      type = types.package;
      readOnly = true;
      internal = true;
      description = ''
        The manifests, and the units of those pods whose units can be part of the configuration. Its build fails with what is
        wrong with them, and says why the agent has to write the units of the others.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    services.vks.checked = checked;
    services.vks.given = {
      systemd = builtins.fromJSON (lib.head (builtins.splitVersion config.systemd.package.version));
      manifests = "/etc/vks/pods.d";
      pods = lib.mapAttrs' (name: pod: lib.nameValuePair "${pod.namespace}/${name}" {
        inherit (pod) autoStart restartIfChanged;
        serviceConfig = lib.mapAttrs (_: lines) pod.serviceConfig;
      }) said;
    };
    systemd = lib.mkIf (wanted != { }) {
      packages = [ cfg.checked ];
      # With a switch it starts again, and so do pods that are new.
      targets.vks-declared.wantedBy = [ "multi-user.target" ];
    };
    environment.etc = lib.mapAttrs'
      (name: manifest: lib.nameValuePair "vks/pods.d/${installed name manifest}" {
        source = "${cfg.checked}/manifests/${installed name manifest}";
      })
      wanted;
  };
}
