# What cannot work is said when the configuration is evaluated, in words of the options.
{ config, lib, ... }:
let
  cfg = config.services.vks;
  refuse = import ./refuse.nix { inherit lib; };
  label = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
  isName = text: builtins.match "${label}(\\.${label})*" text != null;
  each = set: f: lib.concatMap (name: f name set.${name}) (lib.attrNames set);

  pods = each cfg.pods (name: pod: [
    {
      assertion = isName name;
      message = "services.vks.pods.\"${name}\": a name of a pod is lower-case letters, digits, '-' and '.'.";
    }
    {
      assertion = builtins.match label pod.namespace != null;
      message = "services.vks.pods.${name}.namespace: a namespace is lower-case letters, digits and '-'.";
    }
    {
      assertion = (pod.image != null) != (pod.spec ? containers);
      message = "services.vks.pods.${name}: set either image, for a pod of one container, or spec.containers.";
    }
    {
      assertion = pod.image != null || (pod.command == [ ] && pod.args == [ ] && pod.environment == { });
      message = "services.vks.pods.${name}: command, args and environment are those of image; write them in spec.containers.";
    }
  ]);

  manifests = each cfg.manifests (name: manifest: [
    {
      assertion = (manifest.content == null) != (manifest.source == null);
      message = "services.vks.manifests.${name}: set either content or source.";
    }
    {
      assertion = builtins.match "[A-Za-z0-9][-._A-Za-z0-9]*" name != null;
      message = "services.vks.manifests.\"${name}\": the name is that of a file: letters, digits, '-', '_' and '.'.";
    }
  ]);

  secrets = each cfg.secrets (name: secret: refuse.secretFile "services.vks.secrets.${name}.file" secret.file);

  has = directory: lib.elem directory cfg.settings.pods.directories;
in
{
  config = lib.mkIf cfg.enable {
    assertions = pods ++ manifests ++ secrets ++ [
      {
        assertion = lib.versionAtLeast config.systemd.package.version "255";
        message = "services.vks needs systemd 255 or newer, and systemd.package is ${config.systemd.package.version}.";
      }
    ];

    warnings =
      lib.optional (cfg.manifests != { } && !has "/etc/vks/pods.d")
        "services.vks.settings.pods.directories is without /etc/vks/pods.d: services.vks.pods and services.vks.manifests are not read."
      ++ lib.optional (cfg.secrets != { } && !has "/run/credentials/vks.service")
        "services.vks.settings.pods.directories is without /run/credentials/vks.service: services.vks.secrets are not read."
      ++ each cfg.pods (name: pod: lib.optional (pod.enable && cfg.openFirewall && pod.hostNetwork && pod.ports.TCP ++ pod.ports.UDP == [ ])
        "services.vks.openFirewall opens nothing for services.vks.pods.${name}: its containers name no ports.");
  };
}
