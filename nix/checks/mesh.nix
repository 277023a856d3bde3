# Pods of two hosts reach each other by their own addresses.
{ self }:
let
  # Each knows the other's prefix; keys are made by the machines, so peers are drop-ins of the test.
  host = number: { pkgs, ... }: {
    imports = [ self.nixosModules.default ];
    environment.systemPackages = [ pkgs.wireguard-tools ];
    services.vks = {
      enable = true;
      openFirewall = true;
      settings.network.ipv4 = "10.200.${number}.0/24";
      settings.pods.profile = "trusted";
      wireguard.enable = true;
      pods.web = {
        image = "host:${pkgs.python3}/bin/python3";
        args = [ "-m" "http.server" "8080" ];
        spec.terminationGracePeriodSeconds = 2;
      };
    };
  };
in
{
  name = "vks-mesh";
  nodes = {
    one = host "1";
    two = host "2";
  };
  testScript = ''
    start_all()
    pairs = [(one, two, "2"), (two, one, "1")]
    for host, _, _ in pairs:
        host.wait_for_unit("vks-network.service")
        host.wait_for_unit("vks.service")

    for host, other, number in pairs:
        key = other.succeed("wg show vks-wg0 public-key").strip()
        host.succeed("mkdir -p /etc/vks/vks.toml.d")
        host.succeed(
            f"printf '[wireguard.peers.other]\npublic_key = \"{key}\"\n"
            f"endpoint = \"{other.name}:51820\"\nprefixes = [\"10.200.{number}.0/24\"]\n' > /etc/vks/vks.toml.d/other.toml"
        )
        host.succeed("systemctl reload vks-wireguard.service vks.service")

    for host, other, _ in pairs:
        other.succeed("vks wait --for=condition=Ready pod/web --timeout=60s")
        address = other.succeed("vks get pod web -o json | tr ',' '\n' | sed -n 's/.*\"podIP\": *\"\\(.*\\)\".*/\\1/p'").strip()
        host.wait_until_succeeds(f"curl --fail --silent --max-time 2 http://{address}:8080/")
  '';
}
