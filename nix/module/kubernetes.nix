# services.vks.kubernetes: this host as a node of a cluster.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.vks;
  node = cfg.kubernetes;
  refuse = import ./refuse.nix { inherit lib; };
  given = lib.filterAttrs (_: value: value != null && value != { } && value != [ ]);
  label = "([-A-Za-z0-9.]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?";
  effects = "NoSchedule|PreferNoSchedule|NoExecute";
in
{
  options.services.vks.kubernetes = {
    enable = lib.mkEnableOption "the part of vks by which this host is a node of a Kubernetes cluster";

    server = mkOption {
      type = types.nullOr (types.strMatching "https://.+");
      default = null;
      example = "https://10.0.0.1:6443";
      description = "The API server, which the host joins at its first boot.";
    };

    tokenFile = mkOption {
      type = refuse.secretFileType;
      default = null;
      example = "/run/secrets/join-token";
      description = ''
        A file of the running host with a bootstrap token (`kubeadm token create`). Not a path of the Nix store. It is read
        until the host has joined.
      '';
    };

    caHash = mkOption {
      type = types.nullOr (types.strMatching "sha256:[0-9a-f]{64}");
      default = null;
      example = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
      description = "The hash of the public key of the cluster's CA, as `kubeadm token create --print-join-command` says it.";
    };

    caFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = lib.literalExpression "./cluster-ca.crt";
      description = "The certificate of the cluster's CA, instead of its hash. It is no secret and may be in the Nix store.";
    };

    kubeconfigFile = mkOption {
      type = refuse.secretFileType;
      default = null;
      example = "/run/secrets/node.kubeconfig";
      description = "A file of the running host with the node's identity, instead of joining by a token. Not a path of the Nix store.";
    };

    nodeName = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "rack7";
      description = "The name of the node. The host name when null.";
    };

    labels = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = { "topology.kubernetes.io/zone" = "cellar"; };
      description = "Labels of the node.";
    };

    taints = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "example.com/gpu=yes:NoSchedule" ];
      description = "Taints that the node is registered with, as `key=value:effect`.";
    };
  };

  config = lib.mkIf (cfg.enable && node.enable) {
    services.vks.settings = {
      node.name = lib.mkIf (node.nodeName != null) node.nodeName;
      kubernetes = given {
        inherit (node) labels taints;
        kubeconfig = node.kubeconfigFile;
      };
    };

    # Once: what it gets from the cluster is kept in /var/lib/vks/node.
    systemd.services.vks-join = lib.mkIf (node.kubeconfigFile == null) {
      description = "Join the Kubernetes cluster";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" "vks.service" ];
      unitConfig.ConditionPathExists = "!/var/lib/vks/node/kubeconfig";
      serviceConfig = {
        Type = "oneshot";
        LoadCredential = [ "token:${toString node.tokenFile}" ];
        ExecStart = lib.concatStringsSep " " ([ (lib.getExe cfg.package) "join" (toString node.server) "--token-file" "%d/token" ]
          ++ lib.optionals (node.caHash != null) [ "--ca-hash" node.caHash ]
          ++ lib.optionals (node.caFile != null) [ "--ca-file" "${node.caFile}" ]);
        Restart = "on-failure";
        RestartSec = "5s";
        RestartSteps = 5;
        RestartMaxDelaySec = "5min";
      };
    };

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall [ (cfg.settings.kubernetes.port or 10250) ];

    assertions = refuse.secretFile "services.vks.kubernetes.tokenFile" node.tokenFile
      ++ refuse.secretFile "services.vks.kubernetes.kubeconfigFile" node.kubeconfigFile
      ++ [
      {
        assertion = (node.kubeconfigFile != null) != (node.server != null && node.tokenFile != null);
        message = "services.vks.kubernetes: set either kubeconfigFile, or server and tokenFile.";
      }
      {
        assertion = node.kubeconfigFile != null || (node.caHash != null) != (node.caFile != null);
        message = "services.vks.kubernetes: set either caHash or caFile, by which the API server is known.";
      }
    ] ++ map
      (name: {
        assertion = builtins.match label name != null;
        message = "services.vks.kubernetes.labels.\"${name}\": a label is letters, digits, '-', '_' and '.', after a domain and '/' if need be.";
      })
      (lib.attrNames node.labels)
      ++ map
      (taint: {
        assertion = builtins.match "${label}(=[^:]*)?:(${effects})" taint != null;
        message = "services.vks.kubernetes.taints: \"${taint}\" is not key=value:effect with the effect NoSchedule, PreferNoSchedule or NoExecute.";
      })
      node.taints;
  };
}
