# Configurations, right and wrong ones. A right one has `gives`: what must hold of its result. A wrong one has `fails`, the
# assertions that must not hold, word by word, or `refused`, when the type of an option does not take it.
{ lib, pkgs }:
let
  web = { image = "host:/bin/web"; hostNetwork = true; };
  with' = vks: { services.vks = { enable = true; } // vks; };
  manifest = config: name: (lib.head (lib.attrValues (lib.filterAttrs (n: _: n == name) config.services.vks.manifests))).content;
  script = config: config.services.vks.checked.script;
  key = "mB5oTb3u6qfoyyCtCDa3AnNfxS6KRKdJS8ljVN0SnHM=";
  has = part: text: lib.length (lib.filter lib.isList (builtins.split part text)) > 0;
in
{
  "not enabled: nothing" = {
    module = { };
    gives = config: {
      packages = config.systemd.packages == [ ];
      etc = config.environment.etc == { };
      services = config.systemd.services == { };
    };
  };

  "the agent" = {
    module = with' { };
    gives = config: {
      unit = config.systemd.packages == [ config.services.vks.package ];
      directories = config.systemd.tmpfiles.packages == [ config.services.vks.package ];
      boot = config.systemd.services.vks.wantedBy == [ "multi-user.target" ] && config.systemd.targets.vks-pods.wantedBy == [ "multi-user.target" ];
      old-images = config.systemd.timers.vks-images.wantedBy == [ "timers.target" ];
      alone = !config.systemd.services.vks.stopIfChanged;
      settings = config.environment.etc."vks/vks.toml".source.value == {
        node.program = "/run/current-system/sw/bin/vks";
        pods.directories = [ "/etc/vks/pods.d" ];
      };
      closed = config.networking.firewall.allowedTCPPorts == [ ];
    };
  };

  "settings, typed and free" = {
    module = with' { settings = { node.name = "rack7"; log.level = "debug"; paths.netns = "/run/ns"; }; };
    gives = config: {
      settings = config.environment.etc."vks/vks.toml".source.value == {
        node = { name = "rack7"; program = "/run/current-system/sw/bin/vks"; };
        pods.directories = [ "/etc/vks/pods.d" ];
        log.level = "debug";
        paths.netns = "/run/ns";
      };
    };
  };

  "a pod in short words" = {
    module = with' {
      pods.web = web // {
        command = [ "/bin/web" ];
        args = [ "-v" ];
        environment.MODE = "fast";
        labels.app = "web";
        annotations."example.org/x" = "y";
        namespace = "shop";
        spec.terminationGracePeriodSeconds = 5;
      };
    };
    gives = config: {
      manifest = manifest config "pod-shop-web" == {
        apiVersion = "v1";
        kind = "Pod";
        metadata = { name = "web"; namespace = "shop"; labels.app = "web"; annotations."example.org/x" = "y"; };
        spec = {
          hostNetwork = true;
          terminationGracePeriodSeconds = 5;
          containers = [{
            name = "web";
            image = "host:/bin/web";
            command = [ "/bin/web" ];
            args = [ "-v" ];
            env = [{ name = "MODE"; value = "fast"; }];
          }];
        };
      };
      installed = config.environment.etc."vks/pods.d/pod-shop-web.json".source == "${config.services.vks.checked}/manifests/pod-shop-web.json";
      verified = has "vks --root settings verify \\$out/manifests" (script config);
      rendered = has "vks --root settings render --given [^ ]*vks-given.json" (script config);
      units = lib.elem config.services.vks.checked config.systemd.packages;
      boot = config.systemd.targets.vks-declared.wantedBy == [ "multi-user.target" ];
      nothing-to-say = config.services.vks.given == { systemd = 257; manifests = "/etc/vks/pods.d"; pods = { }; };
      reload = config.systemd.services.vks.reloadTriggers == [ config.services.vks.checked ];
    };
  };

  "a pod with a spec of its own, in two modules" = {
    module = {
      imports = [
        (with' { pods.db.spec.containers = [{ name = "a"; image = "host:/bin/a"; }]; })
        { services.vks.pods.db.spec.restartPolicy = "Never"; }
      ];
    };
    gives = config: {
      spec = (manifest config "pod-default-db").spec == {
        containers = [{ name = "a"; image = "host:/bin/a"; }];
        restartPolicy = "Never";
      };
    };
  };

  "pods as units: what a switch does with them" = {
    module = with' {
      pods.manual = web // { autoStart = false; };
      pods.held = web // { restartIfChanged = false; namespace = "shop"; };
      pods.nice = web // { serviceConfig = { Nice = 5; PrivateTmp = true; Environment = [ "A=1" "B=2" ]; }; };
      pods.plain = web;
      pods.off = web // { enable = false; autoStart = false; };
    };
    gives = config: {
      said = config.services.vks.given.pods == {
        "default/manual" = { autoStart = false; restartIfChanged = true; serviceConfig = { }; };
        "shop/held" = { autoStart = true; restartIfChanged = false; serviceConfig = { }; };
        "default/nice" = {
          autoStart = true;
          restartIfChanged = true;
          serviceConfig = { Nice = [ "5" ]; PrivateTmp = [ "true" ]; Environment = [ "A=1" "B=2" ]; };
        };
      };
      not-in-the-manifest = !(manifest config "pod-default-nice" ? serviceConfig);
    };
  };

  "no pods: no units" = {
    module = with' { settings.node.name = "rack7"; };
    gives = config: {
      packages = config.systemd.packages == [ config.services.vks.package ];
      target = !(config.systemd.targets ? vks-declared);
    };
  };

  "a pod that is switched off" = {
    module = with' { pods.web = web // { enable = false; }; };
    gives = config: { gone = !(config.environment.etc ? "vks/pods.d/pod-default-web.json"); };
  };

  "ports in the firewall, when asked for" = {
    module = with' {
      openFirewall = true;
      pods.web.spec = {
        hostNetwork = true;
        containers = [{ name = "a"; image = "host:a"; ports = [{ containerPort = 80; } { containerPort = 53; protocol = "UDP"; }]; }];
      };
      pods.inside.spec.containers = [{ name = "a"; image = "host:a"; ports = [{ containerPort = 81; }]; }];
    };
    gives = config: {
      tcp = config.networking.firewall.allowedTCPPorts == [ 80 ];
      udp = config.networking.firewall.allowedUDPPorts == [ 53 ];
      quiet = config.warnings == [ ];
    };
  };

  "manifests, as content and as a file" = {
    module = with' {
      manifests.conf.content = [{ kind = "ConfigMap"; apiVersion = "v1"; metadata.name = "a"; }];
      manifests.shop.source = ../../examples/web/web.yaml;
      manifests.off = { enable = false; source = ../../examples/web/web.yaml; };
    };
    gives = config: {
      list = has "cp /nix/store/[^ ]*vks-conf.json \\$out/manifests/'conf.json'" (script config);
      file = config.environment.etc ? "vks/pods.d/shop.yaml";
      off = !(config.environment.etc ? "vks/pods.d/off.yaml");
    };
  };

  "secrets by credentials" = {
    module = with' { secrets.db = { file = "/run/secrets/db.yaml"; keys = [ "password" ]; }; };
    gives = config: {
      credential = config.systemd.services.vks.serviceConfig.LoadCredential == [ "db.yaml:/run/secrets/db.yaml" ];
      directories = config.services.vks.settings.pods.directories == [ "/etc/vks/pods.d" "/run/credentials/vks.service" ];
      stand-in = has "verify \\$out/manifests /nix/store/[^ ]*vks-secret-db.json" (script config);
    };
  };

  "warnings" = {
    module = with' { pods.web = web; openFirewall = true; settings.pods.directories = [ "/srv" ]; };
    gives = config: {
      warnings = config.warnings == [
        "services.vks.settings.pods.directories is without /etc/vks/pods.d: services.vks.pods and services.vks.manifests are not read."
        "services.vks.openFirewall opens nothing for services.vks.pods.web: its containers name no ports."
      ];
    };
  };

  "wrong: names" = {
    module = with' { pods."Bad_Name" = web // { namespace = "x.y"; }; manifests."a/b".content = { }; };
    fails = [
      "services.vks.pods.\"Bad_Name\": a name of a pod is lower-case letters, digits, '-' and '.'."
      "services.vks.pods.Bad_Name.namespace: a namespace is lower-case letters, digits and '-'."
      "services.vks.manifests.\"a/b\": the name is that of a file: letters, digits, '-', '_' and '.'."
    ];
  };

  "wrong: nothing to run, and twice" = {
    module = with' { pods.none = { args = [ "x" ]; }; pods.twice = web // { spec.containers = [ ]; }; };
    fails = [
      "services.vks.pods.none: set either image, for a pod of one container, or spec.containers."
      "services.vks.pods.none: command, args and environment are those of image; write them in spec.containers."
      "services.vks.pods.twice: set either image, for a pod of one container, or spec.containers."
    ];
  };

  "wrong: content and source" = {
    module = with' { manifests.a = { }; manifests.b = { content = { }; source = ../../examples/web/web.yaml; }; };
    fails = [
      "services.vks.manifests.a: set either content or source."
      "services.vks.manifests.b: set either content or source."
    ];
  };

  "wrong: a secret in the store" = {
    module = with' { secrets.a = { file = "${builtins.storeDir}/x"; keys = [ ]; }; secrets.b = { file = "x"; keys = [ ]; }; };
    fails = [
      "services.vks.secrets.a.file is in the Nix store, which all can read: give a path of the running host."
      "services.vks.secrets.b.file: give an absolute path."
    ];
  };

  "images" = {
    module = with' { images = { default = "nix"; aliases."nginx*" = "nix:${pkgs.python3}"; }; };
    gives = config: {
      settings = config.services.vks.settings.images == { default = "nix"; aliases."nginx*" = "nix:${pkgs.python3}"; };
      written = config.environment.etc."vks/vks.toml".source.value.images.default == "nix";
    };
  };

  "the mesh" = {
    module = with' {
      openFirewall = true;
      wireguard = {
        enable = true;
        privateKeyFile = "/run/secrets/key";
        peers.rack8 = { publicKey = key; endpoint = "rack8:51820"; prefixes = [ "10.200.8.0/24" ]; keepalive = 25; };
        peers.rack9 = { publicKey = key; prefixes = [ "10.200.9.0/24" ]; presharedKeyFile = "/run/secrets/psk"; };
      };
    };
    gives = config: {
      settings = config.environment.etc."vks/vks.toml".source.value.wireguard == {
        port = 51820;
        key_file = "/run/secrets/key";
        peers.rack8 = { public_key = key; endpoint = "rack8:51820"; prefixes = [ "10.200.8.0/24" ]; keepalive = 25; };
        peers.rack9 = { public_key = key; prefixes = [ "10.200.9.0/24" ]; preshared_key_file = "/run/secrets/psk"; };
      };
      open = config.networking.firewall.allowedUDPPorts == [ 51820 ];
      quiet = config.warnings == [ ];
    };
  };

  "the mesh, not enabled and alone" = {
    module = with' { wireguard.privateKeyFile = "/run/secrets/key"; };
    gives = config: { nothing = !(config.services.vks.settings ? wireguard); };
  };

  "the mesh without peers" = {
    module = with' { wireguard.enable = true; };
    gives = config: {
      settings = config.services.vks.settings.wireguard == { port = 51820; };
      closed = config.networking.firewall.allowedUDPPorts == [ ];
      warnings = config.warnings == [ "services.vks.wireguard.enable is set without services.vks.wireguard.peers: there is nobody to reach." ];
    };
  };

  "a node that joins by a token" = {
    module = with' {
      openFirewall = true;
      kubernetes = {
        enable = true;
        server = "https://10.0.0.1:6443";
        tokenFile = "/run/secrets/token";
        caFile = ../../README.md;
        nodeName = "rack7";
        labels."topology.kubernetes.io/zone" = "cellar";
        taints = [ "example.com/gpu=yes:NoSchedule" "x:NoExecute" ];
      };
    };
    gives = config:
      let join = config.systemd.services.vks-join; in
      {
        name = config.services.vks.settings.node.name == "rack7";
        settings = config.services.vks.settings.kubernetes == {
          labels."topology.kubernetes.io/zone" = "cellar";
          taints = [ "example.com/gpu=yes:NoSchedule" "x:NoExecute" ];
        };
        once = join.unitConfig.ConditionPathExists == "!/var/lib/vks/node/kubeconfig";
        token = join.serviceConfig.LoadCredential == [ "token:/run/secrets/token" ] && !(has "secrets" join.serviceConfig.ExecStart);
        command = has "bin/vks join https://10.0.0.1:6443 --token-file %d/token --ca-file /" join.serviceConfig.ExecStart;
        open = config.networking.firewall.allowedTCPPorts == [ 10250 ];
      };
  };

  "a node that has its identity" = {
    module = with' { kubernetes = { enable = true; kubeconfigFile = "/run/secrets/kubeconfig"; }; };
    gives = config: {
      settings = config.services.vks.settings.kubernetes == { kubeconfig = "/run/secrets/kubeconfig"; };
      alone = !(config.systemd.services ? vks-join);
    };
  };

  "the network stays over a switch" = {
    module = with' { };
    gives = config: {
      network = config.systemd.services.vks-network.reloadIfChanged;
      mesh = config.systemd.services.vks-wireguard.reloadIfChanged;
    };
  };

  "wrong: keys in the store, and a peer of no pods" = {
    module = with' {
      wireguard = {
        enable = true;
        privateKeyFile = "${builtins.storeDir}/key";
        peers.a = { publicKey = key; prefixes = [ ]; presharedKeyFile = "psk"; };
      };
    };
    fails = [
      "services.vks.wireguard.privateKeyFile is in the Nix store, which all can read: give a path of the running host."
      "services.vks.wireguard.peers.a.presharedKeyFile: give an absolute path."
      "services.vks.wireguard.peers.a.prefixes: name at least one, or no pod of that host is reached."
    ];
  };

  "wrong: a node of nothing" = {
    module = with' {
      kubernetes = { enable = true; tokenFile = "${builtins.storeDir}/t"; labels."a b" = "x"; taints = [ "a=b:Never" ]; };
    };
    fails = [
      "services.vks.kubernetes.tokenFile is in the Nix store, which all can read: give a path of the running host."
      "services.vks.kubernetes: set either kubeconfigFile, or server and tokenFile."
      "services.vks.kubernetes: set either caHash or caFile, by which the API server is known."
      "services.vks.kubernetes.labels.\"a b\": a label is letters, digits, '-', '_' and '.', after a domain and '/' if need be."
      "services.vks.kubernetes.taints: \"a=b:Never\" is not key=value:effect with the effect NoSchedule, PreferNoSchedule or NoExecute."
    ];
  };

  "wrong: a key that is none" = { module = with' { wireguard.enable = true; wireguard.peers.a = { publicKey = "x"; prefixes = [ "x" ]; }; }; refused = true; };
  "wrong: a kind of image that is none" = { module = with' { images.default = "docker"; }; refused = true; };

  "wrong: an old systemd" = {
    module = with' { } // { systemd.package = pkgs.systemd // { version = "252.1"; }; };
    fails = [ "services.vks needs systemd 255 or newer, and systemd.package is 252.1." ];
  };

  "wrong: an option that does not exist" = { module = with' { pod.web = web; }; refused = true; };
  "wrong: the type of an option" = { module = with' { openFirewall = "yes"; }; refused = true; };
  "wrong: the types of what a switch does" = { module = with' { pods.web = web // { restartIfChanged = "no"; }; }; refused = true; };
  "wrong: the type in a pod" = { module = with' { pods.web = web // { args = "x"; }; }; refused = true; };
  "wrong: a secret without its keys" = { module = with' { secrets.a.file = "/x"; }; refused = true; };
}
