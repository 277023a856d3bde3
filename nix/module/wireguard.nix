# services.vks.wireguard: the mesh of hosts.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.vks;
  mesh = cfg.wireguard;
  refuse = import ./refuse.nix { inherit lib; };
  given = lib.filterAttrs (_: value: value != null);

  peer = {
    options = {
      publicKey = mkOption {
        type = types.strMatching "[A-Za-z0-9+/]{43}=";
        example = "mB5oTb3u6qfoyyCtCDa3AnNfxS6KRKdJS8ljVN0SnHM=";
        description = "Its public key.";
      };
      endpoint = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "rack8.example.org:51820";
        description = "Where it is reached, a name or an address and a port. When null, it comes first.";
      };
      prefixes = mkOption {
        type = types.listOf types.str;
        example = [ "10.200.8.0/24" ];
        description = "The prefixes of its pods, which overlap with those of no other host.";
      };
      presharedKeyFile = mkOption {
        type = refuse.secretFileType;
        default = null;
        example = "/run/secrets/rack8.psk";
        description = "A file of the running host with a key that both have. Not a path of the Nix store.";
      };
      keepalive = mkOption {
        type = types.nullOr types.int;
        default = null;
        example = 25;
        description = "Seconds between packets that keep a way through NAT open; none when null.";
      };
    };
  };
in
{
  options.services.vks.wireguard = {
    enable = lib.mkEnableOption "the mesh, in which pods of several hosts reach each other, encrypted, by their own addresses";

    port = mkOption {
      type = types.port;
      default = 51820;
      example = 51900;
      description = "The UDP port. {option}`services.vks.openFirewall` opens it.";
    };

    privateKeyFile = mkOption {
      type = refuse.secretFileType;
      default = null;
      example = "/run/secrets/wireguard.key";
      description = ''
        A file of the running host with its private key, readable by root alone. Not a path of the Nix store. When null, one is
        made in {file}`/var/lib/vks/wireguard`; `vks wireguard export` says what other hosts need to know of it.
      '';
    };

    endpoint = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "rack7.example.org:51820";
      description = "Where others reach this host, for `vks wireguard export`.";
    };

    peers = mkOption {
      type = types.attrsOf (types.submodule peer);
      default = { };
      example = lib.literalExpression ''
        {
          rack8 = {
            publicKey = "mB5oTb3u6qfoyyCtCDa3AnNfxS6KRKdJS8ljVN0SnHM=";
            endpoint = "rack8.example.org:51820";
            prefixes = [ "10.200.8.0/24" ];
          };
        }
      '';
      description = "The other hosts, by name.";
    };
  };

  config = lib.mkIf (cfg.enable && mesh.enable) {
    services.vks.settings.wireguard = given {
      inherit (mesh) port endpoint;
      key_file = mesh.privateKeyFile;
    } // lib.optionalAttrs (mesh.peers != { }) {
      peers = lib.mapAttrs
        (_: peer: given {
          public_key = peer.publicKey;
          preshared_key_file = peer.presharedKeyFile;
          inherit (peer) endpoint prefixes keepalive;
        })
        mesh.peers;
    };

    networking.firewall.allowedUDPPorts = lib.mkIf cfg.openFirewall [ mesh.port ];

    assertions = refuse.secretFile "services.vks.wireguard.privateKeyFile" mesh.privateKeyFile
      ++ lib.concatMap
      (name: refuse.secretFile "services.vks.wireguard.peers.${name}.presharedKeyFile" mesh.peers.${name}.presharedKeyFile)
      (lib.attrNames mesh.peers)
      ++ map
      (name: {
        assertion = mesh.peers.${name}.prefixes != [ ];
        message = "services.vks.wireguard.peers.${name}.prefixes: name at least one, or no pod of that host is reached.";
      })
      (lib.attrNames mesh.peers);

    warnings = lib.optional (mesh.peers == { })
      "services.vks.wireguard.enable is set without services.vks.wireguard.peers: there is nobody to reach.";
  };
}
