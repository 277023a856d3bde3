# services.vks.pods: pods in words of NixOS.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.vks;

  pod = { name, config, ... }: {
    options = {
      enable = mkOption {
        type = types.bool;
        default = true;
        example = false;
        description = "Whether the pod is wanted. Without it, it is stopped and removed.";
      };
      namespace = mkOption {
        type = types.str;
        default = "default";
        example = "shop";
        description = "The namespace of the pod.";
      };
      labels = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example = { app = "web"; };
        description = "The labels of the pod.";
      };
      annotations = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example = { "example.org/owner" = "web"; };
        description = "The annotations of the pod.";
      };
      image = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "host:/run/current-system/sw/bin/sleep";
        description = ''
          What the only container of the pod runs, such as `"host:''${lib.getExe pkgs.hello}"`. For several containers
          write `spec.containers` instead.
        '';
      };
      command = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "/bin/sh" "-c" "echo hello" ];
        description = "Replaces the program of the image.";
      };
      args = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "--port" "8080" ];
        description = "Arguments of the program.";
      };
      environment = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example = { MODE = "fast"; };
        description = "Variables of the program. They are in the Nix store, which all can read: no secrets.";
      };
      hostNetwork = mkOption {
        type = types.bool;
        default = false;
        example = true;
        description = "Whether the pod is on the network of the host.";
      };
      autoStart = mkOption {
        type = types.bool;
        default = true;
        example = false;
        description = ''
          Whether the pod starts at boot and with a switch. Without it, `systemctl start` of its target does. Only for a pod whose
          units are part of the configuration.
        '';
      };
      restartIfChanged = mkOption {
        type = types.bool;
        default = true;
        example = false;
        description = ''
          Whether a switch starts anew what of the pod has changed. Without it, that takes effect with the next start. Only for a
          pod whose units are part of the configuration.
        '';
      };
      serviceConfig = mkOption {
        type = types.attrsOf types.anything;
        default = { };
        example = { Nice = 5; };
        description = ''
          Settings for the services of its containers, see {manpage}`systemd.exec(5)`, as a drop-in. Only for a pod whose units are
          part of the configuration.
        '';
      };
      spec = mkOption {
        type = types.anything;
        default = { };
        example = { terminationGracePeriodSeconds = 60; };
        description = "Any other field of the pod's spec, see {manpage}`vks-pod(5)`; it wins over the options above.";
      };
      manifest = mkOption {
        type = types.anything;
        readOnly = true;
        internal = true;
        description = "The manifest.";
      };
      ports = mkOption {
        type = types.anything;
        readOnly = true;
        internal = true;
        description = "The ports of the containers on the network of the host, by protocol.";
      };
    };

    config =
      let
        container = { inherit name; inherit (config) image; }
          // lib.optionalAttrs (config.command != [ ]) { inherit (config) command; }
          // lib.optionalAttrs (config.args != [ ]) { inherit (config) args; }
          // lib.optionalAttrs (config.environment != { }) {
            env = lib.mapAttrsToList (name: value: { inherit name value; }) config.environment;
          };
        short = lib.optionalAttrs (config.image != null) { containers = [ container ]; }
          // lib.optionalAttrs config.hostNetwork { hostNetwork = true; };
        ports = lib.concatMap (container: container.ports or [ ]) (config.manifest.spec.containers or [ ]);
        of = protocol: map (port: port.containerPort) (lib.filter (port: (port.protocol or "TCP") == protocol) ports);
      in
      {
        manifest = {
          apiVersion = "v1";
          kind = "Pod";
          metadata = { inherit name; inherit (config) namespace; }
            // lib.optionalAttrs (config.labels != { }) { inherit (config) labels; }
            // lib.optionalAttrs (config.annotations != { }) { inherit (config) annotations; };
          spec = lib.recursiveUpdate short config.spec;
        };
        ports = lib.genAttrs [ "TCP" "UDP" ] (protocol: lib.optionals (config.manifest.spec.hostNetwork or false) (of protocol));
      };
  };
in
{
  options.services.vks.pods = mkOption {
    type = types.attrsOf (types.submodule pod);
    default = { };
    example = lib.literalExpression ''
      {
        web = {
          image = "host:''${lib.getExe pkgs.darkhttpd}";
          args = [ "/srv/www" "--port" "8080" ];
          hostNetwork = true;
          spec.terminationGracePeriodSeconds = 5;
        };
      }
    '';
    description = "Pods of this host, by name. They are checked when the system is built.";
  };

  config.services.vks.manifests = lib.mkIf cfg.enable (lib.mapAttrs'
    (name: pod: lib.nameValuePair "pod-${pod.namespace}-${name}" { inherit (pod) enable; content = pod.manifest; })
    cfg.pods);
}
