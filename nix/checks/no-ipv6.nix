# The same host without IPv6.
{ self }:
{
  name = "vks-no-ipv6";
  nodes.host = {
    imports = [ (import ./host.nix { inherit self; }) ];
    networking.enableIPv6 = false;
  };
  testScript = ''
    host.wait_for_open_port(8080)
    host.succeed("vks wait --for=condition=Ready pod/web --timeout=60s")
  '';
}
