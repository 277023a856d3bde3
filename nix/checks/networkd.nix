# The same host with systemd-networkd.
{ self }:
{
  name = "vks-networkd";
  nodes.host = {
    imports = [ (import ./host.nix { inherit self; }) ];
    networking.useNetworkd = true;
  };
  testScript = ''
    host.wait_for_open_port(8080)
    host.succeed("networkctl --no-pager status")
    host.succeed("vks wait --for=condition=Ready pod/web --timeout=60s")
  '';
}
